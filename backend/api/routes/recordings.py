"""/api/audio: lists, labels and deletes recordings. Uploads are in form_upload.py, downloads in downloads.py."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from api.guards.credentials import AuthenticatedCaller
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import (
    JSON_BODY_BYTES,
    Offset,
    Order,
    PageCursor,
    PageLimit,
    QueryFilters,
    RecordingId,
    Sort,
    UserFilter,
    WithTranscripts,
)
from api.schemas import (
    PROBLEM_RESPONSES,
    FoundIn,
    FoundRecording,
    LabelsInUse,
    Message,
    NewLabels,
    Recording,
    RecordingChanges,
    RecordingPage,
)
from api.services import CurrentServices
from audio.library.cursor import Cursor
from audio.library.filters import Sorting
from audio.model.audio_file import AudioFile
from audio.processing.results import waveform_of
from audio.search.highlights import highlights
from audio.search.speakers import Range
from core.labels import user_label

WAVEFORM: dict[str, Any] = {
    "description": "The outline.",
    "content": {"application/json": {"schema": {"type": "object"}}},
}
WITHOUT_TRANSCRIPTS = {"original_transcript": None, "improved_transcript": None}

router = APIRouter(
    prefix="/api/audio", tags=["audio"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES
)


async def _sorting(*, sort: Sort = "uploaded", order: Order = "desc") -> Sorting:
    return Sorting(by=sort, descending=order == "desc")


@router.get("", operation_id="list_recordings")
@router.get("/", include_in_schema=False)
async def page(
    services: CurrentServices,
    filters: QueryFilters,
    sorting: Annotated[Sorting, Depends(_sorting)],
    *,
    transcripts: WithTranscripts = True,
    limit: PageLimit = 20,
    offset: Offset = 0,
    cursor: PageCursor = None,
) -> RecordingPage:
    """Lists recordings, the newest first unless `sort` and `order` say otherwise.

    `next_cursor`, as `cursor`, asks for the page behind this one, in the same order; it is null on the last page. Such
    a page costs the same wherever it is, and what comes or goes meanwhile shifts nothing, unlike with `offset`.
    `total` is exact up to ten thousand recordings; of more it may be an estimate, which `total_is_exact` says.

    `q` finds all of its words, each also as the beginning of a longer one, in names, tags, categories and transcripts,
    or itself as any part of a name, a tag or a category; `speaker:ada` or `speaker:"Ada Lee"` in it narrows to those in
    which somebody of this name speaks. `transcripts=false` leaves the transcripts out, which are most of a long list.
    """
    after = None if cursor is None else Cursor.of(cursor, sorting=sorting)
    result = await services.recordings.page(filters, sorting=sorting, limit=limit, offset=offset, after=after)
    items = [Recording.model_validate(item) for item in result.items]
    if filters.text is not None or filters.speakers:
        spoken = await services.recordings.spoken_ranges(result.items, filters.speakers) if filters.speakers else {}
        items = await asyncio.to_thread(_with_highlights, result.items, filters.text, spoken)
    if not transcripts:
        items = [recording.model_copy(update=WITHOUT_TRANSCRIPTS) for recording in items]
    return RecordingPage(
        items=items,
        total=result.total,
        total_is_exact=result.total_is_exact,
        limit=limit,
        offset=offset,
        next_cursor=None if result.after is None else str(result.after),
    )


def _with_highlights(
    items: Sequence[AudioFile], query: str | None, spoken: Mapping[UUID, Sequence[Range]]
) -> list[Recording]:
    """The recordings with their matches. It may search long transcripts, so it runs outside of the event loop."""
    return [
        FoundRecording(
            **Recording.model_validate(item).model_dump(),
            highlights=[
                FoundIn.model_validate(match) for match in highlights(item, query, spoken=spoken.get(item.id, ()))
            ],
        )
        for item in items
    ]


@router.get("/tags", operation_id="list_labels")
async def labels_in_use(
    services: CurrentServices, caller: AuthenticatedCaller, user_id: UserFilter = None
) -> LabelsInUse:
    """Lists every tag and category in use."""
    tags, categories = await services.recordings.labels_in_use(caller.owner_filter(user_label(user_id)))
    return LabelsInUse(tags=list(tags), categories=list(categories))


@router.get("/{recording_id:uuid}", operation_id="get_recording")
async def find(recording_id: RecordingId, services: CurrentServices, caller: AuthenticatedCaller) -> Recording:
    """Shows a recording."""
    return Recording.model_validate(await services.recordings.find(recording_id, owner=caller.owner))


@router.delete("/{recording_id:uuid}", operation_id="delete_recording")
async def remove(recording_id: RecordingId, services: CurrentServices, caller: AuthenticatedCaller) -> Message:
    """Deletes a recording with its bytes."""
    await services.recordings.remove(recording_id, owner=caller.owner)
    return Message(message="File deleted successfully")


@router.put("/{recording_id:uuid}/tags", operation_id="set_labels", max_body_size=JSON_BODY_BYTES)
async def relabel(
    recording_id: RecordingId, labels: NewLabels, services: CurrentServices, caller: AuthenticatedCaller
) -> Recording:
    """Gives a recording another tag, category or both."""
    changes = labels.model_dump(include=labels.model_fields_set)
    changed = await services.recordings.relabel(recording_id, changes, owner=caller.owner)
    return Recording.model_validate(changed)


@router.patch("/{recording_id:uuid}", operation_id="change_recording", max_body_size=JSON_BODY_BYTES)
async def change(
    recording_id: RecordingId, changes: RecordingChanges, services: CurrentServices, caller: AuthenticatedCaller
) -> Recording:
    """Gives a recording another title, tag or category, or several of them."""
    values = changes.model_dump(include=changes.model_fields_set)
    return Recording.model_validate(await services.recordings.relabel(recording_id, values, owner=caller.owner))


@router.get(
    "/{recording_id:uuid}/waveform", operation_id="get_waveform", response_class=Response, responses={200: WAVEFORM}
)
async def waveform(recording_id: RecordingId, services: CurrentServices, caller: AuthenticatedCaller) -> Response:
    """Sends a recording's outline in audiowaveform's JSON format, version 2, as peaks.js reads it."""
    recordings = services.recordings
    recording = await recordings.find(recording_id, owner=caller.owner)
    content = await waveform_of(recording, recordings.storage)
    return Response(content, media_type="application/json", headers={"Cache-Control": "private, no-cache"})


@router.post("/{recording_id:uuid}/retry", operation_id="retry", status_code=202)
async def retry(recording_id: RecordingId, services: CurrentServices, caller: AuthenticatedCaller) -> Recording:
    """Has a recording processed again that failed, or that has no transcript. What was found before is kept."""
    return Recording.model_validate(await services.recordings.retry(recording_id, owner=caller.owner))
