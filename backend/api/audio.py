"""/api/audio: recordings listed, labelled, downloaded, deleted. How they come in is told in form_upload.py."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from api.auth import Asking
from api.download import download
from api.schemas import (
    LabelsInUse,
    Message,
    NewLabels,
    Recording,
    RecordingPage,
    Transcript,
)
from api.state import Current
from audio.labels import label, user_label
from audio.models import AudioFile, ProcessingStatus
from audio.repository import Wanted

JSON_BODY_BYTES = 64 * 1024
LARGEST_PAGE = 1000
LARGEST_OFFSET = 2**31
LONGEST_SEARCH = 200

router = APIRouter(prefix="/api/audio", tags=["audio"])


async def _wanted(
    caller: Asking,
    *,
    user_id: str | None = None,
    status: ProcessingStatus | None = None,
    tag: str | None = None,
    category: str | None = None,
    q: str | None = None,
) -> Wanted:
    """The filters of a list, in the form in which the table keeps them. Raises LabelRefused."""
    return Wanted(
        user_id=caller.asking_for(user_label(user_id)),
        status=status,
        tag=label("tag", tag),
        category=label("category", category),
        text=label("q", q, limit=LONGEST_SEARCH),
    )


@router.get("")
@router.get("/", include_in_schema=False)
async def page(
    state: Current,
    wanted: Annotated[Wanted, Depends(_wanted)],
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 20,
    offset: Annotated[int, Query(ge=0, le=LARGEST_OFFSET)] = 0,
) -> RecordingPage:
    """Lists recordings, the newest first."""
    items, total = await state["recordings"].page(wanted, limit=limit, offset=offset)
    return RecordingPage(
        items=[Recording.model_validate(item) for item in items], total=total, limit=limit, offset=offset
    )


@router.get("/tags")
async def labels_in_use(state: Current, caller: Asking, user_id: str | None = None) -> LabelsInUse:
    """Lists every tag and category in use."""
    tags, categories = await state["recordings"].labels_in_use(caller.asking_for(user_label(user_id)))
    return LabelsInUse(tags=list(tags), categories=list(categories))


@router.get("/{recording_id}")
async def find(recording_id: UUID, state: Current, caller: Asking) -> Recording:
    """Shows a recording."""
    return Recording.model_validate(await state["recordings"].find(recording_id, owner=caller.owner))


@router.delete("/{recording_id}")
async def remove(recording_id: UUID, state: Current, caller: Asking) -> Message:
    """Deletes a recording with its bytes."""
    await state["recordings"].remove(recording_id, owner=caller.owner)
    return Message(message="File deleted successfully")


@router.put("/{recording_id}/tags", max_body_size=JSON_BODY_BYTES)
async def relabel(recording_id: UUID, labels: NewLabels, state: Current, caller: Asking) -> Recording:
    """Gives a recording another tag, category or both."""
    changes = labels.model_dump(include=labels.model_fields_set)
    changed = await state["recordings"].relabel(recording_id, changes, owner=caller.owner)
    return Recording.model_validate(changed)


@router.get("/{recording_id}/download", response_class=Response)
async def get_bytes(recording_id: UUID, request: Request, state: Current, caller: Asking) -> Response:
    """Sends a recording's bytes, or the single range of them that is asked for."""
    recordings = state["recordings"]
    recording = await recordings.find(recording_id, owner=caller.owner)
    return await download(recording, recordings.storage, request=request.headers, with_body=True)


@router.head("/{recording_id}/download", include_in_schema=False)
async def head_bytes(recording_id: UUID, request: Request, state: Current, caller: Asking) -> Response:
    """Says what a GET would send."""
    recordings = state["recordings"]
    recording = await recordings.find(recording_id, owner=caller.owner)
    return await download(recording, recordings.storage, request=request.headers, with_body=False)


@router.get("/{recording_id}/transcript")
async def transcript(recording_id: UUID, state: Current, caller: Asking, *, improved: bool = True) -> Transcript:
    """Shows what was said, in the improved wording where there is one and it is wanted."""
    recording = await state["recordings"].find(recording_id, owner=caller.owner)
    text = recording.improved_transcript if improved else None
    return Transcript(
        status=recording.processing_status,
        transcript=text if text is not None else recording.original_transcript,
        is_improved=text is not None,
        transcription_engine=recording.transcription_engine,
        message=_progress(recording),
        error=recording.error_message,
    )


def _progress(recording: AudioFile) -> str:
    if recording.original_transcript is not None:
        return "Transcript available"
    match recording.processing_status:
        case ProcessingStatus.FAILED:
            return "Processing failed"
        case ProcessingStatus.COMPLETED:
            return "This recording has no transcript"
    return "The transcript isn't ready yet"
