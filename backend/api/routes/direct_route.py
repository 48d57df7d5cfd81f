"""Routes that call their endpoints directly, for the requests that come the most."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from inspect import Parameter, signature
from typing import Any
from uuid import UUID

from fastapi import Request, params
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from api.guards.credentials import AuthenticatedCaller
from api.parameters import RecordingId, RetryKey, UploadId
from api.services import CurrentServices

Source = Callable[[Request], Any]
_SOURCES: tuple[tuple[Any, Source], ...] = (  # no mapping: what is annotated with can't be hashed
    (Request, lambda request: request),
    (CurrentServices, lambda request: request.state.services),
    (AuthenticatedCaller, lambda request: request.state.caller),
    (UploadId, lambda request: _upload_id(request.path_params["upload_id"])),
    (RecordingId, lambda request: request.path_params["recording_id"]),
    (RetryKey, lambda request: request.headers.get("idempotency-key")),
)


class DirectRoute(APIRoute):
    """Documented like every other route, but its endpoint is called directly, and returns a Response.

    FastAPI's own handling, of an endpoint's dependencies and its response, was a fifth of the work for a small
    recording. It still handles an endpoint that takes anything else than is in `_SOURCES`.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request of this route."""
        arguments = self._arguments(Request(scope, receive)) if scope["method"] in (self.methods or ()) else None
        if arguments is None:
            await super().handle(scope, receive, send)
        else:
            response = await self.endpoint(**arguments)
            await response(scope, receive, send)

    def _arguments(self, request: Request) -> Mapping[str, Any] | None:
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


def _is_optional_in_query(parameter: Parameter) -> bool:
    in_query = any(isinstance(marker, params.Query) for marker in getattr(parameter.annotation, "__metadata__", ()))
    return in_query and parameter.default is not parameter.empty


def _without_query(default: Any, request: Request) -> Any:
    """The default of a parameter; what a query says FastAPI reads. Raises ValueError."""
    if request.scope["query_string"]:
        raise ValueError(request.url.query)
    return default


def _upload_id(text: str) -> UUID:
    """An id as we write them; FastAPI decides about the other ways. Raises ValueError."""
    upload_id = UUID(text)
    if str(upload_id) != text:
        raise ValueError(text)
    return upload_id
