"""Recordings that are broken, or made to break what reads them: a seed makes the same ones each time."""

import io
import random
import struct
from collections.abc import Iterator
from functools import cache

import av

from audio.model.formats import AIFF, CAF, FLAC, M4A, MP3, MP4, OGG, QUICKTIME, WAV, WEBM, WMA, AudioFormat
from tests.audio.conftest import format_of
from tests.audio.samples import SAMPLES, recording

HEADER_BYTES = 400
LIES = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"\0\0\0\1")


def damaged(count: int, *, seed: int) -> Iterator[tuple[str, AudioFormat, bytes]]:
    """`count` broken recordings of every format by turns, each with a name and what it passes for."""
    chance = random.Random(seed)
    ways = (_cut, _flipped, _lying, _riddled, _doubled)
    for at in range(count):
        sample = SAMPLES[at % len(SAMPLES)]
        whole = recording(sample.name, seconds=1.0)
        way = chance.choice(ways)
        yield f"{at}: {sample.name}, {way.__name__.strip('_')}", format_of(whole), way(whole, chance)


def _cut(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


def _flipped(whole: bytes, chance: random.Random) -> bytes:
    broken = bytearray(whole)
    for _ in range(chance.randint(1, 200)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def _lying(whole: bytes, chance: random.Random) -> bytes:
    """Sizes and counts in the header that are anything but true."""
    broken = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(min(HEADER_BYTES, len(broken) - 4))
        broken[at : at + 4] = chance.choice(LIES) if chance.random() < 0.7 else chance.randbytes(4)
    return bytes(broken)


def _riddled(whole: bytes, chance: random.Random) -> bytes:
    """Whole stretches of noise."""
    broken = bytearray(whole)
    for _ in range(chance.randint(1, 10)):
        at = chance.randrange(len(broken))
        broken[at : at + 64] = chance.randbytes(64)
    return bytes(broken)


def _doubled(whole: bytes, chance: random.Random) -> bytes:
    """The file begins anew somewhere in its middle."""
    return whole[: chance.randrange(len(whole))] + whole


@cache
def traps(address: str, secret: str) -> dict[str, tuple[AudioFormat, bytes]]:
    """Files that would have FFmpeg open `address` or the file `secret`, were they taken for what they are."""
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}/a.ts\n#EXTINF:9,\nfile://{secret}\n".encode()
    concat = f"ffconcat version 1.0\nfile {address}/a.mp3\nfile {secret}\n".encode()
    dash = f"<?xml version='1.0'?><MPD><Period><BaseURL>{address}/</BaseURL></Period></MPD>".encode()
    sdp = b"v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n"
    texts = {"hls": playlist, "concat": concat, "dash": dash, "sdp": sdp}
    kinds = (MP3, WAV, FLAC, OGG, WEBM, M4A, AIFF, CAF, WMA)
    combinations = {f"{name} as {kind.name}": (kind, text) for name, text in texts.items() for kind in kinds}
    combinations |= {f"{name} behind mp3": (MP3, recording("mp3")[:400] + text) for name, text in texts.items()}
    return combinations | {
        "mov whose sound is another file": (QUICKTIME, _elsewhere(recording("mov"), secret)),
        "mp4 whose sound is another file": (MP4, _elsewhere(recording("mp4"), secret)),
    }


def _elsewhere(whole: bytes, path: str) -> bytes:
    """A film whose sound is said to lie in another file, by an alias record in its data reference (QuickTime File
    Format, "Data reference atoms"). It takes the place of the reference to the file itself; the boxes around it grow.
    """
    name = path.encode() + b"\0" * (len(path) % 2)
    alias = bytes(10) + bytes(28) + bytes(12) + bytes(64) + bytes(16) + b"\0\x01\0\x01" + bytes(16)
    alias += struct.pack(">HH", 2, len(path)) + name + b"\xff\xff\0\0"
    reference = struct.pack(">I4sI", len(alias) + 12, b"alis", 0) + alias
    at = whole.index(b"dref") + 12
    old = int.from_bytes(whole[at : at + 4])
    grown = bytearray(whole[:at] + reference + whole[at + old :])
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        size = whole.rindex(box, 0, at) - 4
        grown[size : size + 4] = struct.pack(">I", int.from_bytes(whole[size : size + 4]) + len(reference) - old)
    return bytes(grown)


@cache
def silent_hours(hours: int, *, hertz: int = 8000) -> bytes:
    """A FLAC of many hours in some kilobytes."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=hertz, layout="mono", options={"frame_size": "65535"})
        for _ in range(hours * 3600 * hertz // 65535):
            frame = av.AudioFrame(format="s16", layout="mono", samples=65535)
            frame.planes[0].update(bytes(2 * 65535))
            frame.sample_rate = hertz
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def many_channels(channels: int) -> bytes:
    """A tenth of a second of WAV with that many channels."""
    data = bytes(2 * channels * 800)
    layout = struct.pack("<HHIIHH", 1, channels, 8000, 16000 * channels, 2 * channels & 0xFFFF, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", len(data) + len(head)) + head + data
