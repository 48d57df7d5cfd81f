"""What the lifespan hands to every request."""

import asyncio
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request

from access.door import Door
from access.rate import UploadRate
from api.event_stream import Streams
from api.facts import Watched
from api.health import Health
from audio.events.feed import Feed
from audio.ingest import Ingest
from audio.recordings import Recordings
from audio.uploads.uploads import Uploads


class State(TypedDict):
    """Everything that endpoints work with."""

    recordings: Recordings
    ingest: Ingest
    uploads: Uploads
    health: Health
    door: Door
    rate: UploadRate
    feed: Feed
    streams: Streams
    watched: Watched
    stopping: asyncio.Event


async def _state(request: Request) -> State:  # a plain function would be called in a thread
    return cast("State", request.state)


Current = Annotated[State, Depends(_state)]
