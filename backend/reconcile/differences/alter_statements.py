"""The statements that repair a difference without losing anything, or None where a person has to decide."""

from ..schema.column import Column, alterations
from ..schema.compatibility import LABEL
from ..schema.create_statements import create_statement, create_view
from ..schema.schema import CONSTRAINTS, NOT_VALID, VARIES, Difference, Key

ELSEWHERE = "on another table, "  # the text of an index of our name on somebody else's table
UNPOPULATED = "unpopulated"  # the text of a materialized view that was never filled: each SELECT from it fails
PARTITIONED = "a partitioned table"  # the text of one that can't have our keys
RELATIONS = {  # the text of a table whose name another kind of object has
    "view": "a view",
    "materialized_view": "a materialized view",
    "foreign_table": "a foreign table",
    "sequence": "a sequence",
}


def mend(item: Difference, *, storage: str = "") -> tuple[str, ...] | None:
    """The statements that repair a differing object without losing anything, or None where a person has to decide.

    `storage` are the storage parameters of an index, which it keeps.
    """
    if item.expected is None or item.actual is None or VARIES in item.expected:
        return None
    match item.key.kind:
        case "index":
            if item.actual.startswith("UNIQUE ") or is_elsewhere(item):
                return None
            created = create_statement(item.key, item.expected, storage=storage)
            return (f"DROP INDEX {item.key.path}", created) if created else None
        case "column":
            sql = altered(item.key, item.expected, item.actual, lossless=True)
            return (sql,) if sql else None
        case "materialized_view" if item.actual == UNPOPULATED:
            return (f"REFRESH MATERIALIZED VIEW {item.key.path}",)
        case "type":
            return _mend_enum(item.key.path, item.expected, item.actual)
        case "view" if _query(item.expected) == _query(item.actual):
            return (create_view(item.key.path, item.expected).replace("CREATE", "CREATE OR REPLACE", 1),)
    if item.key.kind in CONSTRAINTS and item.actual == f"{item.expected}{NOT_VALID}":
        return (f"ALTER TABLE {item.key.relation} VALIDATE CONSTRAINT {item.key.name}",)
    return None


def _mend_enum(name: str, expected: str, actual: str) -> tuple[str, ...] | None:
    """Adds missing labels at their places; None where a label is unknown or at another place."""
    labels, present = LABEL.findall(expected), LABEL.findall(actual)
    if not present or [label for label in labels if label in present] != present:
        return None  # a composite type of the same name isn't ours to change
    statements = []
    for position, label in enumerate(labels):
        if label not in present:
            place = f"AFTER {labels[position - 1]}" if position else f"BEFORE {present[0]}"
            statements.append(f"ALTER TYPE {name} ADD VALUE {label} {place}")
    return tuple(statements)


def _query(view: str) -> str:
    return view.partition(") AS")[2] if view.startswith("WITH (") else view


def altered(key: Key, expected: str, actual: str, *, lossless: bool) -> str | None:
    """The statement that changes a column as expected; None where it could lose something."""
    if VARIES in expected:
        return None
    actions = alterations(Column.parse(expected), Column.parse(actual), name=key.name, lossless=lossless)
    return f"ALTER TABLE {key.relation} {', '.join(actions)}" if actions else None


def is_elsewhere(item: Difference) -> bool:
    """Whether the index of our name is on somebody else's table."""
    return (item.actual or "").startswith(ELSEWHERE)
