"""What the tests of chains share."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from .bench import Bench
from .forks_client import Forks, forking


@pytest.fixture
async def bench(server_address: str) -> AsyncIterator[Bench]:
    """A server on which databases can be made."""
    bench = Bench(server_address)
    yield bench
    await bench.close()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """A function that tells whoever runs the tests something, passed or not, in a worker or not."""

    def speak(sentence: str) -> None:
        with capsys.disabled():
            print(f"\n{sentence}", file=sys.__stderr__, flush=True)

    return speak


@pytest.fixture(autouse=True, scope="session")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Alembic loads every revision for every heal: their bytecode is kept, but not beside them."""
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(tmp_path_factory.mktemp("bytecode"))
    yield
    sys.dont_write_bytecode, sys.pycache_prefix = before


@pytest.fixture
async def forks(bench: Bench) -> AsyncIterator[Forks]:
    """A process from which others that heal are forked."""
    async with forking(bench) as forks:
        yield forks
