"""/api/audio/bulk: changes many recordings at once, by their ids or by a filter."""

from typing import Any

from fastapi import APIRouter

from access.caller import Caller
from api.errors import content_of
from api.guards.credentials import AuthenticatedCaller
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import JSON_BODY_BYTES, filters_of
from api.schemas import (
    PROBLEM_RESPONSES,
    BulkChange,
    BulkOutcome,
    LabelRenaming,
    Problem,
    RefusedChange,
    RenamedRecordings,
)
from api.services import CurrentServices
from audio.library import bulk
from audio.library.bulk import Change, Selection
from audio.library.cursor import Cursor
from audio.library.filters import NEWEST_FIRST, Filters
from core.labels import user_label

router = APIRouter(
    prefix="/api/audio", tags=["audio"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES
)


@router.post("/bulk", operation_id="change_recordings", max_body_size=JSON_BODY_BYTES)
async def change_recordings(body: BulkChange, services: CurrentServices, caller: AuthenticatedCaller) -> BulkOutcome:
    """Deletes many recordings, processes them again, or gives them another tag or category.

    At most 1000 are changed by a call. A filter that selects more goes on from the answer's `next_cursor`: sent as
    `cursor`, with all else the same, until it is null. Sent again, a call does no harm: what was changed is left alone.
    """
    after = None if body.cursor is None else Cursor.of(body.cursor, sorting=NEWEST_FIRST)
    outcome = await bulk.change_many(services.recordings, _selection(body, caller), _change(body), after=after)
    return BulkOutcome(
        changed=list(outcome.changed),
        unchanged=list(outcome.unchanged),
        missing=list(outcome.missing),
        refused=[
            RefusedChange(id=recording_id, problem=Problem(**content_of(error)))
            for recording_id, error in outcome.refused.items()
        ],
        next_cursor=None if outcome.after is None else str(outcome.after),
    )


@router.post("/labels/rename", operation_id="rename_label", max_body_size=JSON_BODY_BYTES)
async def rename_label(
    body: LabelRenaming, services: CurrentServices, caller: AuthenticatedCaller
) -> RenamedRecordings:
    """Renames a tag or a category in all recordings that have it, or merges it into another one.

    The answer comes when all are changed. Where that breaks off, the same request goes on.
    """
    old: dict[str, Any] = {body.label: body.old}
    filters = filters_of(caller, **old)
    return RenamedRecordings(changed=await bulk.rename(services.recordings, filters, {body.label: body.new}))


def _selection(body: BulkChange, caller: Caller) -> Selection:
    if body.filter is None:
        return Selection(filters=Filters(user_id=caller.owner), ids=body.ids)
    filters = filters_of(caller, **body.filter.model_dump())
    is_of_others = filters.user_id != (user_label(body.filter.user_id) or filters.user_id)
    return Selection(filters=filters, ids=() if is_of_others else None)  # a list shows the caller's own then


def _change(body: BulkChange) -> Change:
    """Raises LabelRefused."""
    if body.action == "change" and body.changes is not None:
        return bulk.relabelling(body.changes.model_dump(include=body.changes.model_fields_set))
    return bulk.delete if body.action == "delete" else bulk.retry
