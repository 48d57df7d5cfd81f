"""What the rows prove about an UPDATE."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..sql.changes import Update
from ..sql.expressions import constant_in, is_never_null, read_expression
from ..sql.names import literal, names_in, quoted
from .catalogs import CatalogColumn, Table
from .finding import Finding
from .rows import Rows, any_row, columns_named, equals, is_empty, matching


def examine_update(rows: Rows, change: Update, *, added_columns: Collection[tuple[str, str]]) -> Finding | None:
    """An UPDATE that matches no row, or only rows that have its values, has nothing to do.

    If the revision added the columns, it hasn't run if all have their original values, and ran if all have its values.
    """
    table = rows.table(change.table)
    if table is None or table.may_act:
        return None
    if is_empty(rows, table):
        return Finding(None, f"the table {change.table} is empty")
    if not rows.may_evaluate(table, change.from_, change.where):
        return None
    met = matching(table, change.alias, change.from_, change.where)
    if not any_row(rows, met):
        return Finding(None, f"no row of {change.table} matches the condition of its UPDATE")
    columns = columns_named(table, [column for column, _ in change.assignments])
    if table.may_differ or not columns:
        return None
    assignments = tuple(
        _Assignment(column, value, is_known=rows.may_evaluate(table, value))
        for column, (_, value) in zip(columns, change.assignments, strict=True)
    )
    added = {names_in(column)[0] for name, column in added_columns if rows.full_name(name) == table.full_name}
    return _examine_rows(rows, change, table, met=met, assignments=assignments, added=added)


@dataclass(frozen=True)
class _Assignment:
    """A column that is assigned; the value is known only where it may be evaluated."""

    column: CatalogColumn
    value: str
    is_known: bool

    @property
    def original(self) -> str | None:
        """The value that the column had in all rows when it was added; None where that isn't known."""
        if self.column.filled_with is not None:
            return literal(self.column.filled_with)
        return "NULL" if self.column.default is None else constant_in(self.column.default)

    def is_assigned(self, target: str) -> str:
        """The condition that the column has the assigned value."""
        return equals(f"{target}.{quoted(self.column.name)}", self.value, self.column) if self.is_known else "false"

    def is_original(self, target: str) -> str:
        """The condition that the column has its original value."""
        return equals(f"{target}.{quoted(self.column.name)}", self.original, self.column) if self.original else "false"

    def is_due(self, target: str) -> str:
        """The condition that the column's original value isn't the assigned one."""
        if self.is_known:
            return f"NOT ({self.is_assigned(target)})"
        return "true" if self.original == "NULL" and is_never_null(self.value) else "false"


def _examine_rows(
    rows: Rows, change: Update, table: Table, *, met: str, assignments: Sequence[_Assignment], added: Collection[str]
) -> Finding | None:
    """Examines the assigned columns in the rows that an UPDATE matches."""
    target = change.alias or quoted(table.name)
    are_assigned, are_original, are_due = rows.ask(
        "SELECT pg_catalog.bool_and(assigned), pg_catalog.bool_and(original), pg_catalog.bool_or(due)"  # noqa: S608
        f" FROM (SELECT {' AND '.join(one.is_assigned(target) for one in assignments)} AS assigned,"
        f" {' AND '.join(one.is_original(target) for one in assignments)} AS original,"
        f" {' OR '.join(one.is_due(target) for one in assignments)} AS due FROM {met}) AS met"
    )
    names = {one.column.name for one in assignments}
    condition = read_expression(f"{change.from_ or ''} {change.where or ''}")
    decides = names.issubset(added) and all(one.original for one in assignments)
    chooses_by_added = condition is None or not condition.names.isdisjoint(added)
    what = f"{', '.join(column for column, _ in change.assignments)} of {change.table}"
    if are_assigned and (chooses_by_added or are_original or not decides):
        return Finding(None, f"every row that UPDATE {change.table} meets holds its values already")
    if are_assigned:
        return Finding(True, f"{what} holds the value of UPDATE {change.table} in every row that it meets, so it ran")
    if not (decides and are_original and are_due):
        return None
    if chooses_by_added and not _all_original(rows, table, assignments):
        return None
    return Finding(False, f"{what} is in every row as it was when it was added, so UPDATE {change.table} has not run")


def _all_original(rows: Rows, table: Table, assignments: Sequence[_Assignment]) -> bool:
    originals = " AND ".join(one.is_original("held") for one in assignments)
    return not any_row(rows, f"{table.qualified} AS held WHERE NOT ({originals})")
