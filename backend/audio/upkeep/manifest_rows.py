"""Reads a recording's row back from storage: from its manifest and the transcript beside it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from audio.model.manifest import Manifest, details_of, read_manifest
from audio.model.titles import TITLE
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
    """Storage lacks something that a row needs."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(f"A recording can't be entered: {obstacle}.")
        self.obstacle = obstacle


@dataclass(frozen=True, kw_only=True)
class ManifestRows:
    """Reads rows. With `verify` each recording's bytes are read and compared with its manifest's digest."""

    storage: Storage
    verify: bool = False

    async def row(self, name: str) -> Row | None:
        """The row of the bytes under a name; None where they were removed meanwhile. Raises NoManifestRow."""
        try:
            try:
                return await self._row(name)
            except NoManifestRow:
                await self.storage.size(name)  # a recording that is being deleted is no obstacle
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
        row = details_of(manifest) | await self._transcripts(name, manifest)
        return row | {"file_path": name, TITLE: manifest.title}

    async def _manifest(self, name: str) -> Manifest:
        try:
            return await read_manifest(self.storage, name)
        except BytesMissing as error:
            raise NoManifestRow(Obstacle.NO_MANIFEST) from error
        except ValueError as error:
            raise NoManifestRow(Obstacle.MANIFEST_UNREADABLE) from error

    async def _transcripts(self, name: str, manifest: Manifest) -> Row:
        """The transcripts' columns. Older manifests have no status, and don't say whether there is a transcript."""
        row: Row = {"original_transcript": None, "improved_transcript": None}
        has_status = manifest.processing_status is not None
        if has_status and manifest.transcription_completed_at is None:
            return row
        try:
            document = await read_document(self.storage, name)
        except (BytesMissing, ValueError) as error:
            if has_status:
                raise NoManifestRow(Obstacle.TRANSCRIPT_MISSING) from error
            return row
        row["original_transcript"] = document.text
        if not has_status or manifest.improvement_completed_at is not None:
            row["improved_transcript"] = document.improved
        return row if has_status else row | {"transcription_engine": document.engine[:50]}
