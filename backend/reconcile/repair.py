"""repair: a difference -> the statements that mend it and lose nothing, or none; and the SQL that a person could run.

Statements are made from an object's canonical text, not taken from a revision: only what is missing is made.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconcile.column import Column, alterations
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
_CONSTRAINTS = ("primary_key", "unique", "check", "exclude", "foreign_key")
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
        elif table in tables and kind_of(item.key) in ("column", *_CONSTRAINTS):
            continue
        else:
            sql = _create(item.key, item.expected or "")
        if sql is None:
            return None
        made.append(Creation(item, sql))
    return tuple(made)


def _create_table(name: str, parts: Schema) -> str | None:
    if parts[f"table {name}"] != "ordinary":
        return None
    columns = [f"{column_of(key)} {text}" for key, text in parts.items() if kind_of(key) == "column"]
    constraints = [text for key, text in parts.items() if kind_of(key) in _CONSTRAINTS]
    return f"CREATE TABLE {name} ({', '.join(columns + constraints)})"


def _create(key: Key, text: str) -> str | None:
    kind, name, table = kind_of(key), name_of(key), table_of(key, text)
    if kind in _CONSTRAINTS:
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


def mend(item: Difference) -> tuple[str, ...] | None:
    """The statements that make a differing object right without losing anything, or None where only a person may."""
    if item.expected is None or item.found is None:
        return None
    match kind_of(item.key):
        case "index":
            if item.found.startswith("UNIQUE ") or _is_elsewhere(item):
                return None
            created = _create(item.key, item.expected)
            return (f"DROP INDEX {name_of(item.key)}", created) if created else None
        case "column":
            altered = _altered(item.key, item.expected, item.found, lossless=True)
            return (altered,) if altered else None
        case "type":
            return _mend_enum(name_of(item.key), item.expected, item.found)
    return None


def _mend_enum(name: str, expected: str, found: str) -> tuple[str, ...] | None:
    """Adds labels that are missing, each in its place; a label that is strange or misplaced is for a person."""
    wanted, present = _LABEL.findall(expected), _LABEL.findall(found)
    if not present or [label for label in wanted if label in present] != present:
        return None  # nor is a composite type of the name ours to change
    statements = []
    for position, label in enumerate(wanted):
        if label not in present:
            place = f"AFTER {wanted[position - 1]}" if position else f"BEFORE {present[0]}"
            statements.append(f"ALTER TYPE {name} ADD VALUE {label} {place}")
    return tuple(statements)


def advice(item: Difference) -> str:
    """The SQL that a person could run about a difference, having looked at what it would lose."""
    kind, name, table = (
        kind_of(item.key),
        name_of(item.key),
        table_of(item.key, item.found or item.expected or ""),
    )
    match kind:
        case "column" if item.expected is None:
            return f"ALTER TABLE {table} ALTER COLUMN {column_of(item.key)} DROP NOT NULL;"
        case "column" if item.found is not None:
            altered = _altered(item.key, item.expected or "", item.found, lossless=False)
            return f"{altered};" if altered else f"-- {item}"
        case "type" if item.expected and item.found:
            return _relabel(name, item.expected, item.found)
        case "index":
            return _index_advice(item)
        case "trigger":
            return f"DROP TRIGGER {column_of(item.key)} ON {table};"
        case "rule":
            return f"DROP RULE {column_of(item.key)} ON {table};"
        case "row_security":
            return f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
        case "table" if item.expected and item.found is None:
            return f"-- restore {table} from a backup"
        case "table" if item.found == f"{item.expected} unlogged":
            return f"ALTER TABLE {table} SET LOGGED;"
    if kind in _CONSTRAINTS and item.found:
        return f"ALTER TABLE {table} DROP CONSTRAINT {item.name};"
    return f"-- {item}"


def _index_advice(item: Difference) -> str:
    name = name_of(item.key)
    if _is_elsewhere(item):
        return f"ALTER INDEX {name} RENAME TO {_renamed(name)};"
    created = _create(item.key, item.expected) if item.expected else None
    return f"DROP INDEX {name};" + (f" {created};" if created else "")


def _is_elsewhere(item: Difference) -> bool:
    """Whether an index of our name lies on somebody else's table."""
    return item.expected is not None and table_of(item.key, item.expected) != table_of(item.key, item.found or "")


def _renamed(name: str) -> str:
    return f'{name[:-1]}_old"' if name.endswith('"') else f"{name}_old"


def _altered(key: Key, expected: str, found: str, *, lossless: bool) -> str | None:
    name = column_of(key)
    actions = alterations(Column.parse(expected), Column.parse(found), name=name, lossless=lossless)
    return f"ALTER TABLE {table_of(key, '')} {', '.join(actions)}" if actions else None


def _relabel(name: str, expected: str, found: str) -> str:
    wanted, present = _LABEL.findall(expected), _LABEL.findall(found)
    if len(wanted) == len(present):
        pairs = [(old, new) for old, new in zip(present, wanted, strict=True) if old != new]
        if not {old for old, _ in pairs} & set(wanted):
            return " ".join(f"ALTER TYPE {name} RENAME VALUE {old} TO {new};" for old, new in pairs)
    return (
        f"ALTER TYPE {name} RENAME TO {_renamed(name)}; CREATE TYPE {name} AS {expected}; "
        f"-- then for each column of it: ALTER TABLE … ALTER COLUMN … TYPE {name} USING …::text::{name};"
    )
