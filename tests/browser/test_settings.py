"""Settings in the page: tokens, use and quota, engines and heals, for those who look after the server."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import OpenPage, Pegasus, StartPegasus
from tests.browser.steps import put
from tests.browser.test_access import SECRET, sign_in
from tests.browser.test_app import SMALL

ADMIN = f"admin-of-{SECRET}"
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}


@pytest.fixture
def guarded(start_pegasus: StartPegasus) -> Pegasus:
    """A server that asks for tokens: an admin's, and a user's."""
    return start_pegasus(AUTH="tokens", AUTH_TOKENS=f"{ADMIN}=*,{SECRET}=ada", USER_QUOTA_MB="5")


def lets_in(server: Pegasus, secret: str) -> bool:
    """Whether a token is valid."""
    return httpx.get(f"{server.url}/api/audio/", headers={"Authorization": secret}).status_code == 200


def signed_in(open_page: OpenPage, server: Pegasus, secret: str, path: str = "/", **options: Any) -> Page:
    """The page of somebody with a token."""
    page = open_page(server, path, reduced_motion="reduce", **options)
    sign_in(page, secret)
    expect(page.locator("#sign-in")).to_be_hidden()
    return page


def test_an_admin_makes_and_revokes_tokens(guarded: Pegasus, open_page: OpenPage) -> None:
    """By keys alone a token is made, shown this once and copied, and later revoked after a question."""
    page = signed_in(open_page, guarded, ADMIN, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{guarded.url}/settings")
    expect(page.locator("#composer")).to_be_hidden()
    page.get_by_role("textbox", name="User").fill("dora")
    page.get_by_role("textbox", name="Note").fill("backup")
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The token of dora was created")).to_be_focused()
    secret = page.get_by_role("textbox", name="Token").input_value()
    page.get_by_role("button", name="Copy").press("Enter")
    expect(page.locator(".toast")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert lets_in(guarded, secret)
    assert violations(page) == []
    page.get_by_role("button", name="Done").press("Enter")
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke “backup” of dora").press("Enter")
    dialog = page.get_by_role("dialog", name="Revoke “backup” of dora?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert violations(page) == []
    assert lets_in(guarded, secret)
    dialog.get_by_role("button", name="Revoke").press("Enter")
    expect(page.get_by_text("Revoked (1)")).to_be_visible()
    assert not lets_in(guarded, secret)


def test_settings_fit_a_phone(guarded: Pegasus, open_page: OpenPage) -> None:
    """On a phone nothing is wider than the screen, each target has 44 px, axe finds nothing."""
    headers = {"Authorization": ADMIN}
    httpx.post(f"{guarded.url}/api/tokens", json={"user_id": "ada", "label": "phone"}, headers=headers)
    page = signed_in(open_page, guarded, ADMIN, "/settings", **PHONE)
    expect(page.get_by_role("button", name="Revoke “phone” of ada")).to_be_in_viewport()
    expect(page.locator("#settings")).to_contain_text("Each user may store 5.2 MB.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SMALL) == []
    assert violations(page) == []


def test_an_open_server_says_how_to_ask_for_tokens(pegasus: Pegasus, open_page: OpenPage) -> None:
    """Where nobody needs a token, settings say how the first is made; beside what is stored, on and healed."""
    put(pegasus, "memo.wav", user_id="ada")
    page = open_page(pegasus, "/?sort=name+asc", reduced_motion="reduce")
    page.get_by_role("link", name="Settings").click()
    settings = page.locator("#settings")
    expect(settings).to_contain_text("python -m access create NAME --admin")
    expect(settings).to_contain_text("1 recording of 1 user, 96.3 kB.")
    expect(settings).to_contain_text("openai, model whisper-1")
    expect(settings).to_contain_text("Off. Turn it on by OLLAMA_MODEL.")
    settings.get_by_text("The tables were made.").first.click()
    expect(settings.locator("pre", has_text="empty at base: healed").first).to_be_visible()
    assert violations(page) == []
    page.reload()
    expect(settings).to_contain_text("Users have no quota.")
    page.get_by_role("link", name="All recordings").click()
    expect(page).to_have_url(f"{pegasus.url}/?sort=name+asc")
    expect(page.locator("#list .open")).to_have_text("memo.wav")
    page.go_forward()
    expect(settings.get_by_role("heading", name="Settings")).to_be_focused()


def test_a_user_sees_what_is_theirs(guarded: Pegasus, open_page: OpenPage) -> None:
    """Who is no admin finds no link to settings, and at their address nothing but their own use."""
    page = signed_in(open_page, guarded, SECRET, "/settings")
    expect(page.locator("#settings")).to_contain_text("0 recordings, 0 bytes. You may store 5.2 MB.")
    expect(page.locator("#settings table")).to_have_count(0)
    expect(page.get_by_role("link", name="Settings")).to_be_hidden()
