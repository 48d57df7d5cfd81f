"""Describes and reads a recording for a request to a service, under a neutral name."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from audio.model.formats import NotAudio
from audio.model.recognition import recognise_file

CHUNK_BYTES = 256 * 1024
# Services choose a decoder by the extension, and know Opus in Ogg as .ogg only.
EXTENSIONS = {"opus": "ogg", "mka": "webm"}


@dataclass(frozen=True)
class RequestFile:
    """A file in a request; its name is never the user's."""

    name: str
    mime_type: str
    size_bytes: int


async def describe_file(audio: Path) -> RequestFile:
    """Describes a file by its bytes. Raises OSError."""
    return await asyncio.to_thread(_describe, audio)


async def chunks(audio: Path) -> AsyncGenerator[bytes]:
    """The file's bytes, read off the event loop. Raises OSError."""
    file = await asyncio.to_thread(audio.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


def _describe(audio: Path) -> RequestFile:
    try:
        with audio.open("rb") as file:
            audio_format = recognise_file(file).audio
    except NotAudio:
        audio_format = None
    extension = audio_format.extension if audio_format else audio.suffix.removeprefix(".") or "bin"
    return RequestFile(
        name=f"recording.{EXTENSIONS.get(extension, extension)}",
        mime_type=audio_format.mime_type if audio_format else "application/octet-stream",
        size_bytes=audio.stat().st_size,
    )
