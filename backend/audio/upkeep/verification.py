"""Verifies every recording: reads all bytes, and compares them with manifests and rows.

It changes nothing. For a recording without a manifest, from an older version, only the size is compared.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from audio.model.manifest import Manifest, read_manifest
from audio.model.object_names import is_recording
from audio.upkeep import row_paths
from audio.upkeep.path_aliases import PathAliases
from audio.upkeep.row_paths import RowPath
from core.database.engine import Sessions
from storage.contract import BytesMissing, Storage, StorageError
from storage.hashing import sha256_of
from storage.upkeep import Upkeep


class Fault(StrEnum):
    """The faults of a recording."""

    BYTES_MISSING = "bytes missing"
    BYTES_CHANGED = "bytes changed"
    BYTES_UNREADABLE = "bytes unreadable"
    SIZE_DIFFERS = "size differs"
    MANIFEST_UNREADABLE = "manifest unreadable"
    MANIFEST_OF_ANOTHER = "manifest of another recording"


@dataclass(frozen=True)
class Wrong:
    """A faulty recording; one without a row has no id."""

    fault: Fault
    path: str
    recording_id: UUID | None


@dataclass(kw_only=True)
class Tally:
    """Counts of a verification."""

    recordings: int = 0
    size_bytes: int = 0
    wrong: int = 0
    without_manifest: int = 0
    without_row: int = 0


@dataclass(frozen=True, kw_only=True)
class Verification:
    """One pass over rows and storage; `progress` is called with the number of bytes of each read."""

    sessions: Sessions
    storage: Storage
    upkeep: Upkeep
    progress: Callable[[int], object]
    tally: Tally = field(default_factory=Tally)

    async def wrong(self) -> AsyncGenerator[Wrong]:
        """The faulty recordings, in the order of their paths; then those without a row."""
        path_aliases = PathAliases()
        async with aclosing(row_paths.batches(self.sessions)) as batches:
            async for batch in batches:
                names = await self.upkeep.locate([row.path for row in batch])
                for row, name in zip(batch, names, strict=True):
                    if name is not None:
                        path_aliases.learn(row.path, name)
                    if fault := await self._verify_row(row):
                        self.tally.wrong += 1
                        yield Wrong(fault, row.path, row.recording_id)
        async with aclosing(self._without_row(path_aliases)) as orphans:
            async for wrong in orphans:
                self.tally.wrong += 1
                yield wrong

    async def _verify_row(self, row: RowPath) -> Fault | None:
        """The fault of a recording with a row. One that is deleted meanwhile isn't counted."""
        self.tally.recordings += 1
        fault = await self._verify(row.path, row=row)
        if fault is None or await row_paths.existing_ids(self.sessions, [row.recording_id]):
            return fault
        self.tally.recordings -= 1
        return None

    async def _without_row(self, path_aliases: PathAliases) -> AsyncGenerator[Wrong]:
        async with aclosing(self.upkeep.walk()) as batches:
            async for batch in batches:
                names = [entry.name for entry in batch if is_recording(entry.name)]
                for name in sorted(set(names) - await path_aliases.referenced(self.sessions, names)):
                    fault = await self._verify(name, row=None)
                    if fault is not Fault.BYTES_MISSING:  # removed meanwhile
                        self.tally.without_row += 1
                        if fault is not None:
                            yield Wrong(fault, name, None)

    async def _verify(self, path: str, *, row: RowPath | None) -> Fault | None:
        try:
            size_bytes = await self.storage.size(path)
            manifest = await self._manifest(path)
            if manifest is None:
                await self.storage.size(
                    path
                )  # where the bytes are missing, too, it was deleted: a delete removes the manifest last
                self.tally.without_manifest += 1
            elif row is not None and manifest.id != row.recording_id:
                return Fault.MANIFEST_OF_ANOTHER
            sizes = (row.size_bytes if row else None, manifest.size_bytes if manifest else None)
            if any(size not in {None, size_bytes} for size in sizes):
                return Fault.SIZE_DIFFERS
            if manifest is None:
                return None
            if await sha256_of(self.storage.read(path), progress=self._read) != manifest.sha256:
                return Fault.BYTES_CHANGED
        except BytesMissing:
            return Fault.BYTES_MISSING
        except ValueError:
            return Fault.MANIFEST_UNREADABLE
        except StorageError:
            return Fault.BYTES_UNREADABLE
        return None

    async def _manifest(self, path: str) -> Manifest | None:
        """The manifest, None where there is none. Raises ValueError."""
        try:
            return await read_manifest(self.storage, path)
        except BytesMissing:
            return None

    def _read(self, read_bytes: int) -> None:
        self.tally.size_bytes += read_bytes
        self.progress(read_bytes)
