"""What the tests of cases share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .bare import started
from .databases import Server
from .trial import Bench


@pytest.fixture(scope="session")
def bench(server_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server, and a process in the bare environment."""
    with started() as bare, ExitStack() as kept:
        yield Bench(Server(server_address), bare, tmp_path_factory.mktemp("cases"), kept)
