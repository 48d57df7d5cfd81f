"""Static files for browsers, with their types, ETags and Content-Security-Policy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from api.protocols.ranges import is_current

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
NOTHING_ELSE = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@dataclass(frozen=True)
class Asset:
    """A static file."""

    content: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, *, suffix: str) -> "Asset":
        return cls(content, TYPES[suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The response to a GET or a HEAD; 304 where the client's copy is current."""
        headers = {**headers, "ETag": self.etag}
        if is_current(request.headers, etag=self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.media_type)


def find_asset(assets: Mapping[str, Asset], name: str) -> Asset:
    """The asset of that name. Raises HTTPException (404)."""
    asset = assets.get(name)
    if asset is None:
        raise HTTPException(404)
    return asset


def page_headers(policy: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a page and its files; `policy` has the directives of the Content-Security-Policy."""
    return {
        "Cache-Control": "no-cache",  # revalidated each time, by 304: a new version shows at once
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",  # for browsers that don't know frame-ancestors
    }
