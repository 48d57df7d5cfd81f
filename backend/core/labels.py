"""A text that a client gives and that is kept: how long it may be, and what may stand in it."""

import unicodedata

from core.errors import PegasusError

LABEL_CHARACTERS = 100
USER_ID_CHARACTERS = 255
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


def label(field: str, text: str | None, *, limit: int = LABEL_CHARACTERS) -> str | None:
    """A text as it is kept: in Unicode's NFC, without blanks around it; None when nothing is left.

    Raises LabelTooLong or LabelUnprintable.
    """
    kept = unicodedata.normalize("NFC", text or "").strip(" ")
    if len(kept) > limit:
        raise LabelTooLong(field, limit=limit, received=len(kept))
    check_printable(field, kept)
    return kept or None


def user_label(text: str | None) -> str | None:
    """A user's id as it is kept. Raises as `label` does."""
    return label("user_id", text, limit=USER_ID_CHARACTERS)


def check_printable(field: str, text: str) -> None:
    """Raises LabelUnprintable."""
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise LabelUnprintable(field)
