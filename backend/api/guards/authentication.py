"""Who is asking: told from the header Authorization, or the page's cookie, before a request's body is looked at."""

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
SESSION_PATH = "/api/session"  # where a token is brought, and not yet needed
_documented = HTTPBearer(auto_error=False, description="A token, as `python -m access create USER` makes them.")


class AdminNeeded(PegasusError):
    """What is asked for is about everybody, and the token is one user's."""

    def __init__(self) -> None:
        super().__init__("This is about everybody's recordings, and needs an admin's token.")


def needs_caller(path: str) -> bool:
    """Whether a path is one that only who may is let to: /metrics, and all below /api but signing in."""
    return path != SESSION_PATH and is_private(path)


def is_private(path: str) -> bool:
    """Whether what is answered at a path depends on who asks."""
    return path in {PROTECTED, METRICS_PATH} or path.startswith(f"{PROTECTED}/")


async def authenticate(scope: Scope, headers: Headers, *, authenticator: Authenticator) -> None:
    """Finds out who sent a request, and keeps that in its state for `AuthenticatedCaller`.

    Raises TokenMissing, TokenInvalid, TooManyGuesses, OriginUnknown or DatabaseProblem.
    """
    secret = sent_secret(headers)
    if secret is not None and _header_secret(headers) is None:
        check_own_page(scope["method"], headers)
    scope["state"]["caller"] = await authenticator.authenticate(secret, address=address_of(HTTPConnection(scope)))


def address_of(connection: HTTPConnection) -> str:
    """Where a request comes from, as far as the connection tells: no header is believed."""
    return connection.client.host if connection.client else ""


def sent_secret(headers: Headers) -> str | None:
    """The token of a request: that of its header, or else that of the page's cookie; None where there is none.

    This is the one place where a token is taken from a request. Raises TokenInvalid.
    """
    return _header_secret(headers) or cookie_secret(headers)


def _header_secret(headers: Headers) -> str | None:
    """The token in Authorization, which clients send bare or as `Bearer`. Raises TokenInvalid."""
    sent = headers.getlist("authorization")
    words = " ".join(sent).split()
    if words[:1] and words[0].lower() == "bearer":
        words = words[1:]
    if len(sent) > 1 or len(words) > 1:  # another scheme, or something that can't be a token
        raise TokenInvalid
    return words[0] if words else None


async def _caller(  # a plain function would be called in a thread
    request: Request, _token: Annotated[HTTPAuthorizationCredentials | None, Security(_documented)]
) -> Caller:
    return cast("Caller", request.state.caller)


AuthenticatedCaller = Annotated[Caller, Depends(_caller)]
