"""Proves that every recording is there as it came in: reads all bytes, and compares them with manifests and rows.

It changes nothing. A recording from before there were manifests has no digest to compare with: its size is compared.
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
from audio.upkeep.row_paths import Place
from core.database.engine import Sessions
from storage.contract import BytesMissing, Storage, StorageError
from storage.hashing import sha256_of
from storage.upkeep import Upkeep


class Fault(StrEnum):
    """What can be wrong with a recording."""

    BYTES_MISSING = "bytes missing"
    BYTES_CHANGED = "bytes changed"
    BYTES_UNREADABLE = "bytes unreadable"
    SIZE_DIFFERS = "size differs"
    MANIFEST_UNREADABLE = "manifest unreadable"
    MANIFEST_OF_ANOTHER = "manifest of another recording"


@dataclass(frozen=True)
class Wrong:
    """A recording that isn't as it came in; one without a row has no id."""

    fault: Fault
    path: str
    recording_id: UUID | None


@dataclass(kw_only=True)
class Tally:
    """How many there were."""

    recordings: int = 0
    size_bytes: int = 0
    wrong: int = 0
    without_manifest: int = 0
    without_row: int = 0


@dataclass(frozen=True, kw_only=True)
class Verification:
    """One pass over everything; `progress` is called with the number of bytes that were read each time."""

    sessions: Sessions
    storage: Storage
    upkeep: Upkeep
    progress: Callable[[int], object]
    tally: Tally = field(default_factory=Tally)

    async def wrong(self) -> AsyncGenerator[Wrong]:
        """Everything that is wrong, as it is found, in the order of the paths; then what has no row."""
        path_aliases = PathAliases()
        async with aclosing(row_paths.places(self.sessions)) as batches:
            async for batch in batches:
                names = await self.upkeep.locate([place.path for place in batch])
                for place, name in zip(batch, names, strict=True):
                    if name is not None:
                        path_aliases.learn(place.path, name)
                    if fault := await self._fault(place):
                        self.tally.wrong += 1
                        yield Wrong(fault, place.path, place.recording_id)
        async with aclosing(self._without_row(path_aliases)) as left_over:
            async for wrong in left_over:
                self.tally.wrong += 1
                yield wrong

    async def _fault(self, place: Place) -> Fault | None:
        """What is wrong with a recording that has a row; one that is deleted meanwhile is no recording any more."""
        self.tally.recordings += 1
        fault = await self._compared(place.path, row=place)
        if fault is None or await row_paths.still_there(self.sessions, [place.recording_id]):
            return fault
        self.tally.recordings -= 1
        return None

    async def _without_row(self, path_aliases: PathAliases) -> AsyncGenerator[Wrong]:
        async with aclosing(self.upkeep.walk()) as batches:
            async for batch in batches:
                names = [found.name for found in batch if is_recording(found.name)]
                for name in sorted(set(names) - await path_aliases.known(self.sessions, names)):
                    fault = await self._compared(name, row=None)
                    if fault is not Fault.BYTES_MISSING:  # removed meanwhile
                        self.tally.without_row += 1
                        if fault is not None:
                            yield Wrong(fault, name, None)

    async def _compared(self, path: str, *, row: Place | None) -> Fault | None:
        try:
            size_bytes = await self.storage.size(path)
            manifest = await self._manifest(path)
            if manifest is None:
                await self.storage.size(path)  # a delete takes the manifest last, so without both it is one
                self.tally.without_manifest += 1
            elif row is not None and manifest.id != row.recording_id:
                return Fault.MANIFEST_OF_ANOTHER
            told = (row.size_bytes if row else None, manifest.size_bytes if manifest else None)
            if any(size not in {None, size_bytes} for size in told):
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
