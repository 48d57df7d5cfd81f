"""/docs and /redoc: /openapi.json in Swagger UI and ReDoc.

Both are files of the package fastapi-offline, so that a browser loads nothing from other servers: the policy allows
requests to this server only.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.routes.assets import NOTHING_ELSE, Asset, find_asset, page_headers

BUNDLED = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js")
SWAGGER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pegasus: the API</title>
<link rel="icon" href="web/icon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
"""
REDOC = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pegasus: the API</title>
<link rel="icon" href="web/icon.svg">
</head>
<body>
<redoc spec-url="openapi.json"></redoc>
<script src="docs/redoc.standalone.js"></script>
</body>
</html>
"""
# The logo that ReDoc would load from its maker, and the policy forbids, is replaced by an empty picture.
ELSEWHERE = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
EMPTY = b"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
POLICY = NOTHING_ELSE | {
    "style-src": "'self' 'unsafe-inline'",  # both add styles at run time
    "img-src": "'self' data:",
    "worker-src": "blob:",  # ReDoc's search
    "form-action": "'none'",
}
HEADERS = page_headers(POLICY)

router = APIRouter(include_in_schema=False)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def swagger(request: Request) -> Response:
    """The API in Swagger UI."""
    return _assets()["swagger.html"].response(request, HEADERS)


@router.api_route("/redoc", methods=["GET", "HEAD"])
async def redoc(request: Request) -> Response:
    """The API in ReDoc."""
    return _assets()["redoc.html"].response(request, HEADERS)


@router.api_route("/docs/{name}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A file that one of the two loads."""
    return find_asset(_assets(), name).response(request, HEADERS)


@cache
def _assets() -> Mapping[str, Asset]:
    own = {"swagger.html": SWAGGER, "swagger-start.js": START, "redoc.html": REDOC}
    contents = {name: text.encode() for name, text in own.items()}
    contents |= {name: (_bundle() / name).read_bytes().replace(ELSEWHERE, EMPTY) for name in BUNDLED}
    return {name: Asset.of(content, suffix=Path(name).suffix) for name, content in contents.items()}


def _bundle() -> Path:
    """The folder of the package's files; the package itself isn't imported."""
    package = find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise HTTPException(404)
    return Path(package.origin).parent / "static"
