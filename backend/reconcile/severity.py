"""severity: what a difference means for whoever reads and writes the tables: it breaks, it degrades, or it is harmless.

Of what isn't ours only the catalogs are asked. Where they can't tell, nothing is said to reject; a project's own probe
may find out (see probe.py).
"""

import re
from enum import StrEnum

from reconcile.column import Column
from reconcile.observe import Observation
from reconcile.schema import INVALID, Difference, Key, Schema

_COLUMNS = re.compile(r"(?:PRIMARY KEY|UNIQUE(?: NULLS NOT DISTINCT)?|UNIQUE USING btree) \(([^()]*)\)")
_UNENFORCED = " NOT ENFORCED"


class Severity(StrEnum):
    """What a difference does: only what is breaking keeps a service from starting."""

    BREAKING = "breaking"
    DEGRADED = "degraded"
    HARMLESS = "harmless"


def severity_of_ours(item: Difference) -> Severity:
    """What it means that an object of ours is missing, or otherwise than it should be: a lost index only slows down."""
    texts = [text for text in (item.expected, item.found) if text is not None]
    if item.key.kind == "index" and not any(text.startswith("UNIQUE ") for text in texts):
        return Severity.DEGRADED
    return Severity.BREAKING


def severity_of_others(item: Difference, observation: Observation) -> Severity:
    """What an object on our tables means that nobody here knows: does it surely reject what ours would take?"""
    return Severity.BREAKING if _rejects(item, observation) else Severity.HARMLESS


def is_undecided(item: Difference, observation: Observation) -> bool:
    """Whether an object that nobody here knows looks at writes, and the catalogs can't tell what it rejects."""
    text = item.found or ""
    match item.key.kind:
        case "trigger":
            return " BEFORE " in text.partition(" ON ")[0] and " enabled=D" not in text
        case "policy":
            return Key("row_security", item.key.schema, item.key.table, "") in observation.details
    return False


def _rejects(item: Difference, observation: Observation) -> bool:
    text = item.found or ""
    match item.key.kind:
        case "column":
            return Column.parse(text).can_reject_insert
        case "index":
            return text.startswith("UNIQUE ") and not _is_implied(item.key, text, observation.schema)
        case "unique" | "primary_key":
            return not _is_implied(item.key, text, observation.schema)
        case "check" | "exclude" | "foreign_key":
            return not text.endswith(_UNENFORCED)
        case "row_security":
            return item.key in observation.details and not _lets_in(item.key, observation.schema)
        case "rule":
            return " DO INSTEAD" in text and not text.partition(" DO INSTEAD")[0].rpartition("ON SELECT")[1]
    return False


def _is_implied(key: Key, text: str, schema: Schema) -> bool:
    """Whether a key never rejects what another key, over some of its columns, lets in."""
    columns = _columns_of_key(text)
    return columns is not None and any(
        other is not None and other <= columns
        for strong, definition in schema.items()
        if strong != key and strong[1:3] == key[1:3] and strong.kind in ("unique", "primary_key", "index")
        for other in (_columns_of_key(definition.removesuffix(INVALID)),)
    )


def _columns_of_key(definition: str) -> frozenset[str] | None:
    match = _COLUMNS.fullmatch(definition.removesuffix(INVALID))
    return frozenset(match[1].split(", ")) if match else None


def _lets_in(key: Key, schema: Schema) -> bool:
    """Whether a permissive policy lets some inserts through row security; without one it lets none."""
    return any(
        policy.kind == "policy"
        and policy[1:3] == key[1:3]
        and text.startswith(("permissive for *", "permissive for a"))
        for policy, text in schema.items()
    )
