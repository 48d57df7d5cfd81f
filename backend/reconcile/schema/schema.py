"""A database's schema as a value that can be compared, stored and printed.

A schema is a flat mapping from the key of each object to its canonical text: `column audio_files.tag` to
`character varying(100)`. The text is a fragment of SQL, so that a missing object can be made from it. A constraint is
keyed by its name, as PostgreSQL does it: two over the same columns are two. Column order doesn't count.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

INVALID = " invalid"
NOT_VALID = " NOT VALID"
VARIES = "'<varies>'"  # in a recorded text, for a value that differs each time the chain is played
CONSTRAINTS = ("primary_key", "unique", "check", "exclude", "foreign_key")

_NAME = r'(?:"(?:[^"]|"")+"|[^\s".(]+)'
_PATH = re.compile(rf"({_NAME})(?:\.({_NAME}))?(?:\.({_NAME}))?")
_ON = re.compile(rf"({_NAME}) on ({_NAME})(?:\.({_NAME}))?")
_FUNCTION = re.compile(rf"(?:({_NAME})\.)?({_NAME}\(.*)", re.DOTALL)
_OF_A_TABLE = ("table", "row_security")
_ON_A_TABLE = (*CONSTRAINTS, "index", "trigger", "policy", "rule")


class Key(NamedTuple):
    """Identifies an object by its kind and its names, which are quoted as in SQL where necessary.

    `schema` is empty for the project's own schema, `table` for an object that isn't on one, and `name` for a table
    itself and for its row security.
    """

    kind: str
    schema: str
    table: str
    name: str

    @property
    def relation(self) -> str:
        """The table that the object is or belongs to, qualified outside of our schema; empty without one."""
        return self._qualified(self.table) if self.table else ""

    @property
    def path(self) -> str:
        """The object's name for SQL, qualified outside of our schema."""
        return self._qualified(self.name or self.table)

    def _qualified(self, name: str) -> str:
        return f"{self.schema}.{name}" if self.schema else name

    def __str__(self) -> str:
        """The key as on the tape and in reports: `index ix_tag on audio_files`."""
        if self.kind == "column":
            return f"column {self.relation}.{self.name}"
        if self.kind in _ON_A_TABLE:
            return f"{self.kind} {self.name} on {self.relation}"
        return f"{self.kind} {self.path}"


@lru_cache(maxsize=100_000)
def parse_key(text: str) -> Key:
    """The key that `str` wrote.

    Raises:
        ValueError: the text is no key.
    """
    kind, _, rest = text.partition(" ")
    pattern = _FUNCTION if kind == "function" else _ON if kind in _ON_A_TABLE else _PATH
    match = pattern.fullmatch(rest)
    if match is None:
        raise ValueError(text)
    if kind == "function":
        return Key(kind, match[1] or "", "", match[2])
    if kind in _ON_A_TABLE:
        schema, table = (match[2], match[3]) if match[3] else ("", match[2])
        return Key(kind, schema, table, match[1])
    names = [name for name in match.groups() if name]
    if kind == "column":
        return Key(kind, "".join(names[:-2]), names[-2], names[-1])
    schema, name = "".join(names[:-1]), names[-1]
    return Key(kind, schema, name, "") if kind in _OF_A_TABLE else Key(kind, schema, "", name)


def unquoted(name: str) -> str:
    """The name in the catalogs for a name in SQL."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


Schema: TypeAlias = Mapping[Key, str]


@dataclass(frozen=True)
class Difference:
    """A difference of one object; `expected` and `actual` are canonical texts, None without an object."""

    key: Key
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        """A line with the actual and the expected text."""
        actual, expected = (None if text is None else " ".join(text.split()) for text in (self.actual, self.expected))
        if actual is None:
            return f"{self.key} is missing"
        if expected is None:
            return f"{self.key} is not ours: {actual}"
        return f"{self.key} is {actual}, not {expected}"


def difference(expected: Schema, actual: Schema) -> tuple[Difference, ...]:
    """The differences of the objects in `expected`; objects in `actual` alone are ignored."""
    return tuple(Difference(key, value, actual.get(key)) for key, value in expected.items() if actual.get(key) != value)


def table_key(relation_of: Key) -> Key:
    """The key of the table that an object belongs to."""
    return Key("table", relation_of.schema, relation_of.table, "")


def tables_in(keys: Iterable[Key]) -> frozenset[str]:
    """The names of the tables among keys, as in SQL."""
    return frozenset(key.relation for key in keys if key.kind == "table")
