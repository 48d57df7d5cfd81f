"""Whether players can seek in a file: recorders that stream leave out the index."""

import os
from collections.abc import Iterator

from audio.processing.decoder.opening import File

_PARTS_LIMIT = 200_000  # twelve hours in clusters of a second are 43,200
_HEAD_BYTES = 16
_SEGMENT, _CUES = b"\x18\x53\x80\x67", b"\x1c\x53\xbb\x6b"  # RFC 9559, 5.1 and 5.1.5


def can_seek(file: File, *, demuxer: str, duration_stated: bool) -> bool:
    """False for WebM and Matroska without a duration or an index of cues, and for fragmented MP4."""
    match demuxer:
        case "matroska":
            return duration_stated and _CUES in _elements(file)
        case "mov":
            return b"moof" not in _boxes(file)
        case _:
            return True


def _elements(file: File) -> Iterator[bytes]:
    """The identifiers of the elements in the segment, and before it (RFC 8794, 4 to 6)."""
    at, end = 0, file.seek(0, os.SEEK_END)
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, end)
        name_length = 9 - head[0].bit_length()
        length = 9 - head[name_length].bit_length() if name_length < _HEAD_BYTES else 9
        name, rest = head[:name_length], head[name_length : name_length + length]
        if not head[0] or length > 8 or len(rest) < length:  # noqa: PLR2004  # no element, or the end
            return
        yield name
        mask = (1 << 7 * length) - 1
        size = int.from_bytes(rest) & mask
        at += name_length + length
        if name != _SEGMENT:
            if size == mask:  # unknown
                return
            at += size


def _boxes(file: File) -> Iterator[bytes]:
    """The types of the outermost boxes (ISO/IEC 14496-12, 4.2)."""
    at, end = 0, file.seek(0, os.SEEK_END)
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, end)
        size = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4])
        yield head[4:8]
        if size < 8:  # noqa: PLR2004  # up to the end of the file, or none
            return
        at += size


def _read(file: File, at: int, end: int) -> bytes:
    """The bytes at a position, padded with zeros beyond the end."""
    file.seek(min(at, end))  # a wrong size may lead to a position that seek refuses
    return (file.read(_HEAD_BYTES) or b"").ljust(_HEAD_BYTES, b"\0")
