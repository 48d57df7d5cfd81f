"""/: the page for people, as it lies in web/. It loads nothing from elsewhere and runs nothing inline."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.routes.assets import NOTHING_ELSE, TYPES, Asset, page_headers

WEB = Path(__file__).resolve().parents[2] / "web"
POLICY = NOTHING_ELSE | {
    "media-src": "'self'",
    "form-action": "'self'",
    "require-trusted-types-for": "'script'",  # with no policy to make one, no text ever becomes markup
    "trusted-types": "'none'",
}
HEADERS = {**page_headers(POLICY), "Permissions-Policy": "microphone=(self), camera=(), geolocation=()"}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """The page, with its modules' names, so that a browser asks for them at once and not for one after the other."""
    answer = _assets()["index.html"].response(request, HEADERS)
    modules = (name for name in _assets() if name.endswith(".js"))
    answer.headers["Link"] = ", ".join(f"</web/{name}>; rel=modulepreload" for name in modules)
    return answer


@router.api_route("/web/{name}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A file that the page loads."""
    found = _assets().get(name)
    if found is None:
        raise HTTPException(404)
    return found.response(request, HEADERS)


@cache
def _assets() -> Mapping[str, Asset]:
    """Every file of the page by its name: what isn't among them can't be asked for, whatever a path says."""
    files = [path for path in sorted(WEB.iterdir()) if path.suffix in TYPES]
    return {path.name: Asset.of(path.read_bytes(), suffix=path.suffix) for path in files}
