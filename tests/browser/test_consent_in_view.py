"""A permission that is waited for: a visible sentence says so where its question may be out of view."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame

from .fed_answer import FedAnswer, call_frame, result_frame
from .test_consent import told

PHONE: Final[dict[str, Any]] = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}
SMALL_PHONE: Final[dict[str, Any]] = {**PHONE, "viewport": {"width": 320, "height": 568}, "locale": "zh-CN"}
ARGUMENTS: Final = json.dumps({"to": "a@example.org", "text": "I will come on Sunday.\n" * 8})
ABOVE: Final = {"en-GB": "The answer waits for your decision above.", "zh-CN": "请在上方作出选择，回答才会继续。"}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(context, marks=pytest.mark.browser_context(**context), id=name)
        for name, context in (("390 px", PHONE), ("320 px, Chinese", SMALL_PHONE))
    ],
)
def test_a_sentence_is_shown_until_the_reader_has_decided_also_on_a_phone(
    browser_page: Page, options: dict[str, Any]
) -> None:
    chat = ChatPage(browser_page).open()
    answer = FedAnswer(chat.page, run="a1")
    chat.field.fill("Write to them")
    chat.send_button.click()
    answer.send("I will write.\n\n" * 30)
    hint = browser_page.locator("#sluice-hint")
    expect(hint).to_be_hidden()
    answer.send(call_frame("call_1", "send_mail", ARGUMENTS, needs_consent=True))
    expect(hint).to_have_text(ABOVE[options.get("locale", "en-GB")])
    expect(hint).to_be_in_viewport(ratio=1)
    expect(chat.answer.locator(".allow")).to_be_in_viewport(ratio=1)
    assert chat.overflow() == 0
    told(chat, 204)
    chat.answer.locator(".allow").click()
    expect(hint).to_be_hidden()
    answer.send(result_frame("call_1", "send_mail", "Sent."), "I wrote.", DONE_FRAME)
    chat.wait_complete()


@pytest.mark.browser_context(**SMALL_PHONE)
def test_on_a_phone_a_sentence_says_that_another_version_waits(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    chat.reply_once(content_type="text/event-stream", body=frames(text_frame("A zebra."), DONE_FRAME))
    chat.field.fill("Zebra")
    chat.send_button.tap()
    chat.wait_complete()
    browser_page.locator(".exchange .edit").first.tap()
    browser_page.locator(".question-editor textarea").fill("Giraffe")
    answer = FedAnswer(browser_page, run="a1")
    browser_page.locator(".question-editor .ask-again").tap()
    answer.send(call_frame("call_1", "send_mail", ARGUMENTS, needs_consent=True))
    expect(chat.answer.locator(".consent")).to_be_visible()
    hint = browser_page.locator("#sluice-hint")
    browser_page.get_by_role("button", name="上一个版本").tap()
    expect(hint).to_have_text("另一版本中的回答正在等待你作出选择。")
    expect(hint).to_be_in_viewport(ratio=1)
    browser_page.get_by_role("button", name="下一个版本").tap()
    expect(hint).to_have_text(ABOVE["zh-CN"])
    told(chat, 204)
    chat.answer.locator(".deny").tap()
    expect(hint).to_be_hidden()
    answer.send(result_frame("call_1", "send_mail", "No.", code="denied"), "Done.", DONE_FRAME)
    chat.wait_complete()


def deny(chat: ChatPage, answer: FedAnswer) -> None:
    """Deny the permission, and let the answer end."""
    told(chat, 204)
    chat.answer.locator(".deny").click()
    answer.send(result_frame("call_1", "send_mail", "No.", code="denied"), "Then not.", DONE_FRAME)
    chat.wait_complete()


@pytest.mark.parametrize("by", ["Regenerate", "Edit"])
@pytest.mark.parametrize("size", [(1100, 800), (390, 844)], ids=["desktop", "phone"])
def test_a_permission_that_comes_at_once_is_in_view_after_another_version_is_asked(
    browser_page: Page, size: tuple[int, int], by: str
) -> None:
    """Where the page has just become shorter."""
    chat = ChatPage(browser_page).open()
    browser_page.set_viewport_size({"width": size[0], "height": size[1]})
    for question in ("First", "Second", "Third"):
        text = f"The answer to {question}.\n\n" * 8
        chat.reply_once(content_type="text/event-stream", body=frames(text_frame(text), DONE_FRAME))
        chat.ask_and_wait(question)
    call = ("Let me look.", call_frame("call_1", "send_mail", ARGUMENTS, needs_consent=True))
    answer = FedAnswer(browser_page, run="a1", at_once=call)
    chat.ask("Write to them")
    deny(chat, answer)
    answer = FedAnswer(browser_page, run="a1", at_once=call)
    if by == "Regenerate":
        chat.answer.get_by_role("button", name="Regenerate").click()
    else:
        browser_page.locator(".exchange .edit").last.click()
        browser_page.locator(".question-editor .ask-again").click()
    expect(chat.answer.locator(".allow")).to_be_visible()
    expect(chat.answer.locator(".allow")).to_be_in_viewport(ratio=1)
    deny(chat, answer)
