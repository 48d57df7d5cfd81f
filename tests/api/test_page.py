"""The page as the server sends it: what it may do in a browser, and that nothing but the page is sent."""

import json
import re
from uuid import UUID

import httpx
import pytest

from api.routes.page import WEB

ASSETS = sorted(path.name for path in WEB.iterdir())


async def test_the_page_is_told_what_it_may_do(client: httpx.AsyncClient) -> None:
    """It runs and loads only what is the server's own, is in no frame, and of the devices gets the microphone."""
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["permissions-policy"].startswith("microphone=(self)")
    assert (answer.headers["referrer-policy"], answer.headers["x-content-type-options"]) == ("no-referrer", "nosniff")


@pytest.mark.parametrize(
    ("path", "needed"), [("/", "list.js"), (f"/r/{UUID(int=1)}", "player.js"), ("/settings", "tokens.js")]
)
async def test_what_a_first_view_needs_is_preloaded(client: httpx.AsyncClient, path: str, needed: str) -> None:
    """The page names the modules of its first view with all that they import, and none that comes later."""
    preloaded = re.findall(r"web/([a-z_]+\.js)>; rel=modulepreload", (await client.get(path)).headers["link"])
    assert {"app.js", needed} <= set(preloaded)
    for name in preloaded:
        imported = re.findall(r'^import [^"]*"\./([^"]+)"', (WEB / name).read_text(), re.MULTILINE)
        assert set(imported) <= set(preloaded), name
    assert not {"recorder.js", "uploads.js", "selection.js", "service_worker.js"} & set(preloaded)
    assert len(preloaded) == len(set(preloaded))


async def test_each_recording_has_a_page(client: httpx.AsyncClient) -> None:
    """A recording's address answers with the page, whose files are named from there; no other address does."""
    answer = await client.get("/r/0198f1c4-0000-7000-8000-000000000000")
    page = await client.get("/")
    assert answer.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert answer.headers["etag"] != page.headers["etag"]
    assert 'src="../web/app.js"' in answer.text
    assert '"./' not in answer.text
    assert "<../web/app.js>; rel=modulepreload" in answer.headers["link"]
    assert (await client.get("/r/memo")).status_code == 404


async def test_the_service_worker_keeps_the_page_alone(client: httpx.AsyncClient) -> None:
    """It names each file of the page and no other, all of which are there, and a version of all of them."""
    answer = await client.get("/service_worker.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"
    version, files, *_ = answer.text.splitlines()
    assert re.fullmatch(r'const VERSION = "[0-9a-f]{16}"', version)
    names = json.loads(files.removeprefix("const FILES = "))
    assert {name.removeprefix("web/") for name in names[2:]} == {*ASSETS} - {"index.html", "service_worker.js"}
    assert {(await client.get(f"/{name.removeprefix('./')}")).status_code for name in names} == {200}


@pytest.mark.parametrize("name", ASSETS)
async def test_each_file_has_its_type_and_is_sent_once(client: httpx.AsyncClient, name: str) -> None:
    """A file of the page is what it says, and a browser that has it is told that it may keep it."""
    answer = await client.get(f"/web/{name}")
    kinds = {
        ".css": "text/css",
        ".html": "text/html",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".webmanifest": "application/manifest+json",
    }
    assert answer.headers["content-type"].partition(";")[0] == kinds[(WEB / name).suffix]
    assert answer.content == (WEB / name).read_bytes()
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await client.get(f"/web/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.head(f"/web/{name}")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/web/", "/web/none.js", "/web/..%2fmain.py", "/web/%2e%2e/main.py", "/web//etc/passwd"]
)
async def test_nothing_else_is_sent(client: httpx.AsyncClient, path: str) -> None:
    """What isn't a file of the page isn't there."""
    assert (await client.get(path)).status_code == 404


def test_the_page_is_light_and_asks_nobody_else() -> None:
    """All of its files together weigh less than 200 kB, and none names another site or holds what runs inline."""
    assert sum((WEB / name).stat().st_size for name in ASSETS) < 200_000
    for name in ASSETS:
        text = (WEB / name).read_bytes().decode(errors="replace")
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\bon\w+=\"|style=\"|<script>", text), name


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_reference_loads_nothing_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    """The API's description is shown by files of this server alone, runs nothing inline, and is framed by nobody."""
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert {source for value in policy.values() for source in value.split()} <= {
        *("'none'", "'self'", "'unsafe-inline'", "data:", "blob:")
    }
    assert answer.headers["x-frame-options"] == "DENY"
    assert not re.search(r"https?://|<script>|\bon\w+=", answer.text)
    loaded = re.findall(r"(?:src|href|url)=\"([^\"]+)\"", answer.text)
    assert len(loaded) > 2
    for name in loaded:
        sent = await client.get(f"/{name}")
        assert sent.status_code == 200, name
        if name != "openapi.json":
            assert sent.headers["x-content-type-options"] == "nosniff"
            again = await client.get(f"/{name}", headers={"If-None-Match": sent.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/docs/", "/docs/none.js", "/docs/favicon.png", "/docs/..%2f__init__.py", "/redoc/x"])
async def test_the_reference_sends_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    """Of the package that brings them, nothing else can be had."""
    assert (await client.get(path)).status_code == 404
