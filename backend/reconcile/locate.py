"""locate: what was observed -> where on the tape the database is, and the verdict. Pure: it asks nothing more.

`alembic_version` is a claim to be tested here, never the truth: the schema decides, and the claim is heard only where
the schema leaves a choice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconcile.column import Column
from reconcile.observe import Observation
from reconcile.schema import INVALID, Difference, Schema, kind_of, table_of, tables_in
from reconcile.tape import BASE, Revision, Tape


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
    """Where a database is: at a revision, or near it by what is `missing` and `differing`.

    `claimed` is what the version table says; `believed` is the same, or what a person vouched for instead.
    `extra` are objects on our tables that the tape doesn't know; `rejecting` are those of them that can make an
    insert fail. `renamed` pairs a missing column with an extra one that may be it. `readings` are the revisions that
    an ambiguous database may honestly be at.
    """

    verdict: Verdict
    at: str
    claimed: tuple[str, ...] | None
    believed: tuple[str, ...]
    missing: tuple[Difference, ...] = ()
    differing: tuple[Difference, ...] = ()
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
    claims = _Claims.of(believed, tape)
    exact = tuple(revision for revision in tape.ids if tape.positions[revision] == ours)
    at = _position(ours, exact, claims, tape)
    missing, differing = _apart(tape.positions[at], ours)
    extra = _extra(observation, tape)
    rejecting = tuple(item for item in extra if can_reject_insert(item))
    renamed = _renamed({**tape.positions[claims.latest or at], **tape.positions[at]}, ours, extra)

    def judge() -> Verdict:
        sound = not missing and not differing
        if sound and at == tape.head and observation.claimed == (at,) and not rejecting:
            return Verdict.CURRENT
        if len(claims.unknown) == len(claims.rows) == 1 and not any(_apart(tape.positions[tape.head], ours)):
            return Verdict.AHEAD
        if differing or rejecting or renamed:
            return Verdict.DRIFTED
        if claims.unknown or len(_readings(at, exact, claims, tape)) > 1:
            return Verdict.AMBIGUOUS
        if not sound:
            return Verdict.INCOMPLETE if _can_complete(at, tape) else Verdict.AMBIGUOUS
        if at == BASE:
            return Verdict.EMPTY
        return Verdict.BEHIND if observation.claimed == (at,) else Verdict.ADOPTED

    verdict = judge()
    return Location(
        verdict=verdict,
        at=at,
        claimed=observation.claimed,
        believed=believed,
        missing=missing,
        differing=differing,
        extra=extra,
        rejecting=rejecting,
        renamed=renamed,
        readings=_readings(at, exact, claims, tape) if verdict is Verdict.AMBIGUOUS else (),
    )


@dataclass(frozen=True)
class _Claims:
    """The rows of the version table, told apart: ids of ours, in the tape's order, and ids that nobody here knows."""

    rows: tuple[str, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, rows: tuple[str, ...], tape: Tape) -> "_Claims":
        known = tuple(revision for revision in tape.ids if revision in rows and revision != BASE)
        return cls(rows, known, tuple(row for row in rows if row not in known))

    @property
    def latest(self) -> str | None:
        return self.known[-1] if self.known else None


def _vouched(revision: str) -> tuple[str, ...]:
    return () if revision == BASE else (revision,)


def _position(ours: Schema, exact: tuple[str, ...], claims: _Claims, tape: Tape) -> str:
    """The revision that a schema is at; where it matches none, the last one of which anything is there.

    A claim whose tables are gone is the exception: then it isn't the claim that is wrong.
    """
    if claims.latest and tables_in(tape.positions[claims.latest]) - tables_in(ours):
        return claims.latest
    if exact:
        return claims.latest if claims.latest in exact else exact[-1]
    begun = [revision.id for revision in tape.revisions if _is_begun(revision, ours, tape)]
    return begun[-1] if begun else BASE


def _is_begun(revision: Revision, ours: Schema, tape: Tape) -> bool:
    before = tape.positions[revision.parent or BASE]
    after = tape.positions[revision.id]
    return any(key in ours and (key not in before or ours[key] == text != before[key]) for key, text in after.items())


def _apart(expected: Schema, ours: Schema) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """What is missing from a schema, and what differs in it. An INVALID index counts as missing: it serves nobody."""
    missing, differing = [], []
    for key in {**expected, **ours}:
        item = Difference(key, expected.get(key), ours.get(key))
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


def _readings(at: str, exact: tuple[str, ...], claims: _Claims, tape: Tape) -> tuple[str, ...]:
    """The revisions that the database may honestly be at; a single one where there is no doubt."""
    if claims.unknown:
        return (at, *claims.unknown)
    if claims.latest in exact:
        return (at,)
    if claims.latest and not all(revision.replayable for revision in tape.between(at, claims.latest)):
        return (at, claims.latest)
    if len(exact) > 1 and any(revision.statements for revision in tape.between(exact[0], exact[-1])):
        return exact
    return (at,)


def _can_complete(at: str, tape: Tape) -> bool:
    return at == BASE or next(revision for revision in tape.revisions if revision.id == at).replayable
