"""The quick step: decodes a recording once, and stores its properties, waveform and playback variant."""

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
from audio.model.damage import Damage
from audio.model.manifest import Found, follow_row, read_manifest
from audio.model.recognition import Recognition, recognise_file
from audio.processing.decoding import Decoder, DecoderKilled, DecodingFailed, DecodingLimits
from audio.processing.local_copy import store, stored_file
from audio.processing.playback import Variant, make_playback, variant_for
from audio.processing.probing import Examined, examine
from audio.processing.status import IN_PROGRESS, StaleRecording, advance_or_raise, commit_asynchronously
from core.database.engine import Sessions
from core.observability import metrics
from storage.contract import Storage
from storage.threads import in_thread

log = structlog.get_logger(__name__)
VARIANT_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class ExaminationStep:
    """Probes recordings and makes their artifacts. `decoding` limits how many at once."""

    sessions: Sessions
    storage: Storage
    decoder: Decoder
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    scratch: Path | None = None  # the folder for temporary files; None: the system's
    limits: DecodingLimits = field(default_factory=DecodingLimits)

    async def run(self, recording: AudioFile, *, is_last: bool) -> Found:
        """Returns a recording's properties; it is decoded only where its manifest lacks them.

        When this step `is_last`, the recording is completed with it.

        Raises NotAudio, DecodingFailed, DecoderUnavailable, DecoderKilled, BytesMissing, StaleRecording, or what
        another try may overcome.
        """
        manifest = await read_manifest(self.storage, recording.file_path)
        properties = manifest.found
        if properties is None:
            with metrics.step("examine"):
                properties = await self._examine(recording.file_path)
        elif (recording.duration_seconds, recording.mime_type, recording.error_message) == (
            properties.duration_seconds,
            properties.mime_type or manifest.mime_type,
            _message(properties),
        ):
            if is_last:
                await advance_or_raise(self.sessions, recording.id, storage=self.storage, to=ProcessingStatus.COMPLETED)
            return properties  # else its worker was killed before it could update the row
        await self._save(recording, properties, is_last=is_last)
        return properties

    async def _examine(self, path: str) -> Found:
        """Decodes a recording, stores waveform and playback variant, and returns its properties."""
        async with self.decoding, stored_file(self.storage, path, scratch=self.scratch) as file:
            recognition = await in_thread(lambda: _recognise(file))
            examined = await examine(file, recognition, decoder=self.decoder, limits=self.limits)
            variant = variant_for(recognition, examined.probe)
            if variant is not None:
                variant = await self._make_playable(path, file, recognition=recognition, variant=variant)
        await self.storage.replace(waveform_name(path), examined.waveform.to_json())
        return _properties(examined, variant)

    async def _save(self, recording: AudioFile, properties: Found, *, is_last: bool) -> None:
        """Writes the properties, and the status when this step `is_last`, to the manifest and then to the row."""
        async with self.sessions() as session:
            await commit_asynchronously(session)
            locked = await repository.find_and_lock(session, recording.id, owner=None)
            if locked is None or locked.processing_status not in IN_PROGRESS:
                raise StaleRecording
            locked.duration_seconds = properties.duration_seconds
            locked.mime_type = properties.mime_type or locked.mime_type
            locked.error_message = _message(properties)
            await announce(session, locked, change="examined")
            if is_last:
                locked.processing_status = ProcessingStatus.COMPLETED
                await announce(session, locked, change="progressed")
            await follow_row(self.storage, locked, found=properties)
            await session.commit()

    async def _make_playable(
        self, path: str, file: Path, *, recognition: Recognition, variant: Variant
    ) -> Variant | None:
        """Stores the variant beside the bytes; None where it can't be made, which leaves the recording as it came."""
        name = playback_name(path, extension=variant.audio.extension)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            target = Path(folder) / f"playback.{variant.audio.extension}"
            make = partial(make_playback, variant=variant, decoder=self.decoder, limits=self.limits)
            for _ in range(VARIANT_TRIES):
                try:
                    await make(file, target, recognition)
                    break
                except DecodingFailed as failure:
                    log.warning("no playback variant", name=name, reason=failure.reason)
                    return None
                except DecoderKilled:
                    log.warning("the process that made a playback variant was killed", name=name)
            else:
                return None
            await self.storage.delete(name)  # an earlier try may have written it, perhaps in part
            await in_thread(partial(store, target, self.storage, name))
        return variant


def _recognise(path: Path) -> Recognition:
    with path.open("rb") as file:
        return recognise_file(file)


def _message(properties: Found) -> str | None:
    """What the row says of a recording of which not all could be read."""
    damage = Damage.of(properties.readable_share)
    return None if damage is None else str(damage)


def _properties(examined: Examined, variant: Variant | None) -> Found:
    probe = examined.probe
    return Found(
        duration_seconds=probe.duration_seconds,
        codec=probe.codec,
        sample_rate_hz=probe.sample_rate_hz,
        channels=probe.channels,
        bit_rate=probe.bit_rate,
        silent=probe.silent,
        damaged=probe.damaged,
        readable_share=probe.readable_share,
        coarse=probe.coarse,
        playback_extension=variant.audio.extension if variant else None,
        playback_mime_type=variant.audio.mime_type if variant else None,
        mime_type=probe.mime_type,
    )
