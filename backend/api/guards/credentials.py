"""Authenticates requests by the header Authorization or the page's cookie, before their body is read."""

from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from access.authenticator import Authenticator, TokenInvalid
from access.caller import Caller
from api.guards.session_cookie import check_own_page, cookie_secret
from core.errors import PegasusError

PROTECTED = "/api"
METRICS_PATH = "/metrics"
SESSION_PATH = "/api/session"  # signing in needs no token yet
_bearer = HTTPBearer(auto_error=False, description="A token, as `python -m access create USER` makes them.")


class AdminNeeded(PegasusError):
    message = "This is about everybody, and needs an admin's token."


def needs_caller(path: str) -> bool:
    """Whether a path needs an authenticated caller: /metrics, and all below /api except for signing in."""
    return path != SESSION_PATH and is_private(path)


def is_private(path: str) -> bool:
    """Whether a path's responses depend on the caller."""
    return path in {PROTECTED, METRICS_PATH} or path.startswith(f"{PROTECTED}/")


async def authenticate(scope: Scope, headers: Headers, *, authenticator: Authenticator) -> None:
    """Authenticates a request, and stores its caller in the state for `AuthenticatedCaller`.

    Raises TokenMissing, TokenInvalid, TooManyGuesses, OriginUnknown or DatabaseProblem.
    """
    secret = request_secret(headers)
    if secret is not None and _header_secret(headers) is None:
        check_own_page(scope["method"], headers)
    scope["state"]["caller"] = await authenticator.authenticate(secret, address=address_of(HTTPConnection(scope)))


def address_of(connection: HTTPConnection) -> str:
    """The client's address, from the connection: forwarding headers are not trusted."""
    client = connection.scope.get("client")
    return client[0] if client else ""


def request_secret(headers: Headers) -> str | None:
    """The token in the request's header, else in the page's cookie; None without one. Raises TokenInvalid.

    No other code reads a token from a request.
    """
    return _header_secret(headers) or cookie_secret(headers)


def _header_secret(headers: Headers) -> str | None:
    """The token in Authorization, which clients send bare or as `Bearer`. Raises TokenInvalid."""
    values = headers.getlist("authorization")
    words = " ".join(values).split()
    if words[:1] and words[0].lower() == "bearer":
        words = words[1:]
    if len(values) > 1 or len(words) > 1:  # another scheme, or something that can't be a token
        raise TokenInvalid
    return words[0] if words else None


async def _caller(  # a plain function would be called in a thread
    request: Request, _token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    return cast("Caller", request.state.caller)


AuthenticatedCaller = Annotated[Caller, Depends(_caller)]


async def _admin(caller: AuthenticatedCaller) -> Caller:
    if not caller.admin:
        raise AdminNeeded
    return caller


Admin = Annotated[Caller, Depends(_admin)]


async def _unrestricted(caller: AuthenticatedCaller) -> Caller:
    if caller.owner is not None:
        raise AdminNeeded
    return caller


# An admin; on a server that needs no token, everybody.
UnrestrictedCaller = Annotated[Caller, Depends(_unrestricted)]
