"""Several recordings at once: selected, labelled, deleted and brought back."""

from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.steps import count_is, put, put_many, row, until

LABELS = {"a.wav": "Work", "b.wav": "Home", "c.wav": "Home"}


@pytest.fixture
def page(pegasus: Pegasus, open_page: OpenPage) -> Page:
    """The page with recordings, among which somebody selects."""
    for name, tag in LABELS.items():
        put(pegasus, name, tag=tag)
    until(lambda: pegasus.sql("SELECT count(*) FROM audio_files WHERE processing_status = 'completed'") == [(3,)])
    page = open_page(pegasus)
    count_is(page, 3)
    page.get_by_role("button", name="Select", exact=True).click()
    return page


def box(page: Page, name: str) -> None:
    """Selects a recording, or not."""
    page.get_by_role("checkbox", name=f"Select {name}").click()


def tags(pegasus: Pegasus) -> dict[str, str | None]:
    """The tag of each recording."""
    items = httpx.get(f"{pegasus.url}/api/audio/").json()["items"]
    return {item["original_filename"]: item["tag"] for item in items}


def test_several_are_deleted_by_one_request(pegasus: Pegasus, page: Page) -> None:
    """What was selected is deleted together, comes back by one Undo, and is gone once the message is."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method != "GET" else None)
    selected = page.get_by_role("region", name="Selected recordings")
    box(page, "a.wav")
    row(page, "c.wav").locator(".open").click()
    expect(selected).to_contain_text("2 selected")
    selected.get_by_role("button", name="Delete").click()
    expect(page.locator("#list .open")).to_have_text("b.wav")
    expect(page.locator(".toast")).to_contain_text("Deleted 2 recordings.")
    expect(selected).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    count_is(page, 3)
    page.get_by_role("button", name="Select", exact=True).click()
    box(page, "a.wav")
    box(page, "b.wav")
    selected.get_by_role("button", name="Delete").click()
    page.locator(".toast").get_by_role("button", name="Close").click()
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/").json()["total"] == 1)
    assert [request.url for request in sent] == [f"{pegasus.url}/api/audio/bulk"]
    expect(page.locator("#list .open")).to_have_text("c.wav")


def test_several_are_labelled(pegasus: Pegasus, page: Page) -> None:
    """All that are selected get a tag, the rest of their labels stays, and Undo gives each what it had."""
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("button", name="Labels").click()
    form = page.get_by_role("dialog", name="Labels of the selected recordings")
    expect(form.get_by_label("Tag")).to_have_attribute("placeholder", "Different ones")
    form.get_by_label("Tag").fill("Trip")
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#list .chip")).to_have_text(["Tag: Trip"] * 3)
    assert set(tags(pegasus).values()) == {"Trip"}
    page.locator(".toast").get_by_role("button", name="Undo").click()
    until(lambda: tags(pegasus) == LABELS)
    expect(row(page, "a.wav").locator(".chip")).to_have_text("Tag: Work")


def test_several_are_downloaded(page: Page) -> None:
    """What is selected comes as one ZIP file."""
    box(page, "a.wav")
    box(page, "b.wav")
    with page.expect_download() as saved:
        page.get_by_role("region", name="Selected recordings").get_by_role("button", name="Download").click()
    assert saved.value.suggested_filename.endswith(".zip")
    with ZipFile(saved.value.path()) as archive:
        assert {"a.wav", "b.wav"} <= set(archive.namelist())
        assert "c.wav" not in archive.namelist()


def test_keys_select(page: Page) -> None:
    """Arrows and Space select from row to row, Shift a range of them; Escape ends it."""
    expect(page.get_by_role("checkbox", name="Select c.wav")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    selected = page.get_by_role("region", name="Selected recordings")
    expect(selected).to_contain_text("2 selected")
    page.get_by_role("checkbox", name="Select c.wav").click()
    page.get_by_role("checkbox", name="Select a.wav").click(modifiers=["Shift"])
    expect(selected).to_contain_text("3 selected")
    page.keyboard.press("Escape")
    expect(selected).to_be_hidden()
    expect(page.get_by_role("checkbox", name="Select c.wav")).to_be_hidden()


def test_failed_ones_are_tried_again(pegasus: Pegasus, page: Page) -> None:
    """Of what is selected, what has failed is processed again."""
    expect(page.get_by_role("button", name="Retry")).to_be_hidden()
    pegasus.sql("UPDATE audio_files SET processing_status = 'failed' WHERE original_filename IN ('a.wav', 'b.wav')")
    page.reload()
    expect(page.locator("#list .state")).to_have_text(["Failed", "Failed"])
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("region", name="Selected recordings").get_by_role("button", name="Retry").click()
    until(lambda: pegasus.sql("SELECT count(*) FROM audio_files WHERE processing_status = 'completed'") == [(3,)])
    expect(page.locator("#list .state")).to_have_count(0)


def test_all_of_a_filter_are_selected(pegasus: Pegasus, open_page: OpenPage) -> None:
    """All that a filter has are labelled, downloaded and deleted together, in sight or not, each by one Undo."""
    put_many(pegasus, 120)
    put(pegasus, "other.wav", tag="Work")
    page = open_page(pegasus, "/?tag=Even")
    count_is(page, 120)
    page.get_by_role("button", name="Select", exact=True).click()
    selected = page.get_by_role("region", name="Selected recordings")
    selected.get_by_role("button", name="Select all", exact=True).click()
    expect(selected).to_contain_text("50 selected")
    selected.get_by_role("button", name="Select all 120").click()
    expect(selected).to_contain_text("120 selected")
    with page.expect_download() as saved:
        selected.get_by_role("button", name="Download").click()
    assert saved.value.url.endswith("/archive.zip?tag=Even")
    select_all(page)
    selected.get_by_role("button", name="Labels").click()
    page.get_by_role("dialog").get_by_label("Category").fill("Trip")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_contain_text("Changed 120 recordings.")
    trips = "SELECT count(*) FROM audio_files WHERE category = 'Trip'"
    assert pegasus.sql(trips) == [(120,)]
    page.locator(".toast").get_by_role("button", name="Undo").click()
    until(lambda: pegasus.sql(trips) == [(0,)])
    select_all(page)
    selected.get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("Deleted 120 recordings.")
    expect(page.locator("#empty h3")).to_have_text("No results")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    count_is(page, 120)
    select_all(page)
    selected.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Clear filters").click()
    count_is(page, 1)
    page.locator(".toast").get_by_role("button", name="Close").click()
    until(lambda: pegasus.sql("SELECT original_filename FROM audio_files") == [("other.wav",)])


def select_all(page: Page) -> None:
    """Selects all that the list has, in sight or not."""
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_role("button", name="Select all", exact=True).click()
    page.get_by_role("button", name="Select all 120").click()
    expect(page.get_by_role("region", name="Selected recordings")).to_contain_text("120 selected")
