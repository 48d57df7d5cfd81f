"""What a recording is, found out by decoding all of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.formats import AudioFormat
from audio.processing.decoding import Decoder, DecodingLimits, Used
from audio.processing.demuxers import DEMUXERS
from audio.processing.opened import opened
from audio.processing.waveform import Waveform


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a recording is. The duration is that of its decoded samples, whatever a header says.

    `codec` is FFmpeg's name for it, `bit_rate` in bits per second that of the sound alone. `silent`: it is never louder
    than Waveform.SILENCE_LEVEL. `seekable`: a player can jump about in the file as it is. `damaged`: some of it could
    not be read, and what could was taken.
    """

    duration_seconds: float
    codec: str
    sample_rate_hz: int
    channels: int
    bit_rate: int
    mime_type: str
    silent: bool
    seekable: bool
    damaged: bool


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A recording's probe and waveform, from one pass, and what that took."""

    probe: Probe
    waveform: Waveform
    used: Used


async def examine(file: Path | int, *, audio: AudioFormat, decoder: Decoder, limits: DecodingLimits) -> Examined:
    """Probes the recording in `file`, a path or a descriptor open for reading, and draws its waveform.

    Raises:
        DecodingFailed: it can't be decoded within the limits, and why.
        DecoderUnavailable, OSError: it wasn't tried.
    """
    async with opened(file) as source:
        found, used = await decoder.run("examine", source=source, limits=limits, demuxer=DEMUXERS[audio.name])
    waveform = Waveform(
        sample_rate_hz=found["sample_rate_hz"], samples_per_pixel=found["samples_per_pixel"], data=tuple(found["data"])
    )
    return Examined(probe=_probe(found, waveform, audio), waveform=waveform, used=used)


def _probe(found: dict[str, Any], waveform: Waveform, audio: AudioFormat) -> Probe:
    return Probe(
        **{
            name: found[name]
            for name in ("duration_seconds", "codec", "sample_rate_hz", "channels", "bit_rate", "seekable")
        },
        mime_type=audio.mime_type,
        silent=waveform.silent,
        damaged=found["unreadable_packets"] > 0,
    )
