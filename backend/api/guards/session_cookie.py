"""The cookie with the page's token: no script can read it, and `<audio>` and EventSource send it, too.

A browser sends a cookie by itself, so it doesn't prove that the user wants the request. It is accepted only where the
browser says that this server's own page sent the request. SameSite=Strict alone isn't enough: another port of the same
host is the same site, and gets the cookie.
"""

import base64
import binascii

from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from access.authenticator import TokenInvalid
from api.guards.request_origin import RequestRefused, is_own_origin

NAME = "pegasus_session"
COOKIE_SECONDS = 90 * 24 * 3600
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_SITE = {"same-origin", "none"}  # none: the user typed the address


class OriginUnknown(RequestRefused):
    message = "With the page's cookie only this server's own page may send requests."


def cookie_secret(headers: Headers) -> str | None:
    """The token in the cookie; None without one. Raises TokenInvalid."""
    if "cookie" not in headers:
        return None
    value = cookie_parser("; ".join(headers.getlist("cookie"))).get(NAME)
    if not value:
        return None
    try:
        return base64.b64decode(value.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except (UnicodeError, binascii.Error) as error:
        raise TokenInvalid from error


def check_own_page(method: str, headers: Headers) -> None:
    """Checks that this server's own page sent a request with its cookie. Raises OriginUnknown.

    Browsers send an Origin with every request that changes something; those of ALLOWED_ORIGINS come with tokens alone.
    """
    if not is_own_origin(headers):
        raise OriginUnknown
    site = headers.get("sec-fetch-site")
    if site is not None and site not in OWN_SITE:
        raise OriginUnknown
    if method not in SAFE_METHODS and site != "same-origin" and "origin" not in headers:
        raise OriginUnknown


def set_secret_cookie(response: Response, secret: str, *, secure: bool) -> None:
    """Sets the cookie, in base64, as a token may hold characters that a cookie can't."""
    value = base64.urlsafe_b64encode(secret.encode()).decode()
    response.set_cookie(NAME, value, max_age=COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure)


def delete_secret_cookie(response: Response) -> None:
    response.delete_cookie(NAME, httponly=True, samesite="strict")
