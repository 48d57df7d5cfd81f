"""Recordings as devices and programs write them that don't write what a textbook says, each built here."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO

import av
import numpy as np

from tests.audio.samples import recording

BARE = {"id3v2_version": "0", "write_xing": "0"}
NO_OPTIONS: Mapping[str, str] = {}
ZEROS, PICTURE = bytes(40_000), b"\xff\xd8\xff\xe0" + b"\x11" * 300_000


@dataclass(frozen=True)
class Form:
    """A form of recording: how it is built, what it must be taken for, and for how long it plays."""

    build: Callable[[], bytes]
    mime_type: str
    seconds: float


def tone(
    container: str,
    codec: str,
    *,
    seconds: float = 2.0,
    hertz: int = 48000,
    layout: str = "mono",
    shift: Callable[[float], float] = lambda at: at,
    bit_rate: int | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> bytes:
    """A tone; `shift` says when the packet is played that was made for a time in seconds."""
    return tones(
        container, [codec], seconds=seconds, hertz=hertz, layout=layout, shift=shift, bit_rate=bit_rate, options=options
    )


def tones(
    container: str,
    codecs: list[str],
    *,
    seconds: float = 2.0,
    hertz: int = 48000,
    layout: str = "mono",
    shift: Callable[[float], float] = lambda at: at,
    pictures: bool = False,
    bit_rate: int | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> bytes:
    """A file with a tone in each of its tracks, behind a track of pictures where there are `pictures`."""
    file = BytesIO()
    output = av.open(file, "w", format=container, options={"strict": "-2", **options})
    video = output.add_stream("mpeg4", rate=10) if pictures else None
    streams = [output.add_stream(codec, rate=hertz, layout=layout, options={"strict": "-2"}) for codec in codecs]
    if video is not None:
        video.width, video.height = 64, 48
        for at in range(int(shift(seconds) * 10)):
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts, picture.time_base = at, Fraction(1, 10)
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
    for stream in streams:
        if bit_rate is not None:
            stream.codec_context.bit_rate = bit_rate
        for frame in (*_frames(seconds, hertz), None):
            assert isinstance(stream, av.AudioStream)
            for packet in stream.encode(frame):
                if packet.pts is not None and packet.time_base:
                    moved = round(shift(float(packet.pts * packet.time_base)) / packet.time_base)
                    packet.dts, packet.pts = moved, moved
                output.mux(packet)
    output.close()
    return file.getvalue()


def _frames(seconds: float, hertz: int) -> Iterator[av.AudioFrame]:
    total = int(seconds * hertz)
    wave = (8000 * np.sin(np.arange(total) * 2 * np.pi * 440 / hertz)).astype(np.int16)
    for begin in range(0, total, 960):
        part = wave[begin : begin + 960]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(part))
        frame.sample_rate, frame.pts, frame.time_base = hertz, begin, Fraction(1, hertz)
        frame.planes[0].update(part.tobytes())
        yield frame


def id3(body: bytes, *, version: int = 3) -> bytes:
    """An ID3v2 tag with one frame of that body."""
    content = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = len(content)
    return b"ID3" + bytes((version, 0, 0, size >> 21, size >> 14 & 127, size >> 7 & 127, size & 127)) + content


def ape(body: bytes) -> bytes:
    """An APEv2 tag in front, with header and footer."""
    size, reserved = len(body) + 32, bytes(8)
    header = struct.pack("<IIII", 2000, size, 1, 0xA0000000)
    footer = struct.pack("<IIII", 2000, size, 1, 0x80000000)
    return b"APETAGEX" + header + reserved + body + b"APETAGEX" + footer + reserved


def page(flags: int, serial: int, number: int, packet: bytes) -> bytes:
    """A page of Ogg with one packet (RFC 3533, 6)."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBQIII", b"OggS", 0, flags, 0, serial, number, 0) + bytes([len(lacing)]) + lacing
    return head[:22] + struct.pack("<I", checksum(head + packet)) + head[26:] + packet


def checksum(content: bytes) -> int:
    """That of a page of Ogg, which is 0 in it."""
    value = 0
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


def beside(ogg: bytes, *packets: bytes) -> bytes:
    """An Ogg file that other logical streams open."""
    first = 27 + ogg[26] + sum(ogg[27 : 27 + ogg[26]])
    opening = b"".join(page(2, 70 + at, 0, packet) for at, packet in enumerate(packets))
    ends = b"".join(page(4, 70 + at, 1, b"") for at in range(len(packets)))
    return opening + ogg[:first] + ends + ogg[first:]


def renamed(content: bytes, *boxes: tuple[bytes, bytes]) -> bytes:
    """A file with the first of each box under another name, which leaves every offset as it is."""
    for old, new in boxes:
        assert old in content
        content = content.replace(old, new, 1)
    return content


def rifx(seconds: float = 2.0) -> bytes:
    """WAV with the high byte first, as instruments of big-endian machines write it."""
    samples = b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in _frames(seconds, 16000))
    data = np.frombuffer(samples, "<i2").astype(">i2").tobytes()
    layout = struct.pack(">HHIIHH", 1, 1, 16000, 32000, 2, 16)
    body = b"WAVEfmt " + struct.pack(">I", len(layout)) + layout + b"data" + struct.pack(">I", len(data)) + data
    return b"RIFX" + struct.pack(">I", len(body)) + body


def piped_wav(*, riff: int, data: int) -> bytes:
    """WAV whose sizes its writer didn't know."""
    wav = bytearray(tone("wav", "pcm_s16le", options={"fflags": "+bitexact"}))
    at = wav.index(b"data") + 4
    wav[4:8], wav[at : at + 4] = struct.pack("<I", riff), struct.pack("<I", data)
    return bytes(wav)


def piped_rf64(size: int = 0) -> bytes:
    """RF64 whose sizes its writer didn't know."""
    wav = bytearray(tone("wav", "pcm_s16le", options={"rf64": "always", "fflags": "+bitexact"}))
    assert wav[12:16] == b"ds64"
    wav[20:44] = struct.pack("<Q", size) * 3
    return bytes(wav)


def piped_aiff(size: int = 0) -> bytes:
    """AIFF whose sizes its writer didn't know."""
    aiff = bytearray(recording("aiff", seconds=2.0))
    for at in (4, aiff.index(b"COMM") + 10, aiff.index(b"SSND") + 4):
        aiff[at : at + 4] = struct.pack(">I", size)
    return bytes(aiff)


def piped_au() -> bytes:
    """AU whose size its writer left at 0."""
    au = bytearray(tone("au", "pcm_s16be"))
    au[8:12] = bytes(4)
    return bytes(au)


def live_wma() -> bytes:
    """WMA of a broadcast: the size of its data object is that of an empty one."""
    wma = bytearray(recording("wma", seconds=2.0))
    at = wma.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")) + 16
    wma[at : at + 8] = struct.pack("<Q", 50)
    return bytes(wma)


def wav_in_wider_room(bits: int) -> bytes:
    """WAV of 32 bits a sample, of which as many are valid, as Windows hands them to recorders; 0.25 of full scale."""
    samples = (2**29 * np.sin(np.arange(96_000) * 2 * np.pi * 440 / 48000)).astype("<i4") >> 32 - bits << 32 - bits
    layout = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 48000, 192_000, 4, 32, 22, bits, 4) + PCM_GUID
    body = b"WAVEfmt " + struct.pack("<I", 40) + layout + b"data" + struct.pack("<I", 4 * 96_000) + samples.tobytes()
    return b"RIFF" + struct.pack("<I", len(body)) + body


def w64_in_wider_room(bits: int) -> bytes:
    """The same as Wave64."""
    wav = wav_in_wider_room(bits)
    chunk, whole = bytes.fromhex("f3acd3118cd100c04f8edb8a"), bytes.fromhex("2e91cf11a5d628db04c10000")
    parts = ((b"fmt ", wav[20:60]), (b"data", wav[68:]))
    body = b"".join(name + chunk + struct.pack("<Q", 24 + len(content)) + content for name, content in parts)
    return b"riff" + whole + struct.pack("<Q", 40 + len(body)) + b"wave" + chunk + body


def behind_box(content: bytes, name: bytes) -> bytes:
    """An MP4 file with a box before its own first one."""
    box = struct.pack(">I", 24) + name + bytes(16)
    shifted = bytearray(content)
    at = shifted.index(b"stco") + 8
    for position in range(at + 4, at + 4 + 4 * int.from_bytes(shifted[at : at + 4]), 4):
        shifted[position : position + 4] = struct.pack(">I", 24 + int.from_bytes(shifted[position : position + 4]))
    return box + bytes(shifted)


def with_ebml(doc_type: bytes, *, before: bytes = b"") -> bytes:
    """WebM with another EBML header: `doc_type` is the element's size and body."""
    webm = recording("webm", seconds=2.0)
    body = before + b"\x42\x82" + doc_type + b"\x42\x87\x81\x04\x42\x85\x81\x02"
    return webm[:4] + struct.pack(">Q", 1 << 56 | len(body)) + body + webm[webm.index(b"\x18\x53\x80\x67") :]


def with_positions(ogg: bytes, position: Callable[[int, bool], int]) -> bytes:
    """An Ogg file with other granule positions on its pages of sound, by the old one and whether it is the last."""
    at, pages = 0, []
    while at < len(ogg):
        stop = at + 27 + ogg[at + 26] + sum(ogg[at + 27 : at + 27 + ogg[at + 26]])
        pages.append(ogg[at:stop])
        at = stop
    for number, content in enumerate(pages[2:], 2):
        old = int.from_bytes(content[6:14], "little")
        moved = content[:6] + struct.pack("<q", position(old, number == len(pages) - 1)) + content[14:22] + bytes(4)
        pages[number] = moved[:22] + struct.pack("<I", checksum(moved + content[26:])) + content[26:]
    return b"".join(pages)


def claiming_a_month(webm: bytes) -> bytes:
    """WebM whose header states another duration than its sound has."""
    at = webm.index(b"\x44\x89\x88") + 3
    return webm[:at] + struct.pack(">d", 30 * 86_400_000.0) + webm[at + 8 :]


def flac_without_total() -> bytes:
    """FLAC that was written to a pipe."""
    flac = bytearray(tone("flac", "flac"))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    return bytes(flac)


def amr_with_pause() -> bytes:
    """AMR of 50 frames of speech, 160 of a pause, and 50 of speech: 20 ms each (RFC 4867, 5.3)."""
    speech = b"".join(b"\x3c" + bytes((7 * n + k) % 256 for k in range(31)) for n in range(50))
    return b"#!AMR\n" + speech + (b"\x44\x24\x14\xd2\x6f\x08" + b"\x7c" * 7) * 20 + speech


def amr_wb_with_pause() -> bytes:
    """AMR-WB of 50 frames of speech, 100 of a pause, and 50 of speech."""
    speech = b"".join(b"\x04" + bytes((5 * n + k) % 256 for k in range(17)) for n in range(50))
    return b"#!AMR-WB\n" + speech + (b"\x4c\x80\x20\x10\x04\x00" + b"\x7c" * 9) * 10 + speech


def with_subtitles() -> bytes:
    """Matroska whose first track is of subtitles: raw samples under another name, of which no decoder knows."""
    both = tones("matroska", ["pcm_s16le", "libopus"])
    return renamed(both, (b"\x83\x81\x02", b"\x83\x81\x11"), (b"A_PCM/INT/LIT", b"S_TEXT/UTF8\0\0"))


def _jump(at: float) -> float:
    return at + 10 if at >= 1 else at


@cache
def mp3() -> bytes:
    """Bare frames."""
    return tone("mp3", "libmp3lame", options=BARE)


@cache
def adts() -> bytes:
    """Bare frames of AAC."""
    return tone("adts", "aac")


VORBIS = cache(lambda: tone("ogg", "vorbis", layout="stereo"))
OPUS = cache(lambda: tone("ogg", "libopus"))
ID3V1 = b"TAG" + bytes(125)
LYRICS = b"LYRICSBEGININD0000200" + b"LYR05000" + bytes(range(1, 201)) * 25 + b"005029LYRICS200" + ID3V1
FISHEAD = b"fishead\0" + struct.pack("<HHqqqq", 3, 0, 0, 1000, 0, 1000) + bytes(20)
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
VOID = b"\xec\x41\x2c" + bytes(300)
THEORA = b"\x80theora\x03\x02\x01" + bytes(34)

# What is in front of the sound, and how the sound is told from what isn't.
RECOGNISED = {
    "mp3 behind two tags": Form(lambda: id3(b"a") + id3(bytes(64), version=4) + mp3(), "audio/mpeg", 2),
    "mp3 behind a picture": Form(lambda: id3(PICTURE) + mp3(), "audio/mpeg", 2),
    "mp3 behind an APEv2 tag": Form(lambda: ape(b"title") + mp3(), "audio/mpeg", 2),
    "mp3 behind APEv2 and ID3": Form(lambda: ape(bytes(20_000)) + id3(PICTURE) + mp3(), "audio/mpeg", 2),
    "mp3 behind a tag and padding": Form(lambda: id3(b"a") + bytes(range(1, 161)) * 100 + mp3(), "audio/mpeg", 2),
    "mp3 behind a tag and zeros": Form(lambda: id3(b"a") + ZEROS + mp3(), "audio/mpeg", 2),
    "mp3 behind zeros": Form(lambda: ZEROS + mp3(), "audio/mpeg", 2),
    "mp3 out of a stream": Form(lambda: mp3()[300:], "audio/mpeg", 2),
    "mp3 behind tag and part of a frame": Form(lambda: id3(PICTURE) + mp3()[150:], "audio/mpeg", 2),
    "aac behind a picture": Form(lambda: id3(PICTURE) + adts(), "audio/aac", 2),
    "aac out of a stream": Form(lambda: adts()[100:], "audio/aac", 2),
    "aac behind zeros": Form(lambda: bytes(3000) + adts(), "audio/aac", 2),
    "flac behind a picture": Form(lambda: id3(PICTURE) + tone("flac", "flac"), "audio/flac", 2),
    "flac behind a tag and zeros": Form(lambda: id3(b"a") + bytes(500) + tone("flac", "flac"), "audio/flac", 2),
    "wav behind a tag": Form(lambda: id3(PICTURE) + recording("wav", seconds=2.0), "audio/wav", 2),
    "aiff behind a tag": Form(lambda: id3(b"a") + recording("aiff", seconds=2.0), "audio/aiff", 2),
    "ogg behind a tag": Form(lambda: id3(PICTURE) + VORBIS(), "audio/ogg", 2),
    "m4a behind a tag": Form(lambda: id3(b"a") + recording("m4a", seconds=2.0), "audio/mp4", 2),
    "ac3": Form(lambda: tone("ac3", "ac3"), "audio/ac3", 2),
    "ac3 out of a stream": Form(lambda: tone("ac3", "ac3")[99:], "audio/ac3", 2),
    "eac3 behind a tag": Form(lambda: id3(b"a") + tone("eac3", "eac3"), "audio/eac3", 2),
    "skeleton before vorbis": Form(lambda: beside(VORBIS(), FISHEAD), "audio/ogg", 2),
    "pictures and skeleton before opus": Form(lambda: beside(OPUS(), FISHEAD, THEORA), "audio/ogg", 2),
    "quicktime without ftyp": Form(lambda: renamed(tone("mov", "aac"), (b"ftyp", b"skip")), "video/quicktime", 2),
    "quicktime that begins with wide": Form(
        lambda: renamed(tone("mov", "aac"), (b"ftyp", b"wide")), "video/quicktime", 2
    ),
    "quicktime that begins with mdat": Form(
        lambda: renamed(tone("mov", "aac"), (b"ftyp", b"mdat")), "video/quicktime", 2
    ),
    "quicktime that begins with free": Form(
        lambda: renamed(tone("mov", "alac"), (b"ftyp", b"free")), "video/quicktime", 2
    ),
    "a segment's styp": Form(lambda: renamed(tone("mp4", "aac"), (b"ftyp", b"styp")), "audio/mp4", 2),
    "an unknown brand": Form(
        lambda: renamed(tone("mov", "aac"), (b"ftypqt  ", b"ftypXYZ "), (b"qt  ", b"XYZ ")), "audio/mp4", 2
    ),
    "m4a behind a tag and zeros": Form(lambda: id3(b"a") + bytes(700) + recording("m4a", seconds=2.0), "audio/mp4", 2),
    "m4a behind zeros": Form(lambda: bytes(2**14 - 2) + recording("m4a", seconds=2.0), "audio/mp4", 2),
    "wav behind zeros": Form(lambda: bytes(600) + recording("wav", seconds=2.0), "audio/wav", 2),
    "m4a behind a uuid box": Form(lambda: behind_box(recording("m4a", seconds=2.0), b"uuid"), "audio/mp4", 2),
    "quicktime behind metadata": Form(lambda: behind_box(tone("mov", "aac"), b"udta"), "video/quicktime", 2),
    "webm with a long DocType size": Form(lambda: with_ebml(b"\x01\0\0\0\0\0\0\x04webm"), "audio/webm", 2),
    "webm with a padded DocType": Form(lambda: with_ebml(b"\x88webm\0\0\0\0"), "audio/webm", 2),
    "webm with a void in its header": Form(lambda: with_ebml(b"\x84webm", before=VOID), "audio/webm", 2),
    "rifx": Form(rifx, "audio/wav", 2),
    "w64": Form(lambda: tone("w64", "pcm_s16le"), "audio/x-w64", 2),
    "au": Form(lambda: tone("au", "pcm_mulaw", hertz=8000), "audio/basic", 2),
}

# Codecs and tracks.
DECODED = {
    **{
        f"{codec} in {container}": Form(
            lambda container=container, codec=codec, hertz=hertz: tone(container, codec, hertz=hertz),  # type: ignore[misc]
            mime_type,
            2,
        )
        for container, codec, hertz, mime_type in (
            ("wav", "g722", 16000, "audio/wav"),
            ("wav", "adpcm_g726", 8000, "audio/wav"),
            ("wav", "adpcm_yamaha", 44100, "audio/wav"),
            ("wav", "adpcm_ima_wav", 44100, "audio/wav"),
            ("wav", "adpcm_ms", 22050, "audio/wav"),
            ("wav", "pcm_alaw", 8000, "audio/wav"),
            ("wav", "ac3", 48000, "audio/wav"),
            ("wav", "adpcm_swf", 44100, "audio/wav"),
            ("au", "adpcm_g722", 16000, "audio/basic"),
            ("mp4", "ac3", 48000, "audio/mp4"),
            ("mp4", "eac3", 48000, "audio/mp4"),
            ("mov", "adpcm_ima_qt", 44100, "video/quicktime"),
            ("matroska", "eac3", 48000, "audio/x-matroska"),
            ("matroska", "tta", 44100, "audio/x-matroska"),
            ("matroska", "wavpack", 44100, "audio/x-matroska"),
        )
    },
    "a track first that nobody decodes": Form(
        lambda: renamed(tones("mov", ["aac", "aac"]), (b"mp4a", b"apac"), (b"esds", b"dapa")), "video/quicktime", 2
    ),
    "two tracks first that nobody decodes": Form(
        lambda: renamed(
            tones("mp4", ["aac"] * 3), (b"mp4a", b"apac"), (b"esds", b"dapa"), (b"mp4a", b"qdmx"), (b"esds", b"dapa")
        ),
        "audio/mp4",
        2,
    ),
    "subtitles before the sound": Form(with_subtitles, "audio/x-matroska", 2),
    "amr with a pause": Form(amr_with_pause, "audio/amr", 5.2),
    "amr-wb with a pause": Form(amr_wb_with_pause, "audio/amr-wb", 4.0),
    "a chain of other rates and channels": Form(
        lambda: tone("ogg", "flac") + tone("ogg", "vorbis", seconds=3, hertz=44100, layout="stereo"), "audio/ogg", 5
    ),
    "a chain of three alike": Form(lambda: OPUS() * 3, "audio/ogg", 6),
    "a chain of other rates": Form(
        lambda: VORBIS() + tone("ogg", "vorbis", seconds=3, hertz=22050, layout="stereo"), "audio/ogg", 5
    ),
    "a chain of many": Form(lambda: tone("ogg", "libopus", seconds=0.5) * 20, "audio/ogg", 10),
    "a chain of other codecs": Form(lambda: OPUS() + VORBIS() + tone("ogg", "flac"), "audio/ogg", 6),
}

# Sound whose times aren't those of its bytes.
TIMED = {
    "a gap in webm": Form(lambda: tone("webm", "libopus", shift=_jump), "audio/webm", 12),
    "a gap in matroska": Form(lambda: tone("matroska", "flac", shift=_jump), "audio/x-matroska", 12),
    "a pause in ogg": Form(lambda: tone("ogg", "libopus", shift=_jump), "audio/ogg", 12),
    "a gap in mp4": Form(lambda: tone("mp4", "aac", shift=_jump), "audio/mp4", 12),
    "sound that begins late in a film": Form(
        lambda: tones("mp4", ["aac"], shift=lambda at: at + 3, pictures=True), "audio/mp4", 5
    ),
    "sound that begins late in matroska": Form(
        lambda: tones("matroska", ["libopus"], shift=lambda at: at + 3, pictures=True), "audio/x-matroska", 5
    ),
    "webm that begins at an hour": Form(lambda: tone("webm", "libopus", shift=lambda at: at + 3600), "audio/webm", 2),
    "ogg that begins at an hour": Form(lambda: tone("ogg", "libopus", shift=lambda at: at + 3600), "audio/ogg", 2),
    "matroska that begins at an hour": Form(
        lambda: tone("matroska", "pcm_s16le", shift=lambda at: at + 3600), "audio/x-matroska", 2
    ),
}

# What browsers can't play, measure or seek in as it is.
UNPLAYABLE = {
    "wav from a pipe, all ones": Form(lambda: piped_wav(riff=0xFFFFFFFF, data=0xFFFFFFFF), "audio/wav", 2),
    "wav from a pipe, zeros": Form(lambda: piped_wav(riff=0, data=0), "audio/wav", 2),
    "wav from a pipe, two gibibytes": Form(lambda: piped_wav(riff=0x7FFFFFFF, data=0x7FFFFFDB), "audio/wav", 2),
    "wav from a pipe, arecord's": Form(lambda: piped_wav(riff=0x80000024, data=0x80000000), "audio/wav", 2),
    "rf64 from a pipe": Form(piped_rf64, "audio/wav", 2),
    "rf64 from a pipe, all ones": Form(lambda: piped_rf64(2**64 - 1), "audio/wav", 2),
    "aiff from a pipe": Form(piped_aiff, "audio/aiff", 2),
    "aiff from a pipe, all ones": Form(lambda: piped_aiff(0xFFFFFFFF), "audio/aiff", 2),
    "au from a pipe": Form(piped_au, "audio/basic", 2),
    "wma of a broadcast": Form(live_wma, "audio/x-ms-wma", 2),
    "wav of 24 bits in 32": Form(lambda: wav_in_wider_room(24), "audio/wav", 2),
    "wav of 16 bits in 32": Form(lambda: wav_in_wider_room(16), "audio/wav", 2),
    "w64 of 24 bits in 32": Form(lambda: w64_in_wider_room(24), "audio/x-w64", 2),
    "webm that claims a month": Form(lambda: claiming_a_month(recording("webm", seconds=2.0)), "audio/webm", 2),
    "opus without positions": Form(lambda: with_positions(OPUS(), lambda *_: 0), "audio/ogg", 2),
    "vorbis that ends in a month": Form(
        lambda: with_positions(VORBIS(), lambda at, is_last: at + is_last * 10**11), "audio/ogg", 2
    ),
    "flac without a total": Form(flac_without_total, "audio/flac", 2),
    "flac": Form(lambda: tone("flac", "flac"), "audio/flac", 2),
    "wav of a rate below 3 kHz": Form(lambda: tone("wav", "pcm_s16le", hertz=2000), "audio/wav", 2),
    "flac of 96 kHz": Form(lambda: tone("flac", "flac", hertz=96000), "audio/flac", 2),
    "flac files joined": Form(lambda: tone("flac", "flac") + id3(b"a") + tone("flac", "flac"), "audio/flac", 4),
    "flac files of other rates joined": Form(
        lambda: tone("flac", "flac") + tone("flac", "flac", hertz=44100), "audio/flac", 4
    ),
    "mp3 files joined with their tags": Form(lambda: (id3(PICTURE) + mp3() + ID3V1) * 2, "audio/mpeg", 4),
    "mp3 before lyrics": Form(lambda: mp3() + LYRICS, "audio/mpeg", 2),
    "mp3 of a varying bit rate": Form(
        lambda: mp3() + tone("mp3", "libmp3lame", bit_rate=32_000, options=BARE), "audio/mpeg", 4
    ),
    "aac that turns stereo": Form(lambda: adts() + tone("adts", "aac", layout="stereo"), "audio/aac", 4),
    "aac whose rate changes": Form(lambda: adts() + tone("adts", "aac", hertz=44100), "audio/aac", 4),
    "mp3 whose rate changes": Form(
        lambda: mp3() + tone("mp3", "libmp3lame", hertz=44100, options=BARE), "audio/mpeg", 4
    ),
}
FORMS = {**RECOGNISED, **DECODED, **TIMED, **UNPLAYABLE}


@cache
def form(name: str) -> bytes:
    """The bytes of a recording of that form."""
    return FORMS[name].build()
