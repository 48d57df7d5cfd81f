"""Parses an INSERT, UPDATE, DELETE or TRUNCATE into its parts, each as it is written.

It knows these statements as SQLAlchemy and people write them; anything else isn't parsed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from .reader import NotKnownError, StatementReader


@dataclass(frozen=True)
class Insert:
    """INSERT; its source is rows of expressions, or the text of a query."""

    table: str
    columns: tuple[str, ...]
    source: tuple[tuple[str, ...], ...] | str


@dataclass(frozen=True)
class Update:
    """UPDATE, with the columns that it assigns and their expressions."""

    table: str
    alias: str | None
    assignments: tuple[tuple[str, str], ...]
    from_: str | None
    where: str | None


@dataclass(frozen=True)
class Delete:
    """DELETE; `using` has the tables that it joins."""

    table: str
    alias: str | None
    using: str | None
    where: str | None


@dataclass(frozen=True)
class Truncate:
    """TRUNCATE that touches no other tables and no sequences."""

    tables: tuple[str, ...]


Change: TypeAlias = Insert | Update | Delete | Truncate


def read_change(sql: str) -> Change | None:
    """The parts of a statement; None for other statements, and for those with unknown parts."""
    reader = StatementReader(sql)
    try:
        if reader.accept("INSERT", "INTO"):
            change: Change = _insert(reader)
        elif reader.accept("UPDATE"):
            change = _update(reader)
        elif reader.accept("DELETE", "FROM"):
            change = _delete(reader)
        elif reader.accept("TRUNCATE"):
            change = _truncate(reader)
        else:
            return None
        reader.end()
    except NotKnownError:
        return None
    return change


def _insert(reader: StatementReader) -> Insert:
    table = reader.name()
    if reader.accept("AS"):
        reader.name()
    columns = () if reader.is_at_query() else tuple(_columns(reader))
    reader.accept("OVERRIDING", "SYSTEM", "VALUE")
    if reader.accept("DEFAULT", "VALUES"):
        source: tuple[tuple[str, ...], ...] | str = ((),)
    else:
        text = reader.until("RETURNING", "ON CONFLICT")
        source = _rows(text) or text
    if reader.accept("ON", "CONFLICT") and not reader.accept("DO", "NOTHING"):
        reader.until("DO")
        reader.expect("DO", "NOTHING")
    _skip_returning(reader)
    return Insert(table, columns, source)


def _columns(reader: StatementReader) -> Iterator[str]:
    if reader.accept("("):
        yield reader.column()
        while reader.accept(","):
            yield reader.column()
        reader.expect(")")


def _rows(text: str) -> tuple[tuple[str, ...], ...]:
    """The rows of VALUES; () for another query."""
    reader = StatementReader(text)
    if not reader.accept("VALUES"):
        return ()
    rows = tuple(reader.items())
    if not reader.ended or not all(_is_in_parentheses(row) for row in rows):
        return ()
    return tuple(tuple(StatementReader(row[1:-1]).items()) for row in rows)


def _is_in_parentheses(text: str) -> bool:
    """Whether one pair of parentheses encloses all of it."""
    reader = StatementReader(text)
    reader.skip_group()
    return reader.ended


def _update(reader: StatementReader) -> Update:
    table, alias = reader.name(), reader.alias("SET")
    reader.expect("SET")
    assignments = list(_assignments(reader))
    while reader.accept(","):
        assignments += _assignments(reader)
    from_ = reader.until("WHERE", "RETURNING") if reader.accept("FROM") else None
    where = _condition(reader)
    return Update(table, alias, tuple(assignments), from_, where)


def _assignments(reader: StatementReader) -> Iterator[tuple[str, str]]:
    """`a = 1`, or `(a, b) = (1, 2)`."""
    columns = list(_columns(reader))
    if not columns:
        column = reader.column()
        reader.expect("=")
        yield column, reader.until(",", "FROM", "WHERE", "RETURNING")
        return
    reader.expect("=")
    reader.accept("ROW")
    row = reader.until(",", "FROM", "WHERE", "RETURNING")
    if not _is_in_parentheses(row) or StatementReader(row[1:-1]).is_at_query():
        raise NotKnownError
    expressions = list(StatementReader(row[1:-1]).items())
    if len(columns) != len(expressions):
        raise NotKnownError
    yield from zip(columns, expressions, strict=True)


def _delete(reader: StatementReader) -> Delete:
    table, alias = reader.name(), reader.alias("USING", "WHERE", "RETURNING")
    using = reader.until("WHERE", "RETURNING") if reader.accept("USING") else None
    return Delete(table, alias, using, _condition(reader))


def _condition(reader: StatementReader) -> str | None:
    where = reader.until("RETURNING") if reader.accept("WHERE") else None
    _skip_returning(reader)
    if where is not None and where.upper().startswith("CURRENT OF"):
        raise NotKnownError
    return where


def _truncate(reader: StatementReader) -> Truncate:
    reader.accept("TABLE")
    tables = [reader.name()]
    while reader.accept(","):
        tables.append(reader.name())
    reader.accept("CONTINUE", "IDENTITY")
    reader.accept("RESTRICT")
    return Truncate(tuple(tables))


def _skip_returning(reader: StatementReader) -> None:
    if reader.accept("RETURNING"):
        reader.until()
