"""What the other statements of a revision do to the rows that one of them leaves, judged by their texts."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ..sql.changes import Change, Delete, Insert, Truncate, Update, read_change
from ..sql.expressions import constant_in
from ..sql.names import names_in
from ..sql.split import split
from ..sql.statements import read_statement


def may_hide(change: Insert | Update, later: Iterable[str], *, cascades_from: Callable[[str], bool]) -> bool:
    """Whether later statements may leave rows that look as if a change hasn't run although it ran.

    They delete rows, assign the same columns, or insert rows into a table whose rows were all updated.
    `cascades_from` tells whether deleting rows of another table may delete rows of this one.
    """
    return any(_hides(change, statement, sql, cascades_from) for sql, statement in _changes(later))


def _hides(change: Insert | Update, statement: Change | None, sql: str, cascades_from: Callable[[str], bool]) -> bool:
    match statement:
        case Insert():
            return isinstance(change, Update) and _is_same_table(change, statement)
        case Update():
            return isinstance(change, Update) and bool(_shared(change, statement))
        case Delete():
            return _names_same_table(change, statement.table) or cascades_from(statement.table)
        case Truncate():
            return True  # also in tables that it cascades to
        case None:
            return _may_change_rows(sql)


def may_imitate(change: Insert | Update, earlier: Iterable[str]) -> bool:
    """Whether earlier statements may leave rows that look as if a change ran although it hasn't.

    They insert into the same table, or assign the same columns, possibly the same values.
    """
    return any(_imitates(change, statement, sql) for sql, statement in _changes(earlier))


def _imitates(change: Insert | Update, statement: Change | None, sql: str) -> bool:
    match statement:
        case Insert():
            return _is_same_table(change, statement) and not _inserts_others(change, statement)
        case Update():
            return _is_same_table(change, statement) and not _assigns_others(change, statement)
        case Delete() | Truncate():
            return False
        case None:
            return _may_change_rows(sql)


def _changes(texts: Iterable[str]) -> Iterator[tuple[str, Change | None]]:
    return ((sql, read_change(sql)) for text in texts for sql in split(text))


def _may_change_rows(sql: str) -> bool:
    abilities = read_statement(sql)
    return abilities.moves_rows or abilities.may_do_anything or abilities.copies_rows


def _is_same_table(one: Insert | Update, other: Insert | Update) -> bool:
    return _names_same_table(one, other.table)


def _names_same_table(change: Insert | Update, name: str) -> bool:
    """By the name alone, since the search path isn't known here."""
    return names_in(change.table)[-1:] == names_in(name)[-1:]


def _inserts_others(one: Insert | Update, other: Insert) -> bool:
    """Whether no row of one can be a row of the other: both insert different constants into the same columns."""
    if not isinstance(one, Insert) or one.columns != other.columns:
        return False
    if isinstance(one.source, str) or isinstance(other.source, str):
        return False
    return _are_constant(one.source) and _are_constant(other.source) and set(one.source).isdisjoint(other.source)


def _are_constant(rows: Collection[Collection[str]]) -> bool:
    return all(constant_in(value) for row in rows for value in row)


def _assigns_others(one: Insert | Update, other: Update) -> bool:
    """Whether both assign different values to each column that they share."""
    if isinstance(one, Insert):
        return False
    mine, theirs = _values(one), _values(other)
    constants = ((constant_in(mine[column]), constant_in(theirs[column])) for column in _shared(one, other))
    return all(my and their and my != their for my, their in constants)


def _shared(one: Update, other: Update) -> frozenset[str]:
    """The columns that both assign."""
    return frozenset(_values(one)) & frozenset(_values(other)) if _is_same_table(one, other) else frozenset()


def _values(change: Update) -> Mapping[str, str]:
    return {names_in(column)[0]: value for column, value in change.assignments}
