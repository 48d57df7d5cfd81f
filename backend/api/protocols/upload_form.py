"""The form of an upload: one file, and around it what the client says about the recording."""

from collections.abc import Callable

from api.protocols.digests import DigestCheck, parse_digests
from api.protocols.form_parts import FormMalformed, FormRefused, Part
from api.protocols.multipart import LIMITS, FormLimitPassed, FormParser
from audio.intake.incoming_upload import UploadTooLarge
from audio.model.details import LABELS, Details, labels_among
from audio.model.duplicates import DUPLICATES
from storage.contract import Piece

FILE_FIELD = "file"
OTHER_FILE_FIELDS = ("audio", "recording", "file[]")
CHARSET_FIELD = "_charset_"  # HTML, and RFC 7578, 4.6: the charset of texts whose parts name none
TEXT_FIELDS = (*LABELS, "user_id", DUPLICATES, CHARSET_FIELD)
ADVICE = f"put the recording in the field {FILE_FIELD}"


class FileMissing(FormRefused):
    message = f"The form has no file: {ADVICE}."


class NoFileChosen(FileMissing):
    message = f"No file was chosen: the field {FILE_FIELD} is empty, and names none."


class UploadForm:
    """Parses a form as it is fed, and passes its file's bytes on.

    The fields before the file are set when its first bytes are passed on, those after it at the end.
    """

    def __init__(self, content_type: str, *, file_limit_bytes: int) -> None:
        """Raises NotAForm or FormMalformed."""
        self._limit_bytes = file_limit_bytes + LIMITS.overhead_bytes
        self._received = 0
        self._parts = _Parts()
        self._parser = FormParser(content_type, self._parts)

    def pass_file_on(self, sink: Callable[[Piece], None]) -> None:
        """Sets the sink of the file's bytes; to be called before `feed`."""
        self._parts.sink = sink

    def feed(self, piece: Piece) -> None:
        """Parses the next bytes of the body, given as bytes or a bytearray.

        Raises FormRefused, ContentEncoded, DigestMalformed, UploadTooLarge, or what the sink raises.
        """
        self._received += len(piece)
        if self._received > self._limit_bytes:
            raise UploadTooLarge(limit=self._limit_bytes, received=self._received)
        self._parser.feed(piece)

    def end(self) -> None:
        """To be called after the last byte. Raises FormMalformed, FileMissing or DigestMismatch."""
        self._parser.end()
        if not self._parts.has_file:
            raise NoFileChosen if self._parts.has_file_field else FileMissing
        self._parts.file_digests.end()

    def details(self) -> Details:
        """The fields parsed so far."""
        texts = self._parts.texts
        return Details(
            original_filename=self._parts.file_name,
            user_id=texts.get("user_id"),
            labels=labels_among(texts),
            duplicates=texts.get(DUPLICATES),
        )


class _Parts:
    """The form's parts: the file's bytes go to the sink, the texts are collected."""

    sink: Callable[[Piece], None]

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.file_name: str | None = None
        self.has_file_field = False
        self.has_file = False
        self.file_digests = DigestCheck(())
        self._part: Part | None = None
        self._in_file = False
        self._is_second = False
        self._value = bytearray()
        self._field_count = 0

    def begin(self, part: Part) -> None:
        """Raises FormMalformed, FormLimitPassed or DigestMalformed."""
        self._part, self._in_file = part, _is_file(part)
        if self._in_file:
            self._begin_file(part)
        elif part.file_name:
            raise FormMalformed(f"it brings a file in the field {part.name}; {ADVICE}")
        else:
            self._begin_text()

    def write(self, piece: Piece) -> None:
        """Raises FormLimitPassed, or what the sink raises."""
        if self._in_file:
            if self._is_second:
                raise FormLimitPassed("file", limit=1)
            self.has_file = True
            self.file_digests.update(piece)
            self.sink(piece)
            return
        self._value.extend(piece)
        if len(self._value) > LIMITS.field_bytes:
            raise FormLimitPassed("bytes in a field", limit=LIMITS.field_bytes)

    def end(self) -> None:
        """Raises FormMalformed."""
        part = self._part
        if part is not None and not self._in_file and part.name in TEXT_FIELDS:
            charset = self.texts.get(CHARSET_FIELD, "") or "utf-8"
            self.texts[part.name] = part.text(bytes(self._value), charset=charset)
        self._value.clear()
        self._part, self._in_file = None, False

    def _begin_file(self, part: Part) -> None:
        self._is_second = self.has_file
        if self._is_second and not part.file_name:
            return  # a field where nothing was chosen
        if self._is_second:
            raise FormLimitPassed("file", limit=1)
        self.has_file_field, self.has_file = True, bool(part.file_name)
        self.file_digests = DigestCheck(parse_digests(part.headers))
        self.file_name = part.file_name or None

    def _begin_text(self) -> None:
        self._field_count += 1
        if self._field_count > LIMITS.fields:
            raise FormLimitPassed("fields", limit=LIMITS.fields)


def _is_file(part: Part) -> bool:
    """Whether a part brings the recording; a text may bear one of the other names."""
    is_text = part.file_name is None and part.content_type in {"", "text/plain"}
    return part.name == FILE_FIELD or (part.name in OTHER_FILE_FIELDS and not is_text)
