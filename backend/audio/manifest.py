"""The manifest beside each recording's bytes, so that storage alone can prove itself and give the table back."""

from collections.abc import Mapping
from datetime import UTC
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from audio.companions import MANIFEST
from audio.models import AudioFile
from storage.contract import BytesMissing, Storage

_LARGEST_BYTES = 1024 * 1024


class Found(BaseModel):
    """What decoding has found out, as `Probe` says it. The variant is None where the original plays as it is."""

    model_config = ConfigDict(frozen=True, extra="allow")

    duration_seconds: float
    codec: str
    sample_rate_hz: int
    channels: int
    bit_rate: int
    silent: bool
    damaged: bool
    playback_extension: str | None = None
    playback_mime_type: str | None = None


class Manifest(BaseModel):
    """What is known of a recording, version 1. A later version may add fields; an older program keeps them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: Literal[1] = 1
    id: UUID
    user_id: str | None
    filename: str
    original_filename: str | None
    tag: str | None
    category: str | None
    uploaded_at: AwareDatetime | None
    size_bytes: int | None
    sha256: str
    mime_type: str | None
    found: Found | None = None

    def as_bytes(self) -> bytes:
        """The manifest as it lies in storage."""
        return self.model_dump_json(indent=2).encode()


def manifest_name(name: str) -> str:
    """Where the manifest of the bytes under `name` lies."""
    return f"{name}{MANIFEST}"


def manifest_of(recording: AudioFile, *, sha256: str) -> Manifest:
    """The manifest of a recording that has just come in."""
    columns = ("id", "user_id", "filename", "original_filename", "tag", "category", "mime_type")
    return Manifest(
        **{name: getattr(recording, name) for name in columns},
        uploaded_at=recording.upload_timestamp.replace(tzinfo=UTC) if recording.upload_timestamp else None,
        size_bytes=recording.file_size_bytes,
        sha256=sha256,
    )


async def write_manifest(storage: Storage, name: str, manifest: Manifest) -> None:
    """Puts the manifest beside the bytes under `name`. Raises StorageError."""
    await storage.replace(manifest_name(name), manifest.as_bytes())


async def read_manifest(storage: Storage, name: str) -> Manifest:
    """The manifest beside the bytes under `name`. Raises BytesMissing, or ValueError when it can't be understood."""
    content = b"".join([piece async for piece in storage.read(manifest_name(name), stop=_LARGEST_BYTES)])
    return Manifest.model_validate_json(content)


async def has_manifest(storage: Storage, name: str) -> bool:
    """Whether a manifest lies beside the bytes under `name`. Raises StorageError when that can't be told."""
    try:
        await storage.size(manifest_name(name))
    except BytesMissing:
        return False
    return True


async def amend_manifest(storage: Storage, name: str, changes: Mapping[str, object]) -> None:
    """Changes some of what the manifest beside the bytes under `name` says, and leaves the rest.

    The caller holds the recording's row locked: of two who change it at once, neither undoes the other.
    Raises BytesMissing, StorageError, or ValueError when the manifest can't be understood.
    """
    manifest = await read_manifest(storage, name)
    await write_manifest(storage, name, manifest.model_copy(update=changes))
