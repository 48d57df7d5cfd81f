"""One clock for a recording: where its presentation times leave a gap, there is silence.

So everything that counts samples goes by the time that a player shows: duration, waveform, transcript and variant.
"""

from collections.abc import Iterator
from fractions import Fraction

from av.audio.frame import AudioFrame

TOLERANCE_SECONDS = 0.1  # times are rounded, to milliseconds in WebM
LONGEST_SILENCE_SECONDS = 12 * 3600  # of all gaps: a few bytes can claim years
_BACKWARDS_SECONDS = 0.5
_SILENT_SAMPLES = 16 * 1024
_MOST_CHANNELS = 8  # PyAV counts the planes of more wrongly


class Timeline:
    """The frames of a stream in their order, with silence where their times leave a gap.

    Times before `origin` count from 0. Where they jump back, or by hours, the clock goes on as if they didn't, and
    `is_steady` is False.
    """

    def __init__(self, *, origin: float) -> None:
        self._origin = origin
        self._end_seconds = 0.0
        self.silent_seconds = 0.0
        self.is_steady = True

    def place(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The frame, and before it the silence since the last one."""
        gap = self._gap(frame)
        if TOLERANCE_SECONDS < gap <= LONGEST_SILENCE_SECONDS - self.silent_seconds:
            yield from _silence(frame, gap)
            self.silent_seconds += gap
            self._end_seconds += gap
        elif gap > TOLERANCE_SECONDS or gap < -_BACKWARDS_SECONDS:
            self._origin += gap
            self.is_steady = False
        self._end_seconds += frame.samples / frame.sample_rate
        yield frame

    def _gap(self, frame: AudioFrame) -> float:
        if frame.pts is None or frame.time_base is None or frame.layout.nb_channels > _MOST_CHANNELS:
            return 0.0
        return float(frame.pts * frame.time_base) - self._origin - self._end_seconds


def _silence(like: AudioFrame, seconds: float) -> Iterator[AudioFrame]:
    """Silent frames of another frame's kind."""
    remaining = round(seconds * like.sample_rate)
    silent = None
    while remaining > 0:
        samples = min(remaining, _SILENT_SAMPLES)
        if silent is None or silent.samples != samples:
            silent = _silent_frame(like, samples)
        yield silent
        remaining -= samples


def _silent_frame(like: AudioFrame, samples: int) -> AudioFrame:
    frame = AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples)
    for plane in frame.planes:
        plane.update((b"\x80" if like.format.packed.name == "u8" else b"\0") * plane.buffer_size)
    frame.sample_rate, frame.time_base = like.sample_rate, Fraction(1, like.sample_rate)
    return frame
