"""locate: what was observed -> where on the tape the database is, and the verdict. Pure: it asks nothing more.

`alembic_version` is a claim to be tested here, never the truth: the schema decides, and the claim is heard only where
the schema leaves a choice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconcile.column import Column
from reconcile.observe import Observation
from reconcile.place import Claims, find_place, label
from reconcile.schema import INVALID, Difference, Key, Schema, kind_of, table_of
from reconcile.tape import BASE, Statement, Tape


class Verdict(StrEnum):
    """What is the matter with a database; the first that fits is given."""

    UNREADABLE = "unreadable"
    CURRENT = "current"
    AHEAD = "ahead"
    DRIFTED = "drifted"
    AMBIGUOUS = "ambiguous"
    EMPTY = "empty"
    BEHIND = "behind"
    ADOPTED = "adopted"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Location:
    """Where a database is: at the revisions `applied`, or near them by what is `missing` and `differing`.

    `claimed` is what the version table says; `believed` is the same, or what a person vouched for instead.
    `remaining` are the statements of a half-applied revision that have yet to run, where that is known; `rerun` says
    that the half-applied revision after these may be run again as a whole.
    `extra` are objects on our tables that the tape doesn't know; `rejecting` are those of them that can make an
    insert fail. `renamed` pairs a missing column with an extra one that may be it. `readings` are the revisions that
    an ambiguous database may honestly be at.
    """

    verdict: Verdict
    at: str
    applied: frozenset[str]
    claimed: tuple[str, ...] | None
    believed: tuple[str, ...]
    missing: tuple[Difference, ...] = ()
    differing: tuple[Difference, ...] = ()
    remaining: tuple[Statement, ...] = ()
    rerun: bool = False
    extra: tuple[Difference, ...] = ()
    rejecting: tuple[Difference, ...] = ()
    renamed: tuple[tuple[Difference, Difference], ...] = ()
    readings: tuple[str, ...] = ()


def locate(observation: Observation, tape: Tape, *, assume: str | None = None) -> Location:
    """Where the observed database is on the tape, with the verdict on it.

    `assume` is a revision that a person vouches for, believed instead of what is on record.
    """
    ours = {key: text for key, text in observation.schema.items() if key in tape.keys}
    believed = observation.claimed or () if assume is None else _vouched(assume)
    claims = Claims.of(believed, tape, vouched=assume is not None)
    place = find_place(ours, claims, tape)
    expected = tape.after(place.applied)
    missing, differing = _apart(expected, ours, observation.constraints)
    extra = _extra(observation, tape)
    rejecting = tuple(item for item in extra if can_reject_insert(item))
    renamed = _renamed({**tape.after(claims.applied), **expected}, ours, extra)
    tips = tuple(sorted(tape.tips(place.applied)))

    def judge() -> Verdict:
        sound = not missing and not differing
        if sound and tips == observation.claimed == (tape.head,) and not rejecting:
            return Verdict.CURRENT
        if len(claims.unknown) == len(claims.rows) == 1 and not any(_apart(tape.end, ours, {})):
            return Verdict.AHEAD
        if rejecting or renamed or (differing and not place.remaining and not place.rerun and not place.readings):
            return Verdict.DRIFTED
        if claims.unknown or place.readings:
            return Verdict.AMBIGUOUS
        if place.rerun or not sound:
            return Verdict.INCOMPLETE
        if not tips and not believed:
            return Verdict.EMPTY
        return Verdict.BEHIND if observation.claimed == tips else Verdict.ADOPTED

    return Location(
        verdict=judge(),
        at=label(place.applied, tape),
        applied=place.applied,
        claimed=observation.claimed,
        believed=believed,
        missing=missing,
        differing=differing,
        remaining=place.remaining,
        rerun=place.rerun,
        extra=extra,
        rejecting=rejecting,
        renamed=renamed,
        readings=place.readings,
    )


def _vouched(revision: str) -> tuple[str, ...]:
    return () if revision == BASE else (revision,)


def _apart(
    expected: Schema, ours: Schema, constraints: Mapping[Key, str]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """What is missing from a schema, and what differs in it. An INVALID index counts as missing: it serves nobody."""
    missing, differing = [], []
    for key in {**expected, **ours}:
        item = Difference(key, expected.get(key), ours.get(key), constraints.get(key, ""))
        if item.expected == item.found:
            continue
        if item.found is None or item.found == f"{item.expected}{INVALID}":
            missing.append(item)
        else:
            differing.append(item)
    return tuple(missing), tuple(differing)


def _extra(observation: Observation, tape: Tape) -> tuple[Difference, ...]:
    return tuple(
        Difference(key, None, text, observation.constraints.get(key, ""))
        for key, text in observation.schema.items()
        if key not in tape.keys and table_of(key, text) in tape.tables
    )


def can_reject_insert(item: Difference) -> bool:
    """Whether an object that nobody here knows can make an insert fail that the tape's schema would take."""
    text = item.found or ""
    match kind_of(item.key):
        case "column":
            return Column.parse(text).can_reject_insert
        case "index":
            return text.startswith("UNIQUE ")
        case "check" | "unique" | "exclude" | "foreign_key" | "primary_key" | "trigger" | "row_security" | "rule":
            return True
    return False


def _renamed(expected: Schema, ours: Schema, extra: Iterable[Difference]) -> tuple[tuple[Difference, Difference], ...]:
    """Missing columns beside extra ones of the same table and type: adding an empty one would hide the values."""
    gone = [
        Difference(key, text, None) for key, text in expected.items() if kind_of(key) == "column" and key not in ours
    ]
    strange = [item for item in extra if kind_of(item.key) == "column"]
    return tuple(
        (lost, found)
        for lost in gone
        for found in strange
        if table_of(lost.key, "") == table_of(found.key, "") and lost.expected == found.found
    )
