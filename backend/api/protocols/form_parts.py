"""The headers of a form's part, as the many clients write them (RFC 7578, and what came before it)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from python_multipart.multipart import parse_options_header

from api.guards.content_coding import check_content_coding
from core.errors import PegasusError

DISPOSITIONS = (b"form-data", b"attachment")
_ENCODED_WORD = re.compile(r"=\?[!->@-~]+\?[bBqQ]\?[!->@-~]*\?=")
_PERCENT_ENCODED = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
_options = lru_cache(maxsize=256)(parse_options_header)  # most forms have the same names and types; it is only read
_CHARSETS = {*aliases, *aliases.values()}  # of Python's codecs, which remembers for good what else it is asked for


class FormRefused(PegasusError):
    """The body isn't an acceptable form."""


class FormMalformed(FormRefused):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The form can't be read: {reason}.")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the headers of a part say; `file_name` is None where they name no file, and '' where none was chosen."""

    name: str
    file_name: str | None
    content_type: str
    charset: str | None
    headers: Mapping[str, str]

    def text(self, value: bytes, *, charset: str = "utf-8") -> str:
        """The content of a text, in the charset that the part names or else the form's. Raises FormMalformed."""
        charset = self.charset or charset
        if normalize_encoding(charset).lower() not in _CHARSETS:
            raise FormMalformed(f"the field {self.name} is in the charset {charset}, which isn't known")
        try:
            return value.decode(charset)
        except (UnicodeError, LookupError) as error:  # LookupError: a codec that is none of texts
            raise FormMalformed(f"the field {self.name} isn't {charset.upper()}") from error


def parse_part(fields: Mapping[bytes, bytes]) -> Part:
    """A part by its headers, whose names are in small letters. Raises FormMalformed or ContentEncoded."""
    raw = fields.get(b"content-disposition")
    if raw is None:
        raise FormMalformed("a part has no Content-Disposition")
    disposition, options = _options(raw)
    if disposition not in DISPOSITIONS:
        raise FormMalformed("a part's Content-Disposition isn't form-data")
    extended = extended_parameters(raw) if b"*" in raw else {}
    name = extended.get("name", _text(options[b"name"]) if b"name" in options else None)
    if name is None:
        raise FormMalformed("a part has no name")
    file_name = _file_name(_text(options[b"filename"])) if b"filename" in options else None
    headers = {_text(header): _text(value) for header, value in fields.items()}
    check_content_coding(headers)
    content_type, type_options = _options(fields.get(b"content-type"))
    charset = type_options.get(b"charset")
    return Part(
        name=name,
        file_name=extended.get("filename", file_name),
        content_type=_text(content_type),
        charset=_text(charset) if charset else None,
        headers=headers,
    )


def extended_parameters(disposition: bytes) -> dict[str, str]:
    """The parameters as `filename*` has them: they win (RFC 6266, 4.3), unless they can't be read."""
    message = Message()
    message["Content-Disposition"] = disposition.decode("latin-1")
    try:
        parameters: list[tuple[str, Any]] = message.get_params([], header="content-disposition")
        extended = [(key, value) for key, value in parameters if isinstance(value, tuple)]
        return {key: text.encode("latin-1").decode(charset or "utf-8") for key, (charset, _, text) in extended}
    except (LookupError, ValueError, TypeError):  # TypeError: CPython's own, for a parameter with and without numbers
        return {}


def _file_name(text: str) -> str:
    """The name, without what clients encode it by where they take headers for ASCII alone."""
    if _ENCODED_WORD.fullmatch(text):  # .NET: RFC 2047, although that has no place in parameters
        try:
            return str(make_header(decode_header(text))) or text
        except (MessageError, LookupError, ValueError):
            return text
    if "%" in text and _PERCENT_ENCODED.fullmatch(text):  # aiohttp: RFC 7578, 2
        return unquote(text)
    return text.replace("%22", '"')  # browsers: HTML, multipart/form-data


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
