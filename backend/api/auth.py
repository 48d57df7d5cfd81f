"""Who is asking: told from the header Authorization before anything else of a request is looked at."""

from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import Scope

from access.caller import Caller
from access.door import Door, TokenInvalid

PROTECTED = "/api"
_documented = HTTPBearer(auto_error=False, description="A token, as `python -m access create USER` makes them.")


def needs_caller(path: str) -> bool:
    """Whether a path is one that only who may is let to: everything below /api."""
    return path == PROTECTED or path.startswith(f"{PROTECTED}/")


async def let_in(scope: Scope, headers: Headers, *, door: Door) -> None:
    """Finds out who sent a request, and keeps that in its state for `Asking`.

    Raises TokenMissing, TokenInvalid or DatabaseProblem.
    """
    scope["state"]["caller"] = await door.admit(sent_secret(headers))


def sent_secret(headers: Headers) -> str | None:
    """The token of a request, which clients send bare or as `Bearer`; None where there is none. Raises TokenInvalid.

    This is the one place where a token is taken from a request: the page's cookie belongs here as well.
    """
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


Asking = Annotated[Caller, Depends(_caller)]
