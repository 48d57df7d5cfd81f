"""Tags that players step over in front of the sound: each tells its own length."""

import struct

_ID3_HEADER_BYTES, _APE_HEADER_BYTES = 10, 32
_ID3_VERSIONS, _APE_VERSIONS = range(2, 5), (1000, 2000)
_ID3_FOOTER, _APE_IS_HEADER = 0x10, 1 << 29


def tag_length(window: bytes) -> int:
    """How many bytes the tag takes with which the bytes begin; 0 without one."""
    return _id3_length(window) or _ape_length(window)


def _id3_length(window: bytes) -> int:
    """ID3v2: id3.org, ID3v2.4 structure, 3.1 and 3.4."""
    if not window.startswith(b"ID3") or len(window) < _ID3_HEADER_BYTES:
        return 0
    version, flags, size = window[3], window[5], window[6:10]
    if version not in _ID3_VERSIONS or max(size) > 0x7F:  # noqa: PLR2004
        return 0
    length = size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
    return _ID3_HEADER_BYTES + length + (_ID3_HEADER_BYTES if flags & _ID3_FOOTER else 0)


def _ape_length(window: bytes) -> int:
    """APEv2 (Hydrogenaudio, APE tag header). The size that a header states leaves that header out."""
    if not window.startswith(b"APETAGEX") or len(window) < _APE_HEADER_BYTES:
        return 0
    version, size, _, flags = struct.unpack_from("<IIII", window, 8)
    if version not in _APE_VERSIONS:
        return 0
    return _APE_HEADER_BYTES + (int(size) if flags & _APE_IS_HEADER else 0)
