"""Bytes -> a durable recording, for every way in.

The order is the promise: recognised, counted and hashed in one pass; durable bytes, their manifest beside them; the
row; only then the answer. A crash may leave bytes without a row, never a row without bytes.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import structlog

from audio.intake import idempotency_keys
from audio.intake.batch_inserter import BatchInserter
from audio.intake.idempotency_keys import IdempotencyKey
from audio.intake.incoming_upload import IncomingUpload
from audio.intake.insert import OutcomeUnknown, enter
from audio.intake.quota import Quota, check_quota
from audio.model.audio_file import AudioFile, ProcessingStatus, utc_now
from audio.model.file_names import file_name
from audio.model.formats import AudioFormat
from audio.model.manifest import manifest_name, manifest_of
from core.database.engine import Sessions
from core.labels import label, user_label
from core.observability.metrics import ENTERING, PUBLISHING
from core.observability.trace_context import TraceContext
from core.observability.tracing import span
from storage.contract import ChecksFreeSpace, Storage, StorageError
from storage.threads import in_thread

log = structlog.get_logger(__name__)
UNIQUE_BYTES = 8


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


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The id of a recording and the name of its bytes, which are new unless somebody tries to finish it again."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    begun: datetime = field(default_factory=utc_now)

    @classmethod
    def of(cls, upload_id: uuid.UUID, *, begun: datetime) -> "Identity":
        """That of the recording which an upload becomes; `begun` has a time zone."""
        return cls(id=upload_id, begun=begun.astimezone(UTC).replace(tzinfo=None))

    def name(self, audio: AudioFormat) -> str:
        """Where the recording's bytes lie."""
        unique = self.id.hex[: 2 * UNIQUE_BYTES]
        return f"{self.begun:%Y/%m/%d}/audio_{self.begun:%Y%m%d_%H%M%S}_{unique}.{audio.extension}"


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """Takes recordings in, up to `limit_bytes` each."""

    sessions: Sessions
    inserter: BatchInserter
    storage: Storage
    limit_bytes: int
    quota: Quota

    async def admit(self, user_id: str | None, *, declared_bytes: int) -> None:
        """Returns when an upload of a user may come, before a byte of it has been read.

        Raises StorageFull or QuotaPassed.
        """
        if self._room is not None:
            await self._room.check_free_space(declared_bytes)
        if self.quota:
            async with self.sessions() as session:
                await check_quota(session, user_id, adding_bytes=declared_bytes, limits=self.quota)

    @cached_property
    def _room(self) -> ChecksFreeSpace | None:
        return self.storage if isinstance(self.storage, ChecksFreeSpace) else None

    @asynccontextmanager
    async def incoming(self, *, details: Callable[[], Details]) -> AsyncIterator[IncomingUpload]:
        """A place for one recording's bytes; what breaks off inside of the block leaves nothing behind.

        `details` tells what has come with the bytes so far: what is wrong with it is told before they are kept.
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

    def keep(self, incoming: IncomingUpload, details: Details, *, identity: Identity | None = None) -> AudioFile:
        """Makes all bytes durable, with their manifest, and returns the row that is yet to be entered. Blocks.

        Raises UploadEmpty, NotAudio, LabelRefused or StorageError.
        """
        audio = incoming.end()
        recording = _recording(
            audio, identity=identity or Identity(), details=details.checked(), size_bytes=incoming.received
        )
        manifest = manifest_of(recording, sha256=incoming.sha256)
        path = recording.file_path
        with PUBLISHING.time(), span("publish"):
            incoming.staged.publish(path, beside={manifest_name(path): manifest.as_bytes()})
        return recording

    async def enter(self, incoming: IncomingUpload, recording: AudioFile, *, key: IdempotencyKey | None = None) -> None:
        """Enters the row of a recording whose bytes are durable; from here on they stay, unless it surely isn't there.

        Whatever this task logs from then on, its request's line at least, names the recording.
        Raises QuotaPassed, IdempotencyKeyTaken or DatabaseProblem when it isn't entered, OutcomeUnknown when who knows.
        """
        size_bytes = recording.file_size_bytes or 0
        if key is None and not self.quota:
            with _may_have_row(incoming), ENTERING.time(), span("enter"):
                await self.inserter.enter(recording)
        else:
            async with self.sessions() as session:
                await check_quota(session, recording.user_id, adding_bytes=size_bytes, limits=self.quota)
                with _may_have_row(incoming), ENTERING.time(), span("enter"):
                    await enter(session, [recording], origins=[TraceContext.current()], key=key)
        structlog.contextvars.bind_contextvars(recording=str(recording.id), size_bytes=size_bytes)

    async def known(self, key: IdempotencyKey | None) -> AudioFile | None:
        """The recording that has already come under a key."""
        if key is None:
            return None
        async with self.sessions() as session:
            return await idempotency_keys.find(session, key)


@contextmanager
def _may_have_row(incoming: IncomingUpload) -> Iterator[None]:
    """Inside of the block, and after it unless it surely isn't there, a row may name the bytes."""
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
    return AudioFile(
        id=identity.id,
        filename=path.rpartition("/")[2],
        original_filename=details.original_filename,
        file_path=path,
        file_size_bytes=size_bytes,
        mime_type=audio.mime_type,
        user_id=details.user_id,
        tag=details.tag,
        category=details.category,
        processing_status=ProcessingStatus.UPLOADED,
        upload_timestamp=now,
        created_at=now,
        updated_at=now,
    )
