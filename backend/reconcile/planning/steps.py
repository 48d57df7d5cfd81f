"""The steps of a plan, which explain themselves, and the steps that lead forward from a location."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from ..differences.alter_statements import mend
from ..differences.normalize import rename_statements
from ..differences.sequence_values import numbering
from ..location.locate import Location
from ..schema.compatibility import labels_beside
from ..schema.create_statements import Creation, creations
from ..schema.schema import Difference, Key, Schema, unquoted
from ..sql.names import names_in
from ..sql.split import first_word
from ..tape.tape import BASE, TRACELESS, Revision, Statement, Tape


@dataclass(frozen=True)
class Execute:
    """Run one statement that creates or repairs an object."""

    sql: str

    def __str__(self) -> str:
        return f"run       {self.sql}"


@dataclass(frozen=True)
class BuildBeside:
    """Run one statement about an index concurrently, outside of a transaction."""

    sql: str

    def __str__(self) -> str:
        return f"beside    {self.sql}"


@dataclass(frozen=True)
class Stamp:
    """Write the schema's revisions into the version table, and change nothing else; none means the base."""

    revisions: tuple[str, ...]

    def __str__(self) -> str:
        return f"stamp     {', '.join(self.revisions) or BASE}"


@dataclass(frozen=True)
class Upgrade:
    """Run revisions that haven't begun, through Alembic."""

    revision: str

    def __str__(self) -> str:
        return f"upgrade   to {self.revision}, through Alembic"


@dataclass(frozen=True)
class UpgradeAlone:
    """Run one revision through Alembic, outside a transaction: some of its statements can't run in one."""

    revision: str

    def __str__(self) -> str:
        return f"upgrade   to {self.revision}, through Alembic, outside a transaction"


@dataclass(frozen=True)
class Resume:
    """Finish a half-applied revision by its own code, without the statements at the positions `done`.

    `alone` is set if it can't run in a transaction.
    """

    revision: str
    done: tuple[int, ...]
    alone: bool = False

    def __str__(self) -> str:
        outside = ", outside a transaction" if self.alone else ""
        return f"finish    {self.revision}, by its own code{outside}, without the {len(self.done)} statements that ran"


@dataclass(frozen=True)
class Commit:
    """End the transaction, since PostgreSQL lets no other statement of it use labels that it has added to an enum."""

    labels: tuple[str, ...]

    def __str__(self) -> str:
        return f"commit    before {', '.join(self.labels)} can be used"


Step: TypeAlias = Execute | BuildBeside | Stamp | Upgrade | UpgradeAlone | Resume | Commit


def runs_alone(step: Step) -> bool:
    """Whether a step can't run in one transaction with others."""
    return isinstance(step, BuildBeside | UpgradeAlone | Commit) or (isinstance(step, Resume) and step.alone)


def segments(steps: Iterable[Step]) -> tuple[tuple[Step, ...], ...]:
    """The steps in groups that each run in one transaction; a step that can't is a group of its own."""
    groups: list[tuple[Step, ...]] = []
    for alone, group in groupby(steps, key=runs_alone):
        together = tuple(group)
        groups += [(step,) for step in together if not isinstance(step, Commit)] if alone else [together]
    return tuple(groups)


def steps_forward(location: Location, tape: Tape, large: frozenset[str]) -> Iterator[Step]:
    """The steps from a location to the end of the tape."""
    if location.widening:
        if location.claimed is None:
            yield Stamp(())
        yield Execute(location.widening)
    yield from (Execute(sql) for sql in rename_statements(location.renamings))
    yield from (Execute(sql) for relabelling in location.words.relabellings for sql in relabelling.statements)
    yield from (Execute(sql) for item in location.unpopulated for sql in mend(item) or ())
    yield from _repairs(location, tape, large)
    yield from (Execute(statement.sql) for statement in _said_again(location, tape))
    stamped = {revision for revision in location.applied if tape.ancestry([revision]) <= location.applied}
    tips = tape.tips(stamped)
    if (location.claimed or ()) != tuple(sorted(tips)):
        yield Stamp(tips)
    yield from _revisions_forward(location, tape, large, stamped)


def _said_again(location: Location, tape: Tape) -> Iterator[Statement]:
    """Comments, grants and the like of unrecorded revisions that exist, since the schema doesn't show those.

    They may run twice. Without a known claim it isn't known which revision was interrupted.
    """
    claimed = [row for row in location.believed if row in tape.by_id]
    if not claimed or location.remaining or location.rerun:
        return
    on_record = tape.ancestry(claimed)
    said = [item for one in tape.revisions if one.id in location.applied - on_record for item in one.statements]
    for at, item in enumerate(said):
        if item.transactional and _may_be_repeated(item) and not _is_about_dropped(item, said[at + 1 :]):
            yield item


def _is_about_dropped(statement: Statement, later: Iterable[Statement]) -> bool:
    """Whether a statement names an object (or its table) that a later one drops or renames."""
    dropped = {
        unquoted(key.table or key.name)
        for item in later
        for key, effect in item.effects.items()
        if effect.after is None and key.kind in ("table", "column", "view", "sequence", "function", "schema", "type")
    }
    return not dropped.isdisjoint(names_in(statement.sql))


def _may_be_repeated(statement: Statement) -> bool:
    return (
        statement.kind == "neutral"
        and not statement.varies
        and first_word(statement.sql) in ("ALTER", "COMMENT", "GRANT", "REVOKE")
    )


def _revisions_forward(location: Location, tape: Tape, large: frozenset[str], stamped: set[str]) -> Iterator[Step]:
    """The remaining steps of each revision; one that exists already is only recorded."""
    pending = {item.revision: item.done for item in location.pending}
    waiting: list[str] = []  # Alembic runs them together, branch by branch
    labels = _labels_repaired(location)  # that aren't committed yet
    for revision in tape.revisions:
        if revision.id in stamped:
            continue
        stamped.add(revision.id)
        if revision.id not in location.applied:
            if _may_use(labels, revision):
                yield from map(Upgrade, tape.tips(waiting))
                waiting.clear()
                yield Commit(tuple(sorted(labels)))
                labels.clear()
            labels |= _labels_added(revision.statements, location)
        beside = tuple(statement for statement in revision.statements if _indexes(statement, large))
        if revision.id not in location.applied and revision.id not in pending:
            pending.update(_begun_by_others(revision, location))
        as_a_whole = revision.id not in location.applied and revision.id not in pending
        if as_a_whole and revision.transactional and not (beside and revision.completable):
            waiting.append(revision.id)
            continue
        yield from map(Upgrade, tape.tips(waiting))
        waiting.clear()
        if revision.id in location.applied:
            yield Stamp(tape.tips(stamped))
        elif revision.id in pending:
            yield Resume(revision.id, pending[revision.id], alone=not revision.transactional)
        elif not revision.transactional:
            yield UpgradeAlone(revision.id)
            labels.clear()
        else:
            yield from _played(revision.statements, beside)
            yield Stamp(tape.tips(stamped))
    yield from map(Upgrade, tape.tips(waiting))


def _labels_repaired(location: Location) -> set[str]:
    """The labels that the repair of a database adds to its enums."""
    repaired = (item for item in location.differing if item.key.kind == "type")
    return _labels_added(location.remaining, location).union(
        *(labels_beside(item.actual or "", item.expected or "") for item in repaired)
    )


def _labels_added(statements: Iterable[Statement], location: Location) -> set[str]:
    """The labels that statements add to enums of the database; those of an enum made meanwhile can be used at once."""
    return {
        label
        for statement in statements
        for key, effect in statement.effects.items()
        if key.kind == "type" and key in location.words.ours and effect.before and effect.after
        for label in labels_beside(effect.before, effect.after)
    }


def _may_use(labels: Collection[str], revision: Revision) -> bool:
    """Whether a revision names one of some labels, or may have it among its parameters."""
    return bool(labels) and any(
        statement.kind in TRACELESS or any(label in statement.sql for label in labels)
        for statement in revision.statements
    )


def _begun_by_others(revision: Revision, location: Location) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Extensions and schemas of a revision that an administrator has created beforehand."""
    made = tuple(
        position
        for position, item in enumerate(revision.statements)
        if item.kind == "additive"
        and "IF NOT EXISTS" not in item.sql.upper()
        and all(key.kind in ("extension", "schema") and key in location.words.ours for key in item.effects)
    )
    if made:
        yield revision.id, made


def _repairs(location: Location, tape: Tape, large: frozenset[str]) -> Iterator[Step]:
    """The rest of a half-applied revision where it is known, else repairs of each difference."""
    if location.remaining or location.rerun:
        yield from (Execute(statement.sql) for statement in location.remaining)
        return
    first = _needed_to_mend(location)
    recorded = statements_making(location, tape)
    made = () if recorded else creations(to_make(location), storage=location.details) or ()
    yield from (Execute(statement.sql) for statement in recorded if first.issuperset(statement.effects))
    yield from (Execute(creation.sql) for creation in made if creation.item.key in first)
    for item in location.differing:
        mended = mend(item, storage=location.details.get(item.key, "")) or ()
        if item.key.kind == "index" and item.key.relation in large:
            yield from (BuildBeside(beside(sql)) for sql in mended)
        else:
            yield from (Execute(sql) for sql in mended)
    yield from (Execute(promotion.statement) for promotion in location.promotions)
    recorded = tuple(statement for statement in recorded if not first.issuperset(statement.effects))
    made = tuple(creation for creation in made if creation.item.key not in first)
    indexes = tuple(statement for statement in recorded if _indexes(statement, large))
    yield from (Execute(statement.sql) for statement in recorded if statement not in indexes)
    yield from (Execute(creation.sql) for creation in made if not _is_on(creation, large))
    schema = tape.after(location.applied)
    for item in to_make(location):
        if item.key.kind == "sequence":
            yield from (Execute(sql) for sql in numbering(item.key, schema, tape))
    yield from (BuildBeside(beside(statement.sql)) for statement in indexes)
    yield from (BuildBeside(beside(creation.sql)) for creation in made if _is_on(creation, large))


def _needed_to_mend(location: Location) -> frozenset[Key]:
    """Missing objects that the repair of a differing one needs, such as a function in a default."""
    texts = [(item.expected or "").replace("''", "'") for item in location.differing]
    return frozenset(
        item.key
        for item in to_make(location)
        if item.key.kind in ("type", "domain", "sequence", "function")
        and any(item.key.name.partition("(")[0] in text for text in texts)
    )


def to_make(location: Location) -> tuple[Difference, ...]:
    """Missing objects that don't exist in another form."""
    promoted = {promotion.constraint for promotion in location.promotions}
    return tuple(item for item in location.missing if item.key not in promoted)


def statements_making(location: Location, tape: Tape) -> tuple[Statement, ...]:
    """The recorded statements that create exactly the missing objects, if there are any, as their author wrote them."""
    lacking = to_make(location)
    missing = {item.key: item.expected for item in lacking if item.actual is None}
    recorded = tuple(
        statement
        for revision in tape.revisions
        if revision.id in location.applied
        for statement in revision.statements
        if statement.kind == "additive"
        and statement.transactional
        and not statement.varies
        and all(key in missing and missing[key] == effect.after for key, effect in statement.effects.items())
    )
    made = {key for statement in recorded for key in statement.effects}
    return recorded if made == {item.key for item in lacking} else ()


def _is_on(creation: Creation, large: frozenset[str]) -> bool:
    return creation.item.key.kind == "index" and creation.item.key.relation in large


def _indexes(statement: Statement, large: frozenset[str]) -> bool:
    return any(
        key.kind == "index" and effect.before is None and key.relation in large
        for key, effect in statement.effects.items()
    )


def _played(statements: Iterable[Statement], indexes: tuple[Statement, ...]) -> Iterator[Step]:
    """Steps for statements of the tape; indexes on large tables come last and are built concurrently."""
    yield from (Execute(statement.sql) for statement in statements if statement not in indexes)
    yield from (BuildBeside(beside(statement.sql)) for statement in indexes)


def beside(sql: str) -> str:
    """A statement that creates or drops an index, with CONCURRENTLY."""
    return sql if "CONCURRENTLY" in sql else sql.replace("INDEX", "INDEX CONCURRENTLY", 1)


def heavy_steps(location: Location, tape: Tape, large: frozenset[str]) -> tuple[str, ...]:
    """Sentences about steps that would read or rewrite a whole large table and block its writers."""
    done = {item.revision: item.done for item in location.pending}
    sentences = [
        f"{revision.id} {what} the table {table}, which is large"
        for revision in tape.revisions
        if revision.id not in location.applied
        for position, statement in enumerate(revision.statements)
        if position not in done.get(revision.id, ())
        for table in sorted(large)
        if (what := _weight(statement, table, beside=revision.completable and revision.transactional))
    ]
    sentences += [
        f"{' and '.join(tape.tips(location.applied))} {what} the table {table}, which is large"
        for statement in location.remaining
        for table in sorted(large)
        if (what := _weight(statement, table, beside=False))
    ]
    repaired = [Difference(item.key, item.expected, None) for item in to_make(location)] + list(location.differing)
    sentences += [
        f"mending {item.key} reads the whole table {item.key.relation}, which is large"
        for item in repaired
        if item.key.relation in large and _reads_table(item)
    ]
    for item in location.unpopulated:
        sentences += _weight_of_refresh(item.key, location.words.ours, large)
    return tuple(dict.fromkeys(sentences))


def _weight_of_refresh(view: Key, schema: Schema, large: frozenset[str]) -> Iterator[str]:
    """Sentences about the large tables that filling a materialized view reads, also through other views."""
    queries = {key: set(names_in(text)) for key, text in schema.items() if key.kind in ("view", "materialized_view")}
    named, reached = queries.get(view, set()), {view}
    while through := [key for key in queries if key not in reached and unquoted(key.name) in named]:
        reached.update(through)
        named = named.union(*(queries[key] for key in through))
    for table in sorted(large):
        if named.issuperset(names_in(table)):
            yield f"filling {view} reads the table {table}, which is large"


def _weight(statement: Statement, table: str, *, beside: bool) -> str:
    """What a statement does to a large table that blocks its writers; `beside`: its indexes are built concurrently."""
    if statement.kind in ("data", "opaque", "read"):
        text = " ".join((statement.sql, *statement.tables)).lower()
        return "moves rows of" if table.lower().strip('"') in text else ""
    on_table = [
        Difference(key, effect.after, effect.before)
        for key, effect in statement.effects.items()
        if key.relation == table and effect.after is not None
    ]
    if any(_reads_table(item) for item in on_table):
        return "reads the whole of"
    locking = statement.transactional and not beside and _indexes(statement, frozenset({table}))
    return "builds an index, while nobody can write to it, on" if locking else ""


def _reads_table(item: Difference) -> bool:
    """Whether creating an object makes PostgreSQL read every row of its table."""
    expected, actual = item.expected or "", item.actual
    match item.key.kind:
        case "primary_key" | "unique" | "exclude":
            return True
        case "check" | "foreign_key":
            return not expected.endswith(" NOT VALID")
        case "column":
            if actual is None:
                return " generated " in expected or (
                    " default " in expected and "(" in expected.partition(" default ")[2]
                )
            return expected.removesuffix(" not null") != actual.removesuffix(" not null") or expected.endswith(
                " not null"
            )
    return False
