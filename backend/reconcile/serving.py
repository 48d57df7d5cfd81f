"""serving: whether an object that is otherwise than the chain's takes all that the chain's takes, and gives it back.

A wider type, a default of others, a key that carries more columns along: whoever made it so lives by it, so it stays.
The chain's own code changes it where a later revision does.
"""

import re

from reconcile.column import Column
from reconcile.schema import Key

UNENFORCED = " NOT ENFORCED"
_DEFERRED = (" DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")
_INCLUDED = re.compile(r" INCLUDE \([^()]*\)$")
_BTREE = re.compile(r"USING btree \((?P<columns>[^()]*)\)(?: INCLUDE \([^()]*\))?")
_SEQUENCE = re.compile(
    r"\w+ start -?\d+ increment (?P<step>-?\d+) minvalue (?P<least>-?\d+) maxvalue (?P<most>-?\d+)(?P<cycle> cycle)?"
)


def serves(key: Key, expected: str, found: str) -> bool:
    """Whether an object does what the one that is expected does, and rejects no more."""
    match key.kind:
        case "column":
            return Column.parse(found).serves(Column.parse(expected))
        case "unique" | "primary_key":
            return _INCLUDED.sub("", found) == expected
        case "index":
            return _INCLUDED.sub("", found) == expected or _begins_with(found, expected)
        case "foreign_key":
            return found in {expected + suffix for suffix in (*_DEFERRED, UNENFORCED)}
        case "check":
            return found == expected + UNENFORCED
        case "sequence":
            return _counts_as_far(expected, found)
        case "table":
            return expected == "ordinary" and is_divided(found)
    return False


def is_divided(table: str) -> bool:
    """Whether a table's text is of one that is partitioned, and no more than that."""
    return table.startswith("partitioned by ") and not table.endswith((" unlogged", " partition"))


def _begins_with(found: str, expected: str) -> bool:
    """Whether an index of more columns finds all that the expected one finds."""
    more, own = _BTREE.fullmatch(found), _BTREE.fullmatch(expected)
    return bool(more and own) and f"{more['columns']}, ".startswith(f"{own['columns']}, ")  # type: ignore[index]


def _counts_as_far(expected: str, found: str) -> bool:
    own, other = _SEQUENCE.fullmatch(expected), _SEQUENCE.fullmatch(found)
    if own is None or other is None or (own["cycle"] and not other["cycle"]):
        return False
    if int(own["step"]) > 0:
        return int(other["step"]) > 0 and int(other["most"]) >= int(own["most"])
    return int(other["step"]) < 0 and int(other["least"]) <= int(own["least"])
