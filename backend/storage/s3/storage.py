"""The driver for S3 and compatible object stores; docs/decisions/0009 says which of their guarantees it needs."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial

from storage.contract import BytesMissing, Resumable, Staged
from storage.object_names import OWN, checked_key, checked_name, is_plain
from storage.s3.bucket import Bucket
from storage.s3.leases import Leases
from storage.s3.resumable_object import ResumableObject
from storage.s3.staged_object import StagedObject
from storage.s3.upkeep import S3Upkeep
from storage.threads import in_thread
from storage.upkeep import Upkeep

LINK_SECONDS = 15 * 60


class S3Storage:
    """Stores bytes in `bucket`, which must exist."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._leases = Leases(bucket)

    async def prepare(self) -> None:
        """Checks that it can be used. Raises StorageUnavailable."""
        await self.check()

    async def check(self) -> None:
        """See `Storage.check`."""
        await in_thread(partial(self._bucket.put, f"{OWN}/check", b""))

    def stage(self) -> Staged:
        """See `Storage.stage`."""
        return StagedObject(self._bucket)

    def resume(self, key: str, *, request_release: bool = True) -> Resumable:
        """See `ResumesUploads.resume`."""
        return ResumableObject(self._bucket, checked_key(key), leases=self._leases, request_release=request_release)

    async def replace(self, name: str, content: bytes) -> None:
        """See `Storage.replace`."""
        await in_thread(partial(self._bucket.put, checked_name(name), content))

    async def read(self, name: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """See `Storage.read`."""
        if stop is not None and start >= stop:
            return
        pieces = self._bucket.pieces(_readable(name), start=start, stop=stop)
        while (piece := await in_thread(partial(next, pieces, None))) is not None:
            yield piece

    async def size(self, name: str) -> int:
        """See `Storage.size`."""
        return (await in_thread(partial(self._bucket.head, _readable(name))))["size"]

    async def delete(self, name: str) -> None:
        """See `Storage.delete`."""
        with suppress(BytesMissing):
            await in_thread(partial(self._bucket.delete, _readable(name)))

    def link(self, name: str, *, content_type: str, content_disposition: str) -> str:
        """See `SignsDownloads.link`."""
        query = {"response-content-type": content_type, "response-content-disposition": content_disposition}
        return self._bucket.link(_readable(name), query=query, expires_seconds=LINK_SECONDS)

    def upkeep(self) -> Upkeep:
        """See `ProvidesUpkeep.upkeep`."""
        return S3Upkeep(self._bucket)


def _readable(name: str) -> str:
    """The name, if its object may be served. Raises BytesMissing."""
    if not is_plain(name):
        raise BytesMissing
    return name
