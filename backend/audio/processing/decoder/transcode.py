"""Transcodes for browsers to FLAC, which all of them decode (Chrome 56, Firefox 51, Safari 11).

It lies in MP4, which has an index: in bare FLAC Chromium fails to seek near the end.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.error import FFmpegError

from audio.processing.decoder.opening import File, Refused, damaged
from audio.processing.decoder.sound import Sound
from audio.processing.decoder.uniform_frames import UniformFrames

_BLOCK_SAMPLES = 4096
_LOWEST_HERTZ, _HIGHEST_HERTZ = 8000, 48_000  # Chromium plays no less than 3,000; MP4 states no more than 65,535
_WIDE_FORMATS = {"s32", "s32p", "s64", "dbl"}


def transcode(source: File, target: File, *, demuxer: str, start: int = 0, codec: str) -> dict[str, Any]:
    """Decodes the audio of `source`, of that codec, and writes it as FLAC into a new file. Raises Refused."""
    try:
        with av.open(target, "w", format="mp4", options={"fflags": "+bitexact"}) as output:
            _encode(Sound(source, demuxer=demuxer, start=start), output, codec=codec)
    except FFmpegError as error:
        raise damaged(error) from error
    return {}


def _encode(sound: Sound, output: OutputContainer, *, codec: str) -> None:
    encoder: _Encoder | None = None
    for frame in sound:
        if encoder is None:
            encoder = _Encoder(output, frame, codec=codec)
        encoder.write(frame)
    if encoder is None:
        raise Refused("no sound in it could be decoded")
    encoder.finish()


class _Encoder:
    """Writes frames as one stream, with the format of the first frame."""

    def __init__(self, output: OutputContainer, first: AudioFrame, *, codec: str) -> None:
        # Lossy decoders output floats, of which no more than 16 bits are significant.
        wide = first.format.name in _WIDE_FORMATS or codec.startswith("pcm_f")
        self._output = output
        rate = min(max(first.sample_rate, _LOWEST_HERTZ), _HIGHEST_HERTZ)
        self._stream = output.add_stream("flac", rate=rate)
        self._stream.codec_context.format = "s32" if wide else "s16"
        self._stream.codec_context.layout = first.layout
        self._stream.codec_context.thread_count = 1
        self._resampler = UniformFrames(
            rate=rate,
            sample_format="s32" if wide else "s16",
            layout=first.layout.name,
            frame_samples=_BLOCK_SAMPLES,
        )
        self._written = 0

    def write(self, frame: AudioFrame) -> None:
        """Encodes a frame, as far as whole blocks are complete."""
        self._encode(self._resampler(frame))

    def finish(self) -> None:
        """Encodes the rest."""
        self._encode(self._resampler.flush())
        self._output.mux(self._stream.encode(None))

    def _encode(self, frames: Iterable[AudioFrame]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._written, Fraction(1, frame.sample_rate)
            self._written += frame.samples
            self._output.mux(self._stream.encode(frame))
