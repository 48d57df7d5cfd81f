"""The lowest and the highest sample of each stretch of a recording, taken while it streams by.

There are never more than PIXELS stretches: when they are full, each two become one, twice as long. So memory is flat,
the length needn't be known before, and a short recording is drawn as finely as a long one.
"""

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

PIXELS = 4096
FINEST_SAMPLES = 64  # 8 ms at 8 kHz
_LONGEST_STEP = 1024  # numpy is quick on stretches of this length; longer ones are made of these
_BLOCK_SAMPLES = 65536

Samples = NDArray[Any]
Levels = NDArray[np.int16]


class Peaks:
    """Takes frames in. A level is of 16 bits, and the lowest or highest over all channels: they are not mixed, or a
    stereo recording with one side reversed would look silent.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.samples_per_pixel = FINEST_SAMPLES
        self._step = FINEST_SAMPLES
        self._pixels = _Levels()
        self._steps = _Levels()  # those that don't make a pixel yet
        self._kind: tuple[str, int] | None = None
        self._planes: list[bytearray] = []
        self._type: np.dtype[Any] = np.dtype(np.int16)
        self._sample_bytes = 0  # in one plane

    def add(self, frame: AudioFrame) -> None:
        """Takes the samples of a frame in; its format and channels may differ from those before."""
        kind = (frame.format.name, frame.layout.nb_channels)
        if kind != self._kind:
            self._reduce(rest=True)
            self._kind = kind
            self._type = _TYPES[frame.format.packed.name]
            self._planes = [bytearray() for _ in range(kind[1] if frame.format.is_planar else 1)]
            self._sample_bytes = frame.format.bytes * kind[1] // len(self._planes)
        size = frame.samples * self._sample_bytes
        # A plane is padded; and of more than eight, PyAV doesn't know where they end.
        for waiting, plane in zip(self._planes, frame.planes, strict=False):
            waiting.extend(memoryview(plane)[:size])
        self.samples += frame.samples
        if len(self._planes[0]) >= _BLOCK_SAMPLES * self._sample_bytes:
            self._reduce()

    def finish(self) -> tuple[Levels, Levels]:
        """The lowest and the highest level of each stretch; the last may be a shorter one."""
        self._reduce(rest=True)
        if len(self._steps):
            self._pixels.append(*self._steps.taken(len(self._steps), by=len(self._steps)))
        return self._pixels.lows, self._pixels.highs

    def _reduce(self, *, rest: bool = False) -> None:
        """Makes steps of what waits: the whole ones, and with `rest` a last one that is shorter."""
        if self._kind is None:
            return
        length, step_bytes = len(self._planes[0]), self._step * self._sample_bytes
        whole = length // step_bytes * step_bytes
        for begin, end, count in ((0, whole, whole // step_bytes), (whole, length if rest else whole, 1)):
            if end > begin:
                steps = [np.frombuffer(plane[begin:end], self._type).reshape(count, -1) for plane in self._planes]
                self._steps.append(
                    np.minimum.reduce([_level(samples.min(axis=1)) for samples in steps]),
                    np.maximum.reduce([_level(samples.max(axis=1)) for samples in steps]),
                )
        for plane in self._planes:
            del plane[: length if rest else whole]
        self._gather()

    def _gather(self) -> None:
        """Makes pixels of the steps that wait, and halves the pixels whenever there are too many."""
        while len(self._steps) >= (steps := self.samples_per_pixel // self._step):
            room = PIXELS - len(self._pixels)
            self._pixels.append(*self._steps.taken(min(room, len(self._steps) // steps) * steps, by=steps))
            if len(self._pixels) == PIXELS:
                self._pixels.append(*self._pixels.taken(PIXELS, by=2))
                self.samples_per_pixel *= 2
                if not len(self._steps):
                    self._step = min(self.samples_per_pixel, _LONGEST_STEP)


class _Levels:
    """Pairs of levels, in order."""

    def __init__(self) -> None:
        self.lows, self.highs = _NONE, _NONE

    def __len__(self) -> int:
        return len(self.lows)

    def append(self, lows: Levels, highs: Levels) -> None:
        self.lows, self.highs = np.concatenate((self.lows, lows)), np.concatenate((self.highs, highs))

    def taken(self, count: int, *, by: int) -> tuple[Levels, Levels]:
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


def _level(samples: Samples) -> Levels:
    """Samples of any of FFmpeg's formats as 16-bit levels."""
    match samples.dtype.kind:
        case "u":
            return (samples.astype(np.int16) - 128) << 8
        case "i":
            return (samples >> 8 * (samples.itemsize - 2)).astype(np.int16)
        case _:
            level: Levels = np.nan_to_num(samples * 32768, nan=0).clip(-32768, 32767).round().astype(np.int16)
            return level
