"""What a request may use: one value, made by the lifespan."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from access.authenticator import Authenticator
from access.upload_rate import UploadRate
from api.health_checks import Health
from api.protocols.event_stream import Streams
from api.scrape_gauges import ScrapeGauges
from api.server_info import ServerConfiguration
from audio.events.feed import Feed
from audio.intake.ingest import Ingest
from audio.intake.resumable.resumable_uploads import Uploads
from audio.library.recordings import Recordings


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that endpoints work with; `stopping` is set once the server drains.

    `public_url` is the address at which clients reach the server, where a setting names it.
    """

    recordings: Recordings
    ingest: Ingest
    uploads: Uploads
    health: Health
    authenticator: Authenticator
    upload_rate: UploadRate
    feed: Feed
    streams: Streams
    gauges: ScrapeGauges
    configuration: ServerConfiguration
    stopping: asyncio.Event
    public_url: str | None


async def _services(request: Request) -> Services:  # a plain function would be called in a thread
    return cast("Services", request.state.services)


CurrentServices = Annotated[Services, Depends(_services)]
