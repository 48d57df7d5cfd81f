"""Headers that FFmpeg misreads, or can't read: as it reads them they say what their writer meant."""

from audio.processing.decoder.opening import File, Refused

UNKNOWN_32 = 0x7FFF0000  # from here on sizes are what programs write that don't know them yet
UNKNOWN_64 = 1 << 62
_HEAD_BYTES = 64 * 1024
_FIRST_CHUNK = 12
_DS64_LENGTH = slice(28, 36)
_EXTENSIBLE, _CONTAINER_BITS, _VALID_BITS = b"\xfe\xff", slice(14, 16), slice(18, 20)
_SEVERAL_CHANNELS = (b"#!AMR_MC1.0\n", b"#!AMR-WB_MC1.0\n")


def readable_head(file: File, size: int, *, demuxer: str) -> bytes:
    """What FFmpeg is to read in place of a file's first bytes; nothing where it reads these as they are meant.

    Raises Refused.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES) or b""
    match demuxer:
        case "wav":
            return _wav(head)
        case "aiff":
            return _aiff(head, size)
        case "amr":
            _check_channels(head)
    return b""


def _wav(head: bytes) -> bytes:
    """FFmpeg reads nothing of RF64 (EBU Tech 3306) without a length, and of such a RIFF all.

    Samples may have fewer bits than their room, whose lowest ones are zeros then (Microsoft, WAVEFORMATEXTENSIBLE):
    FFmpeg takes the number of valid bits for that of the room.
    """
    mended = bytearray(head)
    is_long = head[:4] in {b"RF64", b"BW64"} and head[12:16] == b"ds64"
    if is_long and not 0 < int.from_bytes(head[_DS64_LENGTH], "little") < UNKNOWN_64:
        mended[:4] = b"RIFF"
    at = None if head.startswith(b"RIFX") else _chunk(head, b"fmt ", order="little")
    layout = head[at + 8 : at + 28] if at is not None else b""
    if at is not None and layout.startswith(_EXTENSIBLE) and any(layout[_VALID_BITS]):
        mended[at + 26 : at + 28] = layout[_CONTAINER_BITS]
    return bytes(mended) if mended != head else b""


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
