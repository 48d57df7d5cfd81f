"""A service to talk to, and a recording to send."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audio.samples import recording
from tests.audio.transcription.service import Speaker, speaking


@pytest.fixture
async def service() -> AsyncIterator[Speaker]:
    """A service that speaks every engine's protocol."""
    async with speaking() as speaker:
        yield speaker


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """A recording whose name says more than a service should know."""
    path = tmp_path / "talk with Dr Jones.dat"
    path.write_bytes(recording("ogg opus"))
    return path
