"""Copies all finished objects of one storage into another, and compares each by its digest.

The source is only read. What the target already holds is compared and not sent again, so a copy can be repeated.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from storage.contract import BytesMissing, NameRefused, NameTaken, Storage, StorageError
from storage.hashing import sha256_of
from storage.threads import in_thread
from storage.upkeep import Upkeep

REPLACED = ".json"  # manifests change with their recording: a later copy replaces them by the newer one


class OtherIdentity(StorageError):
    message = "The storage to copy into belongs to another database: nothing was copied."


@dataclass(frozen=True)
class CopyFailure:
    """An object that isn't the same on both sides, and why."""

    name: str
    reason: str


@dataclass(kw_only=True)
class CopyCounts:
    copied: int = 0
    there_already: int = 0
    size_bytes: int = 0
    failed: int = 0


@dataclass(kw_only=True)
class StorageCopier:
    """Copies `source` to `target`. `progress` is called with the number of bytes of each piece read from `source`."""

    source: Storage
    source_upkeep: Upkeep
    target: Storage
    target_upkeep: Upkeep
    progress: Callable[[int], object]
    counts: CopyCounts = field(default_factory=CopyCounts)

    async def run(self) -> AsyncGenerator[CopyFailure]:
        """Copies everything, and yields what then isn't the same on both sides. Raises StorageError.

        Without failures the target gets the source's id, so that the same database accepts it.
        """
        identity, target_identity = await self.source_upkeep.identity(), await self.target_upkeep.identity()
        if target_identity not in {None, identity}:
            raise OtherIdentity
        async with aclosing(self.source_upkeep.walk()) as batches:
            async for batch in batches:
                for stored in batch:
                    reason = await self._copy(stored.name)
                    if reason is not None:
                        self.counts.failed += 1
                        yield CopyFailure(stored.name, reason)
        if identity is not None and not self.counts.failed:
            await self.target_upkeep.identify(identity)

    async def _copy(self, name: str) -> str | None:
        """The reason why the object isn't the same on both sides; None where it is."""
        try:
            target_digest = await _sha256(self.target, name)
            if target_digest is not None:
                source_digest = await _sha256(self.source, name, progress=self.progress)
                if source_digest == target_digest:
                    self.counts.there_already += 1
                if source_digest in {None, target_digest}:
                    return None  # without a digest it was deleted meanwhile
                if not name.endswith(REPLACED):
                    return "other bytes lie there"
            sent_digest = await self._send(name, replacing=target_digest is not None)
            if sent_digest is None:
                return None  # it was deleted meanwhile
            if await _sha256(self.target, name) != sent_digest:
                return "it came out otherwise"
        except (NameTaken, NameRefused) as error:
            return str(error)
        self.counts.copied += 1
        return None

    async def _send(self, name: str, *, replacing: bool) -> str | None:
        """The digest of the bytes sent; None where the source has none any more."""
        staged = self.target.stage()
        try:
            digest = await _sha256(self.source, name, progress=self._count_bytes, sink=staged.write)
            if digest is None:
                await in_thread(staged.discard)
                return None
            if replacing:
                await self.target.delete(name)
            await in_thread(partial(staged.publish, name, beside={}))
        except BaseException:
            await in_thread(staged.discard)
            raise
        return digest

    def _count_bytes(self, size_bytes: int) -> None:
        self.counts.size_bytes += size_bytes
        self.progress(size_bytes)


async def _sha256(
    storage: Storage,
    name: str,
    *,
    progress: Callable[[int], object] = lambda _size_bytes: None,
    sink: Callable[[bytes], object] | None = None,
) -> str | None:
    """See `sha256_of`; None where the object is missing."""
    try:
        return await sha256_of(storage.read(name), progress=progress, sink=sink)
    except BytesMissing:
        return None
