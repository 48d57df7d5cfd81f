"""Recordings of every size at which bytes take another way, in a storage of either kind, with rows and manifests."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from sqlalchemy import delete, select

from app.storage_factory import OpenedStorage
from audio.model.artifacts import artifacts
from audio.model.audio_file import AudioFile, ProcessingStatus, utc_now
from audio.model.manifest import manifest_name, manifest_of
from audio.upkeep.rebuild import Rebuild
from audio.upkeep.verification import Verification
from core.database.engine import Sessions
from storage.contract import PIECE_BYTES
from storage.copying import StorageCopier
from storage.hashing import OFFLOAD_BYTES

KIB, MIB = 1024, 1024 * 1024
AROUND = (64 * KIB, OFFLOAD_BYTES, PIECE_BYTES)
SIZES = (0, 1, *(size + more for size in AROUND for more in (-1, 0, 1)), 3 * MIB + 7)
LARGE = (8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB)  # around a chunk of the object store's, and several


@dataclass(frozen=True)
class Shelf:
    """A storage with recordings whose rows are in a database. Complaints are told by the recording's path."""

    storage: OpenedStorage
    sessions: Sessions
    contents: dict[str, bytes] = field(default_factory=dict)

    async def fill(self, *sizes: int) -> Sequence[str]:
        """Takes in a recording of each size, and returns their paths. What hashes them isn't Pegasus."""
        rows = []
        for content in map(os.urandom, sizes):
            row = _row(len(content))
            manifest = manifest_of(row, sha256=hashlib.sha256(content).hexdigest())
            await self.storage.replace(row.file_path, content)
            await self.storage.replace(manifest_name(row.file_path), manifest.as_bytes())
            self.contents[row.file_path] = content
            rows.append(row)
        async with self.sessions() as session:
            session.add_all(rows)
            await session.commit()
        return [row.file_path for row in rows]

    async def verified(self) -> Mapping[str, str]:
        """What `python -m storage verify` complains of."""
        verification = Verification(
            sessions=self.sessions, storage=self.storage, upkeep=self.storage.upkeep(), progress=lambda _: None
        )
        async with aclosing(verification.wrong()) as found:
            complaints = {wrong.path: str(wrong.fault) async for wrong in found}
        assert verification.tally.recordings == len(self.contents)
        return complaints

    async def rebuilt(self) -> Mapping[str, str]:
        """What `python -m storage rebuild --verify` complains of where no row is left."""
        async with self.sessions() as session:
            await session.execute(delete(AudioFile))
            await session.commit()
        rebuild = Rebuild(
            sessions=self.sessions,
            storage=self.storage,
            upkeep=self.storage.upkeep(),
            progress=lambda _: None,
            verify=True,
        )
        async with aclosing(rebuild.run()) as found:
            complaints = {one.path: str(one.obstacle) async for one in found}
        assert rebuild.tally.rebuilt == len(self.contents) - len(complaints)
        return complaints

    async def remove(self, *paths: str) -> None:
        """Deletes recordings, as Pegasus does: the rows, then what they named."""
        async with self.sessions() as session:
            await session.execute(delete(AudioFile).where(AudioFile.file_path.in_(paths)))
            await session.commit()
        for path in paths:
            for name in (path, *artifacts(path)):
                await self.storage.delete(name)
            del self.contents[path]

    async def identity(self, path: str) -> UUID | None:
        """The id of the recording whose bytes lie there."""
        async with self.sessions() as session:
            return await session.scalar(select(AudioFile.id).where(AudioFile.file_path == path))

    async def copied(self, target: OpenedStorage) -> Mapping[str, str]:
        """What `python -m storage copy` complains of on the way into another storage."""
        copying = StorageCopier(
            source=self.storage,
            source_upkeep=self.storage.upkeep(),
            target=target,
            target_upkeep=target.upkeep(),
            progress=lambda _: None,
        )
        async with aclosing(copying.run()) as found:
            return {failed.name: failed.reason async for failed in found}


def damages(size: int) -> Sequence[Callable[[bytes], bytes]]:
    """What can become of that many bytes: one of them is changed somewhere, some are lost, one is too many."""
    ends = {0, size - 1, size // 2, *(at + more for at in AROUND for more in (-1, 0))}
    changed = [partial(_changed, at=at) for at in ends if 0 <= at < size]
    cut = [partial(_cut, to=to) for to in {0, size - 1, *AROUND} if 0 <= to < size]
    return [*changed, *cut, lambda content: content + b"\0"]


def _changed(content: bytes, *, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _cut(content: bytes, *, to: int) -> bytes:
    return content[:to]


def _row(size_bytes: int) -> AudioFile:
    recording_id, now = uuid4(), utc_now()
    file_name = f"audio_20261129_120000_{recording_id.hex[:16]}.wav"
    return AudioFile(
        id=recording_id,
        filename=file_name,
        file_path=f"2026/11/29/{file_name}",
        file_size_bytes=size_bytes,
        mime_type="audio/wav",
        processing_status=ProcessingStatus.FAILED,  # nothing is due, so a row that is given back has no job
        upload_timestamp=now,
        created_at=now,
        updated_at=now,
    )
