"""The API's description, in Chromium: it is shown, can be searched and tried, and asks nobody else for anything."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Pegasus


def test_the_api_is_tried_out(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Swagger UI shows every call, and one that is tried out is answered by this server."""
    page = open_page(pegasus, "/docs")
    expect(page.get_by_role("heading", name=re.compile("^Pegasus"))).to_be_visible()
    page.get_by_role("button", name="/health/live").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")


def test_the_api_is_read(pegasus: Pegasus, open_page: OpenPage) -> None:
    """ReDoc shows every call, and finds what is searched for."""
    page = open_page(pegasus, "/redoc")
    expect(page.get_by_role("heading", name=re.compile("^Pegasus"))).to_be_visible()
    page.get_by_placeholder("Search...").fill("waveform")
    expect(page.get_by_role("listbox").or_(page.locator("[data-role='search:results']"))).to_contain_text("aveform")
