"""A column's canonical text, taken apart: what may change in it without losing a value, and what may not."""

import re
from dataclasses import dataclass

_TEXT = re.compile(r"(?P<type>.+?)(?: (?P<filled>(?:default|generated) .+?))?(?P<required> not null)?")
_LENGTH = re.compile(r"character varying\((\d+)\)")
_WIDER = {
    "smallint": {"integer", "bigint"},
    "integer": {"bigint"},
    "real": {"double precision"},
}


@dataclass(frozen=True)
class Column:
    """A column's type with its collation, its default or generation (empty: none), and whether it must be filled."""

    type: str
    filled: str
    required: bool

    @classmethod
    def parse(cls, text: str) -> "Column":
        """Takes a canonical text apart."""
        match = _TEXT.fullmatch(text)
        if match is None:  # pragma: no cover - the pattern takes any text
            raise ValueError(text)
        return cls(match["type"], match["filled"] or "", bool(match["required"]))

    @property
    def can_reject_insert(self) -> bool:
        """Whether an insert that doesn't name the column fails."""
        return self.required and not self.filled


def alterations(expected: Column, found: Column, *, name: str, lossless: bool) -> tuple[str, ...] | None:
    """The actions of an ALTER TABLE that make a column as expected; None where they could lose something."""
    if "generated" in expected.filled + found.filled and expected.filled != found.filled:
        return None if lossless else _ungenerated(expected, found, name=name)
    if lossless and expected.type != found.type and not _widens(found.type, expected.type):
        return None
    actions = []
    if expected.type != found.type:
        using = "" if _widens(found.type, expected.type) else f" USING {_cast(name, expected.type, found.type)}"
        actions.append(f"TYPE {expected.type}{using}")
    if expected.filled != found.filled:
        actions.append(f"SET {expected.filled}" if expected.filled else "DROP DEFAULT")
    if expected.required != found.required:
        actions.append("SET NOT NULL" if expected.required else "DROP NOT NULL")
    return tuple(f"ALTER COLUMN {name} {action}" for action in actions)


def _ungenerated(expected: Column, found: Column, *, name: str) -> tuple[str, ...] | None:
    """The values stay where they are stored; what comes after them is then up to each insert."""
    if expected.filled or found.filled.endswith("virtual"):
        return None
    return (f"ALTER COLUMN {name} DROP {'IDENTITY' if found.filled.endswith('identity') else 'EXPRESSION'}",)


def _widens(narrow: str, wide: str) -> bool:
    lengths = _LENGTH.fullmatch(narrow), _LENGTH.fullmatch(wide)
    if lengths[0] and lengths[1]:
        return int(lengths[0][1]) < int(lengths[1][1])
    return wide in _WIDER.get(narrow, ())


def _cast(name: str, wanted: str, found: str) -> str:
    """A cast that fails where a value doesn't fit: `::varchar(100)` would cut it short, `::bigint` round it.

    Naive timestamps are UTC; a plain cast would take the session's time zone for it.
    """
    if {wanted, found} == {"timestamp without time zone", "timestamp with time zone"}:
        return f"{name} AT TIME ZONE 'UTC'"
    return f"{name}::text" if wanted.startswith("character") else f"{name}::text::{wanted}"
