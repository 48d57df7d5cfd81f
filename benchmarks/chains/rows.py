"""rows: puts a few rows into every empty table of any schema, by trial."""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

ROWS_A_TABLE = 2
TRIALS = 40

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'reconcile')
  AND c.oid::regclass::text NOT LIKE '%alembic_version' ORDER BY c.oid
"""
_COLUMNS = """
SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) AS type,
       CAST(y.typcategory AS text) AS category,
       a.attnotnull AS required, a.atthasdef OR a.attidentity <> '' AS filled, a.atttypmod AS modifier,
       (SELECT 'SELECT ' || quote_ident(r.attname) || ' FROM ' || k.confrelid::regclass
        FROM pg_constraint k JOIN pg_attribute r ON r.attrelid = k.confrelid
         AND r.attnum = k.confkey[array_position(k.conkey, a.attnum)]
        WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) LIMIT 1) AS referred,
       (SELECT array_agg(pg_get_constraintdef(k.oid)) FROM pg_constraint k
        WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) AS checks,
       (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = a.atttypid) AS labels
FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_BY_TYPE = {
    "boolean": ("true", "false"),
    "json": ("'{}'", "'[]'", '\'{"type": "string"}\''),
    "jsonb": ("'{}'", "'[]'", '\'{"type": "string"}\''),
    "uuid": ("gen_random_uuid()",),
    "bytea": ("'\\x0102'", "decode(repeat('01', 32), 'hex')"),
}


@dataclass(frozen=True)
class Column:
    """What is known of a column, and the SQL expressions that are worth trying in it."""

    name: str
    required: bool
    candidates: tuple[str, ...]


def empty_tables(connection: Connection) -> list[str]:
    """The tables that hold no row."""
    return [name for name in connection.scalars(text(_TABLES)) if not _count(connection, name)]


def fill(connection: Connection, values: Mapping[str, str]) -> list[str]:
    """Puts rows into every empty table, and answers with the tables that took none.

    `values` are SQL for columns of these names; the catalogs say what is worth trying in the others.
    """
    empty = empty_tables(connection)
    while True:
        left = [name for name in empty if not _fill_table(connection, name, values)]
        if len(left) == len(empty):
            return left
        empty = left


def _count(connection: Connection, name: str) -> int:
    return int(connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0)


def _fill_table(connection: Connection, name: str, values: Mapping[str, str]) -> bool:
    """Whether a row could be put into the table: with every column, else with as many as it takes."""
    for seed in range(1, ROWS_A_TABLE + 1):
        described = connection.execute(text(_COLUMNS), {"name": name}).all()
        if any(row.referred and row.required and not connection.scalar(text(row.referred)) for row in described):
            return False
        columns = [column for row in described if (column := _column(row, seed, name, values))]
        required = [column for column in columns if column.required]
        if not any(_inserted(connection, name, row) for row in chain(_trials(columns), _trials(required))):
            return seed > 1
    return True


def _trials(columns: list[Column]) -> Iterator[dict[str, str]]:
    """The first candidate of each column, then any of them, in an order that is always the same."""
    if all(column.candidates for column in columns):
        yield {column.name: column.candidates[0] for column in columns}
        chosen = random.Random(len(columns))
        for _ in range(TRIALS):
            yield {column.name: chosen.choice(column.candidates) for column in columns}


def _inserted(connection: Connection, name: str, values: dict[str, str]) -> bool:
    what = f"({', '.join(values)}) VALUES ({', '.join(values.values())})" if values else "DEFAULT VALUES"
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"INSERT INTO {name} {what}")
    except DBAPIError:
        return False
    return True


def _column(row: Any, seed: int, table: str, values: Mapping[str, str]) -> Column | None:
    if row.filled and not row.referred:
        return None
    chosen = [values[row.name]] if row.name in values and not row.labels else []
    return Column(row.name, row.required, tuple(dict.fromkeys([*chosen, *_candidates(row, seed, table)])))


def _candidates(row: Any, seed: int, table: str) -> Iterator[str]:
    if row.referred:
        yield f"({row.referred} ORDER BY 1 OFFSET {seed - 1} LIMIT 1)"
        yield f"({row.referred} LIMIT 1)"
    for label in row.labels or ():
        yield f"'{label}'"
    for check in row.checks or ():
        yield from re.findall(r"'(?:[^']|'')*'", check)
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
            words = f"{seed} of {table}"  # no two tables' ids are the same: some chains make one table of two
            yield f"'{words if '(' not in row.type else words[: row.modifier - 4]}'"
        case "A":
            yield "'{}'"
    if not row.required:
        yield "NULL"
