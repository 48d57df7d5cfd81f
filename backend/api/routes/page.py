"""/: the web page from web/. It loads nothing from other servers and runs no inline scripts."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.routes.assets import NOTHING_ELSE, TYPES, Asset, find_asset, page_headers

WEB = Path(__file__).resolve().parents[2] / "web"
POLICY = NOTHING_ELSE | {
    "media-src": "'self'",
    "form-action": "'self'",
    "require-trusted-types-for": "'script'",  # without any policy, no text ever becomes markup
    "trusted-types": "'none'",
}
HEADERS = {**page_headers(POLICY), "Permissions-Policy": "microphone=(self), camera=(), geolocation=()"}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page, with a preload link for each module, so that a browser loads them in parallel."""
    response = _assets()["index.html"].response(request, HEADERS)
    modules = (name for name in _assets() if name.endswith(".js"))
    response.headers["Link"] = ", ".join(f"<web/{name}>; rel=modulepreload" for name in modules)
    return response


@router.api_route("/web/{name}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A file that the page loads."""
    return find_asset(_assets(), name).response(request, HEADERS)


@cache
def _assets() -> Mapping[str, Asset]:
    """All files of the page by name; nothing else can be requested, whatever the path."""
    files = [path for path in sorted(WEB.iterdir()) if path.suffix in TYPES]
    return {path.name: Asset.of(path.read_bytes(), suffix=path.suffix) for path in files}
