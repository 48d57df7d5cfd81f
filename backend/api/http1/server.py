"""Runs the application in uvicorn: in one process, or in several that share one socket."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from multiprocessing import parent_process
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from api.http1.connection_limits import ConnectionLimits, OpenConnections, backlog_within
from api.http1.direct_connection import DirectProtocol
from api.http1.http_protocol import HeadProtocol
from api.http1.listener import BACKLOG, address_of
from core.descriptors import are_exhausted, descriptor_limit, raise_descriptor_limit
from core.observability.metrics import process_ended

WORKERS_START_SECONDS = 120

log = structlog.get_logger("pegasus")


@dataclass(frozen=True)
class Drain:
    """How a server stops after SIGTERM.

    For `grace_seconds` it still accepts requests but reports not ready, so that a load balancer sends no more; then
    running requests have `seconds` to end. Ctrl-C in a terminal skips the grace period.
    """

    seconds: float = 30
    grace_seconds: float = 0


IMMEDIATE = Drain()
DEFAULT_LIMITS = ConnectionLimits()
TICKS_A_SECOND = 10


def run(app: ASGIApp, listener: socket.socket, *, drain: Drain, limits: ConnectionLimits) -> None:
    """Serves in this process until a signal ends it and all requests are answered."""
    server_for(app, drain=drain, limits=limits).run(sockets=[listener])


def server_for(
    app: ASGIApp, *, direct: bool = True, drain: Drain = IMMEDIATE, limits: ConnectionLimits = DEFAULT_LIMITS
) -> uvicorn.Server:
    """The server of `run`, for callers with their own event loop; without `direct`, no direct transfers."""
    config = _config(app, drain=drain, limits=limits)
    if not direct:
        config.http = HeadProtocol
    return _ServerAlone(config)


def run_workers(factory: str, listener: socket.socket, *, workers: int, drain: Drain, limits: ConnectionLimits) -> bool:
    """Serves in several processes; `factory` is the import string of the application's factory.

    False when one of them could not start.
    """
    config = _config(factory, factory=True, workers=workers, drain=drain, limits=limits)
    listener.set_inheritable(True)
    supervisor = _Workers(config, sockets=[listener])
    supervisor.run()
    return all(process.exitcode != uvicorn.config.STARTUP_FAILURE for process in supervisor.processes)


class _Config(uvicorn.Config):
    """uvicorn's configuration, which is passed to every server process, with Pegasus's own fields."""

    drain: Drain
    limits: ConnectionLimits
    connections: OpenConnections

    def load(self) -> None:
        """Sets up each server process's own limits."""
        super().load()
        raise_descriptor_limit()
        descriptors = descriptor_limit()
        limits = self.limits.within(descriptors)
        if limits != self.limits:
            log.warning(
                "MAX_CONNECTIONS is more than the system's limit of descriptors lets be open",
                descriptors=descriptors,
                connections=limits.in_all,
            )
        self.backlog = backlog_within(descriptors)
        self.connections = OpenConnections(limits)
        protocol: Any = self.http_protocol_class
        factory: Any = partial(protocol, connections=self.connections)
        self.http_protocol_class = factory


def _config(
    app: ASGIApp | str, *, drain: Drain, limits: ConnectionLimits, factory: bool = False, workers: int = 1
) -> _Config:
    config = _Config(
        app,
        http=DirectProtocol,
        factory=factory,
        workers=workers,
        lifespan="on",
        ws="none",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=ceil(drain.seconds),
    )
    config.drain = drain
    config.limits = limits
    return config


class _Server(uvicorn.Server):
    config: _Config
    _closes_at: float | None = None

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; returns whether to close the sockets now."""
        ends = await super().on_tick(counter)
        if counter % TICKS_A_SECOND == 0 and are_exhausted():  # then the event loop drops connections silently
            self.config.connections.report_exhaustion()
        if ends and self._closes_at is None:
            grace = self.config.drain.grace_seconds if self._captured_signals[:1] == [signal.SIGTERM] else 0
            self._closes_at = time.monotonic() + grace
            self.lifespan.state["services"].stopping.set()  # from now on not ready, and streams end
            log.info("Pegasus drains: it isn't ready any more", grace_seconds=grace)
        return ends and (self.force_exit or time.monotonic() >= (self._closes_at or 0))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finishes the requests of all clients that have connected: closing a listener resets those in its queue."""
        log.info("Pegasus stops: it takes no more requests and finishes those that it has")
        loop, queued = asyncio.get_running_loop(), list[socket.socket]()
        for server, listener in zip(self.servers, sockets or (), strict=True):
            queued += _accept_queued(listener)
            server.close()
            listener.close()
        for connection in queued:
            await loop.connect_accepted_socket(self._new_protocol, connection)
        await super().shutdown()

    def _new_protocol(self) -> asyncio.Protocol:
        factory: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = factory(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


class _ServerAlone(_Server):
    _unannounced: Sequence[socket.socket] = ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._unannounced = sockets or ()

    async def on_tick(self, counter: int) -> bool:
        """Announces the server first: before the first tick a signal ends uvicorn without shutting it down in order."""
        for listener in self._unannounced:
            _announce(listener)
        self._unannounced = ()
        return await super().on_tick(counter)


class _ServerOfSeveral(_Server):
    async def on_tick(self, counter: int) -> bool:
        supervisor = parent_process()
        if supervisor is not None and not supervisor.is_alive():  # nothing else would end this process
            self.should_exit = True
        return await super().on_tick(counter)


class _Process(multiprocess.Process):
    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = _ServerOfSeveral(self.config)
        return self._server


class _Workers(multiprocess.Multiprocess):
    _pids: frozenset[int] = frozenset()

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(WORKERS_START_SECONDS) for process in self.processes):
            _announce(self.sockets[0], workers=len(self.processes))

    def terminate_all(self) -> None:
        """Gives the listeners up first, so that their queues end with the last process, which has emptied them."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        pids = frozenset(process.pid for process in self.processes if process.pid is not None)
        for ended in self._pids - pids:
            process_ended(ended)
        self._pids = pids


def _accept_queued(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait in a listener's queue."""
    with suppress(OSError):  # BlockingIOError at the queue's end
        for _ in range(BACKLOG):
            connection, _address = listener.accept()
            connection.setblocking(False)
            yield connection


def _announce(listener: socket.socket, **more: object) -> None:
    log.info("Pegasus serves", at=address_of(listener), **more)


multiprocess.Process = _Process  # type: ignore[misc]  # no other way to set the server class of its processes
