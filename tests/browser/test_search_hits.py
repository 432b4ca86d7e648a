"""A result of the search opens its conversation where the words stand."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage

from .test_conversations import titles
from .test_history_limits import open_conversation

MARKED: Final = "() => [...(CSS.highlights.get('sluice-hit') ?? [])].map(String)"


def test_a_search_result_shows_a_snippet_and_opens_at_the_marked_words(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    lines = "\n\n".join(f"Line {number}" for number in range(30))
    answers = [f"{lines}\n\nA **Kingfisher** of number {each} sits.\n\n{lines}" for each in range(8)]
    answers[2] = f"{lines}\n\nThe grey `heron` waits here, near a Kingfisher.\n\n{lines}"
    open_conversation(chat, answers)
    chat.page.get_by_role("button", name="New conversation").click()
    search = chat.page.get_by_role("searchbox", name="Search conversations")
    search.fill("HERON kingfisher")
    snippet = chat.page.locator(".conversation .snippet")
    expect(snippet).to_contain_text("grey heron waits here")
    titles(chat).click()
    place = chat.answers.nth(2).locator("p", has_text="heron")
    expect(place).to_be_in_viewport(ratio=1)
    chat.page.wait_for_function(f"({MARKED})().length === 2")
    assert browser_page.evaluate(MARKED) == ["heron", "Kingfisher"]
    expect(place).to_be_in_viewport(ratio=1)
    # also in the conversation that is shown already
    chat.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    expect(place).not_to_be_in_viewport()
    snippet.click()
    expect(place).to_be_in_viewport(ratio=1)
    search.fill("")
    expect(snippet).to_be_hidden()
