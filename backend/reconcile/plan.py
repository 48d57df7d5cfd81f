"""plan: a location -> what will be done, as data that can be printed, or why nothing will be. Pure.

Printing a plan is the dry run; applying it adds no decisions. A plan with a refusal has no steps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconcile.advice import advice
from reconcile.create import creations
from reconcile.locate import Location, Verdict
from reconcile.repair import mend
from reconcile.schema import Difference, column_of, kind_of, name_of, table_of
from reconcile.steps import Step, heavy_steps, statements_making, steps_forward
from reconcile.tape import Tape


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done, and the SQL or the commands with which a person could go on."""

    reason: str
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What to do, in order; `notes` say aloud what a person should know of it."""

    steps: tuple[Step, ...] = ()
    refusal: Refusal | None = None
    notes: tuple[str, ...] = ()


def plan(location: Location, tape: Tape, *, large: frozenset[str] = frozenset(), consent: bool = False) -> Plan:
    """The steps from a location to the end of the tape, or the reason why there are none.

    `large` are the tables that are too large to be locked for long: indexes on them are built beside their use, and
    what would read or rewrite them as a whole waits for `consent`.
    """
    refusal = _refusal(location, tape)
    if refusal is not None:
        return Plan(refusal=refusal)
    if location.verdict is Verdict.CURRENT:
        return Plan()
    steps = tuple(steps_forward(location, tape, large))
    heavy = heavy_steps(location, tape, large)
    if heavy and not consent:
        return Plan(refusal=_too_heavy(heavy))
    return Plan(steps=steps, notes=_notes(location, tape) + tuple(heavy))


def _too_heavy(heavy: tuple[str, ...]) -> Refusal:
    return Refusal("; ".join(heavy), ("choose a quiet time, then: python -m reconcile heal --yes",))


def _refusal(location: Location, tape: Tape) -> Refusal | None:
    unknown = [row for row in location.believed if row not in tape.by_id]
    match location.verdict:
        case Verdict.CURRENT:
            return None
        case Verdict.AHEAD:
            return Refusal(
                f"the version on record, {unknown[0]}, is not known to this code; the schema has all that this code"
                " needs, so newer code has probably upgraded the database",
                ("start the newer code, or set ALLOW_AHEAD=true to serve with this one",),
            )
        case Verdict.AMBIGUOUS:
            return _ambiguity(location, unknown)
        case Verdict.DRIFTED:
            drift = _drift(location)
            if drift or not unknown:
                return drift or _irreparable(location, tape)
            return _ambiguity(location, unknown)
    return _irreparable(location, tape)


def _ambiguity(location: Location, unknown: list[str]) -> Refusal:
    choices = tuple(
        f"python -m reconcile heal --assume {reading}"
        for reading in location.readings or (location.at,)
        if reading not in unknown
    )
    if unknown:
        reason = (
            f"{' and '.join(unknown)} in the version table is not known to this code: either it is a leftover and the"
            f" schema is at {location.at}, or other code has changed this database"
        )
        return Refusal(reason, choices)
    return Refusal(
        f"it may honestly be at any of {', '.join(location.readings)}, and the schema can't tell which",
        choices,
    )


def _drift(location: Location) -> Refusal | None:
    if location.renamed:
        lost, found = location.renamed[0]
        return Refusal(
            f"{lost.key} is missing, and {found.key} of the same type isn't ours: it looks renamed, and an empty"
            " column beside it would hide its values",
            tuple(
                f"ALTER TABLE {table_of(old.key, '')} RENAME COLUMN {column_of(new.key)} TO {column_of(old.key)};"
                for old, new in location.renamed
            ),
        )
    hopeless = [item for item in location.differing if mend(item) is None] + list(location.rejecting)
    if not hopeless:
        return None
    needed = creations(item for item in location.missing if kind_of(item.key) in ("type", "domain")) or ()
    remedies = (*(f"{creation.sql};" for creation in needed), *(advice(item) for item in hopeless))
    return Refusal("; ".join(str(item) for item in hopeless), remedies)


def _irreparable(location: Location, tape: Tape) -> Refusal | None:
    """A missing table is made only where its revision may never have got so far; elsewhere its rows are gone."""
    claimed = [row for row in location.believed if row in tape.ids]
    if location.remaining or location.rerun:
        return None
    begun_last = _made_by(set(tape.tips(location.applied)) - tape.ancestry(claimed), tape)
    lost = [item for item in location.missing if kind_of(item.key) == "table" and item.key not in begun_last]
    if lost:
        tables = ", ".join(name_of(item.key) for item in lost)
        return Refusal(
            f"the table {tables} is gone, with its rows, though {_evidence(claimed)} says that it was made",
            (f"-- restore {tables} from a backup", "python -m reconcile heal --assume base"),
        )
    if not statements_making(location, tape) and creations(location.missing) is None:
        return Refusal(
            "; ".join(str(item) for item in location.missing),
            tuple(advice(item) for item in location.missing),
        )
    return None


def _evidence(claimed: list[str]) -> str:
    return f"the version on record, {claimed[-1]}," if claimed else "what stands of later revisions"


def _made_by(revisions: Iterable[str], tape: Tape) -> frozenset[str]:
    return frozenset(
        key for revision in revisions for statement in tape.by_id[revision].statements for key in statement.effects
    )


def _notes(location: Location, tape: Tape) -> tuple[str, ...]:
    """What comes back empty: columns that the claim, or the revision that the schema is at, says were there."""
    claimed = [row for row in tape.ids if row in location.believed]
    promised = tape.after(tape.ancestry(claimed))
    absent = [Difference(key, text, None) for key, text in promised.items() if key not in _present(location, tape)]
    columns = {item.key for item in (*location.missing, *absent) if kind_of(item.key) == "column"}
    whole = {name_of(item.key) for item in location.missing if kind_of(item.key) == "table"}
    lost = sorted(name_of(key) for key in columns if table_of(key, "") not in whole)
    notes = [f"{name} comes back empty: if it was dropped, its values are gone" for name in lost]
    notes += [f"{item.key} is not ours and stays: {item.found}" for item in location.extra]
    return tuple(notes)


def _present(location: Location, tape: Tape) -> set[str]:
    return set(tape.after(location.applied)) - {item.key for item in location.missing}
