"""The page without vendored libraries."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, said

from .browser_errors import BrowserErrors


def without(chat: ChatPage, browser_errors: BrowserErrors, pattern: str) -> ChatPage:
    """Open the page with these files missing."""
    browser_errors.expect(r"^console: Failed to load resource.*status of 404.*/vendor/")
    chat.page.route(pattern, lambda route: route.fulfill(status=404, body=""))
    return chat.open()


def test_answers_are_plain_text(browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors) -> None:
    chat = without(ChatPage(browser_page), browser_errors, "**/vendor/**")
    gate = model.gate("before the end")
    model.enqueue((*said("Some **bold**\n<b>text</b>"), gate, *finished()))
    chat.ask("Show me")
    expect(chat.prose).to_have_text("Some **bold**\n<b>text</b>")
    gate.open()
    chat.wait_complete()
    expect(chat.prose).to_have_text("Some **bold**\n<b>text</b>")
    expect(chat.prose).to_have_css("white-space", "pre-wrap")
    expect(chat.prose.locator("*")).to_have_count(0)


def test_markdown_is_shown_without_highlighting_and_formulas(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    chat = without(ChatPage(browser_page), browser_errors, "**/vendor/{highlight.js,katex/**}")
    model.enqueue(reply("**bold** $x^2$\n\n```python\ndef f(): ...\n```"))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose.locator(".formula")).to_have_text("$x^2$")
    expect(prose.locator("pre code")).to_have_text("def f(): ...")


@pytest.mark.parametrize(
    "file", ["markdown-it.js", "dompurify.js", "idb.js", "highlight.js", "katex/katex.js", "katex/katex.css"]
)
def test_the_chat_works_without_any_one_library(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors, file: str
) -> None:
    model.enqueue(reply("Some **bold**, <b>raw</b>, $x^2$.\n\n```python\ndef f(): ...\n```"), reply("Again."))
    with browser_page.expect_response(f"**/vendor/{file}") as missed:
        chat = without(ChatPage(browser_page), browser_errors, f"**/vendor/{file}")
        prose = chat.ask_and_wait("Show me")
    assert missed.value.status == 404
    expect(prose).to_contain_text("bold")
    expect(prose).to_contain_text("def f(): ...")
    # Without parser or sanitiser, no output of the model is parsed as HTML.
    expect(prose.locator("strong")).to_have_count(0 if file in ("markdown-it.js", "dompurify.js") else 1)
    expect(chat.ask_and_wait("And then?")).to_have_text("Again.")
    asked = model.wait_for_request(2).body["messages"]
    assert [each["role"] for each in asked][-3:] == ["user", "assistant", "user"]


def test_buttons_show_their_names_without_the_icons(browser_page: Page, model: ScriptedModel) -> None:
    def remove_icons(route: Route) -> None:
        html = route.fetch().text().replace('class="alone"', 'class="alone without-icons"')
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    browser_page.route(re.compile(r"/$"), remove_icons)
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    for name in ("Copy answer", "Regenerate", "Edit question", "Details", "More actions", "Send", "Settings"):
        label = browser_page.get_by_role("button", name=name).locator(".label")
        box = label.bounding_box()
        assert box is not None
        assert box["width"] > 20, name
    assert chat.overflow() == 0
