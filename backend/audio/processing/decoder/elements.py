"""The elements of WebM and Matroska, as far as they can be told from what isn't one."""

from collections.abc import Iterator
from dataclasses import dataclass

from audio.processing.decoder.opening import File

_PARTS_LIMIT = 4_000_000  # a day of packets of 20 ms
_HEAD_BYTES = 16
# RFC 9559, 5.1; RFC 8794, 11.2.1
EBML, CUES = b"\x1a\x45\xdf\xa3", b"\x1c\x53\xbb\x6b"
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
# RFC 9559, 5.1: what a segment consists of, and RFC 8794, 11.3; and what clusters do, some of which state no size.
_NAMES = frozenset({
    EBML, _SEGMENT, _CLUSTER, CUES, b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x10\x43\xa7\x70",
    b"\x19\x41\xa4\x69", b"\x12\x54\xc3\x67", b"\xec", b"\xbf", b"\xe7", b"\xa7",
    b"\xab", b"\xa3", b"\xa0", b"\xaf", b"\x58\x54",
})  # fmt: skip


@dataclass(frozen=True)
class Element:
    """An element, and the bytes before it that belong to none; `stop` is None where it is entered."""

    name: bytes
    start: int
    stop: int | None
    foreign_bytes: int


def elements(file: File, size: int) -> Iterator[Element]:
    """The elements of each segment; what is broken is stepped over, up to the next cluster or file."""
    at = foreign = 0
    for _ in range(_PARTS_LIMIT):
        if at >= size:
            break
        name, length, head_bytes = _element(_head(file, at))
        if name not in _NAMES:
            position = _next(file, at + 1, size)
            foreign += position - at
            at = position
            continue
        is_entered = name == _SEGMENT or length is None
        stop = None if is_entered or length is None else at + head_bytes + length
        yield Element(name, at, stop, foreign)
        foreign = 0
        at = at + head_bytes if stop is None else stop
    if foreign:
        yield Element(b"", size, None, foreign)


def _element(head: bytes) -> tuple[bytes, int | None, int]:
    """An element's identifier, size (None: unknown), and the bytes of both (RFC 8794, 4 to 6)."""
    name_bytes = 9 - head[0].bit_length()
    size_bytes = 9 - head[name_bytes].bit_length() if name_bytes <= 4 else 9  # noqa: PLR2004
    if size_bytes > 8:  # noqa: PLR2004
        return b"", None, 1
    mask = (1 << 7 * size_bytes) - 1
    size = int.from_bytes(head[name_bytes : name_bytes + size_bytes]) & mask
    return head[:name_bytes], None if size == mask else size, name_bytes + size_bytes


def _next(file: File, at: int, size: int) -> int:
    """Where the next cluster or file begins."""
    while at < size:
        file.seek(at)
        block = file.read(64 * 1024) or b""
        positions = [position for name in (_CLUSTER, EBML) if (position := block.find(name)) >= 0]
        if positions:
            return at + min(positions)
        at += max(1, len(block) - len(_CLUSTER) + 1)
    return size


def _head(file: File, at: int) -> bytes:
    file.seek(at)
    return (file.read(_HEAD_BYTES) or b"").ljust(_HEAD_BYTES, b"\0")
