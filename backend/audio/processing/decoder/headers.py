"""Headers that FFmpeg misreads, or can't read: as it reads them they say what their writer meant."""

import re

from audio.processing.decoder.opening import File, Refused

UNKNOWN_32 = 0x7FFF0000  # from here on sizes are what programs write that don't know them yet
UNKNOWN_64 = 1 << 62
_HEAD_BYTES = 64 * 1024
_FIRST_CHUNK, _FIRST_W64_CHUNK = 12, 40
_DS64_LENGTH = slice(28, 36)
_EXTENSIBLE, _CONTAINER_BITS, _VALID_BITS = b"\xfe\xff", slice(14, 16), slice(18, 20)
_CHUNK_NAME = re.compile(rb"[\x20-\x7e]{4}")
_SEVERAL_CHANNELS = (b"#!AMR_MC1.0\n", b"#!AMR-WB_MC1.0\n")


def readable_head(file: File, size: int, *, demuxer: str) -> bytes:
    """What FFmpeg is to read in place of a file's first bytes; nothing where it reads these as they are meant.

    Raises Refused.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES) or b""
    match demuxer:
        case "wav":
            return _wav(head, size)
        case "w64":
            return _w64(head)
        case "aiff":
            return _aiff(head, size)
        case "amr":
            _check_channels(head)
    return b""


def _wav(head: bytes, size: int) -> bytes:
    """FFmpeg reads nothing of RF64 (EBU Tech 3306) without a length, and of such a RIFF all.

    Where the sound has no bytes it would read the chunks behind it as sound. Raises Refused.
    """
    mended = bytearray(head)
    is_long = head[:4] in {b"RF64", b"BW64"} and head[12:16] == b"ds64"
    if is_long and not 0 < int.from_bytes(head[_DS64_LENGTH], "little") < UNKNOWN_64:
        mended[:4] = b"RIFF"
    order = "big" if head.startswith(b"RIFX") else "little"
    data, layout = _chunk(head, b"data", order=order), _chunk(head, b"fmt ", order=order)
    if data is not None and _is_silent_end(head, data, size, order=order):
        raise Refused("it holds no sound")
    if layout is not None:
        _count_room(mended, layout + 8)
    return bytes(mended) if mended != head else b""


def _w64(head: bytes) -> bytes:
    """Sony Wave64: chunks have names of 16 bytes, sizes of 8 that include both, and begin at multiples of eight."""
    mended = bytearray(head)
    at = _FIRST_W64_CHUNK
    while at + 24 <= len(head) and head[at : at + 4] != b"fmt ":
        at += -(-max(24, int.from_bytes(head[at + 16 : at + 24], "little")) // 8) * 8
    _count_room(mended, at + 24)
    return bytes(mended) if mended != head else b""


def _count_room(mended: bytearray, layout: int) -> None:
    """Samples may have fewer bits than their room, whose lowest ones are zeros then (Microsoft, WAVEFORMATEXTENSIBLE).

    FFmpeg takes the number of valid bits for that of the room.
    """
    fields = mended[layout : layout + 20]
    if fields.startswith(_EXTENSIBLE) and any(fields[_VALID_BITS]):
        mended[layout + 18 : layout + 20] = fields[_CONTAINER_BITS]


def _is_silent_end(head: bytes, data: int, size: int, *, order: str) -> bool:
    """Whether the sound's chunk is empty, and others are behind it up to the end of the file."""
    if any(head[data + 4 : data + 8]):
        return False
    at = data + 8
    while _CHUNK_NAME.match(head, at):
        length = int.from_bytes(head[at + 4 : at + 8], order)  # type: ignore[arg-type]
        at += 8 + length + length % 2
    return at in {size, size + 1}


def _aiff(head: bytes, size: int) -> bytes:
    """Apple, AIFF 1.3: what went to a pipe states no sizes, and FFmpeg reads nothing of it."""
    mended = bytearray(head)
    for at in (0, _chunk(head, b"SSND", order="big")):
        if at is not None and not 0 < int.from_bytes(head[at + 4 : at + 8]) < UNKNOWN_32:
            mended[at + 4 : at + 8] = min(size - at - 8, UNKNOWN_32).to_bytes(4)
    at = _chunk(head, b"COMM", order="big")
    if at is not None and int.from_bytes(head[at + 10 : at + 14]) >= UNKNOWN_32:
        mended[at + 10 : at + 14] = bytes(4)  # the number of sample frames
    return bytes(mended) if mended != head else b""


def _chunk(head: bytes, name: bytes, *, order: str) -> int | None:
    """Where the first chunk of that name begins, as far as the head reaches."""
    at = _FIRST_CHUNK
    while at + 8 <= len(head):
        if head[at : at + 4] == name:
            return at
        length = int.from_bytes(head[at + 4 : at + 8], order)  # type: ignore[arg-type]
        at += 8 + length + length % 2
    return None


def _check_channels(head: bytes) -> None:
    """RFC 4867, 5.1: the frames of several channels take turns, and FFmpeg would take them for one channel's."""
    for magic in _SEVERAL_CHANNELS:
        channels = int.from_bytes(head[len(magic) : len(magic) + 4]) & 0xF
        if head.startswith(magic) and channels != 1:
            raise Refused(f"AMR of {channels} channels is not decoded")
