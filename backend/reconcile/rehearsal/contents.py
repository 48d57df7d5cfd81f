"""All that a scratch database holds, to be compared with what another one holds."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, text

from ..observation.observe import observe
from ..schema.schema import Schema
from ..tape.tape import Tape
from .rows import TABLES

Rows: TypeAlias = Mapping[str, list[dict[str, Any]]]
_DIFFERENCES_NAMED = 3


@dataclass(frozen=True)
class Contents:
    """The schema, the versions on record, and each row of each table."""

    schema: Schema
    claimed: tuple[str, ...] | None
    rows: Rows

    def differences(self, actual: "Contents", *, another: "Contents") -> tuple[str, ...]:
        """How `actual` differs, in sentences; what differs from `another` one made the same way doesn't count."""
        return (*self._other_objects(actual, another), *self._other_rows(actual, another))[:_DIFFERENCES_NAMED]

    def _other_objects(self, actual: "Contents", another: "Contents") -> Iterator[str]:
        if actual.claimed != self.claimed:
            yield f"the version on record is {actual.claimed}, not {self.claimed}"
        for key in {**self.schema, **actual.schema}:
            expected, observed = self.schema.get(key), actual.schema.get(key)
            if expected != observed and expected == another.schema.get(key):
                yield f"{key} is {observed or 'missing'}, not {expected or 'missing'}"

    def _other_rows(self, actual: "Contents", another: "Contents") -> Iterator[str]:
        for table, rows in self.rows.items():
            steady = _steady_columns(rows, another.rows.get(table, []))
            if _values(rows, steady) != _values(actual.rows.get(table, []), steady):
                yield f"the rows of {table} aren't those that `alembic upgrade` alone leaves"


def contents(connection: Connection, tape: Tape) -> Contents:
    """Reads all of a connection's database."""
    seen = observe(connection, versions=tape.versions, schema=tape.schema, schemas=tape.schemas)
    tables = connection.scalars(TABLES, {"versions": tape.versions.name}).all()
    rows = {
        table: [json.loads(row) for row in connection.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t"))]  # noqa: S608 - quoted by PostgreSQL
        for table in tables
    }
    connection.rollback()
    return Contents(seen.schema, seen.claimed, rows)


def _steady_columns(rows: list[dict[str, Any]], again: list[dict[str, Any]]) -> frozenset[str]:
    """The columns that have the same values each time: not those that are filled by the clock or by chance."""
    columns = {name for row in rows for name in row}
    return frozenset(name for name in columns if _values(rows, {name}) == _values(again, {name}))


def _values(rows: list[dict[str, Any]], columns: frozenset[str] | set[str]) -> Counter[str]:
    return Counter(json.dumps({name: row.get(name) for name in columns}, sort_keys=True) for row in rows)
