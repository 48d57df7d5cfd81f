"""Plans the steps from a location to the end of the tape as printable data, or a refusal. Pure.

Printing a plan is the dry run; applying it adds no decisions. A plan with a refusal has no steps.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..command_line import command
from ..differences.alter_statements import mend
from ..differences.normalize import rename_statements
from ..location.locate import Location, Verdict
from ..location.position import label
from ..schema.compatibility import labels_beside
from ..schema.create_statements import creations
from ..schema.schema import CONSTRAINTS, Difference, Key, tables_in
from ..sql.statements import read_statement
from ..tape.tape import BASE, Revision, Tape
from .advice import about_left_over, advice
from .steps import Step, heavy_steps, statements_making, steps_forward, to_make


@dataclass(frozen=True)
class Refusal:
    """Why a heal does nothing, and the SQL or commands with which a person could proceed."""

    reason: str
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps in order; `notes` is what a person should know about them."""

    steps: tuple[Step, ...] = ()
    refusal: Refusal | None = None
    notes: tuple[str, ...] = ()


def plan(location: Location, tape: Tape, *, large: frozenset[str] = frozenset(), consent: bool = False) -> Plan:
    """The steps from a location to the end of the tape, or the reason why there are none.

    `large` are tables that mustn't be locked for long: indexes on them are built concurrently, and steps that read or
    rewrite a whole one need `consent`.
    """
    refusal = _refusal(location, tape)
    if refusal is not None:
        return Plan(refusal=replace(refusal, remedies=(*refusal.remedies, *_of_models(location, tape))))
    if location.verdict is Verdict.CURRENT:
        return Plan(notes=_notes(location, tape))
    steps = tuple(steps_forward(location, tape, large))
    heavy = heavy_steps(location, tape, large)
    if heavy and not consent:
        refreshes = " ".join(f"{sql};" for item in location.unpopulated for sql in mend(item) or ())
        return Plan(refusal=_too_heavy(heavy, *([refreshes] if refreshes else [])))
    return Plan(steps=steps, notes=_notes(location, tape) + tuple(heavy))


def _of_models(location: Location, tape: Tape) -> tuple[str, ...]:
    """The way on where `create_all` may have made the database: it says head, and several tables differ."""
    tables = {item.key.relation for item in (*location.missing, *location.differing) if item.key.table}
    if tape.models is not None or location.claimed != tape.heads or len(tables) < 2:  # noqa: PLR2004 - several
        return ()
    if location.verdict not in (Verdict.DRIFTED, Verdict.INCOMPLETE):
        return ()
    named = command("record", "--models", "MODULE:METADATA")
    return (f"-- if the application's models made it (create_all), its metadata tells what is right: {named}",)


def _too_heavy(heavy: tuple[str, ...], *by_hand: str) -> Refusal:
    return Refusal("; ".join(heavy), (f"choose a quiet time, then: {command('heal', '--yes')}", *by_hand))


def _refusal(location: Location, tape: Tape) -> Refusal | None:
    unknown = [row for row in location.believed if row not in tape.by_id] or list(location.strangers)
    match location.verdict:
        case Verdict.CURRENT:
            return None
        case Verdict.AHEAD:
            return Refusal(
                f"the version on record, {_id(unknown[0])}, {_unknown(unknown[0])}; the schema has all that this code"
                " needs" + ("" if _is_no_id(unknown[0]) else _NEWER),
                (*(() if _is_no_id(unknown[0]) else ("-- newer code: run that",)), _leftover(location)),
            )
        case Verdict.AMBIGUOUS:
            return _ambiguity(location, unknown)
        case Verdict.DRIFTED:
            drift = (_irreparable(location, tape) if location.fitting else None) or _drift(location, tape)
            if drift or not unknown:
                return drift or _irreparable(location, tape)
            return _ambiguity(location, unknown)
    return _irreparable(location, tape)


_NEWER = ": either newer code has upgraded the database, or the id is a leftover, of a chain that was squashed for one"
_ID = re.compile(r"[^\s']+")


def _is_no_id(row: str) -> bool:
    """Whether a row of the version table can't be a revision's id: NULL, empty, or with spaces around it."""
    return row == "NULL" or not _ID.fullmatch(row)


def _id(row: str) -> str:
    """An id, quoted where it isn't a plain word."""
    return row if _ID.fullmatch(row) else "'" + row.replace("'", "''") + "'"


def _unknown(row: str) -> str:
    return "is no revision's" if _is_no_id(row) else "is not known to this code"


def _leftover(location: Location) -> str:
    if location.strangers:
        return "-- another chain's: give this one a table of its own, in env.py: context.configure(…, version_table=…)"
    return command("heal", "--assume", _argument(location.at))


def _argument(reading: str) -> str:
    return reading.replace(", ", ",")


def _ambiguity(location: Location, unknown: list[str]) -> Refusal:
    left_over = _only_left_over(location)
    choices = tuple(
        command("heal", "--assume", _argument(reading))
        for reading in location.readings or (location.at,)
        if reading not in unknown and not (left_over and reading == location.readings[-1])
    )
    if left_over:
        choices += (f"-- if {location.readings[-1]} has run: drop by hand what is still there, once nobody needs it",)
    if location.strangers:
        return _shared(location.strangers, alone=location.at == BASE)
    if unknown:
        reason = (
            f"{' and '.join(map(_id, unknown))} in the version table is not known to this code: either it is a leftover"
            f" and the schema is at {location.at}, or other code has changed this database"
        )
        return Refusal(reason, choices)
    hanging = "; ".join(dict.fromkeys(_short(doubt.statement.sql) for doubt in location.doubts[:_NAMED]))
    readings = ", ".join(reading.replace(", ", " with ") for reading in location.readings)
    return Refusal(
        f"it may honestly be at any of {readings}, and the schema can't tell which"
        + (f": it doesn't show whether this ran: {hanging}" if hanging else _against(location)),
        choices,
    )


def _against(location: Location) -> str:
    """What speaks against the last reading."""
    sentences = [f"{item.key} is still there" if item.expected is None else str(item) for item in _whole(location)]
    more = f"; and {len(sentences) - _NAMED} more" if len(sentences) > _NAMED else ""
    return f": for {location.readings[-1]}, {'; '.join(sentences[:_NAMED])}{more}" if sentences else ""


def _only_left_over(location: Location) -> bool:
    """Whether all that speaks against the last reading is there still, and harmless: to assume it changes nothing."""
    return bool(location.against) and all(
        item.expected is None and item.key.kind in _HARMLESS and not (item.actual or "").startswith("UNIQUE ")
        for item in _whole(location)
    )


_HARMLESS = ("table", "column", "sequence", "index", "trigger", "policy", "view", "function")


def _whole(location: Location) -> list[Difference]:
    """What speaks against the last reading, for a table the table alone."""
    tables = tables_in(item.key for item in location.against)
    return [item for item in location.against if item.key.kind == "table" or item.key.relation not in tables]


_NAMED = 3
_SQL_SHOWN = 200


def _short(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= _SQL_SHOWN else f"{line[:_SQL_SHOWN]} …"


def _shared(unknown: tuple[str, ...], *, alone: bool) -> Refusal:
    """The refusal of a version table that is shared with another chain; `alone`: this chain has nothing here yet."""
    beside = "nothing of this chain is there" if alone else "others have tables or rows beside this chain's"
    return Refusal(
        f"{' and '.join(map(_id, unknown))} in the version table is not known to this code, and {beside}: the table is"
        " shared with another chain",
        (
            "-- give this chain a table of its own, in env.py: context.configure(…, version_table=…); record it again",
            "-- or, if no chain of anybody's has it: delete the row by hand, having asked",
        ),
    )


def _drift(location: Location, tape: Tape) -> Refusal | None:
    if location.name_collisions:
        remedy = "-- give one of the two another name, or this chain a schema of its own (search_path)"
        return Refusal("; ".join(map(str, location.name_collisions)), (remedy,))
    if location.renamed:
        lost, actual = location.renamed[0]
        return Refusal(
            f"{lost.key} is missing, and {actual.key} of the same type isn't ours: it looks renamed, and an empty"
            " column beside it would hide its values"
            if actual.key not in tape.keys
            else f"{lost.key} is missing, and {actual.key} is there, which a revision renames to it",
            tuple(_renaming(old.key, new.key) for old, new in location.renamed),
        )
    hopeless = [item for item in location.differing if mend(item) is None]
    if not hopeless and not location.rejecting:
        return None
    needed = creations(item for item in location.missing if item.key.kind in ("type", "domain")) or ()
    remedies = (
        *(f"{creation.sql};" for creation in needed),
        *(
            _renamed_first(item.key, location)
            + (
                (item.expected is None and about_left_over(item.key))
                or advice(item, detail=location.details.get(item.key, ""))
            )
            for item in hopeless
        ),
        *(advice(item) for item in location.rejecting),
    )
    return Refusal("; ".join(str(item) for item in (*hopeless, *location.rejecting)), remedies)


def _renamed_first(key: Key, location: Location) -> str:
    """The SQL that gives a constraint of ours the name by which advice calls it."""
    return "".join(f"{sql}; " for sql in rename_statements(item for item in location.renamings if item.expected == key))


def _renaming(lost: Key, actual: Key) -> str:
    if lost.kind == "table":
        return f"ALTER TABLE {actual.relation} RENAME TO {lost.table};"
    return f"ALTER TABLE {lost.relation} RENAME COLUMN {actual.name} TO {lost.name};"


def _irreparable(location: Location, tape: Tape) -> Refusal | None:
    """Refuses to create a missing table, unless its revision may never have got so far: its rows would be lost."""
    claimed = [row for row in location.believed if row in tape.ids]
    for pending in location.pending:
        if unanswerable := _unanswerable(tape.by_id[pending.revision], pending.done):
            return unanswerable
    if location.remaining or location.rerun or location.pending:
        return None
    begun_last = _made_by(set(tape.tips(location.applied)) - tape.ancestry(claimed), tape)
    lost = [
        item
        for item in location.missing
        if item.key.kind == "table" and item.key not in begun_last and item.key.relation not in tape.partitions
    ]
    if lost:
        tables = ", ".join(item.key.relation for item in lost)
        one = len(lost) == 1
        ways = () if location.claimed and not location.believed else location.fitting or _without(lost, location, tape)
        gone = f"the table {tables} is gone" if one else f"the tables {tables} are gone"
        if any(item.key in tape.base for item in lost):
            reason = f"{gone}; {'it has' if one else 'they have'} to be there before the first revision"
            return Refusal(reason, (f"-- restore {tables} from a backup",))
        return Refusal(
            f"{gone}, with {'its' if one else 'their'} rows, though {_evidence(claimed)} says that"
            f" {'it was' if one else 'they were'} made",
            (
                f"-- restore {tables} from a backup",
                *(command("heal", "--assume", _argument(reading)) for reading in ways),
            ),
        )
    if not statements_making(location, tape) and creations(to_make(location)) is None:
        return Refusal(
            "; ".join(str(item) for item in location.missing),
            tuple(advice(item) for item in location.missing),
        )
    return None


def _without(lost: Iterable[Difference], location: Location, tape: Tape) -> tuple[str, ...]:
    """The first later revision that has dropped all the lost tables; else the base, from which they are made again."""
    applied = set(location.applied)
    for revision in tape.revisions:
        if revision.id not in applied and applied.issuperset(revision.parents):
            applied.add(revision.id)
            if not any(item.key in tape.after(applied) for item in lost):
                return (label(applied, tape),)
    return (BASE,)


def _unanswerable(revision: Revision, done: tuple[int, ...]) -> Refusal | None:
    """Refuses to finish a revision by its own code if that needs the result of a statement that has run."""
    asked = [revision.statements[at].sql for at in done if read_statement(revision.statements[at].sql).returns_rows]
    if not asked:
        return None
    left = [_short(item.sql) for at, item in enumerate(revision.statements) if at not in done and item.kind != "read"]
    return Refusal(
        f"revision {revision.id} has begun, and its code asks what {_short(asked[0])} returned, which it can't be told"
        " a second time",
        (
            f"-- have run what is left of {revision.id} by hand: {'; '.join(left)}",
            f"-- and then: {command('heal', '--assume', revision.id)}",
        ),
    )


def _evidence(claimed: list[str]) -> str:
    return f"the version on record, {claimed[-1]}," if claimed else "what stands of later revisions"


def _made_by(revisions: Iterable[str], tape: Tape) -> frozenset[Key]:
    return frozenset(
        key for revision in revisions for statement in tape.by_id[revision].statements for key in statement.effects
    )


def _notes(location: Location, tape: Tape) -> tuple[str, ...]:
    """What a person should know: columns that come back empty, evidence from rows, and tolerated differences."""
    notes = [
        f"{column} comes back empty: if it was dropped, its values are gone" for column in _emptied(location, tape)
    ]
    notes += _made_again(location, tape)
    notes += [*(location.proof.sentences if location.proof else ()), *location.seen]
    notes += [*map(str, location.words.relabellings), *location.words.notes]
    if location.verdict is Verdict.CURRENT:
        notes += [f"{item}; it is renamed before a later revision needs that name" for item in location.renamings]
    notes += [f"{item.key} is not ours and stays: {item.actual}" for item in location.extra]
    notes += [
        f"{item}; {_what_it_means(item)}"
        for item in location.tolerated
        if item.expected is not None or item not in location.undecided
    ]
    notes += map(str, location.promotions)
    notes += [
        f"{key} isn't enforced, as its triggers are disabled; once its rows are looked through:"
        f" ALTER TABLE {key.relation} ENABLE TRIGGER ALL"
        for key in location.unenforced
    ]
    notes += [f"it isn't known whether {item.key} lets writes through" for item in location.undecided]
    return tuple(notes)


def _what_it_means(item: Difference) -> str:
    """The consequence of a tolerated difference."""
    if item.key.kind != "type":
        return "that keeps nobody from working"
    labels = " or ".join(labels_beside(item.expected or "", item.actual or ""))
    return f"rows may hold {labels} one day, which no revision knows, and which code may fail to read"


def _made_again(location: Location, tape: Tape) -> list[str]:
    """Objects that a withdrawn claim implies, except for columns and objects on missing tables."""
    promised = tape.after(tape.ancestry(row for row in location.believed if row in tape.by_id))
    reached = tape.after(location.applied)
    if location.verdict is not Verdict.ADOPTED:
        return []
    lost = [key for key in promised if key not in reached and key.kind not in ("column", "table", *CONSTRAINTS)]
    return [f"{key} is missing, though the revision on record makes it; it is made again" for key in lost]


def _emptied(location: Location, tape: Tape) -> list[str]:
    """Columns that the claim or the schema's revision implies, and that are created again, empty."""
    claimed = [row for row in tape.ids if row in location.believed]
    promised = tape.after(tape.ancestry(claimed))
    present = set(tape.after(location.applied)) - {item.key for item in location.missing}
    made = {item.key for item in location.missing} | {
        key
        for revision in tape.revisions
        if revision.id not in location.applied
        for statement in revision.statements
        for key, effect in statement.effects.items()
        if effect.before is None and statement.kind == "additive"
    }
    absent = {key for key in promised if key not in present} | {item.key for item in location.missing}
    whole = tables_in(absent)
    renamed_to = {key for statement in location.remaining for key in statement.effects}
    columns = {
        key
        for key in absent & made - renamed_to
        if key.kind == "column"
        and key.relation not in whole
        and " generated always as (" not in (promised.get(key) or "")
    }
    return sorted(f"{key.relation}.{key.name}" for key in columns)
