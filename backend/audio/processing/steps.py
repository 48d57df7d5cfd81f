"""What is done with a recording that has come in, step by step. Each step finds out whether it was done already.

Whatever ends a process in between, the next one goes on from there: what a step has found lies beside the bytes before
the row tells of it.
"""

import asyncio
import tempfile
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog

from audio import repository
from audio.companions import companions, playback_name, waveform_name
from audio.events.announcements import announce
from audio.formats import HEAD_BYTES, AudioFormat, recognise
from audio.incoming import NotAudio
from audio.manifest import Found, amend_manifest, read_manifest
from audio.models import AudioFile, ProcessingStatus, utc_now
from audio.processing import progress
from audio.processing.decoding import Decoder, DecodingFailed, DecodingLimits
from audio.processing.playback import Variant, make_playback, variant_due
from audio.processing.probing import Examined, examine
from audio.processing.progress import UNDER_WAY
from audio.processing.stored import store, stored_file
from audio.repository import Sessions
from audio.transcription.contract import Engine, EngineProblem, EngineRefused, Transcript
from audio.transcription.document import TranscriptDocument, read_document, write_document
from audio.transcription.improve import Improver
from core.errors import PegasusError
from storage.blocking import in_thread
from storage.contract import BytesMissing, Storage

log = structlog.get_logger(__name__)
FINAL = (DecodingFailed, NotAudio, EngineRefused, BytesMissing)  # another try would end alike
LONGEST_ENGINE_NAME = 50
UPLOADED, TRANSCRIBING, IMPROVING = UNDER_WAY


class _Gone(PegasusError):
    """The recording was deleted, or somebody else has taken it further."""


@dataclass(frozen=True, kw_only=True)
class Processing:
    """Probes, draws, makes playable, and has transcribed and improved where an engine is there for it."""

    sessions: Sessions
    storage: Storage
    decoder: Decoder
    engine: Engine | None = None
    improver: Improver | None = None
    language: str | None = None
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))  # how many at once
    scratch: Path | None = None  # the folder for files that are made; None: the system's
    limits: DecodingLimits = field(default_factory=DecodingLimits)

    async def process(self, recording_id: UUID) -> None:
        """Takes a recording from wherever it is to completed, or to failed with a reason.

        One that was deleted meanwhile, or is at its end, is left alone. Raises whatever another try may overcome:
        EngineBusy, EngineUnreachable, DecoderUnavailable, DatabaseProblem, StorageError, OSError.
        """
        async with self.sessions() as session:
            recording = await repository.find(session, recording_id, owner=None)
        if recording is None or recording.processing_status not in UNDER_WAY:
            return
        try:
            await self._take_through(recording)
        except _Gone:
            await self._clean_up(recording)
        except FINAL as reason:
            if not await self.fail(recording_id, str(reason)):
                await self._clean_up(recording)

    async def fail(self, recording_id: UUID, reason: str) -> bool:
        """Ends a recording's way as failed; `reason` is a sentence for its user. The file stays.

        False where its way has ended already, or it was deleted.
        """
        async with self.sessions() as session:
            failed = await progress.advance(
                session, recording_id, since=UNDER_WAY, to=ProcessingStatus.FAILED, error_message=reason
            )
        if failed:
            log.warning("processing failed", recording=str(recording_id), reason=reason)
        return failed

    async def _take_through(self, recording: AudioFile) -> None:
        found = (await read_manifest(self.storage, recording.file_path)).found or await self._examine(recording)
        heard = recording.original_transcript is not None and recording.processing_status is not IMPROVING
        if self.engine is None or heard:
            await self._complete(recording)
        else:
            await self._transcribe(recording, found, self.engine)

    async def _examine(self, recording: AudioFile) -> Found:
        """Decodes it once: what it is goes into manifest and row, its waveform and playback variant beside it."""
        path = recording.file_path
        async with self.decoding, stored_file(self.storage, path) as file:
            audio = await self._recognised(path)
            examined = await examine(file, audio=audio, decoder=self.decoder, limits=self.limits)
            variant = variant_due(audio, examined.probe)
            if variant is not None:
                variant = await self._make_playable(path, file, audio=audio, variant=variant)
        await self.storage.replace(waveform_name(path), examined.waveform.to_json())
        found = _found(examined, variant)
        async with self.sessions() as session:
            locked = await repository.find_and_lock(session, recording.id, owner=None)
            if locked is None:
                raise _Gone
            await amend_manifest(self.storage, path, {"found": found, "mime_type": examined.probe.mime_type})
            locked.duration_seconds = found.duration_seconds
            locked.mime_type = examined.probe.mime_type
            await announce(session, recording.id, change="examined")
            await session.commit()
        return found

    async def _recognised(self, path: str) -> AudioFormat:
        head = b"".join([piece async for piece in self.storage.read(path, stop=HEAD_BYTES)])
        audio = recognise(head)
        if audio is None:
            raise NotAudio
        return audio

    async def _make_playable(self, path: str, file: Path, *, audio: AudioFormat, variant: Variant) -> Variant | None:
        """Puts the variant beside the bytes; where it can't be made, the recording is no worse than it came."""
        name = playback_name(path, extension=variant.audio.extension)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            target = Path(folder) / f"playback.{variant.audio.extension}"
            try:
                await make_playback(
                    file, target, audio=audio, variant=variant, decoder=self.decoder, limits=self.limits
                )
            except DecodingFailed as failure:
                log.warning("no playback variant", name=name, reason=failure.reason)
                return None
            await self.storage.delete(name)  # what an earlier try may have left, perhaps half of it
            await in_thread(partial(store, target, self.storage, name))
        return variant

    async def _transcribe(self, recording: AudioFile, found: Found, engine: Engine) -> None:
        status = recording.processing_status
        if status is UPLOADED:
            await self._advance(recording, since=[UPLOADED], to=TRANSCRIBING, transcription_started_at=utc_now())
        document = await self._document(recording, found, engine)
        told = {} if status is IMPROVING else _told(document)
        if self.improver is None or not document.text:
            await self._complete(recording, **told)
            return
        if status is not IMPROVING:
            await self._advance(recording, since=[TRANSCRIBING], to=IMPROVING, **told)
        await self._complete(recording, **await self._improved(recording, document.transcript(), self.improver))

    async def _document(self, recording: AudioFile, found: Found, engine: Engine) -> TranscriptDocument:
        """What the engine heard; it isn't asked again for what it has already told."""
        path = recording.file_path
        try:
            return await read_document(self.storage, path)
        except (BytesMissing, ValueError):
            pass
        async with AsyncExitStack() as stack:
            # Services take fewer formats than browsers do.
            extension = found.playback_extension
            heard = playback_name(path, extension=extension) if extension else path
            file = await stack.enter_async_context(stored_file(self.storage, heard))
            transcript = await engine.transcribe(file, language=self.language)
        document = TranscriptDocument.of(transcript, engine=engine.name)
        await write_document(self.storage, path, document)
        return document

    async def _improved(self, recording: AudioFile, transcript: Transcript, improver: Improver) -> dict[str, object]:
        """The improved wording, as columns; none where the model has nothing to offer: the original is still good."""
        try:
            improved = await improver.improve(transcript)
        except EngineProblem as problem:
            log.warning("transcript not improved", recording=str(recording.id), reason=str(problem))
            return {}
        if not improved.kept:
            return {}
        return {"improved_transcript": improved.text, "improvement_completed_at": utc_now()}

    async def _complete(self, recording: AudioFile, **changes: object) -> None:
        await self._advance(recording, since=UNDER_WAY, to=ProcessingStatus.COMPLETED, **changes)
        log.info("recording completed", recording=str(recording.id))

    async def _advance(
        self, recording: AudioFile, *, since: Collection[ProcessingStatus], to: ProcessingStatus, **changes: object
    ) -> None:
        async with self.sessions() as session:
            if not await progress.advance(session, recording.id, since=since, to=to, **changes):
                raise _Gone

    async def _clean_up(self, recording: AudioFile) -> None:
        """Removes what was put beside the bytes after their deletion, unless the recording is still there."""
        async with self.sessions() as session:
            there = await repository.find(session, recording.id, owner=None)
        if there is None:
            for name in companions(recording.file_path):
                await self.storage.delete(name)


def _told(document: TranscriptDocument) -> dict[str, object]:
    """What the row tells of a transcript."""
    return {
        "original_transcript": document.text,
        "transcription_engine": document.engine[:LONGEST_ENGINE_NAME],
        "transcription_completed_at": utc_now(),
    }


def _found(examined: Examined, variant: Variant | None) -> Found:
    probe = examined.probe
    return Found(
        duration_seconds=probe.duration_seconds,
        codec=probe.codec,
        sample_rate_hz=probe.sample_rate_hz,
        channels=probe.channels,
        bit_rate=probe.bit_rate,
        silent=probe.silent,
        damaged=probe.damaged,
        playback_extension=variant.audio.extension if variant else None,
        playback_mime_type=variant.audio.mime_type if variant else None,
    )
