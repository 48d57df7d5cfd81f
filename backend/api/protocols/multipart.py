"""Parses multipart/form-data (RFC 7578) as it arrives, and passes the file's bytes on without storing or copying."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.protocols.digests import DigestCheck, parse_digests
from audio.intake.incoming_upload import UploadTooLarge
from audio.model.details import LABELS, Details, labels_among
from core.errors import PegasusError
from storage.contract import Piece

FILE_FIELD = "file"
LONGEST_TYPE = 1024
DETAIL_FIELDS = (*LABELS, "user_id")


@dataclass(frozen=True, kw_only=True)
class FormLimits:
    """The limits of a form, besides its file's size."""

    fields: int = 16
    field_bytes: int = 16 * 1024
    headers_per_part: int = 8
    header_bytes: int = 4 * 1024

    @property
    def overhead_bytes(self) -> int:
        """How much longer than its file a body within these limits can be."""
        return (self.fields + 2) * (self.field_bytes + self.headers_per_part * self.header_bytes)


LIMITS = FormLimits()


class FormRefused(PegasusError):
    """The body isn't an acceptable form."""


class NotAForm(FormRefused):
    message = "An upload is a body of the type multipart/form-data, with the recording in the field file."


class FormMalformed(FormRefused):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The form can't be read: {reason}.")


class FileMissing(FormRefused):
    message = "The form has no field named file."


class FormLimitPassed(FormRefused):
    def __init__(self, items: str, *, limit: int) -> None:
        super().__init__(f"The form has more than {limit} {items}.")
        self.limit = limit


class Form:
    """A push parser for a form, which passes its file's bytes on as it is fed.

    The fields before the file are set when its first bytes are passed on, those after it at the end.
    """

    def __init__(self, content_type: str, *, file_limit_bytes: int) -> None:
        """Raises NotAForm or FormMalformed."""
        if len(content_type) > LONGEST_TYPE:
            raise FormMalformed("its type is too long")
        media_type, options = parse_options_header(content_type)
        if media_type != b"multipart/form-data":
            raise NotAForm
        if not options.get(b"boundary"):
            raise FormMalformed("its type names no boundary")
        self._limit_bytes = file_limit_bytes + LIMITS.overhead_bytes
        self._received = 0
        self._parts = _Parts(options[b"boundary"], LIMITS)

    def pass_file_on(self, sink: Callable[[Piece], None]) -> None:
        """Sets the sink of the file's bytes; to be called before `feed`."""
        self._parts.sink = sink

    def feed(self, piece: Piece) -> None:
        """Parses the next bytes of the body, given as bytes or a bytearray.

        Raises FormRefused, DigestMalformed, UploadTooLarge, or what the sink raises.
        """
        self._received += len(piece)
        if self._received > self._limit_bytes:
            raise UploadTooLarge(limit=self._limit_bytes, received=self._received)
        self._parts.feed(piece)

    def end(self) -> None:
        """To be called after the last byte. Raises FormMalformed, FileMissing or DigestMismatch."""
        if not self._parts.complete:
            raise FormMalformed("it ends before its closing boundary")
        if not self._parts.file_started:
            raise FileMissing
        self._parts.file_digests.end()

    def details(self) -> Details:
        """The fields parsed so far."""
        fields = self._parts.fields
        return Details(
            original_filename=self._parts.file_name, user_id=fields.get("user_id"), labels=labels_among(fields)
        )


class _Parts:
    """The callbacks of python-multipart's parser, and their state."""

    sink: Callable[[Piece], None]

    def __init__(self, boundary: bytes, limits: FormLimits) -> None:
        self._limits = limits
        self._parser = self._new_parser(boundary)
        self._in_file = False
        self._field: str | None = None
        self._value = bytearray()
        self._header = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._field_count = 0
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.file_started = False
        self.file_digests = DigestCheck(())
        self.complete = False

    def feed(self, piece: Piece) -> None:
        """Raises FormRefused."""
        try:
            self._parser.write(cast("bytes", piece))  # it only searches and slices, which a bytearray can do as well
        except FormParserError as error:
            raise FormMalformed("a boundary or a header isn't where or what it should be") from error

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
                    "on_headers_finished": self._begin_content,
                    "on_part_data": self._handle_content,
                    "on_part_end": self._end_part,
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

    def _begin_content(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise FormMalformed("a part has no name")
        name, file_name = _text(options[b"name"]), _text(options.get(b"filename", b""))
        self._in_file = name == FILE_FIELD
        if self._in_file:
            self._begin_file(file_name)
        elif file_name:
            raise FormMalformed(f"it brings a file outside the field {FILE_FIELD}")
        else:
            self._begin_field(name)

    def _begin_file(self, file_name: str) -> None:
        if self.file_started:
            raise FormLimitPassed("file", limit=1)
        self.file_started = True
        self.file_digests = DigestCheck(
            parse_digests({_text(name): _text(text) for name, text in self._headers.items()})
        )
        self.file_name = file_name.replace("%22", '"') or None  # as browsers escape it: HTML, multipart/form-data

    def _begin_field(self, name: str) -> None:
        self._field_count += 1
        if self._field_count > self._limits.fields:
            raise FormLimitPassed("fields", limit=self._limits.fields)
        self._field = name

    def _handle_content(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            piece = memoryview(data)[start:end]
            self.file_digests.update(piece)
            self.sink(piece)
            return
        self._value.extend(data[start:end])
        if len(self._value) > self._limits.field_bytes:
            raise FormLimitPassed("bytes in a field", limit=self._limits.field_bytes)

    def _end_part(self) -> None:
        if not self._in_file and self._field in DETAIL_FIELDS:
            try:
                self.fields[self._field] = self._value.decode()
            except UnicodeDecodeError as error:
                raise FormMalformed(f"the field {self._field} isn't UTF-8") from error
        self._value.clear()
        self._in_file = False

    def _end(self) -> None:
        self.complete = True


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
