"""The statements that create missing objects from their canonical texts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .schema import CONSTRAINTS, VARIES, Difference, Key, Schema, tables_in

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
    "index",
    "foreign_key",
    "view",
    "trigger",
]


@dataclass(frozen=True)
class Creation:
    """A statement that creates a missing object, or removes an obstacle to it."""

    item: Difference
    sql: str


def creations(
    missing: Iterable[Difference], *, storage: Mapping[Key, str] | None = None
) -> tuple[Creation, ...] | None:
    """The statements that create missing objects, in an order in which they can run; None if one can't be created.

    `storage` are the storage parameters of INVALID indexes that are built again.
    """
    missing = tuple(missing)
    if any(item.key.kind not in (*_ORDER, "materialized_view") or VARIES in (item.expected or "") for item in missing):
        return None
    views = {item.key.path for item in missing if item.key.kind == "materialized_view"}
    ordered = sorted(missing, key=lambda item: _rank(item.key, views))
    tables = tables_in(item.key for item in ordered)
    made: list[Creation] = []
    for item in ordered:
        key = item.key
        if item.actual is not None:
            drop = f"ALTER TABLE {key.relation} DROP CONSTRAINT {key.name}" if key.kind in CONSTRAINTS else ""
            made.append(Creation(item, drop or f"DROP INDEX {key.path}"))
        if key.kind == "table":
            parts = {other.key: other.expected or "" for other in ordered if other.key.relation == key.relation}
            sql = _create_table(key, parts)
        elif key.relation in tables and key.kind in ("column", *CONSTRAINTS):
            continue
        else:
            sql = create_statement(key, item.expected or "", storage=(storage or {}).get(key, ""))
        if sql is None:
            return None
        made.append(Creation(item, sql))
    return tuple(made)


def _rank(key: Key, materialized_views: set[str]) -> int:
    """The place in the order: views may depend on earlier ones of the chain, and indexes on views."""
    if key.kind == "materialized_view":
        return _ORDER.index("view")
    if key.kind == "index" and key.relation in materialized_views:
        return _ORDER.index("trigger")
    return _ORDER.index(key.kind)


def _create_table(table: Key, parts: Schema) -> str | None:
    if parts[table] != "ordinary":
        return None
    columns = [f"{key.name} {text}" for key, text in parts.items() if key.kind == "column"]
    constraints = [f"CONSTRAINT {key.name} {text}" for key, text in parts.items() if key.kind in CONSTRAINTS]
    return f"CREATE TABLE {table.relation} ({', '.join(columns + constraints)})"


def create_statement(key: Key, text: str, *, storage: str = "") -> str | None:
    """The statement that creates an object from its canonical text; None for kinds without one."""
    kind = key.kind
    if VARIES in text:
        return None
    if kind in CONSTRAINTS:
        return f"ALTER TABLE {key.relation} ADD CONSTRAINT {key.name} {text}"
    match kind:
        case "schema":
            return f"CREATE SCHEMA {key.name}"
        case "extension":
            return f"CREATE EXTENSION {key.name}"
        case "column":
            return f"ALTER TABLE {key.relation} ADD COLUMN {key.name} {text}"
        case "index":
            return _create_index(key, text, storage)
        case "view":
            return create_view(key.path, text)
        case "type" | "domain" | "sequence" | "materialized_view":
            return f"CREATE {kind.upper().replace('_', ' ')} {key.path} AS {text}"
        case "function" | "trigger":
            return None if " enabled=" in text else text
    return None


def create_view(name: str, text: str) -> str:
    """The statement that creates a view; its options (security, check) may stand before its query."""
    return f"CREATE VIEW {name} {text}" if text.startswith("WITH (") else f"CREATE VIEW {name} AS {text}"


def _create_index(key: Key, text: str, storage: str) -> str:
    """The statement; storage parameters go before the condition of a partial index."""
    unique = "UNIQUE " if text.startswith("UNIQUE ") else ""
    columns, where, condition = text.removeprefix(unique).partition(" WHERE ")
    return f"CREATE {unique}INDEX {key.name} ON {key.relation} {columns}{storage}{where}{condition}"
