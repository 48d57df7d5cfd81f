"""Reads multipart/form-data as it arrives (RFC 7578), and gives the file's bytes on without keeping them.

`Form` only asks for a chunk of the body when somebody wants the next bytes of the file, so a slow disk slows the
client down instead of filling memory. Where the chunks come from is the caller's choice: `open_form` takes any
asynchronous stream.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from audio.ingest import Details, UploadTooLarge
from core.errors import PegasusError

FILE_FIELD = "file"
KEPT_FIELDS = ("tag", "category", "user_id")


@dataclass(frozen=True, kw_only=True)
class FormLimits:
    """How much a form may hold besides the bytes of its file."""

    fields: int = 16
    field_bytes: int = 16 * 1024
    headers_per_part: int = 8
    header_bytes: int = 4 * 1024

    @property
    def overhead_bytes(self) -> int:
        """The most that a body within these limits is longer than its file."""
        return (self.fields + 2) * (self.field_bytes + self.headers_per_part * self.header_bytes)


LIMITS = FormLimits()


class FormRefused(PegasusError):
    """The body isn't a form that is taken in."""


class NotAForm(FormRefused):
    """The declared type of the body isn't multipart/form-data."""

    def __init__(self) -> None:
        super().__init__("An upload is a body of the type multipart/form-data, with the recording in the field file.")


class FormMalformed(FormRefused):
    """The body breaks the rules of multipart."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The form can't be read: {reason}.")


class FileMissing(FormRefused):
    """The form has no file."""

    def __init__(self) -> None:
        super().__init__("The form has no field named file.")


class FormLimitPassed(FormRefused):
    """The form holds more of something than is taken; `limit` says how much."""

    def __init__(self, what: str, *, limit: int) -> None:
        super().__init__(f"The form has more than {limit} {what}.")
        self.limit = limit


class Form:
    """A form being read: the fields before the file are there at once, those behind it when the file has ended."""

    def __init__(self, body: AsyncIterator[bytes], parts: "_Parts", *, limit_bytes: int) -> None:
        self._body = body
        self._parts = parts
        self._limit_bytes = limit_bytes
        self._received = 0

    async def find_file(self) -> None:
        """Reads up to the file's first byte. Raises FileMissing or FormRefused."""
        while not self._parts.file_begun:
            if not await self._read_on():
                raise FileMissing

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The file's bytes; then it reads the rest of the form, so that its end is the form's end."""
        going_on = True
        while going_on:
            for chunk in self._parts.taken():
                yield chunk
            going_on = await self._read_on()

    def details(self) -> Details:
        """The fields that have come by now."""
        return Details(original_filename=self._parts.file_name, **self._parts.fields)

    async def _read_on(self) -> bool:
        """Takes in one more chunk of the body; False when that was all. Raises FormRefused or UploadTooLarge."""
        chunk = await anext(self._body, None)
        if chunk is None:
            if not self._parts.complete:
                raise FormMalformed("it ends before its closing boundary")
            return False
        self._received += len(chunk)
        if self._received > self._limit_bytes:
            raise UploadTooLarge(limit=self._limit_bytes, received=self._received)
        self._parts.feed(chunk)
        return True


async def open_form(content_type: str, body: AsyncIterator[bytes], *, file_limit_bytes: int) -> Form:
    """A form whose file is about to begin.

    Raises:
        NotAForm, FormMalformed, FormLimitPassed, FileMissing: the body is no form with a file.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise NotAForm
    if not options.get(b"boundary"):
        raise FormMalformed("its type names no boundary")
    form = Form(body, _Parts(options[b"boundary"], LIMITS), limit_bytes=file_limit_bytes + LIMITS.overhead_bytes)
    await form.find_file()
    return form


class _Parts:
    """What python-multipart's push parser tells while it is fed."""

    def __init__(self, boundary: bytes, limits: FormLimits) -> None:
        self._limits = limits
        self._parser = self._new_parser(boundary)
        self._ready: list[bytes] = []
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
        self.file_begun = False
        self.complete = False

    def feed(self, chunk: bytes) -> None:
        """Takes in the next bytes of the body. Raises FormRefused."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise FormMalformed("a boundary or a header isn't where or what it should be") from error

    def taken(self) -> list[bytes]:
        """The bytes of the file that have come since the last call."""
        ready, self._ready = self._ready, []
        return ready

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
                    "on_part_data": self._take_content,
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
        if self.file_begun:
            raise FormLimitPassed("file", limit=1)
        self.file_begun = True
        self.file_name = file_name.replace("%22", '"') or None  # as browsers escape it: HTML, multipart/form-data

    def _begin_field(self, name: str) -> None:
        self._field_count += 1
        if self._field_count > self._limits.fields:
            raise FormLimitPassed("fields", limit=self._limits.fields)
        self._field = name

    def _take_content(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._ready.append(data[start:end])
            return
        self._value.extend(data[start:end])
        if len(self._value) > self._limits.field_bytes:
            raise FormLimitPassed("bytes in a field", limit=self._limits.field_bytes)

    def _end_part(self) -> None:
        if not self._in_file and self._field in KEPT_FIELDS:
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
