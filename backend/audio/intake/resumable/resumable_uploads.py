"""Resumable uploads: begun, appended to by any server process, finished as an ordinary recording, or ended.

Bytes are kept as they arrive, whatever happens to the request that brings them, and an offset is only told once they
are durable. The row of an upload is there before its bytes and goes after them.

The recording has its upload's id and a name made from it. So however often the finish is tried, by a retried PATCH or
a HEAD, after a crash or a lost COMMIT, it is the same row and the same file: first the file's name, then the row of
the recording, then that of the upload; and only when those are there, the bytes under the upload's key go.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog

from audio.intake.incoming_upload import UploadEmpty, UploadTooLarge
from audio.intake.ingest import Details, Identity, Ingest
from audio.intake.insert import OutcomeUnknown
from audio.intake.resumable import repository
from audio.intake.resumable.append import Appending, Check
from audio.intake.resumable.errors import LengthPassed, LengthRefused, OffsetMismatch, TooManyOpenUploads, UploadMissing
from audio.intake.resumable.partial_upload import PartialUpload, Prefixes
from audio.intake.resumable.repository import Upload, UploadOwner, statements
from audio.intake.resumable.upload_locks import UploadLock, UploadLocks
from audio.model.formats import NotAudio
from core.database.engine import Sessions
from core.errors import DatabaseProblem, PegasusError
from core.labels import label
from core.observability.tracing import carried
from storage.contract import InUse, Piece, ResumesUploads, StorageError
from storage.threads import in_thread

T = TypeVar("T")
FILE_TYPE_CHARACTERS = 255
EXPIRED_AT_ONCE = 1000
OF_AN_ADDRESS = 20  # times as many as of a token: more than one may have it
log = structlog.get_logger(__name__)


class BodySource(Protocol):
    """Brings the bytes of one request: see `api.http1.request_body.Body.pump`."""

    def __call__(self, sink: Callable[[Piece], None], *, end: Callable[[], T], saving: bool) -> Coroutine[Any, Any, T]:
        """Feeds the sink, and calls `end` behind the last byte."""
        ...


class Uploads:
    """All resumable uploads. `owner` is whose there are for the caller; None is everybody's."""

    def __init__(self, *, sessions: Sessions, storage: ResumesUploads, ingest: Ingest, open_limit: int) -> None:
        self.limit_bytes = ingest.limit_bytes
        self._sessions = sessions
        self._ingest = ingest
        self._open_limit = open_limit
        self._turns = UploadLocks(storage)
        self._prefixes = Prefixes()

    async def begin(
        self, details: Details, *, file_type: str | None, length_bytes: int | None, holder: UploadOwner
    ) -> Upload:
        """Begins an upload, of unknown length where that is None.

        Raises LabelRefused, UploadEmpty, UploadTooLarge, TooManyOpenUploads, or as `Ingest.admit`.
        """
        kept, kind = details.checked(), label("file_type", file_type, limit=FILE_TYPE_CHARACTERS)
        self._check_length(length_bytes)
        await self._ingest.admit(kept.user_id, declared_bytes=length_bytes or 0)
        async with self._sessions() as session:
            limit = self._open_limit if holder.is_known else self._open_limit * OF_AN_ADDRESS
            if await repository.open_of(session, holder) >= limit:
                raise TooManyOpenUploads(limit=limit)
            upload = await repository.enter(
                session, kept, file_type=kind, length_bytes=length_bytes, token_id=holder.kept_id
            )
            await session.commit()
        return upload

    async def begin_with(
        self,
        bring: BodySource,
        details: Details,
        *,
        file_type: str | None,
        length_bytes: int | None,
        holder: UploadOwner,
        declared_bytes: int | None,
        checks: Sequence[Check] = (),
    ) -> tuple[Upload, int]:
        """Begins an upload with its first bytes. Where that fails nobody knows where it could go on: nothing stays.

        Raises as `begin` and `append` do.
        """
        upload = await self.begin(details, file_type=file_type, length_bytes=length_bytes, holder=holder)
        try:
            return await self.append(
                upload.id, bring, owner=None, offset=0, declared_bytes=declared_bytes, checks=checks
            )
        except OutcomeUnknown:
            raise  # it may be a recording
        except BaseException:
            with suppress(UploadMissing):
                await self.end(upload.id, owner=None)
            raise

    async def offset(self, upload_id: UUID, *, owner: str | None) -> tuple[Upload, int]:
        """How far an upload has come: from there on it goes on. A request that is at it has to let go.

        All bytes without a recording are finished first. Raises UploadMissing, UploadBusy, or as `append`.
        """
        upload = await self._find(upload_id, owner=owner)
        if upload.recording_id is not None:
            return upload, upload.length_bytes or 0
        async with self._turns.take(upload_id) as upload_lock:
            upload = await self._find(upload_id, owner=owner, upload_lock=upload_lock)
            if upload.recording_id is not None:
                return upload, upload.length_bytes or 0
            await in_thread(upload_lock.held.make_durable)
            return await self._finished(upload, upload_lock)

    async def append(
        self,
        upload_id: UUID,
        bring: BodySource,
        *,
        owner: str | None,
        offset: int,
        declared_bytes: int | None,
        length_bytes: int | None = None,
        checks: Sequence[Check] = (),
    ) -> tuple[Upload, int]:
        """Appends what `bring` brings, and says how far the upload is then; with the last byte it is a recording.

        `declared_bytes` is how much that will be, where it is known, and `length_bytes` the length of all where it
        hadn't been said. Everything but the bytes is refused before they are brought. What raises behind that leaves
        what has arrived, except that a wrong checksum takes back what came with it, and what isn't audio all.

        Raises UploadMissing, UploadBusy, UploadTakenOver, OffsetMismatch, LengthRefused, LengthPassed, UploadTooLarge,
        UploadEmpty, NotAudio, ChecksumWrong, or as `Ingest.admit`, `Ingest.enter` and `bring` do.
        """
        upload = await self._find(upload_id, owner=owner)
        if upload.recording_id is not None:
            return _repeated(upload, offset=offset, declared_bytes=declared_bytes)
        async with self._turns.take(upload_id) as upload_lock:
            upload = await self._renew(upload_id, upload_lock)
            if upload.recording_id is not None:
                return _repeated(upload, offset=offset, declared_bytes=declared_bytes)
            size = await in_thread(lambda: upload_lock.held.size_bytes)
            if offset != size:
                raise OffsetMismatch(offset=size)
            self._check_declared(upload, offset=offset, declared_bytes=declared_bytes, length_bytes=length_bytes)
            await self._ingest.admit(upload.user_id, declared_bytes=declared_bytes or 0)
            if length_bytes is not None:
                upload = await self._renew(upload_id, upload_lock, length_bytes=length_bytes)
            await self._bring(upload, upload_lock, bring, checks=checks)
            return await self._finished(upload, upload_lock)

    async def end(self, upload_id: UUID, *, owner: str | None) -> None:
        """Ends an upload and removes its bytes; a recording that it has become stays. Raises UploadMissing."""
        await self._find(upload_id, owner=owner)
        async with self._turns.take(upload_id) as upload_lock:
            await self._find(upload_id, owner=owner, upload_lock=upload_lock)
            await self._remove(upload_id, upload_lock)

    async def expire(self) -> int:
        """Removes uploads whose time is over, with their bytes, and says how many. One that is in use is left."""
        async with statements(self._sessions) as session:
            found = await repository.expired(session, limit=EXPIRED_AT_ONCE)
        removed = 0
        for upload_id in found:
            try:
                async with self._turns.take_idle(upload_id) as upload_lock:
                    removed += await self._expire(upload_id, upload_lock)
            except InUse:
                continue
        return removed

    async def _expire(self, upload_id: UUID, upload_lock: UploadLock) -> bool:
        """Whoever had the upload until now may have renewed it."""
        async with statements(self._sessions) as session:
            expired = await repository.has_expired(session, upload_id)
        if expired:
            await self._remove(upload_id, upload_lock)
        return expired

    async def _remove(self, upload_id: UUID, upload_lock: UploadLock) -> None:
        self._prefixes.drop(upload_id)
        await in_thread(upload_lock.held.discard)
        async with statements(self._sessions) as session:
            await repository.remove(session, upload_id)

    async def _find(self, upload_id: UUID, *, owner: str | None, upload_lock: UploadLock | None = None) -> Upload:
        async with statements(self._sessions) as session:
            return await _there(await repository.find(session, upload_id, owner=owner), upload_lock)

    async def _renew(self, upload_id: UUID, upload_lock: UploadLock, *, length_bytes: int | None = None) -> Upload:
        async with statements(self._sessions) as session:
            return await _there(await repository.renew(session, upload_id, length_bytes=length_bytes), upload_lock)

    def _check_length(self, length_bytes: int | None) -> None:
        if length_bytes == 0:
            raise UploadEmpty
        if length_bytes is not None and length_bytes > self.limit_bytes:
            raise UploadTooLarge(limit=self.limit_bytes, received=length_bytes)

    def _check_declared(
        self, upload: Upload, *, offset: int, declared_bytes: int | None, length_bytes: int | None
    ) -> None:
        self._check_length(length_bytes)
        if upload.length_bytes is not None and length_bytes not in {None, upload.length_bytes}:
            raise LengthRefused("was already said, and stays")
        if length_bytes is not None and length_bytes < offset:
            raise LengthRefused("is less than what is there")
        length, adding = upload.length_bytes or length_bytes, declared_bytes or 0
        if length is not None and offset + adding > length:
            raise LengthPassed(limit=length, received=offset + adding)
        if offset + adding > self.limit_bytes:
            raise UploadTooLarge(limit=self.limit_bytes, received=offset + adding)

    async def _bring(
        self, upload: Upload, upload_lock: UploadLock, bring: BodySource, *, checks: Sequence[Check]
    ) -> None:
        try:
            incoming = await self._incoming(upload, upload_lock)
            appending = Appending(incoming, upload_lock=upload_lock, length_bytes=upload.length_bytes, checks=checks)
            try:
                await upload_lock.yielding(bring(appending.write, end=appending.end, saving=True))
            finally:
                await in_thread(partial(self._prefixes.keep, upload.id, incoming))
        except NotAudio:
            await self._remove(upload.id, upload_lock)
            raise

    async def _incoming(self, upload: Upload, upload_lock: UploadLock) -> PartialUpload:
        """What has come so far: as it is remembered from the last request, or else read again."""
        return await in_thread(partial(self._prefixes.take, upload.id, upload_lock.held, limit_bytes=self.limit_bytes))

    async def _finished(self, upload: Upload, upload_lock: UploadLock) -> tuple[Upload, int]:
        """How far the upload is; a recording if that is all."""
        size = await in_thread(lambda: upload_lock.held.size_bytes)
        if size != upload.length_bytes:
            return upload, size
        try:
            recording_id = await self._finish(upload, upload_lock)
        except NotAudio:
            await self._remove(upload.id, upload_lock)
            raise
        async with statements(self._sessions) as session:
            await repository.finish(session, upload.id, recording_id=recording_id)
        try:
            await in_thread(upload_lock.held.forget)
        except StorageError as error:
            log.warning("bytes of a finished upload stay behind", upload=str(upload.id), reason=str(error))
        return replace(upload, recording_id=recording_id), size

    async def _finish(self, upload: Upload, upload_lock: UploadLock) -> UUID:
        incoming = await self._incoming(upload, upload_lock)
        details = Details(
            original_filename=upload.file_name, user_id=upload.user_id, tag=upload.tag, category=upload.category
        )
        identity = Identity.of(upload.id, begun=upload.created_at)
        recording = await in_thread(carried(partial(self._ingest.keep, incoming, details, identity=identity)))
        try:
            await self._ingest.enter(incoming, recording)
        except (OutcomeUnknown, DatabaseProblem):
            raise  # this try or an earlier one may have entered the row, so its bytes stay
        except PegasusError:
            await in_thread(upload_lock.held.retract)
            raise
        return recording.id


async def _there(upload: Upload | None, upload_lock: UploadLock | None) -> Upload:
    """What was gone or finished when its turn came is not begun anew: taking it has made an empty place for bytes."""
    if upload_lock is not None and (upload is None or upload.recording_id is not None):
        await in_thread(upload_lock.held.forget)
    if upload is None:
        raise UploadMissing
    return upload


def _repeated(upload: Upload, *, offset: int, declared_bytes: int | None) -> tuple[Upload, int]:
    """The last request again, because its answer was lost: that is the answer. Raises OffsetMismatch."""
    length = upload.length_bytes or 0
    if offset + (declared_bytes or 0) != length:
        raise OffsetMismatch(offset=length)
    return upload, length
