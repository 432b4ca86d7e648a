"""Questions and answers: streaming, stopping, failures, reloads."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.scripted_model import (
    Reset,
    ScriptedModel,
    Step,
    document,
    finished,
    refused,
    reply,
    resetting_after,
    said,
    stalling_after,
)

from .browser_errors import BrowserErrors

BODY_END_MS = 500  # as in api/chat_request.js


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def test_tokens_are_shown_while_the_model_is_still_writing(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the second half")
    model.enqueue((*said("The first half"), gate, *said(" and the second."), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("The first half")
    expect(chat.status).to_have_text("Generating")
    gate.open()
    expect(chat.prose).to_have_text("The first half and the second.")
    expect(chat.status).to_have_text("Answer complete")


def test_the_question_is_shown_as_plain_text_above_its_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Yes."))
    chat.ask_and_wait("Is *this* <b>plain</b>?")
    expect(chat.questions).to_have_text(["Is *this* <b>plain</b>?"])
    expect(chat.field).to_have_value("")


def test_earlier_exchanges_are_sent_to_the_model(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.ask_and_wait("Second")
    asked = model.wait_for_request(2).body["messages"]
    assert [(each["role"], each["content"]) for each in asked][-3:] == [
        ("user", "First"),
        ("assistant", "One."),
        ("user", "Second"),
    ]


def test_a_question_without_a_whole_answer_is_sent_with_the_next_one_unless_it_was_refused(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    gate = model.gate("before the first token")
    model.enqueue((gate, *finished()))
    chat.ask("Stopped")
    model.wait_for_request(1)
    chat.page.keyboard.press("Escape")
    expect(chat.status).to_have_text("Stopped")
    gate.open()
    chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Half of it")))
    chat.ask("Cut")
    expect(chat.failure).to_contain_text("The part that arrived is kept.")
    for question, code in (("Too busy", "overloaded"), ("Filtered", "content_filtered")):
        chat.reply_once(status=503, json={"success": False, "code": code, "error": "No.", "retryable": False})
        chat.ask(question)
        expect(chat.questions.last.locator("xpath=..").locator(".failure")).to_be_visible()
    bodies = chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Yes."), DONE_FRAME))
    chat.ask_and_wait("Well?")
    sent = [each["content"] for each in bodies[0]["conversation_history"]]
    assert sent == ["Stopped", "Cut", "Half of it", "Too busy"]


def test_the_oldest_exchanges_are_left_out_of_a_history_that_is_too_long(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page)
    chat.configure(max_history=3)
    chat.open()
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.ask_and_wait("Second")
    bodies = chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Three."), DONE_FRAME))
    chat.ask_and_wait("Third")
    assert bodies[0]["conversation_history"] == [
        {"role": "user", "content": "Second"},
        {"role": "assistant", "content": "Two."},
    ]
    assert bodies[0]["source"] == "page"
    assert bodies[0]["interaction_mode"] == "stream"


def test_stop_keeps_the_partial_text_and_ends_the_request(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as ", "this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.send_button).to_have_text("Stop")
    chat.send_button.click()
    expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.send_button).to_have_text("Send")
    expect(chat.status).to_have_text("Stopped")
    model.wait_idle()


def test_escape_stops_the_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    chat.field.press("Escape")
    expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")


def test_a_double_click_on_send_does_not_stop_the_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Whole."))
    chat.field.fill("Tell me")
    chat.send_button.dblclick()
    expect(chat.prose).to_have_text("Whole.")
    expect(chat.status).to_have_text("Answer complete")


def test_text_typed_during_an_answer_is_neither_sent_nor_lost(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((*said("Wait"), gate, *finished()))
    chat.ask("First")
    expect(chat.prose).to_have_text("Wait")
    chat.field.fill("Second")
    chat.field.press("Enter")
    gate.open()
    chat.wait_complete()
    expect(chat.questions).to_have_count(1)
    expect(chat.field).to_have_value("Second")


def test_an_error_shows_its_message_and_a_retry_works(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 502")
    model.default = document("<h1>not a model</h1>")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("something that is not an answer")
    expect(chat.failure.get_by_role("alert")).to_contain_text("something that is not an answer")
    model.default = reply("Now it works.")
    chat.retry_button.click()
    expect(chat.prose).to_have_text("Now it works.")
    expect(chat.failure).to_have_count(0)
    expect(chat.questions).to_have_count(1)


def test_a_refused_question_can_be_retried_when_the_server_is_fixed(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 502")
    model.enqueue(refused(401), refused(401), reply("Now it works."))
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("refused this server's API key")
    chat.page.reload()

    def retry() -> None:
        """Try again by the menu: the sentence does not advise it."""
        chat.answer.get_by_role("button", name="More actions").click()
        chat.page.get_by_role("menuitem", name="Try again").click()

    retry()
    expect(chat.failure).to_contain_text("refused this server's API key")
    retry()
    expect(chat.prose).to_have_text("Now it works.")
    expect(chat.questions).to_have_text(["Tell me"])
    expect(chat.failure).to_have_count(0)


def test_an_error_during_the_stream_keeps_the_text_before_it(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(resetting_after("Half a", " sentence"))
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The model's answer stopped before its end.")
    expect(chat.prose).to_have_text("Half a sentence")


@pytest.mark.parametrize("end", [finished(), (Reset(),)], ids=["whole", "broken off"])
def test_a_completed_request_is_not_aborted(chat: ChatPage, model: ScriptedModel, end: tuple[Step, ...]) -> None:
    chat.without_timeouts_of(BODY_END_MS)  # after which the page does not wait for the end of the connection
    chat.open()
    gate = model.gate("before the second half")
    broken: list[str] = []
    chat.page.on("requestfailed", lambda request: broken.append(f"{request.url}: {request.failure}"))
    model.enqueue((*said("Half a"), gate, *said(" sentence"), *end))
    with chat.page.expect_event("requestfinished", lambda request: request.url.endswith("/api/chat")):
        chat.ask("Tell me")
        expect(chat.prose).to_have_text("Half a")
        gate.open()
        expect(chat.prose).to_have_text("Half a sentence")
        expect(chat.send_button).to_have_text("Send")
    assert broken == []


def not_resumable(page: Page) -> ChatPage:
    """Open the page as of a server whose answers end with their connection. See `test_kept_answers.py` for others."""
    chat = ChatPage(page)
    chat.configure(resumable=False)
    return chat.open()


# A reply whose connection stays open until the page closes it: then `closedByPage` is fulfilled.
HELD_OPEN = """(events) => {
    window.closedByPage = new Promise((resolve) => {
        const start = (controller) => controller.enqueue(new TextEncoder().encode(events));
        const body = new ReadableStream({ start, cancel: () => resolve(true) });
        window.fetch = async () => new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    });
}"""


def test_an_answer_is_complete_although_its_connection_stays_open(chat: ChatPage) -> None:
    chat.page.evaluate(HELD_OPEN, frames(text_frame("Whole."), DONE_FRAME))
    expect(chat.ask_and_wait("Tell me")).to_have_text("Whole.")
    assert chat.page.evaluate("closedByPage") is True


def test_a_connection_with_an_unexpected_reply_is_closed(chat: ChatPage) -> None:
    chat.page.evaluate(HELD_OPEN, "data: {bad\n\n")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The reply did not come from the chat server.")
    assert chat.page.evaluate("closedByPage") is True


def test_an_error_page_of_a_proxy_is_reported_as_unexpected(chat: ChatPage, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("status of 502")
    chat.reply_once(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The reply did not come from the chat server.")
    expect(chat.retry_button).to_be_visible()


def test_a_page_of_a_proxy_with_status_200_is_reported_as_unexpected(chat: ChatPage) -> None:
    chat.reply_once(status=200, content_type="text/html", body="<h1>Please log in</h1>")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The reply did not come from the chat server.")


def test_a_failed_connection_is_reported(browser_page: Page, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("ERR_FAILED")
    chat = not_resumable(browser_page)
    chat.page.route("**/api/chat", lambda route: route.abort(), times=1)
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The server could not be reached. It may have been restarting.")


def test_a_stream_without_a_terminal_frame_is_reported_as_cut_off(chat: ChatPage, model: ScriptedModel) -> None:
    chat.reply_once(content_type="text/event-stream", body=": ok\n\n" + frames(text_frame("Half a sent")))
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The connection ended before the answer was complete.")
    expect(chat.prose).to_have_text("Half a sent")
    model.enqueue(reply("A whole sentence."))
    chat.retry_button.click()
    expect(chat.prose).to_have_text("A whole sentence.")


def test_a_frame_that_is_not_json_fails_the_answer(chat: ChatPage) -> None:
    chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Good")) + "data: {bad\n\n")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("The reply did not come from the chat server.")


def test_comments_and_unknown_fields_are_ignored(chat: ChatPage) -> None:
    body = ": ok\n\n" + frames(text_frame("Hel") | {"later": 1}, {"success": True, "progress": 0.5}, text_frame("lo"))
    chat.reply_once(content_type="text/event-stream", body=body + ": beat\n\n" + frames(DONE_FRAME))
    expect(chat.ask_and_wait("Tell me")).to_have_text("Hello")


def test_block_mode_shows_the_answer_at_once(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    chat.configure(interaction_mode="block")
    chat.open()
    model.enqueue(reply("All of it ", "**at once**."))
    with browser_page.expect_response("**/api/chat") as answered:
        chat.ask("Tell me")
    assert answered.value.header_value("content-type") == "application/json"
    expect(chat.prose.locator("strong")).to_have_text("at once")
    chat.wait_complete()


def test_a_provider_error_in_block_mode_is_reported(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 502")
    chat = ChatPage(browser_page)
    chat.configure(interaction_mode="block")
    chat.open()
    model.default = document("<h1>not a model</h1>")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("something that is not an answer")


def test_the_conversation_survives_a_reload(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("It is **kept**."))
    chat.ask_and_wait("Will this be kept?")
    chat.page.reload()
    expect(chat.questions).to_have_text(["Will this be kept?"])
    expect(chat.prose.locator("strong")).to_have_text("kept")
    expect(chat.status).to_have_text("")


def test_an_answer_interrupted_by_a_reload_is_kept_and_can_be_retried(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = not_resumable(browser_page)
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    chat.page.reload()
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.failure).to_contain_text("The page was closed before this answer was complete.")
    model.default = reply("Whole.")
    chat.retry_button.click()
    expect(chat.prose).to_have_text("Whole.")


def test_a_new_conversation_does_not_contain_the_old_one(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(chat.questions).to_have_count(0)
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    chat.ask_and_wait("Second")
    assert "First" not in json.dumps(model.wait_for_request(2).body)
    chat.page.reload()
    expect(chat.questions).to_have_text(["Second"])


def test_an_answer_continues_while_another_conversation_is_shown(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((*said("Old"), gate, *said(" and whole."), *finished()), reply("New."))
    chat.ask("First")
    expect(chat.prose).to_have_text("Old")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(chat.send_button).to_have_text("Send")
    expect(chat.ask_and_wait("Second")).to_have_text("New.")
    gate.open()
    chat.page.go_back()
    expect(chat.questions).to_have_text(["First"])
    expect(chat.prose).to_have_text("Old and whole.")


def test_a_notice_says_that_the_browser_cannot_save(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.evaluate(
        "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') } }"
    )
    model.enqueue(reply("Yes."))
    chat.ask_and_wait("Is there room?")
    expect(chat.page.get_by_role("alert").filter(has_text="This conversation cannot be saved")).to_be_visible()


def test_a_message_over_the_limit_is_not_sent_and_the_limit_is_shown(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(max_message_chars=5)
    chat.open()
    chat.field.fill("🌊🌊🌊🌊🌊")  # five characters to the server, ten units to JavaScript
    expect(chat.send_button).to_be_enabled()
    chat.field.fill("123456")
    chat.field.press("Enter")
    expect(chat.page.locator("#sluice-problem")).to_have_text(
        "This message is too long. The limit is 5 characters: remove about 1."
    )
    expect(chat.send_button).to_be_disabled()
    expect(chat.questions).to_have_count(0)
