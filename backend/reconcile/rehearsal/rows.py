"""Puts a few rows into every empty table of a scratch database, by trial: what a table takes only it knows."""

import random
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

ROWS = 2
NO_VALUES: Mapping[str, str] = MappingProxyType({})
_TRIALS = 40
TABLES = text(
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'"
    " AND n.nspname NOT IN ('information_schema', 'reconcile') AND c.relname <> :versions"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid"
)
_COLUMNS = text("""
SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) AS type, y.typcategory::text AS category,
       a.attnotnull AS required, a.atthasdef OR a.attidentity <> '' AS filled,
       CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 END AS length,
       (SELECT format('SELECT %I FROM %s', r.attname, k.confrelid::regclass) FROM pg_constraint k
        JOIN pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = k.confkey[array_position(k.conkey, a.attnum)]
        WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) LIMIT 1) AS referred,
       (SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k
        WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) AS checks,
       (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = a.atttypid) AS labels
FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
""")
_BY_TYPE = {
    "boolean": ("true", "false"),
    "bytea": (r"'\x0102'", "decode(repeat('01', 32), 'hex')"),
    "json": ("'{}'", "'[]'", """'{"type": "string"}'"""),
    "jsonb": ("'{}'", "'[]'", """'{"type": "string"}'"""),
    "uuid": ("gen_random_uuid()",),
}


def empty_tables(connection: Connection, versions: str) -> list[str]:
    """The tables that have no rows, besides the version table of that name."""
    return [name for name in connection.scalars(TABLES, {"versions": versions}) if not _has_rows(connection, name)]


def fill(connection: Connection, versions: str, values: Mapping[str, str] = NO_VALUES) -> list[str]:
    """Puts rows into the tables that have none, and returns those that take none; what others refer to comes first.

    `values` are SQL for columns of these names; the catalogs say what is worth trying in the others.
    """
    empty = empty_tables(connection, versions)
    while True:
        refusing = [name for name in empty if not _fill_table(connection, name, values)]
        if len(refusing) == len(empty):
            return refusing
        empty = refusing


def _has_rows(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})")))  # noqa: S608 - quoted by PostgreSQL


def _fill_table(connection: Connection, name: str, values: Mapping[str, str]) -> bool:
    """Whether the table took a row: with every column, or with those alone that it requires."""
    taken = False
    for seed in range(1, ROWS + 1):
        columns = connection.execute(_COLUMNS, {"name": name}).all()
        candidates = {
            row.name: tuple(_candidates(row, seed, name, values)) for row in columns if row.referred or not row.filled
        }
        required = {row.name: candidates[row.name] for row in columns if row.required and row.name in candidates}
        trials = chain(_trials(candidates), _trials(required))
        taken |= any(_inserted(connection, name, row) for row in trials)
    return taken


def _trials(values: dict[str, tuple[str, ...]]) -> Iterator[dict[str, str]]:
    """The first value of each column, then any of them, in an order that is always the same."""
    if not all(values.values()):
        return
    yield {name: some[0] for name, some in values.items()}
    chosen = random.Random(len(values))  # noqa: S311 - no secret
    for _ in range(_TRIALS):
        yield {name: chosen.choice(some) for name, some in values.items()}


def _inserted(connection: Connection, name: str, row: dict[str, str]) -> bool:
    values = f"({', '.join(row)}) VALUES ({', '.join(row.values())})" if row else "DEFAULT VALUES"
    savepoint = connection.begin_nested()
    try:
        sql = f"INSERT INTO {name} {values}"
        connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    except DBAPIError:
        savepoint.rollback()
        return False
    savepoint.commit()
    return True


def _candidates(row: Any, seed: int, table: str, values: Mapping[str, str]) -> Iterator[str]:
    """What is worth trying in a column, as SQL."""
    if row.name in values and not row.labels:
        yield values[row.name]
    if row.referred:
        yield f"({row.referred} ORDER BY 1 OFFSET {seed - 1} LIMIT 1)"
        yield f"({row.referred} LIMIT 1)"
    yield from (f"'{label}'" for label in row.labels or ())
    yield from re.findall(r"'(?:[^']|'')*'", row.checks or "")
    yield from _BY_TYPE.get(row.type, ())
    match row.category:
        case "N":
            yield str(seed)
            yield "0"
        case "D":
            yield f"'2024-01-{seed:02} 12:00+00'"
        case "T":
            yield f"'{seed} hours'"
        case "S":
            # No two tables' ids are the same: some chains make one table of two.
            words = f"{seed} of {table}".replace("'", "")
            yield f"'{words[: row.length]}'"
        case "A":
            yield "'{}'"
    if not row.required:
        yield "NULL"
