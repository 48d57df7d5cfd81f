"""What is done with a transcript: speakers named, its wording edited, and said why there is none."""

import json
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from tests.audio.samples import recording
from tests.audio.transcription.service import KEY, OPENAI_CALL
from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Pegasus, StartPegasus, speech_service
from tests.browser.said import TEXT, WORDS
from tests.browser.steps import open_recording, sounding, until
from tests.browser.test_access import SECRET, sign_in
from tests.browser.test_listening import LONG, processed

BETTER = "Good morning, all. Let's begin."


@pytest.fixture(scope="module")
def call_service() -> Iterator[str]:
    """The address of a service that hears two speakers in every recording, and of the last words not whose they are."""
    with speech_service(json.dumps(OPENAI_CALL)) as address:
        yield address


def wording(server: Pegasus, recording_id: str) -> dict[str, object]:
    """The transcript of a recording, in its best wording."""
    answer: dict[str, object] = httpx.get(f"{server.url}/api/audio/{recording_id}/transcript").json()
    return answer


def transcribed_call(start_pegasus: StartPegasus, call_service: str) -> tuple[Pegasus, str]:
    """A server whose engine tells speakers apart, and the id of a call of two people on it."""
    engine = {"TRANSCRIPTION_ENGINE": "openai", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{call_service}/v1"}
    server = start_pegasus(**engine, TRANSCRIPTION_SPEAKERS="true")
    recording_id = processed(server, "call.wav", recording("wav", seconds=4))
    return server, recording_id


def test_speakers_are_named_once(start_pegasus: StartPegasus, open_page: OpenPage, call_service: str) -> None:
    """Each line begins with who speaks; a name that is given by keys alone is that of all their lines, with Undo."""
    server, recording_id = transcribed_call(start_pegasus, call_service)
    page = open_page(server, f"/r/{recording_id}", reduced_motion="reduce")
    lines = page.locator("#transcript p")
    expect(lines).to_have_text(["Speaker A Did you get it?", "Speaker B I did.", "Speaker unknown Good."])
    page.get_by_role("button", name="Speaker B").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Ben")
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(lines).to_have_text(["Speaker A Did you get it?", "Ben I did.", "Speaker unknown Good."])
    expect(page.get_by_role("button", name="Ben", exact=True)).to_be_focused()
    assert "<v Ben>I did." in httpx.get(f"{server.url}/api/audio/{recording_id}/transcript?format=vtt").text
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(lines.nth(1)).to_have_text("Speaker B I did.")
    page.locator("#transcript .word", has_text="I did.").click()
    until(lambda: 1.6 < sounding(page) < 3)
    expect(page.locator("#transcript .spoken")).to_have_count(1)


def test_names_that_were_given_elsewhere_stay(
    start_pegasus: StartPegasus, open_page: OpenPage, call_service: str
) -> None:
    """A page that doesn't know yet of a name from another tab names a speaker, and leaves that name alone."""
    server, recording_id = transcribed_call(start_pegasus, call_service)
    transcript = f"{server.url}/api/audio/{recording_id}/transcript"
    page = open_page(server, "/web/icon.svg")
    page.route("**/api/audio/events*", lambda route: route.abort())
    page.goto(f"{server.url}/r/{recording_id}")
    page.get_by_role("button", name="Speaker B").click()
    httpx.put(f"{transcript}/speakers", json={"speakers": {"A": "Ann"}}).raise_for_status()
    page.keyboard.type("Ben")
    page.keyboard.press("Enter")
    expect(page.locator("#transcript p").first).to_have_text("Ann Did you get it?")
    assert httpx.get(f"{transcript}?format=json").json()["speakers"] == {"A": "Ann", "B": "Ben"}
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#transcript p").nth(1)).to_have_text("Speaker B I did.")
    assert httpx.get(f"{transcript}?format=json").json()["speakers"] == {"A": "Ann"}


def test_a_search_for_a_speaker_marks_no_words(
    start_pegasus: StartPegasus, open_page: OpenPage, call_service: str
) -> None:
    """The words of a search are marked in what was said, and not the name of a speaker that it looks for."""
    server, recording_id = transcribed_call(start_pegasus, call_service)
    url = f"{server.url}/api/audio/{recording_id}/transcript/speakers"
    httpx.put(url, json={"speakers": {"A": "Di Good"}}).raise_for_status()
    page = open_page(server)
    page.locator("#q").fill('speaker:"di good" it')
    expect(page.locator("#list .excerpt mark")).to_have_text(["it"])
    page.locator("#list .open").click()
    expect(page.locator("#transcript mark")).to_have_text(["it?"])


def test_a_transcript_is_edited_beside_what_was_heard(pegasus: Pegasus, open_page: OpenPage) -> None:
    """The wording is edited as text while what was heard is read along; Undo brings back what was there before."""
    recording_id = processed(pegasus, "talk.wav", LONG)
    page = open_page(pegasus, f"/r/{recording_id}")
    page.get_by_role("button", name="Edit", exact=True).click()
    field = page.get_by_role("textbox", name="Wording")
    expect(field).to_have_value(TEXT)
    page.locator("#transcript .word").nth(10).click()
    until(lambda: abs(sounding(page) - float(str(WORDS[10]["start"]))) < 1)
    expect(page.locator("#transcript .spoken")).to_have_count(1)
    heard = page.get_by_role("button", name="Show what was heard")
    heard.click()
    expect(page.locator("#transcript")).to_be_hidden()
    expect(heard).to_have_attribute("aria-pressed", "false")
    field.fill(BETTER)
    field.press("Control+Enter")
    expect(page.locator("#transcript")).to_have_text(BETTER)
    expect(field).to_have_count(0)
    assert wording(pegasus, recording_id)["transcript"] == BETTER
    page.get_by_role("button", name="As heard").click()
    expect(page.locator("#transcript .word")).to_have_count(len(WORDS))
    page.locator(".toast").get_by_role("button", name="Undo").click()
    until(lambda: not wording(pegasus, recording_id)["is_improved"])
    expect(page.get_by_role("button", name="As heard")).to_be_hidden()


def test_what_was_typed_outlives_a_failure(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Neither a save that fails, nor another recording, nor somebody else's change takes away what was typed."""
    recording_id, _other = processed(pegasus, "talk.wav", LONG), processed(pegasus, "other.wav", LONG)
    page = open_page(pegasus)
    open_recording(page, "talk.wav")
    page.get_by_role("button", name="Edit", exact=True).click()
    field, form = page.get_by_role("textbox", name="Wording"), page.get_by_role("form", name="Edit the transcript")
    field.fill(BETTER)
    page.route("**/transcript", lambda route: route.abort())
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("Not saved. The server can't be reached.")
    page.unroute("**/transcript")
    open_recording(page, "other.wav")
    expect(field).to_have_count(0)
    open_recording(page, "talk.wav")
    httpx.put(f"{pegasus.url}/api/audio/{recording_id}/transcript", json={"text": "Another wording."})
    expect(page.get_by_role("button", name="Improved")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(field).to_have_value(BETTER)
    httpx.put(f"{pegasus.url}/api/audio/{recording_id}/transcript", json={"text": "A third one."})
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("Somebody has changed this transcript meanwhile.")
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#transcript")).to_have_text(BETTER)
    assert wording(pegasus, recording_id)["transcript"] == BETTER


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_in_an_edited_transcript(
    pegasus: Pegasus, open_page: OpenPage, scheme: str, width: int
) -> None:
    """The form beside the heard words keeps nobody out."""
    recording_id = processed(pegasus, "talk.wav", LONG)
    page = open_page(
        pegasus, f"/r/{recording_id}", color_scheme=scheme, viewport={"width": width, "height": 800},
        reduced_motion="reduce",
    )  # fmt: skip
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_role("textbox", name="Wording")).to_be_focused()
    page.get_by_role("button", name="Show what was heard").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_server_without_an_engine_says_how_to_turn_one_on(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """Where transcription is off, who looks after the server reads what turns it on, and others that there is none."""
    server = start_pegasus()
    page = open_page(server, f"/r/{processed(server, 'memo.wav', LONG)}")
    expect(page.locator("#transcript")).to_contain_text("Transcription is off on this server. To turn it on, set TRANS")
    guarded = start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{SECRET}=ada")
    page = open_page(guarded)
    sign_in(page, SECRET)
    answer = httpx.post(
        f"{guarded.url}/api/audio/upload", files={"file": ("memo.wav", LONG)}, headers={"Authorization": SECRET}
    )
    until(lambda: guarded.sql("SELECT processing_status FROM audio_files") == [("completed",)])
    page.goto(f"{guarded.url}/r/{answer.json()['id']}")
    expect(page.locator("#transcript")).to_have_text("No engine has transcribed this recording.")
