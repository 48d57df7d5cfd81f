"""/: the web page from web/. It loads nothing from other servers and runs no inline scripts."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.routes.assets import NOTHING_ELSE, TYPES, Asset, find_asset, page_headers

WORKER = "service_worker.js"
WEB = Path(__file__).resolve().parents[2] / "web"
POLICY = NOTHING_ELSE | {
    "media-src": "'self'",
    "form-action": "'self'",
    "manifest-src": "'self'",
    "require-trusted-types-for": "'script'",  # no text ever becomes markup: the one policy names the service worker
    "trusted-types": "service-worker",
}
STATIC_IMPORT = re.compile(rb'^import [^"\n]*"\./([a-z_]+\.js)"', re.MULTILINE)
HEADERS = {**page_headers(POLICY), "Permissions-Policy": "microphone=(self), camera=(), geolocation=()"}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page."""
    return _page(request, _assets()["index.html"], root="./")


@router.api_route("/settings", methods=["GET", "HEAD"])
async def page_of_settings(request: Request) -> Response:
    """The same page, which shows settings."""
    return _page(request, _assets()["index.html"], root="./", entries=("app.js", "settings.js"))


@router.api_route("/r/{recording_id:uuid}", methods=["GET", "HEAD"])
async def page_of_recording(request: Request) -> Response:
    """The same page a level below: it reads from its own address which recording it shows."""
    return _page(request, _page_below(), root="../", entries=("app.js", "player.js"))


@router.api_route("/service_worker.js", methods=["GET", "HEAD"])
async def service_worker(request: Request) -> Response:
    """The worker, at the top since it may serve only what is below it, with the names of what it keeps."""
    return _service_worker().response(request, HEADERS)


@router.api_route("/web/{name}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A file that the page loads."""
    return find_asset(_assets(), name).response(request, HEADERS)


def _page(request: Request, asset: Asset, *, root: str, entries: tuple[str, ...] = ("app.js",)) -> Response:
    """The page, with a preload link for each module that `entries` load, so that a browser loads them in parallel."""
    response = asset.response(request, HEADERS)
    response.headers["Link"] = ", ".join(f"<{root}web/{name}>; rel=modulepreload" for name in _modules(*entries))
    return response


@cache
def _modules(*entries: str) -> Collection[str]:
    """The entries and all modules that their static imports lead to; what a dynamic import loads isn't among them."""
    modules = dict.fromkeys(entries)
    for name in (pending := [*modules]):
        imports = [match.decode() for match in STATIC_IMPORT.findall(_assets()[name].content)]
        pending += [imported for imported in imports if imported not in modules]
        modules |= dict.fromkeys(imports)
    return modules


@cache
def _page_below() -> Asset:
    """The page with relative addresses that hold below /r/, whatever path a proxy serves it under."""
    return Asset.of(_assets()["index.html"].content.replace(b'"./', b'"../'), suffix=".html")


@cache
def _service_worker() -> Asset:
    """The worker for these files: it differs whenever one of them does, and then a browser takes the new one."""
    assets = _assets()
    files = ["./", f"r/{UUID(int=0)}", *(f"web/{name}" for name in assets if name not in {"index.html", WORKER})]
    version = hashlib.sha256("".join(asset.etag for asset in assets.values()).encode()).hexdigest()[:16]
    constants = f"const VERSION = {json.dumps(version)}\nconst FILES = {json.dumps(files)}\n"
    return Asset.of(constants.encode() + assets[WORKER].content, suffix=".js")


@cache
def _assets() -> Mapping[str, Asset]:
    """All files of the page by name; nothing else can be requested, whatever the path."""
    files = [path for path in sorted(WEB.iterdir()) if path.suffix in TYPES]
    return {path.name: Asset.of(path.read_bytes(), suffix=path.suffix) for path in files}
