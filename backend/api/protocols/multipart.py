"""Parses multipart/form-data (RFC 7578) as it arrives, and passes the parts' bytes on without storing or copying."""

from dataclasses import dataclass
from typing import Protocol, cast

from python_multipart.exceptions import FormParserError, ParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers

from api.protocols.form_parts import FormMalformed, FormRefused, Part, parse_part
from storage.contract import Piece

FORM_TYPE = "multipart/form-data"
LONGEST_TYPE = 1024
FOLDS = {b" ", b"\t"}


@dataclass(frozen=True, kw_only=True)
class FormLimits:
    """The limits of a form, besides its file's size."""

    fields: int = 32
    field_bytes: int = 16 * 1024
    headers_per_part: int = 8
    header_bytes: int = 4 * 1024
    preamble_bytes: int = 4 * 1024

    @property
    def overhead_bytes(self) -> int:
        """How much longer than its file a body within these limits can be."""
        return (self.fields + 2) * (self.field_bytes + self.headers_per_part * self.header_bytes)


LIMITS = FormLimits()


class NotAForm(FormRefused):
    message = "An upload is of the type multipart/form-data, with the recording in the field file, or is one: audio/…."


class FormLimitPassed(FormRefused):
    def __init__(self, items: str, *, limit: int) -> None:
        super().__init__(f"The form has more than {limit} {items}.")
        self.limit = limit


class PartHandler(Protocol):
    """What is done with the parts of a form, one after the other."""

    def begin(self, part: Part) -> None:
        """A part's headers have been read."""

    def write(self, piece: Piece) -> None:
        """Some of its content."""

    def end(self) -> None:
        """All of its content has been passed on."""


def is_form(headers: Headers) -> bool:
    """Whether a body is a form, by its Content-Type."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE


def parse_boundary(content_type: str) -> bytes:
    """The boundary that a form's type names. Raises NotAForm or FormMalformed."""
    if len(content_type) > LONGEST_TYPE:
        raise FormMalformed("its type is too long")
    media_type, options = parse_options_header(content_type)
    if media_type != FORM_TYPE.encode():
        raise NotAForm
    if not options.get(b"boundary"):
        raise FormMalformed("its type names no boundary")
    return options[b"boundary"]


class FormParser:
    """A push parser: what it is fed it passes on to the handler, part by part."""

    def __init__(self, content_type: str, handler: PartHandler, *, limits: FormLimits = LIMITS) -> None:
        """Raises NotAForm or FormMalformed."""
        boundary = parse_boundary(content_type)
        self.complete = False
        self._handler = handler
        self._limits = limits
        self._delimiter = b"--" + boundary
        self._preamble: bytearray | None = bytearray()  # None once the first boundary has come
        self._header = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._parser = self._new_parser(boundary)

    def feed(self, piece: Piece) -> None:
        """Parses the next bytes, given as bytes or a bytearray. Raises FormRefused, or what the handler raises."""
        data = cast("bytes", piece)  # the parser only searches and slices, which a bytearray can do as well
        if self._preamble is not None:
            data = self._skip_preamble(data, self._preamble)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise FormMalformed(_reason(error, data)) from error

    def end(self) -> None:
        """To be called after the last byte. Raises FormMalformed."""
        if not self.complete:
            raise FormMalformed("it ends before its closing boundary")

    def _skip_preamble(self, data: bytes, preamble: bytearray) -> bytes:
        """What there is of the body from its first boundary on; what stands before it means nothing (RFC 2046, 5.1.1).

        Raises FormMalformed.
        """
        if preamble or not data.startswith(self._delimiter):
            preamble += data
            start = (b"\n" + preamble).find(b"\n" + self._delimiter)
            skipped = start if start >= 0 else len(preamble) - len(self._delimiter)
            if skipped > self._limits.preamble_bytes:
                raise FormMalformed("it doesn't begin with the boundary that its type names")
            if start < 0:
                return b""
            data = bytes(preamble[start:])
        self._preamble = None
        return data

    def _new_parser(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_begin": self._begin_header,
                    "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": lambda: self._handler.begin(parse_part(self._headers)),
                    "on_part_data": lambda data, start, end: self._handler.write(memoryview(data)[start:end]),
                    "on_part_end": self._handler.end,
                    "on_end": self._end,
                },
                max_header_count=self._limits.headers_per_part + 1,
                max_header_size=self._limits.header_bytes,
            )
        except FormParserError as error:
            raise FormMalformed("its boundary is too long") from error

    def _begin_part(self) -> None:
        self._headers, self._header_count = {}, 0

    def _begin_header(self) -> None:
        self._header_count += 1
        if self._header_count > self._limits.headers_per_part:
            raise FormLimitPassed("headers in a part", limit=self._limits.headers_per_part)

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._header_value)
        self._header.clear()
        self._header_value.clear()

    def _end(self) -> None:
        self.complete = True


def _reason(error: FormParserError, data: bytes) -> str:
    at = error.offset if isinstance(error, ParseError) else -1
    before, character = bytes(data[at - 1 : at]), bytes(data[at : at + 1])
    if at >= 0 and character in FOLDS and before in {b"", b"\n"}:
        return "a header of a part goes on in a second line, and has to stand in one"
    return "a boundary or a header isn't where or what it should be"
