"""The tags that lie in a stream of frames, between its frames and behind them: joined files keep each their own."""

import re
from collections.abc import Iterator

from audio.processing.decoder.chained_streams import Section

# ID3v2.4, 3.1; APEv2's header and footer; Lyrics3 v1 and v2; ID3v1.
_TAG = re.compile(rb"ID3[\x02-\x04][\x00-\x0f][\x00-\xf0][\x00-\x7f]{4}|APETAGEX|LYRICSBEGIN|TAG")
_LYRICS_END = re.compile(rb"LYRICS(?:200|END)")
_BLOCK_BYTES, _LONGEST_HEAD = 256 * 1024, 11
_ID3_BYTES, _ID3_FOOTER, _APE_BYTES, _ID3V1_BYTES = 10, 0x10, 32, 128
_APE_IS_HEADER = 1 << 29


def tag_lengths(file: Section, *, start: int) -> Iterator[int]:
    """The length of each tag from `start` on, in bytes."""
    while start < file.size:
        file.seek(start)
        block = file.read(_BLOCK_BYTES)
        match = _TAG.search(block)
        if match is None:
            start += max(1, len(block) - _LONGEST_HEAD)
            continue
        start += match.start()
        length, step = _length(file, start)
        if length:
            yield min(length, file.size)
        start += max(step, len(match[0]))


def _length(file: Section, at: int) -> tuple[int, int]:
    """The length of the tag at a position, 0 where there is none, and how much of it lies behind that position."""
    file.seek(at)
    head = file.read(_APE_BYTES)
    match head[:3]:
        case b"ID3":
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            length = size + _ID3_BYTES * (2 if head[5] & _ID3_FOOTER else 1)
            return length, length
        case b"APE":
            length = int.from_bytes(head[12:16], "little")
            is_header = int.from_bytes(head[20:24], "little") & _APE_IS_HEADER
            return (length + _APE_BYTES, length + _APE_BYTES) if is_header else (length, _APE_BYTES)
        case b"LYR":
            file.seek(at)
            end = _LYRICS_END.search(file.read(_BLOCK_BYTES))
            return (end.end(), end.end()) if end else (0, 0)
        case _:
            file.seek(at + _ID3V1_BYTES)
            behind = file.read(3)
            is_tag = not behind or behind[:1] == b"\xff" or behind in {b"ID3", b"APE"}
            return (_ID3V1_BYTES, _ID3V1_BYTES) if is_tag else (0, 0)
