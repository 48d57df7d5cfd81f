"""Bytes -> a durable recording, for every way in.

The order is the promise: recognised, counted and hashed in one pass; durable bytes; the manifest; the row; only then
the answer. A crash may leave bytes without a row, never a row without bytes.
"""

import hashlib
import secrets
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from audio.formats import HEAD_BYTES, AudioFormat, recognise
from audio.labels import file_name, label, user_label
from audio.manifest import manifest_name, manifest_of, write_manifest
from audio.models import AudioFile, utc_now
from audio.repository import Sessions
from core.errors import PegasusError
from storage.contract import Storage, StorageError

log = structlog.get_logger(__name__)


class UploadTooLarge(PegasusError):
    """A recording has more bytes than are taken in."""

    def __init__(self, *, limit: int, received: int) -> None:
        super().__init__(f"The upload has {received} bytes or more, and at most {limit} are taken.")
        self.limit = limit
        self.received = received


class UploadEmpty(PegasusError):
    """The upload has no bytes."""

    def __init__(self) -> None:
        super().__init__("The uploaded file is empty.")


class NotAudio(PegasusError):
    """The bytes are not those of an audio format that is taken in."""

    def __init__(self) -> None:
        super().__init__(
            "The uploaded bytes are not audio in a known format"
            " (wav, mp3, m4a, mp4, 3gp, ogg, opus, flac, webm, mka, aac, amr, aiff, caf, wma)."
        )


class OutcomeUnknown(PegasusError):
    """The database went away between COMMIT and its answer: the recording may be there or not."""

    def __init__(self) -> None:
        super().__init__("The database went away while the recording was being entered; it may be there or not.")


@dataclass(frozen=True, kw_only=True)
class Details:
    """What comes with the bytes, as the client wrote it."""

    original_filename: str | None = None
    user_id: str | None = None
    tag: str | None = None
    category: str | None = None

    def checked(self) -> "Details":
        """The same as it is kept. Raises LabelRefused."""
        return Details(
            original_filename=file_name(self.original_filename),
            user_id=user_label(self.user_id),
            tag=label("tag", self.tag),
            category=label("category", self.category),
        )


class Upload(Protocol):
    """A recording on its way in, whatever the way."""

    def chunks(self) -> AsyncGenerator[bytes]:
        """The bytes, once. Raises what breaks the upload off."""
        ...

    def details(self) -> Details:
        """What came with the bytes; complete once they have ended, and perhaps not before."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Takes recordings in, up to `limit_bytes` each."""

    sessions: Sessions
    storage: Storage
    limit_bytes: int

    async def __call__(self, upload: Upload) -> AudioFile:
        """Stores one recording with its manifest and its row, and returns the row.

        Whatever breaks off before COMMIT is sent leaves nothing behind; afterwards nothing is removed any more.

        Raises:
            UploadEmpty, NotAudio, UploadTooLarge, LabelRefused: the upload isn't taken, and why.
            StorageError, DatabaseProblem: it could not be kept.
            OutcomeUnknown: it may have been kept.
        """
        upload.details().checked()
        source = _Source(upload, limit_bytes=self.limit_bytes)
        audio = await source.recognised()
        now = utc_now()
        path = _name_for(audio, now)
        size = await self.storage.put(path, source.rest(), digest=source.digest)
        recording = _recording(path, audio, now=now, details=upload.details().checked(), size_bytes=size)
        await self._enter(recording, sha256=source.digest.hexdigest())
        log.info("recording taken in", recording=str(recording.id), size_bytes=size, format=audio.name)
        return recording

    async def _enter(self, recording: AudioFile, *, sha256: str) -> None:
        """Writes the manifest and the row."""
        commit_sent = False
        try:
            await write_manifest(self.storage, recording.file_path, manifest_of(recording, sha256=sha256))
            async with self.sessions() as session:
                session.add(recording)
                await session.flush()
                commit_sent = True
                await session.commit()
        except BaseException as error:
            if not commit_sent:
                await self._forget(recording.file_path)
                raise
            if isinstance(error, Exception):
                raise OutcomeUnknown from error
            raise

    async def _forget(self, path: str) -> None:
        for name in (path, manifest_name(path)):
            try:
                await self.storage.delete(name)
            except StorageError as error:
                log.warning("bytes without a row stay behind", reason=str(error))


class _Source:
    """An upload's bytes, read once: counted against the limit, and recognised by the first of them."""

    def __init__(self, upload: Upload, *, limit_bytes: int) -> None:
        self._upload = upload
        self._chunks: AsyncIterator[bytes] = upload.chunks()
        self._limit_bytes = limit_bytes
        self._received = 0
        self._head = b""
        self.digest = hashlib.sha256()

    async def recognised(self) -> AudioFormat:
        """The format, from as few bytes as decide it."""
        while len(self._head) < HEAD_BYTES:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                break
            self._head += self._counted(chunk)
        if not self._head:
            raise UploadEmpty
        audio = recognise(self._head[:HEAD_BYTES])
        if audio is None:
            raise NotAudio
        return audio

    async def rest(self) -> AsyncGenerator[bytes]:
        """Every byte; at the end it sees to it that what came behind them is in order, before they are kept."""
        yield self._head
        async for chunk in self._chunks:
            yield self._counted(chunk)
        self._upload.details().checked()

    def _counted(self, chunk: bytes) -> bytes:
        self._received += len(chunk)
        if self._received > self._limit_bytes:
            raise UploadTooLarge(limit=self._limit_bytes, received=self._received)
        return chunk


def _name_for(audio: AudioFormat, now: datetime) -> str:
    return f"{now:%Y/%m/%d}/audio_{now:%Y%m%d_%H%M%S}_{secrets.token_hex(8)}.{audio.extension}"


def _recording(path: str, audio: AudioFormat, *, now: datetime, details: Details, size_bytes: int) -> AudioFile:
    return AudioFile(
        id=uuid.uuid4(),
        filename=path.rpartition("/")[2],
        original_filename=details.original_filename,
        file_path=path,
        file_size_bytes=size_bytes,
        mime_type=audio.mime_type,
        user_id=details.user_id,
        tag=details.tag,
        category=details.category,
        upload_timestamp=now,
        created_at=now,
        updated_at=now,
    )
