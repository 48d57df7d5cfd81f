"""Signing in, being away and being broken: what the page says then; and that everybody can use it."""

import json
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.audio.samples import recording
from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Pegasus, StartPegasus
from tests.browser.steps import WAV, chosen, count_is, open_recording, put, put_many, row, until

SECRET = "correct-horse-battery-ada"


def sign_in(page: Page, token: str) -> None:
    """Brings a token."""
    page.get_by_label("Token").fill(token)
    page.locator("#sign-in").get_by_role("button", name="Sign in").click()


def test_a_token_lets_in(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """A wrong token is told, a right one lets in, to listen and to events too; no script and no address has it."""
    server = start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{SECRET}=ada")
    page = open_page(server)
    expect(page.get_by_role("dialog")).to_contain_text("This server asks for a token.")
    sign_in(page, "wrong-token-that-is-none")
    expect(page.locator("#token-problem")).to_have_text("This token isn't valid.")
    sign_in(page, SECRET)
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#who")).to_have_text("ada")
    page.set_input_files("#files", chosen("memo.wav"))
    expect(row(page, "memo.wav")).to_be_visible()
    until(lambda: server.sql("SELECT processing_status FROM audio_files") == [("completed",)])
    open_recording(page, "memo.wav")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, location.href])")
    assert SECRET not in kept
    assert json.loads(kept)[0] == ""
    assert httpx.get(f"{server.url}/api/audio/").status_code == 401
    page.reload()
    expect(row(page, "memo.wav")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.context.cookies() == []


def test_a_token_that_ends_is_asked_for_again(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """A page whose token isn't valid any more asks for another one, and goes on with that."""
    server = start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{SECRET}=ada")
    page = open_page(server)
    sign_in(page, SECRET)
    expect(page.locator("#empty h3")).to_have_text("No recordings yet")
    assert server.run is not None
    server.run.end(15)
    server.environment["AUTH_TOKENS"] = f"another-{SECRET}=ada"
    with ExitStack() as stack:
        server.start(stack)
        expect(page.get_by_role("dialog")).to_be_visible()
        sign_in(page, f"another-{SECRET}")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.set_input_files("#files", chosen("memo.wav"))
        expect(row(page, "memo.wav")).to_be_visible()


def test_another_site_gets_nothing_done(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """A page of another port, which the browser takes for the same site and gives the cookie, is refused."""
    server = start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{SECRET}=ada")
    other = start_pegasus()
    page = open_page(server)
    sign_in(page, SECRET)
    page.set_input_files("#files", chosen("memo.wav"))
    expect(row(page, "memo.wav")).to_be_visible()
    [found] = httpx.get(f"{server.url}/api/audio/", headers={"Authorization": SECRET}).json()["items"]
    address = f"{server.url}/api/audio/{found['id']}"
    foreign = page.context.new_page()
    foreign.goto(f"{other.url}/health/live")
    for method in ("DELETE", "GET"):
        ask = f"() => fetch('{address}', {{method: '{method}', credentials: 'include'}}).then(() => 1, () => 'refused')"
        assert foreign.evaluate(ask) == "refused"
    with foreign.expect_navigation() as answered:
        foreign.evaluate(
            "(action) => { const form = document.createElement('form'); Object.assign(form, {method: 'POST', action});"
            " document.body.append(form); form.submit() }",
            f"{address}/retry",
        )
    assert answered.value is not None
    assert "pegasus_session" in answered.value.request.all_headers()["cookie"]
    assert (answered.value.status, answered.value.json()["type"]) == (403, "urn:pegasus:problem:foreign-origin")
    assert httpx.get(address, headers={"Authorization": SECRET}).status_code == 200


def test_a_server_that_is_down_is_told(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """While the server is down the page says so, keeps what it shows, and goes on by itself."""
    server = start_pegasus()
    put(server, "memo.wav")
    page = open_page(server)
    expect(row(page, "memo.wav")).to_be_visible()
    assert server.run is not None
    server.run.end(9)
    expect(page.locator("#connection")).to_have_text("The server can't be reached. Trying again…")
    expect(page.locator("#health-word")).to_have_text("Problem")
    page.select_option("#sort", "name asc")
    expect(page.locator(".toast")).to_contain_text("The list couldn't be loaded. The server can't be reached.")
    expect(row(page, "memo.wav")).to_be_visible()
    with ExitStack() as stack:
        server.start(stack)
        expect(page.locator("#connection")).to_be_hidden()
        expect(page.locator("#health-word")).to_have_text("Ready")
        put(server, "later.wav")
        expect(row(page, "later.wav")).to_be_visible()


def test_the_corner_tells_how_the_server_is(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """The corner tells what was last healed, and which part isn't well."""
    server = start_pegasus()
    server.sql("DROP INDEX ix_audio_files_tag")
    assert server.run is not None
    server.run.end(15)
    with ExitStack() as stack:
        server.start(stack)
        page = open_page(server)
        page.locator("#health summary").click()
        expect(page.locator("#health-heal")).to_contain_text("Parts of the schema were missing and were added.")
        expect(page.locator("#health-parts")).to_contain_text("DatabaseReady")
        page.keyboard.press("Escape")
        server.folder.joinpath("recordings").rename(server.folder / "away")
        page.locator("#health summary").click()
        expect(page.locator("#health-word")).to_have_text("Problem")
        expect(page.locator("#health-parts")).to_contain_text("StorageNot available")


def test_the_microphone_may_be_refused(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Without a microphone the page says so, and everything else goes on."""
    page = open_page(pegasus)
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')) }"
    )
    page.get_by_role("button", name="Record").click()
    expect(page.locator(".toast")).to_contain_text("The microphone isn't allowed.")
    expect(page.get_by_role("button", name="Record")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (375, 740)], ids=["desktop", "phone"])
def test_axe_finds_nothing(pegasus: Pegasus, open_page: OpenPage, scheme: str, size: tuple[int, int]) -> None:
    """Empty, full, editing, uploading, playing and failing, light and dark, wide and narrow: axe finds no violation."""
    page = open_page(
        pegasus, color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce"
    )
    expect(page.locator("#empty")).to_be_visible()
    assert violations(page) == []
    put_many(pegasus, 60)
    put(pegasus, "talk.wav", tag="Work", category="Meeting")
    until(lambda: pegasus.sql("SELECT count(*) FROM audio_files WHERE transcription_engine IS NOT NULL")[0][0] == 1)
    pegasus.sql("UPDATE audio_files SET processing_status = 'failed' WHERE original_filename = 'Number 60'")
    pegasus.sql("UPDATE audio_files SET processing_status = 'transcribing' WHERE original_filename = 'Number 59'")
    page.reload()
    count_is(page, 61)
    page.set_input_files("#files", [chosen("notes.txt", b"x" * 99, "text/plain"), chosen("more.wav")])
    expect(page.locator("#uploads .failed")).to_be_visible()
    done = "SELECT count(*) FROM audio_files WHERE original_filename = 'more.wav' AND processing_status = 'completed'"
    until(lambda: pegasus.sql(done)[0][0] == 1)
    count_is(page, 62)
    page.get_by_role("button", name="Edit talk.wav").click()
    page.get_by_role("button", name="Delete Number 58").click()
    page.locator("#health summary").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(".toast")).to_have_count(0, timeout=30_000)  # it leaves by itself
    page.fill("#q", "morning")
    expect(page.locator("#list .excerpt").first).to_be_visible()
    open_recording(page, "talk.wav")
    expect(page.locator("#transcript .word").first).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 900)), ("dark", (390, 780))])
def test_axe_finds_nothing_in_what_comes_up(
    pegasus: Pegasus, open_page: OpenPage, scheme: str, size: tuple[int, int]
) -> None:
    """A recording that failed while another plays, several uploads, a selection, its labels, the keys: no violation."""
    put(pegasus, "failed.wav", tag="Work")
    put(pegasus, "heard.wav", recording("wav", seconds=16))
    done = "SELECT count(*) FROM audio_files WHERE processing_status = 'completed'"
    until(lambda: pegasus.sql(done) == [(2,)])
    pegasus.sql("UPDATE audio_files SET processing_status = 'failed' WHERE original_filename = 'failed.wav'")
    page = open_page(
        pegasus, color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce"
    )
    row(page, "heard.wav").get_by_role("button", name="Play heard.wav").click()
    row(page, "failed.wav").locator(".open").click()
    expect(page.locator("#failure")).to_be_visible()
    expect(page.locator("#mini")).to_be_visible()
    assert violations(page) == []
    page.go_back()
    page.set_input_files("#files", [chosen(f"{name}.txt", b"x" * 99, "text/plain") for name in "ab"])
    expect(page.locator("#uploads-sum")).to_contain_text("2 failed")
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_role("button", name="Select all").click()
    expect(page.locator("#selection")).to_contain_text("2 selected")
    assert violations(page) == []
    page.get_by_role("button", name="Labels").click()
    expect(page.locator("#selection-labels")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert violations(page) == []


def test_axe_finds_nothing_while_recording_or_signing_in(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """Neither the sign-in nor a running recording keeps anybody out."""
    server = start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{SECRET}=ada")
    for scheme in ("light", "dark"):
        page = open_page(server, color_scheme=scheme, reduced_motion="reduce")
        sign_in(page, "wrong-token-that-is-none")
        expect(page.locator("#token-problem")).not_to_be_empty()
        assert violations(page) == []
        sign_in(page, SECRET)
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#live")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("button", name="Discard").click()


def test_the_keyboard_is_enough(pegasus: Pegasus, open_page: OpenPage) -> None:
    """From the top of the page Tab alone leads to a recording, Enter opens it, and it is seen what has the focus."""
    put(pegasus, "memo.wav", WAV)
    page = open_page(pegasus)
    expect(row(page, "memo.wav")).to_be_visible()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        where = page.evaluate("document.activeElement.id || document.activeElement.className")
        outlined = page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.id === 'files'"
        )
        assert outlined, where
        reached.append(where)
        if where == "open":
            break
    assert {"skip", "record", "files", "new-tag", "new-category", "q", "tag", "category", "status", "sort"} <= set(
        reached
    )
    page.keyboard.press("Enter")
    expect(page.locator("#player-name")).to_have_text("memo.wav")
    box = page.locator("#list .icon:visible").first.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 24


def test_on_a_phone_the_player_is_left_as_it_was_come_to(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On a phone the player lies over the list, nothing is wider than the screen, and Back leads to the same row."""
    put(pegasus, "memo.wav")
    page = open_page(pegasus, viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    row(page, "memo.wav").locator(".open").tap()
    expect(page.locator("#play")).to_be_focused()
    assert page.evaluate("document.querySelector('.column').inert")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Back to the list").tap()
    expect(row(page, "memo.wav").locator(".open")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
