"""What the page loads later: all of it at the first interaction, and again where that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import DONE_FRAME, ChatPage
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer, call_frame, result_frame
from .test_tools import row

pytestmark = pytest.mark.browser_context  # a new context, with an empty cache

OWN_FILES: Final = "**/static/*/{bundle,css,js}/**"
HAS_STYLES: Final = """() => ["parts", "dialog", "prose"].every((name) =>
    [...document.styleSheets].some(({ href }) => href?.endsWith(`/css/${name}.css`)))"""


def without_own_files(page: Page, files: str = OWN_FILES) -> list[str]:
    """Let the page load none of its files, or not these, any more, and return the list of those that it asks for."""
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route(files, refuse)
    return asked


def test_after_the_first_interaction_the_page_asks_for_none_of_its_files(browser_page: Page) -> None:
    """After a deploy they would be of another version, and offline they would be missing."""
    chat = ChatPage(browser_page).open()
    browser_page.wait_for_function(HAS_STYLES)
    asked = without_own_files(browser_page)
    answer = FedAnswer(browser_page, run="a1")
    chat.ask("Write to them")
    answer.send("I will write.", call_frame("call_1", "send_mail", needs_consent=True))
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    expect(consent.get_by_role("button")).to_have_text(["Allow", "Deny"])
    expect(chat.status).to_have_text("The tool send_mail asks for your permission.")
    answer.send(result_frame("call_1", "send_mail", "Not now.", code="denied"), "Done.", DONE_FRAME)
    chat.wait_complete()
    browser_page.get_by_role("button", name="Settings").click()
    browser_page.get_by_label("简体中文", exact=True).check()
    browser_page.keyboard.press("Escape")
    browser_page.keyboard.press("Alt+Shift+/")
    expect(browser_page.get_by_role("dialog", name="键盘快捷键")).to_contain_text("停止生成")
    browser_page.keyboard.press("Escape")
    browser_page.locator("#sluice-search").fill("them")
    expect(browser_page.locator("#sluice-sidebar")).to_contain_text("1 段对话")
    chat.answer.get_by_role("button", name="详情").click()
    expect(chat.details).to_contain_text("总用时")
    assert asked == []


def come_online(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('online'))")


def come_online_until(page: Page, selector: str) -> None:
    """Come online again and again: at the first time, the page may not know yet that a file could not be loaded."""
    come = "(selector) => (dispatchEvent(new Event('online')), document.querySelector(selector))"
    page.wait_for_function(come, arg=selector)


def wait_a_while(page: Page) -> None:
    page.clock.run_for(10_000)
    page.keyboard.press("Shift")


@pytest.mark.parametrize("chance", [come_online, wait_a_while])
def test_what_could_not_be_loaded_is_loaded_later_and_answers_are_drawn(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors, chance: Callable[[Page], None]
) -> None:
    browser_errors.expect("Failed to load resource")
    browser_page.clock.install()
    chat = ChatPage(browser_page)
    browser_page.route("**/markdown/markdown.js", lambda route: route.abort())
    browser_page.route("**/shared/interaction.js", lambda route: route.abort())
    chat.open()
    browser_page.unroute("**/shared/interaction.js")
    come_online(browser_page)  # the parts that take an answer
    model.enqueue(reply("Some **bold** words"))
    expect(chat.ask_and_wait("Show me")).to_have_text("Some **bold** words")
    browser_page.unroute("**/markdown/markdown.js")
    chance(browser_page)
    expect(chat.prose.locator("strong")).to_have_text("bold")


def test_loading_a_part_is_not_given_up(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    asked = without_own_files(browser_page, "**/markdown/markdown.js")
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("Some **bold** words"))
    chat.ask_and_wait("Show me")
    while len(asked) < 5:
        come_online(browser_page)
    browser_page.unroute("**/markdown/markdown.js")
    come_online_until(browser_page, ".prose strong")


@pytest.mark.parametrize("formulas", ["katex.js", "katex.css"])
def test_libraries_that_could_not_be_loaded_are_loaded_later_and_answers_are_drawn(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors, formulas: str
) -> None:
    browser_errors.expect("Failed to load resource")
    missing = f"**/vendor/{{katex/{formulas},highlight.js}}"
    chat = ChatPage(browser_page)
    browser_page.route(missing, lambda route: route.abort())
    chat.open()
    model.enqueue(reply("As $x^2$\n\n```python\nreturn 1\n```"), reply("And $y^2$"))
    with browser_page.expect_event("requestfailed", lambda failed: failed.url.endswith("/highlight.js")):
        expect(chat.ask_and_wait("Show me")).to_contain_text("As $x^2$")
    browser_page.unroute(missing)
    come_online_until(browser_page, ".katex")
    come_online_until(browser_page, ".hljs-keyword")
    expect(chat.ask_and_wait("Another").locator(".katex")).to_be_visible()


def test_tooltips_are_there_once_their_style_sheet_can_be_loaded(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    browser_page.route("**/css/dialog.css", lambda route: route.abort(), times=1)
    with browser_page.expect_event("requestfailed"):
        ChatPage(browser_page).open()
    come_online_until(browser_page, "link[href$='/dialog.css']")
    browser_page.get_by_role("button", name="Settings").hover()
    expect(browser_page.locator(".tooltip")).to_be_visible()


def test_offline_the_notice_of_a_missing_part_does_not_advise_to_reload(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    browser_page.route("**/shared/interaction.js", lambda route: route.abort())
    ChatPage(browser_page).open()
    browser_page.context.set_offline(True)
    browser_page.get_by_role("button", name="Settings").click()
    alerts = browser_page.locator("#sluice-alerts")
    expect(alerts).to_contain_text("This part of the page is not loaded yet. Try again when you are online.")
    browser_page.unroute("**/shared/interaction.js")
    browser_page.context.set_offline(False)
    expect(alerts).to_be_empty()
    browser_page.get_by_role("button", name="Settings").click()
    expect(browser_page.get_by_role("dialog", name="Settings")).to_be_visible()
