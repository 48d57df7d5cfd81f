"""One pass over a recording, for its properties, duration and peaks."""

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame

from audio.processing.decoder.chained_streams import Section
from audio.processing.decoder.frames import RAW_DEMUXERS, OutOfTime
from audio.processing.decoder.losses import is_reckoned_right, lost_seconds
from audio.processing.decoder.opening import File, Refused
from audio.processing.decoder.peaks import Peaks
from audio.processing.decoder.sound import Sound
from audio.processing.decoder.sparse_decoding import SparseDecoding
from audio.processing.decoder.structure import structure_of
from audio.processing.decoder.timeline import TOLERANCE_SECONDS
from audio.processing.decoder.uniform_frames import UniformFrames

_OVERSTATED_SHARE, _OVERSTATED_SECONDS = 1.05, 2  # headers count pre-skip, and the packets of other tracks


def examine(
    source: File, _target: File | None = None, *, demuxer: str, start: int = 0, cpu_seconds: float
) -> dict[str, Any]:
    """The values for audio/processing/probing.py and audio/processing/waveform.py. Raises Refused.

    The recording begins at the byte `start`. Its duration is that of the decoded samples, with silence where their
    times leave a gap: a header may be wrong or absent, and a bit rate only estimates. What isn't decoded in
    `cpu_seconds` is examined again, more coarsely, and its duration is estimated from that.
    """
    try:
        return _examine(source, Sound(source, demuxer=demuxer, start=start, cpu_seconds=cpu_seconds), start=start)
    except OutOfTime:
        sparse = Sound(source, demuxer=demuxer, start=start, kind=SparseDecoding)
        return _examine(source, sparse, start=start, coarse=True)


def _examine(source: File, sound: Sound, *, start: int, coarse: bool = False) -> dict[str, Any]:
    totals = _Totals()
    for frame in sound:
        totals.add(frame)
    totals.finish()
    if not totals.peaks.samples:
        raise Refused("no sound in it could be decoded")
    lows, highs = totals.peaks.finish()
    seconds = totals.peaks.samples * sound.times_longer / totals.rate
    file = Section(source, start)
    structure = structure_of(file, demuxer=sound.demuxer, duration_stated=bool(sound.stated_seconds))
    return {
        "codec": sound.codec,
        "sample_rate_hz": totals.rate,
        "channels": totals.channels,
        "duration_seconds": seconds,
        "lost_seconds": 0.0 if coarse else lost_seconds(file, sound, structure),
        "bit_rate": round(sound.packet_bytes * 8 / seconds),
        "seekable": structure.has_index and (sound.demuxer != "mp3" or coarse or is_reckoned_right(file, sound)),
        "states_length": bool(sound.stated_seconds),
        "continuous": _is_continuous(sound) and (coarse or not _is_overstated(sound, seconds)),
        "begins_at_zero": abs(sound.begins_at) <= TOLERANCE_SECONDS,
        "unreadable_packets": sound.unreadable,
        "coarse": coarse,
        "samples_per_pixel": round(totals.peaks.samples_per_pixel * sound.times_longer),
        "data": np.column_stack((lows, highs)).ravel().tolist(),
    }


def _is_overstated(sound: Sound, seconds: float) -> bool:
    """Whether players are told of a longer sound than there is; of a film they are told the pictures' length.

    FFmpeg only estimates it for streams of frames.
    """
    if sound.has_pictures or sound.demuxer in RAW_DEMUXERS:
        return False
    return (sound.stated_seconds or 0.0) > seconds * _OVERSTATED_SHARE + _OVERSTATED_SECONDS


def _is_continuous(sound: Sound) -> bool:
    """Whether it is one stream without gaps, changes of format and errors, so that its packets can be copied.

    A copy has their times: where these jump it would be too long, and what isn't later than the last one left out.
    """
    is_whole = sound.is_steady and not sound.silent_seconds and not sound.unreadable
    return sound.links == 1 and sound.is_uniform and is_whole


class _Totals:
    """Totals over the frames. Rate and channels are the first frame's: the header's may differ (HE-AAC)."""

    def __init__(self) -> None:
        self.rate = 0
        self.channels = 0
        self.peaks = Peaks()
        self._resampler: UniformFrames | None = None

    def add(self, frame: AudioFrame) -> None:
        """Adds a frame. One of another rate is resampled to the first one's, so that all pixels are as long."""
        if not self.rate:
            self.rate, self.channels = frame.sample_rate, frame.layout.nb_channels
        if frame.sample_rate == self.rate:
            self.peaks.add(frame)
            return
        self._resampler = self._resampler or UniformFrames(rate=self.rate)
        for resampled in self._resampler(frame):
            self.peaks.add(resampled)

    def finish(self) -> None:
        """Adds what the resampler holds back."""
        if self._resampler is not None:
            for resampled in self._resampler.flush():
                self.peaks.add(resampled)
