"""Examines rows for what they prove about a statement."""

from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..sql.changes import Change, Delete, Insert, Truncate, Update, read_change
from .finding import Finding
from .inserts import examine_insert
from .neighbours import may_hide, may_imitate
from .rows import Rows, any_row, is_empty, matching, reading
from .updates import examine_update


def examine(
    connection: Connection,
    sql: str,
    *,
    created_tables: Collection[str],
    added_columns: Collection[tuple[str, str]],
    earlier: Iterable[str] = (),
    later: Iterable[str] = (),
) -> Finding | None:
    """What the rows prove about a statement of a revision; None where they prove nothing.

    `created_tables` and `added_columns` (table and column) were made by the same revision before the statement. Names
    are as in SQL, and resolve on the search path of the connection's transaction. `earlier` and `later`
    are the other statements of the revision that may have run: an empty table proves nothing where a later one empties
    it, nor do rows that an earlier one may have put there.
    """
    change = read_change(sql)
    if change is None:
        return None
    created, added = frozenset(created_tables), frozenset(added_columns)
    return _look(
        connection,
        lambda rows: _unless_doubtful(_examine(rows, change, created, added), rows, change, (earlier, later)),
    )


def _unless_doubtful(
    finding: Finding | None, rows: Rows, change: Change, others: tuple[Iterable[str], Iterable[str]]
) -> Finding | None:
    """The finding, unless other statements of the revision may leave the same rows."""
    if finding is None or finding.ran is None or not isinstance(change, Insert | Update):
        return finding
    earlier, later = others

    def cascades_from(name: str) -> bool:
        table, other = rows.table(change.table), rows.table(name)
        return table is None or other is None or other.may_differ or table.follows_others

    is_doubtful = may_imitate(change, earlier) if finding.ran else may_hide(change, later, cascades_from=cascades_from)
    return None if is_doubtful else finding


def examine_read(connection: Connection, tables: Collection[str]) -> Finding | None:
    """What the rows prove about Python code that read these tables: without rows it had nothing to do."""
    return _look(connection, lambda rows: _nothing_in(rows, sorted(tables)))


def _look(connection: Connection, question: Callable[[Rows], Finding | None]) -> Finding | None:
    """A query that PostgreSQL refuses, or doesn't finish in time, proves nothing."""
    try:
        with reading(connection) as rows:
            return question(rows)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None


def _examine(
    rows: Rows, change: Change, created_tables: Collection[str], added_columns: Collection[tuple[str, str]]
) -> Finding | None:
    match change:
        case Insert():
            return examine_insert(rows, change, created_tables=created_tables)
        case Update():
            return examine_update(rows, change, added_columns=added_columns)
        case Delete():
            return _examine_delete(rows, change)
        case Truncate(tables):
            return _nothing_in(rows, tables)


def _examine_delete(rows: Rows, change: Delete) -> Finding | None:
    table = rows.table(change.table)
    if table is None or table.may_act:
        return None
    if is_empty(rows, table):
        return Finding(None, f"the table {change.table} is empty")
    if not rows.may_evaluate(table, change.using, change.where):
        return None
    if any_row(rows, matching(table, change.alias, change.using, change.where)):
        return None
    return Finding(None, f"no row of {change.table} matches the condition of its DELETE")


def _nothing_in(rows: Rows, names: Sequence[str]) -> Finding | None:
    tables = [rows.table(name) for name in names]
    if not tables or not all(table and not table.may_act and is_empty(rows, table) for table in tables):
        return None
    if len(names) == 1:
        return Finding(None, f"the table {names[0]} is empty")
    return Finding(None, f"the tables {', '.join(names[:-1])} and {names[-1]} are empty")
