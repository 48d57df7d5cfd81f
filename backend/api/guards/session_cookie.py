"""The cookie in which the page keeps its token: out of the reach of scripts, and sent by `<audio>` and EventSource too.

A browser sends a cookie by itself, so what a request does isn't meant by the user because it bears one. It counts only
where the browser says that this server's own page sent the request. SameSite=Strict alone doesn't say that: another
port of the same host is the same site, and gets the cookie.
"""

import base64
import binascii

from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from access.authenticator import TokenInvalid
from api.guards.request_origin import RequestRefused

NAME = "pegasus_session"
KEPT_SECONDS = 90 * 24 * 3600
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_SITE = {"same-origin", "none"}  # none: the user typed the address


class OriginUnknown(RequestRefused):
    """A request bears the page's cookie, and it isn't known that the page sent it."""

    def __init__(self) -> None:
        super().__init__("With the page's cookie only this server's own page may send requests.")


def cookie_secret(headers: Headers) -> str | None:
    """The token in the cookie; None where there is none. Raises TokenInvalid."""
    kept = cookie_parser("; ".join(headers.getlist("cookie"))).get(NAME)
    if not kept:
        return None
    try:
        return base64.b64decode(kept.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except (UnicodeError, binascii.Error) as error:
        raise TokenInvalid from error


def check_own_page(method: str, headers: Headers) -> None:
    """Returns when this server's own page sent a request with its cookie. Raises OriginUnknown.

    An Origin that is there has been found to be ours; browsers send one with whatever changes something.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in OWN_SITE:
        raise OriginUnknown
    if method not in SAFE_METHODS and site != "same-origin" and "origin" not in headers:
        raise OriginUnknown


def keep_secret(response: Response, secret: str, *, secure: bool) -> None:
    """Lets the browser keep a token; base64, because a token may hold what a cookie can't."""
    kept = base64.urlsafe_b64encode(secret.encode()).decode()
    response.set_cookie(NAME, kept, max_age=KEPT_SECONDS, httponly=True, samesite="strict", secure=secure)


def forget_secret(response: Response) -> None:
    """Lets the browser forget it."""
    response.delete_cookie(NAME, httponly=True, samesite="strict")
