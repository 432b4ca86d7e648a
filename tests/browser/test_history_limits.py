"""Conversations that are longer than one request may be."""

from __future__ import annotations

import json
from typing import Any, Final

from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors
from .fed_answer import ask_next, call_frame, result_frame
from .test_archive import choose
from .test_conversations import titles

FIRST: Final = 0xABC000


def open_conversation(chat: ChatPage, answers: list[str], **last: Any) -> None:
    """Import a conversation with these answers, and open it.

    Args:
        chat: The open page.
        answers: The oldest first.
        last: Fields of the last exchange.
    """
    exchanges = [
        {"id": f"{FIRST + number:024x}", "parent": f"{FIRST + number - 1:024x}" if number else None}
        | {"question": f"Question {number}", "answer": answer, "reasoning": "", "state": "complete"}
        | {"created": number, "changed": number}
        for number, answer in enumerate(answers)
    ]
    exchanges[-1] |= last
    record = {"id": f"{FIRST - 1:024x}", "title": "Long", "created": 0, "changed": 0, "choices": {}}
    archive = {"format": "sluice.conversations", "version": 1, "conversations": [record | {"exchanges": exchanges}]}
    choose(chat, json.dumps(archive))
    titles(chat).click()
    chat.wait_shown()


def test_a_conversation_over_the_servers_limit_goes_on_and_says_what_was_left_out(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    answers = [f"{number} " + "长" * 45_000 for number in range(10)]  # 1.4 MB; the server takes 1 MiB
    answers[-1] = "The beginning. " + "x" * 150_000 + " the end."  # more than one message may have
    open_conversation(chat, answers)
    model.enqueue(reply("Yes."))
    prose = chat.ask_and_wait("And now?")
    expect(prose).to_have_text("Yes.")
    messages = model.wait_for_request(1).body["messages"]
    sent = [each["content"] for each in messages if each["role"] != "system"]
    assert sent[-1] == "And now?"
    assert sent[-3:-1] == ["Question 9", answers[-1][-100_000:]]
    assert sent[-5:-3] == ["Question 8", answers[-2]]
    assert 10 < len(sent) < 21
    note = chat.answer.locator(".note")
    expect(note).to_have_text(
        f"{22 - len(sent)} earlier messages were left out or shortened: "
        "the conversation is longer than one request may be."
    )
    model.enqueue(reply("Again."))
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Short")
    expect(note).to_have_count(0)


def test_a_proxy_that_accepts_less_than_the_server_is_no_dead_end(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 413")
    chat = ChatPage(browser_page).open()
    half = "半" * 40_000 + " and its last words"
    open_conversation(chat, ["One.", "Two.", half], state="stopped")
    refused: list[int] = []

    def proxy(route: Route) -> None:
        size = len(route.request.post_data_buffer or b"")
        if size > 60_000:
            refused.append(size)
            route.fulfill(status=413, body="<h1>413 Request Entity Too Large</h1>", content_type="text/html")
        else:
            route.fallback()

    chat.page.route("**/api/chat", proxy)
    model.enqueue(reply(", which follow."))
    chat.answer.get_by_role("button", name="Continue").click()
    chat.wait_complete()
    assert len(refused) >= 1
    sent = [each["content"] for each in model.wait_for_request(1).body["messages"] if each["role"] != "system"]
    assert sent[-3] == "Question 2"
    assert sent[-2].endswith("半 and its last words")
    expect(chat.answer.locator(".note")).to_contain_text("left out or shortened")
    expect(chat.prose).to_contain_text("and its last words, which follow.")


def test_a_message_that_alone_is_too_large_is_reported_before_it_is_sent(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(max_body_bytes=20_000)
    chat.open()
    chat.field.fill("长" * 10_000)
    expect(chat.page.get_by_role("alert")).to_contain_text("too long to send")
    expect(chat.send_button).to_be_disabled()


def test_a_long_conversation_loses_results_of_tools_before_it_loses_messages(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(max_body_bytes=20_000)
    chat.open()
    first = (call_frame("call_1", "search"), result_frame("call_1", "search", "x" * 4000))
    second = [
        frame
        for n in range(4)
        for frame in (call_frame(f"c{n}", "clock"), result_frame(f"c{n}", "clock", "y" * 4000))
    ]
    for number, calls in enumerate((first, second)):
        chat.reply_once(content_type="text/event-stream", body=frames(*calls, text_frame("Done."), DONE_FRAME))
        chat.ask_and_wait(f"Question {number}")
    history = ask_next(chat, "And now?")["conversation_history"]
    assert [each["content"] for each in history] == ["Question 0", "Done.", "Question 1", "Done."]
    assert [len(each.get("tool_calls", [])) for each in history] == [0, 0, 0, 4]
    assert {call["text"] for call in history[-1]["tool_calls"]} == {"y" * 4000}
    expect(chat.answer.locator(".note")).to_have_text(
        "1 earlier message was left out or shortened: the conversation is longer than one request may be."
    )
