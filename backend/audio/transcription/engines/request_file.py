"""A recording on its way to a service: under a neutral name, and from disk as it goes."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from audio.model.formats import HEAD_BYTES, recognise

CHUNK_BYTES = 256 * 1024
# Services choose a decoder by the ending, and know Opus in Ogg as .ogg only.
ENDINGS = {"opus": "ogg", "mka": "webm"}


@dataclass(frozen=True)
class Sendable:
    """What a service is told of a file: never the user's name for it."""

    name: str
    mime_type: str
    size_bytes: int


async def sendable(audio: Path) -> Sendable:
    """What to tell of the file, by its bytes. Raises OSError."""
    return await asyncio.to_thread(_look, audio)


async def chunks(audio: Path) -> AsyncGenerator[bytes]:
    """The file's bytes, read off the event loop. Raises OSError."""
    file = await asyncio.to_thread(audio.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


def _look(audio: Path) -> Sendable:
    with audio.open("rb") as file:
        found = recognise(file.read(HEAD_BYTES))
    extension = found.extension if found else audio.suffix.removeprefix(".") or "bin"
    return Sendable(
        name=f"recording.{ENDINGS.get(extension, extension)}",
        mime_type=found.mime_type if found else "application/octet-stream",
        size_bytes=audio.stat().st_size,
    )
