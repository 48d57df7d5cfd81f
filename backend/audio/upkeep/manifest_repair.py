"""Lets manifests that were left behind say what their rows say: after a crash, a full disk, or an older version."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, func, literal, select

from audio.model import repository
from audio.model.audio_file import AudioFile
from audio.model.manifest import follows, read_manifest, renew_manifest
from audio.transcription.document import TranscriptDocument, read_document, write_document
from core.database.engine import Sessions
from storage.contract import BytesMissing, Storage, StorageError


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """The manifests in storage, and the rows that they follow."""

    sessions: Sessions
    storage: Storage

    async def mend(self, recording_ids: Collection[UUID]) -> int:
        """Renews what is behind, and returns of how many recordings that was; without a manifest there is nothing to.

        Raises DatabaseProblem.
        """
        wanted = func.any(literal(list(recording_ids), ARRAY(Uuid)))
        async with self.sessions() as session:
            rows = (await session.scalars(select(AudioFile).where(AudioFile.id == wanted))).all()
        renewed = 0
        for row in rows:
            if await self._is_behind(row):
                renewed += await self._renew(row.id)
        return renewed

    async def _is_behind(self, row: AudioFile) -> bool:
        try:
            if not follows(await read_manifest(self.storage, row.file_path), row):
                return True
            return await self._document_due(row) is not None
        except (StorageError, ValueError):  # `verify` tells what is wrong with it
            return False

    async def _renew(self, recording_id: UUID) -> bool:
        async with self.sessions() as session:
            row = await repository.find_and_lock(session, recording_id, owner=None)
            if row is None:
                return False
            try:
                document = await self._document_due(row)
                if document is not None:
                    await write_document(self.storage, row.file_path, document)
            except StorageError:
                return False
            return await renew_manifest(self.storage, row) or document is not None

    async def _document_due(self, row: AudioFile) -> TranscriptDocument | None:
        """The transcript as it should lie beside the bytes; None where it does, or there is none."""
        text, improved = row.original_transcript, row.improved_transcript
        if text is None:
            return None
        try:
            document = await read_document(self.storage, row.file_path)
        except (BytesMissing, ValueError):
            document = None
        if document is None or document.text != text:
            return TranscriptDocument.of_text(text, engine=row.transcription_engine, improved=improved)
        if improved is None or document.improved == improved:
            return None
        return document.with_improved(improved)
