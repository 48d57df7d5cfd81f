"""/: the page for people, as it lies in web/. It loads nothing from elsewhere and runs nothing inline."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.ranges import is_current

WEB = Path(__file__).resolve().parents[1] / "web"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "media-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",  # with no policy to make one, no text ever becomes markup
    "trusted-types": "'none'",
}
HEADERS = {
    "Cache-Control": "no-cache",  # asked for each time, and answered by 304: a new version shows at once
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """A file of the page, as it is sent."""

    content: bytes
    media_type: str
    etag: str


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page, with its modules' names, so that a browser asks for them at once and not for one after the other."""
    answer = _answer(request, "index.html")
    modules = (name for name in _assets() if name.endswith(".js"))
    answer.headers["Link"] = ", ".join(f"</web/{name}>; rel=modulepreload" for name in modules)
    return answer


@router.api_route("/web/{name}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A file that the page loads."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    found = _assets().get(name)
    if found is None:
        raise HTTPException(404)
    headers = HEADERS | {"ETag": found.etag}
    if is_current(request.headers, etag=found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)


@cache
def _assets() -> Mapping[str, Asset]:
    """Every file of the page by its name: what isn't among them can't be asked for, whatever a path says."""
    files = [path for path in sorted(WEB.iterdir()) if path.suffix in TYPES]
    return {path.name: _asset(path) for path in files}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
