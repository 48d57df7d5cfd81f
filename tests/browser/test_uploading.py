"""Recordings on their way from the page to the server, whatever breaks in between."""

import re
import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Pegasus, StartPegasus
from tests.browser.steps import WAV, chosen, count_is, put, row, slow_down, until, upload

LARGE = WAV + bytes(range(256)) * 4096 * 12  # about 12.6 MB, more than the page sends in one request


def test_a_recording_is_made(pegasus: Pegasus, open_page: OpenPage) -> None:
    """What the microphone hears is shown, sent while it is recorded, and is then a recording with its labels."""
    page = open_page(pegasus)
    page.fill("#new-tag", "Ideas")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#clock")).to_have_text("0:02", timeout=10_000)
    assert page.evaluate("(c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean))(level)")
    expect(page.locator("#uploads .progress")).to_contain_text("sent while you record")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#list .row")).to_have_count(1)
    expect(page.locator("#list .row .open")).to_have_text(re.compile(r"^\w+day \d\d?:\d\d [AP]M$"))
    expect(page.locator("#list .chip")).to_have_text("Tag: Ideas")
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    assert pegasus.path_of(found["id"]).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"  # WebM
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/{found['id']}").json()["duration_seconds"])
    assert httpx.get(f"{pegasus.url}/api/audio/{found['id']}").json()["duration_seconds"] > 1.5


def test_a_recording_is_called_by_when_it_was_made(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Its title is the day and hour as the reader writes them; without it, its file's name shows no ending."""
    page = open_page(pegasus, locale="de-DE")
    page.get_by_role("button", name="Record").click()
    title = re.compile(r"^(Mittwoch|(Mon|Diens|Donners|Frei|Sams|Sonn)tag) \d\d:\d\d$")
    expect(page.locator("#uploads .name")).to_have_text(title)
    expect(page.locator("#uploads .progress")).to_contain_text("kB sent")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#list .open")).to_have_text(title)
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    assert title.fullmatch(found["title"])
    assert re.fullmatch(r"Recording 2\d{3}-\d\d-\d\d \d\d\.\d\d\.\d\d\.webm", found["original_filename"])
    httpx.patch(f"{pegasus.url}/api/audio/{found['id']}", json={"title": None})
    expect(page.locator("#list .open")).to_have_text(found["original_filename"].removesuffix(".webm"))


@pytest.mark.parametrize(
    ("locale", "clock", "size"), [("en-US", r"\d?\d:\d\d [AP]M", "96.3 kB"), ("de-DE", r"\d\d:\d\d", "96,3 kB")]
)
def test_a_row_has_one_clock(pegasus: Pegasus, open_page: OpenPage, locale: str, clock: str, size: str) -> None:
    """A recording's name and the line below it write the hour, and sizes, as the browser's language does."""
    put(pegasus, "memo.wav")
    page = open_page(pegasus, locale=locale)
    expect(row(page, "memo.wav").locator(".about")).to_contain_text(size)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#uploads .progress")).to_contain_text("kB sent")
    page.get_by_role("button", name="Stop").click()
    made = page.locator("#list .row").first
    expect(made.locator(".open")).to_have_text(re.compile(rf"^\w+ {clock}$"))
    expect(made.locator(".about")).to_have_text(re.compile(rf"^\w+ {clock}( · |$)"))


def test_a_discarded_recording_leaves_nothing(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A recording that is discarded isn't kept, here or there."""
    page = open_page(pegasus)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#uploads .progress")).to_contain_text("kB sent")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    until(lambda: pegasus.sql("SELECT count(*) FROM pegasus_system.uploads")[0][0] == 0)
    page.reload()
    expect(page.locator("#empty h3")).to_have_text("No recordings yet")
    expect(page.locator("#uploads .upload")).to_have_count(0)


def test_what_is_typed_while_it_records_is_its_own(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A tag that is typed while a recording goes on is that recording's, though its upload has begun without."""
    page = open_page(pegasus)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#uploads .progress")).to_contain_text("kB sent")
    expect(page.locator("#hint")).to_have_text("Added to this recording.")
    page.fill("#new-tag", "Ideas")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#list .chip")).to_have_text("Tag: Ideas")
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    assert (found["tag"], found["category"]) == ("Ideas", None)
    expect(page.locator("#hint")).to_have_text("Added to new recordings.")


def test_discarding_can_be_undone(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A recording that was discarded by mistake comes back whole."""
    page = open_page(pegasus)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#clock")).to_have_text("0:02", timeout=10_000)
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#uploads .upload")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#list .row")).to_have_count(1)
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/{found['id']}").json()["duration_seconds"])
    assert httpx.get(f"{pegasus.url}/api/audio/{found['id']}").json()["duration_seconds"] > 1.5


def test_a_recording_outlives_its_tab(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A tab that is closed in the middle of a recording loses nothing: the next one sends the rest."""
    page = open_page(pegasus)
    context = page.context
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#uploads .progress")).to_contain_text("kB sent")
    context.set_offline(True)
    expect(page.locator("#clock")).to_have_text("0:04", timeout=10_000)
    page.close()
    context.set_offline(False)
    again = open_page(pegasus, context=context)
    expect(again.locator("#list .row")).to_have_count(1)
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/{found['id']}").json()["duration_seconds"])
    assert httpx.get(f"{pegasus.url}/api/audio/{found['id']}").json()["duration_seconds"] > 2.5


def test_several_files_are_uploaded_with_their_labels(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Several files go up with visible progress, get the tag and category, which stay for the next page."""
    page = open_page(pegasus)
    page.fill("#new-tag", "Work")
    page.fill("#new-category", "Meeting")
    slow_down(page, 4_000_000)
    page.set_input_files("#files", [chosen(f"{name}.wav", WAV + bytes(3_000_000)) for name in "abc"])
    expect(upload(page, "a.wav").locator(".progress")).to_contain_text(re.compile(r"MB of 3\.\d MB · .*/s · .* left"))
    bar = upload(page, "a.wav").locator("progress")
    seen: set[float] = set()

    def has_moved() -> bool:
        seen.add(float(bar.get_attribute("value") or 0))
        return len(seen) > 3

    until(has_moved)
    count_is(page, 3)
    for name in "abc":
        expect(row(page, f"{name}.wav").locator(".chip")).to_have_text(["Tag: Work", "Category: Meeting"])
    page.reload()
    assert page.input_value("#new-tag") == "Work"
    expect(page.locator("#tags option")).to_have_attribute("value", "Work")


def test_what_is_there_already_is_told(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Who uploads the same bytes again is told which recording has them, and may keep that one alone."""
    put(pegasus, "memo.wav")
    page = open_page(pegasus)
    page.set_input_files("#files", chosen("copy.wav"))
    expect(page.locator(".toast")).to_contain_text("You have this already: “memo.wav”, from ")
    expect(row(page, "copy.wav")).to_be_visible()
    page.get_by_role("button", name="Don't keep it twice").click()
    expect(row(page, "copy.wav")).to_have_count(0)
    expect(row(page, "memo.wav")).to_be_visible()
    assert httpx.get(f"{pegasus.url}/api/audio/").json()["total"] == 1


def test_a_file_may_be_dropped(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A file that is dropped anywhere on the page is uploaded."""
    page = open_page(pegasus)
    page.evaluate(
        """(bytes) => {
            const brought = new DataTransfer()
            brought.items.add(new File([new Uint8Array(bytes)], "dropped.wav"))
            for (const type of ["dragover", "drop"]) {
                const more = { dataTransfer: brought, bubbles: true, cancelable: true }
                document.body.dispatchEvent(new DragEvent(type, more))
            }
        }""",
        list(WAV),
    )
    expect(row(page, "dropped.wav")).to_be_visible()


def test_an_upload_is_paused_and_resumed(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A paused upload stands still, and goes on where it was; the bytes are those of the file."""
    page = open_page(pegasus)
    slow_down(page, 3_000_000)
    page.set_input_files("#files", chosen("long.wav", LARGE[:9_000_000]))
    expect(upload(page, "long.wav").locator(".progress")).to_contain_text("/s")
    page.get_by_role("button", name="Pause long.wav").click()
    expect(upload(page, "long.wav").locator(".progress")).to_contain_text("Paused")
    slow_down(page, -1)
    page.get_by_role("button", name="Resume long.wav").click()
    expect(row(page, "long.wav")).to_be_visible()
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    assert pegasus.path_of(found["id"]).read_bytes() == LARGE[:9_000_000]


def test_an_upload_is_cancelled(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A cancelled upload leaves nothing on the server."""
    page = open_page(pegasus)
    slow_down(page, 1_000_000)
    page.set_input_files("#files", chosen("long.wav", LARGE[:9_000_000]))
    expect(upload(page, "long.wav").locator(".progress")).to_contain_text("/s")
    page.get_by_role("button", name="Cancel long.wav").click()
    expect(page.locator("#uploads .upload")).to_have_count(0)
    until(lambda: pegasus.sql("SELECT count(*) FROM pegasus_system.uploads")[0][0] == 0)


def test_many_uploads_are_one(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Several uploads have one bar, which stays when they are folded away, and are cancelled at once."""
    page = open_page(pegasus)
    slow_down(page, 500_000)
    sizes = {"a": 1_000_000, "b": 4_000_000, "c": 4_000_000}
    page.set_input_files("#files", [chosen(f"{name}.wav", LARGE[:size]) for name, size in sizes.items()])
    together = page.get_by_role("button", name="of 3 uploaded")
    expect(together).to_have_text(re.compile(r"^0 of 3 uploaded · [\d.]+ .B of 9\.0 MB · .+\sleft$"))
    expect(page.get_by_text("No recordings yet")).to_be_hidden()
    together.click()
    expect(upload(page, "a.wav")).to_be_hidden()
    expect(together).to_have_text(re.compile(r"^1 of 3 uploaded"))
    expect(row(page, "a.wav")).to_be_visible()
    assert 0.1 < float(page.locator("#uploads-bar").get_attribute("value") or 0) < 1
    page.get_by_role("button", name="Cancel all").click()
    expect(upload(page, "b.wav")).to_have_count(0)
    until(lambda: pegasus.sql("SELECT count(*) FROM pegasus_system.uploads WHERE recording_id IS NULL")[0][0] == 0)
    assert pegasus.sql("SELECT count(*) FROM audio_files") == [(1,)]


def test_a_running_recording_is_not_counted(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Others are all uploaded though a recording goes on, which cancelling them leaves alone; at its end it counts."""
    page = open_page(pegasus)
    page.get_by_role("button", name="Record").click()
    recorded = page.locator("#uploads .upload").first
    expect(recorded.locator(".progress")).to_contain_text("sent while you record")
    page.set_input_files("#files", [chosen(f"{name}.wav") for name in "ab"])
    expect(page.locator("#uploads-sum")).to_have_text("2 of 2 uploaded")
    expect(page.get_by_role("button", name="Cancel all")).to_be_hidden()
    slow_down(page, 200_000)
    page.set_input_files("#files", [chosen(f"{name}.wav", LARGE[:4_000_000]) for name in "cd"])
    expect(page.locator("#uploads-sum")).to_contain_text(re.compile(r"^0 of 2 uploaded · .* of 8\.0 MB"))
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator("#uploads .upload")).to_have_count(1)
    slow_down(page, -1)
    page.get_by_role("button", name="Stop").click()
    expect(recorded.locator(".progress")).to_contain_text("Uploaded")
    count_is(page, 3)


def test_nothing_moves_when_uploads_are_done(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On a phone the list stays where it is under a finger once all is uploaded, until somebody closes or adds."""
    page = open_page(pegasus, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.clock.install()
    slow_down(page, 2_000_000)
    page.set_input_files("#files", [chosen(f"{name}.wav", LARGE[:2_000_000]) for name in "abc"])
    expect(page.locator("#uploads-sum")).to_contain_text("0 of 3 uploaded")
    place = "document.querySelector('#library').getBoundingClientRect().top"
    before = page.evaluate(place)
    expect(page.locator("#uploads-sum")).to_have_text("3 of 3 uploaded")
    page.clock.fast_forward(60_000)
    expect(page.locator("#uploads .done")).to_have_count(3)
    assert page.evaluate(place) == before
    page.set_input_files("#files", chosen("d.wav"))
    expect(upload(page, "d.wav").locator(".progress")).to_contain_text("Uploaded")
    expect(page.locator("#uploads .upload")).to_have_count(1)
    page.set_input_files("#files", [chosen(f"{number}.wav", WAV + bytes(number)) for number in range(8)])
    expect(page.locator("#uploads-sum")).to_have_text("8 of 8 uploaded")
    page.clock.fast_forward(60_000)
    expect(upload(page, "0.wav")).to_have_count(0)
    expect(page.locator("#uploads-sum")).to_have_text("8 of 8 uploaded")
    expect(upload(page, "7.wav")).to_be_attached()
    page.get_by_role("button", name="Close", exact=True).tap()
    expect(page.locator("#sending")).to_be_hidden()


def test_an_upload_outlives_the_server(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """A server that is killed in the middle and started again gets the rest, and the bytes are identical."""
    server = start_pegasus()
    page = open_page(server)
    slow_down(page, 5_000_000)
    page.set_input_files("#files", chosen("long.wav", LARGE))
    until(lambda: float(page.locator("#uploads progress").get_attribute("value") or 0) > 0.4)
    assert server.run is not None
    server.run.end(signal.SIGKILL)
    expect(page.locator("#connection")).to_contain_text("The server can't be reached")
    expect(upload(page, "long.wav").locator(".progress")).to_contain_text("Connection lost. Trying again…")
    slow_down(page, -1)
    with ExitStack() as stack:
        server.start(stack)
        expect(row(page, "long.wav")).to_be_visible(timeout=30_000)
        expect(page.locator("#connection")).to_be_hidden()
        [found] = httpx.get(f"{server.url}/api/audio/").json()["items"]
        assert server.path_of(found["id"]).read_bytes() == LARGE


def test_a_file_goes_on_after_its_tab_was_closed(pegasus: Pegasus, open_page: OpenPage, tmp_path: Path) -> None:
    """An upload whose tab was closed is remembered, and goes on where it was once the file is chosen again."""
    file = tmp_path / "long.wav"
    file.write_bytes(LARGE)
    page = open_page(pegasus)
    context = page.context
    slow_down(page, 6_000_000)
    page.set_input_files("#files", file)
    until(lambda: float(page.locator("#uploads progress").get_attribute("value") or 0) > 0.45)
    page.close()
    again = open_page(pegasus, context=context)
    expect(upload(again, "long.wav").locator(".progress")).to_contain_text("Choose the file again to go on.")
    [(before,)] = pegasus.sql("SELECT id::text FROM pegasus_system.uploads")
    again.set_input_files("#files", file)
    expect(row(again, "long.wav")).to_be_visible()
    [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    assert found["id"] == before
    assert pegasus.path_of(found["id"]).read_bytes() == LARGE


def test_a_file_that_changes_is_not_sent(pegasus: Pegasus, open_page: OpenPage, tmp_path: Path) -> None:
    """A file that is changed on the disk while it is uploaded is told as one that can't be read, and isn't mixed up."""
    file = tmp_path / "long.wav"
    file.write_bytes(LARGE)
    page = open_page(pegasus)
    slow_down(page, 6_000_000)
    page.set_input_files("#files", file)
    until(lambda: float(page.locator("#uploads progress").get_attribute("value") or 0) > 0.1)
    file.write_bytes(LARGE[:-1])
    told = upload(page, "long.wav").locator(".progress")
    expect(told).to_have_text("The file can't be read any more.", timeout=20_000)
    assert pegasus.sql("SELECT count(*) FROM audio_files") == [(0,)]


def test_refusals_are_told_in_plain_words(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """Too large a file, one that is no audio and an empty one are each refused in a sentence, and others go on."""
    page = open_page(start_pegasus(MAX_FILE_SIZE_MB="1"))
    files = [
        chosen("large.wav", WAV + bytes(2_000_000)),
        chosen("notes.txt", b"These are notes. " * 9, "text/plain"),
        chosen("empty.wav", b""),
        chosen("good.wav"),
    ]
    page.set_input_files("#files", files)
    expect(row(page, "good.wav")).to_be_visible()
    expect(upload(page, "large.wav").locator(".progress")).to_have_text(
        "This file is too large: 2.1 MB, and at most 1.0 MB are taken."
    )
    expect(upload(page, "notes.txt").locator(".progress")).to_have_text("This isn't a recording that can be read.")
    expect(upload(page, "empty.wav").locator(".progress")).to_have_text("The uploaded file is empty.")
    page.get_by_role("button", name="Dismiss notes.txt").click()
    expect(page.locator("#uploads .upload", has_text="notes.txt")).to_have_count(0)
