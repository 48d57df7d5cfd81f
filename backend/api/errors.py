"""The table that maps errors to responses in problem+json (RFC 9457), each with a stable type."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from access.authenticator import TokenInvalid, TokenMissing
from access.guess_limit import TooManyGuesses
from access.tokens import TokenUnknown, TokenWithoutUser
from access.upload_rate import TooManyUploads
from api.guards.body_limits import BodyTooLarge
from api.guards.content_coding import ContentEncoded
from api.guards.credentials import AdminNeeded
from api.guards.request_origin import AccessUndecided, ForeignHost, ForeignOrigin, HostMalformed, ProxiedRequest
from api.guards.session_cookie import OriginUnknown
from api.http1.refusals import REFUSALS
from api.http1.request_body import UploadTooSlow
from api.protocols.digests import DigestMalformed, DigestMismatch
from api.protocols.event_stream import TooManyStreams
from api.protocols.form_parts import FormMalformed
from api.protocols.multipart import FormLimitPassed, NotAForm
from api.protocols.ranges import PreconditionFailed, RangeNotSatisfiable
from api.protocols.rufh import CompletedUpload, FormNotResumable, InconsistentLength, MismatchingOffset
from api.protocols.tus import VERSION, HeaderRefused, NotUploadBytes, ProtocolVersionUnknown
from api.protocols.upload_form import FileMissing
from audio.intake.duplicates import DuplicateRefused
from audio.intake.idempotency_keys import IdempotencyKeyMalformed, IdempotencyKeyReused, IdempotencyKeyTaken
from audio.intake.incoming_upload import UploadEmpty, UploadTooLarge
from audio.intake.insert import OutcomeUnknown
from audio.intake.quota import QuotaPassed
from audio.intake.resumable.errors import (
    ChecksumWrong,
    LengthPassed,
    LengthRefused,
    OffsetMismatch,
    TooManyOpenUploads,
    UploadDigestWrong,
    UploadMissing,
)
from audio.intake.resumable.upload_locks import UploadBusy, UploadTakenOver
from audio.library.archive import ArchiveTooLarge
from audio.library.cursor import CursorRefused
from audio.library.recordings import RecordingMissing, RetryRefused
from audio.model.duplicates import PolicyUnknown
from audio.model.formats import NotAudio
from audio.processing.results import PlaybackNotReady, TranscriptNotReady, WaveformNotReady
from audio.transcription.document import SpeakerUnknown
from core.descriptors import is_exhaustion
from core.errors import DatabaseFull, DatabaseProblem, PegasusError
from core.labels import LabelTooLong, LabelUnprintable
from core.observability.logging import log_failure
from storage.contract import BytesMissing, StorageError, StorageFull

log = structlog.get_logger(__name__)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CLIENT_DISCONNECTED = 499  # for the log alone, as the client has disconnected; the number is nginx's


@dataclass(frozen=True)
class Problem:
    """An error's status, type and title; its attributes `fields` are members of the response."""

    status: int
    slug: str
    title: str
    fields: tuple[str, ...] = ()
    headers: Callable[[Any], dict[str, str]] = lambda _error: {}
    namespace: str = "urn:pegasus:problem:"


def _codings(error: ContentEncoded) -> dict[str, str]:
    """RFC 9110, 12.5.3: which codings a body may have."""
    return {"Accept-Encoding": "identity"} if error.header == "Content-Encoding" else {}


def _retry_soon(_error: PegasusError) -> dict[str, str]:
    return {"Retry-After": "5"}


def _retry_then(error: TooManyGuesses | TooManyUploads) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after_seconds)}


def _challenge(error: TokenMissing | TokenInvalid) -> dict[str, str]:
    """RFC 6750, 3: an error code only where a token was sent."""
    code = ', error="invalid_token"' if isinstance(error, TokenInvalid) else ""
    return {"WWW-Authenticate": f'Bearer realm="pegasus"{code}'}


def _tus_version(_error: PegasusError) -> dict[str, str]:
    return {"Tus-Version": VERSION}


def _offset(error: OffsetMismatch) -> dict[str, str]:
    return {"Upload-Offset": str(error.offset)}


def _expected_offset(error: MismatchingOffset) -> dict[str, str]:
    return {"Upload-Offset": str(error.expected_offset)}


def _whole_size(error: RangeNotSatisfiable) -> dict[str, str]:
    return {"Content-Range": f"bytes */{error.size_bytes}"}


IANA = "https://iana.org/assignments/http-problem-types#"  # the draft's own problem types
PROBLEMS: dict[type[PegasusError], Problem] = {
    FormMalformed: Problem(400, "form-malformed", "The form can't be read"),
    FormLimitPassed: Problem(400, "form-limit-passed", "The form holds too much", ("limit",)),
    DigestMalformed: Problem(400, "digest-malformed", "The digest can't be read"),
    DigestMismatch: Problem(400, "digest-mismatch", "The bytes don't have their digest", ("algorithm",)),
    CursorRefused: Problem(400, "cursor-refused", "Not a cursor of this list"),
    HostMalformed: Problem(400, "host-malformed", "Not addressed to one host"),
    IdempotencyKeyMalformed: Problem(400, "idempotency-key-malformed", "The Idempotency-Key can't be kept"),
    HeaderRefused: Problem(400, "upload-header-refused", "A header can't be right", ("header",)),
    LengthRefused: Problem(400, "upload-length-refused", "The length can't be right"),
    InconsistentLength: Problem(400, "inconsistent-upload-length", "Inconsistent Upload Length Values", namespace=IANA),
    CompletedUpload: Problem(400, "completed-upload", "Upload Is Completed", namespace=IANA),
    UploadDigestWrong: Problem(400, "upload-digest-wrong", "The upload doesn't have its digest"),
    UploadTakenOver: Problem(400, "upload-taken-over", "Another request goes on with the upload"),
    TokenMissing: Problem(401, "token-missing", "A token is needed", headers=_challenge),
    TokenInvalid: Problem(401, "token-invalid", "The token isn't valid", headers=_challenge),
    ForeignOrigin: Problem(403, "foreign-origin", "Sent by another site"),
    OriginUnknown: Problem(403, "origin-unknown", "Not known to be sent by the page"),
    ProxiedRequest: Problem(403, "proxied-request", "Sent through a proxy"),
    AccessUndecided: Problem(403, "access-undecided", "Only this machine may ask"),
    TokenUnknown: Problem(404, "token-unknown", "No such token"),
    TokenWithoutUser: Problem(422, "token-without-user", "A token needs a user"),
    AdminNeeded: Problem(403, "admin-needed", "An admin's token is needed"),
    QuotaPassed: Problem(403, "quota-passed", "The quota is used up", ("limit", "used", "unit")),
    RecordingMissing: Problem(404, "recording-missing", "No such recording"),
    UploadMissing: Problem(404, "upload-missing", "No such upload"),
    BytesMissing: Problem(404, "bytes-missing", "The recording's bytes are missing"),
    WaveformNotReady: Problem(404, "waveform-not-ready", "No waveform"),
    PlaybackNotReady: Problem(404, "playback-not-ready", "No playback variant yet"),
    TranscriptNotReady: Problem(404, "transcript-not-ready", "No transcript"),
    SpeakerUnknown: Problem(422, "speaker-unknown", "No such speaker", ("speaker",)),
    UploadTooSlow: Problem(408, "upload-too-slow", "The upload is too slow"),
    IdempotencyKeyTaken: Problem(409, "idempotency-key-taken", "The Idempotency-Key is taken"),
    RetryRefused: Problem(409, "retry-refused", "Not processed again"),
    OffsetMismatch: Problem(409, "offset-mismatch", "The upload goes on elsewhere", ("offset",), _offset),
    MismatchingOffset: Problem(
        409,
        "mismatching-upload-offset",
        "Mismatching Upload Offset",
        ("expected-offset", "provided-offset"),
        _expected_offset,
        namespace=IANA,
    ),
    ProtocolVersionUnknown: Problem(412, "tus-version-unknown", "Not this version of tus", headers=_tus_version),
    PreconditionFailed: Problem(412, "precondition-failed", "The bytes are others"),
    LengthPassed: Problem(413, "upload-length-passed", "More than the upload's length", ("limit", "received")),
    UploadTooLarge: Problem(413, "upload-too-large", "The upload is too large", ("limit", "received")),
    BodyTooLarge: Problem(413, "body-too-large", "The body is too large", ("limit", "received")),
    DuplicateRefused: Problem(412, "duplicate", "The bytes are there already", ("duplicate_of",)),
    ContentEncoded: Problem(415, "content-encoded", "The bytes come encoded", ("header", "coding"), _codings),
    NotAForm: Problem(415, "not-a-form", "Not a form"),
    FormNotResumable: Problem(415, "form-not-resumable", "A form can't be resumed"),
    NotUploadBytes: Problem(415, "not-upload-bytes", "Not the bytes of an upload"),
    NotAudio: Problem(415, "not-audio", "Not audio"),
    RangeNotSatisfiable: Problem(416, "range-not-satisfiable", "No such range", ("size_bytes",), _whole_size),
    ForeignHost: Problem(421, "foreign-host", "Not addressed to this server"),
    FileMissing: Problem(422, "file-missing", "The form has no file"),
    UploadEmpty: Problem(422, "upload-empty", "The file is empty"),
    PolicyUnknown: Problem(422, "duplicates-unknown", "Not a policy for duplicates", ("field",)),
    ArchiveTooLarge: Problem(422, "archive-too-large", "Too many recordings for an archive", ("limit", "received")),
    LabelTooLong: Problem(422, "label-too-long", "A text is too long", ("field", "limit", "received")),
    LabelUnprintable: Problem(422, "label-unprintable", "A text holds a control character", ("field",)),
    IdempotencyKeyReused: Problem(422, "idempotency-key-reused", "The Idempotency-Key is another upload's"),
    TooManyGuesses: Problem(429, "too-many-guesses", "Too many wrong tokens", ("limit",), _retry_then),
    TooManyStreams: Problem(429, "too-many-streams", "Too many streams of events", ("limit",), _retry_soon),
    TooManyUploads: Problem(429, "too-many-uploads", "Too many uploads", ("limit",), _retry_then),
    UploadBusy: Problem(423, "upload-busy", "The upload is in use", headers=_retry_soon),
    TooManyOpenUploads: Problem(429, "too-many-open-uploads", "Too many open uploads", ("limit",)),
    ChecksumWrong: Problem(460, "checksum-wrong", "The bytes aren't those that were sent"),
    OutcomeUnknown: Problem(503, "outcome-unknown", "The outcome is unknown", headers=_retry_soon),
    DatabaseFull: Problem(503, "database-full", "The database has no room left", headers=_retry_soon),
    DatabaseProblem: Problem(503, "database-unavailable", "The database can't be used", headers=_retry_soon),
    StorageFull: Problem(507, "storage-full", "No room left"),
    StorageError: Problem(503, "storage-unavailable", "Storage can't be used", headers=_retry_soon),
}
FRAMEWORK = {
    400: Problem(400, "body-malformed", "The body can't be read"),
    404: Problem(404, "path-unknown", "There is nothing at this path"),
    405: Problem(405, "method-not-allowed", "This path has no such method"),
    408: Problem(408, "body-too-slow", "The body is too slow"),
    413: Problem(413, "body-too-large", "The body is too large"),
}
EXHAUSTED = Problem(503, "server-busy", "The server has too much open", headers=_retry_soon)
UNKNOWN = Problem(500, "internal-error", "Something went wrong here")
NOT_JSON = Problem(400, "json-malformed", "Not JSON")
JSON_NEEDED = Problem(415, "not-json", "Not sent as JSON")
INVALID = Problem(422, "request-invalid", "The request is invalid")
BEFORE = tuple(Problem(refusal.status, refusal.slug, refusal.title) for refusal in REFUSALS)  # before a request
ALL_PROBLEMS = (*PROBLEMS.values(), *FRAMEWORK.values(), *BEFORE, EXHAUSTED, UNKNOWN, NOT_JSON, JSON_NEEDED, INVALID)
# Details for clients: these errors' own sentences name internal addresses and users, and are for the log.
PRIVATE = {
    DatabaseFull: "The database has no room left right now.",
    DatabaseProblem: "The database can't be used right now.",
    StorageError: "Storage can't be used right now.",
}


def answer_problems(app: FastAPI) -> None:
    """Makes `app` respond to every error in problem+json."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _on_unknown_error)


async def response_to(request: Request, error: Exception) -> Response:
    """The response to an error of an endpoint. Raises an unforeseen one."""
    handler = next((_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS), None)
    if handler is None:
        raise error
    return await handler(request, error)


def problem_of(error: PegasusError) -> JSONResponse:
    """The response to one of Pegasus's own errors."""
    problem, _ = _known(error)
    if problem is not UNKNOWN and problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        structlog.contextvars.bind_contextvars(problem=problem.slug)  # for the request's own line
        log_failure(log.error, "request failed", error, error=type(error).__name__)
    content, headers = content_of(error), problem.headers(error)
    return JSONResponse(content, problem.status, headers, media_type="application/problem+json")


def content_of(error: PegasusError) -> dict[str, Any]:
    """One of Pegasus's own errors as problem details, for a response of its own or as a part of another."""
    problem, detail = _known(error)
    fields = {name: getattr(error, name.replace("-", "_")) for name in problem.fields}
    return _content(problem, detail=detail, **fields)


def _known(error: PegasusError) -> tuple[Problem, str | None]:
    """The error's problem, and what it says of it to clients."""
    kind = next((kind for kind in type(error).__mro__ if kind in PROBLEMS), None)
    return (UNKNOWN, None) if kind is None else (PROBLEMS[kind], PRIVATE.get(kind, str(error)))


def _response(
    problem: Problem, *, detail: str | None = None, headers: dict[str, str] | None = None, **fields: Any
) -> JSONResponse:
    content = _content(problem, detail=detail, **fields)
    return JSONResponse(content, problem.status, headers, media_type="application/problem+json")


def _content(problem: Problem, *, detail: str | None, **fields: Any) -> dict[str, Any]:
    """The problem's details; `detail` is its title's sentence by default."""
    return {
        "type": f"{problem.namespace}{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": f"{problem.title}." if detail is None else detail,
        **fields,
    }


async def _on_pegasus_error(_request: Request, error: Exception) -> Response:
    return problem_of(error) if isinstance(error, PegasusError) else await _on_unknown_error(_request, error)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    """FastAPI's validation errors, without the request's own values."""
    items = error.errors() if isinstance(error, RequestValidationError) else []
    if any(item["type"] == "json_invalid" for item in items):
        return _response(NOT_JSON, detail="The body isn't JSON.")
    if any(item["loc"] == ("body",) and isinstance(item.get("input"), bytes) for item in items):
        return _response(JSON_NEEDED, detail="The body comes as JSON, with the Content-Type application/json.")
    errors = [
        {
            "at": ".".join(map(str, item["loc"])),
            "message": item["msg"].removeprefix("Value error, "),
            "kind": item["type"],
        }
        for item in items
    ]
    detail = "; ".join(f"{item['at']}: {item['message']}" for item in errors)
    return _response(INVALID, detail=f"{detail}.", errors=errors)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """The framework's own errors."""
    if not isinstance(error, HTTPException):
        return await _on_unknown_error(request, error)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = _methods_at(request)  # Starlette lists those of only one of the path's routes
        detail = f"This path has no {request.method}; it has {methods}."
        return _response(FRAMEWORK[error.status_code], detail=detail, headers={"Allow": methods})
    problem = FRAMEWORK.get(error.status_code, Problem(error.status_code, "refused", "The request is refused"))
    return _response(problem, headers=dict(error.headers or {}))


def _methods_at(request: Request) -> str:
    """The value of Allow (RFC 9110, 10.2.1) for the request's path."""
    scopes = [{**request.scope, "method": method} for method in METHODS]
    routes = request.app.routes
    return ", ".join(
        scope["method"] for scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


async def _on_client_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_DISCONNECTED)


async def _on_os_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, OSError) or not is_exhaustion(error):
        raise error
    log.error("request failed", error=type(error).__name__, reason=str(error.strerror))
    return _response(EXHAUSTED, headers=EXHAUSTED.headers(error))


async def _on_unknown_error(_request: Request, _error: Exception) -> Response:
    """Reveals nothing about an unforeseen error; the server logs it with its traceback."""
    return _response(UNKNOWN)


_HANDLERS: dict[type[Any], Callable[[Request, Exception], Awaitable[Response]]] = {
    PegasusError: _on_pegasus_error,
    RequestValidationError: _on_validation_error,
    HTTPException: _on_http_exception,
    ClientDisconnect: _on_client_disconnect,
    OSError: _on_os_error,
}
