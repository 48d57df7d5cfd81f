"""The name that a file had at its owner's: for display, never a path."""

import re
import unicodedata

from core.labels import LabelTooLong, check_printable

FILE_NAME_BYTES = 255
_SEPARATORS = re.compile(r"[/\\]")


def file_name(text: str | None) -> str | None:
    """The name a file had at its owner's, for display only; of a path its last part, and None where that names nothing.

    Raises LabelTooLong (in bytes of UTF-8) or LabelUnprintable.
    """
    normalized = unicodedata.normalize("NFC", text or "")
    check_printable("file_name", normalized)
    name = _SEPARATORS.split(normalized)[-1]
    length = len(name.encode())
    if length > FILE_NAME_BYTES:
        raise LabelTooLong("file_name", limit=FILE_NAME_BYTES, received=length, unit="bytes")
    return None if name in {"", ".", ".."} else name
