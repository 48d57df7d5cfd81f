"""What may be written on a recording: its tag, its category, its user, and the name its file once had."""

import unicodedata

from core.errors import PegasusError

LABEL_CHARACTERS = 100
USER_ID_CHARACTERS = 255
FILE_NAME_BYTES = 255
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of surrogate pairs, line and paragraph separators


class LabelRefused(PegasusError):
    """A text that can't be kept as it was given; `field` says which."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"The {field.replace('_', ' ')} {reason}.")
        self.field = field


class LabelTooLong(LabelRefused):
    """A text is longer than its limit, in `unit` (characters or bytes)."""

    def __init__(self, field: str, *, limit: int, received: int, unit: str = "characters") -> None:
        super().__init__(field, f"has {received} {unit}, and at most {limit} are kept")
        self.limit = limit
        self.received = received


class LabelUnprintable(LabelRefused):
    """A text holds a control character."""

    def __init__(self, field: str) -> None:
        super().__init__(field, "holds a control character")


class FileNameIsPath(LabelRefused):
    """A file's name says where the file should lie, and that is never the client's choice."""

    def __init__(self) -> None:
        super().__init__("file_name", "holds a path, and only a name is taken")


def label(field: str, text: str | None, *, limit: int = LABEL_CHARACTERS) -> str | None:
    """A text as it is kept: in Unicode's NFC, without blanks around it; None when nothing is left.

    Raises LabelTooLong or LabelUnprintable.
    """
    kept = unicodedata.normalize("NFC", text or "").strip(" ")
    if len(kept) > limit:
        raise LabelTooLong(field, limit=limit, received=len(kept))
    _check_printable(field, kept)
    return kept or None


def user_label(text: str | None) -> str | None:
    """A user's id as it is kept. Raises as `label` does."""
    return label("user_id", text, limit=USER_ID_CHARACTERS)


def file_name(text: str | None) -> str | None:
    """The name a file had at its owner's, for display only.

    Raises FileNameIsPath, LabelTooLong (in bytes of UTF-8) or LabelUnprintable.
    """
    kept = unicodedata.normalize("NFC", text or "")
    _check_printable("file_name", kept)
    if "/" in kept or "\\" in kept or kept in {".", ".."}:
        raise FileNameIsPath
    length = len(kept.encode())
    if length > FILE_NAME_BYTES:
        raise LabelTooLong("file_name", limit=FILE_NAME_BYTES, received=length, unit="bytes")
    return kept or None


def _check_printable(field: str, text: str) -> None:
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise LabelUnprintable(field)
