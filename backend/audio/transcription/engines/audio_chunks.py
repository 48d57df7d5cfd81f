"""Samples in stretches of some minutes, cut where it is quiet, so that memory doesn't grow with their length."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audio.transcription.contract import SAMPLES_HERTZ

STRETCH_SECONDS = 600
SEARCH_SECONDS = 30  # a cut is looked for in the end of a stretch
QUIET_SECONDS = 0.2
_FULL_SCALE = 32768


def stretches(samples: Path) -> Iterator[tuple[float, Any]]:
    """Where each stretch begins, in seconds, and its samples, as floats from -1 to 1. Raises OSError."""
    whole, begin = np.memmap(samples, np.int16, mode="r"), 0
    while begin < len(whole):
        stretch = whole[begin : begin + STRETCH_SECONDS * SAMPLES_HERTZ].astype(np.float32) / _FULL_SCALE
        if begin + len(stretch) < len(whole):
            stretch = stretch[: _quietest(stretch)]
        yield begin / SAMPLES_HERTZ, stretch
        begin += len(stretch)


def _quietest(samples: Any) -> int:
    """The middle of the quietest moment near the end."""
    window = int(QUIET_SECONDS * SAMPLES_HERTZ)
    offset = len(samples) - SEARCH_SECONDS * SAMPLES_HERTZ
    moments = samples[offset : offset + (len(samples) - offset) // window * window].reshape(-1, window)
    return offset + int(np.square(moments).sum(axis=1).argmin()) * window + window // 2
