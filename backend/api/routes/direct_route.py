"""Routes whose endpoints are called directly, for the requests that come the most."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from inspect import Parameter, signature
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response, params
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import response_to
from api.guards.credentials import AuthenticatedCaller
from api.http1.request_headers import headers_of
from api.parameters import RecordingId, RetryKey, UploadId
from api.services import CurrentServices

Source = Callable[[Request], Any]
_SOURCES: tuple[tuple[Any, Source], ...] = (  # no mapping: what is annotated with can't be hashed
    (Request, lambda request: request),
    (CurrentServices, lambda request: request.scope["state"]["services"]),
    (AuthenticatedCaller, lambda request: request.scope["state"]["caller"]),
    (UploadId, lambda request: _id(request.path_params["upload_id"])),
    (RecordingId, lambda request: _id(request.path_params["recording_id"])),
    (RetryKey, lambda request: request.headers.get("idempotency-key")),
)


class DirectRoute(APIRoute):
    """Documented like every other route, but `DirectRoutes` may call its endpoint, which returns a Response."""

    def takes(self, _headers: Headers, /) -> bool:
        """Whether a request to its path is for this route. Raises what refuses it whatever it asks for."""
        return True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As every route. Raises as `takes`."""
        if scope["method"] in (self.methods or ()):
            self.takes(headers_of(scope))
        await super().handle(scope, receive, send)

    def arguments(self, request: Request) -> Mapping[str, Any] | None:
        """The endpoint's arguments; None where FastAPI has to find them, or to refuse the request."""
        if self._sources is None:
            return None
        try:
            return {name: source(request) for name, source in self._sources.items()}
        except ValueError:
            return None

    @cached_property
    def _sources(self) -> Mapping[str, Source] | None:
        """Where each argument comes from; None where one comes from elsewhere."""
        sources: dict[str, Source] = {}
        for name, parameter in signature(self.endpoint).parameters.items():
            source = next((source for annotation, source in _SOURCES if annotation is parameter.annotation), None)
            if source is None and _is_optional_in_query(parameter):
                source = partial(_without_query, parameter.default)
            if source is None:
                return None
            sources[name] = source
        return sources


class DirectRoutes:
    """Calls the endpoints of direct routes, with what FastAPI would call them with.

    FastAPI asks one route after the other, each through the layers of its router, and solves the dependencies of the
    endpoint. It still handles what isn't found here, and endpoints that take anything else than is in _SOURCES.
    """

    def __init__(self, app: ASGIApp, *, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._at_paths: dict[tuple[str, str], DirectRoute] = {}
        self._at_patterns: dict[str, list[DirectRoute]] = {}
        for route in (route for router in routers for route in router.routes if isinstance(route, DirectRoute)):
            for method in route.methods or ():
                if route.param_convertors:
                    self._at_patterns.setdefault(method, []).append(route)
                else:
                    self._at_paths.setdefault((method, route.path), route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        route = self._route(scope) if scope["type"] == "http" and not scope.get("root_path") else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # outer middleware reads it, whatever comes of the request
        request = _DirectRequest(scope, receive)
        try:
            arguments = route.arguments(request) if route.takes(request.headers) else None
            response = None if arguments is None else await route.endpoint(**arguments)
        except Exception as error:  # noqa: BLE001 - as FastAPI has it: what isn't known here goes on
            response = await response_to(request, error)
        if response is None:
            await self._app(scope, receive, send)
        else:
            await _send(response, request, send)

    def _route(self, scope: Scope) -> DirectRoute | None:
        method, path = scope["method"], scope["path"]
        route = self._at_paths.get((method, path))
        if route is not None:
            return route
        for route in self._at_patterns.get(method, ()):
            match = route.path_regex.match(path)
            if match is not None:
                scope["path_params"] = match.groupdict()
                return route
        return None


class _DirectRequest(Request):
    @property
    def headers(self) -> Headers:
        return headers_of(self.scope)


async def _send(response: Response, request: Request, send: Send) -> None:
    """Sends a response; where it can't begin, as a file that has gone can't, the one to that error."""
    has_begun = False

    async def noting(message: Message) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    try:
        await response(request.scope, request.receive, noting)
    except Exception as error:
        if has_begun:
            raise
        substitute = await response_to(request, error)
        await substitute(request.scope, request.receive, send)


def _id(text: str) -> UUID:
    """An id as we write them; FastAPI decides about the other ways. Raises ValueError."""
    parsed = UUID(text)
    if str(parsed) != text:
        raise ValueError(text)
    return parsed


def _is_optional_in_query(parameter: Parameter) -> bool:
    in_query = any(isinstance(marker, params.Query) for marker in getattr(parameter.annotation, "__metadata__", ()))
    return in_query and parameter.default is not parameter.empty


def _without_query(default: Any, request: Request) -> Any:
    """The default of a parameter; what a query says FastAPI reads. Raises ValueError."""
    if request.scope["query_string"]:
        raise ValueError(request.url.query)
    return default
