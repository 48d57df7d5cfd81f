"""What a server has from its start to its end: the services for its requests, and what goes on beside them."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from access.authenticator import Authenticator
from access.upload_rate import UploadRate
from api.health_checks import Health
from api.protocols.event_stream import Streams
from api.scrape_gauges import ScrapeGauges
from api.services import Services
from app.ingest import ingest_for
from app.last_heal import last_heal
from app.notifications import notifications
from app.server_info import server_configuration
from app.startup import Prepared, prepare
from app.storage_factory import open_storage
from app.worker_process import inline_worker
from audio.intake.resumable.resumable_uploads import Uploads
from audio.library.batch_finder import BatchFinder
from audio.library.recordings import Recordings
from audio.processing.decoder_process import Sandbox, inspect_sandbox
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.schedule import Schedule
from audio.upkeep.sweeper import Sweeper
from core.database.engine import is_pooled, open_engine, sessions_on
from core.observability import tracing
from core.settings import Settings


class State(TypedDict):
    """What each request has as its state."""

    services: Services


@asynccontextmanager
async def lifespan(settings: Settings, *, prepared: Prepared | None) -> AsyncIterator[State]:
    """Serves from what was `prepared`, or prepares it; at the end everything is put down. Raises PegasusError."""
    prepared = prepared or await prepare(settings)
    healed, sandbox = await asyncio.gather(last_heal(settings), _sandbox(settings))
    engine = open_engine(prepared.address, pooled=is_pooled(settings))
    sessions = sessions_on(engine, prepared.address)
    storage = open_storage(settings)
    upkeep = storage.upkeep()
    ingest = ingest_for(settings, sessions=sessions, storage=storage)
    uploads = Uploads(sessions=sessions, storage=storage, ingest=ingest, open_limit=settings.open_uploads)
    sweeper = Sweeper(
        sessions=sessions,
        upkeep=upkeep,
        expire_uploads=uploads.expire,
        manifests=Manifests(sessions=sessions, storage=storage),
    )
    _freeze_startup_objects()
    try:
        async with (
            tracing.traced(),
            notifications(settings, sessions=sessions, webhooks=prepared.webhooks) as notified,
            inline_worker(settings, sessions=sessions, storage=storage),
            Schedule(sweeper=sweeper, every_hours=settings.sweep_hours).running(),
        ):
            services = Services(
                recordings=Recordings(
                    sessions=sessions,
                    finder=BatchFinder(sessions),
                    storage=storage,
                    events=notified.events,
                    index=notified.index,
                ),
                ingest=ingest,
                uploads=uploads,
                health=Health(
                    sessions=sessions,
                    storage=storage,
                    schema_verified=prepared.schema_verified,
                    last_heal=healed,
                    decoder=sandbox,
                ),
                authenticator=Authenticator(auth=settings.auth, static=prepared.static_tokens, sessions=sessions),
                upload_rate=UploadRate(per_minute=settings.uploads_per_minute),
                feed=notified.feed,
                streams=Streams(),
                gauges=ScrapeGauges(sessions=sessions, upkeep=upkeep, last_heal=healed),
                configuration=server_configuration(
                    settings, quota=ingest.quota, webhooks=len(prepared.webhooks.endpoints)
                ),
                stopping=asyncio.Event(),
                public_url=settings.public_url,
            )
            yield State(services=services)
    finally:
        await engine.dispose()


async def _sandbox(settings: Settings) -> Sandbox | None:
    return await inspect_sandbox() if settings.processing == "inline" else None


def _freeze_startup_objects() -> None:
    """What was made for the start never becomes garbage: looking at it again and again took an eighth of all work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
