"""The shared profile: no test finds traces of another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tools.common.chat_page import ChatPage
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import ScriptedModel, reply, stalling_after

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .profile import Profile


@pytest.fixture
def profile(browser: Browser, page_server: GunicornServer, browser_errors: BrowserErrors) -> Iterator[Profile]:
    """A profile that no other test has."""
    profile = Profile(browser, page_server.url, browser_errors, **CONTEXT_OPTIONS)
    yield profile
    profile.close()
    assert browser_errors.unexpected == []


def test_the_next_test_finds_nothing_of_the_previous_one(profile: Profile, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), stalling_after("As far as this"))
    phone = {"width": 320, "height": 568}  # the sidebar is a drawer
    chat = ChatPage(profile.new_page(viewport=phone, color_scheme="dark", permissions=["clipboard-read"])).open()
    chat.ask_and_wait("First")
    chat.page.evaluate("localStorage.setItem('sluice.sidebar', 'closed')")
    chat.ask("Second")
    expect(chat.prose).to_have_text("As far as this")  # its state is saved when the page is closed
    chat.field.fill("A draft")
    chat.page.emulate_media(media="print")
    profile.context.route("**/api/config", lambda route: route.abort())
    profile.context.set_offline(True)

    profile.reset()
    chat = ChatPage(profile.new_page()).open()
    assert not chat.page.evaluate("matchMedia('print, (prefers-color-scheme: dark)').matches")
    expect(chat.page.locator("#sluice-sidebar")).to_be_visible()
    expect(chat.page.locator(".conversation")).to_have_count(0)
    expect(chat.field).to_have_value("")
    assert chat.page.evaluate("Object.keys({...localStorage, ...sessionStorage})") == []
    asked = "navigator.permissions.query({name: 'clipboard-read'}).then(({state}) => state)"
    assert chat.page.evaluate(asked) != "granted"


def test_a_tab_is_used_by_the_next_test_unless_something_would_stay_with_it(profile: Profile) -> None:
    tab = profile.new_page()
    profile.reset()
    assert profile.new_page(viewport={"width": 320, "height": 568}) == tab
    ChatPage(tab).open().page.locator("button.send").hover()
    tab.evaluate("sessionStorage.setItem('left', 'by a test')")
    tab.route("**/api/config", lambda route: route.abort())
    profile.reset()
    assert profile.new_page() == tab
    ChatPage(tab).open()
    assert tab.evaluate("[innerWidth, sessionStorage.length, document.querySelectorAll('button:hover').length]") == [
        CONTEXT_OPTIONS["viewport"]["width"], 0, 0
    ]  # fmt: skip
    tab.on("dialog", lambda _: None)
    profile.reset()
    assert tab.is_closed()
    tab = profile.new_page()
    tab.add_init_script("window.left = 1")
    profile.reset()
    assert tab.is_closed()


def test_a_change_that_cannot_be_reset_fails_only_its_own_test(profile: Profile) -> None:
    profile.new_page().clock.install()
    with pytest.raises(AssertionError, match="a clock of its own"):
        profile.reset()
    profile.reset()
