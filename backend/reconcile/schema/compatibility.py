"""Whether an object that differs from the chain's serves in its place.

Others may depend on a wider type, a default or additional columns of an index, so those stay until a later revision of
the chain changes them.
"""

import re

from .column import Column
from .schema import Key

UNENFORCED = " NOT ENFORCED"
LABEL = re.compile(r"'(?:[^']|'')*'")
_COSTS = re.compile(r" (?:PARALLEL (?:UN)?SAFE|PARALLEL RESTRICTED|COST \S+|ROWS \S+)")
_MORE_COLUMNS = re.compile(r"(?:,\s+[\w.\"]+(?: AS [\w\"]+)?)+")
_DEFERRED = (" DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")
_INCLUDED = re.compile(r" INCLUDE \([^()]*\)$")
_BTREE = re.compile(r"USING btree \((?P<columns>[^()]*)\)(?: INCLUDE \([^()]*\))?")
_SEQUENCE = re.compile(
    r"\w+ start -?\d+ increment (?P<step>-?\d+) minvalue (?P<least>-?\d+) maxvalue (?P<most>-?\d+)(?P<cycle> cycle)?"
)


def serves(key: Key, expected: str, actual: str) -> bool:  # noqa: C901 - a table of cases
    """Whether an object does what the expected one does, and rejects no more."""
    match key.kind:
        case "column":
            return Column.parse(actual).serves(Column.parse(expected))
        case "unique" | "primary_key":
            return _INCLUDED.sub("", actual) == expected
        case "index":
            return _INCLUDED.sub("", actual) == expected or _begins_with(actual, expected)
        case "foreign_key":
            return actual in {expected + suffix for suffix in (*_DEFERRED, UNENFORCED)}
        case "check":
            return actual == expected + UNENFORCED
        case "sequence":
            return _counts_as_far(expected, actual)
        case "function":
            return _uncounted(actual) == _uncounted(expected) or (
                not sets_path(expected) and _uncounted(actual, _SET_PATH) == _uncounted(expected)
            )
        case "view":
            return _selects_more(expected, actual)
        case "type":
            return _has_more_labels(expected, actual)
        case "table":
            return expected == "ordinary" and is_divided(actual)
    return False


def sets_path(function: str) -> bool:
    """Whether a function sets its own search path."""
    return _uncounted(function, _SET_PATH) != _uncounted(function)


_SET_PATH = " SET search_path TO "


def _uncounted(function: str, *left_out: str) -> str:
    """A function without attributes for the planner alone, and without some of its settings."""
    lines = function.split("\n")
    body = next((at for at, line in enumerate(lines) if line.startswith(("AS ", "RETURN ", "BEGIN "))), len(lines))
    head = [line if at == 0 else _COSTS.sub("", line) for at, line in enumerate(lines[:body])]
    return "\n".join([line for line in head if line and not (left_out and line.startswith(left_out))] + lines[body:])


def selected(view: str) -> str:
    """The select list of a view as PostgreSQL formats it: all before the first FROM."""
    return view.partition("\n   FROM ")[0]


def _selects_more(expected: str, actual: str) -> bool:
    """Whether a view is the same but for additional plain columns at its end."""
    own = selected(expected)
    rest = expected[len(own) :]
    return (
        bool(rest)
        and "SELECT DISTINCT" not in own
        and actual.startswith(own)
        and actual.endswith(rest)
        and _MORE_COLUMNS.fullmatch(actual[len(own) : len(actual) - len(rest)]) is not None
    )


def _has_more_labels(expected: str, actual: str) -> bool:
    """Whether an enum has all expected labels in their order, and perhaps others."""
    own, labels = LABEL.findall(expected), LABEL.findall(actual)
    is_enum = expected.startswith("enum ") and actual.startswith("enum ")
    return is_enum and [label for label in labels if label in own] == own


def labels_beside(expected: str, actual: str) -> tuple[str, ...]:
    """The labels of an enum, as literals, that aren't expected."""
    own = LABEL.findall(expected)
    return tuple(label for label in LABEL.findall(actual) if label not in own)


def is_divided(table: str) -> bool:
    """Whether a table differs only by being partitioned."""
    return table.startswith("partitioned by ") and not table.endswith((" unlogged", " partition"))


def _begins_with(actual: str, expected: str) -> bool:
    """Whether an index begins with the expected columns, so that it serves the same queries."""
    more, own = _BTREE.fullmatch(actual), _BTREE.fullmatch(expected)
    return bool(more and own) and f"{more['columns']}, ".startswith(f"{own['columns']}, ")  # type: ignore[index]


def _counts_as_far(expected: str, actual: str) -> bool:
    own, other = _SEQUENCE.fullmatch(expected), _SEQUENCE.fullmatch(actual)
    if own is None or other is None or (own["cycle"] and not other["cycle"]):
        return False
    if int(own["step"]) > 0:
        return int(other["step"]) > 0 and int(other["most"]) >= int(own["most"])
    return int(other["step"]) < 0 and int(other["least"]) <= int(own["least"])
