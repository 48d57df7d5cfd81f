"""Processes a new recording step by step. Each step checks whether it was done already.

    examination ──▶ transcription, in the slow lane, where there is an engine ──▶ completed, or failed with a reason

After a crash the next process resumes from there: a step stores its result beside the bytes before it updates the row.
"""

from dataclasses import dataclass
from uuid import UUID

import structlog

from audio.model import repository
from audio.model.artifacts import artifacts
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.model.formats import NotAudio
from audio.processing import status
from audio.processing.decoding import DecodingFailed
from audio.processing.examination_step import ExaminationStep
from audio.processing.jobs import Lane
from audio.processing.status import IN_PROGRESS, StaleRecording
from audio.processing.transcription_step import TranscriptionStep
from audio.transcription.contract import EngineRefused
from core.database.engine import Sessions
from core.observability.metrics import COMPLETED, FAILED
from storage.contract import BytesMissing, Storage

log = structlog.get_logger(__name__)
FINAL = (DecodingFailed, NotAudio, EngineRefused, BytesMissing)  # a retry wouldn't help


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Processes recordings; `transcribing` is None without an engine."""

    sessions: Sessions
    storage: Storage
    examination: ExaminationStep
    transcribing: TranscriptionStep | None

    async def process(self, recording_id: UUID, *, lane: Lane) -> Lane | None:
        """Runs a recording's steps of this lane and returns the next lane, None when it is completed or failed.

        Nothing is done where it was deleted, completed or failed before. Raises errors that a retry may overcome:
        EngineBusy, EngineUnreachable, DecoderUnavailable, DecoderKilled, DatabaseProblem, StorageError, OSError.
        """
        async with self.sessions() as session:
            recording = await repository.find(session, recording_id, owner=None)
        if recording is None or recording.processing_status not in IN_PROGRESS:
            return None
        try:
            return await self._run_steps(recording, lane)
        except StaleRecording:
            await self._clean_up(recording)
        except FINAL as reason:
            if not await self.fail(recording_id, str(reason)):
                await self._clean_up(recording)
        return None

    async def fail(self, recording_id: UUID, reason: str) -> bool:
        """Marks a recording as failed; `reason` is a sentence for its user. The file and its damage stay.

        False where it was completed, failed or deleted before.
        """
        async with self.sessions() as session:
            recording = await repository.find_and_lock(session, recording_id, owner=None)
            damage = recording and recording.damaged
            failed = await status.advance(
                session,
                recording_id,
                storage=self.storage,
                since=IN_PROGRESS,
                to=ProcessingStatus.FAILED,
                error_message=f"{reason} {damage}" if damage else reason,
            )
        if failed:
            FAILED.inc()
            log.warning("processing failed", recording=str(recording_id), reason=reason)
        return failed

    async def _run_steps(self, recording: AudioFile, lane: Lane) -> Lane | None:
        speech = self.transcribing if self.transcribing and self.transcribing.has_work(recording) else None
        properties = await self.examination.run(recording, is_last=speech is None)
        if speech is not None and lane is Lane.QUICK:
            return Lane.SLOW
        if speech is not None:
            await speech.transcribe(recording, properties)
        COMPLETED.inc()
        log.info("recording completed", recording=str(recording.id))
        return None

    async def _clean_up(self, recording: AudioFile) -> None:
        """Removes the artifacts that were stored after the recording's deletion, if it was deleted."""
        async with self.sessions() as session:
            is_deleted = await repository.find(session, recording.id, owner=None) is None
        if is_deleted:
            for name in artifacts(recording.file_path):
                await self.storage.delete(name)
