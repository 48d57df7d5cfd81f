"""Pegasus: `create_app` wires everything, the lifespan brings it up and down, and `python main.py` serves it."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access.authenticator import Authenticator
from access.static_tokens import StaticTokens, static_tokens
from access.upload_rate import UploadRate
from api.errors import answer_problems
from api.guards.body_limits import BodyLimits
from api.guards.request_origin import own_hosts
from api.health_checks import Health
from api.http1.connection_limits import ConnectionLimits
from api.http1.server import Drain, claim_address, run, run_workers
from api.middleware import Guard, LingeringAnswer, RequestLog
from api.protocols.event_stream import Streams
from api.protocols.multipart import LIMITS
from api.protocols.tus import UPLOADS_PATH, TusEdge
from api.routes import (
    events,
    form_upload,
    health,
    metrics,
    page,
    recordings,
    reference,
    resumable_uploads,
    session,
    transcripts,
)
from api.schemas import PROBLEMS
from api.scrape_gauges import ScrapeGauges
from api.state import State
from app.last_heal import last_heal
from app.notifications import notifications, webhook_endpoints
from app.schema_healing import bring_up_to_date
from app.storage_factory import open_storage, prepare_storage
from app.worker_process import inline_worker, serve_metrics, work_alone
from audio.intake.batch_inserter import BatchInserter
from audio.intake.ingest import Ingest
from audio.intake.quota import Quota
from audio.intake.resumable.resumable_uploads import Uploads
from audio.library.recordings import Recordings
from audio.processing.decoder_process import inspect_sandbox
from audio.upkeep.manifest_repair import Manifests
from audio.upkeep.schedule import Schedule
from audio.upkeep.sweeper import Sweeper
from core.database.engine import database_address, is_pooled, open_engine, sessions_on
from core.errors import PegasusError
from core.observability import tracing
from core.observability.logging import configure_logging
from core.observability.metrics import shared_between_processes
from core.settings import Settings, load_settings

WORKER = "worker"
SPANS_ALONE: TelemetryConfig = {"metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application, not yet started: its lifespan does that. Without settings it loads them.

    Raises SettingRefused.
    """
    settings = settings or load_settings()
    app = FastAPI(
        title="Pegasus",
        summary="Takes in audio recordings, and heals the database it keeps them in.",
        version=_version(),
        docs_url=None,  # api/routes/reference.py has them, from this server alone
        redoc_url=None,
        lifespan=partial(lifespan, settings=settings),
        middleware=_surroundings(settings),
        redirect_slashes=False,
        telemetry=SPANS_ALONE | {"tracing": tracing.wanted()},
        responses=PROBLEMS,
    )
    app.include_router(form_upload.router)
    app.include_router(events.router)
    app.include_router(recordings.router)
    app.include_router(resumable_uploads.router)
    app.include_router(transcripts.router)
    app.include_router(session.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(page.router)
    app.include_router(reference.router)
    answer_problems(app)
    return app


def _surroundings(settings: Settings) -> list[Middleware]:
    """What surrounds every request, the outermost first."""
    limits = BodyLimits(
        form_path=form_upload.PATH,
        bytes_path=UPLOADS_PATH,
        file_bytes=settings.max_file_size_bytes,
        form_bytes=LIMITS.overhead_bytes,
        other_bytes=recordings.JSON_BODY_BYTES,
    )
    return [
        Middleware(PlainRefusal),
        Middleware(RequestLog),
        Middleware(TusEdge),
        Middleware(LingeringAnswer),
        Middleware(Guard, hosts=own_hosts(settings), proxied=settings.auth == "open", limits=limits),
    ]


@asynccontextmanager
async def lifespan(_app: FastAPI, *, settings: Settings) -> AsyncIterator[State]:
    """Database, schema, storage; then requests; then everything is put down again. Raises PegasusError."""
    address, schema_verified = await bring_up(settings)
    healed = await last_heal(settings)
    box = await inspect_sandbox() if settings.processing == "inline" else None
    engine = open_engine(address, pooled=is_pooled(settings))
    storage = open_storage(settings)
    sessions = sessions_on(engine, address)
    ingest = Ingest(
        sessions=sessions,
        inserter=BatchInserter(sessions),
        storage=storage,
        limit_bytes=settings.max_file_size_bytes,
        quota=_quota(settings),
    )
    uploads = Uploads(sessions=sessions, storage=storage, ingest=ingest, open_limit=settings.open_uploads)
    upkeep = storage.upkeep()
    sweeper = Sweeper(
        sessions=sessions,
        upkeep=upkeep,
        expire_uploads=uploads.expire,
        manifests=Manifests(sessions=sessions, storage=storage),
    )
    _spare_the_collector()
    try:
        async with (
            tracing.traced(),
            notifications(settings, sessions=sessions) as told,
            inline_worker(settings, sessions=sessions, storage=storage),
            Schedule(sweeper=sweeper, every_hours=settings.sweep_hours).kept(),
        ):
            yield State(
                recordings=Recordings(sessions=sessions, storage=storage, events=told.events, index=told.index),
                ingest=ingest,
                uploads=uploads,
                health=Health(
                    sessions=sessions,
                    storage=storage,
                    schema_verified=schema_verified,
                    last_heal=healed,
                    decoder=box,
                ),
                authenticator=Authenticator(auth=settings.auth, static=_static_tokens(settings), sessions=sessions),
                rate=UploadRate(per_minute=settings.uploads_per_minute),
                feed=told.feed,
                streams=Streams(),
                watched=ScrapeGauges(sessions=sessions, upkeep=upkeep, last_heal=healed),
                stopping=asyncio.Event(),
            )
    finally:
        await engine.dispose()


def _spare_the_collector() -> None:
    """What was made for the start never becomes garbage: looking at it again and again took an eighth of all work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def bring_up(settings: Settings) -> tuple[str, bool]:
    """Makes everything ready that has to be there before a request is taken. Doing it again changes nothing.

    Returns the database's address, and whether its schema was compared with what this code needs: MIGRATIONS=off
    leaves that to somebody else. Raises PegasusError.
    """
    address = await asyncio.to_thread(database_address, settings)
    _static_tokens(settings)  # before anything is changed: what they refuse ends the start
    webhook_endpoints(settings)
    reports = await bring_up_to_date(settings)
    await prepare_storage(settings)
    return address, bool(reports)


def _static_tokens(settings: Settings) -> StaticTokens:
    named = settings.auth_tokens.get_secret_value() if settings.auth_tokens is not None else None
    return static_tokens(named, file=settings.auth_tokens_file)


def _quota(settings: Settings) -> Quota:
    return Quota(limit_bytes=settings.user_quota_bytes, limit_recordings=settings.user_quota_recordings)


def _version() -> str:
    try:
        return version("pegasus")
    except PackageNotFoundError:  # run from a checkout
        return "0"


class PlainRefusal:
    """Lets a server report a refused start in one sentence instead of a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""

        async def plain(message: Message) -> None:
            error = sys.exc_info()[1]  # Starlette sends this message while it handles the error
            if message["type"] == "lifespan.startup.failed" and isinstance(error, PegasusError):
                message = {**message, "message": str(error)}
            await send(message)

        await self._app(scope, receive, plain if scope["type"] == "lifespan" else send)


def create_worker() -> FastAPI:
    """The application in one of several server processes, each with a log of its own."""
    settings = load_settings()
    configure_logging(settings)
    return create_app(settings)


def serve(settings: Settings) -> int:
    """Serves until a signal ends it, and returns the exit code. Raises PegasusError before anything is served."""
    with claim_address(settings) as listener:
        asyncio.run(bring_up(settings))  # here, so that a refusal ends the start and not each of the workers
        drain = Drain(settings.drain_seconds, settings.drain_grace_seconds)
        limits = ConnectionLimits(in_all=settings.max_connections, per_address=settings.max_connections_per_address)
        if settings.workers == 1:
            run(create_app(settings), listener, drain=drain, limits=limits)
            return 0
        with shared_between_processes():
            workers = settings.workers
            return 0 if run_workers("main:create_worker", listener, workers=workers, drain=drain, limits=limits) else 1


async def work(settings: Settings) -> None:
    """Works on recordings, and serves nothing, until a signal ends it. Raises PegasusError."""
    address, _ = await bring_up(settings)
    serve_metrics(settings)
    engine = open_engine(address, pooled=is_pooled(settings))
    try:
        async with tracing.traced():
            await work_alone(settings, sessions=sessions_on(engine, address), storage=open_storage(settings))
    finally:
        await engine.dispose()


def main(arguments: Sequence[str] = ()) -> int:
    """`python main.py` serves, `python main.py worker` works; a refusal is one sentence on stderr.

    Returns the exit code.
    """
    signal.signal(signal.SIGTERM, _end)
    if list(arguments) not in ([], [WORKER]):
        print(f"python main.py [{WORKER}]", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
        configure_logging(settings)
        if arguments:
            asyncio.run(work(settings))
            return 0
        return serve(settings)
    except PegasusError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0


def _end(_signal: int, _frame: object) -> None:
    """uvicorn, once it has drained, raises SIGTERM again: whoever waits for this process's end has yet to be told."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
