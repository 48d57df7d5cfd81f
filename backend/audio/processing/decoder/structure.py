"""How far a file's own structure reaches: what its headers promise beyond its end, and what belongs to nothing in it.

Also whether players can seek in it: recorders that stream leave out the index, and the sizes.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from audio.processing.decoder.chained_streams import Page, pages
from audio.processing.decoder.elements import CUES, elements
from audio.processing.decoder.headers import UNKNOWN_32, UNKNOWN_64
from audio.processing.decoder.opening import File

_PARTS_LIMIT = 400_000  # twelve hours in clusters of a second are 43,200
_HEAD_BYTES = 24
_SEGMENT, _CUES, _EBML = (
    b"\x18\x53\x80\x67",
    b"\x1c\x53\xbb\x6b",
    b"\x1a\x45\xdf\xa3",
)  # Apple Core Audio Format, "Chunk types".
_CAF_CHUNKS = frozenset({
    b"desc", b"data", b"pakt", b"chan", b"kuki", b"strg", b"mark", b"regn", b"inst", b"midi", b"ovvw", b"peak", b"edct",
    b"info", b"umid", b"uuid", b"free", b"ldsc",
})  # fmt: skip
# The GUIDs of Wave64's chunks behind their names; the outermost one has another, as has a second file that was joined.
_W64_CHUNKS = frozenset({bytes.fromhex("f3acd3118cd100c04f8edb8a"), bytes.fromhex("2f91cf11a5d628db04c10000")})
_ASF_DATA, _ASF_DATA_HEAD_BYTES = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"), 50
# ISO/IEC 14496-12 and the QuickTime File Format: what may lie outermost behind the first box.
_BOXES = frozenset({
    b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"wide", b"skip", b"free", b"pnot", b"sidx", b"ssix", b"emsg",
    b"uuid", b"meta", b"udta", b"prft", b"PICT", b"junk", b"pdin", b"bloc", b"prfl", b"imda", b"beam", b"cust",
})  # fmt: skip
_BEGINNING_BOXES = frozenset({b"ftyp", b"moov", b"mdat"})  # of these there is none before a file's own ftyp


@dataclass(frozen=True)
class Structure:
    """`missing_bytes` are promised and not there; `foreign_bytes` are there and belong to nothing.

    `has_index`: players can seek, and know the length. `has_holes`: something is missing or foreign amid the sound.
    """

    missing_bytes: int = 0
    foreign_bytes: int = 0
    has_index: bool = True
    has_holes: bool = False


@dataclass(frozen=True)
class _Part:
    name: bytes
    start: int
    stop: int | None  # None: it goes as far as the file


def structure_of(file: File, *, demuxer: str, duration_stated: bool) -> Structure:
    """The structure of a file that begins with its container."""
    size = file.seek(0, os.SEEK_END)
    match demuxer:
        case "matroska":
            return _matroska(file, size, duration_stated=duration_stated)
        case "mov":
            parts = list(_boxes(file, size))
            return _reach(parts, size, has_index=all(part.name != b"moof" for part in parts))
        case "ogg":
            return _ogg(list(pages(file, size)), size)
        case "wav" | "w64" | "aiff" | "caf" | "au" | "asf":
            parts = list(_WALKS[demuxer](file, size))
            return _reach(parts, size, has_index=bool(parts) and parts[-1].stop is not None)
        case _:
            return Structure()


def _ogg(sequence: list[Page], size: int) -> Structure:
    """What times leave out between two pages that follow each other was never there: a stream that paused."""
    whole = [page for page in sequence if page.stop <= size]
    holes = (sequence[0].start if sequence else 0) + sum(
        after.start - before.stop for before, after in pairwise(sequence)
    )
    cut = sum(page.stop - page.start for page in sequence[len(whole) :])
    behind = 0 if cut else size - (whole[-1].stop if whole else 0)
    numbers: dict[bytes, int] = {}
    has_holes = bool(holes)
    for page in sequence:
        has_holes |= not page.opens and page.number != numbers.get(page.serial, page.number - 1) + 1
        numbers[page.serial] = page.number
    return Structure(missing_bytes=cut, foreign_bytes=holes + behind, has_holes=has_holes)


def _reach(parts: list[_Part], size: int, *, has_index: bool) -> Structure:
    stop = parts[-1].stop if parts else size
    if stop is None:
        return Structure(has_index=has_index)
    return Structure(max(0, stop - size), max(0, size - stop), has_index)


def _wav(file: File, size: int) -> Iterator[_Part]:
    """Microsoft RIFF, and EBU Tech 3306 for sizes beyond 32 bits. What goes to a pipe states no size."""
    head = _read(file, 0, size)
    order = "big" if head[:4] == b"RIFX" else "little"
    whole = int.from_bytes(head[4:8], order) + 8  # type: ignore[arg-type]
    data_bytes = None
    at = 12
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, size)
        name, length = head[:4], int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
        if name == b"ds64":
            data_bytes = int.from_bytes(_read(file, at + 16, size)[:8], "little")
            whole = int.from_bytes(head[8:16], "little") + 8
        if name == b"data":
            length = data_bytes if data_bytes is not None and length >= UNKNOWN_32 else length
            stop = at + 8 + length
            is_unknown = length >= UNKNOWN_32 if data_bytes is None else length >= UNKNOWN_64
            if is_unknown or (not length and stop < size):
                yield _Part(name, at, None)
                return
            yield _Part(name, at, max(stop, min(whole, size)) if stop <= whole else stop + length % 2)
            return
        at += 8 + length + length % 2
        if at >= size:
            return


def _aiff(file: File, size: int) -> Iterator[_Part]:
    """Apple, AIFF 1.3: one chunk holds all others."""
    length = int.from_bytes(_read(file, 0, size)[4:8])
    yield _Part(b"FORM", 0, None if length >= UNKNOWN_32 or not length else 8 + length)


def _w64(file: File, size: int) -> Iterator[_Part]:
    """Sony Wave64: sizes include their headers, and chunks begin at multiples of eight."""
    at = 40
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, size)
        length = int.from_bytes(head[16:24], "little")
        if length < _HEAD_BYTES or at >= size or head[4:16] not in _W64_CHUNKS:
            return
        is_unknown = length >= UNKNOWN_64 or (head[:4] == b"data" and length == _HEAD_BYTES and at + length < size)
        stop = None if is_unknown else at + length
        yield _Part(head[:4], at, stop)
        if stop is None:
            return
        at = stop + -stop % 8


def _caf(file: File, size: int) -> Iterator[_Part]:
    """Apple Core Audio Format: a data chunk of size -1 goes as far as the file."""
    at = 8
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, size)
        length = int.from_bytes(head[4:12], signed=True)
        if at >= size or head[:4] not in _CAF_CHUNKS:
            return
        stop = None if length < 0 else at + 12 + length
        yield _Part(head[:4], at, stop)
        if stop is None:
            return
        at = stop


def _au(file: File, size: int) -> Iterator[_Part]:
    """Sun, audio(5): the header's size and that of the sound."""
    head = _read(file, 0, size)
    header, length = int.from_bytes(head[4:8]), int.from_bytes(head[8:12])
    is_unknown = length >= UNKNOWN_32 or (not length and header < size)
    yield _Part(b".snd", 0, None if is_unknown else header + length)


def _asf(file: File, size: int) -> Iterator[_Part]:
    """Microsoft ASF 10.1, 2.1: objects, each with a GUID and a size. A live stream states none of its data's (5.1)."""
    at = 0
    first = _read(file, 0, size)[:16]
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, size)
        length = int.from_bytes(head[16:24], "little")
        if head[:16] == _ASF_DATA and length <= _ASF_DATA_HEAD_BYTES < size - at:
            yield _Part(head[:16], at, None)
            return
        if at >= size or length < _HEAD_BYTES or length >= UNKNOWN_64 or (at and head[:16] == first):
            return
        yield _Part(head[:16], at, at + length)
        at += length


def _boxes(file: File, size: int) -> Iterator[_Part]:
    """The outermost boxes (ISO/IEC 14496-12, 4.2)."""
    at = 0
    has_begun = False
    for _ in range(_PARTS_LIMIT):
        head = _read(file, at, size)
        length = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4])
        is_second_file = has_begun and head[4:8] == b"ftyp"
        has_begun |= head[4:8] in _BEGINNING_BOXES
        if at >= size or head[4:8] not in _BOXES or is_second_file or 0 < length < 8:  # noqa: PLR2004
            return
        yield _Part(head[4:8], at, at + length if length else None)
        if not length:
            return
        at += length


def _matroska(file: File, size: int, *, duration_stated: bool) -> Structure:
    names = set()
    foreign = missing = 0
    for element in elements(file, size):
        names.add(element.name)
        foreign += element.foreign_bytes
        missing = 0 if element.stop is None else max(0, element.stop - size)
    return Structure(missing, foreign, has_index=duration_stated and CUES in names)


def _read(file: File, at: int, size: int) -> bytes:
    """The bytes at a position, padded with zeros beyond the end."""
    file.seek(min(at, size))  # a wrong size may lead to a position that seek refuses
    return (file.read(_HEAD_BYTES) or b"").ljust(_HEAD_BYTES, b"\0")


_WALKS: dict[str, Callable[[File, int], Iterator[_Part]]] = {
    "wav": _wav,
    "w64": _w64,
    "aiff": _aiff,
    "caf": _caf,
    "au": _au,
    "asf": _asf,
}
