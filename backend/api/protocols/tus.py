"""tus 1.0 as headers: what a client says is read, what it is told is written (https://tus.io/protocols/resumable-upload).

Besides the core protocol: creation, creation-with-upload, creation-defer-length, checksum, termination, expiration.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from email.utils import format_datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.protocols.digests import ALGORITHMS, sent_digests
from audio.intake.resumable.repository import Upload
from audio.intake.resumable.upload_requests import Checksum
from core.errors import PegasusError

VERSION = "1.0.0"
UPLOADS_PATH = "/api/uploads"
RECORDINGS_PATH = "/api/audio"
BYTES_TYPE = "application/offset+octet-stream"
EXTENSIONS = ("creation", "creation-with-upload", "creation-defer-length", "checksum", "termination", "expiration")
CHECKSUMS = {"sha1": 20, "sha256": 32}  # their length in bytes
METADATA = {"filename": "file_name", "name": "file_name", "filetype": "file_type", "type": "file_type"}
LARGEST_NUMBER_DIGITS = 18
EXPOSED = (
    "Location, Tus-Resumable, Tus-Version, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, Upload-Offset,"
    " Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Expires, Upload-Recording-Id, Link, Retry-After,"
    " X-Request-ID"
)
_NUMBER = re.compile(rf"[0-9]{{1,{LARGEST_NUMBER_DIGITS}}}")
_KEY = re.compile(r"[!-+\--~]+")  # ASCII without blanks and commas


class ProtocolVersionUnknown(PegasusError):
    """The client speaks another version of tus, or doesn't say which."""

    def __init__(self) -> None:
        super().__init__(f"The header Tus-Resumable must be {VERSION}.")


class HeaderRefused(PegasusError):
    """A header of tus is missing, or can't be what it is; `header` says which."""

    def __init__(self, header: str, reason: str) -> None:
        super().__init__(f"The header {header} {reason}.")
        self.header = header


class NotUploadBytes(PegasusError):
    """The body isn't declared as what a resumable upload is made of."""

    def __init__(self) -> None:
        super().__init__(f"The bytes of an upload come with the Content-Type {BYTES_TYPE}.")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a client says of its file."""

    file_name: str | None = None
    file_type: str | None = None
    tag: str | None = None
    category: str | None = None
    user_id: str | None = None


def check_version(headers: Headers) -> None:
    """Raises ProtocolVersionUnknown."""
    if headers.get("tus-resumable") != VERSION:
        raise ProtocolVersionUnknown


def check_type(headers: Headers) -> None:
    """Raises NotUploadBytes."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != BYTES_TYPE:
        raise NotUploadBytes


def sent_offset(headers: Headers) -> int:
    """Where the bytes of a request belong. Raises HeaderRefused."""
    offset = _number(headers, "Upload-Offset")
    if offset is None:
        raise HeaderRefused("Upload-Offset", "is missing")
    return offset


def sent_length(headers: Headers) -> int | None:
    """The length of the whole upload, where it is said. Raises HeaderRefused."""
    return _number(headers, "Upload-Length")


def new_length(headers: Headers) -> int | None:
    """The length of a new upload, None where the client will say it later. Raises HeaderRefused."""
    length, deferred = sent_length(headers), headers.get("upload-defer-length")
    if deferred not in {None, "1"}:
        raise HeaderRefused("Upload-Defer-Length", "can only be 1")
    if (length is None) == (deferred is None):
        raise HeaderRefused("Upload-Length", "or Upload-Defer-Length is needed, and not both")
    if "upload-concat" in headers:
        raise HeaderRefused("Upload-Concat", "is of an extension that isn't offered")
    return length


def sent_metadata(headers: Headers) -> Metadata:
    """What a client says of its file; keys that aren't known are left out. Raises HeaderRefused."""
    header, found = "Upload-Metadata", dict[str, str]()
    pairs = [pair.strip(" ") for pair in headers.get(header, "").split(",")]
    for pair in pairs if pairs != [""] else []:
        key, _, encoded = pair.partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise HeaderRefused(header, "has a key that is empty, or comes twice")
        found[key] = _text(header, encoded)
    known = Metadata.__dataclass_fields__
    return Metadata(**{METADATA.get(key, key): text for key, text in found.items() if METADATA.get(key, key) in known})


def sent_checksums(headers: Headers) -> list[Checksum]:
    """The digests that the bytes of a request must have. Raises HeaderRefused or DigestMalformed."""
    digests = sent_digests(headers)
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
    """What OPTIONS answers."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        "Tus-Max-Size": str(limit_bytes),
    }


def progress(upload: Upload, offset: int) -> dict[str, str]:
    """How far an upload is, until when it goes on, and which recording it has become."""
    told = {
        "Upload-Offset": str(offset),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
        "Cache-Control": "no-store",
    }
    if upload.recording_id is not None:
        told["Upload-Recording-Id"] = str(upload.recording_id)
        told["Link"] = f'<{RECORDINGS_PATH}/{upload.recording_id}>; rel="related"'
    return told


def description(upload: Upload) -> dict[str, str]:
    """What was said of an upload when it was begun."""
    said = {
        "filename": upload.file_name,
        "filetype": upload.file_type,
        "tag": upload.tag,
        "category": upload.category,
    }
    pairs = [f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in said.items() if text is not None]
    length = upload.length_bytes
    told = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    return told | ({"Upload-Metadata": ",".join(pairs)} if pairs else {})


class TusEdge:
    """Lets every answer to a request for an upload bear the headers of tus, refusals too.

    And lets X-HTTP-Method-Override say the method for clients that can't send every one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or not is_of_uploads(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def speaking(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Tus-Resumable"] = VERSION
                headers["Access-Control-Expose-Headers"] = EXPOSED
            await send(message)

        override = Headers(scope=scope).get("x-http-method-override")
        passed = scope if override is None else {**scope, "method": override.upper()}
        await self._app(passed, receive, speaking)
        scope["route"] = passed.get("route")  # which one it was is asked for outside


def is_of_uploads(path: str) -> bool:
    """Whether a path is that of uploads or of one of them."""
    return path == UPLOADS_PATH or path.startswith(f"{UPLOADS_PATH}/")


def _number(headers: Headers, name: str) -> int | None:
    text = headers.get(name)
    if text is not None and not _NUMBER.fullmatch(text):
        raise HeaderRefused(name, "is no number of bytes")
    return None if text is None else int(text)


def _text(header: str, encoded: str) -> str:
    try:
        return _decoded(header, encoded).decode()
    except UnicodeDecodeError as error:
        raise HeaderRefused(header, "isn't UTF-8") from error


def _decoded(header: str, encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.encode("latin-1"), validate=True)
    except binascii.Error as error:
        raise HeaderRefused(header, "isn't base64") from error
