"""The headers of tus 1.0, parsed and written (https://tus.io/protocols/resumable-upload).

Extensions: creation, creation-with-upload, creation-defer-length, checksum, termination, expiration.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from email.utils import format_datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http1.request_headers import headers_of
from api.protocols.digests import ALGORITHMS, parse_digests
from api.protocols.protocol_choice import is_of_uploads, speaks_rufh
from audio.intake.resumable.repository import Upload
from audio.intake.resumable.upload_requests import Checksum
from audio.model.details import LABELS, Details, labels_among
from audio.model.duplicates import DUPLICATES
from core.errors import PegasusError

VERSION = "1.0.0"
RECORDINGS_PATH = "/api/audio"
BYTES_TYPE = "application/offset+octet-stream"
EXTENSIONS = ("creation", "creation-with-upload", "creation-defer-length", "checksum", "termination", "expiration")
CHECKSUMS = {"sha1": 20, "sha256": 32}  # their length in bytes
SYNONYMS = {"name": "filename", "type": "filetype"}
METADATA = ("filename", "filetype", "user_id", DUPLICATES, *LABELS)
LARGEST_NUMBER_DIGITS = 18
EXPOSED = (
    "Location, Tus-Resumable, Tus-Version, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, Upload-Offset,"
    " Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Expires, Upload-Recording-Id, Upload-Duplicate-Of,"
    " Link, Retry-After, X-Request-ID"
)
_ADDED = ((b"tus-resumable", VERSION.encode()), (b"access-control-expose-headers", EXPOSED.encode()))
_NUMBER = re.compile(rf"[0-9]{{1,{LARGEST_NUMBER_DIGITS}}}")
_KEY = re.compile(r"[!-+\--~]+")  # ASCII without blanks and commas


class ProtocolVersionUnknown(PegasusError):
    message = f"The header Tus-Resumable must be {VERSION}."


class HeaderRefused(PegasusError):
    def __init__(self, header: str, reason: str) -> None:
        super().__init__(f"The header {header} {reason}.")
        self.header = header


class NotUploadBytes(PegasusError):
    def __init__(self, media_type: str) -> None:
        super().__init__(f"The bytes of an upload come with the Content-Type {media_type}.")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The parsed Upload-Metadata, and `raw` as it was sent."""

    details: Details
    file_type: str | None
    raw: str | None


def check_version(headers: Headers) -> None:
    """Raises ProtocolVersionUnknown."""
    if headers.get("tus-resumable") != VERSION:
        raise ProtocolVersionUnknown


def check_type(headers: Headers) -> None:
    """Raises NotUploadBytes."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != BYTES_TYPE:
        raise NotUploadBytes(BYTES_TYPE)


def parse_offset(headers: Headers) -> int:
    """The offset of a request's bytes. Raises HeaderRefused."""
    offset = _number(headers, "Upload-Offset")
    if offset is None:
        raise HeaderRefused("Upload-Offset", "is missing")
    return offset


def parse_length(headers: Headers) -> int | None:
    """The length of the whole upload, if declared. Raises HeaderRefused."""
    return _number(headers, "Upload-Length")


def parse_new_length(headers: Headers) -> int | None:
    """The length of a new upload; None when the client defers it. Raises HeaderRefused."""
    if "upload-concat" in headers:
        raise HeaderRefused("Upload-Concat", "is of concatenation, which isn't offered: send the file as one upload")
    length, deferred = parse_length(headers), headers.get("upload-defer-length")
    if deferred not in {None, "1"}:
        raise HeaderRefused("Upload-Defer-Length", "can only be 1")
    if (length is None) == (deferred is None):
        raise HeaderRefused("Upload-Length", "or Upload-Defer-Length is needed, and not both")
    return length


def parse_metadata(headers: Headers) -> Metadata:
    """Keys that mean nothing here may have any value, or none. Raises HeaderRefused."""
    header, values = "Upload-Metadata", dict[str, bytes]()
    raw = ",".join(headers.getlist(header))
    for pair in filter(None, (pair.strip(" \t") for pair in raw.split(","))):
        key, _, encoded = pair.partition(" ")
        if not _KEY.fullmatch(key) or key in values:
            raise HeaderRefused(header, "has a key that is empty, or comes twice")
        values[key] = _decoded(header, encoded.strip(" \t"))
    names = {key: SYNONYMS.get(key, key) for key in values}
    texts = {name: _text(header, values[key]) for key, name in names.items() if name in METADATA}
    details = Details(
        original_filename=texts.get("filename"),
        user_id=texts.get("user_id"),
        labels=labels_among(texts),
        duplicates=texts.get(DUPLICATES),
    )
    return Metadata(details=details, file_type=texts.get("filetype"), raw=raw or None)


def parse_checksums(headers: Headers) -> list[Checksum]:
    """The digests that the bytes of a request must have. Raises HeaderRefused or DigestMalformed."""
    digests = parse_digests(headers)
    checksums = [Checksum(algorithm=ALGORITHMS[name], digest=digest) for name, digest in digests if name in ALGORITHMS]
    if "upload-checksum" in headers:
        algorithm, _, encoded = headers["upload-checksum"].partition(" ")
        if algorithm not in CHECKSUMS:
            raise HeaderRefused("Upload-Checksum", f"needs one of the algorithms {', '.join(CHECKSUMS)}")
        digest = _decoded("Upload-Checksum", encoded)
        if len(digest) != CHECKSUMS[algorithm]:
            raise HeaderRefused("Upload-Checksum", f"holds no {algorithm}")
        checksums.append(Checksum(algorithm=algorithm, digest=digest))
    return checksums


def capabilities(limit_bytes: int) -> dict[str, str]:
    """The headers of the response to OPTIONS."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        "Tus-Max-Size": str(limit_bytes),
    }


def progress(upload: Upload, offset: int) -> dict[str, str]:
    """The headers with an upload's offset, its expiry, and the recording that it has become."""
    return {
        "Upload-Offset": str(offset),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
        "Cache-Control": "no-store",
        **recording_headers(upload),
    }


def recording_headers(upload: Upload) -> dict[str, str]:
    """The headers that lead to the recording which an upload has become; none before."""
    if upload.recording_id is None:
        return {}
    original = {} if upload.original is None else {"Upload-Duplicate-Of": str(upload.original.id)}
    return original | {
        "Upload-Recording-Id": str(upload.recording_id),
        "Link": f'<{RECORDINGS_PATH}/{upload.recording_id}>; rel="related"',
    }


def description(upload: Upload) -> dict[str, str]:
    """The headers with an upload's length and metadata, as it was created."""
    length, metadata = upload.length_bytes, upload.metadata or _older_metadata(upload)
    headers = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    return headers | ({"Upload-Metadata": metadata} if metadata else {})


class TusMiddleware:
    """Adds the headers of tus to every response about uploads, errors included, unless the request speaks the draft.

    It also applies X-HTTP-Method-Override, for clients that can't send every method.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_of_uploads(scope["path"]) or speaks_rufh(headers_of(scope)):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_ADDED]
            await send(message)

        override = headers_of(scope).get("x-http-method-override")
        inner = scope if override is None else {**scope, "method": override.upper()}
        await self._app(inner, receive, send_with_headers)
        scope["route"] = inner.get("route")  # outer middleware reads it


def _number(headers: Headers, name: str) -> int | None:
    text = headers.get(name)
    if text is not None and not _NUMBER.fullmatch(text):
        raise HeaderRefused(name, "is no number of bytes")
    return None if text is None else int(text)


def _older_metadata(upload: Upload) -> str:
    """The metadata of an upload that an older server has created, which didn't keep them as they were sent."""
    details = upload.details
    metadata = {"filename": details.original_filename, "filetype": upload.file_type, **details.labels}
    pairs = [f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in metadata.items() if text is not None]
    return ",".join(pairs)


def _text(header: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise HeaderRefused(header, "isn't UTF-8") from error


def _decoded(header: str, encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.encode("latin-1"), validate=True)
    except binascii.Error as error:
        raise HeaderRefused(header, "isn't base64") from error
