"""Chains and databases as others have them, through the command line in an environment of SQLAlchemy, Alembic, psycopg.

Each case says what happened and what is right; checks.py says what that means.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from . import (
    branches,
    evidence,
    hidden,
    labels,
    looking,
    meaning,
    mended,
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
        mended,
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


OF_EACH_KIND, ONE_OF_THE_OTHERS_IN = 5, 3


def grouped() -> Iterator[object]:
    """The cases, those of a chain for one worker: it has recorded it.

    Of each kind the first forms and always the same part of the others are tried in every run, all of them in a soak.
    """
    chains: dict[object, str] = {}
    forms = Counter[str]()
    for case in CASES:
        marks = [pytest.mark.xdist_group(chains.setdefault(case.chain, f"chain {len(chains)}"))]
        kind = case.id.partition(",")[0]
        if forms[kind] >= OF_EACH_KIND and forms[kind] % ONE_OF_THE_OTHERS_IN:
            marks.append(pytest.mark.soak)
        forms[kind] += 1
        yield pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", list(grouped()))
def test_case(case: Case, bench: Bench) -> None:
    """A database ends as is right for whoever owns it."""
    run(case, bench)
