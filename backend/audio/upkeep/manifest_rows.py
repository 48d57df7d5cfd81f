"""What storage alone remembers of a recording's row: what its manifest says, and the transcript beside it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from audio.model.manifest import Manifest, details_of, read_manifest
from audio.transcription.document import read_document
from core.errors import PegasusError
from storage.contract import BytesMissing, Storage, StorageError
from storage.hashing import sha256_of

Row: TypeAlias = dict[str, Any]


class Obstacle(StrEnum):
    """Why a recording in storage gets no row."""

    NO_MANIFEST = "no manifest"
    MANIFEST_UNREADABLE = "manifest unreadable"
    SIZE_DIFFERS = "size differs"
    BYTES_CHANGED = "bytes changed"
    BYTES_UNREADABLE = "bytes unreadable"
    TRANSCRIPT_MISSING = "transcript missing"
    ID_TAKEN = "another recording has its id"
    ROW_REFUSED = "the table doesn't take what its manifest says"


class NoManifestRow(PegasusError):
    """Storage doesn't have what a row needs."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(f"A recording can't be entered: {obstacle}.")
        self.obstacle = obstacle


@dataclass(frozen=True, kw_only=True)
class ManifestRows:
    """With `verify` each recording's bytes are read, and have to have the digest that its manifest says."""

    storage: Storage
    verify: bool = False

    async def row(self, name: str) -> Row | None:
        """The row of the bytes under that name; None where they were removed meanwhile. Raises NoManifestRow."""
        try:
            try:
                return await self._row(name)
            except NoManifestRow:
                await self.storage.size(name)  # what a delete has left of a recording is no obstacle
                raise
        except BytesMissing:
            return None
        except StorageError as error:
            raise NoManifestRow(Obstacle.BYTES_UNREADABLE) from error

    async def _row(self, name: str) -> Row:
        size_bytes = await self.storage.size(name)
        manifest = await self._manifest(name)
        if manifest.size_bytes != size_bytes:
            raise NoManifestRow(Obstacle.SIZE_DIFFERS)
        if self.verify and await sha256_of(self.storage.read(name)) != manifest.sha256:
            raise NoManifestRow(Obstacle.BYTES_CHANGED)
        return details_of(manifest) | await self._transcripts(name, manifest) | {"file_path": name}

    async def _manifest(self, name: str) -> Manifest:
        try:
            return await read_manifest(self.storage, name)
        except BytesMissing as error:
            raise NoManifestRow(Obstacle.NO_MANIFEST) from error
        except ValueError as error:
            raise NoManifestRow(Obstacle.MANIFEST_UNREADABLE) from error

    async def _transcripts(self, name: str, manifest: Manifest) -> Row:
        """What was told of the transcript; a manifest that didn't follow its row yet says nothing of it."""
        row: Row = {"original_transcript": None, "improved_transcript": None}
        told, says_status = manifest.transcription_completed_at, manifest.processing_status is not None
        if says_status and told is None:
            return row
        try:
            document = await read_document(self.storage, name)
        except (BytesMissing, ValueError) as error:
            if says_status:
                raise NoManifestRow(Obstacle.TRANSCRIPT_MISSING) from error
            return row
        row["original_transcript"] = document.text
        if not says_status or manifest.improvement_completed_at is not None:
            row["improved_transcript"] = document.improved
        return row if says_status else row | {"transcription_engine": document.engine[:50]}
