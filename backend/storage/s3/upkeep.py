"""Upkeep of recordings that are objects. Ages count by the object store's own clock."""

import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache, partial
from uuid import UUID

import obstore

from storage.contract import BytesMissing
from storage.object_names import OWN, QUARANTINE, STAGING, is_plain
from storage.s3.bucket import Bucket
from storage.s3.leases import HOLDS
from storage.s3.multipart import abort, unfinished
from storage.s3.resumable_object import UPLOADS
from storage.threads import in_thread
from storage.upkeep import Found, IdentityUnreadable

ASKED_AT_ONCE = 16
FEW = 100
_IDENTITY, _CLOCK, _SWEPT = (f"{OWN}/{name}" for name in ("id", "clock", "swept"))
Clock = Callable[[Bucket], datetime]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="upkeep")


def object_store_time(bucket: Bucket) -> datetime:
    """What the clock says that dates objects there."""
    bucket.put(_CLOCK, b"")
    return bucket.head(_CLOCK)["last_modified"]


class S3Upkeep:
    """See `Upkeep`."""

    def __init__(self, bucket: Bucket, *, clock: Clock = object_store_time) -> None:
        self._bucket = bucket
        self._clock = clock

    async def identity(self) -> UUID | None:
        """See `Upkeep.identity`."""
        try:
            return UUID((await in_thread(partial(self._bucket.get, _IDENTITY))).decode("ascii").strip())
        except BytesMissing:
            return None
        except ValueError as error:
            raise IdentityUnreadable from error

    async def identify(self, identity: UUID) -> None:
        """See `Upkeep.identify`."""
        await in_thread(partial(self._bucket.put, _IDENTITY, f"{identity}\n".encode()))

    async def walk(self) -> AsyncGenerator[Sequence[Found]]:
        """See `Upkeep.walk`."""
        now = await in_thread(partial(self._clock, self._bucket))
        batches = self._bucket.list(None)
        while (batch := await in_thread(lambda: next(batches, None))) is not None:
            found = [Found(one["path"], _age(one, now), one["size"]) for one in batch if not _is_hidden(one["path"])]
            if found:
                yield found

    async def locate(self, names: Sequence[str]) -> Sequence[str | None]:
        """See `Upkeep.locate`."""
        there = await in_thread(partial(self._there, [name for name in names if is_plain(name)]))
        return [name if name in there else None for name in names]

    async def put_aside(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.put_aside`."""
        return await in_thread(partial(self._moved, names, start="", to=f"{QUARANTINE}/"))

    async def put_back(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.put_back`."""
        return await in_thread(partial(self._moved, names, start=f"{QUARANTINE}/", to=""))

    async def expire_staged(self, *, older_than_seconds: float, dry_run: bool) -> int:
        """See `Upkeep.expire_staged`. Among them are the multipart uploads that a killed process has left behind."""
        return await in_thread(partial(self._expire, timedelta(seconds=older_than_seconds), dry_run=dry_run))

    async def swept_ago(self) -> float | None:
        """See `Upkeep.swept_ago`."""
        return await in_thread(self._swept_ago)

    async def note_sweep(self) -> None:
        """See `Upkeep.note_sweep`."""
        await in_thread(partial(self._bucket.put, _SWEPT, b""))

    def _there(self, names: Sequence[str]) -> set[str]:
        """Those of the names under which something lies: a few are asked for one by one, many are listed in one go."""
        if len(names) <= FEW:
            return {name for name, there in zip(names, _threads().map(self._exists, names), strict=True) if there}
        wanted, last = set(names), max(names)
        there: set[str] = set()
        folder = os.path.commonpath(names)
        for batch in self._bucket.list(folder or None, after=min(names)[:-1]):
            paths = [one["path"] for one in batch]
            there |= wanted.intersection(paths)
            if paths[-1] > last:
                break
        return there

    def _exists(self, name: str) -> bool:
        try:
            self._bucket.head(name)
        except BytesMissing:
            return False
        return True

    def _moved(self, names: Sequence[str], *, start: str, to: str) -> list[str]:
        return [name for name in names if is_plain(name) and self._move(f"{start}{name}", f"{to}{name}")]

    def _move(self, source: str, target: str) -> bool:
        """Whether it was moved; never onto something else."""
        if self._exists(target):
            return False
        try:
            self._bucket.copy(source, to=target)
        except BytesMissing:
            return False
        self._bucket.delete(source)
        return True

    def _expire(self, older_than: timedelta, *, dry_run: bool) -> int:
        latest = self._clock(self._bucket) - older_than
        youngest: dict[str, datetime] = {}
        paths: dict[str, list[str]] = {}
        for one in self._staged():
            folder = one["path"].rpartition("/")[0]
            youngest[folder] = max(youngest.get(folder, one["last_modified"]), one["last_modified"])
            paths.setdefault(folder, []).append(one["path"])
        expired = [folder for folder, written in youngest.items() if written < latest]
        uploads = [(name, upload_id) for name, upload_id, begun in unfinished(self._bucket) if begun < latest]
        if not dry_run:
            self._bucket.delete(*(path for folder in expired for path in paths[folder]))
            self._bucket.delete(*self._old_holds(latest))
            for name, upload_id in uploads:
                abort(self._bucket, name, upload_id)
        return len(expired) + len(uploads)

    def _staged(self) -> "Iterator[obstore.ObjectMeta]":
        for batch in self._bucket.list(STAGING):
            yield from (one for one in batch if not one["path"].startswith(f"{UPLOADS}/"))

    def _old_holds(self, latest: datetime) -> Iterator[str]:
        for batch in self._bucket.list(HOLDS):
            yield from (one["path"] for one in batch if one["last_modified"] < latest)

    def _swept_ago(self) -> float | None:
        try:
            swept = self._bucket.head(_SWEPT)["last_modified"]
        except BytesMissing:
            return None
        return (self._clock(self._bucket) - swept).total_seconds()


def _age(one: "obstore.ObjectMeta", now: datetime) -> float:
    return (now - one["last_modified"]).total_seconds()


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
