"""The parameters of requests, each with what it means and an example."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Header, Path, Query

from access.caller import Caller
from api.guards.credentials import AuthenticatedCaller
from audio.library.cursor import LONGEST as LONGEST_CURSOR
from audio.library.filters import Filters, SortedBy
from audio.model.audio_file import ProcessingStatus
from audio.search.query import SearchQuery
from core.labels import label, user_label

JSON_BODY_BYTES = 64 * 1024
LARGEST_PAGE = 1000
LONGEST_SEARCH = 200
LARGEST_OFFSET = 2**31
EXAMPLE_ID = "6f1c2a34-5d0e-4c1f-9a53-0f9d8f1c7b21"

RecordingId = Annotated[UUID, Path(description="The recording's id.", examples=[EXAMPLE_ID])]
UploadId = Annotated[UUID, Path(description="The upload's id.", examples=[EXAMPLE_ID])]
UploadPath = Annotated[str, Path(description="The upload's id.", examples=[EXAMPLE_ID])]
UserFilter = Annotated[str | None, Query(description="Only this user's recordings.", examples=["ada"])]
UsageOwner = Annotated[str | None, Query(description="Whose: another user's for an admin alone.", examples=["ada"])]
StatusFilter = Annotated[
    ProcessingStatus | None, Query(description="Only recordings that are so far.", examples=["completed"])
]
TagFilter = Annotated[str | None, Query(description="Only recordings with this tag.", examples=["Work"])]
CategoryFilter = Annotated[str | None, Query(description="Only recordings of this category.", examples=["Meeting"])]
DigestFilter = Annotated[
    str | None,
    Query(pattern="^[0-9a-f]{64}$", description="Only recordings whose bytes have this SHA-256.", examples=["0f" * 32]),
]
SearchText = Annotated[
    str | None,
    Query(
        description="Words to look for in names, labels and transcripts; `speaker:NAME` narrows to who speaks.",
        examples=["red bicycle"],
    ),
]
Ids = Annotated[
    list[UUID] | None,
    Query(min_length=1, max_length=LARGEST_PAGE, description="Only these recordings.", examples=[[EXAMPLE_ID]]),
]
Sort = Annotated[SortedBy, Query(description="What the list is sorted by.", examples=["uploaded"])]
Order = Annotated[Literal["asc", "desc"], Query(description="Its direction.", examples=["desc"])]
WithTranscripts = Annotated[bool, Query(description="Whether transcripts come with the list.", examples=[False])]
PageLimit = Annotated[
    int, Query(ge=1, le=LARGEST_PAGE, description="How many recordings a page has at most.", examples=[20])
]
Offset = Annotated[
    int, Query(ge=0, le=LARGEST_OFFSET, description="How many recordings are left out before it.", examples=[0])
]
PageCursor = Annotated[
    str | None,
    Query(max_length=LONGEST_CURSOR, description="The `next_cursor` of the page before.", examples=["eyJhIjpbXX0"]),
]
Variant = Annotated[
    Literal["original", "playback"],
    Query(description="`playback`: what browsers can play and seek in.", examples=["playback"]),
]
Redirect = Annotated[bool, Query(description="Whether a link to the object store may answer.", examples=[True])]
Improved = Annotated[bool, Query(description="Whether improved wording is preferred.", examples=[False])]
Format = Literal["txt", "srt", "vtt", "json"]
TranscriptFormat = Annotated[Format | None, Query(description="The file to send instead.", examples=["vtt"])]
RetryKey = Annotated[
    str | None,
    Header(
        # No example: who copied it would be answered with another upload's recording.
        description="Sent again under the same key, an upload is the same recording: a random text for each.",
        json_schema_extra={"pattern": "^[!-~]{1,255}$"},
    ),
]
LastEventId = Annotated[str | None, Header(description="The id of the last event that was seen.", examples=["1042"])]


def filters_of(
    caller: Caller,
    *,
    user_id: str | None = None,
    status: ProcessingStatus | None = None,
    tag: str | None = None,
    category: str | None = None,
    sha256: str | None = None,
    q: str | None = None,
) -> Filters:
    """The filters of a caller's recordings, normalized as the table's values are. Raises LabelRefused."""
    query = SearchQuery.parse(label("q", q, limit=LONGEST_SEARCH))
    return Filters(
        user_id=caller.owner_filter(user_label(user_id)),
        status=status,
        tag=label("tag", tag),
        category=label("category", category),
        sha256=None if sha256 is None else bytes.fromhex(sha256),
        text=query.words,
        speakers=query.speakers,
    )


async def _query_filters(
    caller: AuthenticatedCaller,
    *,
    user_id: UserFilter = None,
    status: StatusFilter = None,
    tag: TagFilter = None,
    category: CategoryFilter = None,
    sha256: DigestFilter = None,
    q: SearchText = None,
) -> Filters:
    return filters_of(caller, user_id=user_id, status=status, tag=tag, category=category, sha256=sha256, q=q)


QueryFilters = Annotated[Filters, Depends(_query_filters)]
