"""/api/session: signing in and out, for a page that can't keep a token where scripts could read it."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from access.authenticator import LONGEST_SECRET, TokenInvalid
from access.caller import ANONYMOUS, Caller
from api.guards.credentials import SESSION_PATH, address_of, request_secret
from api.guards.session_cookie import delete_secret_cookie, set_secret_cookie
from api.schemas import PROBLEM_RESPONSES
from api.services import CurrentServices

BODY_BYTES = 8 * 1024
router = APIRouter(prefix=SESSION_PATH, tags=["session"], responses=PROBLEM_RESPONSES)


class SignIn(BaseModel):
    """A token, to be kept by the browser."""

    token: Annotated[str, Field(min_length=1, max_length=LONGEST_SECRET)]


class Session(BaseModel):
    """Whether this server asks for a token, and who is asking."""

    needs_token: bool
    signed_in: bool
    user_id: str | None = None
    admin: bool = False


@router.get("", operation_id="get_session")
async def session(request: Request, response: Response, services: CurrentServices) -> Session:
    """Says whether a token is needed, and whose was sent. A cookie that isn't good any more is forgotten."""
    authenticator = services.authenticator
    try:
        secret = request_secret(request.headers)
        caller = ANONYMOUS if secret is None else await authenticator.authenticate(secret, address=address_of(request))
    except TokenInvalid:
        secret, caller = None, ANONYMOUS
        delete_secret_cookie(response)
    return _session(caller, needs_token=await authenticator.needs_token(), signed_in=secret is not None)


@router.post("", operation_id="sign_in", max_body_size=BODY_BYTES)
async def sign_in(credentials: SignIn, request: Request, response: Response, services: CurrentServices) -> Session:
    """Lets the browser keep a token, in a cookie that no script can read. 401 when it isn't valid."""
    secret = credentials.token.strip()
    caller = await services.authenticator.authenticate(secret, address=address_of(request))
    set_secret_cookie(response, secret, secure=_is_encrypted(request))
    return _session(caller, needs_token=await services.authenticator.needs_token(), signed_in=True)


@router.delete("", operation_id="sign_out")
async def sign_out(request: Request, response: Response, services: CurrentServices) -> Session:
    """Lets the browser forget the token. The token itself stays valid."""
    delete_secret_cookie(response)
    return _session(ANONYMOUS, needs_token=await services.authenticator.needs_token(), signed_in=False)


def _session(caller: Caller, *, needs_token: bool, signed_in: bool) -> Session:
    return Session(needs_token=needs_token, signed_in=signed_in, user_id=caller.user_id, admin=caller.admin)


def _is_encrypted(request: Request) -> bool:
    """Whether the browser uses https: forwarding headers are not trusted, but its own Origin is."""
    return request.url.scheme == "https" or request.headers.get("origin", "").lower().startswith("https://")
