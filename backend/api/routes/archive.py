"""GET /api/audio/archive.zip: downloads many recordings at once, by their ids or by a filter."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from api.guards.credentials import AuthenticatedCaller
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import Ids, QueryFilters
from api.protocols.download import content_disposition
from api.schemas import BYTES, PROBLEM_RESPONSES
from api.services import CurrentServices
from audio.library import archive
from audio.library.bulk import Selection
from audio.library.filters import Filters
from audio.model.audio_file import utc_now

ARCHIVE: dict[str, Any] = {"description": "The ZIP file.", "content": {"application/zip": {"schema": BYTES}}}

router = APIRouter(
    prefix="/api/audio", tags=["audio"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES
)


@router.get("/archive.zip", operation_id="download_archive", response_class=Response, responses={200: ARCHIVE})
async def download_archive(
    services: CurrentServices, caller: AuthenticatedCaller, filters: QueryFilters, ids: Ids = None
) -> Response:
    """Sends recordings as a ZIP file: those that `ids` name, or those that a list with the same filters has.

    Each comes as it was uploaded, called by its title or name, with its manifest (`.json`), and its transcript (`.txt`,
    and `.vtt` where its times are known) where it has one. `missing.txt` lists those whose bytes storage has lost.
    """
    if ids is not None and filters != Filters(user_id=caller.owner):
        raise RequestValidationError(
            [{"type": "value_error", "loc": ("query", "ids"), "msg": "Either ids or filters say which recordings"}]
        )
    selection = Selection(filters=filters, ids=ids)
    await archive.check(services.recordings, selection)
    headers = {
        "Content-Disposition": content_disposition(f"recordings-{utc_now():%Y-%m-%d}.zip"),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    content = archive.archive(services.recordings, selection)
    return StreamingResponse(content, media_type="application/zip", headers=headers)
