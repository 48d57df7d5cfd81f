"""What the lifespan hands to every request."""

import asyncio
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request

from access.authenticator import Authenticator
from access.upload_rate import UploadRate
from api.health_checks import Health
from api.protocols.event_stream import Streams
from api.scrape_gauges import ScrapeGauges
from audio.events.feed import Feed
from audio.intake.ingest import Ingest
from audio.intake.resumable.resumable_uploads import Uploads
from audio.library.recordings import Recordings


class State(TypedDict):
    """Everything that endpoints work with."""

    recordings: Recordings
    ingest: Ingest
    uploads: Uploads
    health: Health
    authenticator: Authenticator
    rate: UploadRate
    feed: Feed
    streams: Streams
    watched: ScrapeGauges
    stopping: asyncio.Event


async def _state(request: Request) -> State:  # a plain function would be called in a thread
    return cast("State", request.state)


Current = Annotated[State, Depends(_state)]
