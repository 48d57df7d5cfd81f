"""A decoder, and recordings as files."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from audio.model.formats import AudioFormat
from audio.model.recognition import Recogniser, Recognition
from audio.processing.decoding import Decoder, DecodingLimits
from audio.processing.probing import Examined, examine
from tests.api.conftest import database

__all__ = ["database"]


class Examine(Protocol):
    """Examines bytes as an upload's would be: recognised first, then decoded by what they were recognised as."""

    async def __call__(self, content: bytes, audio: AudioFormat | None = None, **limits: int) -> Examined:
        """What examining finds."""


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """A decoder, whose server starts with the first job."""
    decoder = Decoder()
    yield decoder
    asyncio.run(decoder.stop())


@pytest.fixture
def examined(decoder: Decoder, tmp_path: Path) -> Examine:
    """A function that examines a recording's bytes."""

    async def run(content: bytes, audio: AudioFormat | None = None, **limits: int) -> Examined:
        path = tmp_path / "recording"
        path.write_bytes(content)
        recognition = recognition_of(content) if audio is None else Recognition(audio)
        return await examine(path, recognition, decoder=decoder, limits=DecodingLimits(**limits))

    return run


def format_of(content: bytes) -> AudioFormat:
    """What an upload is taken for."""
    return recognition_of(content).audio


def recognition_of(content: bytes) -> Recognition:
    """The same, and where its sound begins."""
    recogniser = Recogniser()
    recogniser.feed(content)
    return recogniser.finish()
