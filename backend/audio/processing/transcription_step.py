"""The slow step: an engine hears what is said, and a model may improve the wording."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from audio.model.artifacts import playback_name
from audio.model.audio_file import AudioFile, ProcessingStatus, utc_now
from audio.model.manifest import Found
from audio.processing.local_copy import stored_file
from audio.processing.status import UNDER_WAY, take_further
from audio.transcription.contract import LONGEST_SECONDS, LOWEST_HERTZ, Engine, EngineProblem, EngineRefused
from audio.transcription.document import TranscriptDocument, read_document, write_document
from audio.transcription.improvement.improver import Improver
from core.database.engine import Sessions
from core.observability import metrics
from storage.contract import BytesMissing, Storage

log = structlog.get_logger(__name__)
LONGEST_ENGINE_NAME = 50
UPLOADED, TRANSCRIBING, IMPROVING = UNDER_WAY


@dataclass(frozen=True, kw_only=True)
class TranscriptionStep:
    """Has a recording transcribed, and improved where there is a model for it."""

    sessions: Sessions
    storage: Storage
    engine: Engine
    improver: Improver | None = None
    language: str | None = None
    scratch: Path | None = None  # the folder for copies of what isn't stored on this machine; None: the system's

    def is_due(self, recording: AudioFile) -> bool:
        """Whether anything is left to be heard or improved."""
        return recording.original_transcript is None or recording.processing_status is IMPROVING

    async def transcribe(self, recording: AudioFile, found: Found) -> None:
        """Takes a recording to completed. Raises EngineProblem, StorageError, DatabaseProblem or Gone."""
        self._check(found)
        status, recording_id = recording.processing_status, recording.id
        if status is UPLOADED:
            begun = utc_now()
            await self._take_further(recording_id, since=[UPLOADED], to=TRANSCRIBING, transcription_started_at=begun)
        document = await self._document(recording, found)
        told: dict[str, Any] = {} if status is IMPROVING else _told(document)
        if self.improver is not None and document.text:
            if status is not IMPROVING:
                await self._take_further(recording_id, since=[TRANSCRIBING], to=IMPROVING, **told)
            told = await self._improved(recording, document, self.improver)
        await self._take_further(recording_id, since=UNDER_WAY, to=ProcessingStatus.COMPLETED, **told)

    def _check(self, found: Found) -> None:
        """Refuses what can't be speech, or would hold up everybody else's for days: some bytes claim any length."""
        if found.sample_rate_hz < LOWEST_HERTZ:
            reason = f"it has {found.sample_rate_hz:,} samples a second, and speech takes {LOWEST_HERTZ:,}"
            raise EngineRefused(self.engine.name, reason)
        if found.duration_seconds > LONGEST_SECONDS:
            hours, most = found.duration_seconds / 3600, LONGEST_SECONDS / 3600
            raise EngineRefused(self.engine.name, f"it sounds for {hours:,.0f} hours, and {most:.0f} can be heard")

    async def _take_further(
        self, recording_id: UUID, *, since: Collection[ProcessingStatus], to: ProcessingStatus, **changes: object
    ) -> None:
        await take_further(self.sessions, recording_id, storage=self.storage, since=since, to=to, **changes)

    async def _document(self, recording: AudioFile, found: Found) -> TranscriptDocument:
        """What the engine heard; it isn't asked again for what it has already told."""
        path, extension = recording.file_path, found.playback_extension
        try:
            return await read_document(self.storage, path)
        except (BytesMissing, ValueError):
            pass
        heard = playback_name(path, extension=extension) if extension else path  # services take fewer formats
        async with stored_file(self.storage, heard, scratch=self.scratch) as file:
            with metrics.step("transcribe"):
                transcript = await self.engine.transcribe(file, language=self.language)
        document = TranscriptDocument.of(transcript, engine=self.engine.name)
        await write_document(self.storage, path, document)
        return document

    async def _improved(self, recording: AudioFile, document: TranscriptDocument, improver: Improver) -> dict[str, Any]:
        """The improved wording, as columns; none where the model has nothing to offer: the original is still good."""
        wording = document.improved
        if wording is None:
            try:
                with metrics.step("improve"):
                    improved = await improver.improve(document.transcript())
            except EngineProblem as problem:
                log.warning("transcript not improved", recording=str(recording.id), reason=str(problem))
                return {}
            if not improved.kept:
                return {}
            wording = improved.text
            await write_document(self.storage, recording.file_path, document.with_improved(wording))
        return {"improved_transcript": wording, "improvement_completed_at": utc_now()}


def _told(document: TranscriptDocument) -> dict[str, Any]:
    """What the row tells of a transcript."""
    return {
        "original_transcript": document.text,
        "transcription_engine": document.engine[:LONGEST_ENGINE_NAME],
        "transcription_completed_at": utc_now(),
    }
