"""The quick step: a recording is decoded once, and what it is, how it looks and how browsers play it is kept."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from audio.events.announcements import announce
from audio.model import repository
from audio.model.artifacts import playback_name, waveform_name
from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.model.formats import HEAD_BYTES, AudioFormat, NotAudio, recognise
from audio.model.manifest import Found, follow_row, read_manifest
from audio.processing.decoding import Decoder, DecoderKilled, DecodingFailed, DecodingLimits
from audio.processing.local_copy import store, stored_file
from audio.processing.playback import Variant, make_playback, variant_due
from audio.processing.probing import Examined, examine
from audio.processing.status import UNDER_WAY, Gone, commit_lazily, take_further
from core.database.engine import Sessions
from core.observability import metrics
from storage.contract import Storage
from storage.threads import in_thread

log = structlog.get_logger(__name__)
VARIANT_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class ExaminationStep:
    """Probes, draws and makes playable, `decoding` recordings at once."""

    sessions: Sessions
    storage: Storage
    decoder: Decoder
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    scratch: Path | None = None  # the folder for files that are made; None: the system's
    limits: DecodingLimits = field(default_factory=DecodingLimits)

    async def found(self, recording: AudioFile, *, is_all: bool) -> Found:
        """What a recording is; it is decoded only where that isn't known yet. Where that `is_all`, it is completed.

        Raises NotAudio, DecodingFailed, DecoderUnavailable, DecoderKilled, BytesMissing, Gone, or what another try may
        overcome.
        """
        manifest = await read_manifest(self.storage, recording.file_path)
        found = manifest.found
        if found is None:
            with metrics.step("examine"):
                found = await self._examine(recording.file_path)
        elif (recording.duration_seconds, recording.mime_type) == (
            found.duration_seconds,
            found.mime_type or manifest.mime_type,
        ):
            if is_all:
                await take_further(self.sessions, recording.id, storage=self.storage, to=ProcessingStatus.COMPLETED)
            return found  # else its worker was killed before the row could tell of it
        await self._tell(recording, found, is_all=is_all)
        return found

    async def _examine(self, path: str) -> Found:
        """What it is; waveform and playback variant lie beside its bytes then."""
        async with self.decoding, stored_file(self.storage, path, scratch=self.scratch) as file:
            audio = await self._recognised(path)
            examined = await examine(file, audio=audio, decoder=self.decoder, limits=self.limits)
            variant = variant_due(audio, examined.probe)
            if variant is not None:
                variant = await self._make_playable(path, file, audio=audio, variant=variant)
        await self.storage.replace(waveform_name(path), examined.waveform.to_json())
        return _found(examined, variant)

    async def _tell(self, recording: AudioFile, found: Found, *, is_all: bool) -> None:
        """What was found goes into the manifest, with the recording's end where that is all, and then into the row."""
        async with self.sessions() as session:
            await commit_lazily(session)
            locked = await repository.find_and_lock(session, recording.id, owner=None)
            if locked is None or locked.processing_status not in UNDER_WAY:
                raise Gone
            locked.duration_seconds = found.duration_seconds
            locked.mime_type = found.mime_type or locked.mime_type
            await announce(session, recording.id, change="examined")
            if is_all:
                locked.processing_status = ProcessingStatus.COMPLETED
                await announce(session, recording.id, change="progressed")
            await follow_row(self.storage, locked, found=found)
            await session.commit()

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
            make = partial(make_playback, audio=audio, variant=variant, decoder=self.decoder, limits=self.limits)
            for _ in range(VARIANT_TRIES):
                try:
                    await make(file, target)
                    break
                except DecodingFailed as failure:
                    log.warning("no playback variant", name=name, reason=failure.reason)
                    return None
                except DecoderKilled:
                    log.warning("the process that made a playback variant was killed", name=name)
            else:
                return None
            await self.storage.delete(name)  # what an earlier try may have left, perhaps half of it
            await in_thread(partial(store, target, self.storage, name))
        return variant


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
        coarse=probe.coarse,
        playback_extension=variant.audio.extension if variant else None,
        playback_mime_type=variant.audio.mime_type if variant else None,
        mime_type=probe.mime_type,
    )
