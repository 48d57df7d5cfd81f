"""One pass over a recording, for its properties, duration and peaks."""

import math
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame

from audio.processing.decoder.opening import File, Frames, OutOfTime, Refused, open_recording, sound_of
from audio.processing.decoder.peaks import Peaks
from audio.processing.decoder.seeking import can_seek
from audio.processing.decoder.sparse_decoding import SparseDecoding
from audio.processing.decoder.uniform_frames import UniformFrames


def examine(source: File, _target: File | None = None, *, demuxer: str, cpu_seconds: float) -> dict[str, Any]:
    """The values for audio/processing/probing.py and audio/processing/waveform.py. Raises Refused.

    The duration is that of the decoded samples: a header may be wrong or absent, and a bit rate only estimates. What
    isn't decoded in `cpu_seconds` is examined again, more coarsely, and its duration is estimated from that.
    """
    try:
        return _examine(source, demuxer, kind=Frames, cpu_seconds=cpu_seconds)
    except OutOfTime:
        return _examine(source, demuxer, kind=SparseDecoding, cpu_seconds=math.inf)


def _examine(source: File, demuxer: str, *, kind: type[Frames], cpu_seconds: float) -> dict[str, Any]:
    with open_recording(source, demuxer=demuxer) as container:
        duration_stated = bool(container.duration)
        frames = kind(container, sound_of(container), cpu_seconds=cpu_seconds)
        totals = _Totals()
        for frame in frames:
            totals.add(frame)
    if not totals.peaks.samples:
        raise Refused("no sound in it could be decoded")
    lows, highs = totals.peaks.finish()
    seconds = totals.peaks.samples * frames.times_longer() / totals.rate
    return {
        "codec": frames.codec,
        "sample_rate_hz": totals.rate,
        "channels": totals.channels,
        "duration_seconds": seconds,
        "bit_rate": round(frames.packet_bytes * 8 / seconds),
        "seekable": can_seek(source, demuxer=demuxer, duration_stated=duration_stated),
        "unreadable_packets": frames.unreadable,
        "coarse": kind is SparseDecoding,
        "samples_per_pixel": round(totals.peaks.samples_per_pixel * frames.times_longer()),
        "data": np.column_stack((lows, highs)).ravel().tolist(),
    }


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
