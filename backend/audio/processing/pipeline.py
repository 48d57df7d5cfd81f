"""The way of a recording that has come in, step by step. Each step finds out whether it was done already.

    examination ──▶ speech, in the other lane, where there is an engine ──▶ completed, or failed with a reason

Whatever ends a process in between, the next one goes on from there: what a step has found lies beside the bytes before
the row tells of it.
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
from audio.processing.status import UNDER_WAY, Gone
from audio.processing.transcription_step import TranscriptionStep
from audio.transcription.contract import EngineRefused
from core.database.engine import Sessions
from core.observability.metrics import COMPLETED, FAILED
from storage.contract import BytesMissing, Storage

log = structlog.get_logger(__name__)
FINAL = (DecodingFailed, NotAudio, EngineRefused, BytesMissing)  # another try would end alike


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Takes recordings along their way; without an engine nothing is transcribed."""

    sessions: Sessions
    storage: Storage
    examination: ExaminationStep
    transcribing: TranscriptionStep | None

    async def process(self, recording_id: UUID, *, lane: Lane) -> Lane | None:
        """Takes a recording from wherever it is to where its way leaves the lane, and returns the lane that follows.

        Where none does, it is completed, or failed with a reason. One that was deleted meanwhile, or is at its end,
        is left alone. Raises whatever another try may overcome: EngineBusy, EngineUnreachable, DecoderUnavailable,
        DecoderKilled, DatabaseProblem, StorageError, OSError.
        """
        async with self.sessions() as session:
            recording = await repository.find(session, recording_id, owner=None)
        if recording is None or recording.processing_status not in UNDER_WAY:
            return None
        try:
            return await self._take_along(recording, lane)
        except Gone:
            await self._clean_up(recording)
        except FINAL as reason:
            if not await self.fail(recording_id, str(reason)):
                await self._clean_up(recording)
        return None

    async def fail(self, recording_id: UUID, reason: str) -> bool:
        """Ends a recording's way as failed; `reason` is a sentence for its user. The file stays.

        False where its way has ended already, or it was deleted.
        """
        async with self.sessions() as session:
            failed = await status.advance(
                session,
                recording_id,
                storage=self.storage,
                since=UNDER_WAY,
                to=ProcessingStatus.FAILED,
                error_message=reason,
            )
        if failed:
            FAILED.inc()
            log.warning("processing failed", recording=str(recording_id), reason=reason)
        return failed

    async def _take_along(self, recording: AudioFile, lane: Lane) -> Lane | None:
        speech = self.transcribing if self.transcribing and self.transcribing.is_due(recording) else None
        found = await self.examination.found(recording, is_all=speech is None)
        if speech is not None and lane is Lane.QUICK:
            return Lane.SLOW
        if speech is not None:
            await speech.transcribe(recording, found)
        COMPLETED.inc()
        log.info("recording completed", recording=str(recording.id))
        return None

    async def _clean_up(self, recording: AudioFile) -> None:
        """Removes what was put beside the bytes after their deletion, unless the recording is still there."""
        async with self.sessions() as session:
            there = await repository.find(session, recording.id, owner=None)
        if there is None:
            for name in artifacts(recording.file_path):
                await self.storage.delete(name)
