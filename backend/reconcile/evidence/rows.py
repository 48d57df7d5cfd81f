"""Queries rows of tables. It changes nothing, calls no functions of others, and is bounded in time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from ..sql.expressions import Expression, read_expression
from ..sql.names import names_in
from .catalogs import CatalogColumn, Table, may_be_called, tables_named

_GUARDS = {
    "transaction_read_only": "on",
    "statement_timeout": "3s",
    "lock_timeout": "500ms",
    "constraint_exclusion": "off",  # planning would evaluate constants in others' constraints
}
_SET = text("SELECT pg_catalog.set_config(CAST(:name AS text), CAST(:value AS text), true)")
_PATH = text(
    "SELECT pg_catalog.current_setting(CAST('search_path' AS text)), pg_catalog.current_schema(),"
    " CAST(pg_catalog.current_schemas(true) AS text[])"
)


@contextmanager
def reading(connection: Connection) -> Iterator["Rows"]:
    """The rows, for queries in a read-only savepoint with a time limit; it is rolled back with its settings."""
    savepoint = connection.begin_nested()
    try:
        path, schema, schemas = connection.execute(_PATH).one()
        for name, value in _GUARDS.items():
            connection.execute(_SET, {"name": name, "value": value})
        yield Rows(connection, path=path, schema=schema, schemas=schemas)
    finally:
        savepoint.rollback()


class Rows:
    """The rows of the tables on the search path."""

    def __init__(self, connection: Connection, *, path: str, schema: str | None, schemas: Sequence[str]) -> None:
        self._connection = connection
        self._path = path
        self._schema = schema
        self._schemas = tuple(schemas)

    def full_name(self, written: str) -> tuple[str, ...]:
        """A table's schema and name, as in the catalogs."""
        names = names_in(written)
        return (self._schema or "", *names) if len(names) == 1 else names

    def table(self, written: str) -> Table | None:
        """A table by its name; None where reading it isn't harmless."""
        name = self.full_name(written)
        tables = self._tables(frozenset(name))
        matches = [table for table in tables if table.full_name == name]
        hidden = any(table.name == name[-1] and not table.is_readable for table in tables)
        return matches[0] if matches and not hidden else None

    def may_evaluate(self, table: Table, *expressions: str | None) -> bool:
        """Whether expressions over a table's columns, and queries in them, call only harmless functions."""
        read = [read_expression(expression) for expression in expressions if expression]
        if not all(read):
            return False
        expressions_read = [expression for expression in read if expression]
        names = frozenset[str]().union(*(expression.names for expression in expressions_read))
        tables = (table, *self._tables(names))
        return (
            all(table.is_readable for table in tables)
            and all(_compares_plainly(expression, tables) for expression in expressions_read)
            and not self._calls_others(expressions_read)
        )

    def ask(self, question: str) -> Sequence[Any]:
        """The only row of a query, whose text is sent as it is."""
        options = {"no_parameters": True}  # drivers leave percent signs alone
        return self._connection.exec_driver_sql(question, execution_options=options).one()

    def _tables(self, names: frozenset[str]) -> tuple[Table, ...]:
        with self._catalogs_alone():
            return tables_named(names, {*self._schemas, *names}, self._connection)

    def _calls_others(self, expressions: Sequence[Expression]) -> bool:
        if next(schema for schema in self._schemas if not schema.startswith("pg_temp")) != "pg_catalog":
            return True
        names = frozenset[str]().union(*(expression.names for expression in expressions))
        operators = frozenset({"="}).union(*(expression.operators for expression in expressions))
        with self._catalogs_alone():
            return may_be_called(names, operators, self._schemas, self._connection)

    @contextmanager
    def _catalogs_alone(self) -> Iterator[None]:
        self._connection.execute(_SET, {"name": "search_path", "value": "pg_catalog"})
        yield
        self._connection.execute(_SET, {"name": "search_path", "value": self._path})


def is_empty(rows: Rows, table: Table) -> bool:
    """Whether a table has no rows."""
    return not any_row(rows, table.qualified)


def any_row(rows: Rows, source: str) -> bool:
    """Whether a FROM clause has a row."""
    return bool(rows.ask(f"SELECT EXISTS (SELECT FROM {source})")[0])  # noqa: S608 - see may_evaluate


def matching(table: Table, alias: str | None, others: str | None, where: str | None) -> str:
    """The FROM clause for the rows that an UPDATE or DELETE matches."""
    tables = f"{table.qualified}{f' AS {alias}' if alias else ''}{f', {others}' if others else ''}"
    return f"{tables} WHERE ({where or 'true'})"


def columns_named(table: Table, written: Sequence[str]) -> list[CatalogColumn]:
    """The columns of these names, or all; none where one is missing or can't be compared harmlessly."""
    columns = [table.column(names_in(name)[0]) for name in written] if written else list(table.columns)
    return [column for column in columns if column] if all(column and column.is_plain for column in columns) else []


def equals(held: str, value: str, column: CatalogColumn) -> str:
    """The condition that a column has a value, as the column would store it, NULL included."""
    return f"{held} IS NOT DISTINCT FROM {cast(value, column)}"


def cast(value: str, column: CatalogColumn) -> str:
    """A value as a column stores it: rounded, as an enum's label, and so on."""
    return f"CAST(({value}) AS {column.type})"


def _compares_plainly(expression: Expression, tables: Sequence[Table]) -> bool:
    """Whether the columns that an expression names are of types whose operators are PostgreSQL's own."""
    columns = [column for table in tables for column in table.columns]
    if expression.has_star or expression.values - {column.name for column in columns}:
        return all(column.is_plain for column in columns)
    return all(column.is_plain for column in columns if column.name in expression.names)
