"""Turns: one request at a time works on an upload, and whoever comes later takes over from it.

A client that has lost its connection comes back before the server has noticed, so the newer request is right. The
older one is asked to let go: at once where it runs in this process, by the mark that its driver leaves where it runs
in another. It is surely at an end when its hold on the bytes is, and only then does the newer one begin.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from core.errors import PegasusError
from storage.contract import InUse, Resumable, ResumesUploads, StorageError
from storage.threads import in_thread

T = TypeVar("T")
LOOK_SECONDS = 0.5
QUIET_SECONDS = 0.1
QUIET_LOOKS = 10
RETRY_SECONDS = 0.1
PATIENCE_SECONDS = 15


class UploadTakenOver(PegasusError):
    """A newer request goes on with the upload."""

    def __init__(self) -> None:
        super().__init__("Another request has taken this upload over; what had arrived is kept.")


class UploadBusy(PegasusError):
    """Another request is at work on the upload, and doesn't come to its end."""

    def __init__(self) -> None:
        super().__init__("Another request is at work on this upload.")


class UploadLock:
    """The time for which one request has an upload's bytes."""

    def __init__(self, held: Resumable) -> None:
        self.held = held
        self.over = asyncio.Event()
        self.must_end = False
        self.taken_bytes = 0
        self._wanted = asyncio.Event()

    def let_go(self) -> None:
        """Asks for the end of the work that may be ended."""
        self._wanted.set()

    async def yielding(self, work: Coroutine[Any, Any, T]) -> T:
        """Does work that ends when somebody else wants the upload. Raises UploadTakenOver, or what it raises."""
        task = asyncio.ensure_future(work)
        others = [asyncio.create_task(self._watch()), asyncio.create_task(self._end(task))]
        try:
            await asyncio.wait([task])
        finally:
            await _ended(task, *others)
        if task.cancelled():
            raise UploadTakenOver
        return task.result()

    async def _end(self, task: asyncio.Future[Any]) -> None:
        """Ends the work when the upload is wanted and nothing comes any more, or too much does.

        The client may have gone when much that it had sent was still to be read: that has arrived, and counts.
        """
        await self._wanted.wait()
        for _ in range(QUIET_LOOKS):
            before = self.taken_bytes
            await asyncio.sleep(QUIET_SECONDS)
            if self.taken_bytes == before:
                break
        self.must_end = True
        task.cancel()

    async def _watch(self) -> None:
        """Looks from time to time whether another process asks."""
        while not self._wanted.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(StorageError):
                if await in_thread(self.held.release_requested):
                    self.let_go()


class UploadLocks:
    """Who has which upload in this process; storage knows it for all of them."""

    def __init__(self, storage: ResumesUploads) -> None:
        self._storage = storage
        self._here: dict[UUID, UploadLock] = {}

    @asynccontextmanager
    async def take(self, upload_id: UUID) -> AsyncIterator[UploadLock]:
        """Takes an upload over from whoever has it, for the time of the block. Raises UploadBusy or StorageError."""
        async with self._during(upload_id, await self._held(upload_id)) as upload_lock:
            yield upload_lock

    @asynccontextmanager
    async def take_idle(self, upload_id: UUID) -> AsyncIterator[UploadLock]:
        """The same, but disturbs nobody. Raises InUse or StorageError."""
        async with self._during(upload_id, await self._resumed(upload_id, request_release=False)) as upload_lock:
            yield upload_lock

    @asynccontextmanager
    async def _during(self, upload_id: UUID, held: Resumable) -> AsyncIterator[UploadLock]:
        self._here[upload_id] = upload_lock = UploadLock(held)
        try:
            yield upload_lock
        finally:
            if self._here.get(upload_id) is upload_lock:
                del self._here[upload_id]
            try:
                await in_thread(held.release)
            finally:
                upload_lock.over.set()

    async def _held(self, upload_id: UUID) -> Resumable:
        clock = asyncio.get_running_loop().time
        latest = clock() + PATIENCE_SECONDS
        while clock() < latest:
            with suppress(InUse):
                return await self._resumed(upload_id)
            await self._let_go(upload_id, patience_seconds=latest - clock())
        raise UploadBusy

    async def _resumed(self, upload_id: UUID, *, request_release: bool = True) -> Resumable:
        """A hold that nobody has any more, because its request ended while it was taken, would never end."""
        held: list[Resumable] = []
        try:
            await in_thread(lambda: held.append(self._storage.resume(str(upload_id), request_release=request_release)))
        except asyncio.CancelledError:
            for lost in held:
                await in_thread(lost.release)
            raise
        return held[0]

    async def _let_go(self, upload_id: UUID, *, patience_seconds: float) -> None:
        """Asks who has the upload to let go, and waits until it is worth another try."""
        upload_lock = self._here.get(upload_id)
        if upload_lock is None:
            await asyncio.sleep(RETRY_SECONDS)
            return
        upload_lock.let_go()
        with suppress(TimeoutError):
            await asyncio.wait_for(upload_lock.over.wait(), patience_seconds)


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    """Ends tasks and waits until they have, however often it is cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    while not all(task.done() for task in tasks):
        with suppress(asyncio.CancelledError):
            await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()
