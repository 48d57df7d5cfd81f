"""later: what statements behind another one do to the traces that it left, by their texts."""

from collections.abc import Iterable

from reconcile.sql.changes import Change, Delete, Insert, Truncate, Update, read_change
from reconcile.sql.names import names_in
from reconcile.sql.split import split
from reconcile.sql.statements import read_statement


def may_hide(change: Change, later: Iterable[str]) -> bool:
    """Whether later statements may leave rows that look as if a change had not run, though it ran.

    They take rows away, or put values into the same columns, or rows into a table whose rows were all updated.
    """
    return any(_hides(change, statement) for text in later for statement in split(text))


def _hides(change: Change, statement: str) -> bool:
    match read_change(statement):
        case Insert(table):
            return not isinstance(change, Insert) and _may_be_same(change, table)
        case Update(table, _, assignments):
            return _may_be_same(change, table) and not _columns(change).isdisjoint(_names(assignments))
        case Delete() | Truncate():
            return True  # with what cascades from it
        case None:
            abilities = read_statement(statement)
            return abilities.moves_rows or abilities.may_do_anything


def _may_be_same(change: Change, table: str) -> bool:
    return not isinstance(change, Truncate) and names_in(change.table)[-1:] == names_in(table)[-1:]


def _columns(change: Change) -> frozenset[str]:
    """The columns that an UPDATE puts values into; rows that an INSERT put there stay, whatever they hold."""
    return _names(change.assignments) if isinstance(change, Update) else frozenset()


def _names(assignments: Iterable[tuple[str, str]]) -> frozenset[str]:
    return frozenset(name for column, _ in assignments for name in names_in(column))
