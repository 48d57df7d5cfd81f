"""Refuses an upload whose bytes are there already, or returns the recording that has them, as its client has asked."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from audio.intake.insert import NewRow
from audio.model.audio_file import AudioFile
from audio.model.duplicates import DuplicatePolicy, Original, find_original
from core.database.engine import lock_name
from core.errors import PegasusError
from storage.contract import BytesMissing, Storage


class DuplicateRefused(PegasusError):
    """`duplicate_of` is the recording that is there, as JSON."""

    def __init__(self, original: Original) -> None:
        super().__init__("The same bytes are there already, and the upload was to be refused then.")
        self.duplicate_of: dict[str, Any] = original.as_json()


class DuplicateFound(PegasusError):
    """The same bytes are there already, and their recording is to be returned."""

    message = "The same bytes are there already."

    def __init__(self, recording: AudioFile) -> None:
        super().__init__()
        self.recording = recording


async def check_duplicates(session: AsyncSession, row: NewRow, *, storage: Storage, policy: str | None) -> None:
    """Returns where a new row may be inserted. Of two uploads of the same bytes the second waits for the first.

    Only a recording whose bytes are really in storage counts. Raises DuplicateRefused, DuplicateFound or StorageError.
    """
    if policy in {None, DuplicatePolicy.KEEP}:
        return
    await lock_name(session, f"bytes {row.sha256.hex()} of {row.recording.user_id}")
    recording = await find_original(session, row.recording, sha256=row.sha256)
    if recording is None or not await _is_stored(recording, storage):
        return
    if policy == DuplicatePolicy.REFUSE:
        raise DuplicateRefused(Original.of(recording))
    raise DuplicateFound(recording)


async def _is_stored(recording: AudioFile, storage: Storage) -> bool:
    try:
        return await storage.size(recording.file_path) == recording.file_size_bytes
    except BytesMissing:
        return False
