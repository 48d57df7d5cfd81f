"""Pages of other origins that upload by tus-js-client and Uppy, in Chromium, as npm ships them for browsers."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unicodedata import normalize

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request

from tests.browser.conftest import Pegasus, StartPegasus
from tests.browser.steps import WAV, slow_down

CLIENTS = Path(__file__).parent / "clients"
SECRET = "a-token-for-other-sites"
HEADERS = {"Authorization": f"Bearer {SECRET}"}
NAME = "مذكرة 🎙️ Cafe\u0301.wav"  # Arabic, an emoji of two code points, and an accent by itself (NFD)
LABELS = {"tag": "عمل 👩‍💻", "category": "Re\u0301union"}
IN_NFC = {label: normalize("NFC", text) for label, text in LABELS.items()}
CONTENT = WAV + bytes(range(256)) * 4096 * 6
WAYS = {
    "tus-js-client": ("byTus", "tus-v1"),
    "tus-js-client, ietf-draft-03": ("byTus", "ietf-draft-03"),
    "tus-js-client, ietf-draft-05": ("byTus", "ietf-draft-05"),
    "uppy": ("byUppy", "tus-v1"),
}


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_message: object) -> None:
        """Stays silent."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The origin of another site, with a page that uploads."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(CLIENTS))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a browser that knows nothing yet; no page may throw an error."""
    context = browser.new_context()
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert errors == []


def choose(page: Page, site: str, memo: Path) -> None:
    """Opens the site's page and chooses the file there."""
    page.goto(f"{site}/uploading.html")
    page.wait_for_function("window.ready")
    page.set_input_files("input", memo)


def options(pegasus: Pegasus, protocol: str) -> dict[str, Any]:
    """What the site's page is told of the server."""
    return {"endpoint": f"{pegasus.url}/api/uploads", "protocol": protocol, "headers": HEADERS, "labels": LABELS}


@pytest.mark.parametrize(("client", "protocol"), WAYS.values(), ids=WAYS)
def test_an_upload_of_another_site_is_resumed(
    start_pegasus: StartPegasus, page: Page, site: str, tmp_path: Path, client: str, protocol: str
) -> None:
    """Its page is left amid an upload; with the same file it goes on, and name and labels come back, in NFC."""
    pegasus = start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{SECRET}=ada", ALLOWED_ORIGINS=site)
    memo = tmp_path / NAME
    memo.write_bytes(CONTENT)
    choose(page, site, memo)
    slow_down(page, 2_000_000)
    page.evaluate(f"(options) => {{ {client}(options) }}", options(pegasus, protocol))
    page.wait_for_function("(bytes) => window.accepted > bytes", arg=len(CONTENT) // 3)

    choose(page, site, memo)
    [(upload_id,)] = pegasus.sql("SELECT id::text FROM pegasus_system.uploads")
    slow_down(page, -1)
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request) if request.url.startswith(pegasus.url) else None)
    address = page.evaluate(f"(options) => {client}(options)", options(pegasus, protocol))
    assert address == f"{pegasus.url}/api/uploads/{upload_id}"
    assert {request.method for request in requests} <= {"OPTIONS", "HEAD", "PATCH"}
    assert all(int(request.headers["upload-offset"]) > 0 for request in requests if request.method == "PATCH")

    [recording] = httpx.get(f"{pegasus.url}/api/audio/", headers=HEADERS).raise_for_status().json()["items"]
    assert (recording["original_filename"], recording["user_id"]) == (normalize("NFC", NAME), "ada")
    assert {label: recording[label] for label in LABELS} == IN_NFC
    download = httpx.get(f"{pegasus.url}/api/audio/{recording['id']}/download", headers=HEADERS)
    assert download.content == CONTENT
