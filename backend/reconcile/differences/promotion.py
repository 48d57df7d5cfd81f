"""Unique indexes that equal the index of a missing constraint except for their name.

Somebody has built them by hand: they become the constraint's own index, and nothing is built twice.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..schema.schema import Difference, Key

_INDEX = re.compile(r"UNIQUE USING btree \(([^()]*)\)(?: INCLUDE \([^()]*\))?( NULLS NOT DISTINCT)?")
_CONSTRAINT = re.compile(r"(PRIMARY KEY|UNIQUE)( NULLS NOT DISTINCT)? \(([^()]*)\)(?: INCLUDE \([^()]*\))?")


@dataclass(frozen=True)
class Promotion:
    """An index that becomes the index of a missing constraint; `kind` is the constraint's kind in SQL."""

    index: Key
    constraint: Key
    kind: str

    @property
    def statement(self) -> str:
        """The statement that makes the constraint from the index, without reading a row."""
        key = self.constraint
        return f"ALTER TABLE {key.relation} ADD CONSTRAINT {key.name} {self.kind} USING INDEX {self.index.name}"

    def __str__(self) -> str:
        return f"{self.index} becomes the constraint {self.constraint.name}, which is missing"


def promotions_of(missing: Iterable[Difference], extra: Iterable[Difference]) -> Iterator[Promotion]:
    """Pairs missing constraints with indexes that fit; uses no index twice."""
    indexes = {item.key: _INDEX.fullmatch(item.actual or "") for item in extra if item.key.kind == "index"}
    for item in missing:
        constraint = _CONSTRAINT.fullmatch(item.expected or "")
        for key, index in indexes.items():
            if constraint and index and key[1:3] == item.key[1:3] and _fits(index, constraint):
                yield Promotion(key, item.key, constraint[1])
                del indexes[key]
                break


def _fits(index: re.Match[str], constraint: re.Match[str]) -> bool:
    return set(index[1].split(", ")) == set(constraint[3].split(", ")) and index[2] == constraint[2]
