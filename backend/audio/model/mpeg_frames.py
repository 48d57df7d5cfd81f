"""Frames of MPEG audio and of AAC in ADTS, which have no file header: only a run of them tells them from text."""

from collections.abc import Callable

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


def id3_tag_length(head: bytes) -> int:
    """How many bytes an ID3v2 tag takes at the start, 0 without one (id3.org, ID3v2.4 structure, 3.1 and 3.4)."""
    if not head.startswith(b"ID3") or len(head) < 10 or not 2 <= head[3] <= 4 or max(head[6:10]) > 0x7F:  # noqa: PLR2004
        return 0
    footer = 10 if head[5] & 0x10 else 0
    size = 0
    for part in head[6:10]:
        size = size << 7 | part
    return 10 + size + footer


def begins_with_mpeg_frames(head: bytes) -> bool:
    """Whether MPEG audio of layer II or III begins here: a frame, and another right after it."""
    return _two_frames(head, _mpeg_frame_length)


def begins_with_adts_frames(head: bytes) -> bool:
    """Whether AAC in ADTS begins here: a frame, and another right after it."""
    return _two_frames(head, _adts_frame_length)


def _two_frames(head: bytes, frame_length: Callable[[bytes], int]) -> bool:
    """The second frame must have a header like the first, or the file must end exactly where the first frame does."""
    length = frame_length(head)
    if not length or length > len(head):
        return False
    return length == len(head) or frame_length(head[length:]) > 0


def _mpeg_frame_length(header: bytes) -> int:
    """The frame's length in bytes, 0 when this is no header (ISO/IEC 11172-3, 2.4.1.3; 13818-3, 2.4.2.3)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return 0
    version, layer = header[1] >> 3 & 3, _LAYERS.get(header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if layer is None or version not in _HERTZ or rate == 3 or not 0 < bitrate < 15 or header[3] & 3 == 2:  # noqa: PLR2004
        return 0
    bits = _KBITS[1 if version == 3 else 2, layer][bitrate - 1] * 1000  # noqa: PLR2004
    samples = 576 if layer == 3 and version != 3 else 1152  # noqa: PLR2004
    return samples // 8 * bits // _HERTZ[version][rate] + padding


def _adts_frame_length(header: bytes) -> int:
    """The frame's length in bytes, 0 when this is no header (ISO/IEC 13818-7, 6.2)."""
    if len(header) < _ADTS_HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:  # noqa: PLR2004
        return 0
    if header[2] >> 2 & 0xF >= _ADTS_RATES:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > _ADTS_HEADER_BYTES else 0
