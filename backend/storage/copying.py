"""One storage's bytes into another: everything finished, each compared by its digest, whatever was interrupted before.

The one it comes from is only read. What the other holds already is not sent again, but compared like all else.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from storage.contract import BytesMissing, NameRefused, NameTaken, Storage, StorageError
from storage.hashing import sha256_of
from storage.threads import in_thread
from storage.upkeep import Upkeep

REPLACED = ".json"  # what a recording's changes are written into: a later copy brings the newer one


class OtherIdentity(StorageError):
    """The storage that is copied into belongs to another database."""

    def __init__(self) -> None:
        super().__init__("The storage to copy into belongs to another database: nothing was copied.")


@dataclass(frozen=True)
class Failed:
    """Bytes that aren't the same on both sides, and why."""

    name: str
    reason: str


@dataclass(kw_only=True)
class Tally:
    """What was copied, and what had been before."""

    copied: int = 0
    there_already: int = 0
    size_bytes: int = 0
    failed: int = 0


@dataclass(kw_only=True)
class Copying:
    """From one storage into another. `progress` is called with the number of bytes that were read there."""

    source: Storage
    source_upkeep: Upkeep
    target: Storage
    target_upkeep: Upkeep
    progress: Callable[[int], object]
    tally: Tally = field(default_factory=Tally)

    async def run(self) -> AsyncGenerator[Failed]:
        """Copies everything, and tells what isn't the same on both sides then. Raises StorageError.

        When all is, the other one bears the id of the first, and the same database takes it for its own.
        """
        identity, other = await self.source_upkeep.identity(), await self.target_upkeep.identity()
        if other not in {None, identity}:
            raise OtherIdentity
        async with aclosing(self.source_upkeep.walk()) as batches:
            async for batch in batches:
                for found in batch:
                    reason = await self._copied(found.name)
                    if reason is not None:
                        self.tally.failed += 1
                        yield Failed(found.name, reason)
        if identity is not None and not self.tally.failed:
            await self.target_upkeep.identify(identity)

    async def _copied(self, name: str) -> str | None:
        """Why it isn't the same on both sides; None where it is."""
        try:
            there = await _sha256(self.target, name)
            if there is not None:
                here = await _sha256(self.source, name, progress=self.progress)
                if here == there:
                    self.tally.there_already += 1
                if here in {None, there}:
                    return None  # without a digest it was deleted meanwhile
                if not name.endswith(REPLACED):
                    return "other bytes lie there"
            sent = await self._send(name, replacing=there is not None)
            if sent is None:
                return None  # it was deleted meanwhile
            if await _sha256(self.target, name) != sent:
                return "it came out otherwise"
        except (NameTaken, NameRefused) as error:
            return str(error)
        self.tally.copied += 1
        return None

    async def _send(self, name: str, *, replacing: bool) -> str | None:
        """The digest of what was sent; None where there is nothing any more."""
        staged = self.target.stage()
        try:
            sent = await _sha256(self.source, name, progress=self._sent, sink=staged.write)
            if sent is None:
                await in_thread(staged.discard)
                return None
            if replacing:
                await self.target.delete(name)
            await in_thread(partial(staged.publish, name, beside={}))
        except BaseException:
            await in_thread(staged.discard)
            raise
        return sent

    def _sent(self, sent_bytes: int) -> None:
        self.tally.size_bytes += sent_bytes
        self.progress(sent_bytes)


async def _sha256(
    storage: Storage,
    name: str,
    *,
    progress: Callable[[int], object] = lambda _size_bytes: None,
    sink: Callable[[bytes], object] | None = None,
) -> str | None:
    """See `sha256_of`; None where nothing lies under the name."""
    try:
        return await sha256_of(storage.read(name), progress=progress, sink=sink)
    except BytesMissing:
        return None
