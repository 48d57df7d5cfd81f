"""Updates manifests that differ from their rows: after a crash, a full disk, or an older version."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from audio.model import repository
from audio.model.audio_file import AudioFile
from audio.model.duplicates import add_digests, without_digest
from audio.model.manifest import follows, read_manifest, renew_manifest
from audio.search.speakers import Speaker, add_speakers, remove_strays, without_speakers
from audio.transcription.document import TranscriptDocument, read_document, write_document
from core.background import each_of
from core.database.engine import Sessions
from storage.contract import BytesMissing, Storage, StorageError


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """Repairs the manifests in storage from the rows."""

    sessions: Sessions
    storage: Storage

    async def repair(self, recording_ids: Collection[UUID]) -> int:
        """Updates outdated manifests and transcripts, and returns for how many recordings. Missing ones stay missing.

        Raises DatabaseProblem.
        """
        async with self.sessions() as session:
            rows = (await session.scalars(select(AudioFile).where(repository.any_of(recording_ids)))).all()
        renewed = 0
        for row in rows:
            if await self._is_behind(row):
                renewed += await self._renew(row.id)
        return renewed

    async def add_digests(self, recording_ids: Collection[UUID]) -> None:
        """Adds the digests of recordings that came in before these had a table. Raises DatabaseProblem."""
        digests: dict[UUID, bytes] = {}

        async def read(recording: tuple[UUID, str]) -> None:
            recording_id, path = recording
            with suppress(StorageError, ValueError):  # `verify` reports the reason
                digests[recording_id] = bytes.fromhex((await read_manifest(self.storage, path)).sha256)

        async with self.sessions() as session:
            paths = await without_digest(session, recording_ids)
        await each_of(paths.items(), read)
        async with self.sessions() as session:
            await add_digests(session, digests)
            await session.commit()

    async def add_speakers(self, recording_ids: Collection[UUID]) -> None:
        """Adds the speakers of transcripts that were made before these had a table. Raises DatabaseProblem."""
        by_recording: dict[UUID, list[Speaker]] = {}

        async def read(recording: tuple[UUID, str]) -> None:
            recording_id, path = recording
            with suppress(StorageError):
                try:
                    by_recording[recording_id] = (await read_document(self.storage, path)).spoken()
                except (BytesMissing, ValueError):  # only the row has a transcript
                    by_recording[recording_id] = []

        async with self.sessions() as session:
            paths = await without_speakers(session, recording_ids)
        await each_of(paths.items(), read)
        async with self.sessions() as session:
            await add_speakers(session, by_recording)
            await session.commit()

    async def remove_stray_speakers(self) -> None:
        """Removes the speakers of recordings that an older server has deleted. Raises DatabaseProblem."""
        async with self.sessions() as session:
            await remove_strays(session)
            await session.commit()

    async def _is_behind(self, row: AudioFile) -> bool:
        try:
            if not follows(await read_manifest(self.storage, row.file_path), row):
                return True
            return await self._outdated_document(row) is not None
        except (StorageError, ValueError):  # `verify` reports the reason
            return False

    async def _renew(self, recording_id: UUID) -> bool:
        async with self.sessions() as session:
            row = await repository.find_and_lock(session, recording_id, owner=None)
            if row is None:
                return False
            try:
                document = await self._outdated_document(row)
                if document is not None:
                    await write_document(self.storage, row.file_path, document)
            except StorageError:
                return False
            return await renew_manifest(self.storage, row) or document is not None

    async def _outdated_document(self, row: AudioFile) -> TranscriptDocument | None:
        """The transcript to write beside the bytes; None where the stored one is right, or the row has none."""
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
