"""Refuses query parameters that a path doesn't have: a filter whose name is misspelt would let everything through."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute

_names: dict[Callable[..., Any], frozenset[str]] = {}


def check_query_parameters(request: Request, names: frozenset[str]) -> None:
    """Raises RequestValidationError where the request has parameters besides those names, or a text isn't UTF-8."""
    if not request.scope["query_string"]:
        return
    errors = [_error(name, names) for name in request.query_params if name not in names]
    errors += _undecodable(request.scope["query_string"])
    if errors:
        raise RequestValidationError(errors)


async def _check_against_route(request: Request) -> None:
    """Raises RequestValidationError."""
    check_query_parameters(request, _query_parameters(request.scope["route"]))


def _query_parameters(route: APIRoute) -> frozenset[str]:
    """The names that a route has; they are read from it once."""
    if route.endpoint not in _names:
        parameters: list[Any] = get_flat_params(route.dependant)
        in_query = (one for one in parameters if getattr(one.field_info, "in_", None) is ParamTypes.query)
        _names[route.endpoint] = frozenset(parameter.alias for parameter in in_query)
    return _names[route.endpoint]


def _error(name: str, names: frozenset[str]) -> dict[str, Any]:
    shown = ascii(name)[1:-1][:50]
    close = get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(names))}" if names else ""
    return {"type": "extra_forbidden", "loc": ("query", shown), "msg": f"There is no such parameter{hint}"}


def _undecodable(query: bytes) -> Iterator[dict[str, Any]]:
    """An error for each value that isn't UTF-8: it would be kept with other characters in their place."""
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        try:
            unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            yield {
                "type": "string_unicode",
                "loc": ("query", ascii(name.decode("latin-1"))[1:-1][:50]),
                "msg": "It isn't UTF-8",
            }


KNOWN_PARAMETERS_ALONE = Depends(_check_against_route)
