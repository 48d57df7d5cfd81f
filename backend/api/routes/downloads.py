"""GET and HEAD /api/audio/{id}/download: a recording's bytes."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from access.caller import Caller
from api.guards.credentials import AuthenticatedCaller
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import RecordingId, Redirect, Variant
from api.protocols.download import Downloadable, download, original, playable, redirection
from api.routes.direct_route import DirectRoute
from api.schemas import BYTES, PROBLEM_RESPONSES
from api.services import CurrentServices, Services

RECORDING_BYTES: dict[str, Any] = {
    "description": "The bytes.",
    "content": {media_type: {"schema": BYTES} for media_type in ("application/octet-stream", "audio/*")},
}

router = APIRouter(
    prefix="/api/audio",
    tags=["audio"],
    route_class=DirectRoute,
    dependencies=[KNOWN_PARAMETERS_ALONE],
    responses=PROBLEM_RESPONSES,
)


@router.get(
    "/{recording_id:uuid}/download", operation_id="download", response_class=Response, responses={200: RECORDING_BYTES}
)
async def get_bytes(
    recording_id: RecordingId,
    request: Request,
    services: CurrentServices,
    caller: AuthenticatedCaller,
    *,
    variant: Variant = "original",
    redirect: Redirect = False,
) -> Response:
    """Sends a recording's bytes, or the single range of them that is asked for.

    The variant `playback` is what browsers can play and jump about in: the original, where they can do that with it.
    With `redirect` the answer may be 307 and a link to the object store, good for 15 minutes for whoever has it.
    """
    file = await _downloadable(recording_id, variant, services, caller)
    response = await redirection(file, services.recordings.storage) if redirect else None
    if response is not None:
        return response
    return await download(file, services.recordings.storage, request=request.headers, with_body=True)


@router.head("/{recording_id:uuid}/download", include_in_schema=False)
async def head_bytes(
    recording_id: RecordingId,
    request: Request,
    services: CurrentServices,
    caller: AuthenticatedCaller,
    variant: Variant = "original",
) -> Response:
    """Says what a GET would send."""
    file = await _downloadable(recording_id, variant, services, caller)
    return await download(file, services.recordings.storage, request=request.headers, with_body=False)


async def _downloadable(recording_id: UUID, variant: Variant, services: Services, caller: Caller) -> Downloadable:
    recordings = services.recordings
    recording = await recordings.find_stored(recording_id, owner=caller.owner)
    find_file = playable if variant == "playback" else original
    return await find_file(recording, recordings.storage)
