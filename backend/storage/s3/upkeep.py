"""Upkeep of the S3 driver. Ages count by the object store's own clock."""

import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import obstore

from storage.contract import BytesMissing
from storage.object_names import OWN, QUARANTINE, STAGING, is_plain
from storage.s3.bucket import Bucket
from storage.s3.leases import LEASES
from storage.s3.multipart_upload import abort, unfinished
from storage.s3.resumable_object import UPLOADS
from storage.threads import in_thread, thread_pool
from storage.upkeep import IdentityUnreadable, StoredObject

PARALLEL_REQUESTS = 16
FEW = 100
_IDENTITY, _CLOCK, _SWEPT = (f"{OWN}/{name}" for name in ("id", "clock", "swept"))
Clock = Callable[[Bucket], datetime]


def object_store_time(bucket: Bucket) -> datetime:
    """The time by which objects are dated there."""
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

    async def walk(self) -> AsyncGenerator[Sequence[StoredObject]]:
        """See `Upkeep.walk`."""
        now = await in_thread(partial(self._clock, self._bucket))
        batches = self._bucket.list(None)
        while (batch := await in_thread(lambda: next(batches, None))) is not None:
            visible = [meta for meta in batch if not any(part.startswith(".") for part in meta["path"].split("/"))]
            if visible:
                ages = [(now - meta["last_modified"]).total_seconds() for meta in visible]
                yield [StoredObject(meta["path"], age, meta["size"]) for meta, age in zip(visible, ages, strict=True)]

    async def locate(self, names: Sequence[str]) -> Sequence[str | None]:
        """See `Upkeep.locate`."""
        existing = await in_thread(partial(self._existing, [name for name in names if is_plain(name)]))
        return [name if name in existing else None for name in names]

    async def quarantine(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.quarantine`."""
        return await in_thread(partial(self._move_all, names, start="", to=f"{QUARANTINE}/"))

    async def restore(self, names: Sequence[str]) -> Sequence[str]:
        """See `Upkeep.restore`."""
        return await in_thread(partial(self._move_all, names, start=f"{QUARANTINE}/", to=""))

    async def expire_staged(self, *, older_than_seconds: float, dry_run: bool) -> int:
        """See `Upkeep.expire_staged`; multipart uploads that a killed process left behind are aborted as well."""
        return await in_thread(partial(self._expire, timedelta(seconds=older_than_seconds), dry_run=dry_run))

    async def sweep_age_seconds(self) -> float | None:
        """See `Upkeep.sweep_age_seconds`."""
        return await in_thread(self._sweep_age)

    async def record_sweep(self) -> None:
        """See `Upkeep.record_sweep`."""
        await in_thread(partial(self._bucket.put, _SWEPT, b""))

    def _existing(self, names: Sequence[str]) -> set[str]:
        """The names that exist: few are checked one by one, many by one listing."""
        if len(names) <= FEW:
            checked = thread_pool("upkeep", PARALLEL_REQUESTS).map(self._exists, names)
            return {name for name, exists in zip(names, checked, strict=True) if exists}
        candidates, last = set(names), max(names)
        existing: set[str] = set()
        folder = os.path.commonpath(names)
        for batch in self._bucket.list(folder or None, after=min(names)[:-1]):
            paths = [meta["path"] for meta in batch]
            existing |= candidates.intersection(paths)
            if paths[-1] > last:
                break
        return existing

    def _exists(self, name: str) -> bool:
        try:
            self._bucket.head(name)
        except BytesMissing:
            return False
        return True

    def _move_all(self, names: Sequence[str], *, start: str, to: str) -> list[str]:
        return [name for name in names if is_plain(name) and self._move(f"{start}{name}", f"{to}{name}")]

    def _move(self, source: str, target: str) -> bool:
        """Whether it was moved; never over an existing object."""
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
        for meta in self._staged():
            folder = meta["path"].rpartition("/")[0]
            youngest[folder] = max(youngest.get(folder, meta["last_modified"]), meta["last_modified"])
            paths.setdefault(folder, []).append(meta["path"])
        expired = [folder for folder, written in youngest.items() if written < latest]
        uploads = [(name, upload_id) for name, upload_id, initiated in unfinished(self._bucket) if initiated < latest]
        if not dry_run:
            self._bucket.delete(*(path for folder in expired for path in paths[folder]))
            self._bucket.delete(*self._expired_leases(latest))
            for name, upload_id in uploads:
                abort(self._bucket, name, upload_id)
        return len(expired) + len(uploads)

    def _staged(self) -> "Iterator[obstore.ObjectMeta]":
        for batch in self._bucket.list(STAGING):
            yield from (meta for meta in batch if not meta["path"].startswith(f"{UPLOADS}/"))

    def _expired_leases(self, latest: datetime) -> Iterator[str]:
        for batch in self._bucket.list(LEASES):
            yield from (meta["path"] for meta in batch if meta["last_modified"] < latest)

    def _sweep_age(self) -> float | None:
        try:
            swept = self._bucket.head(_SWEPT)["last_modified"]
        except BytesMissing:
            return None
        return (self._clock(self._bucket) - swept).total_seconds()
