"""steps: what a plan is made of, each a value that explains itself; and which ones lead forward from a location."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from reconcile.create import Creation, creations
from reconcile.locate import Location
from reconcile.repair import mend
from reconcile.schema import Difference, kind_of, table_of
from reconcile.tape import BASE, Revision, Statement, Tape


@dataclass(frozen=True)
class Execute:
    """Run one statement that makes or mends an object."""

    sql: str

    def __str__(self) -> str:
        return f"run       {self.sql}"


@dataclass(frozen=True)
class BuildBeside:
    """Run one statement about an index outside a transaction, while the table goes on being written to."""

    sql: str

    def __str__(self) -> str:
        return f"beside    {self.sql}"


@dataclass(frozen=True)
class Stamp:
    """Write where the schema is into the version table, and nothing else; no revision at all is the base."""

    revisions: tuple[str, ...]

    def __str__(self) -> str:
        return f"stamp     {', '.join(self.revisions) or BASE}"


@dataclass(frozen=True)
class Upgrade:
    """Run the revisions that have not begun, through Alembic."""

    revision: str

    def __str__(self) -> str:
        return f"upgrade   to {self.revision}, through Alembic"


@dataclass(frozen=True)
class UpgradeAlone:
    """Run one revision through Alembic, outside a transaction: some of its statements can't run in one."""

    revision: str

    def __str__(self) -> str:
        return f"upgrade   to {self.revision}, through Alembic, outside a transaction"


Step: TypeAlias = Execute | BuildBeside | Stamp | Upgrade | UpgradeAlone


def segments(steps: Iterable[Step]) -> tuple[tuple[Step, ...], ...]:
    """The steps in groups that each run in one transaction; a step that can't is a group of its own."""
    groups: list[tuple[Step, ...]] = []
    for alone, group in groupby(steps, key=lambda step: isinstance(step, BuildBeside | UpgradeAlone)):
        together = tuple(group)
        groups += [(step,) for step in together] if alone else [together]
    return tuple(groups)


def steps_forward(location: Location, tape: Tape, large: frozenset[str]) -> Iterator[Step]:
    """The steps from a location to the end of the tape."""
    yield from _repairs(location, tape, large)
    tips = tape.tips(location.applied)
    if (location.claimed or ()) != tuple(sorted(tips)):
        yield Stamp(tips)
    applied = set(location.applied)
    waiting: Upgrade | None = None
    for revision in tape.revisions:
        if revision.id in applied:
            continue
        applied.add(revision.id)
        beside = _indexes_on(revision, large)
        if revision.transactional and not (beside and revision.completable):
            waiting = Upgrade(revision.id)
            continue
        if waiting:
            yield waiting
            waiting = None
        if not revision.transactional:
            yield UpgradeAlone(revision.id)
        else:
            yield from _played(revision.statements, beside)
            yield Stamp(tape.tips(applied))
    if waiting:
        yield waiting


def _repairs(location: Location, tape: Tape, large: frozenset[str]) -> Iterator[Step]:
    """The rest of a half-applied revision where it is known, else what is missing and differing, one by one."""
    if location.remaining or location.rerun:
        yield from (Execute(statement.sql) for statement in location.remaining)
        return
    for item in location.differing:
        yield from (Execute(sql) for sql in mend(item) or ())
    recorded = statements_making(location, tape)
    if recorded:
        yield from _played(recorded, tuple(statement for statement in recorded if _indexes(statement, large)))
        return
    made = creations(location.missing) or ()
    yield from (Execute(creation.sql) for creation in made if not _is_on(creation, large))
    yield from (BuildBeside(beside(creation.sql)) for creation in made if _is_on(creation, large))


def statements_making(location: Location, tape: Tape) -> tuple[Statement, ...]:
    """The recorded statements that make exactly what is missing, where there are such; then names come out right too.

    Constraints' names are no part of the schema as we see it, but later revisions drop constraints by them.
    """
    missing = {item.key: item.expected for item in location.missing if item.found is None}
    recorded = tuple(
        statement
        for revision in tape.revisions
        if revision.id in location.applied
        for statement in revision.statements
        if statement.kind == "additive"
        and statement.transactional
        and all(key in missing and missing[key] == effect.after for key, effect in statement.effects.items())
    )
    made = {key for statement in recorded for key in statement.effects}
    return recorded if made == {item.key for item in location.missing} else ()


def _is_on(creation: Creation, large: frozenset[str]) -> bool:
    item = creation.item
    return kind_of(item.key) == "index" and table_of(item.key, item.expected or "") in large


def _indexes_on(revision: Revision, large: frozenset[str]) -> tuple[Statement, ...]:
    return tuple(statement for statement in revision.statements if _indexes(statement, large))


def _indexes(statement: Statement, large: frozenset[str]) -> bool:
    return any(
        kind_of(key) == "index" and effect.before is None and table_of(key, effect.after or "") in large
        for key, effect in statement.effects.items()
    )


def _played(statements: Iterable[Statement], indexes: tuple[Statement, ...]) -> Iterator[Step]:
    """Statements from the tape, the indexes on large tables last and beside their use."""
    yield from (Execute(statement.sql) for statement in statements if statement not in indexes)
    yield from (BuildBeside(beside(statement.sql)) for statement in indexes)


def beside(sql: str) -> str:
    """A statement that creates or drops an index, in the form that lets the table be written to meanwhile."""
    return sql if "CONCURRENTLY" in sql else sql.replace("INDEX", "INDEX CONCURRENTLY", 1)


def heavy_steps(location: Location, tape: Tape, large: frozenset[str]) -> tuple[str, ...]:
    """What would read or rewrite a large table as a whole, and hold up its writers meanwhile, each in a sentence."""
    found = [
        f"{revision.id} {what} the table {table}, which is large"
        for revision in tape.revisions
        if revision.id not in location.applied
        for statement in revision.statements
        for table in sorted(large)
        if (what := _weight(statement, table, beside=revision.completable and revision.transactional))
    ]
    found += [
        f"{' and '.join(tape.tips(location.applied))} {what} the table {table}, which is large"
        for statement in location.remaining
        for table in sorted(large)
        if (what := _weight(statement, table, beside=False))
    ]
    repaired = [Difference(item.key, item.expected, None) for item in location.missing] + list(location.differing)
    found += [
        f"mending {item.key} reads the whole table {table_of(item.key, item.expected or '')}, which is large"
        for item in repaired
        if table_of(item.key, item.expected or "") in large and _reads_table(item)
    ]
    return tuple(dict.fromkeys(found))


def _weight(statement: Statement, table: str, *, beside: bool) -> str:
    """What a statement does to a large table that holds up its writers; `beside` is set where its indexes don't."""
    if statement.kind in ("data", "opaque"):
        return "moves rows of" if table.lower() in statement.sql.lower() else ""
    on_table = [
        Difference(k, e.after, e.before)
        for k, e in statement.effects.items()
        if table_of(k, e.after or e.before or "") == table and e.after is not None
    ]
    if any(_reads_table(item) for item in on_table):
        return "reads the whole of"
    locking = statement.transactional and not beside and _indexes(statement, frozenset({table}))
    return "builds an index, while nobody can write to it, on" if locking else ""


def _reads_table(item: Difference) -> bool:
    """Whether making an object so makes PostgreSQL look at every row of its table."""
    expected, found = item.expected or "", item.found
    match kind_of(item.key):
        case "primary_key" | "unique" | "exclude":
            return True
        case "check" | "foreign_key":
            return not expected.endswith(" NOT VALID")
        case "column":
            if found is None:
                return " generated " in expected or (
                    " default " in expected and "(" in expected.partition(" default ")[2]
                )
            return expected.removesuffix(" not null") != found.removesuffix(" not null") or expected.endswith(
                " not null"
            )
    return False
