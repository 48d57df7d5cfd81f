"""severity: what a difference means for who reads and writes the tables: it breaks, it degrades, or it is harmless."""

from enum import StrEnum

from ..schema.compatibility import serves
from ..schema.schema import NOT_VALID, Difference, Schema
from .observe import Observation
from .rejection import Rejection, rejection


class Severity(StrEnum):
    """What a difference does: only what is breaking keeps a service from starting."""

    BREAKING = "breaking"
    DEGRADED = "degraded"
    HARMLESS = "harmless"


def severity_of_ours(item: Difference) -> Severity:
    """What it means that an object of ours is missing, or otherwise than it should be: a lost index only slows down."""
    expected, actual = item.expected, item.actual
    if item.key.kind == "index" and not any(text and text.startswith("UNIQUE ") for text in (expected, actual)):
        return Severity.DEGRADED
    if expected is not None and actual is not None:
        if serves(item.key, expected, actual):
            return Severity.HARMLESS
        if actual == expected + NOT_VALID:
            return Severity.DEGRADED
    return Severity.BREAKING


def severity_of_others(item: Difference, observation: Observation, ours: Schema) -> Severity:
    """What an object on our tables means that nobody here knows: does it surely reject what ours would take?"""
    surely = rejection(item, observation, ours) is Rejection.SURE
    return Severity.BREAKING if surely else Severity.HARMLESS


def is_undecided(item: Difference, observation: Observation, ours: Schema) -> bool:
    """Whether an object that nobody here knows looks at writes, and the catalogs can't tell what it rejects."""
    return rejection(item, observation, ours) is Rejection.UNKNOWN
