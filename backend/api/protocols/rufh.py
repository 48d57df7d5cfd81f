"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload, "RUFH"): header fields, parsed and written.

The interop versions 3 (draft -01) to 10 (draft -13) are served; docs/uploads.md says how they differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from http_sf import ser
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http1.request_body import declared_length
from api.http1.request_headers import headers_of
from api.protocols.digests import ALGORITHMS, parse_digests
from api.protocols.protocol_choice import VERSION_FIELD, is_of_uploads, speaks_rufh
from api.protocols.structured_fields import item
from api.protocols.tus import HeaderRefused, NotUploadBytes, recording_headers
from audio.intake.resumable.repository import LIFETIME, Upload
from audio.intake.resumable.upload_requests import Checksum
from core.errors import PegasusError

OLDEST, NEWEST = 3, 10
WITH_PROGRESS, WITH_TYPE, WITH_COMPLETENESS = 5, 6, 7  # the versions of the drafts -03, -04 and -06
WITHOUT_REPETITION = range(6, 9)  # those of -04 to -11
STATUS, REASON = 104, "Upload Resumption Supported"
PARTIAL_TYPE = "application/partial-upload"
EXPOSED = (
    "Location, Upload-Draft-Interop-Version, Upload-Complete, Upload-Incomplete, Upload-Offset, Upload-Length,"
    " Upload-Limit, Upload-Recording-Id, Repr-Digest, Link, Retry-After, X-Request-ID"
)


class MismatchingOffset(PegasusError):
    """The bytes are for another position than that at which the upload goes on."""

    def __init__(self, *, expected: int, provided: int) -> None:
        super().__init__(f"The upload goes on at byte {expected}, and the bytes are for byte {provided}.")
        self.expected_offset = expected
        self.provided_offset = provided


class InconsistentLength(PegasusError):
    """Two lengths that a request or an upload has contradict each other."""


class CompletedUpload(PegasusError):
    """An append to an upload that is complete, where the draft's version has that refused."""


class FormNotResumable(PegasusError):
    message = "Over several requests only a recording's bytes alone are taken, with a Content-Type audio/…: no form."


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The version of the draft that a request speaks: the newest one's rules where it names none that is known."""

    version: int
    is_named: bool

    @classmethod
    def of(cls, headers: Headers) -> "Draft":
        """The version of a request."""
        version = item(headers, VERSION_FIELD)
        if type(version) is int and OLDEST <= version <= NEWEST:
            return cls(version=version, is_named=True)
        return cls(version=NEWEST, is_named=False)

    @property
    def reports_progress(self) -> bool:
        """Whether interim responses say how many bytes are durable."""
        return self.version >= WITH_PROGRESS

    @property
    def needs_type(self) -> bool:
        """Whether appended bytes have a media type of their own."""
        return self.version >= WITH_TYPE

    @property
    def needs_completeness(self) -> bool:
        """Whether an append without Upload-Complete is refused; in older versions it is the last one."""
        return self.version >= WITH_COMPLETENESS

    @property
    def repeats_end(self) -> bool:
        """Whether the last append may be repeated when its answer was lost."""
        return self.version not in WITHOUT_REPETITION

    @property
    def appended_status(self) -> int:
        """The status for bytes that don't end the upload: older versions prescribe 201."""
        return 204 if self.needs_completeness else 201

    def completeness(self, *, complete: bool) -> dict[str, str]:
        """The field that says whether the upload is complete."""
        if self.version == OLDEST:
            return {"Upload-Incomplete": ser(not complete)}
        return {"Upload-Complete": ser(complete)}

    def parse_completeness(self, headers: Headers) -> bool | None:
        """Whether a request ends its upload; None where it doesn't say."""
        value = item(headers, "Upload-Incomplete" if self.version == OLDEST else "Upload-Complete")
        if not isinstance(value, bool):
            return None
        return not value if self.version == OLDEST else value

    def limits(self, limit_bytes: int, *, age_seconds: int) -> dict[str, str]:
        """The limits of an upload, where `age_seconds` are left to it."""
        age = "expires" if self.version == WITH_TYPE else "max-age"
        return {"Upload-Limit": ser({"max-size": limit_bytes, age: age_seconds})}


@dataclass(frozen=True, kw_only=True)
class UploadFields:
    """The fields of a request that creates an upload or appends to it."""

    offset: int
    ends_upload: bool
    length_bytes: int | None
    checksums: Sequence[Checksum]
    digests: Sequence[Checksum]


def parse_creation(headers: Headers, draft: Draft) -> UploadFields:
    """The fields of a request that creates an upload. Raises HeaderRefused, InconsistentLength or DigestMalformed."""
    ends_upload = draft.parse_completeness(headers)
    if ends_upload is None:
        raise HeaderRefused(*_missing(draft))
    return _fields(headers, offset=0, ends_upload=ends_upload)


def parse_append(headers: Headers, draft: Draft) -> UploadFields:
    """The fields of a request that appends.

    Raises HeaderRefused, NotUploadBytes, InconsistentLength or DigestMalformed.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if draft.needs_type and media_type != PARTIAL_TYPE:
        raise NotUploadBytes(PARTIAL_TYPE)
    offset, ends_upload = _count(headers, "Upload-Offset"), draft.parse_completeness(headers)
    if offset is None:
        raise HeaderRefused("Upload-Offset", "is missing, or is no number of bytes")
    if ends_upload is None and draft.needs_completeness:
        raise HeaderRefused(*_missing(draft))
    return _fields(headers, offset=offset, ends_upload=ends_upload is not False)


def check_alone(headers: Headers, draft: Draft) -> None:
    """Checks that a request which brings no bytes has no field about them, as drafts until -05 demand.

    Raises HeaderRefused.
    """
    if not draft.needs_completeness:
        for name in ("Upload-Offset", "Upload-Complete", "Upload-Incomplete", "Upload-Length"):
            if name in headers:
                raise HeaderRefused(name, "belongs to requests that bring bytes")


def state(upload: Upload, offset: int, draft: Draft, *, limit_bytes: int) -> dict[str, str]:
    """The fields of a successful response: how far an upload is, and which recording it has become."""
    left = math.ceil((upload.expires_at - datetime.now(UTC)).total_seconds())
    return draft.completeness(complete=upload.recording_id is not None) | {
        "Upload-Offset": ser(offset),
        **draft.limits(limit_bytes, age_seconds=max(0, left)),
        "Cache-Control": "no-store",
        **recording_headers(upload),
    }


def length(upload: Upload) -> dict[str, str]:
    """The field with an upload's length, where it is known."""
    return {} if upload.length_bytes is None else {"Upload-Length": ser(upload.length_bytes)}


def offered_limits(limit_bytes: int) -> dict[str, str]:
    """The limits of an upload that is still to be created."""
    return Draft(version=NEWEST, is_named=False).limits(limit_bytes, age_seconds=int(LIFETIME.total_seconds()))


class RufhMiddleware:
    """Adds the draft's fields to every response to a request that speaks it, errors included."""

    def __init__(self, app: ASGIApp, *, upload_path: str, limit_bytes: int) -> None:
        self._app = app
        self._upload_path = upload_path
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or not (is_of_uploads(scope["path"]) or scope["path"] == self._upload_path):
            await self._app(scope, receive, send)
            return
        request = headers_of(scope)
        if not speaks_rufh(request):
            await self._app(scope, receive, send)
            return
        draft = Draft.of(request)

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = MutableHeaders(scope=message)
                for name, value in self._added(scope["method"], message["status"], draft).items():
                    fields.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_fields)

    def _added(self, method: str, status: int, draft: Draft) -> dict[str, str]:
        fields = {"Access-Control-Expose-Headers": EXPOSED}
        if draft.is_named:
            fields[VERSION_FIELD] = ser(draft.version)
        if status >= 400 and method in {"POST", "PATCH"}:  # noqa: PLR2004 - of errors the status says enough
            fields |= draft.completeness(complete=False)
        if status == 413:  # noqa: PLR2004 - Content Too Large
            fields |= draft.limits(self._limit_bytes, age_seconds=int(LIFETIME.total_seconds()))
        return fields


def _fields(headers: Headers, *, offset: int, ends_upload: bool) -> UploadFields:
    return UploadFields(
        offset=offset,
        ends_upload=ends_upload,
        length_bytes=_length(headers, offset=offset, ends_upload=ends_upload),
        checksums=_checksums(headers, "content-digest"),
        digests=_checksums(headers, "repr-digest"),
    )


def _length(headers: Headers, *, offset: int, ends_upload: bool) -> int | None:
    """The upload's length, by Upload-Length or by the content that is its end. Raises InconsistentLength."""
    declared = _count(headers, "Upload-Length")
    content = declared_length(headers) if "transfer-encoding" in headers else declared_length(headers) or 0
    end = offset + content if ends_upload and content is not None else None
    if declared is not None and end is not None and declared != end:
        raise InconsistentLength(f"The upload's length is {declared} by Upload-Length, and {end} by its last bytes.")
    return end if declared is None else declared


def _checksums(headers: Headers, field: str) -> list[Checksum]:
    digests = parse_digests(headers, field)
    return [Checksum(algorithm=ALGORITHMS[name], digest=digest) for name, digest in digests if name in ALGORITHMS]


def _count(headers: Headers, name: str) -> int | None:
    """A number of bytes; None where the field is missing, or must be ignored as it holds something else."""
    value = item(headers, name)
    return value if type(value) is int and value >= 0 else None


def _missing(draft: Draft) -> tuple[str, str]:
    return next(iter(draft.completeness(complete=True))), "is missing, or is neither ?1 nor ?0"
