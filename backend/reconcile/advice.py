"""advice: a difference -> the SQL that a person could run about it, having looked at what it would lose."""

from reconcile.create import CONSTRAINTS, create_statement
from reconcile.repair import LABEL, altered, is_elsewhere
from reconcile.schema import Difference, column_of, kind_of, name_of, table_of


def advice(item: Difference) -> str:
    """The SQL that a person could run about a difference, having looked at what it would lose."""
    sql = _about_strange(item) if item.expected is None else _about_ours(item, item.expected)
    return sql or f"-- {item}"


def _about_strange(item: Difference) -> str | None:
    """About an object that lies on our table and isn't ours."""
    kind, table = kind_of(item.key), table_of(item.key, item.found or "")
    match kind:
        case "column":
            return f"ALTER TABLE {table} ALTER COLUMN {column_of(item.key)} DROP NOT NULL;"
        case "index":
            return f"DROP INDEX {name_of(item.key)};"
        case "trigger" | "rule":
            return f"DROP {kind.upper()} {column_of(item.key)} ON {table};"
        case "row_security":
            return f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
    return f"ALTER TABLE {table} DROP CONSTRAINT {item.name};" if kind in CONSTRAINTS else None


def _about_ours(item: Difference, expected: str) -> str | None:
    """About an object of ours that is otherwise than it should be, or gone."""
    kind, name, table = kind_of(item.key), name_of(item.key), table_of(item.key, item.found or expected)
    match kind:
        case "table" if item.found is None:
            return f"-- restore {table} from a backup"
        case "table" if item.found == f"{expected} unlogged":
            return f"ALTER TABLE {table} SET LOGGED;"
        case "column" if item.found is not None:
            sql = altered(item.key, expected, item.found, lossless=False)
            return f"{sql};" if sql else None
        case "type" if item.found is not None:
            return _relabel(name, expected, item.found)
        case "index":
            return _replace_index(item, expected)
    return f"ALTER TABLE {table} DROP CONSTRAINT {item.name};" if kind in CONSTRAINTS and item.found else None


def _replace_index(item: Difference, expected: str) -> str:
    name = name_of(item.key)
    if is_elsewhere(item):
        return f"ALTER INDEX {name} RENAME TO {_renamed(name)};"
    created = create_statement(item.key, expected)
    return f"DROP INDEX {name};" + (f" {created};" if created else "")


def _renamed(name: str) -> str:
    return f'{name[:-1]}_old"' if name.endswith('"') else f"{name}_old"


def _relabel(name: str, expected: str, found: str) -> str:
    wanted, present = LABEL.findall(expected), LABEL.findall(found)
    if len(wanted) == len(present):
        pairs = [(old, new) for old, new in zip(present, wanted, strict=True) if old != new]
        if not {old for old, _ in pairs} & set(wanted):
            return " ".join(f"ALTER TYPE {name} RENAME VALUE {old} TO {new};" for old, new in pairs)
    return (
        f"ALTER TYPE {name} RENAME TO {_renamed(name)}; CREATE TYPE {name} AS {expected}; "
        f"-- then for each column of it: ALTER TABLE … ALTER COLUMN … TYPE {name} USING …::text::{name};"
    )
