"""Resumable uploads by the IETF's draft: begun at /api/uploads or /api/audio/upload, and gone on with at /api/uploads.

The same paths serve tus; the requests' headers decide (see `api.protocols.protocol_choice`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from access.caller import Caller
from api.errors import problem_of
from api.guards.credentials import AuthenticatedCaller, address_of
from api.http1.interim_responses import InterimResponses, interim_responses
from api.http1.request_body import Body
from api.http1.request_headers import headers_of
from api.protocols.digests import DigestMismatch, repr_digest
from api.protocols.download import sha256_of
from api.protocols.protocol_choice import UPLOADS_PATH, VERSION_FIELD, speaks_rufh
from api.protocols.public_address import public_address
from api.protocols.raw_upload import details_of
from api.protocols.rufh import (
    PARTIAL_TYPE,
    REASON,
    STATUS,
    CompletedUpload,
    Draft,
    InconsistentLength,
    MismatchingOffset,
    UploadFields,
    check_alone,
    length,
    parse_append,
    parse_creation,
    state,
)
from api.protocols.tus import parse_metadata
from api.schemas import UploadedRecording
from api.services import CurrentServices, Services
from audio.intake.duplicates import DuplicateRefused
from audio.intake.incoming_upload import UploadEmpty
from audio.intake.resumable.errors import (
    ChecksumWrong,
    LengthPassed,
    LengthRefused,
    OffsetMismatch,
    UploadDigestWrong,
    UploadFinished,
    UploadMissing,
)
from audio.intake.resumable.repository import Upload, UploadCreator
from audio.intake.resumable.upload_requests import AppendRequest, NewUpload
from audio.model.details import Details
from audio.model.formats import NotAudio


class DraftRoute(APIRoute):
    """A route for requests that speak the draft; all others are for the routes of tus at the same paths."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As every route, once the headers match."""
        if scope["type"] == "http" and speaks_rufh(headers_of(scope)):
            return super().matches(scope)
        return Match.NONE, {}


router = APIRouter(prefix=UPLOADS_PATH, tags=["uploads"], route_class=DraftRoute, include_in_schema=False)


@router.post("")
@router.post("/")
async def create(request: Request, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Creates an upload with its first bytes, or with all."""
    headers, draft = request.headers, Draft.of(request.headers)
    address = caller.rate_limit_key(address_of(request))
    services.upload_rate.check(address)
    fields = parse_creation(headers, draft)
    new = NewUpload(
        details=_details(request, caller),
        file_type=_file_type(request.headers),
        metadata=parse_metadata(request.headers).raw,
        length_bytes=fields.length_bytes,
        creator=UploadCreator(address=address, user_id=caller.user_id, token_id=caller.token_id),
        digests=fields.digests,
        finishes_at_length=fields.ends_upload,
    )
    interim = interim_responses(request.scope) if draft.is_named else None
    append = _append_request(request, fields, draft, interim)

    async def creating() -> Response:
        if not fields.ends_upload and append.body.declared_bytes == 0:
            upload, offset = await services.uploads.create(new), 0
        elif interim is None:
            upload, offset = await services.uploads.create_with_upload(new, append)
        else:
            upload = await services.uploads.create(new)
            announced = replace(append, on_locked=partial(_announce, interim, request, draft, services))
            upload, offset = await _append(upload.id, announced, services, draft, owner=None)
        return await _response(upload, offset, draft, services, status=201, extra=_location(upload, request, services))

    return await _in_draft_terms(creating(), draft, offset=0)


@router.head("/{upload_id}")
@router.head("/{upload_id}/")
@router.get("/{upload_id}")
@router.get("/{upload_id}/")
async def state_of(
    upload_id: str, request: Request, services: CurrentServices, caller: AuthenticatedCaller
) -> Response:
    """Says from which byte an upload goes on, and whether it is complete."""
    draft = Draft.of(request.headers)
    check_alone(request.headers, draft)
    upload, offset = await services.uploads.offset(_id(upload_id), owner=caller.owner)
    fields = state(upload, offset, draft, limit_bytes=services.uploads.limit_bytes)
    return Response(status_code=204, headers=fields | length(upload))


@router.patch("/{upload_id}")
@router.patch("/{upload_id}/")
async def append(upload_id: str, request: Request, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Appends bytes to an upload; with the last ones it is a recording, which is the response."""
    draft = Draft.of(request.headers)
    fields = parse_append(request.headers, draft)
    new_bytes = _append_request(request, fields, draft, interim_responses(request.scope) if draft.is_named else None)

    async def appending() -> Response:
        upload, offset = await _append(_id(upload_id), new_bytes, services, draft, owner=caller.owner)
        return await _response(upload, offset, draft, services, status=draft.appended_status)

    return await _in_draft_terms(appending(), draft, offset=fields.offset)


@router.delete("/{upload_id}")
@router.delete("/{upload_id}/")
async def cancel(upload_id: str, request: Request, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Ends an upload and removes what came of it; a recording that it has become stays."""
    check_alone(request.headers, Draft.of(request.headers))
    await services.uploads.delete(_id(upload_id), owner=caller.owner)
    return Response(status_code=204)


async def _append(
    upload_id: UUID, request: AppendRequest, services: Services, draft: Draft, *, owner: str | None
) -> tuple[Upload, int]:
    """Appends; bytes beyond the upload's length end it, as later drafts demand (4.4.2)."""
    try:
        return await services.uploads.append(upload_id, request, owner=owner)
    except LengthPassed:
        if draft.needs_completeness:
            with suppress(UploadMissing):
                await services.uploads.delete(upload_id, owner=owner)
        raise


async def _in_draft_terms(work: Awaitable[Response], draft: Draft, *, offset: int) -> Response:
    """The response, or the errors of the draft for those of the domain.

    What ends an upload for good is the response to it, so its client doesn't try again.
    """
    try:
        return await work
    except OffsetMismatch as error:
        raise MismatchingOffset(expected=error.offset, provided=offset) from error
    except (LengthRefused, LengthPassed) as error:
        raise InconsistentLength(str(error)) from error
    except UploadFinished as error:
        raise CompletedUpload(str(error)) from error
    except ChecksumWrong as error:
        raise DigestMismatch(error.algorithm) from error
    except (NotAudio, UploadEmpty, UploadDigestWrong, DuplicateRefused) as error:
        response = problem_of(error)
        response.headers.update(draft.completeness(complete=True))
        return response


async def _response(
    upload: Upload,
    offset: int,
    draft: Draft,
    services: Services,
    *,
    status: int,
    extra: dict[str, str] | None = None,
) -> Response:
    """The response to bytes that are durable: the recording, once the upload has become one."""
    fields = state(upload, offset, draft, limit_bytes=services.uploads.limit_bytes) | (extra or {})
    if upload.recording_id is None:
        return Response(status_code=status, headers=fields)
    recording = await services.recordings.find(upload.recording_id, owner=None)
    sha256 = await sha256_of(recording, services.recordings.storage)
    first = upload.original or await services.recordings.original_of(recording)
    content = UploadedRecording.of(recording, first).model_dump_json()
    headers = fields | (repr_digest(sha256) if sha256 else {})
    return Response(content, media_type="application/json", headers=headers)


def _details(request: Request, caller: Caller) -> Details:
    """What a request says about its recording: in its query and Content-Disposition, or as in tus."""
    details = parse_metadata(request.headers).details.or_else(details_of(request))
    return replace(details, user_id=caller.new_owner(details.user_id))


def _file_type(headers: Headers) -> str | None:
    declared = parse_metadata(headers).file_type or headers.get("content-type")
    return None if declared == PARTIAL_TYPE else declared


def _append_request(
    request: Request, fields: UploadFields, draft: Draft, interim: InterimResponses | None
) -> AppendRequest:
    body = Body(request.scope, request.receive)
    if body.declared_bytes is None and "transfer-encoding" not in request.headers:
        body.declared_bytes = 0
    return AppendRequest(
        body=body,
        offset=fields.offset,
        length_bytes=fields.length_bytes,
        checksums=fields.checksums,
        ends_upload=fields.ends_upload,
        digests=fields.digests,
        may_repeat=draft.repeats_end,
        on_progress=_progress_sender(interim, draft) if interim is not None and draft.reports_progress else None,
    )


def _progress_sender(interim: InterimResponses, draft: Draft) -> Callable[[int], None]:
    """A function for any thread that sends how many bytes of an upload are durable."""
    loop = asyncio.get_running_loop()

    def send(size_bytes: int) -> None:
        fields = {VERSION_FIELD: str(draft.version), "Upload-Offset": str(size_bytes)}
        loop.call_soon_threadsafe(partial(interim.send, STATUS, REASON, fields))

    return send


def _announce(interim: InterimResponses, request: Request, draft: Draft, services: Services, upload: Upload) -> None:
    """Sends the interim response that says where an upload can be resumed.

    Only a client that has it can take the upload over, so an offset that it asks for stays true.
    """
    limit = state(upload, 0, draft, limit_bytes=services.uploads.limit_bytes)["Upload-Limit"]
    fields = {VERSION_FIELD: str(draft.version), "Upload-Limit": limit}
    interim.send(STATUS, REASON, fields | _location(upload, request, services))


def _location(upload: Upload, request: Request, services: Services) -> dict[str, str]:
    """The field with an upload's address, the same in every response to a request."""
    return {"Location": public_address(request, f"{UPLOADS_PATH}/{upload.id}", public_url=services.public_url)}


def _id(text: str) -> UUID:
    """Raises UploadMissing."""
    try:
        return UUID(text)
    except ValueError as error:
        raise UploadMissing from error
