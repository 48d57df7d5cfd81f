"""Turns uploaded bytes into a durable recording, for every kind of upload.

The order is the guarantee: bytes are recognised, counted and hashed in one pass, then made durable with their manifest;
then the row is inserted; only then the request is answered. A crash may leave bytes without a row, never a row without
bytes.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import structlog

from audio.intake import idempotency_keys
from audio.intake.batch_inserter import BatchInserter
from audio.intake.duplicates import check_duplicates
from audio.intake.idempotency_keys import IdempotencyKey
from audio.intake.incoming_upload import IncomingUpload
from audio.intake.insert import FinishedUpload, NewRow, OutcomeUnknown, enter
from audio.intake.quota import Quota, check_quota
from audio.model.audio_file import AudioFile, ProcessingStatus, new_recording, utc_now
from audio.model.details import Details
from audio.model.duplicates import DuplicatePolicy, Original
from audio.model.formats import AudioFormat
from audio.model.manifest import manifest_name, manifest_of
from core.database.engine import Sessions
from core.observability.metrics import ENTERING, PUBLISHING
from core.observability.trace_context import TraceContext
from core.observability.tracing import span
from storage.contract import ChecksFreeSpace, Storage, StorageError
from storage.threads import in_thread

log = structlog.get_logger(__name__)
UNIQUE_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The id of a recording and the name of its bytes: new ones, or for a resumable upload always the same."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created_at: datetime = field(default_factory=utc_now)

    @classmethod
    def of(cls, upload_id: uuid.UUID, *, created_at: datetime) -> "Identity":
        """The identity of the recording that an upload becomes; `created_at` has a time zone."""
        return cls(id=upload_id, created_at=created_at.astimezone(UTC).replace(tzinfo=None))

    def name(self, audio: AudioFormat) -> str:
        """The name of the recording's bytes in storage."""
        unique = self.id.hex[: 2 * UNIQUE_BYTES]
        return f"{self.created_at:%Y/%m/%d/audio_%Y%m%d_%H%M%S}_{unique}.{audio.extension}"


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Stores new recordings, of up to `limit_bytes` each."""

    sessions: Sessions
    inserter: BatchInserter
    storage: Storage
    limit_bytes: int
    quota: Quota

    async def admit(self, user_id: str | None, *, declared_bytes: int) -> None:
        """Returns when storage and the user's quota have room for an upload; called before its bytes are read.

        Raises StorageFull or QuotaPassed.
        """
        if self._room is not None:
            await self._room.check_free_space(declared_bytes)
        if self.quota:
            async with self.sessions() as session:
                await check_quota(session, user_id, adding_bytes=declared_bytes, limits=self.quota)

    @cached_property
    def _room(self) -> ChecksFreeSpace | None:  # cached: the check of a protocol takes 30 µs
        return self.storage if isinstance(self.storage, ChecksFreeSpace) else None

    @asynccontextmanager
    async def incoming(self, *, details: Callable[[], Details]) -> AsyncIterator[IncomingUpload]:
        """An upload to write to; its bytes are removed where the block raises, unless a row may name them.

        `details` returns what the client has said so far; it is checked before the first byte is written.
        """
        incoming = IncomingUpload(
            self.storage.stage(), limit_bytes=self.limit_bytes, before_bytes=lambda: details().checked()
        )
        try:
            yield incoming
        except BaseException:
            if not incoming.may_have_row:
                await _discard(incoming)
            raise

    def publish(self, incoming: IncomingUpload, details: Details, *, identity: Identity | None = None) -> AudioFile:
        """Makes all bytes durable, with their manifest, and returns the row that is still to be inserted. Blocks.

        Raises UploadEmpty, NotAudio, LabelRefused or StorageError.
        """
        audio = incoming.end()
        recording = _recording(
            audio, identity=identity or Identity(), details=details.checked(), size_bytes=incoming.received
        )
        manifest = manifest_of(recording, sha256=incoming.sha256.hex())
        path = recording.file_path
        with PUBLISHING.time(), span("publish"):
            incoming.staged.publish(path, beside={manifest_name(path): manifest.as_bytes()})
        return recording

    async def enter(
        self,
        incoming: IncomingUpload,
        recording: AudioFile,
        *,
        key: IdempotencyKey | None = None,
        upload: FinishedUpload | None = None,
        duplicates: str | None = None,
    ) -> Original | None:
        """Inserts the row of a recording whose bytes are durable. They stay unless the row is known not to be inserted.

        With it comes its key, or the upload that it was, which is finished then.
        Returns the recording that was there with the same bytes; a policy for `duplicates` may raise it instead.
        Log lines of this task name the recording from then on.
        Raises QuotaPassed, IdempotencyKeyTaken, DuplicateRefused, DuplicateFound or DatabaseProblem when there is no
        row, OutcomeUnknown if there may be.
        """
        row = NewRow(recording=recording, sha256=incoming.sha256, upload=upload)
        size_bytes = recording.file_size_bytes or 0
        if key is None and not self.quota and duplicates in {None, DuplicatePolicy.KEEP}:
            with _may_have_row(incoming), ENTERING.time(), span("enter"):
                original = await self.inserter.enter(replace(row, origin=TraceContext.current()))
        else:
            async with self.sessions() as session:
                await check_quota(session, recording.user_id, adding_bytes=size_bytes, limits=self.quota)
                await check_duplicates(session, row, storage=self.storage, policy=duplicates)
                with _may_have_row(incoming), ENTERING.time(), span("enter"):
                    row = replace(row, origin=TraceContext.current())
                    original = (await enter(session, [row], key=key)).get(recording.id)
        structlog.contextvars.bind_contextvars(recording=str(recording.id), size_bytes=size_bytes)
        return original

    async def find_by_key(self, key: IdempotencyKey | None) -> AudioFile | None:
        """The recording that was already uploaded under a key."""
        if key is None:
            return None
        async with self.sessions() as session:
            return await idempotency_keys.find(session, key)


@contextmanager
def _may_have_row(incoming: IncomingUpload) -> Iterator[None]:
    """A row may name the bytes inside of the block, and after it unless the insert has certainly failed."""
    incoming.may_have_row = True
    try:
        yield
    except OutcomeUnknown:
        raise
    except Exception:
        incoming.may_have_row = False
        raise


async def _discard(incoming: IncomingUpload) -> None:
    try:
        await in_thread(incoming.staged.discard)
    except StorageError as error:
        log.warning("bytes without a row stay behind", reason=str(error))


def _recording(audio: AudioFormat, *, identity: Identity, details: Details, size_bytes: int) -> AudioFile:
    path, now = identity.name(audio), utc_now()
    return new_recording(
        id=identity.id,
        filename=path.rpartition("/")[2],
        original_filename=details.original_filename,
        file_path=path,
        file_size_bytes=size_bytes,
        mime_type=audio.mime_type,
        user_id=details.user_id,
        processing_status=ProcessingStatus.UPLOADED,
        upload_timestamp=now,
        created_at=now,
        updated_at=now,
        **details.labels,
    )
