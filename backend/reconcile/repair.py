"""repair: a difference -> the statements that mend it and lose nothing, or none where only a person may."""

import re

from reconcile.column import Column, alterations
from reconcile.create import create_statement
from reconcile.schema import Difference, Key, column_of, kind_of, name_of, table_of

LABEL = re.compile(r"'(?:[^']|'')*'")


def mend(item: Difference) -> tuple[str, ...] | None:
    """The statements that make a differing object right without losing anything, or None where only a person may."""
    if item.expected is None or item.found is None:
        return None
    match kind_of(item.key):
        case "index":
            if item.found.startswith("UNIQUE ") or is_elsewhere(item):
                return None
            created = create_statement(item.key, item.expected)
            return (f"DROP INDEX {name_of(item.key)}", created) if created else None
        case "column":
            sql = altered(item.key, item.expected, item.found, lossless=True)
            return (sql,) if sql else None
        case "type":
            return _mend_enum(name_of(item.key), item.expected, item.found)
    return None


def _mend_enum(name: str, expected: str, found: str) -> tuple[str, ...] | None:
    """Adds labels that are missing, each in its place; a label that is strange or misplaced is for a person."""
    wanted, present = LABEL.findall(expected), LABEL.findall(found)
    if not present or [label for label in wanted if label in present] != present:
        return None  # nor is a composite type of the name ours to change
    statements = []
    for position, label in enumerate(wanted):
        if label not in present:
            place = f"AFTER {wanted[position - 1]}" if position else f"BEFORE {present[0]}"
            statements.append(f"ALTER TYPE {name} ADD VALUE {label} {place}")
    return tuple(statements)


def altered(key: Key, expected: str, found: str, *, lossless: bool) -> str | None:
    """The statement that makes a column as expected; None where it could lose something and must not."""
    name = column_of(key)
    actions = alterations(Column.parse(expected), Column.parse(found), name=name, lossless=lossless)
    return f"ALTER TABLE {table_of(key, '')} {', '.join(actions)}" if actions else None


def is_elsewhere(item: Difference) -> bool:
    """Whether an index of our name lies on somebody else's table."""
    return item.expected is not None and table_of(item.key, item.expected) != table_of(item.key, item.found or "")
