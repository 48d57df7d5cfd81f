"""The manifest beside each recording's bytes, so that storage alone can prove itself and give the table back.

It holds what the row says, but for the transcripts, which lie beside it (transcription/document.py), and it follows
each change of the row: whoever changes one writes all that the row says, so a manifest that was left behind catches up.
"""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import DateTime

from audio.model.artifacts import MANIFEST
from audio.model.audio_file import AudioFile, ProcessingStatus, Use, columns, values_of
from storage.contract import BytesMissing, Storage, StorageError

log = structlog.get_logger(__name__)
_LARGEST_BYTES = 1024 * 1024
_FIELDS = {"upload_timestamp": "uploaded_at", "file_size_bytes": "size_bytes"}  # columns with another name here
_COLUMNS = {column.name: _FIELDS.get(column.name, column.name) for column in columns(Use.IN_MANIFEST)}
_TIMES = {column.name for column in columns(Use.IN_MANIFEST) if isinstance(column.type, DateTime)}


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
    readable_share: float = 1.0  # of its sound; less where it is damaged
    coarse: bool = False
    playback_extension: str | None = None
    playback_mime_type: str | None = None
    mime_type: str | None = None  # the row may not tell of it yet


class Manifest(BaseModel):
    """What is known of a recording, version 1. A later version may add fields; an older program keeps them.

    Manifests from before they followed the row have no status, and none of the times but `uploaded_at`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    version: Literal[1] = 1
    id: UUID
    user_id: str | None
    filename: str
    original_filename: str | None
    title: str | None = None
    tag: str | None
    category: str | None
    uploaded_at: AwareDatetime | None
    size_bytes: int | None
    sha256: str
    mime_type: str | None
    found: Found | None = None
    processing_status: ProcessingStatus | None = None
    error_message: str | None = None
    transcription_engine: str | None = None
    transcription_started_at: AwareDatetime | None = None
    transcription_completed_at: AwareDatetime | None = None
    improvement_completed_at: AwareDatetime | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None

    def as_bytes(self) -> bytes:
        """The manifest as it lies in storage."""
        return self.model_dump_json(indent=2).encode()


def manifest_name(name: str) -> str:
    """Where the manifest of the bytes under `name` lies."""
    return f"{name}{MANIFEST}"


def manifest_of(recording: AudioFile, *, sha256: str) -> Manifest:
    """The manifest of a recording that has just come in."""
    return Manifest(**_facts(recording), sha256=sha256)


def details_of(manifest: Manifest) -> dict[str, Any]:
    """What a manifest says of its row, by the columns' own names; of place, title and transcripts it says nothing."""
    found = manifest.found
    values = {column: getattr(manifest, field, None) for column, field in _COLUMNS.items()}
    values |= {column: _naive(values[column]) for column in _TIMES}
    values["created_at"] = values["created_at"] or values["upload_timestamp"]
    values["updated_at"] = values["updated_at"] or values["created_at"]
    if values["processing_status"] is None:
        values["processing_status"] = ProcessingStatus.UPLOADED if found is None else ProcessingStatus.COMPLETED
    return values | {"duration_seconds": None if found is None else found.duration_seconds}


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


def follows(manifest: Manifest, recording: AudioFile) -> bool:
    """Whether the manifest says all that the row says."""
    return manifest.model_copy(update=_facts(recording)) == manifest


async def follow_row(storage: Storage, recording: AudioFile, *, found: Found | None = None) -> bool:
    """Lets the manifest say what the row does, and what was `found`; returns whether it had said anything else.

    The caller's transaction holds the row locked: of two who change it at once, neither undoes the other.
    Raises BytesMissing, StorageError, or ValueError when the manifest can't be understood.
    """
    manifest = await read_manifest(storage, recording.file_path)
    changes = _facts(recording) | ({} if found is None else {"found": found})
    followed = manifest.model_copy(update=changes)
    if followed == manifest:
        return False
    await write_manifest(storage, recording.file_path, followed)
    return True


async def renew_manifest(storage: Storage, recording: AudioFile) -> bool:
    """The same, where the row is the truth: what can't be renewed is logged, and no reason to refuse the change."""
    try:
        return await follow_row(storage, recording)
    except BytesMissing:  # a recording from before there were manifests
        return False
    except (StorageError, ValueError) as error:
        log.warning("manifest not renewed", recording=str(recording.id), reason=type(error).__name__)
        return False


def _facts(recording: AudioFile) -> dict[str, Any]:
    """The row's values as the manifest's fields."""
    values = values_of(recording, (*_COLUMNS, "title"))
    facts = {field: values[column] for column, field in _COLUMNS.items()}
    return facts | {_COLUMNS[column]: _aware(values[column]) for column in _TIMES} | {"title": values["title"]}


def _aware(naive: datetime | None) -> datetime | None:
    return None if naive is None else naive.replace(tzinfo=UTC)


def _naive(aware: datetime | None) -> datetime | None:
    return None if aware is None else aware.astimezone(UTC).replace(tzinfo=None)
