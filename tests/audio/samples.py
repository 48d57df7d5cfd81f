"""Real recordings in every format that is taken in: a tone, encoded by FFmpeg in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path

import av
import numpy as np

FRAME = 1024


@dataclass(frozen=True)
class Sample:
    """How FFmpeg makes a recording, and what it must be recognised as."""

    name: str
    container: str
    codec: str
    mime_type: str
    extension: str
    hertz: int = 48000
    layout: str = "mono"
    bit_rate: int | None = None
    options: tuple[tuple[str, str], ...] = ()


SAMPLES = (
    Sample("wav", "wav", "pcm_s16le", "audio/wav", "wav"),
    Sample("rf64", "wav", "pcm_s16le", "audio/wav", "wav", options=(("rf64", "always"),)),
    Sample("mp3", "mp3", "libmp3lame", "audio/mpeg", "mp3", hertz=44100),
    Sample("mp3 without a tag", "mp3", "libmp3lame", "audio/mpeg", "mp3", options=(("id3v2_version", "0"),)),
    Sample("mp3 at 8 kHz", "mp3", "libmp3lame", "audio/mpeg", "mp3", hertz=8000),
    Sample("mp2", "mp2", "mp2", "audio/mpeg", "mp3"),
    Sample("m4a", "ipod", "aac", "audio/mp4", "m4a"),
    Sample("m4a lossless", "ipod", "alac", "audio/mp4", "m4a"),
    Sample("mp4", "mp4", "aac", "audio/mp4", "mp4"),
    Sample("mp4 fragmented", "mp4", "aac", "audio/mp4", "mp4", options=(("movflags", "frag_keyframe+empty_moov"),)),
    Sample("mov", "mov", "aac", "video/quicktime", "mov"),
    Sample("3gp", "3gp", "aac", "audio/3gpp", "3gp"),
    Sample("3gp amr", "3gp", "libopencore_amrnb", "audio/3gpp", "3gp", hertz=8000, bit_rate=12200),
    Sample("3g2", "3g2", "aac", "audio/3gpp2", "3g2"),
    Sample("ogg opus", "ogg", "libopus", "audio/ogg", "opus"),
    Sample("ogg vorbis", "ogg", "vorbis", "audio/ogg", "ogg", layout="stereo"),
    Sample("ogg flac", "ogg", "flac", "audio/ogg", "ogg"),
    Sample("flac", "flac", "flac", "audio/flac", "flac"),
    Sample("webm", "webm", "libopus", "audio/webm", "webm"),
    Sample("webm live", "webm", "libopus", "audio/webm", "webm", options=(("live", "1"),)),
    Sample("webm vorbis", "webm", "vorbis", "audio/webm", "webm", layout="stereo", options=(("live", "1"),)),
    Sample("matroska", "matroska", "flac", "audio/x-matroska", "mka"),
    Sample("aac", "adts", "aac", "audio/aac", "aac"),
    Sample("amr", "amr", "libopencore_amrnb", "audio/amr", "amr", hertz=8000, bit_rate=12200),
    Sample("aiff", "aiff", "pcm_s16be", "audio/aiff", "aiff"),
    Sample("caf", "caf", "pcm_s16be", "audio/x-caf", "caf"),
    Sample("wma", "asf", "wmav2", "audio/x-ms-wma", "wma", hertz=44100, bit_rate=128000),
)
BY_NAME = {sample.name: sample for sample in SAMPLES}


@cache
def recording(name: str, *, seconds: float = 1.0, levels: tuple[float, ...] = (0.244,)) -> bytes:
    """The bytes of a recording of that sample's kind: a tone that has each of the levels (1 is full scale) in turn."""
    sample = BY_NAME[name]
    file = BytesIO()
    container = av.open(file, "w", format=sample.container, options=dict(sample.options))
    stream = container.add_stream(sample.codec, rate=sample.hertz, options={"strict": "-2"})
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.layout = sample.layout
    if sample.bit_rate is not None:
        stream.codec_context.bit_rate = sample.bit_rate
    for frame in (*_tone(sample.hertz, seconds=seconds, levels=levels), None):
        container.mux(stream.encode(frame))
    container.close()
    return file.getvalue()


def repeat(name: str, path: Path, *, hours: float) -> None:
    """Writes a recording of hours: the packets of a short one, again and again."""
    sample = BY_NAME[name]
    with av.open(BytesIO(recording(name, seconds=20.0, levels=(0.5, 0.1, 0.3))), "r") as short:
        sound = short.streams.audio[0]
        packets = [(bytes(packet), packet.duration) for packet in short.demux(sound) if packet.size]
        with av.open(str(path), "w", format=sample.container, options=dict(sample.options)) as long:
            stream = long.add_stream_from_template(sound)
            assert sound.time_base
            at, end = 0, hours * 3600 / sound.time_base
            while at < end:
                for content, duration in packets:
                    packet = av.Packet(content)
                    packet.pts = packet.dts = at
                    packet.duration, packet.time_base, packet.stream = duration, sound.time_base, stream
                    long.mux(packet)
                    at += duration or 0


def _tone(hertz: int, *, seconds: float, levels: tuple[float, ...]) -> Iterator[av.AudioFrame]:
    total = int(seconds * hertz)
    at = np.arange(-(-total // FRAME) * FRAME)
    level = np.array(levels)[np.minimum(at, total - 1) * len(levels) // total]
    wave = (32767 * level * np.sin(at * 2 * np.pi * 440 / hertz)).astype(np.int16)
    for begin in range(0, total, FRAME):
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.sample_rate, frame.pts, frame.time_base = hertz, begin, Fraction(1, hertz)
        frame.planes[0].update(wave[begin : begin + FRAME].tobytes())
        yield frame
