"""The player: what is heard, seen and read of a recording."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.audio.samples import recording
from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.said import TEXT, WORDS
from tests.browser.steps import chosen, open_recording, put, row, sounding, until

LEVELS = (0.02, 0.9)
LONG = recording("wav", seconds=16, levels=LEVELS)


def processed(server: Pegasus, name: str, content: bytes) -> str:
    """The id of a new recording, once it has been processed."""
    recording_id = str(put(server, name, content)["id"])
    until(lambda: httpx.get(f"{server.url}/api/audio/{recording_id}").json()["processing_status"] == "completed")
    return recording_id


def seeks(page: Page, seconds: float) -> bool:
    """Whether the player has come to about so many seconds."""
    return not page.evaluate("document.querySelector('audio').seeking") and abs(sounding(page) - seconds) < 0.6


def test_a_recording_is_played_and_sought_in(pegasus: Pegasus, open_page: OpenPage) -> None:
    """The waveform is that of the sound; a click or a drag on it, its keys and the buttons lead elsewhere in it."""
    processed(pegasus, "long.wav", LONG)
    page = open_page(pegasus)
    open_recording(page, "long.wav")
    expect(page.locator("#whole")).to_have_text("0:16")
    seek = page.get_by_role("slider", name="Position")
    box = seek.bounding_box()
    assert box is not None
    until(lambda: drawn(page, 0.75) > 4 * drawn(page, 0.25))
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    until(lambda: seeks(page, 8))
    expect(seek).to_have_attribute("aria-valuetext", "0:08 of 0:16")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30, steps=4)
    page.mouse.up()
    until(lambda: seeks(page, 4))
    seek.press("ArrowRight")
    until(lambda: seeks(page, 9))
    seek.press("Home")
    until(lambda: seeks(page, 0))
    page.get_by_role("button", name="Forward 10 seconds").click()
    until(lambda: seeks(page, 10))
    page.select_option("#speed", "2")
    seek.press("Space")
    until(lambda: sounding(page) > 11)
    assert page.evaluate("document.querySelector('audio').playbackRate") == 2
    expect(row(page, "long.wav").get_by_role("button", name="Pause long.wav")).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).click()
    assert page.evaluate("document.querySelector('audio').paused")


def drawn(page: Page, share: float) -> int:
    """How many pixels of the waveform are coloured in the columns around a share of its width."""
    count: int = page.evaluate(
        """(share) => {
            const canvas = document.querySelector("#seek canvas")
            const strip = canvas.getContext("2d").getImageData(canvas.width * share - 5, 0, 10, canvas.height).data
            return strip.filter((value, at) => at % 4 === 3 && value > 0).length
        }""",
        share,
    )
    return count


def test_the_transcript_follows_the_sound(pegasus: Pegasus, open_page: OpenPage) -> None:
    """The word that is heard is marked; a word that is chosen, by pointer or keys, is heard; its text is as written."""
    processed(pegasus, "talk.wav", LONG)
    page = open_page(pegasus)
    open_recording(page, "talk.wav")
    words = page.locator("#transcript .word")
    expect(words).to_have_count(len(WORDS))
    assert re.sub(r"\s+", " ", page.inner_text("#transcript")).strip() == TEXT
    at = TEXT.split().index("Maria")
    words.nth(at).click()
    until(lambda: abs(sounding(page) - float(str(WORDS[at]["start"]))) < 1)
    expect(page.locator("#transcript .spoken")).to_have_text(re.compile("Maria|will|show"))
    until(lambda: page.inner_text("#transcript .spoken") in {"show", "us"})
    page.get_by_role("button", name="Pause", exact=True).click()
    words.nth(at).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    until(lambda: abs(sounding(page) - float(str(WORDS[at + 1]["start"]))) < 1)


def test_a_transcript_is_copied(pegasus: Pegasus, open_page: OpenPage) -> None:
    """One button copies what is read: the transcript as it was heard, or as it was improved."""
    recording_id = processed(pegasus, "talk.wav", LONG)
    pegasus.sql("UPDATE audio_files SET improved_transcript = 'Good morning, all.' WHERE id = %s", recording_id)
    page = open_page(pegasus, f"/r/{recording_id}", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == TEXT
    page.get_by_role("button", name="Improved").click()
    page.get_by_role("button", name="Copy").click()
    until(lambda: page.evaluate("navigator.clipboard.readText()") == "Good morning, all.")


def test_everything_can_be_downloaded(pegasus: Pegasus, open_page: OpenPage) -> None:
    """The original and the transcript as text and subtitles are saved under the recording's name."""
    processed(pegasus, "talk.wav", LONG)
    page = open_page(pegasus)
    open_recording(page, "talk.wav")
    for name, file in {"Original": "talk.wav", "TXT": "talk.txt", "SRT": "talk.srt", "VTT": "talk.vtt"}.items():
        with page.expect_download() as saved:
            page.locator("#saves").get_by_text(name).click()
        assert saved.value.suggested_filename == file
        content = saved.value.path().read_bytes()
        assert content == LONG if name == "Original" else b"Good morning" in content


def test_an_improved_wording_is_shown_beside_the_words(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Where a model has improved the transcript, either wording can be read."""
    recording_id = processed(pegasus, "talk.wav", LONG)
    pegasus.sql("UPDATE audio_files SET improved_transcript = 'Good morning, all.' WHERE id = %s", recording_id)
    page = open_page(pegasus)
    open_recording(page, "talk.wav")
    page.get_by_role("button", name="Improved").click()
    expect(page.locator("#transcript")).to_have_text("Good morning, all.")
    page.get_by_role("button", name="As heard").click()
    expect(page.locator("#transcript .word")).to_have_count(len(WORDS))


@pytest.mark.parametrize(
    ("name", "kind"), [("live.webm", "webm live"), ("fragmented.mp4", "mp4 fragmented"), ("phone.amr", "amr")]
)
def test_what_browsers_dislike_can_be_played(pegasus: Pegasus, open_page: OpenPage, name: str, kind: str) -> None:
    """WebM without a length, fragmented MP4 and AMR can each be played and sought in, once they have been processed."""
    processed(pegasus, name, recording(kind, seconds=8))
    page = open_page(pegasus)
    open_recording(page, name)
    assert 7.5 < page.evaluate("document.querySelector('audio').duration") < 8.6
    page.evaluate("document.querySelector('audio').currentTime = 6")
    until(lambda: seeks(page, 6))
    page.get_by_role("button", name="Play", exact=True).click()
    until(lambda: sounding(page) > 6.3)


def test_a_recording_may_be_opened_before_it_is_processed(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Opened right after its upload, a recording gets its waveform and transcript as soon as they are there."""
    page = open_page(pegasus)
    page.set_input_files("#files", chosen("talk.wav", LONG))
    page.get_by_role("button", name="Listen to talk.wav").click()
    expect(page.locator("#player-name")).to_have_text("talk.wav")
    expect(page.locator("#transcript .word")).to_have_count(len(WORDS))
    until(lambda: drawn(page, 0.75) > 4 * drawn(page, 0.25))


def test_a_failed_recording_says_why(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A recording that couldn't be processed says why and what a person can do, and is tried again."""
    recording_id = processed(pegasus, "broken.wav", LONG)
    pegasus.sql(
        "UPDATE audio_files SET processing_status = 'failed', error_message = 'The engine refuses the recording.',"
        " original_transcript = NULL WHERE id = %s",
        recording_id,
    )
    pegasus.path_of(recording_id).with_name(pegasus.path_of(recording_id).name + ".transcript.json").unlink()
    page = open_page(pegasus)
    expect(row(page, "broken.wav").locator(".state")).to_have_text("Failed")
    row(page, "broken.wav").locator(".open").click()
    failure = page.locator("#failure")
    expect(failure).to_contain_text("The engine refuses the recording.")
    expect(failure).to_contain_text("The original is safe")
    failure.get_by_role("button", name="Retry").click()
    expect(failure).to_be_hidden()
    expect(page.locator("#transcript .word")).to_have_count(len(WORDS))


def test_rows_keep_their_height_while_something_plays(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On a phone the button that puts a recording behind what plays moves no row, whatever labels it has."""
    put(pegasus, "both.wav", tag="Field notes", category="Interviews")
    put(pegasus, "tagged.wav", tag="Field notes")
    processed(pegasus, "heard.wav", LONG)
    page = open_page(pegasus, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    expect(page.locator("#list .row")).to_have_count(3)
    expect(page.locator("#list .state")).to_have_count(0)
    heights = "[...document.querySelectorAll('#list .row')].map((row) => row.offsetHeight)"
    before = page.evaluate(heights)
    page.get_by_role("button", name="Play heard.wav").tap()
    expect(page.get_by_role("button", name="Play tagged.wav next")).to_be_visible()
    assert page.evaluate(heights) == before


def test_what_is_put_behind_plays_next(pegasus: Pegasus, open_page: OpenPage) -> None:
    """While something plays, others are put behind it by keys alone; at its end the next one plays, and is shown."""
    for name in ("last.wav", "second.wav", "first.wav"):
        processed(pegasus, name, LONG)
    page = open_page(pegasus)
    expect(page.locator("#list .row")).to_have_count(3)
    expect(page.get_by_role("button", name="Play second.wav next")).to_be_hidden()
    row(page, "first.wav").get_by_role("button", name="Play first.wav").click()
    for name in ("last.wav", "second.wav", "last.wav", "last.wav"):
        page.get_by_role("button", name=f"Play {name} next").press("Enter")
    expect(page.locator("#up-next")).to_have_text("Next: second.wav and 1 more")
    expect(page.get_by_role("button", name="Play last.wav next")).to_have_attribute("aria-pressed", "true")
    assert violations(page) == []
    page.get_by_role("slider", name="Position").press("End")
    expect(page.locator("#player-name")).to_have_text("second.wav")
    until(lambda: 0.2 < sounding(page) < 15)
    page.get_by_role("slider", name="Position").press("End")
    expect(page.locator("#player-name")).to_have_text("last.wav")
    until(lambda: sounding(page) > 0.2)
    expect(page.locator("#up-next")).to_be_hidden()
    expect(page.locator("#up-next")).to_be_hidden()
    assert page.evaluate("document.querySelector('audio').paused") is False


def test_what_is_put_behind_is_said(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On a phone a message says what plays next, and takes it back; the small player says it as long as it is so."""
    for name in ("last.wav", "second.wav", "first.wav"):
        processed(pegasus, name, LONG)
    page = open_page(pegasus, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    mini = page.get_by_role("region", name="Now playing")
    toast = page.get_by_role("log").locator(".toast")
    page.get_by_role("button", name="Play first.wav").tap()
    expect(mini).to_be_visible()
    height = page.evaluate("document.querySelector('#mini').offsetHeight")
    page.get_by_role("button", name="Play second.wav next").tap()
    expect(toast).to_contain_text("“second.wav” plays next.")
    expect(mini.get_by_text("Next: second.wav")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.querySelector('#mini').offsetHeight") == height
    toast.get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="Play last.wav next").tap()
    expect(toast).to_contain_text("“last.wav” plays after “second.wav”.")
    expect(mini.get_by_text("Next: second.wav and 1 more")).to_be_visible()
    assert violations(page) == []
    toast.get_by_role("button", name="Undo").tap()
    expect(mini.get_by_text("Next:")).to_have_text("Next: second.wav")
    page.get_by_role("button", name="Play second.wav next").tap()
    expect(mini.get_by_text("Next:")).to_be_hidden()
    expect(toast).to_have_count(0)
    page.get_by_role("button", name="Play last.wav next").tap()
    page.get_by_role("button", name="Play last.wav next").tap()
    expect(toast).to_have_count(0)
