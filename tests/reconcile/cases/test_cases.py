"""Chains and databases as others have them, through the command line in an environment of SQLAlchemy, Alembic, psycopg.

Each case says what happened and what is right; checks.py says what that means.
"""

from collections.abc import Iterator

import pytest

from . import (
    evidence,
    labels,
    looking,
    meaning,
    naming,
    objects,
    recording,
    refused,
    rows,
    spelling,
    statements,
    versions,
)
from .bare import started
from .case import Case
from .checks import run
from .databases import Server
from .trial import Bench

CASES = tuple(
    case
    for room in (
        objects,
        rows,
        evidence,
        recording,
        spelling,
        meaning,
        naming,
        looking,
        refused,
        labels,
        versions,
        statements,
    )
    for case in room.CASES
)


@pytest.fixture(scope="session")
def bench(server_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """What the cases share: a server, and a process in the bare environment."""
    with started() as bare:
        yield Bench(Server(server_address), bare, tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, bench: Bench) -> None:
    """A database ends as is right for whoever owns it."""
    run(case, bench)
