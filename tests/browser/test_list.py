"""The list: found, sorted, paged, changed, and the same on every page that is open."""

import re
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, Pegasus, StartPegasus
from tests.browser.steps import chosen, count_is, put, put_many, row, until

NASTY = "<img src=x onerror=alert(1)>"


def names(page: Page) -> list[str]:
    """The recordings that are shown, from above."""
    shown: list[str] = page.locator("#list .open").all_inner_texts()
    return shown


def test_the_list_is_filtered_and_sorted(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Words, tag, category and status each narrow the list, what was found is marked, and the address remembers it."""
    put(pegasus, "harbour.wav", tag="Sea", category="Lecture")
    put(pegasus, "hills.wav", tag="Land", category="Lecture")
    put(pegasus, "shore.wav", tag="Sea")
    until(lambda: pegasus.sql("SELECT count(*) FROM audio_files WHERE processing_status = 'completed'")[0][0] == 3)
    pegasus.sql("UPDATE audio_files SET processing_status = 'failed' WHERE original_filename = 'shore.wav'")
    page = open_page(pegasus)
    count_is(page, 3)
    page.fill("#q", "harb")
    count_is(page, 1)
    expect(page.locator("#list mark")).to_have_text("harb")
    page.fill("#q", "morning")
    count_is(page, 3)
    expect(page.locator("#list .excerpt mark").first).to_have_text("morning")
    page.get_by_role("button", name="Clear filters").click()
    page.select_option("#tag", "Sea")
    count_is(page, 2)
    page.select_option("#category", "Lecture")
    expect(page.locator("#list .open")).to_have_text(["harbour.wav"])
    page.reload()
    expect(page.locator("#list .open")).to_have_text(["harbour.wav"])
    assert page.input_value("#tag") == "Sea"
    page.get_by_role("button", name="Clear filters").click()
    page.select_option("#status", "failed")
    expect(page.locator("#list .open")).to_have_text(["shore.wav"])
    page.select_option("#status", "")
    page.select_option("#sort", "name asc")
    expect(page.locator("#list .open")).to_have_text(["harbour.wav", "hills.wav", "shore.wav"])
    page.fill("#q", "nowhere")
    expect(page.locator("#empty h3")).to_have_text("No results")


def test_the_list_has_pages_that_do_not_jump(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Pages follow one another without a gap; what comes in meanwhile is told, and moves nothing that is being read."""
    put_many(pegasus, 120)
    page = open_page(pegasus)
    count_is(page, 120)
    first = names(page)
    assert (first[0], len(first)) == ("Number 120", 50)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#where")).to_have_text("51\u2013100 of 120")
    second = names(page)
    assert second[0] == "Number 70"
    before = page.locator("#list .row").nth(3).bounding_box()
    put(pegasus, "newer.wav")
    expect(page.locator("#news")).to_have_text("1 new recording")
    assert names(page) == second
    assert page.locator("#list .row").nth(3).bounding_box() == before
    page.locator("#news").click()
    expect(page.locator("#list .open").first).to_have_text("newer.wav")
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()


def test_the_list_has_days(pegasus: Pegasus, open_page: OpenPage) -> None:
    """What came in on one day stands below its name, newest or oldest first, and in no other order."""
    for name, ago in {"a.wav": "0 days", "b.wav": "1 day", "c.wav": "3 days", "d.wav": "400 days"}.items():
        put(pegasus, name)
        pegasus.sql(
            "UPDATE audio_files SET upload_timestamp = upload_timestamp - %s::interval WHERE original_filename = %s",
            *(ago, name),
        )
    page = open_page(pegasus, timezone_id="UTC", locale="en-GB")
    lines = page.locator("#list h3, #list .open")
    weekday, date = (
        page.evaluate(
            "([days, style]) => new Date(Date.now() - days * 864e5).toLocaleDateString('en-GB', style)", [days, style]
        )
        for days, style in ((3, {"weekday": "long"}), (400, {"day": "numeric", "month": "short", "year": "numeric"}))
    )
    days = ["Today", "a.wav", "Yesterday", "b.wav", weekday, "c.wav", date, "d.wav"]
    expect(lines).to_have_text(days)
    page.select_option("#sort", "uploaded asc")
    expect(lines).to_have_text([date, "d.wav", weekday, "c.wav", "Yesterday", "b.wav", "Today", "a.wav"])
    page.select_option("#sort", "name asc")
    expect(lines).to_have_text(["a.wav", "b.wav", "c.wav", "d.wav"])
    expect(row(page, "b.wav").locator(".about")).to_contain_text("Yesterday ")


def test_what_is_read_stays_where_it_is(pegasus: Pegasus, open_page: OpenPage) -> None:
    """On the first page a new recording appears at once, and who has scrolled down still sees the same rows."""
    put_many(pegasus, 60)
    page = open_page(pegasus)
    target = row(page, "Number 30")
    target.scroll_into_view_if_needed()
    before = target.bounding_box()
    put(pegasus, "newer.wav")
    expect(page.locator("#list .open").first).to_have_text("newer.wav")
    after = target.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 2
    expect(page.locator("#list .row")).to_have_count(50)


def test_labels_are_edited_in_place(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Title, tag and category change where they stand, by keyboard alone; Escape leaves them as they are."""
    put(pegasus, "memo.wav", tag="Old")
    page = open_page(pegasus)
    page.get_by_role("button", name="Edit memo.wav").focus()
    page.keyboard.press("Enter")
    for text in ("Interview", "New", "Meeting"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row(page, "Interview").locator(".chip")).to_have_text(["Tag: New", "Category: Meeting"])
    edit = page.get_by_role("button", name="Edit Interview")
    expect(edit).to_be_focused()
    expect(page.locator("#tag option")).to_have_text(["Any tag", "New"])
    edit.click()
    page.keyboard.type("Never")
    page.keyboard.press("Escape")
    expect(row(page, "Interview").locator(".chip").first).to_have_text("Tag: New")
    page.fill("#q", "interv")
    expect(row(page, "Interview").locator("mark")).to_have_text("Interv")
    row(page, "Interview").locator(".open").click()
    expect(page.locator("#player-name")).to_have_text("Interview")
    edit.click()
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    page.fill("#q", "memo")
    expect(row(page, "memo.wav")).to_be_visible()


def test_a_name_is_edited_as_it_is_shown(pegasus: Pegasus, open_page: OpenPage) -> None:
    """One letter of a file's name is mended alone, on a phone in the whole row; a name left as it is is no title."""
    put(pegasus, "interwiew.wav")
    page = open_page(pegasus, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)

    def title() -> str | None:
        [found] = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
        return str(found["title"]) if found["title"] else None

    page.get_by_role("button", name="Edit interwiew.wav").tap()
    assert page.evaluate("String(getSelection())") == "interwiew.wav"
    assert page.evaluate("document.activeElement.offsetWidth > list.offsetWidth - 40")
    page.get_by_label("Tag", exact=True).and_(page.locator(".edit input")).fill("Work")
    page.get_by_role("button", name="Save").tap()
    expect(page.locator("#list .chip")).to_have_text("Tag: Work")
    assert title() is None
    page.get_by_role("button", name="Edit interwiew.wav").tap()
    for key in ("Home", *["ArrowRight"] * 5, "Delete", "v"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Save").tap()
    expect(page.locator("#list .open")).to_have_text("interview.wav")
    assert title() == "interview.wav"


def test_deleting_can_be_undone(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A deleted recording comes back unless its time is over; closing the page doesn't save it."""
    kept, gone = put(pegasus, "kept.wav"), put(pegasus, "gone.wav")
    page = open_page(pegasus)
    page.get_by_role("button", name="Delete kept.wav").click()
    expect(row(page, "kept.wav")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "kept.wav")).to_be_visible()
    page.get_by_role("button", name="Delete gone.wav").click()
    expect(row(page, "gone.wav")).to_have_count(0)
    assert httpx.get(f"{pegasus.url}/api/audio/{gone['id']}").status_code == 200
    page.close(run_before_unload=True)
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/{gone['id']}").status_code == 404)
    assert httpx.get(f"{pegasus.url}/api/audio/{kept['id']}").status_code == 200


def test_several_that_were_deleted_come_back_at_once(pegasus: Pegasus, open_page: OpenPage) -> None:
    """What is deleted one after the other is told in one message, and one Undo brings all of it back."""
    for name in ("one.wav", "two.wav", "three.wav"):
        put(pegasus, name)
    page = open_page(pegasus)
    for name in ("one.wav", "two.wav", "three.wav"):
        page.get_by_role("button", name=f"Delete {name}").click()
    expect(page.locator(".toast")).to_have_count(1)
    expect(page.locator(".toast")).to_contain_text("Deleted 3 recordings.")
    expect(page.locator("#empty")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    count_is(page, 3)
    expect(page.locator(".toast")).to_have_count(0)
    assert httpx.get(f"{pegasus.url}/api/audio/").json()["total"] == 3


def test_two_pages_see_the_same(pegasus: Pegasus, open_page: OpenPage) -> None:
    """What one page uploads, labels and deletes the other shows at once."""
    one, other = open_page(pegasus), open_page(pegasus)
    expect(other.locator("#empty")).to_be_visible()
    one.set_input_files("#files", chosen("memo.wav"))
    expect(row(other, "memo.wav")).to_be_visible()
    one.get_by_role("button", name="Edit memo.wav").click()
    one.keyboard.type("Ours")
    one.keyboard.press("Tab")
    one.keyboard.type("Shared")
    one.keyboard.press("Enter")
    expect(row(other, "Ours").locator(".chip")).to_have_text("Tag: Shared")
    row(other, "Ours").locator(".open").click()
    one.get_by_role("button", name="Delete Ours").click()
    one.locator(".toast").get_by_role("button", name="Close").click()
    expect(row(other, "Ours")).to_have_count(0)
    expect(other.locator("#player-none")).to_be_visible()
    count = other.locator("#count")
    expect(count).to_have_text("")


def test_events_come_once_across_a_restart(start_pegasus: StartPegasus, open_page: OpenPage) -> None:
    """A page that loses its server sees each change once: those before, those in between and those after."""
    server = start_pegasus(PROCESSING="off")
    page = open_page(server)
    page.evaluate(
        "() => { window.seen = []; const stream = new EventSource('/api/audio/events');"
        " stream.addEventListener('created', (event) => window.seen.push(JSON.parse(event.data).original_filename));"
        " return new Promise((opened) => { stream.onopen = () => opened() }) }"
    )
    put(server, "before.wav")
    expect(row(page, "before.wav")).to_be_visible()
    assert server.run is not None
    server.run.end(15)
    expect(page.locator("#connection")).to_be_visible()
    with ExitStack() as stack:
        server.start(stack)
        put(server, "between.wav")
        expect(row(page, "between.wav")).to_be_visible()
        until(lambda: "between.wav" in page.evaluate("window.seen"))
        put(server, "after.wav")
        expect(row(page, "after.wav")).to_be_visible()
        until(lambda: page.evaluate("window.seen") == ["before.wav", "between.wav", "after.wav"])
        assert names(page) == ["after.wav", "between.wav", "before.wav"]


@pytest.mark.parametrize("name", [f"{NASTY}.wav", '"><script>alert(1)<script>.wav', "{{7*7}}.wav"])
def test_names_stay_text(pegasus: Pegasus, open_page: OpenPage, name: str) -> None:
    """Markup in a file's name, a tag or a category is shown as it is, in the list, the player, filters and messages."""
    put(pegasus, name, tag=NASTY, category="</select><script>x</script>")
    page = open_page(pegasus)
    expect(page.locator("#list .open")).to_have_text(name)
    expect(page.locator("#list .chip").first).to_have_text(f"Tag: {NASTY}")
    expect(page.locator("#tag option").nth(1)).to_have_text(NASTY)
    page.select_option("#tag", NASTY)
    page.fill("#q", "img" if "img" in name else "wav")
    expect(page.locator("#list mark").first).to_be_visible()
    page.locator("#list .open").click()
    expect(page.locator("#player-name")).to_have_text(name)
    page.get_by_role("button", name=re.compile("^Delete")).click()
    expect(page.locator(".toast")).to_contain_text(name)
    assert page.locator("img, main script, #toasts script").count() == 0


@pytest.mark.parametrize(("locale", "clock"), [("en-US", "9:05 AM"), ("de-DE", "09:05"), ("ja-JP", "9:05")])
def test_hours_are_as_the_language_writes_them(pegasus: Pegasus, open_page: OpenPage, locale: str, clock: str) -> None:
    """An hour before ten has a zero in front where the browser's language writes one."""
    page = open_page(pegasus, locale=locale)
    module = page.locator("script[type=module]").first.get_attribute("src") or ""
    format_js = f"new URL('format.js', new URL({module!r}, document.baseURI)).href"
    written = page.evaluate(f"import({format_js}).then(({{ timeOf }}) => timeOf('2026-01-01T09:05:00'))")
    assert " ".join(written.split()) == clock
