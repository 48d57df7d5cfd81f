"""What the rows prove about an INSERT."""

from collections.abc import Collection, Sequence

from ..sql.changes import Insert
from ..sql.expressions import surely_yields_rows
from ..sql.names import quoted
from .catalogs import CatalogColumn, Table
from .finding import Finding
from .rows import Rows, cast, columns_named, equals, is_empty

_MOST_ROWS = 200  # each is looked up separately


def examine_insert(rows: Rows, change: Insert, *, created_tables: Collection[str]) -> Finding | None:
    """An INSERT into a table of the revision hasn't run if the table is empty, and ran if its rows are in the table.

    Into any table, a query without rows inserts nothing.
    """
    table = rows.table(change.table)
    if table is None:
        return None
    is_created = rows.full_name(change.table) in {rows.full_name(name) for name in created_tables}
    decides = is_created and not table.may_differ
    if not isinstance(change.source, str):
        return _examine_values(rows, change, change.source, table) if decides else None
    if decides and surely_yields_rows(change.source) and is_empty(rows, table):
        return _not_run(change)
    return _examine_query(rows, change, change.source, table, decides=decides)


def _examine_values(rows: Rows, change: Insert, values: Sequence[Sequence[str]], table: Table) -> Finding | None:
    if is_empty(rows, table):
        return _not_run(change)
    columns = columns_named(table, change.columns)[: len(values[0])]
    expressions = [expression for row in values for expression in row]
    if not columns or len(values) > _MOST_ROWS or not rows.may_evaluate(table, *expressions):
        return None
    conditions = (
        " AND ".join(equals(quoted(column.name), value, column) for column, value in zip(columns, row, strict=True))
        for row in values
    )
    exist = (f"EXISTS (SELECT FROM {table.qualified} WHERE {condition})" for condition in conditions)
    [are_there] = rows.ask(f"SELECT {' AND '.join(exist)}")
    return _ran(change, "of its VALUES") if are_there else None


def _examine_query(rows: Rows, change: Insert, query: str, table: Table, *, decides: bool) -> Finding | None:
    if not rows.may_evaluate(table, query):
        return None
    [yields] = rows.ask(f"SELECT EXISTS ({query})")
    if not yields:
        finding = Finding(None, f"the query of INSERT INTO {change.table} yields no rows")
        return None if table.may_act else finding
    if not decides:
        return None
    if is_empty(rows, table):
        return _not_run(change)
    columns = columns_named(table, change.columns)
    return _ran(change, "that its query yields") if columns and _holds(rows, table, columns, query) else None


def _holds(rows: Rows, table: Table, columns: Sequence[CatalogColumn], query: str) -> bool:
    """Whether each row of a query is in a table."""
    names = [f"c{number}" for number in range(len(columns))]
    values = ", ".join(cast(name, column) for name, column in zip(names, columns, strict=True))
    held = ", ".join(quoted(column.name) for column in columns)
    [is_missing] = rows.ask(
        f"SELECT EXISTS (SELECT {values} FROM ({query}) AS source ({', '.join(names)})"  # noqa: S608 - see may_evaluate
        f" EXCEPT SELECT {held} FROM {table.qualified})"
    )
    return not is_missing


def _not_run(change: Insert) -> Finding:
    return Finding(False, f"the table {change.table} is empty, so INSERT INTO {change.table} has not run")


def _ran(change: Insert, what: str) -> Finding:
    return Finding(True, f"the table {change.table} holds every row {what}, so INSERT INTO {change.table} ran")
