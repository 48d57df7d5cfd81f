"""One pass over a recording: what it is, how long it sounds, and its peaks."""

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame

from audio.processing.decoder.opening import File, Frames, Refused, open_recording, sound_of
from audio.processing.decoder.peaks import Peaks
from audio.processing.decoder.seeking import can_seek
from audio.processing.decoder.steady import Steady


def examine(source: File, _target: File | None = None, *, demuxer: str) -> dict[str, Any]:
    """What audio/processing/probing.py and audio/processing/waveform.py make their values of. Raises Refused.

    The duration is that of the decoded samples: a header may lie or be absent, and a bit rate only estimates.
    """
    with open_recording(source, demuxer=demuxer) as container:
        duration_stated = bool(container.duration)
        frames = Frames(container, sound_of(container))
        heard = _Heard()
        for frame in frames:
            heard.add(frame)
    if not heard.peaks.samples:
        raise Refused("no sound in it could be decoded")
    lows, highs = heard.peaks.finish()
    seconds = heard.peaks.samples / heard.rate
    return {
        "codec": frames.codec,
        "sample_rate_hz": heard.rate,
        "channels": heard.channels,
        "duration_seconds": seconds,
        "bit_rate": round(frames.packet_bytes * 8 / seconds),
        "seekable": can_seek(source, demuxer=demuxer, duration_stated=duration_stated),
        "unreadable_packets": frames.unreadable,
        "samples_per_pixel": heard.peaks.samples_per_pixel,
        "data": np.column_stack((lows, highs)).ravel().tolist(),
    }


class _Heard:
    """What the frames add up to. Rate and channels are the first frame's: the header's may differ (HE-AAC)."""

    def __init__(self) -> None:
        self.rate = 0
        self.channels = 0
        self.peaks = Peaks()
        self._steady: Steady | None = None

    def add(self, frame: AudioFrame) -> None:
        """Takes a frame in. One of another rate is brought to the first one's, so that a pixel stays as long."""
        if not self.rate:
            self.rate, self.channels = frame.sample_rate, frame.layout.nb_channels
        if frame.sample_rate == self.rate:
            self.peaks.add(frame)
            return
        self._steady = self._steady or Steady(rate=self.rate)
        for resampled in self._steady(frame):
            self.peaks.add(resampled)
