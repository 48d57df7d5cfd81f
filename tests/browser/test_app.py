"""The page as an app: opened without a server, shared with and shared from, and held in a hand."""

import re
import threading
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Pegasus, StartPegasus
from tests.browser.steps import WAV, count_is, put, put_many, row, until
from tests.browser.test_prefix import PREFIX, proxy

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
CACHED = "caches.keys().then((all) => Promise.all(all.map((name) => caches.open(name).then((one) => one.keys()))))"
SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary, label.drop")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.matches(".unseen, .skip, .brand"))
  .map((one) => [(one.closest("label") ?? one).getBoundingClientRect(), one])
  .filter(([{ width, height }]) => width < 44 || height < 44).map(([{ width, height }, one]) =>
    `${width} x ${height}: ${one.outerHTML.slice(0, 90)}`)"""


def is_installed(page: Page) -> None:
    """Waits until the page has its service worker."""
    until(lambda: page.evaluate("Boolean(navigator.serviceWorker.controller)"))


def share_with(page: Page, name: str) -> None:
    """Does what a system does when another app shares a file with this one."""
    page.evaluate(
        """([bytes, name]) => {
            const brought = new DataTransfer()
            brought.items.add(new File([new Uint8Array(bytes)], name, { type: "audio/wav" }))
            const form = document.createElement("form")
            const file = document.createElement("input")
            Object.assign(form, { method: "POST", enctype: "multipart/form-data", action: "share" })
            Object.assign(file, { type: "file", name: "file", files: brought.files })
            form.append(file)
            document.body.append(form)
            form.submit()
        }""",
        [list(WAV), name],
    )


def test_the_page_opens_without_its_server(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """What was opened once opens again while the server is away; nothing but the page's own files is kept for that."""
    server = start_pegasus()
    recording_id = put(server, "memo.wav")["id"]
    page = open_page(server, f"/r/{recording_id}")
    is_installed(page)
    expect(page.locator("#player-name")).to_have_text("memo.wav")
    page.reload()
    expect(page.locator("#player-name")).to_have_text("memo.wav")
    kept = page.evaluate(f"{CACHED}.then((all) => all.flat().map(({{ url }}) => new URL(url).pathname))")
    assert len(kept) > 30
    assert all(re.fullmatch(r"/|/r/[0-]+|/web/[a-z_]+\.\w+", path) for path in kept)
    assert server.run is not None
    server.run.end(15)
    for path in ("/", f"/r/{recording_id}"):
        page.goto(server.url + path)
        expect(page.locator("#connection")).to_have_text("The server can't be reached. Trying again…")
        expect(page.get_by_role("button", name="Record")).to_be_visible()
    with ExitStack() as stack:
        server.start(stack)
        expect(page.locator("#player-name")).to_have_text("memo.wav")
        expect(row(page, "memo.wav")).to_be_visible()


def test_a_newer_page_shows_at_once(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A page that is kept below a prefix doesn't hide the newer one that the server has."""
    newer = threading.Event()
    with proxy(pegasus, newer=newer) as proxied:
        page = open_page(proxied, f"{PREFIX}/")
        is_installed(page)
        page.reload()
        expect(page).to_have_title("Pegasus")
        newer.set()
        page.reload()
        expect(page).to_have_title("Newer")
        page.context.close()


def test_another_app_shares_a_file(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A file that is shared with the page, as its manifest offers, is uploaded."""
    page = open_page(pegasus)
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((got) => got.json())")
    assert manifest["share_target"]["action"] == "../share"
    is_installed(page)
    share_with(page, "shared.wav")
    expect(row(page, "shared.wav")).to_be_visible()
    expect(page).to_have_url(f"{pegasus.url}/")


def test_a_recording_is_shared_as_a_file(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Where a system has a share sheet, a recording goes there as its file; a second tap is asked for where it must."""
    recording_id = put(pegasus, "memo.wav")["id"]
    page = open_page(pegasus)
    page.add_init_script(
        "window.refusals = 1; window.shared = []; navigator.canShare = ({ files }) => files.length > 0;"
        "navigator.share = async (data) => { if (refusals--) throw new DOMException('', 'NotAllowedError');"
        " shared.push([data.files[0].name, data.files[0].size]) }"
    )
    page.goto(f"{pegasus.url}/r/{recording_id}")
    page.get_by_role("button", name="Share").click()
    expect(page.locator(".toast")).to_contain_text("The recording is ready.")
    page.locator(".toast").get_by_role("button", name="Share").click()
    until(lambda: page.evaluate("shared") == [["memo.wav", len(WAV)]])


def test_the_screen_stays_on_while_recording(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A phone doesn't fall asleep during a recording, and may after it."""
    page = open_page(pegasus)
    page.evaluate(
        "() => { const ask = navigator.wakeLock.request.bind(navigator.wakeLock); window.locks = [];"
        "navigator.wakeLock.request = async (kind) => { const lock = await ask(kind); locks.push(lock); return lock } }"
    )
    page.get_by_role("button", name="Record").click()
    until(lambda: page.evaluate("locks.map(({ released }) => released)") == [False])
    page.get_by_role("button", name="Stop").click()
    until(lambda: page.evaluate("locks.map(({ released }) => released)") == [True])
    count_is(page, 1)  # or it would arrive while the next test looks


def test_a_thumb_reaches_everything(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On a phone Record is at hand wherever somebody has scrolled, filters are folded, and each target has 44 px."""
    put_many(pegasus, 30)
    put(pegasus, "talk.wav", tag="Work")
    page = open_page(pegasus, **PHONE)
    count_is(page, 31)
    until(lambda: pegasus.sql("SELECT count(*) FROM audio_files WHERE transcription_engine IS NOT NULL")[0][0] == 1)
    assert page.evaluate(SMALL) == []
    expect(page.locator("#tag")).to_be_hidden()
    page.get_by_role("button", name="Filters").tap()
    page.select_option("#tag", "Work")
    count_is(page, 1)
    expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
    assert page.evaluate(SMALL) == []
    page.get_by_role("button", name="Clear filters").tap()
    count_is(page, 31)
    page.get_by_role("button", name="Delete Number 3", exact=True).scroll_into_view_if_needed()
    page.get_by_role("button", name="Delete Number 3", exact=True).tap()
    expect(page.locator(".toast")).to_be_in_viewport()
    assert page.evaluate(SMALL) == []
    row(page, "talk.wav").locator(".open").tap()
    expect(page.locator("#transcript .word").first).to_be_visible()
    assert page.evaluate(SMALL) == []
    page.get_by_role("button", name="Back to the list").tap()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    record = page.get_by_role("button", name="Record")
    expect(record).to_be_in_viewport(ratio=1)
    record.tap()
    expect(page.get_by_role("button", name="Stop")).to_be_in_viewport(ratio=1)
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]  # type: ignore[index]
    page.get_by_role("button", name="Stop").tap()
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/").json()["total"] == 31)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_manifest_makes_an_app(pegasus: Pegasus, open_page: OpenPage, scheme: str) -> None:
    """Chromium finds nothing that keeps the page from being installed."""
    page = open_page(pegasus, color_scheme=scheme)
    is_installed(page)
    session = page.context.new_cdp_session(page)
    found = session.send("Page.getAppManifest")
    assert found["errors"] == []
    problems = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [one["errorId"] for one in problems if one["errorId"] != "in-incognito"] == []
