"""What surrounds every request, as plain ASGI: its log line, the checks before its body, and the answer's arrival."""

import asyncio
import random
import re
import sys
import time
from collections.abc import Collection
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access.authenticator import Authenticator
from api.errors import problem_of
from api.guards.body_limits import BodyLimits
from api.guards.content_coding import check_content_coding
from api.guards.credentials import SESSION_PATH, authenticate, is_private, needs_caller
from api.guards.request_origin import (
    NotForThisMachine,
    OwnHosts,
    check_host,
    check_loopback,
    check_origin,
    check_unproxied,
)
from api.http1.request_headers import headers_of
from core.errors import DatabaseProblem, PegasusError
from core.observability import metrics
from core.observability.tracing import annotate_request

log = structlog.get_logger("pegasus.request")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = ("/health", "/metrics")  # asked for by machines, all the time
LOGGED_CHARACTERS = 200  # of a path; ours are shorter, and whoever sends a longer one doesn't fill the log with it
LINGER_SECONDS = 30
BODY_SECONDS = 30
SILENCE_SECONDS = 5


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


class RequestLog:
    """Gives each request an id and, when it has been answered, one line in the log.

    The query isn't logged: it may name tags and users.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(headers_of(scope))
        began, status, sent = time.perf_counter(), 500, 0

        async def noting(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        structlog.contextvars.clear_contextvars()  # a pipelined request begins within the one before it
        annotate_request(request_id)
        structlog.contextvars.bind_contextvars(request_id=request_id)  # for good: the server tells of failures later
        try:
            await self._app(scope, receive, noting)
        finally:
            seconds, route = time.perf_counter() - began, getattr(scope.get("route"), "path", None)
            metrics.request_ended(scope["method"], route, status, seconds=seconds, body_bytes=sent)
            took = round(seconds * 1000, 1)
            write = log.debug if scope["path"].startswith(QUIET) else log.info
            path = scope["path"][:LOGGED_CHARACTERS]
            write("request", method=scope["method"], path=path, status=status, duration_ms=took)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


class LingeringAnswer:
    """Lets an answer arrive that is given before the request's body has ended.

    A server that closes the connection on unread bytes makes the client's system throw the answer away with them.
    So the answer is sent, the rest of the body thrown away for a while, and only then the connection closed, as
    nginx's lingering_close does.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body_ended = not _has_body(headers_of(scope))

        async def watching() -> Message:
            nonlocal body_ended
            message = await receive()
            body_ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def lingering(message: Message) -> None:
            if not body_ended and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            if not body_ended and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await _throw_away(receive)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, watching, lingering)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _throw_away(receive: Receive) -> None:
    """Reads until the body ends, the client goes, falls silent, or has had its time."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            going_on = True
            while going_on:
                message = await asyncio.wait_for(receive(), SILENCE_SECONDS)
                going_on = message.get("more_body", False)
    except TimeoutError:
        return


class Guard:
    """Refuses, before the body is read, what doesn't come from where or whom it may, or says that it is too large.

    Without tokens, requests may come from other machines only with `anywhere`, and through a proxy only with `proxied`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: OwnHosts,
        origins: Collection[str],
        anywhere: bool,
        proxied: bool,
        limits: BodyLimits,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._anywhere = anywhere
        self._proxied = proxied
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it."""
        if scope["type"] == "http":
            headers, send = headers_of(scope), _kept_by_nobody(scope["path"], send)
            try:
                origins = () if scope["path"] == SESSION_PATH else self._origins  # nobody else's page signs in here
                check_origin(headers, http_version=scope["http_version"], allowed=origins)
                await self._check_host(scope, headers)
                self._limits.check(scope["path"], headers)
                check_content_coding(headers)
                if needs_caller(scope["path"]):
                    await authenticate(scope, headers, authenticator=scope["state"]["services"].authenticator)
            except PegasusError as error:
                await problem_of(error)(scope, receive, send)
                return
            if _has_body(headers) and not self._limits.is_upload(scope["path"]):
                receive = _in_time(receive)
        await self._app(scope, receive, send)

    async def _check_host(self, scope: Scope, headers: Headers) -> None:
        """Where a token is needed, it decides who may: then the server has whatever names its proxies give it."""
        arrived_at = (scope.get("server") or (None,))[0]
        try:
            if not self._anywhere:
                check_loopback(arrived_at)
            check_host(headers, self._hosts, arrived_at=arrived_at)
            if not self._proxied:
                check_unproxied(headers)
        except NotForThisMachine as refusal:
            if not await _asks_for_tokens(scope["state"]["services"].authenticator):
                raise refusal from None


def _kept_by_nobody(path: str, send: Send) -> Send:
    """Lets no browser or proxy keep what depends on who asks: a cookie, unlike a token, doesn't tell a proxy so."""

    async def unkept(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
        await send(message)

    return unkept if is_private(path) else send


def _in_time(receive: Receive) -> Receive:
    """What receives a body that is no upload's: all of it has to come within BODY_SECONDS. Raises HTTPException."""
    latest, ended = asyncio.get_running_loop().time() + BODY_SECONDS, False

    async def receiving() -> Message:
        nonlocal ended
        try:
            async with asyncio.timeout_at(None if ended else latest):
                message = await receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        ended = not message.get("more_body", False)
        return message

    return receiving


async def _asks_for_tokens(authenticator: Authenticator) -> bool:
    try:
        return await authenticator.needs_token()
    except DatabaseProblem:
        return False
