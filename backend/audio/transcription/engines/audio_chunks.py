"""Splits samples into chunks of some minutes, at quiet moments, so that memory doesn't grow with their length."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audio.transcription.contract import SAMPLES_HERTZ

CHUNK_SECONDS = 600
SEARCH_SECONDS = 30  # at the end of a chunk, to find a quiet moment
QUIET_SECONDS = 0.2
_FULL_SCALE = 32768


def split(samples: Path) -> Iterator[tuple[float, Any]]:
    """Each chunk's start in seconds, and its samples as floats from -1 to 1. Raises OSError."""
    whole, begin = np.memmap(samples, np.int16, mode="r"), 0
    while begin < len(whole):
        chunk = _as_floats(whole[begin : begin + CHUNK_SECONDS * SAMPLES_HERTZ])
        if begin + len(chunk) < len(whole):
            chunk = chunk[: _quietest(chunk)]
        yield begin / SAMPLES_HERTZ, chunk
        begin += len(chunk)


def beginning(samples: Path, *, longest_seconds: int) -> Any:
    """The samples of the first `longest_seconds`, as floats from -1 to 1. Raises OSError."""
    return _as_floats(np.memmap(samples, np.int16, mode="r")[: longest_seconds * SAMPLES_HERTZ])


def _as_floats(samples: Any) -> Any:
    return samples.astype(np.float32) / np.float32(_FULL_SCALE)


def _quietest(samples: Any) -> int:
    """The middle of the quietest moment in the last SEARCH_SECONDS."""
    window = int(QUIET_SECONDS * SAMPLES_HERTZ)
    offset = len(samples) - SEARCH_SECONDS * SAMPLES_HERTZ
    moments = samples[offset : offset + (len(samples) - offset) // window * window].reshape(-1, window)
    return offset + int(np.square(moments).sum(axis=1).argmin()) * window + window // 2
