"""The server, from settings to the exit code."""

import asyncio
import socket

from fastapi import FastAPI

from api.http1.connection_limits import ConnectionLimits
from api.http1.server import Drain, run, run_workers
from app.application import create_app
from app.startup import prepare
from core.observability.logging import configure_logging
from core.observability.metrics import shared_between_processes
from core.settings import Settings, load_settings


def serve(settings: Settings, listener: socket.socket) -> int:
    """Serves until a signal ends it, and returns the exit code. Raises PegasusError before anything is served."""
    prepared = asyncio.run(prepare(settings))  # here, so that a refusal ends the start and not each of the workers
    drain = Drain(settings.drain_seconds, settings.drain_grace_seconds)
    limits = ConnectionLimits(in_all=settings.max_connections, per_address=settings.max_connections_per_address)
    if settings.workers == 1:
        run(create_app(settings, prepared=prepared), listener, drain=drain, limits=limits)
        return 0
    with shared_between_processes():
        factory, workers = "app.serving:create_worker", settings.workers
        return 0 if run_workers(factory, listener, workers=workers, drain=drain, limits=limits) else 1


def create_worker() -> FastAPI:
    """The application in one of several server processes, each with a log of its own."""
    settings = load_settings()
    configure_logging(settings)
    return create_app(settings)
