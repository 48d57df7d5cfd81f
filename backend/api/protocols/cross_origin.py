"""Cross-origin resource sharing, for the pages of other sites that a setting allows (Fetch, 3.2).

They come with tokens: no answer allows credentials, and the page's cookie counts for this server's own page alone.
"""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http1.request_headers import headers_of
from api.protocols.tus import EXPOSED

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
EXPOSED_EVERYWHERE = (
    *EXPOSED.split(", "),
    "Accept-Ranges",
    "Content-Digest",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Repr-Digest",
    "WWW-Authenticate",
)
PREFLIGHT_SECONDS = 600


class AllowedOrigins:
    """Answers preflights of the allowed origins, and lets their pages read responses; others are passed on."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins
        self._sharing = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED_EVERYWHERE,
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        is_allowed = scope["type"] == "http" and headers_of(scope).get("origin") in self._origins
        await (self._sharing if is_allowed else self._app)(scope, receive, send)
