"""Sign in to the help desk, in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from examples.helpdesk.demo_data import PASSWORD
from tools.common.chat_page import ChatPage

CHAT = "/assistant/"


def open_signed_in(page: Page, name: str, path: str = CHAT) -> ChatPage:
    """Sign in, and open a page with the chat.

    Args:
        page: A new tab.
        name: A demo user.
        path: That of the page.
    """
    page.goto(f"/sign-in?next={path}")
    fill_in_form(page, name)
    expect(page.locator("#sluice-empty")).to_be_visible()
    return ChatPage(page)


def fill_in_form(page: Page, name: str = "ada") -> None:
    """Fill in the form that is shown, and wait for the page behind it."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main button").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
