"""What the page loads: little at first, and each other part when it is first used."""

import re

from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.steps import count_is, put_many

FIRST_VISIT_BYTES = 150_000
OWN_FILES = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter(({ name }) => !/\\/(api\\/|health(\\/|$))/.test(name))
  .map(({ name, encodedBodySize }) => [name, encodedBodySize])"""


def own_files(page: Page) -> dict[str, int]:
    """The page's own files that it has loaded, with their sizes as they came, in bytes."""
    return {name.split("/")[-1]: size for name, size in page.evaluate(OWN_FILES)}


def test_a_first_visit_is_light(pegasus: Pegasus, open_page: OpenPage) -> None:
    """A first visit to a list loads less than 150 kB, and as modules those that the server announces."""
    put_many(pegasus, 60)
    pages: list[Response] = []
    page = open_page(pegasus, "/web/icon.svg", service_workers="block")
    page.on("response", lambda response: pages.append(response) if response.request.is_navigation_request() else None)
    page.goto(pegasus.url)
    count_is(page, 60)
    page.wait_for_load_state("networkidle")
    files = own_files(page)
    assert all(files.values())
    assert sum(files.values()) < FIRST_VISIT_BYTES
    announced = re.findall(r"web/([a-z_]+\.js)", pages[0].headers["link"])
    assert {name for name in files if name.endswith(".js")} == set(announced)


def test_a_part_that_cant_be_loaded_is_tried_again(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Where a part of the page doesn't come, a message says what to do, and the part can be loaded later."""
    put_many(pegasus, 2)
    page = open_page(pegasus, service_workers="block")
    count_is(page, 2)
    page.route("**/web/*.js", lambda route: route.abort())
    page.get_by_role("button", name="Select", exact=True).click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("This couldn't be loaded. Check the connection and try again, or reload the page.")
    page.unroute("**/web/*.js")
    toast.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("checkbox", name="Select Number 2")).to_be_focused()
    expect(page.get_by_role("region", name="Selected recordings")).to_be_visible()


def test_a_part_of_a_newer_page_asks_for_a_reload(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Where the server has a newer page, whose parts don't fit this one, reloading is offered."""
    put_many(pegasus, 2)
    page = open_page(pegasus, service_workers="block")
    count_is(page, 2)
    newer = "import { newer } from './dom.js'; export const showHelp = newer"
    page.route("**/web/help.js", lambda route: route.fulfill(body=newer, content_type="text/javascript"))
    page.keyboard.press("?")
    expect(page.locator(".toast")).to_contain_text("Pegasus has been updated.")
    page.unroute("**/web/help.js")
    page.locator(".toast").get_by_role("button", name="Reload").click()
    count_is(page, 2)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
