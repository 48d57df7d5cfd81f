"""Runs the application in uvicorn: one process, or several that share one socket."""

import logging
import os
import socket

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from api.direct import DirectProtocol
from api.heads import HeadProtocol
from core.errors import SettingRefused
from core.metrics import process_ended
from core.settings import Settings

DRAIN_SECONDS = 30
WORKERS_START_SECONDS = 120

log = structlog.get_logger("pegasus")


def claim_address(settings: Settings) -> socket.socket:
    """Listens on HOST and PORT; clients that come too early wait until the application is ready.

    Raises SettingRefused when the host is unknown or the port is taken.
    """
    where = f"{settings.host} port {settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=2048)
    except (socket.gaierror, UnicodeError) as error:
        raise SettingRefused("HOST", f"names no address of this machine: {settings.host}") from error
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise SettingRefused("PORT", f"can't be used: {where}: {reason}") from error


def run(app: ASGIApp, listener: socket.socket) -> None:
    """Serves in this process until a signal ends it and all requests are answered."""
    server_for(app).run(sockets=[listener])


def server_for(app: ASGIApp, *, direct: bool = True) -> uvicorn.Server:
    """The server that `run` runs, for whoever has an event loop of their own; not `direct`, it lends no connection."""
    config = _config(app)
    if not direct:
        config.http = HeadProtocol
    return _Server(config)


def run_workers(factory: str, listener: socket.socket, *, workers: int) -> bool:
    """Serves in several processes; `factory` names what makes the application in each of them.

    False when one of them could not start.
    """
    config = _config(factory, factory=True, workers=workers)
    listener.set_inheritable(True)
    supervisor = _Workers(config, sockets=[listener])
    supervisor.run()
    return all(process.exitcode != uvicorn.config.STARTUP_FAILURE for process in supervisor.processes)


def _config(app: ASGIApp | str, *, factory: bool = False, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
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
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            _announce(listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("Pegasus stops: it takes no more requests and finishes those that it has")
        await super().shutdown(sockets)


class _Workers(Multiprocess):
    _known: frozenset[int] = frozenset()

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(WORKERS_START_SECONDS) for process in self.processes):
            _announce(self.sockets[0], workers=len(self.processes))

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        there = frozenset(process.pid for process in self.processes if process.pid is not None)
        for gone in self._known - there:
            process_ended(gone)
        self._known = there


def _announce(listener: socket.socket, **more: object) -> None:
    host, port = listener.getsockname()[:2]
    log.info("Pegasus serves", at=f"http://{f'[{host}]' if ':' in host else host}:{port}", **more)
