"""One storage's bytes into another: everything finished, each compared by its digest, whatever was interrupted before.

The one it comes from is only read. What the other holds already is not sent again, but compared like all else.
"""

import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from storage.blocking import in_thread
from storage.contract import BytesMissing, NameRefused, NameTaken, Storage, StorageError
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
            there = await self._digest(self.target, name)
            if there is not None and there == await self._digest(self.source, name, progress=self.progress):
                self.tally.there_already += 1
                return None
            if there is not None and not name.endswith(REPLACED):
                return "other bytes lie there"
            sent = await self._send(name, replacing=there is not None)
            if sent is None:
                return None  # it was deleted meanwhile
            if await self._digest(self.target, name) != sent:
                return "it came out otherwise"
        except (NameTaken, NameRefused) as error:
            return str(error)
        self.tally.copied += 1
        return None

    async def _send(self, name: str, *, replacing: bool) -> str | None:
        """The digest of what was sent; None where there is nothing any more."""
        digest = hashlib.sha256()
        staged = self.target.stage()
        try:
            async for piece in self.source.read(name):
                digest.update(piece)
                self.progress(len(piece))
                self.tally.size_bytes += len(piece)
                await in_thread(partial(staged.write, piece))
            if replacing:
                await self.target.delete(name)
            await in_thread(partial(staged.publish, name, beside={}))
        except BytesMissing:
            await in_thread(staged.discard)
            return None
        except BaseException:
            await in_thread(staged.discard)
            raise
        return digest.hexdigest()

    async def _digest(
        self, storage: Storage, name: str, *, progress: Callable[[int], object] | None = None
    ) -> str | None:
        """The SHA-256 of what lies under a name; None where nothing does."""
        digest = hashlib.sha256()
        try:
            async for piece in storage.read(name):
                digest.update(piece)
                if progress is not None:
                    progress(len(piece))
        except BytesMissing:
            return None
        return digest.hexdigest()
