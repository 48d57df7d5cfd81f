"""Decodes a recording, in a child, into a file of mono samples for an engine on this machine."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from audio.model.demuxers import DEMUXERS
from audio.model.recognition import Recognition, recognise_file
from audio.processing.decoding import Decoder, DecodingLimits
from audio.processing.open_files import new_file, opened
from audio.transcription.contract import LONGEST_SECONDS, SAMPLE_BYTES, SAMPLES_HERTZ
from storage.threads import in_thread

_LIMITS = DecodingLimits(output_bytes=(LONGEST_SECONDS + 60) * SAMPLES_HERTZ * SAMPLE_BYTES)


@dataclass(frozen=True, kw_only=True)
class SampleFiles:
    """Writes samples into the folder `scratch`; None: the system's folder for temporary files."""

    decoder: Decoder
    scratch: Path | None
    limits: DecodingLimits = _LIMITS

    @asynccontextmanager
    async def of(self, recording: Path) -> AsyncIterator[Path]:
        """A file of samples as the engines' contract describes them, removed after the block.

        Raises NotAudio, DecodingFailed, DecoderUnavailable, DecoderKilled, OSError.
        """
        with tempfile.TemporaryDirectory(prefix="samples-", dir=self.scratch) as folder:
            samples = Path(folder) / "samples"
            recognition = await in_thread(lambda: _recognition(recording))
            async with opened(recording) as source, new_file(samples) as target:
                await self.decoder.run(
                    "samples",
                    source=source,
                    target=target,
                    limits=self.limits,
                    demuxer=DEMUXERS[recognition.audio.name],
                    start=recognition.start,
                    longest_seconds=LONGEST_SECONDS,
                )
            yield samples


def _recognition(recording: Path) -> Recognition:
    with recording.open("rb") as file:
        return recognise_file(file)
