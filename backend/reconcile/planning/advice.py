"""The SQL that a person could run about a difference, after checking what it would lose.

Somebody else may depend on objects that aren't ours: about those there is only a comment, and no statement drops them.
"""

from ..differences.alter_statements import PARTITIONED, RELATIONS, altered, is_elsewhere
from ..schema.compatibility import LABEL
from ..schema.create_statements import create_statement
from ..schema.schema import CONSTRAINTS, VARIES, Difference, Key
from . import replacement

IN_SOME_ROWS = " in some rows"  # the text of a column with values that this code can't read


def advice(item: Difference, *, detail: str = "") -> str:
    """The SQL that a person could run about a difference, after checking what it would lose.

    `detail` is an observed property of the object that isn't compared.
    """
    if VARIES in (item.expected or ""):
        return f"-- give {item.key} its definition by hand: that of its revision is another each time, on no tape"
    if item.expected is None:
        sql = _about_others(item)
    else:
        sql = _about_ours(item, item.expected) or _replaced(item, item.expected, item.actual, detail)
    return sql or f"-- {item}"


def _about_others(item: Difference) -> str | None:
    """About somebody else's object on our table."""
    key = item.key
    match key.kind:
        case "column":
            return f"ALTER TABLE {key.relation} ALTER COLUMN {key.name} DROP NOT NULL;"
        case "row_security":
            return f"-- give the role that connects here a policy on {key.relation} that lets it read and write"
    return (
        f"-- ask whoever made {key} whether {key.relation} can do without it: {' '.join((item.actual or '').split())}"
    )


def about_left_over(key: Key) -> str | None:
    """About an object that the chain has created and dropped, and that exists nevertheless."""
    if key.kind in CONSTRAINTS:
        return f"ALTER TABLE {key.relation} DROP CONSTRAINT {key.name};"
    match key.kind:
        case "index":
            return f"DROP INDEX {key.path};"
        case "trigger" | "rule" | "policy":
            return f"DROP {key.kind.upper()} {key.name} ON {key.relation};"
        case "column":
            return f"ALTER TABLE {key.relation} ALTER COLUMN {key.name} DROP NOT NULL;"
    return None


def _about_ours(item: Difference, expected: str) -> str | None:
    """About an object of ours that differs or is missing."""
    key = item.key
    match key.kind:
        case "table" if item.actual in (PARTITIONED, *RELATIONS.values()):
            return f"-- {key.relation} is {item.actual} now: ask whoever made it so, or give the table its name back"
        case "table" if item.actual is None:
            return f"-- restore {key.relation} from a backup"
        case "table" if item.actual == f"{expected} unlogged":
            return f"ALTER TABLE {key.relation} SET LOGGED;"
        case "column" if (item.actual or "").endswith(IN_SOME_ROWS):
            value = (item.actual or "").removesuffix(IN_SOME_ROWS)
            where = "IS NULL" if value == "NULL" else f"IN ({value})"
            return f"-- give each row a value: UPDATE {key.relation} SET {key.name} = … WHERE {key.name} {where}"  # noqa: S608 - for a person
        case "column" if item.actual is not None:
            sql = altered(key, expected, item.actual, lossless=False)
            return f"{sql};" if sql else None
        case "type" if item.actual is not None:
            return _relabel(key.path, expected, item.actual)
        case "sequence" if item.actual is not None:
            return _count_again(key.path, expected)
        case "index":
            return _replace_index(item, expected)
    return None


def _replaced(item: Difference, expected: str, actual: str | None, detail: str) -> str | None:  # noqa: C901 - a table
    """About an object of ours with another definition, whose replacement loses no rows."""
    key = item.key
    match key.kind:
        case "row_security":
            return replacement.row_security(key, expected)
        case "rule":
            return expected.replace("CREATE RULE", "CREATE OR REPLACE RULE", 1)
        case _ if actual is None:
            return None
        case "function":
            return replacement.function(key, expected, actual)
        case "trigger":
            return replacement.trigger(key, expected, actual)
        case "policy":
            return replacement.policy(key, expected, actual)
        case "view" | "materialized_view":
            return replacement.view(key, expected, actual)
        case "domain":
            return replacement.domain(key, expected, actual, detail)
        case "column" if " generated always as (" in expected:
            return replacement.generated_column(key)
    if key.kind not in CONSTRAINTS:
        return None
    return f"ALTER TABLE {key.relation} DROP CONSTRAINT {key.name}, ADD CONSTRAINT {key.name} {expected};"


def _count_again(name: str, expected: str) -> str:
    type_, _, options = expected.partition(" start ")
    cycle = "" if options.endswith(" cycle") else " NO CYCLE"
    return f"ALTER SEQUENCE {name} AS {type_} START {options.upper()}{cycle};"


def _replace_index(item: Difference, expected: str) -> str:
    name = item.key.path
    if is_elsewhere(item):
        return f"ALTER INDEX {name} RENAME TO {replacement.aside(item.key.name)};"
    created = create_statement(item.key, expected)
    return f"DROP INDEX {name};" + (f" {created};" if created else "")


def _relabel(name: str, expected: str, actual: str) -> str:
    """Renames labels where it is clear which is which; other differences need a new type."""
    labels, present = LABEL.findall(expected), LABEL.findall(actual)
    strange = [label for label in present if label not in labels]
    pairs = [(old, new) for old in strange for new in labels if new not in present and old.lower() == new.lower()]
    if len(labels) == len(present):
        pairs = [(old, new) for old, new in zip(present, labels, strict=True) if old != new]
    if pairs and not {old for old, _ in pairs} & set(labels):
        return " ".join(f"ALTER TYPE {name} RENAME VALUE {old} TO {new};" for old, new in pairs)
    return (
        f"ALTER TYPE {name} RENAME TO {replacement.aside(name)}; CREATE TYPE {name} AS {expected}; "
        f"-- then for each column of it: ALTER TABLE … ALTER COLUMN … TYPE {name} USING …::text::{name};"
    )
