"""/api/uploads: resumable uploads by tus 1.0."""

from dataclasses import replace

from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from api.guards.credentials import AuthenticatedCaller, address_of
from api.http1.request_body import Body
from api.parameters import UploadId, UploadPath
from api.protocols.protocol_choice import UPLOADS_PATH, speaks_rufh
from api.protocols.public_address import public_address
from api.protocols.rufh import offered_limits
from api.protocols.tus import (
    capabilities,
    check_type,
    check_version,
    description,
    parse_checksums,
    parse_length,
    parse_metadata,
    parse_new_length,
    parse_offset,
    progress,
)
from api.routes.direct_route import DirectRoute
from api.routes.resumable_upload_docs import APPEND, BEGIN, END, OPTIONS, STATE
from api.schemas import PROBLEM_RESPONSES
from api.services import CurrentServices
from audio.intake.resumable.repository import UploadCreator
from audio.intake.resumable.upload_requests import AppendRequest, NewUpload


class TusRoute(DirectRoute):
    """A route of tus, whose requests name its version, but for OPTIONS."""

    def takes(self, headers: Headers, /) -> bool:
        """Those of the draft, at the same paths, are for routes of their own. Raises ProtocolVersionUnknown."""
        if speaks_rufh(headers):
            return False
        if self.methods != {"OPTIONS"}:
            check_version(headers)
        return True


router = APIRouter(prefix=UPLOADS_PATH, tags=["uploads"], route_class=TusRoute, responses=PROBLEM_RESPONSES)


@router.options("", operation_id="tus_options", status_code=204, response_class=Response, openapi_extra=OPTIONS)
@router.options("/", include_in_schema=False, status_code=204, response_class=Response)
async def options(services: CurrentServices) -> Response:
    """Says what of tus is offered, and the limits of uploads by the IETF's draft."""
    limit_bytes = services.uploads.limit_bytes
    return Response(status_code=204, headers=capabilities(limit_bytes) | offered_limits(limit_bytes))


@router.options(
    "/{upload_id}", operation_id="upload_options", status_code=204, response_class=Response, openapi_extra=OPTIONS
)
@router.options("/{upload_id}/", include_in_schema=False, status_code=204, response_class=Response)
async def options_of(upload_id: UploadPath, services: CurrentServices) -> Response:
    """Says the same of an upload, whether there is one or not."""
    return await options(services)


@router.post("", operation_id="create_upload", status_code=201, response_class=Response, openapi_extra=BEGIN)
@router.post("/", include_in_schema=False, status_code=201, response_class=Response)
async def begin(request: Request, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Creates an upload, with its first bytes where the request has a body."""
    headers = request.headers
    address = caller.rate_limit_key(address_of(request))
    services.upload_rate.check(address)
    length, metadata = parse_new_length(headers), parse_metadata(headers)
    new = NewUpload(
        details=replace(metadata.details, user_id=caller.new_owner(metadata.details.user_id)),
        file_type=metadata.file_type,
        metadata=metadata.raw,
        length_bytes=length,
        creator=UploadCreator(address=address, user_id=caller.user_id, token_id=caller.token_id),
    )
    if not _has_body(headers):
        upload, offset = await services.uploads.create(new), 0
    else:
        check_type(headers)
        first_bytes = AppendRequest(body=Body(request.scope, request.receive), checksums=parse_checksums(headers))
        upload, offset = await services.uploads.create_with_upload(new, first_bytes)
    location = public_address(request, f"{UPLOADS_PATH}/{upload.id}", public_url=services.public_url)
    return Response(status_code=201, headers={"Location": location} | progress(upload, offset))


@router.head("/{upload_id}", operation_id="get_upload_offset", response_class=Response, openapi_extra=STATE)
@router.head("/{upload_id}/", include_in_schema=False, response_class=Response)
async def state_of(upload_id: UploadId, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Says from which byte an upload goes on, and which recording it has become."""
    upload, offset = await services.uploads.offset(upload_id, owner=caller.owner)
    return Response(headers=progress(upload, offset) | description(upload))


@router.patch(
    "/{upload_id}", operation_id="append_to_upload", status_code=204, response_class=Response, openapi_extra=APPEND
)
@router.patch("/{upload_id}/", include_in_schema=False, status_code=204, response_class=Response)
async def append(
    upload_id: UploadId, request: Request, services: CurrentServices, caller: AuthenticatedCaller
) -> Response:
    """Appends bytes to an upload. The answer comes when they are durable; with the last one it is a recording."""
    check_type(request.headers)
    new_bytes = AppendRequest(
        body=Body(request.scope, request.receive),
        offset=parse_offset(request.headers),
        length_bytes=parse_length(request.headers),
        checksums=parse_checksums(request.headers),
    )
    upload, offset = await services.uploads.append(upload_id, new_bytes, owner=caller.owner)
    return Response(status_code=204, headers=progress(upload, offset))


@router.delete(
    "/{upload_id}", operation_id="delete_upload", status_code=204, response_class=Response, openapi_extra=END
)
@router.delete("/{upload_id}/", include_in_schema=False, status_code=204, response_class=Response)
async def end(upload_id: UploadId, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Ends an upload and removes what came of it; a recording that it has become stays."""
    await services.uploads.delete(upload_id, owner=caller.owner)
    return Response(status_code=204)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
