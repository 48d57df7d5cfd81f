"""Peaks, beside the same taken from the whole signal at once."""

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.processing.decoder.peaks import PIXELS, Peaks

FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "flt": 1.0, "dbl": 1.0}


def frame(samples: np.ndarray, kind: str) -> av.AudioFrame:
    """A frame of a signal of shape (channels, count) between -1 and 1."""
    packed = kind.rstrip("p")
    values = samples * FULL_SCALE[packed] + (128 if packed == "u8" else 0)
    array = values.astype({"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}[packed])
    if packed == kind:
        array = array.T.reshape(1, -1)
    made = av.AudioFrame(format=kind, layout=f"{len(samples)} channels", samples=samples.shape[1])
    for row, plane in zip(array, made.planes, strict=False):  # of eight planes or more, PyAV finds no end
        plane.update(row.tobytes())
    made.sample_rate = 8000
    return made


@pytest.mark.parametrize("kind", ["u8", "s16", "s32", "flt", "dbl", "u8p", "s16p", "s32p", "fltp", "dblp"])
@settings(max_examples=15, deadline=None)
@given(
    channels=st.integers(1, 12),
    sizes=st.lists(st.integers(1, 90_000), min_size=1, max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_peaks_are_those_of_the_whole(kind: str, channels: int, sizes: list[int], seed: int) -> None:
    """However a signal is cut into frames, its peaks are the lowest and highest samples of each stretch."""
    signal = np.random.default_rng(seed).uniform(-0.99, 0.99, (channels, sum(sizes)))
    peaks = Peaks()
    for begin, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        peaks.add(frame(signal[:, begin : begin + size], kind))
    lows, highs = peaks.finish()
    per_pixel = peaks.samples_per_pixel
    assert len(lows) == len(highs) == -(-sum(sizes) // per_pixel) <= PIXELS
    pad = -sum(sizes) % per_pixel
    for found, extreme in ((lows, np.min), (highs, np.max)):
        padded = np.pad(signal, ((0, 0), (0, pad)), mode="edge").reshape(channels, -1, per_pixel)
        assert found == pytest.approx(extreme(padded, axis=(0, 2)) * 32768, abs=300 if "u8" in kind else 1)


def test_a_change_on_the_way_loses_nothing() -> None:
    """Frames may change their format and their channels in the middle of a recording."""
    peaks = Peaks()
    for level, channels, kind in ((0.25, 1, "s16"), (0.5, 2, "fltp"), (0.75, 2, "flt"), (0.125, 1, "flt")):
        peaks.add(frame(np.full((channels, 6400), level), kind))
    _, highs = peaks.finish()
    assert peaks.samples == 4 * 6400
    assert list(highs[50::100]) == [8192, 16384, 24576, 4096]


def test_what_is_no_number_is_silence() -> None:
    """A float recording may hold infinities and what is no number at all."""
    peaks = Peaks()
    peaks.add(frame(np.array([[np.nan] * 64 + [np.inf] * 64 + [-np.inf] * 64 + [0.5] * 64]), "flt"))
    lows, highs = peaks.finish()
    assert list(lows) == [0, 32767, -32768, 16384]
    assert list(highs) == [0, 32767, -32768, 16384]
