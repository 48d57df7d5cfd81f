"""A recording as Whisper wants to hear it: mono at 16 kHz, in stretches of some minutes, cut where it is quiet.

Only demuxers that read one file and nothing else are allowed, and the one is chosen by the bytes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from audio.formats import HEAD_BYTES, recognise
from audio.processing.demuxers import DEMUXERS

HERTZ = 16_000
STRETCH_SECONDS = 600
SEARCH_SECONDS = 30  # a cut is looked for in the end of a stretch
QUIET_SECONDS = 0.2


class NotDecodable(Exception):
    """The file holds no audio that can be decoded."""


def stretches(audio: Path) -> Iterator[tuple[float, Any]]:
    """Where each stretch begins, in seconds, and its samples, as floats from -1 to 1.

    Raises NotDecodable, av.FFmpegError, OSError.
    """
    done, waiting, kept = 0, 0, []
    for samples in _decoded(audio):
        kept.append(samples)
        waiting += len(samples)
        if waiting >= STRETCH_SECONDS * HERTZ:
            whole = np.concatenate(kept)
            cut = _quietest(whole[: STRETCH_SECONDS * HERTZ])
            yield done / HERTZ, whole[:cut]
            kept = [whole[cut:].copy()]  # a copy, or the whole stretch would stay in memory with it
            done, waiting = done + cut, waiting - cut
    if waiting:
        yield done / HERTZ, np.concatenate(kept)
    elif not done:
        raise NotDecodable


def _quietest(samples: Any) -> int:
    """The middle of the quietest moment near the end."""
    window = int(QUIET_SECONDS * HERTZ)
    offset = len(samples) - SEARCH_SECONDS * HERTZ
    moments = samples[offset : offset + (len(samples) - offset) // window * window].reshape(-1, window)
    return offset + int(np.square(moments).sum(axis=1).argmin()) * window + window // 2


def _decoded(audio: Path) -> Iterator[Any]:
    """Blocks of about a second. What is damaged is left out, and the rest is heard."""
    with audio.open("rb") as file:  # an open file and no name, so that no other protocol is ever in play
        recognised = recognise(file.read(HEAD_BYTES))
        if recognised is None:
            raise NotDecodable
        file.seek(0)
        with av.open(file, format=DEMUXERS[recognised.name], metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise NotDecodable
            yield from _blocks(_frames(container))


def _frames(container: Any) -> Iterator[Any]:
    for packet in container.demux(container.streams.audio[0]):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def _blocks(frames: Iterator[Any]) -> Iterator[Any]:
    """Samples in blocks; some encodings change rate or channels after the first frames, and get a new resampler."""
    resampler, shape = None, None
    block: list[Any] = []
    for frame in frames:
        if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
            block += _resampled(resampler, None)
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=HERTZ)
        frame.pts = None
        block += _resampled(resampler, frame)
        if sum(map(len, block)) >= HERTZ:
            yield np.concatenate(block)
            block = []
    block += _resampled(resampler, None)
    if block:
        yield np.concatenate(block)


def _resampled(resampler: Any, frame: Any) -> list[Any]:
    return [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)] if resampler else []
