"""create: what is missing -> the statements that make it, from its canonical text. Only what is missing is made."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconcile.schema import Difference, Key, Schema, column_of, kind_of, last_part, name_of, table_of, tables_in

_ORDER = [
    "schema",
    "extension",
    "type",
    "domain",
    "sequence",
    "function",
    "table",
    "column",
    "primary_key",
    "unique",
    "check",
    "exclude",
    "foreign_key",
    "index",
    "materialized_view",
    "view",
    "trigger",
]
CONSTRAINTS = ("primary_key", "unique", "check", "exclude", "foreign_key")
_LABEL = re.compile(r"'(?:[^']|'')*'")


@dataclass(frozen=True)
class Creation:
    """A statement that makes a missing object, or clears the way for it."""

    item: Difference
    sql: str


def creations(missing: Iterable[Difference]) -> tuple[Creation, ...] | None:
    """The statements that make what is missing, in an order in which they can run; None where one can't be made."""
    missing = tuple(missing)
    if any(kind_of(item.key) not in _ORDER for item in missing):
        return None
    ordered = sorted(missing, key=lambda item: _ORDER.index(kind_of(item.key)))
    tables = tables_in(item.key for item in ordered)
    made: list[Creation] = []
    for item in ordered:
        table = table_of(item.key, item.expected or "")
        if item.found is not None:
            made.append(Creation(item, f"DROP INDEX {name_of(item.key)}"))
        if kind_of(item.key) == "table":
            parts = {d.key: d.expected or "" for d in ordered if table_of(d.key, d.expected or "") == table}
            sql = _create_table(name_of(item.key), parts)
        elif table in tables and kind_of(item.key) in ("column", *CONSTRAINTS):
            continue
        else:
            sql = create_statement(item.key, item.expected or "")
        if sql is None:
            return None
        made.append(Creation(item, sql))
    return tuple(made)


def _create_table(name: str, parts: Schema) -> str | None:
    if parts[f"table {name}"] != "ordinary":
        return None
    columns = [f"{column_of(key)} {text}" for key, text in parts.items() if kind_of(key) == "column"]
    constraints = [text for key, text in parts.items() if kind_of(key) in CONSTRAINTS]
    return f"CREATE TABLE {name} ({', '.join(columns + constraints)})"


def create_statement(key: Key, text: str) -> str | None:
    """The statement that makes one object from its canonical text; None where there is none for its kind."""
    kind, name, table = kind_of(key), name_of(key), table_of(key, text)
    if kind in CONSTRAINTS:
        return f"ALTER TABLE {table} ADD {text}"
    match kind:
        case "schema":
            return f"CREATE SCHEMA {name}"
        case "column":
            return f"ALTER TABLE {table} ADD COLUMN {column_of(key)} {text}"
        case "index":
            unique = "UNIQUE " if text.startswith("UNIQUE ") else ""
            return f"CREATE {unique}INDEX {last_part(name)} {text.removeprefix(unique)}"
        case "type" | "domain" | "sequence" | "view" | "materialized_view":
            return f"CREATE {kind.upper().replace('_', ' ')} {name} AS {text}"
        case "function" | "trigger":
            return None if " enabled=" in text else text
    return None
