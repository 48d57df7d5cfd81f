"""Cuts a recording into the parts that are decoded one by one: without what is in front, and a chain at its links.

An Ogg file may be a chain of streams of which each has its own rate and channels (RFC 3533, 4), as a radio's capture
is; FFmpeg's demuxer gives up where they change.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import TYPE_CHECKING

from audio.processing.decoder.elements import EBML, elements
from audio.processing.decoder.headers import readable_head
from audio.processing.decoder.opening import File

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PAGE = b"OggS"
_PAGE_BYTES, _FLAGS_AT, _COUNT_AT, _SERIAL, _NUMBER = 27, 5, 26, slice(14, 18), slice(18, 22)  # RFC 3533, 6
_FLAC = b"fLaC\0\0\0\x22"  # with STREAMINFO, which is 34 bytes long: RFC 9639, 8
_OPENS_STREAM = 2
_SEARCHED_BYTES = 64 * 1024


class Section(RawIOBase):
    """A part of a file, as a file; `head` is read in place of its first bytes."""

    def __init__(self, file: File, start: int, stop: int | None = None, *, head: bytes = b"") -> None:
        self._file, self._start, self._head = file, start, head
        self._size = (file.seek(0, os.SEEK_END) if stop is None else stop) - start
        self._position = 0

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._size

    def readable(self) -> bool:
        """It is always for reading."""
        return True

    def seekable(self) -> bool:
        """It always is."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Reads the next bytes; `read` of the base class calls it."""
        target = memoryview(buffer)[: max(0, self._size - self._position)]
        self._file.seek(self._start + min(self._position, self._size))
        count = self._file.readinto(target) or 0
        head = self._head[self._position : self._position + count]
        target[: len(head)] = head
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position; for an invalid one a negative error number, as FFmpeg expects."""
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if not 0 <= position < 1 << 63:
            return -errno.EINVAL
        self._position = position
        return position

    def tell(self) -> int:
        """The position."""
        return self._position


def links(source: File, *, demuxer: str, start: int) -> Iterator[Section]:
    """The parts of a recording that begins at `start`, in their order: one, or each link of chained or joined files.

    Raises Refused.
    """
    whole = Section(source, start)
    if head := readable_head(whole, whole.size, demuxer=demuxer):
        yield Section(source, start, head=head)
        return
    begin = 0
    starts = {"ogg": _chained_starts, "matroska": _joined_starts, "flac": _joined_flac_starts}.get(demuxer)
    for link in starts(whole) if starts else ():
        yield Section(source, start + begin, start + link)
        begin = link
    yield Section(source, start + begin)


@dataclass(frozen=True)
class Page:
    """A page of an Ogg file: where it lies, and its place in its stream. `opens`: it is the first one of that."""

    start: int
    stop: int
    opens: bool
    serial: bytes
    number: int


def pages(ogg: File, size: int) -> Iterator[Page]:
    """The pages of an Ogg file; damaged bytes between them are stepped over."""
    position = 0
    while position < size:
        ogg.seek(position)
        header = ogg.read(_PAGE_BYTES + 255) or b""
        if not header.startswith(_PAGE) or len(header) < _PAGE_BYTES:
            position = _next(_PAGE, ogg, position + 1, size)
            continue
        lacing = header[_PAGE_BYTES : _PAGE_BYTES + header[_COUNT_AT]]
        stop = position + _PAGE_BYTES + len(lacing) + sum(lacing)
        opens = bool(header[_FLAGS_AT] & _OPENS_STREAM)
        yield Page(position, stop, opens, header[_SERIAL], int.from_bytes(header[_NUMBER], "little"))
        position = stop


def _chained_starts(ogg: Section) -> Iterator[int]:
    """Where the second link begins, and those behind it: with a page that opens a stream, after others that don't."""
    is_opening = True
    for page in pages(ogg, ogg.size):
        if page.opens and not is_opening:
            yield page.start
        is_opening = page.opens


def _joined_starts(webm: Section) -> Iterator[int]:
    """Where the second file begins of some that were joined, and those behind it."""
    for element in elements(webm, webm.size):
        if element.name == EBML and element.start:
            yield element.start


def _joined_flac_starts(flac: Section) -> Iterator[int]:
    """Where the second file begins of some that were joined, and those behind it."""
    position = _next(_FLAC, flac, len(_FLAC), flac.size)
    while position < flac.size:
        yield position
        position = _next(_FLAC, flac, position + len(_FLAC), flac.size)


def _next(pattern: bytes, file: File, position: int, size: int) -> int:
    """Where a pattern comes next; the file's end where it doesn't."""
    while position < size:
        file.seek(position)
        block = file.read(_SEARCHED_BYTES) or b""
        at = block.find(pattern)
        if at >= 0:
            return position + at
        position += max(1, len(block) - len(pattern) + 1)
    return size
