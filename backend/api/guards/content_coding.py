"""Refuses content that comes encoded: a recording's bytes are kept as they are, so none are unpacked on the way."""

from collections.abc import Mapping

from core.errors import PegasusError

_PLAIN = {
    "content-encoding": {"", "identity"},
    "content-transfer-encoding": {"", "7bit", "8bit", "binary"},  # RFC 2045, 6: those that change nothing
}


class ContentEncoded(PegasusError):
    """A body, or a part of a form, comes in a coding that would have to be undone."""

    def __init__(self, header: str, coding: str) -> None:
        super().__init__(f"The {header} {coding} isn't undone here: send the bytes as they are, without it.")
        self.header = header
        self.coding = coding


def check_content_coding(headers: Mapping[str, str]) -> None:
    """Raises ContentEncoded; `headers` are a request's, or a part's by their names in small letters."""
    for header, plain in _PLAIN.items():
        coding = headers.get(header, "").strip()
        if coding.lower() not in plain:
            raise ContentEncoded(header.title(), coding[:100])
