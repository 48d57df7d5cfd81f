"""Locks an upload for one request at a time; a newer request takes the lock over from an older one.

A client that has lost its connection comes back before the server has noticed, so the newer request is right. The
older one is asked to release: directly where it runs in this process, through the storage driver where it runs in
another. It has certainly ended once it has released the bytes, and only then the newer one begins.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

import structlog

from core.background import cancel, running_after, wait_for_event
from core.errors import PegasusError
from storage.contract import InUse, Resumable, ResumesUploads, StorageError
from storage.threads import in_thread

log = structlog.get_logger(__name__)
T = TypeVar("T")
POLL_SECONDS = 0.5
IDLE_SECONDS = 0.1
IDLE_POLLS = 10
RETRY_SECONDS = 0.1
TIMEOUT_SECONDS = 15


class UploadTakenOver(PegasusError):
    message = "Another request has taken this upload over; what had arrived is kept."


class UploadBusy(PegasusError):
    """Another request works on the upload, and has not released it in time."""

    message = "Another request is at work on this upload."


class UploadLock:
    """One request's exclusive access to the bytes of an upload, which are `staged`."""

    def __init__(self, staged: Resumable) -> None:
        self.staged = staged
        self.released = asyncio.Event()
        self.is_cancelled = False  # read by `AppendWriter` in its thread
        self.written_bytes = 0
        self._is_release_requested = False
        self._is_complete = False  # set by the thread that writes the last byte
        self._has_cancelled_task = False
        self._task: asyncio.Task[Any] | None = None  # which runs `run`
        self._ending: asyncio.Task[None] | None = None
        self._is_forgotten = False

    def request_release(self) -> None:
        """Asks for the end of what `run` runs."""
        self._is_release_requested = True
        if self._task is not None and self._ending is None:
            self._ending = asyncio.create_task(self._cancel_when_idle(self._task))

    def complete(self) -> None:
        """Says that all bytes are there: what `run` runs goes on to its end, for which others wait.

        Called in the thread that writes. Raises UploadTakenOver, where another request has come first.
        """
        self._is_complete = True
        if self.is_cancelled:
            raise UploadTakenOver

    @property
    def size_bytes(self) -> int:
        """How many bytes the upload has."""
        return self.staged.size_bytes

    def forget_at_release(self) -> None:
        """Removes the bytes when the lock is released; published objects stay. What can't be removed is logged."""
        self._is_forgotten = True

    def release(self) -> None:
        """Frees the bytes for other requests. Blocks. Raises as `Resumable.release`."""
        try:
            if self._is_forgotten:
                self.staged.forget()
        except StorageError as error:
            log.warning("bytes of a finished upload stay behind", reason=str(error))
        finally:
            self.staged.release()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work`, which is cancelled when another request wants the lock before it is complete.

        Raises UploadTakenOver, or as `work`.
        """
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("A coroutine runs in a task.")
        cancellations, self._task = task.cancelling(), task
        if self._is_release_requested:
            self.request_release()
        try:
            async with running_after(POLL_SECONDS, self._poll_storage):
                return await work
        except asyncio.CancelledError:
            if self._has_cancelled_task and task.uncancel() <= cancellations:
                raise UploadTakenOver from None
            raise
        finally:
            self._task = None
            if self._ending is not None:
                await cancel(self._ending)

    async def _cancel_when_idle(self, task: asyncio.Task[Any]) -> None:
        """Cancels the task when no more bytes arrive, or after IDLE_POLLS, unless all are there.

        The client may be gone while much of what it sent is still to be read: that has arrived, and counts.
        """
        for _ in range(IDLE_POLLS):
            before = self.written_bytes
            await asyncio.sleep(IDLE_SECONDS)
            if self.written_bytes == before:
                break
        self.is_cancelled = True  # before it looks: `complete` does both the other way round
        if not self._is_complete:
            self._has_cancelled_task = True
            task.cancel()

    async def _poll_storage(self) -> None:
        """Asks storage from time to time whether another process requests the release."""
        while not self._is_release_requested:
            with suppress(StorageError):
                if await in_thread(self.staged.release_requested):
                    self.request_release()
            await asyncio.sleep(POLL_SECONDS)


class UploadLocks:
    """The locks that requests of this process hold; storage enforces them across processes."""

    def __init__(self, storage: ResumesUploads) -> None:
        self._storage = storage
        self._locks: dict[UUID, UploadLock] = {}

    @asynccontextmanager
    async def acquire(self, upload_id: UUID) -> AsyncIterator[UploadLock]:
        """Locks an upload for the time of the block, after the request that has it. Raises UploadBusy, StorageError."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + TIMEOUT_SECONDS
        while clock() < deadline:
            try:
                staged = await self._open(upload_id, request_release=True)
            except InUse:
                await self._wait_for_release(upload_id, timeout_seconds=deadline - clock())
            else:
                async with self._hold(upload_id, staged) as upload_lock:
                    yield upload_lock
                return
        raise UploadBusy

    @asynccontextmanager
    async def acquire_idle(self, upload_id: UUID) -> AsyncIterator[UploadLock]:
        """Locks an upload that no request has. Raises InUse or StorageError."""
        async with self._hold(upload_id, await self._open(upload_id, request_release=False)) as upload_lock:
            yield upload_lock

    @asynccontextmanager
    async def _hold(self, upload_id: UUID, staged: Resumable) -> AsyncIterator[UploadLock]:
        self._locks[upload_id] = upload_lock = UploadLock(staged)
        try:
            yield upload_lock
        finally:
            if self._locks.get(upload_id) is upload_lock:
                del self._locks[upload_id]
            try:
                await in_thread(upload_lock.release)
            finally:
                upload_lock.released.set()

    async def _open(self, upload_id: UUID, *, request_release: bool) -> Resumable:
        """Opens the bytes. When cancelled meanwhile, it releases them: nobody else would."""
        opened: list[Resumable] = []
        try:
            await in_thread(
                lambda: opened.append(self._storage.resume(str(upload_id), request_release=request_release))
            )
        except asyncio.CancelledError:
            for staged in opened:
                await in_thread(staged.release)
            raise
        return opened[0]

    async def _wait_for_release(self, upload_id: UUID, *, timeout_seconds: float) -> None:
        """Asks the request that has the upload to release it, and waits until another try makes sense."""
        upload_lock = self._locks.get(upload_id)
        if upload_lock is None:  # it is one of another process, which storage has asked
            await asyncio.sleep(RETRY_SECONDS)
            return
        upload_lock.request_release()
        await wait_for_event(upload_lock.released, timeout_seconds)
