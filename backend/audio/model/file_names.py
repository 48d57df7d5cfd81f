"""The name that a file had at its owner's: for display, never a path."""

import unicodedata

from core.labels import LabelRefused, LabelTooLong, check_printable

FILE_NAME_BYTES = 255


class FileNameIsPath(LabelRefused):
    """A file's name says where the file should lie, and that is never the client's choice."""

    def __init__(self) -> None:
        super().__init__("file_name", "holds a path, and only a name is taken")


def file_name(text: str | None) -> str | None:
    """The name a file had at its owner's, for display only.

    Raises FileNameIsPath, LabelTooLong (in bytes of UTF-8) or LabelUnprintable.
    """
    kept = unicodedata.normalize("NFC", text or "")
    check_printable("file_name", kept)
    if "/" in kept or "\\" in kept or kept in {".", ".."}:
        raise FileNameIsPath
    length = len(kept.encode())
    if length > FILE_NAME_BYTES:
        raise LabelTooLong("file_name", limit=FILE_NAME_BYTES, received=length, unit="bytes")
    return kept or None
