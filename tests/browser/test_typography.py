"""How an answer is set: Chinese as Chinese is, and on paper the conversation alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from ..scripted_model import ScriptedModel, reply
from .chat_page import ChatPage


def test_chinese_is_emphasised_by_dots_and_never_slanted(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(
        reply(
            "冰山露出水面的部分约为*十分之一*，一行。\n\n冰山露出水面的部分约为十分之一，一行。\n\nAbout *a tenth*."
        )
    )
    chat.ask_and_wait("多少？")
    chinese, english = chat.prose.locator("em").all()
    expect(chinese).to_have_css("font-style", "normal")
    expect(chinese).to_have_css("text-emphasis-style", "dot")
    expect(english).to_have_css("font-style", "italic")
    expect(english).to_have_css("text-emphasis-style", "none")


@pytest.mark.reader(color_scheme="dark")
def test_on_paper_stands_the_conversation_alone_and_dark_on_light(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    browser_page.emulate_media(media="print")
    expect(chat.questions).to_be_visible()
    expect(chat.prose).to_be_visible()
    for name in ("banner", "complementary", "contentinfo"):
        expect(browser_page.get_by_role(name)).to_have_count(0)
    expect(browser_page.get_by_role("button")).to_have_count(0)
    expect(browser_page.locator("html")).to_have_css("background-color", "rgb(251, 250, 247)")
    expect(browser_page.locator("body")).to_have_css("padding-left", "0px")
