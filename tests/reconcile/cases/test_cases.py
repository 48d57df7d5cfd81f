"""Chains and databases as others have them, through the command line in an environment of SQLAlchemy, Alembic, psycopg.

Each case says what happened and what is right; checks.py says what that means.
"""

from collections.abc import Iterator

import pytest

from . import (
    branches,
    evidence,
    hidden,
    labels,
    looking,
    meaning,
    naming,
    objects,
    recording,
    refused,
    rows,
    serving,
    spelling,
    statements,
    versions,
)
from .case import Case
from .checks import run
from .trial import Bench

CASES = tuple(
    case
    for room in (
        objects,
        branches,
        rows,
        evidence,
        recording,
        spelling,
        meaning,
        serving,
        naming,
        looking,
        refused,
        labels,
        versions,
        statements,
        hidden,
    )
    for case in room.CASES
)


def grouped() -> Iterator[object]:
    """The cases, those of a chain for one worker: it has recorded it."""
    chains: dict[object, str] = {}
    for case in CASES:
        group = chains.setdefault(case.chain, f"chain {len(chains)}")
        yield pytest.param(case, id=case.id, marks=pytest.mark.xdist_group(group))


@pytest.mark.parametrize("case", list(grouped()))
def test_case(case: Case, bench: Bench) -> None:
    """A database ends as is right for whoever owns it."""
    run(case, bench)
