"""The page by keys, and in a system's forced colours."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.audio.samples import recording
from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.steps import open_recording, put, row, sounding, until

LONG = recording("wav", seconds=16)


@pytest.fixture
def page(pegasus: Pegasus, open_page: OpenPage) -> Page:
    """The page with three recordings."""
    for name in ("third.wav", "second.wav", "first.wav"):
        put(pegasus, name, LONG, tag="Work")
    page = open_page(pegasus)
    expect(page.locator("#list .row")).to_have_count(3)
    return page


def test_keys_search_play_and_seek(page: Page) -> None:
    """A slash leads to the search, where it is a letter; Space plays and pauses, arrows seek; ? lists the keys."""
    page.keyboard.press("/")
    page.keyboard.type("a/?")
    assert page.input_value("#q") == "a/?"
    page.fill("#q", "")
    expect(page.locator("#list .row")).to_have_count(3)
    open_recording(page, "first.wav")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    until(lambda: sounding(page) == 10)
    page.keyboard.press("Space")
    until(lambda: sounding(page) > 10.2)
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("ArrowLeft")
    until(lambda: sounding(page) < 4)
    page.keyboard.press("?")
    help_text = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_text).to_contain_text("Play or pause")
    help_text.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(help_text).to_be_hidden()
    expect(page.locator("#q")).not_to_be_focused()


def test_a_row_is_one_stop(page: Page) -> None:
    """Tab stops once in each row; arrows lead to its buttons and to other rows, Space plays and Delete deletes."""
    page.locator("#q").focus()
    page.keyboard.press("ArrowDown")
    expect(row(page, "first.wav").locator(".open")).to_be_focused()
    page.keyboard.press("Tab")
    expect(row(page, "second.wav").locator(".open")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Edit second.wav")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Edit second.wav")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(row(page, "first.wav").locator(".open")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Space")
    until(lambda: sounding(page) > 0)
    expect(page.locator("#player-name")).to_have_text("third.wav")
    page.keyboard.press("Delete")
    expect(row(page, "third.wav")).to_have_count(0)
    expect(row(page, "second.wav").locator(".open")).to_be_focused()


def test_forced_colours_keep_what_colours_tell(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Where the system forces its colours, chips have a border and the word that is heard keeps a ground of its own."""
    put(pegasus, "talk.wav", LONG, tag="Work")
    until(lambda: pegasus.sql("SELECT processing_status FROM audio_files") == [("completed",)])
    page = open_page(pegasus, forced_colors="active")
    expect(page.locator("#list .chip")).to_have_css("border-top-style", "solid")
    open_recording(page, "talk.wav")
    word = page.locator("#transcript .word").nth(3)
    word.click()
    expect(word).to_have_class(re.compile("spoken"))

    def ground(kind: str) -> str:
        first = page.locator(f"#transcript .word{kind}").first
        return str(first.evaluate("(word) => getComputedStyle(word).backgroundColor"))

    until(lambda: ground(":not(.spoken)") != ground(".spoken"))  # which word is heard changes as it plays
