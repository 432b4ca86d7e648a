"""The list of an answer's sources: what it leaves in view, and where it is open."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage

from .fed_answer import FedAnswer, call_frame, custom_frame, result_frame
from .test_copying import READ, SELECT

SIZES: Final = [(320, 568), (390, 844), (1280, 720)]
PHONE: Final[dict[str, Any]] = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}
# Whether the end of an answer's text is below the bar and above the dock.
END_IS_IN_VIEW: Final = """() => {
    const line = document.createRange();
    line.selectNodeContents([...document.querySelectorAll(".answer > .prose")].at(-1));
    const { top, bottom } = [...line.getClientRects()].at(-1);
    const box = (name) => document.getElementById(name).getBoundingClientRect();
    return top >= box("sluice-bar").bottom && bottom <= box("sluice-dock").top;
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def sources(first: int, last: int) -> list[dict[str, Any]]:
    """Return the frames of the sources with these numbers."""
    return [
        custom_frame(
            "citation",
            title=f"Museums in Rome that are free on Sunday number {number} of the month",
            url=f"https://museums.example.org/{number}",
        )
        for number in range(first, last + 1)
    ]


def search(count: int) -> list[dict[str, Any]]:
    """Return the frames of a search with this number of sources."""
    return [call_frame("1", "search"), result_frame("1", "search", "Found."), *sources(1, count)]


def summary(chat: ChatPage) -> Locator:
    return chat.answer.locator(".source-list summary")


def items(chat: ChatPage) -> Locator:
    return chat.answer.get_by_role("list", name="Sources").get_by_role("listitem")


@pytest.mark.parametrize("count", [3, 10, 17])
def test_the_newest_line_is_in_view_while_an_answer_with_sources_is_written(chat: ChatPage, count: int) -> None:
    for width, height in SIZES:
        chat.page.set_viewport_size({"width": width, "height": height})
        answer = FedAnswer(chat.page)
        chat.ask("What is free?")
        answer.send("I will search.", *search(count))
        expect(chat.answer.locator(".sources li")).to_have_count(count)
        for number in range(20):
            answer.send(f"Line {number} has some words.\n\n")
            expect(chat.prose.last).to_contain_text(f"Line {number}")
            assert chat.page.evaluate(END_IS_IN_VIEW), (width, height, number)
        answer.send(DONE_FRAME)
        chat.wait_complete()
        assert chat.page.evaluate(END_IS_IN_VIEW), (width, height)


def test_more_than_three_sources_are_one_line_that_opens(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("What is free?")
    answer.send(*search(3), "See")
    expect(items(chat)).to_have_count(3)  # and visible
    expect(summary(chat)).to_have_count(0)
    answer.send(*sources(4, 4))
    expect(summary(chat)).to_have_text("4 sources")
    expect(items(chat)).to_have_count(0)
    answer.send(*sources(5, 10), " [1].", DONE_FRAME)
    chat.wait_complete()
    expect(summary(chat)).to_have_text("10 sources")
    summary(chat).click()
    expect(items(chat)).to_have_count(10)
    summary(chat).press("Enter")
    expect(items(chat)).to_have_count(0)
    chat.change_language("zh-CN")
    expect(summary(chat)).to_have_text("10 个来源")
    chat.change_language("en")
    chat.page.reload()
    expect(summary(chat)).to_have_text("10 sources")
    summary(chat).press("Enter")
    expect(items(chat)).to_have_count(10)


def test_a_list_that_has_the_focus_stays_open(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("What is free?")
    answer.send(*search(3))
    links = chat.answer.locator(".sources").get_by_role("link")
    links.nth(1).focus()
    answer.send(*sources(4, 4))
    expect(summary(chat)).to_have_text("4 sources")
    expect(links.nth(1)).to_be_focused()
    expect(items(chat)).to_have_count(4)
    chat.page.keyboard.press("Escape")


def test_on_paper_the_list_is_open(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("What is free?")
    answer.send(*search(10), "See [1].", DONE_FRAME)
    chat.wait_complete()
    closed = chat.answer.bounding_box()
    chat.page.emulate_media(media="print")
    expect(items(chat).last).to_be_visible()
    on_paper = chat.answer.bounding_box()
    chat.page.emulate_media(media="screen")
    assert closed is not None
    assert on_paper is not None
    assert on_paper["height"] > closed["height"] + 10 * 20


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_copy_answer_has_the_list_that_is_closed_and_a_selection_what_it_shows(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    answer = FedAnswer(browser_page)
    chat.ask("What is free?")
    answer.send(*search(4), "See [1].", DONE_FRAME)
    chat.wait_complete()
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    both = browser_page.evaluate(READ)
    assert both["text/plain"].count("\n4. [Museums in Rome") == 1
    assert both["text/html"].count("<li>") == 4
    assert "4 sources" not in both["text/html"]
    for is_open in (False, True):
        browser_page.evaluate("document.activeElement.blur()")
        browser_page.evaluate(SELECT, [".question", ".answer"])
        browser_page.keyboard.press("Control+c")
        lines = [line for line in browser_page.evaluate(READ)["text/plain"].split("\n") if line]
        assert lines[:2] == ["What is free?", "See [1]."]
        assert len(lines) == (6 if is_open else 2)
        summary(chat).click()


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_the_line_is_large_enough_for_a_finger_and_opens(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    answer = FedAnswer(browser_page)
    chat.field.fill("What is free?")
    chat.send_button.tap()
    answer.send(*search(10), "See [1].")
    box = summary(chat).bounding_box()
    assert box is not None
    assert box["height"] >= 44
    summary(chat).tap()
    expect(items(chat)).to_have_count(10)
    answer.send("\n\nAnd", DONE_FRAME)
    chat.wait_complete()
    expect(items(chat)).to_have_count(10)
