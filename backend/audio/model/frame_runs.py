"""Frames of MPEG audio, AAC in ADTS, AC-3, E-AC-3 and DTS, which have no file header.

Only a run of them tells them from text.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

# kbit/s by bitrate index, for layers II and III of MPEG-1 and of MPEG-2/2.5: ISO/IEC 11172-3, 2.4.2.3; 13818-3, 2.4.2.3
_KBITS = {
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LAYERS = {1: 3, 2: 2}  # layer I is extinct, and its sync word is UTF-16's byte order mark
_ADTS_HEADER_BYTES = 7
_ADTS_RATES = 13
# kbit/s of AC-3 by half of frmsizecod: ATSC A/52, table 5.18
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_HERTZ = (48000, 44100, 32000)
_AC3_HIGHEST_BSID, _EAC3_HIGHEST_BSID = 10, 16
_DTS_HEADER_BYTES, _DTS_SHORTEST = 10, 96
_SYNC = re.compile(rb"\xff[\xe2-\xff]|\x0b\x77|\x7f\xfe\x80\x01")
ENOUGH_FRAMES = 4
LONGEST_FRAME_BYTES = 16 * 1024  # of DTS; the others have half of that


@dataclass(frozen=True)
class Header:
    """A frame's header: how long the frame is, and what all frames of one stream have in common."""

    codec: str
    length: int
    stream: tuple[int, ...]


Parser: TypeAlias = Callable[[bytes], Header | None]


@dataclass(frozen=True)
class Run:
    """Where a run of frames begins, and their codec: mpeg, adts, ac3, eac3 or dts."""

    start: int
    codec: str


def run_at_start(window: bytes) -> Run | None:
    """A run that begins at the first byte: a frame and another like it, or one that ends where the bytes do."""
    for header in _headers_at(window, 0):
        following = header.length
        if following == len(window) or (following < len(window) and _continues(window, header, following)):
            return Run(0, header.codec)
    return None


def find_run(window: bytes, *, is_end: bool) -> Run | None:
    """The first run of ENOUGH_FRAMES frames, whatever is before it; fewer will do where they end as the file does.

    `is_end`: the file ends where the window does. A file that was cut may end in a part of a frame.
    """
    for sync in _SYNC.finditer(window):
        for header in _headers_at(window, sync.start()):
            if _is_run(window, header, sync.start(), is_end=is_end):
                return Run(sync.start(), header.codec)
    return None


def _is_run(window: bytes, first: Header, at: int, *, is_end: bool) -> bool:
    frames = 1
    at += first.length
    while frames < ENOUGH_FRAMES:
        header = _continuation(window, first, at)
        if header is None:
            return is_end and frames > 1 and (at >= len(window) or window[at:].startswith(b"TAG"))
        frames += 1
        at += header.length
    return True


def _continues(window: bytes, first: Header, at: int) -> bool:
    return _continuation(window, first, at) is not None


def _continuation(window: bytes, first: Header, at: int) -> Header | None:
    """The next frame's header, where it belongs to the stream of the first one."""
    header = _PARSERS[first.codec](window[at : at + _DTS_HEADER_BYTES])
    return header if header is not None and header.stream == first.stream else None


def _headers_at(window: bytes, at: int) -> Iterator[Header]:
    head = window[at : at + _DTS_HEADER_BYTES]
    for parse in _PARSERS.values():
        header = parse(head)
        if header is not None:
            yield header


def _mpeg(header: bytes) -> Header | None:
    """ISO/IEC 11172-3, 2.4.1.3; 13818-3, 2.4.2.3."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return None
    version, layer = header[1] >> 3 & 3, _LAYERS.get(header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if layer is None or version not in _HERTZ or rate == 3 or not 0 < bitrate < 15 or header[3] & 3 == 2:  # noqa: PLR2004
        return None
    bits = _KBITS[1 if version == 3 else 2, layer][bitrate - 1] * 1000  # noqa: PLR2004
    samples = 576 if layer == 3 and version != 3 else 1152  # noqa: PLR2004
    length = samples // 8 * bits // _HERTZ[version][rate] + padding
    return Header("mpeg", length, (version, layer, rate))


def _adts(header: bytes) -> Header | None:
    """ISO/IEC 13818-7, 6.2."""
    if len(header) < _ADTS_HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:  # noqa: PLR2004
        return None
    rate = header[2] >> 2 & 0xF
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if rate >= _ADTS_RATES or length <= _ADTS_HEADER_BYTES:
        return None
    return Header("adts", length, (header[1], header[2] >> 6, rate))


def _ac3(header: bytes) -> Header | None:
    """ATSC A/52, 5.3.1 and 5.4.1."""
    if len(header) < 6 or header[:2] != b"\x0b\x77":  # noqa: PLR2004
        return None
    rate, size, version = header[4] >> 6, header[4] & 0x3F, header[5] >> 3
    if rate == 3 or size >= 2 * len(_AC3_KBITS) or version > _AC3_HIGHEST_BSID:  # noqa: PLR2004
        return None
    words = _AC3_KBITS[size // 2] * 96_000 // _AC3_HERTZ[rate] + (size & 1 if rate == 1 else 0)
    return Header("ac3", 2 * words, (rate, version))


def _eac3(header: bytes) -> Header | None:
    """ATSC A/52, annex E, 2.2.1 and 2.3.1."""
    if len(header) < 6 or header[:2] != b"\x0b\x77":  # noqa: PLR2004
        return None
    version = header[5] >> 3
    kind = header[2] >> 6
    if not _AC3_HIGHEST_BSID < version <= _EAC3_HIGHEST_BSID or kind == 3:  # noqa: PLR2004
        return None
    length = 2 * ((header[2] & 7) << 8 | header[3]) + 2
    return Header("eac3", length, (header[4] >> 6, version)) if length > 6 else None  # noqa: PLR2004


def _dts(header: bytes) -> Header | None:
    """ETSI TS 102 114, 5.3.1, in words of 16 bits with the high byte first."""
    if len(header) < _DTS_HEADER_BYTES or header[:4] != b"\x7f\xfe\x80\x01":
        return None
    length = ((header[5] & 3) << 12 | header[6] << 4 | header[7] >> 4) + 1
    return Header("dts", length, (header[8] >> 2 & 0xF,)) if length >= _DTS_SHORTEST else None


_PARSERS: dict[str, Parser] = {"mpeg": _mpeg, "adts": _adts, "ac3": _ac3, "eac3": _eac3, "dts": _dts}
