"""Resumable uploads: created, appended to by any server process, finished as an ordinary recording, or deleted.

Bytes are written as they arrive, however their request ends, and an offset is only reported once they are durable. The
row of an upload is inserted before its bytes and deleted after them.

The recording has its upload's id and a name made from it. So however often an upload is finished (by a retried PATCH or
a HEAD, after a crash or a lost COMMIT), it is the same row and the same file. The order is: the file's name, then the
row of the recording together with that of the upload; only then the bytes under the upload's key are removed.

An upload whose first request brings all of its bytes can't be resumed: should it fail, its client never learns where.
So it goes the way of a form, and its row is inserted as that of a finished one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog

from audio.intake.duplicates import DuplicateFound, DuplicateRefused
from audio.intake.incoming_upload import IncomingUpload, UploadEmpty
from audio.intake.ingest import Identity, Ingest
from audio.intake.insert import FinishedUpload, OutcomeUnknown
from audio.intake.resumable import repository
from audio.intake.resumable.append_writer import AppendWriter
from audio.intake.resumable.errors import (
    OffsetMismatch,
    TooManyOpenUploads,
    UploadDigestWrong,
    UploadFinished,
    UploadMissing,
)
from audio.intake.resumable.partial_upload import PartialUpload, PartialUploadCache, check_digests
from audio.intake.resumable.repository import RENEWAL_INTERVAL, NewUploadRow, NotAdded, Upload
from audio.intake.resumable.upload_locks import UploadLock, UploadLocks
from audio.intake.resumable.upload_requests import AppendRequest, NewUpload, check_length
from audio.model.audio_file import AudioFile
from audio.model.duplicates import Original
from audio.model.formats import NotAudio
from core.background import failures_logged, running_after
from core.batching import CONCURRENT_BATCHES, Batches
from core.database.engine import DriverConnection, Sessions, statements
from core.errors import DatabaseProblem, PegasusError
from core.labels import label
from core.observability.tracing import carried
from storage.contract import InUse, ResumesUploads, StorageError
from storage.threads import in_thread

FILE_TYPE_CHARACTERS = 255
EXPIRED_BATCH = 1000
NOTED_OWNERS = 10_000
ADDRESS_LIMIT_FACTOR = 20  # clients without a token share an address, so it may have more open uploads
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
LOCK_TRIES = 25
LOCK_RETRY_SECONDS = 0.02
log = structlog.get_logger(__name__)


class Uploads:
    """All resumable uploads. `owner` is the user whose uploads a caller may see; None: all."""

    def __init__(self, *, sessions: Sessions, storage: ResumesUploads, ingest: Ingest, open_limit: int) -> None:
        self.limit_bytes = ingest.limit_bytes
        self._sessions = sessions
        self._ingest = ingest
        self._open_limit = open_limit
        self._locks = UploadLocks(storage)
        self._cache = PartialUploadCache()
        self._owners: dict[UUID, str | None] = {}  # of the unfinished uploads that were created or found last
        self._additions = self._batches(repository.add, concurrent=1)  # two would be in each other's way
        self._lookups = self._batches(repository.find)
        self._renewals = self._batches(repository.renew)

    def _batches(
        self,
        query: Callable[[DriverConnection, Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        concurrent: int = CONCURRENT_BATCHES,
    ) -> Batches[Item, Outcome]:
        """What is asked for many requests at once."""

        async def ask(items: Sequence[Item]) -> Sequence[Outcome]:
            async with self._sessions.driver_connection() as connection:
                return await query(connection, items)

        return Batches(ask, concurrent=concurrent)

    async def create(self, new: NewUpload) -> Upload:
        """Creates an upload without bytes.

        Raises LabelRefused, UploadEmpty, UploadTooLarge, TooManyOpenUploads, or as `Ingest.admit`.
        """
        new = await self._admit(new)
        row = repository.new_row(
            new.details,
            file_type=new.file_type,
            metadata=new.metadata,
            length_bytes=new.length_bytes,
            token_id=new.creator.stored_token_id,
            finishes_at_length=new.finishes_at_length,
            digests={digest.algorithm: digest.digest for digest in new.digests},
        )
        limit = self._open_limit if new.creator.is_authenticated else self._open_limit * ADDRESS_LIMIT_FACTOR
        added = await self._add(NewUploadRow(values=row, creator=new.creator, limit=limit))
        if not isinstance(added, Upload):
            raise TooManyOpenUploads(limit=limit)
        self._note_owner(added)
        return added

    async def _add(self, row: NewUploadRow) -> Upload | NotAdded:
        """Inserts a row. While another server has its creator's lock it comes again, and then waits by itself."""
        for _ in range(LOCK_TRIES):
            added = await self._additions.put(row)
            if added is not NotAdded.LOCKED:
                return added
            await asyncio.sleep(LOCK_RETRY_SECONDS)
        async with self._sessions.driver_connection() as connection:
            return (await repository.add(connection, [row], waits=True))[0]

    async def create_with_upload(self, new: NewUpload, request: AppendRequest) -> tuple[Upload, int]:
        """Creates an upload with its first bytes. Where that fails it is removed: its client doesn't have its URL.

        Raises as `create` and `append` do.
        """
        if request.is_whole(new):
            return await self._ingest_whole(new, request)
        upload = await self.create(new)
        try:
            return await self.append(upload.id, request, owner=None)
        except OutcomeUnknown:
            raise  # it may be a recording
        except BaseException:
            with suppress(UploadMissing):
                await self.delete(upload.id, owner=None)
            raise

    async def _admit(self, new: NewUpload) -> NewUpload:
        """The new upload with its texts as they are stored, once there is room for it."""
        details = new.details.checked()
        file_type = label("file_type", new.file_type, limit=FILE_TYPE_CHARACTERS)
        check_length(new.length_bytes, limit_bytes=self.limit_bytes)
        await self._ingest.admit(details.user_id, declared_bytes=new.length_bytes or 0)
        return replace(new, details=details, file_type=file_type)

    async def _ingest_whole(self, new: NewUpload, request: AppendRequest) -> tuple[Upload, int]:
        upload = (await self._admit(new)).whole()
        identity = Identity.of(upload.id, created_at=upload.created_at)
        try:
            async with self._ingest.incoming(details=lambda: upload.details) as incoming:
                publish = partial(self._ingest.publish, incoming, upload.details, identity=identity)
                recording = await request.body.pump(incoming.write, end=publish)
                original = await self._enter(incoming, recording, upload)
        except DuplicateFound as duplicate:
            return await self._finish_as(upload, duplicate.recording), incoming.received
        return replace(upload, recording_id=recording.id, original=original), incoming.received

    async def offset(self, upload_id: UUID, *, owner: str | None) -> tuple[Upload, int]:
        """An upload and how many bytes of it are durable. A request that appends to it is ended first.

        An upload with all its bytes is finished, if it isn't yet. Raises UploadMissing, UploadBusy, or as `append`.
        """
        upload = await self._find(upload_id, owner=owner)
        if upload.recording_id is not None:
            return upload, upload.length_bytes or 0
        async with self._locks.acquire(upload_id) as upload_lock:
            upload = await self._find(upload_id, owner=owner, upload_lock=upload_lock)
            if upload.recording_id is not None:
                return upload, upload.length_bytes or 0
            await in_thread(upload_lock.staged.make_durable)
            return await self._finish_if_complete(upload, upload_lock)

    async def append(self, upload_id: UUID, request: AppendRequest, *, owner: str | None) -> tuple[Upload, int]:
        """Appends the bytes of a request, and returns the upload and its size; with the last byte it is a recording.

        All but the bytes is checked before they are read. When it raises later the bytes that have arrived stay, except
        that a wrong checksum removes those of this request, and bytes that aren't audio remove the upload.

        Raises UploadMissing, UploadBusy, UploadTakenOver, UploadFinished, ChecksumWrong, UploadDigestWrong (which
        removes the upload), NotAudio, or as `AppendRequest.check`, `Ingest.admit`, `Ingest.enter` and
        `RequestBody.pump` do.
        """
        if not self._was_found(upload_id, owner=owner):
            upload = await self._find(upload_id, owner=owner)
            if upload.recording_id is not None:
                return upload, _repeated_offset(upload, request)
        async with self._locks.acquire(upload_id) as upload_lock:
            upload = await self._find(upload_id, owner=owner, upload_lock=upload_lock)
            if upload.recording_id is not None:
                return upload, _repeated_offset(upload, request)
            request.check(upload, size_bytes=upload_lock.size_bytes, limit_bytes=self.limit_bytes)
            await self._ingest.admit(upload.details.user_id, declared_bytes=request.body.declared_bytes or 0)
            changes = request.changes(upload)
            if changes or upload.is_due:
                upload = await self._renew(upload_id, upload_lock, changes)
            if request.on_locked is not None:
                request.on_locked(upload)
            received = await self._receive(upload, upload_lock, request)
            if request.ends_upload and upload.length_bytes is None:
                upload = await self._renew(upload_id, upload_lock, {"length_bytes": upload_lock.size_bytes})
            return await self._finish_if_complete(upload, upload_lock, received)

    async def delete(self, upload_id: UUID, *, owner: str | None) -> None:
        """Deletes an upload with its bytes; a recording that it has become stays. Raises UploadMissing."""
        await self._find(upload_id, owner=owner)
        async with self._locks.acquire(upload_id) as upload_lock:
            await self._find(upload_id, owner=owner, upload_lock=upload_lock)
            await self._remove(upload_id, upload_lock)

    async def expire(self) -> int:
        """Removes expired uploads with their bytes, and returns how many. One that is in use is left alone."""
        async with statements(self._sessions) as session:
            upload_ids = await repository.expired(session, limit=EXPIRED_BATCH)
        removed = 0
        for upload_id in upload_ids:
            with suppress(InUse):
                async with self._locks.acquire_idle(upload_id) as upload_lock:
                    removed += await self._expire(upload_id, upload_lock)
        return removed

    async def _expire(self, upload_id: UUID, upload_lock: UploadLock) -> bool:
        """The request that had the lock until now may have renewed the upload."""
        async with statements(self._sessions) as session:
            has_expired = await repository.has_expired(session, upload_id)
        if has_expired:
            await self._remove(upload_id, upload_lock)
        return has_expired

    async def _remove(self, upload_id: UUID, upload_lock: UploadLock) -> None:
        self._cache.drop(upload_id)
        self._owners.pop(upload_id, None)
        await in_thread(upload_lock.staged.discard)
        async with statements(self._sessions) as session:
            await repository.remove(session, upload_id)

    async def _find(self, upload_id: UUID, *, owner: str | None, upload_lock: UploadLock | None = None) -> Upload:
        upload = await self._lookups.put(upload_id)
        is_hidden = upload is not None and owner is not None and upload.details.user_id != owner
        if upload is not None:
            self._note_owner(upload)
        return await _existing(None if is_hidden else upload, upload_lock)

    def _note_owner(self, upload: Upload) -> None:
        """Of an upload that can be appended to: what is a recording is told without its bytes, which may be away."""
        if upload.recording_id is not None:
            self._owners.pop(upload.id, None)
            return
        self._owners[upload.id] = upload.details.user_id
        if len(self._owners) > NOTED_OWNERS:
            del self._owners[next(iter(self._owners))]

    def _was_found(self, upload_id: UUID, *, owner: str | None) -> bool:
        """Whether this process has found or created an upload that the caller may see: then it may be locked at once.

        It may be gone since, which is found out once it is locked.
        """
        return upload_id in self._owners and owner in {None, self._owners[upload_id]}

    async def _renew(self, upload_id: UUID, upload_lock: UploadLock, changes: Mapping[str, Any]) -> Upload:
        return await _existing(await self._renewals.put((upload_id, changes)), upload_lock)

    async def _renew_regularly(self, upload_id: UUID) -> None:
        """Until it is cancelled, so that an upload lives as long as bytes come, and its time after them."""
        while True:
            with failures_logged(log, unavailable="an upload isn't renewed for now", failed="an upload isn't renewed"):
                await self._renewals.put((upload_id, {}))
            await asyncio.sleep(RENEWAL_INTERVAL.total_seconds())

    async def _receive(self, upload: Upload, upload_lock: UploadLock, request: AppendRequest) -> "_Received":
        try:
            incoming = await self._load(upload, upload_lock)
            async with running_after(RENEWAL_INTERVAL.total_seconds(), partial(self._renew_regularly, upload.id)):
                return await self._write(incoming, upload, upload_lock, request)
        except (NotAudio, UploadDigestWrong):
            await self._remove(upload.id, upload_lock)
            raise

    async def _write(
        self, incoming: PartialUpload, upload: Upload, upload_lock: UploadLock, request: AppendRequest
    ) -> "_Received":
        """Writes the bytes of a request. Where they complete the upload, the same call of a thread publishes it."""
        writer = AppendWriter(
            incoming,
            upload_lock=upload_lock,
            length_bytes=upload.length_bytes,
            checksums=request.checksums,
            on_progress=request.on_progress,
        )
        store = partial(self._cache.store, upload.id, incoming)

        def end() -> _Received:
            writer.check()
            if _is_complete(upload, upload_lock):
                upload_lock.complete()  # else a DELETE that takes over would leave what is published
                return _Received(incoming, self._publish(upload, incoming))
            store()
            return _Received(incoming)

        try:
            return await upload_lock.run(request.body.pump(writer.write, end=end, saving=True))
        except BaseException:
            await in_thread(store)
            raise

    async def _load(self, upload: Upload, upload_lock: UploadLock) -> PartialUpload:
        """The upload as far as it has come; one without bytes needn't be read, in a thread."""
        load = partial(self._cache.load, upload.id, upload_lock.staged, limit_bytes=self.limit_bytes)
        return await in_thread(load) if upload_lock.size_bytes else load()

    async def _finish_if_complete(
        self, upload: Upload, upload_lock: UploadLock, received: "_Received | None" = None
    ) -> tuple[Upload, int]:
        """Returns the upload and its size; makes it a recording when it has all its bytes."""
        size_bytes = upload_lock.size_bytes
        if not _is_complete(upload, upload_lock):
            return upload, size_bytes
        try:
            upload = await self._ingest_recording(upload, upload_lock, received)
        except (NotAudio, UploadEmpty, UploadDigestWrong, DuplicateRefused):
            await self._remove(upload.id, upload_lock)
            raise
        upload_lock.forget_at_release()
        self._note_owner(upload)
        return upload, size_bytes

    async def _ingest_recording(self, upload: Upload, upload_lock: UploadLock, received: "_Received | None") -> Upload:
        """The upload as a recording."""
        incoming = received.incoming if received else await self._load(upload, upload_lock)
        self._cache.drop(upload.id)
        recording = received.recording if received else None
        if recording is None:
            recording = await in_thread(carried(partial(self._publish, upload, incoming)))
        try:
            original = await self._enter(incoming, recording, upload)
        except (OutcomeUnknown, DatabaseProblem, StorageError):
            raise  # this try or an earlier one may have inserted the row, so its bytes stay
        except DuplicateFound as duplicate:
            await in_thread(upload_lock.staged.retract)
            return await self._finish_as(upload, duplicate.recording)
        except PegasusError:
            await in_thread(upload_lock.staged.retract)
            raise
        return replace(upload, recording_id=recording.id, original=original)

    def _publish(self, upload: Upload, incoming: PartialUpload) -> AudioFile:
        """Blocks. Raises UploadDigestWrong, or as `Ingest.publish`."""
        check_digests(upload, incoming)
        identity = Identity.of(upload.id, created_at=upload.created_at)
        return self._ingest.publish(incoming, upload.details, identity=identity)

    async def _enter(self, incoming: IncomingUpload, recording: AudioFile, upload: Upload) -> Original | None:
        finished = FinishedUpload(metadata=upload.metadata, expires_at=upload.expires_at)
        return await self._ingest.enter(incoming, recording, upload=finished, duplicates=upload.details.duplicates)

    async def _finish_as(self, upload: Upload, recording: AudioFile) -> Upload:
        """Finishes an upload as a recording that was there with the same bytes."""
        async with statements(self._sessions) as session:
            await repository.finish(session, upload, recording_id=recording.id)
        return replace(upload, recording_id=recording.id, original=Original.of(recording))


@dataclass(frozen=True)
class _Received:
    """The bytes of an upload after a request, and the recording that they were published as, if they were."""

    incoming: PartialUpload
    recording: AudioFile | None = None


def _is_complete(upload: Upload, upload_lock: UploadLock) -> bool:
    return upload.finishes_at_length and upload_lock.size_bytes == upload.length_bytes


async def _existing(upload: Upload | None, upload_lock: UploadLock | None) -> Upload:
    """The upload, if there is one. Raises UploadMissing.

    Where it was removed or finished before the lock was acquired, acquiring has made an empty file, which is removed.
    """
    if upload_lock is not None and (upload is None or upload.recording_id is not None):
        await in_thread(upload_lock.staged.forget)
    if upload is None:
        raise UploadMissing
    return upload


def _repeated_offset(upload: Upload, request: AppendRequest) -> int:
    """The answer to a last request that is repeated because its answer was lost.

    Raises OffsetMismatch or UploadFinished.
    """
    if request.ends_upload is False or not request.may_repeat:
        raise UploadFinished
    length = upload.length_bytes or 0
    if request.declared_end != length:
        raise OffsetMismatch(offset=length)
    return length
