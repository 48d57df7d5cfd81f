"""Files for browsers, as they are sent: each with its type and hash, under a policy that says what a page may do."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response

from api.protocols.ranges import is_current

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
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
    """A file as it is sent."""

    content: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, *, suffix: str) -> "Asset":
        """The asset that a file with that suffix is."""
        return cls(content, TYPES[suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The answer to a GET or a HEAD; 304 for who has it."""
        headers = {**headers, "ETag": self.etag}
        if is_current(request.headers, etag=self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.media_type)


def page_headers(policy: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a page and its files, whose Content-Security-Policy is given by its directives."""
    return {
        "Cache-Control": "no-cache",  # asked for each time, and answered by 304: a new version shows at once
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",  # for browsers that don't know frame-ancestors
    }
