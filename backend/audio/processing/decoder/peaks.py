"""The lowest and the highest sample of each section of a recording, computed while it streams.

There are never more than PIXELS sections: when they are full, each two are merged into one. So memory is constant, the
length needn't be known before, and a short recording gets as many pixels as a long one.
"""

from typing import Any

import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

PIXELS = 4096
FINEST_SAMPLES = 64  # 8 ms at 8 kHz
_LONGEST_STEP = 1024  # numpy is fast on sections of this length; longer ones are merged from these
_BLOCK_SAMPLES = 65536

Samples = NDArray[Any]
Levels = NDArray[np.int16]


class Peaks:
    """Adds up frames. A level has 16 bits, and is the lowest or highest over all channels: if they were mixed, a
    stereo recording with one side inverted would look silent.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.samples_per_pixel = FINEST_SAMPLES
        self._step = FINEST_SAMPLES
        self._pixels = _Levels()
        self._steps = _Levels()  # not enough for a pixel yet
        self._queue = AudioFifo()
        self._channels = 0

    def add(self, frame: AudioFrame) -> None:
        """Adds the samples of a frame; its format and channels may differ from the last one's."""
        frame.pts = None
        if frame.layout.nb_channels != self._channels:  # which the queue doesn't check
            self._begin(frame)
        try:
            self._queue.write(frame)
        except ValueError:
            self._begin(frame)
            self._queue.write(frame)
        self.samples += frame.samples
        while self._queue.samples >= _BLOCK_SAMPLES:
            self._reduce(_BLOCK_SAMPLES)

    def finish(self) -> tuple[Levels, Levels]:
        """The lowest and the highest level of each section; the last may be shorter."""
        self._reduce_rest()
        if len(self._steps):
            self._pixels.append(*self._steps.pop(len(self._steps), by=len(self._steps)))
        return self._pixels.lows, self._pixels.highs

    def _begin(self, frame: AudioFrame) -> None:
        """Empties the queue and begins another, for frames of another format."""
        self._reduce_rest()
        self._queue, self._channels = AudioFifo(), frame.layout.nb_channels

    def _reduce_rest(self) -> None:
        """Reduces all queued samples; the last step may be shorter."""
        rest = self._queue.samples % self._step
        for count in (self._queue.samples - rest, rest):
            if count:
                self._reduce(count)

    def _reduce(self, count: int) -> None:
        """Makes steps of the first `count` queued samples: whole ones, or one that is shorter."""
        block = self._queue.read(count)
        if block is None:
            return
        planes = [plane.reshape(max(1, count // self._step), -1) for plane in _samples(block)]
        self._steps.append(
            np.minimum.reduce([_level(plane.min(axis=1)) for plane in planes]),
            np.maximum.reduce([_level(plane.max(axis=1)) for plane in planes]),
        )
        self._gather()

    def _gather(self) -> None:
        """Merges steps into pixels, and halves the number of pixels whenever there are too many."""
        while len(self._steps) >= (steps := self.samples_per_pixel // self._step):
            room = PIXELS - len(self._pixels)
            self._pixels.append(*self._steps.pop(min(room, len(self._steps) // steps) * steps, by=steps))
            if len(self._pixels) == PIXELS:
                self._pixels.append(*self._pixels.pop(PIXELS, by=2))
                self.samples_per_pixel *= 2
        while self._step < min(self.samples_per_pixel, _LONGEST_STEP) and len(self._steps) % 2 == 0:
            self._steps.append(*self._steps.pop(len(self._steps), by=2))
            self._step *= 2


class _Levels:
    """Pairs of levels, in order."""

    def __init__(self) -> None:
        self.lows, self.highs = _NONE, _NONE

    def __len__(self) -> int:
        return len(self.lows)

    def append(self, lows: Levels, highs: Levels) -> None:
        self.lows, self.highs = np.concatenate((self.lows, lows)), np.concatenate((self.highs, highs))

    def pop(self, count: int, *, by: int) -> tuple[Levels, Levels]:
        """Removes the first `count` pairs, and returns the levels of each `by` of them."""
        lows, highs = self.lows[:count].reshape(-1, by).min(axis=1), self.highs[:count].reshape(-1, by).max(axis=1)
        self.lows, self.highs = self.lows[count:], self.highs[count:]
        return lows, highs


_NONE: Levels = np.empty(0, np.int16)
_TYPES: dict[str, np.dtype[Any]] = {
    "u8": np.dtype(np.uint8),
    "s16": np.dtype(np.int16),
    "s32": np.dtype(np.int32),
    "s64": np.dtype(np.int64),
    "flt": np.dtype(np.float32),
    "dbl": np.dtype(np.float64),
}


def _samples(frame: AudioFrame) -> list[Samples]:
    """The samples of each plane of a frame. Planes are padded, and PyAV counts more than eight wrongly."""
    channels, kind = frame.layout.nb_channels, _TYPES[frame.format.packed.name]
    planes, width = (channels, 1) if frame.format.is_planar else (1, channels)
    return [np.frombuffer(plane, kind, count=frame.samples * width) for plane in frame.planes[:planes]]  # type: ignore[call-overload]


def _level(samples: Samples) -> Levels:
    """Samples of any of FFmpeg's formats as 16-bit levels."""
    match samples.dtype.kind:
        case "u":
            return (samples.astype(np.int16) - 128) << 8
        case "i":
            return (samples >> 8 * (samples.itemsize - 2)).astype(np.int16)
        case _:
            scaled = np.rint(np.minimum(np.maximum(samples * 32768, -32768), 32767))
            scaled[np.isnan(scaled)] = 0
            return scaled.astype(np.int16)  # type: ignore[no-any-return]
