"""Normalizes and validates short texts from clients, such as tags and categories."""

import unicodedata

from core.errors import PegasusError

LABEL_CHARACTERS = 100
USER_ID_CHARACTERS = 255
_BLANKS = (
    " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"  # Unicode's Zs
)
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of surrogate pairs, line and paragraph separators


class LabelRefused(PegasusError):
    """`field` is the name of the text's field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"The {field.replace('_', ' ')} {reason}.")
        self.field = field


class LabelTooLong(LabelRefused):
    def __init__(self, field: str, *, limit: int, received: int, unit: str = "characters") -> None:
        super().__init__(field, f"has {received} {unit}, and at most {limit} are kept")
        self.limit = limit
        self.received = received


class LabelUnprintable(LabelRefused):
    def __init__(self, field: str) -> None:
        super().__init__(field, "holds a control character")


def label(field: str, text: str | None, *, limit: int = LABEL_CHARACTERS) -> str | None:
    """The text in Unicode's NFC, without blanks around it; None when it is empty then.

    Raises LabelTooLong or LabelUnprintable.
    """
    if not text:
        return None
    normalized = unicodedata.normalize("NFC", text).strip(_BLANKS)
    if len(normalized) > limit:
        raise LabelTooLong(field, limit=limit, received=len(normalized))
    check_printable(field, normalized)
    return normalized or None


def user_label(text: str | None) -> str | None:
    """A user's id, normalized. Raises as `label` does."""
    return label("user_id", text, limit=USER_ID_CHARACTERS)


def check_printable(field: str, text: str) -> None:
    """Raises LabelUnprintable."""
    if not text.isprintable() and any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise LabelUnprintable(field)
