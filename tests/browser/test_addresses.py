"""Each recording's own address, and listening that goes on while somebody looks around."""

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from tests.audio.samples import recording
from tests.browser.conftest import OpenPage, Pegasus, StartPegasus
from tests.browser.said import TEXT, WORDS
from tests.browser.steps import open_recording, put, row, sounding, until

LONG = recording("wav", seconds=16)
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
MARIA = float(str(WORDS[TEXT.split().index("Maria")]["start"]))


def put_long(server: Pegasus, *names: str) -> list[str]:
    """The ids of new recordings, once they have been processed."""
    ids = [str(put(server, name, LONG)["id"]) for name in names]
    done = "SELECT count(*) FROM audio_files WHERE processing_status = 'completed'"
    until(lambda: server.sql(done) == [(len(names),)])
    return ids


def is_playing(page: Page) -> bool:
    """Whether something is heard."""
    return not page.evaluate("document.querySelector('audio').paused")


def test_a_recording_has_an_address(pegasus: Pegasus, open_page: OpenPage) -> None:
    """The address of a recording shows it, also to whoever opens the page by it; Back and Forward lead through them."""
    first, second = put_long(pegasus, "first.wav", "second.wav")
    page = open_page(pegasus, f"/r/{first}")
    expect(page.locator("#player-name")).to_have_text("first.wav")
    expect(page).to_have_title(re.compile("^first.wav"))
    expect(page.locator("#transcript .word")).to_have_count(len(WORDS))
    row(page, "second.wav").locator(".open").click()
    expect(page).to_have_url(f"{pegasus.url}/r/{second}")
    page.go_back()
    expect(page.locator("#player-name")).to_have_text("first.wav")
    expect(row(page, "first.wav").locator(".open")).to_have_attribute("aria-current", "true")
    page.go_forward()
    expect(page.locator("#player-name")).to_have_text("second.wav")
    page.reload()
    expect(page.locator("#player-name")).to_have_text("second.wav")
    page.get_by_role("button", name="Delete second.wav").click()
    expect(page).to_have_url(f"{pegasus.url}/")
    expect(page.locator("#player-none")).to_be_visible()


def test_an_address_without_a_recording_is_told(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Who opens the page by a recording that was deleted is told so, and sees the list."""
    page = open_page(pegasus, "/r/0198f1c4-0000-7000-8000-000000000000")
    expect(page.locator(".toast")).to_contain_text("This recording isn't here any more.")
    expect(page).to_have_url(f"{pegasus.url}/")
    expect(page.locator("#empty")).to_be_visible()


def test_an_address_waits_for_its_server(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """A recording that can't be shown while the server is away is shown once it is back, without another click."""
    server = start_pegasus(PROCESSING="off")
    address = f"{server.url}/r/{put(server)['id']}?q=nowhere"
    page = open_page(server, address.removeprefix(server.url))
    expect(page.locator("#player-name")).to_have_text("memo.wav")
    page.get_by_role("link", name="Pegasus", exact=True).click()
    page.fill("#q", "nowhere")
    expect(page.locator("#empty h3")).to_have_text("No results")
    assert server.run is not None
    server.run.end(15)
    expect(page.locator("#connection")).to_be_visible()
    page.go_back()
    expect(page.locator(".toast")).to_contain_text("The server can't be reached.")
    expect(page).to_have_url(address)
    with ExitStack() as stack:
        server.start(stack)
        expect(page.locator("#player-name")).to_have_text("memo.wav")


def test_back_leads_to_the_list_as_it_was(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Back undoes what was opened, with what the list was asked for then."""
    put_long(pegasus, "memo.wav", "talk.wav")
    page = open_page(pegasus, "/?q=memo")
    row(page, "memo.wav").locator(".open").click()
    page.fill("#q", "talk")
    expect(page.locator("#list .open")).to_have_text("talk.wav")
    page.go_back()
    expect(page.locator("#list .open")).to_have_text("memo.wav")
    assert page.input_value("#q") == "memo"


@pytest.mark.parametrize("place", [".open", ".excerpt mark"], ids=["name", "excerpt"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_what_was_found_opens_at_the_word(
    pegasus: Pegasus, open_page: OpenPage, options: dict[str, object], place: str
) -> None:
    """An excerpt begins at a word and shows the match; it and the name open where that is said, marked and in view."""
    put_long(pegasus, "talk.wav")
    page = open_page(pegasus, **options)
    page.fill("#q", "Mária")
    excerpt = page.locator("#list .excerpt")
    expect(excerpt).to_have_text("…Monday. After that Maria will show us the new player.")
    inside, outside = excerpt.locator("mark").bounding_box(), excerpt.bounding_box()
    assert inside is not None
    assert outside is not None
    assert inside["y"] + inside["height"] <= outside["y"] + outside["height"]
    row(page, "talk.wav").locator(place).click()
    expect(page.locator("#transcript mark")).to_have_text("Maria")
    expect(page.locator("#transcript mark")).to_be_in_viewport()
    until(lambda: sounding(page) == pytest.approx(MARIA, abs=0.1))
    expect(page.locator("#transcript .spoken")).to_have_text("Maria")
    page.reload()
    expect(page.locator("#transcript .spoken")).to_have_text("Maria")


def test_what_plays_goes_on(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Another recording is looked at while one plays, which stays at hand; Play lets the other one be heard."""
    put_long(pegasus, "heard.wav", "seen.wav")
    page = open_page(pegasus)
    page.get_by_role("button", name="Play heard.wav").click()
    until(lambda: sounding(page) > 0.2)
    mini = page.get_by_role("region", name="Now playing")
    expect(mini).to_be_hidden()
    row(page, "seen.wav").locator(".open").click()
    expect(page.locator("#player-name")).to_have_text("seen.wav")
    expect(page.locator("#now")).to_have_text("0:00")
    assert is_playing(page)
    expect(mini).to_contain_text("heard.wav")
    expect(row(page, "heard.wav").get_by_role("button", name="Pause heard.wav")).to_be_visible()
    mini.get_by_role("button", name="heard.wav").click()
    expect(page.locator("#player-name")).to_have_text("heard.wav")
    expect(mini).to_be_hidden()
    page.go_back()
    page.locator("#play").click()
    until(lambda: is_playing(page) and sounding(page) < 3)
    expect(mini).to_be_hidden()
    expect(row(page, "seen.wav").get_by_role("button", name="Pause seen.wav")).to_be_visible()


def test_on_a_phone_it_plays_at_the_foot(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On a phone what plays goes on below the list, from where it is opened, paused and put away."""
    put_long(pegasus, "memo.wav")
    page = open_page(pegasus, **PHONE)
    row(page, "memo.wav").get_by_role("button", name="Play memo.wav").tap()
    mini = page.get_by_role("region", name="Now playing")
    expect(mini).to_be_in_viewport()
    until(lambda: sounding(page) > 0.2)
    mini.get_by_role("button", name="memo.wav", exact=True).tap()
    expect(page.locator("#player-name")).to_be_visible()
    page.get_by_role("button", name="Back to the list").tap()
    expect(mini).to_be_visible()
    assert is_playing(page)
    mini.get_by_role("button", name="Pause").tap()
    until(lambda: not is_playing(page))
    mini.get_by_role("button", name="Stop listening").tap()
    expect(mini).to_be_hidden()


def test_where_somebody_stopped_is_remembered(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A recording goes on where it was left, also after the page was closed."""
    [recording_id] = put_long(pegasus, "memo.wav")
    page = open_page(pegasus)
    open_recording(page, "memo.wav")
    page.locator("#play").click()
    page.locator("#seek").press("PageUp")
    for _ in range(4):
        page.locator("#seek").press("PageUp")
    page.locator("#play").click()
    until(lambda: not is_playing(page))
    left = sounding(page)
    assert left > 7
    again = open_page(pegasus, f"/r/{recording_id}", context=page.context)
    until(lambda: sounding(again) == pytest.approx(left, abs=0.2))
    expect(again.locator("#now")).to_have_text(page.inner_text("#now"))


def test_the_system_shows_and_controls_what_plays(pegasus: Pegasus, open_page: OpenPage) -> None:
    """The system's controls have the recording's name, and play, pause and seek."""
    put_long(pegasus, "memo.wav")
    page = open_page(pegasus)
    page.add_init_script(
        "window.keys = {}; const set = MediaSession.prototype.setActionHandler;"
        "MediaSession.prototype.setActionHandler = function (name, act) { keys[name] = act; set.call(this, name, act) }"
    )
    page.reload()
    page.get_by_role("button", name="Play memo.wav").click()
    until(lambda: sounding(page) > 0.2)
    assert page.evaluate("navigator.mediaSession.metadata.title") == "memo.wav"
    assert page.evaluate("navigator.mediaSession.playbackState") == "playing"
    page.evaluate("keys.pause({})")
    until(lambda: not is_playing(page))
    page.evaluate("keys.seekto({ seekTime: 9 })")
    page.evaluate("keys.seekbackward({})")
    until(lambda: sounding(page) == 0)
    page.evaluate("keys.seekforward({ seekOffset: 5 })")
    page.evaluate("keys.play({})")
    until(lambda: sounding(page) > 5)
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
