"""Schema: what a database holds, as a value that can be compared, stored and printed.

A schema is a flat mapping from a key (`column audio_files.tag`) to its canonical text
(`character varying(100)`). The text is a fragment of SQL, so that a missing object can be made from it.
Constraints are keyed by what they constrain, not by their generated names; column order doesn't count.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Key: TypeAlias = str
Schema: TypeAlias = Mapping[Key, str]

_NAME = r'(?:"(?:[^"]|"")+"|[^\s".(]+)'
_QUALIFIED = re.compile(rf"{_NAME}(?:\.{_NAME})*")
INVALID = " invalid"

_ON_A_TABLE = ("primary_key", "unique", "foreign_key", "check", "exclude", "row_security")
_IN_A_TABLE = ("column", "trigger", "policy", "rule")


@dataclass(frozen=True)
class Difference:
    """How one object differs: `expected` and `found` are canonical texts, None where there is no object.

    `name` is the name of a constraint, which its key leaves out.
    """

    key: Key
    expected: str | None
    found: str | None
    name: str = ""

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.key} is missing"
        if self.expected is None:
            return f"{self.key} is not ours: {self.found}"
        return f"{self.key} is {self.found}, not {self.expected}"


def kind_of(key: Key) -> str:
    """The kind of object a key names, such as `column`."""
    return key.partition(" ")[0]


def name_of(key: Key) -> str:
    """The name in a key: `audio_files.tag` of `column audio_files.tag`."""
    return key.partition(" ")[2]


def table_of(key: Key, value: str) -> str | None:
    """The table that an object lies on, or None where it lies on none."""
    kind, name = kind_of(key), name_of(key)
    if kind == "table":
        return name
    if kind == "index":
        name = value.removeprefix("UNIQUE ").removeprefix("ON ")
    elif kind not in _ON_A_TABLE and kind not in _IN_A_TABLE:
        return None
    match = _QUALIFIED.match(name)
    if match is None:
        return None
    return match[0] if kind not in _IN_A_TABLE else _without_last(match[0])


def column_of(key: Key) -> str:
    """The column that a column's key names, without its table."""
    return last_part(name_of(key))


def last_part(qualified: str) -> str:
    """A name without what qualifies it."""
    return _parts(qualified)[-1]


def schema_in(name: str) -> str | None:
    """The schema that a name is qualified with, unquoted, or None where it stands alone."""
    match = re.match(rf"({_NAME})\.{_NAME}", name)
    return match[1].strip('"').replace('""', '"') if match else None


def _without_last(qualified: str) -> str:
    return ".".join(_parts(qualified)[:-1])


def _parts(qualified: str) -> list[str]:
    return [match[0] for match in re.finditer(_NAME, qualified)]


def difference(expected: Schema, found: Schema) -> tuple[Difference, ...]:
    """What differs in the objects that `expected` holds; what only `found` holds is not looked at."""
    return tuple(Difference(key, value, found.get(key)) for key, value in expected.items() if found.get(key) != value)


def tables_in(keys: Iterable[Key]) -> frozenset[str]:
    """The names of the tables among some keys."""
    return frozenset(name_of(key) for key in keys if kind_of(key) == "table")
