"""What the tests of chains share."""

import sys
from collections.abc import AsyncIterator, Callable

import pytest

from .bench import Bench


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
