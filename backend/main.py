"""Pegasus: `create_app` makes the application, and `python main.py` serves it.

`uvicorn main:app` and `fastapi run` serve it as well, but by a server that bounds neither heads nor connections.
"""

import core.installation  # noqa: F401 - before what it checks

# isort: split
import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

import structlog
from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.telemetry import TelemetryConfig

from api.errors import answer_problems
from api.guards.body_limits import BodyLimits
from api.guards.request_origin import own_hosts
from api.http1.connection_limits import ConnectionLimits
from api.http1.server import Drain, address_of, claim_address, run, run_workers
from api.middleware import Guard, LingeringAnswer, PlainRefusal, RequestLog
from api.openapi import DescribedFastAPI
from api.protocols.cross_origin import AllowedOrigins
from api.protocols.multipart import LIMITS
from api.protocols.protocol_choice import UPLOADS_PATH
from api.protocols.rufh import RufhMiddleware
from api.protocols.tus import TusMiddleware
from api.routes import (
    api_docs,
    events,
    form_upload,
    health,
    metrics,
    page,
    recordings,
    resumable_uploads,
    rufh_uploads,
    session,
    transcripts,
)
from api.schemas import PROBLEM_RESPONSES
from app.lifespan import lifespan
from app.startup import Prepared, prepare
from app.worker_process import work_alone
from core.errors import PegasusError
from core.observability import tracing
from core.observability.logging import configure_logging
from core.observability.metrics import shared_between_processes
from core.settings import Settings, load_settings

log = structlog.get_logger("pegasus")
VERSION = "0.1.0"  # as in pyproject.toml
WORKER = "worker"
SPANS_ALONE: TelemetryConfig = {"metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


def create_app(settings: Settings | None = None, *, prepared: Prepared | None = None) -> FastAPI:
    """The application, not yet started: its lifespan does that. Without settings it loads them.

    What was `prepared` for these settings isn't prepared again. Raises SettingRefused.
    """
    settings = settings or load_settings()
    app = DescribedFastAPI(
        title="Pegasus",
        summary="Takes in audio recordings, and heals the database it keeps them in.",
        version=VERSION,
        docs_url=None,  # api/routes/api_docs.py has them, from this server alone
        redoc_url=None,
        lifespan=lambda _app: lifespan(settings, prepared=prepared),
        middleware=_middleware(settings),
        redirect_slashes=False,
        telemetry=SPANS_ALONE | {"tracing": tracing.is_configured()},
        responses=PROBLEM_RESPONSES,
    )
    app.include_router(form_upload.router)
    app.include_router(events.router)
    app.include_router(recordings.router)
    app.include_router(rufh_uploads.router)
    app.include_router(resumable_uploads.router)
    app.include_router(transcripts.router)
    app.include_router(session.router)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(page.router)
    app.include_router(api_docs.router)
    answer_problems(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """What every request passes, the outermost first."""
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
        Middleware(AllowedOrigins, origins=settings.allowed_origin_names),
        Middleware(TusMiddleware),
        Middleware(RufhMiddleware, upload_path=form_upload.PATH, limit_bytes=settings.max_file_size_bytes),
        Middleware(LingeringAnswer),
        Middleware(
            Guard,
            hosts=own_hosts(settings),
            origins=settings.allowed_origin_names,
            anywhere=settings.auth_is_configured,
            proxied=settings.auth == "open",
            limits=limits,
        ),
    ]


def create_worker() -> FastAPI:
    """The application in one of several server processes, each with a log of its own."""
    settings = load_settings()
    configure_logging(settings)
    return create_app(settings)


def serve(settings: Settings) -> int:
    """Serves until a signal ends it, and returns the exit code. Raises PegasusError before anything is served."""
    with claim_address(settings) as listener:
        if sys.stderr.isatty():  # a person waits
            log.info("Pegasus starts", address=address_of(listener))
        prepared = asyncio.run(prepare(settings))  # here, so that a refusal ends the start and not each of the workers
        drain = Drain(settings.drain_seconds, settings.drain_grace_seconds)
        limits = ConnectionLimits(in_all=settings.max_connections, per_address=settings.max_connections_per_address)
        if settings.workers == 1:
            run(create_app(settings, prepared=prepared), listener, drain=drain, limits=limits)
            return 0
        with shared_between_processes():
            workers = settings.workers
            return 0 if run_workers("main:create_worker", listener, workers=workers, drain=drain, limits=limits) else 1


def main(arguments: Sequence[str] = ()) -> int:
    """`python main.py` serves, `python main.py worker` works; a refusal is one sentence on stderr.

    Returns the exit code.
    """
    parser = argparse.ArgumentParser(prog="main.py", description="Serves until Ctrl-C; its settings: .env.example.")
    parser.add_argument("role", nargs="?", choices=[WORKER], help="run jobs, and serve nothing")
    works = parser.parse_args(arguments).role == WORKER
    signal.signal(signal.SIGTERM, _end)
    try:
        settings = load_settings()
        configure_logging(settings)
        if works:
            asyncio.run(work_alone(settings))
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


def __getattr__(name: str) -> FastAPI:
    """`app`, made when it is asked for: `python main.py` and the tests make theirs themselves."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings()
    configure_logging(settings)
    log.warning("This server bounds neither heads nor connections: python main.py does")
    return create_app(settings)


def __dir__() -> list[str]:
    """`fastapi run` looks for `app` here."""
    return [*globals(), "app"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
