"""What these tests do again and again on the page, and with the API behind it."""

import re
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import httpx
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.audio.samples import recording
from tests.browser.conftest import Pegasus

WAV = recording("wav")
_sessions: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()


def put(server: Pegasus, name: str = "memo.wav", content: bytes = WAV, **labels: str) -> dict[str, Any]:
    """Uploads a recording behind the page's back."""
    answer = httpx.post(f"{server.url}/api/audio/upload", files={"file": (name, content)}, data=labels, timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def put_many(server: Pegasus, count: int) -> None:
    """Enters rows of recordings, the last one the newest."""
    server.sql(
        "INSERT INTO audio_files (id, filename, original_filename, file_path, file_size_bytes, duration_seconds,"
        " upload_timestamp, processing_status, tag) SELECT gen_random_uuid(), n || '.wav', 'Number ' || n,"
        " 'gone/' || n, 1000 + n, n, timestamp '2026-01-01' + n * interval '1 minute', 'completed', 'Even'"
        f" FROM generate_series(1, {count}) n",
    )


def chosen(name: str, content: bytes = WAV, kind: str = "audio/wav") -> dict[str, Any]:
    """A file as the page is given it."""
    return {"name": name, "mimeType": kind, "buffer": content}


def row(page: Page, name: str) -> Locator:
    """The row of a recording in the list."""
    return page.locator("#list .row").filter(has=page.locator(".open", has_text=re.compile(f"^{re.escape(name)}$")))


def upload(page: Page, name: str) -> Locator:
    """The row of an upload."""
    return page.locator("#uploads .upload").filter(has_text=name)


def count_is(page: Page, count: int) -> None:
    """Waits until the list says that there are so many recordings."""
    expect(page.locator("#count")).to_contain_text(re.compile(rf"^{count:,} recording"))


def sounding(page: Page) -> float:
    """How far the player is, in seconds."""
    return float(page.evaluate("document.querySelector('audio').currentTime"))


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Waits for what no page shows."""
    late = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < late
        time.sleep(0.05)


def open_recording(page: Page, name: str) -> None:
    """Puts a recording into the player, and waits until it can be heard."""
    row(page, name).locator(".open").click()
    expect(page.locator("#player-name")).to_have_text(name)
    until(lambda: page.evaluate("document.querySelector('audio').readyState >= 1"))


def slow_down(page: Page, bytes_per_second: int) -> None:
    """Lets the page send no more than so much; -1 lets it send all it can."""
    if page not in _sessions:
        _sessions[page] = page.context.new_cdp_session(page)
        _sessions[page].send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    _sessions[page].send("Network.emulateNetworkConditions", conditions)
