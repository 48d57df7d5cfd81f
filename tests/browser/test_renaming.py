"""Tags and categories renamed and merged from the filters."""

import httpx
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.steps import count_is, put, put_many, until


def test_a_tag_is_renamed(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A chosen tag is renamed in all its recordings, by keys alone; how many is said before, Undo brings it back."""
    put_many(pegasus, 60)
    page = open_page(pegasus, "/?tag=Even")
    count_is(page, 60)
    page.get_by_role("button", name="Rename tag…").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Rename the tag “Even”")
    expect(dialog).to_contain_text("60 recordings will change.")
    assert violations(page) == []
    dialog.get_by_label("New name").fill("Odd")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("“Even” is now “Odd” in 60 recordings.")
    expect(page.locator("#tag")).to_have_value("Odd")
    count_is(page, 60)
    assert httpx.get(f"{pegasus.url}/api/audio/tags").json()["tags"] == ["Odd"]
    page.locator(".toast").get_by_role("button", name="Undo").click()
    until(lambda: httpx.get(f"{pegasus.url}/api/audio/tags").json()["tags"] == ["Even"])
    expect(page.locator("#tag")).to_have_value("Even")


def test_categories_are_merged(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A name that is in use already is said to merge the two for good, and a refusal is told in the dialog."""
    for name, category in {"a.wav": "Talk", "b.wav": "Talks", "c.wav": "Talks"}.items():
        put(pegasus, name, category=category)
    page = open_page(pegasus, "/?category=Talk")
    count_is(page, 1)
    page.get_by_role("button", name="Rename category…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("New name").fill("Talks")
    expect(dialog).to_contain_text("“Talks” is in use already, and the two become one. This can't be undone.")
    page.route("**/labels/rename", lambda route: route.abort())
    dialog.get_by_role("button", name="Merge").click()
    expect(dialog.get_by_role("alert")).to_have_text("The server can't be reached.")
    page.unroute("**/labels/rename")
    dialog.get_by_role("button", name="Merge").click()
    expect(page.locator(".toast")).to_contain_text("“Talk” is now part of “Talks”, in 1 recording.")
    expect(page.locator(".toast").get_by_role("button", name="Undo")).to_have_count(0)
    count_is(page, 3)
