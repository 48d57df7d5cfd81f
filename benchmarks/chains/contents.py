"""contents: everything that a database holds, and how two databases differ.

It judges the engine, and shares nothing with it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

Row = dict[str, Any]
_SCHEMA = text((Path(__file__).parent / "contents.sql").read_text(encoding="utf-8").replace(":", r"\:"))
_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'reconcile') ORDER BY 1
"""
_SEQUENCES = "SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences WHERE schemaname <> 'reconcile'"


@dataclass(frozen=True)
class Contents:
    """What defines the database, every row of every table as JSON spells it, and how far its sequences have got."""

    schema: Mapping[tuple[str, str], str]
    rows: Mapping[str, list[Row]]
    sequences: Mapping[str, int | None]

    def differences(self, expected: "Contents", steady: Mapping[str, set[str]] | None = None) -> list[str]:
        """How this differs from what was expected; in rows as far as the columns that are `steady`."""
        return [*_differences(self.schema, expected.schema), *_unlike_rows(self.rows, expected.rows, steady)] + [
            f"sequence {name} was set back to {self.sequences[name]} from {value}"
            for name, value in expected.sequences.items()
            if name in self.sequences and (self.sequences[name] or 0) < (value or 0)
        ]


def contents(connection: Connection) -> Contents:
    """Reads it all."""
    connection.execute(text("SET LOCAL search_path = ''"))
    schema = {(kind, name): definition for kind, name, definition in connection.execute(_SCHEMA)}
    tables = connection.scalars(text(_TABLES)).all()
    return Contents(
        schema=schema,
        rows={name: _rows(connection, name) for name in tables},
        sequences=dict(connection.execute(text(_SEQUENCES)).tuples().all()),
    )


def steady(one: Contents, other: Contents) -> dict[str, set[str]]:
    """The columns that hold the same after the same was done twice: not those that the clock or chance fills."""
    return {
        table: {name for row in rows for name in row if _values(rows, name) == _values(other.rows[table], name)}
        for table, rows in one.rows.items()
        if table in other.rows
    }


def _rows(connection: Connection, table: str) -> list[Row]:
    query = f"SELECT pg_catalog.to_jsonb(t)::pg_catalog.text FROM {table} t"
    return [json.loads(row) for row in connection.exec_driver_sql(query).scalars()]


def _values(rows: list[Row], name: str) -> Counter[str]:
    return Counter(json.dumps(row.get(name), sort_keys=True) for row in rows)


def _differences(seen: Mapping[tuple[str, str], str], expected: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for key in sorted({*seen, *expected}):
        if seen.get(key) != expected.get(key):
            yield f"{' '.join(key)} is {seen.get(key)!r}, not {expected.get(key)!r}"


def _unlike_rows(
    seen: Mapping[str, list[Row]], expected: Mapping[str, list[Row]], steady: Mapping[str, set[str]] | None
) -> Iterator[str]:
    for table in sorted({*seen, *expected}):
        columns = None if steady is None else steady.get(table, set())
        here = Counter(_spelled(row, columns) for row in seen.get(table, ()))
        there = Counter(_spelled(row, columns) for row in expected.get(table, ()))
        yield from (f"{table} lacks {row}" for row in there - here)
        yield from (f"{table} has {row} besides" for row in here - there)


def _spelled(row: Row, columns: set[str] | None) -> str:
    return json.dumps(
        {name: value for name, value in row.items() if columns is None or name in columns}, sort_keys=True
    )
