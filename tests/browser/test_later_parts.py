"""What the page loads later: all of it at the first interaction, and again where that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer, call_frame, result_frame
from .test_tools import row

pytestmark = pytest.mark.browser_context  # a new context, with an empty cache

OWN_FILES: Final = "**/static/*/{bundle,css,js}/**"
HAS_STYLES: Final = """() => ["parts", "dialog", "prose"].every((name) =>
    [...document.styleSheets].some(({ href }) => href?.endsWith(`/css/${name}.css`)))"""

HAS_FONTS: Final = """() => ["KaTeX_Main,700,loaded", "KaTeX_Math,400,loaded"].every((font) =>
    [...document.fonts].some(({ family, weight, status }) => `${family},${weight},${status}` === font))"""


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


def test_fonts_of_formulas_that_could_not_be_loaded_are_loaded_later(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    browser_page.route("**/katex/fonts/*", lambda route: route.abort())
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(r"As $m^{2} + \mathbf{R}$"))
    formula = chat.ask_and_wait("Show me").locator(".katex-html")
    expect(formula).to_be_visible()
    width = "(formula) => formula.getBoundingClientRect().width"
    without_fonts = formula.evaluate(width)
    browser_page.unroute("**/katex/fonts/*")
    come = f"([formula, before]) => (dispatchEvent(new Event('online')), ({width})(formula) !== before)"
    browser_page.wait_for_function(come, arg=[formula.element_handle(), without_fonts])
    browser_page.wait_for_function(HAS_FONTS)
    later = formula.evaluate(width)
    browser_page.reload()
    expect(formula).to_be_visible()
    assert formula.evaluate(width) == pytest.approx(later, abs=0.1)


def online_listeners(page: Page) -> int:
    """Return how many listeners wait until the browser is online."""
    devtools = page.context.new_cdp_session(page)
    window = devtools.send("Runtime.evaluate", {"expression": "window"})["result"]["objectId"]
    listeners = devtools.send("DOMDebugger.getEventListeners", {"objectId": window})["listeners"]
    devtools.detach()
    return [each["type"] for each in listeners].count("online")


def test_a_missing_part_is_awaited_once_however_often_it_is_shown(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    browser_page.clock.install()
    browser_page.route("**/css/parts.css", lambda route: route.abort())
    chat = ChatPage(browser_page).open()
    parts = [call_frame("call_1", "look_up"), result_frame("call_1", "look_up", "Red."), text_frame("It is red.")]
    chat.reply_once(content_type="text/event-stream", body=frames(*parts, DONE_FRAME))
    chat.ask_and_wait("Look it up")
    chat.wait_saved()
    expect(browser_page.locator("#sluice-alerts")).to_contain_text("This part of the page could not be loaded")
    waiting = online_listeners(browser_page)
    for _ in range(3):
        browser_page.get_by_role("button", name="New conversation").first.click()
        browser_page.locator(".conversation a").click()
        chat.wait_shown()
    assert online_listeners(browser_page) == waiting
    browser_page.unroute("**/css/parts.css")
    wait_a_while(browser_page)
    expect(row(chat, "look_up")).to_be_visible()
    assert online_listeners(browser_page) == waiting - 2  # of the answer, and of what is loaded for all answers


# Workers that the browser refuses to make, or that do not start.
REFUSED_WORKERS: Final = """
    window.started = 0;
    window.Worker = class { constructor() { started++; throw new DOMException("", "SecurityError"); } };"""
FAILING_WORKERS: Final = """
    window.started = 0;
    window.Worker = class extends EventTarget {
        constructor() { super(); started++; queueMicrotask(() => this.dispatchEvent(new Event("error"))); }
        terminate() {}
    };"""


@pytest.mark.parametrize(("workers", "most"), [(REFUSED_WORKERS, 1), (FAILING_WORKERS, 20)])
def test_a_browser_that_starts_no_worker_is_not_asked_for_ever(
    browser_page: Page, model: ScriptedModel, workers: str, most: int
) -> None:
    browser_page.add_init_script(workers)
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("```python\nreturn 1\n```"), reply("```python\nreturn 2\n```"))
    chat.ask_and_wait("Show me")
    browser_page.wait_for_function("() => started")
    for _ in range(30):
        come_online(browser_page)
    expect(chat.ask_and_wait("Another").locator("code")).to_have_text("return 2\n")
    assert browser_page.evaluate("started") == most


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
