"""The slow step: an engine transcribes a recording, and a language model may improve the wording."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from audio.model.artifacts import playback_name
from audio.model.audio_file import AudioFile, ProcessingStatus, utc_now
from audio.model.manifest import Found
from audio.processing.local_copy import stored_file
from audio.processing.status import IN_PROGRESS, advance_or_raise
from audio.transcription.contract import LONGEST_SECONDS, LOWEST_HERTZ, Engine, EngineProblem, EngineRefused
from audio.transcription.document import TranscriptDocument, read_document, write_document
from core.database.engine import Sessions
from core.observability import metrics
from storage.contract import BytesMissing, Storage

if TYPE_CHECKING:  # brings an HTTP client, which most servers don't need
    from audio.transcription.improvement.improver import Improver

log = structlog.get_logger(__name__)
LONGEST_ENGINE_NAME = 50
UPLOADED, TRANSCRIBING, IMPROVING = IN_PROGRESS


@dataclass(frozen=True, kw_only=True)
class TranscriptionStep:
    """Transcribes recordings, and improves transcripts where there is an `improver`."""

    sessions: Sessions
    storage: Storage
    engine: Engine
    improver: "Improver | None" = None
    language: str | None = None
    scratch: Path | None = None  # the folder for copies of remote files; None: the system's

    def has_work(self, recording: AudioFile) -> bool:
        """Whether a recording is still to be transcribed or improved."""
        return recording.original_transcript is None or recording.processing_status is IMPROVING

    async def transcribe(self, recording: AudioFile, properties: Found) -> None:
        """Transcribes, improves and completes a recording.

        Raises EngineProblem, StorageError, DatabaseProblem or StaleRecording.
        """
        self._check(properties)
        status, recording_id = recording.processing_status, recording.id
        if status is UPLOADED:
            await self._advance(recording_id, since=[UPLOADED], to=TRANSCRIBING, transcription_started_at=utc_now())
        document = await self._document(recording, properties)
        values: dict[str, Any] = {} if status is IMPROVING else _row_values(document)
        if self.improver is not None and document.text:
            if status is not IMPROVING:
                await self._advance(recording_id, since=[TRANSCRIBING], to=IMPROVING, **values)
            values = await self._improve(recording, document, self.improver)
        await self._advance(recording_id, since=IN_PROGRESS, to=ProcessingStatus.COMPLETED, **values)

    def _check(self, properties: Found) -> None:
        """Refuses a sample rate too low for speech, and a length that would block the engine: headers may claim any."""
        if properties.sample_rate_hz < LOWEST_HERTZ:
            reason = f"it has {properties.sample_rate_hz:,} samples a second, and speech takes {LOWEST_HERTZ:,}"
            raise EngineRefused(self.engine.name, reason)
        if properties.duration_seconds > LONGEST_SECONDS:
            hours, most = properties.duration_seconds / 3600, LONGEST_SECONDS / 3600
            raise EngineRefused(self.engine.name, f"it sounds for {hours:,.0f} hours, and {most:.0f} can be heard")

    async def _advance(
        self, recording_id: UUID, *, since: Collection[ProcessingStatus], to: ProcessingStatus, **changes: Any
    ) -> None:
        await advance_or_raise(self.sessions, recording_id, storage=self.storage, since=since, to=to, **changes)

    async def _document(self, recording: AudioFile, properties: Found) -> TranscriptDocument:
        """The stored transcript, or else a new one from the engine, which is stored."""
        path, extension = recording.file_path, properties.playback_extension
        try:
            return await read_document(self.storage, path)
        except (BytesMissing, ValueError):
            pass
        name = playback_name(path, extension=extension) if extension else path  # services accept fewer formats
        async with stored_file(self.storage, name, scratch=self.scratch) as file:
            with metrics.step("transcribe"):
                transcript = await self.engine.transcribe(file, language=self.language)
        document = TranscriptDocument.of(transcript, engine=self.engine.name)
        await write_document(self.storage, path, document)
        return document

    async def _improve(
        self, recording: AudioFile, document: TranscriptDocument, improver: "Improver"
    ) -> dict[str, Any]:
        """The columns of the improved wording; empty where the model fails or its answer isn't accepted."""
        wording = document.improved
        if wording is None:
            try:
                with metrics.step("improve"):
                    improved = await improver.improve(document.transcript())
            except EngineProblem as problem:
                log.warning("transcript not improved", recording=str(recording.id), reason=str(problem))
                return {}
            if not improved.accepted_parts:
                return {}
            wording = improved.text
            await write_document(self.storage, recording.file_path, document.with_improved(wording))
        return {"improved_transcript": wording, "improvement_completed_at": utc_now()}


def _row_values(document: TranscriptDocument) -> dict[str, Any]:
    """The columns of a transcript, and its speakers."""
    return {
        "original_transcript": document.text,
        "transcription_engine": document.engine[:LONGEST_ENGINE_NAME],
        "transcription_completed_at": utc_now(),
        "speakers": document.spoken(),
    }
