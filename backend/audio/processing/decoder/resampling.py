"""Decodes a recording for speech recognition: raw mono samples of 16 bits at 16 kHz, in the machine's byte order."""

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame

from audio.processing.decoder.opening import File, Refused
from audio.processing.decoder.sound import Sound
from audio.processing.decoder.uniform_frames import UniformFrames

_HERTZ = 16_000
_SAMPLE_BYTES = 2


def write_samples(source: File, target: File, *, demuxer: str, start: int = 0, longest_seconds: int) -> dict[str, Any]:
    """Decodes the audio of `source`, which begins at the byte `start`, into the new file `target`. Raises Refused."""
    resampler = UniformFrames(rate=_HERTZ, sample_format="s16", layout="mono")
    remaining_samples = longest_seconds * _HERTZ
    for frame in Sound(source, demuxer=demuxer, start=start):
        for part in resampler(frame):
            remaining_samples -= _write(part, target)
            if remaining_samples < 0:
                raise Refused(f"it sounds for more than {longest_seconds / 3600:.0f} hours")
    for part in resampler.flush():
        remaining_samples -= _write(part, target)
    if remaining_samples == longest_seconds * _HERTZ:
        raise Refused("no sound in it could be decoded")
    return {}


def _write(part: AudioFrame, target: File) -> int:
    samples = np.frombuffer(part.planes[0], np.uint8, count=part.samples * _SAMPLE_BYTES)  # type: ignore[call-overload]
    rest = memoryview(samples)
    while rest:
        rest = rest[target.write(rest) or 0 :]
    return part.samples
