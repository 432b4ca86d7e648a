"""Answers hold four of a browser's six connections to a host: others wait, and short requests go through."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import Gate, ScriptedModel, finished, reply, said

SLOTS: Final = 4
QUEUED: Final = "This question is sent as soon as another answer ends."
QUEUED_IN_CHINESE: Final = "其他回答中有一个结束后，就会发送这个问题。"
# Short requests, as those of permissions are: two at once.
ASK_SHORTLY: Final = (
    "() => Promise.all([1, 2].map(async () => (await fetch('api/config', { cache: 'no-store' })).status))"
)
AS_HTTP_2: Final = """(() => {
    const { getEntriesByType } = Performance.prototype;
    Performance.prototype.getEntriesByType = function (type) {
        return type === "navigation" ? [{ nextHopProtocol: "h2" }] : getEntriesByType.call(this, type);
    };
})()"""
WITHOUT_LOCKS: Final = "delete Navigator.prototype.locks"
# As on a slow device: the browser grants no lock before the test says so.
SLOW_LOCKS: Final = """(() => {
    if (!navigator.locks) return; // an empty document
    const { request } = LockManager.prototype;
    const granted = new Promise((resolve) => { window.grantLocks = resolve; });
    LockManager.prototype.request = async function (...given) {
        await granted;
        return request.apply(this, given);
    };
})()"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page."""
    return ChatPage(browser_page).open()


def ask_new(chat: ChatPage, question: str) -> None:
    """Ask in a new conversation."""
    if chat.questions.count():
        chat.page.get_by_role("button", name="New conversation").first.click()
        expect(chat.questions).to_have_count(0)
    chat.ask(question)


def hold_answers(model: ScriptedModel) -> list[Gate]:
    """Let the model begin an answer for each slot, which ends with its gate, and then write a whole one."""
    gates = [model.gate(f"gate {index}") for index in range(SLOTS)]
    model.enqueue(*((*said("Begun."), gate, *finished()) for gate in gates), reply("Sent."))
    return gates


def begin(chat: ChatPage, model: ScriptedModel, count: int, *, first: int = 0) -> None:
    """Ask in new conversations until so many answers are being written."""
    for index in range(first, first + count):
        ask_new(chat, f"Question {index}")
        expect(chat.prose).to_have_text("Begun.")
    assert len(model.exchanges) == first + count


@pytest.mark.parametrize("has_locks", [True, False])
def test_a_question_waits_while_four_answers_are_written_and_is_then_sent_by_itself(
    browser_page: Page, model: ScriptedModel, has_locks: bool
) -> None:
    """Also over plain http, where the browser has no locks."""
    if not has_locks:
        browser_page.add_init_script(WITHOUT_LOCKS)
    chat = ChatPage(browser_page).open()
    gates = hold_answers(model)
    begin(chat, model, SLOTS)
    connection = chat.page.locator(".connection:visible")
    ask_new(chat, "Stopped")
    expect(connection).to_have_text(QUEUED)
    expect(chat.status).to_have_text(QUEUED)
    assert chat.page.evaluate(ASK_SHORTLY) == [200, 200]
    chat.send_button.click()
    expect(chat.send_button).to_have_text("Send")
    expect(connection).to_have_count(0)
    ask_new(chat, "Waits")
    expect(connection).to_have_text(QUEUED)
    chat.change_language("zh-CN")
    expect(connection).to_have_text(QUEUED_IN_CHINESE)
    chat.change_language("en")
    expect(connection).to_have_text(QUEUED)
    assert len(model.exchanges) == SLOTS
    gates[1].open()
    expect(chat.prose).to_have_text("Sent.")
    chat.wait_complete()
    assert len(model.exchanges) == SLOTS + 1
    for gate in gates:
        gate.open()
    expect(chat.page.locator(".conversation.generating")).to_have_count(0)


@pytest.mark.browser_context
def test_a_slow_device_does_not_say_that_a_question_waits_for_another_answer(
    browser_page: Page, model: ScriptedModel
) -> None:
    browser_page.clock.install()
    browser_page.add_init_script(SLOW_LOCKS)
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("Sent."))
    chat.ask("First")
    expect(chat.status).to_have_text("Generating")
    browser_page.clock.run_for(10_000)
    expect(chat.page.locator(".connection:visible")).to_have_count(0)
    assert not model.exchanges
    chat.page.evaluate("grantLocks()")
    expect(chat.prose).to_have_text("Sent.")
    chat.wait_complete()


def test_a_question_that_waits_is_sent_once_although_its_page_is_reloaded(
    chat: ChatPage, model: ScriptedModel
) -> None:
    gates = hold_answers(model)
    begin(chat, model, SLOTS)
    ask_new(chat, "Waits")
    expect(chat.page.locator(".connection:visible")).to_have_text(QUEUED)
    chat.page.reload()
    expect(chat.prose).to_have_text("Sent.")
    chat.wait_complete()
    expect(chat.page.locator(".conversation.generating")).to_have_count(SLOTS)
    for gate in gates:
        gate.open()
    expect(chat.page.locator(".conversation.unseen")).to_have_count(SLOTS)
    assert len(model.exchanges) == SLOTS + 1
    chat.wait_saved()


def test_questions_that_wait_are_sent_after_a_reload_also_in_conversations_that_are_not_shown(
    chat: ChatPage, model: ScriptedModel
) -> None:
    gates = hold_answers(model)
    model.enqueue(reply("Sent, too."))
    begin(chat, model, SLOTS)
    for question in ("Waits", "Waits longer"):
        ask_new(chat, question)
        expect(chat.page.locator(".connection:visible")).to_have_text(QUEUED)
    chat.page.get_by_role("link", name="Question 0").click()
    expect(chat.prose).to_have_text("Begun.")
    chat.page.reload()
    expect(chat.prose).to_have_text("Begun.")
    expect(chat.page.locator(".conversation.generating")).to_have_count(SLOTS + 2)
    for gate in gates:
        gate.open()
    expect(chat.page.locator(".conversation.unseen")).to_have_count(SLOTS + 1)
    # two at once, and either may be the first to arrive
    sent = [exchange.body["messages"][-1]["content"] for exchange in model.exchanges[SLOTS:]]
    assert sorted(sent) == ["Waits", "Waits longer"]
    for question, answer in zip(sent, ("Sent.", "Sent, too."), strict=True):
        chat.page.get_by_role("link", name=f"{question} (New answer)").click()
        expect(chat.prose).to_have_text(answer)
    chat.wait_saved()


def test_the_answers_of_all_tabs_count(chat: ChatPage, model: ScriptedModel) -> None:
    other = ChatPage(chat.page.context.new_page()).open()
    gates = hold_answers(model)
    begin(chat, model, 2)
    begin(other, model, 2, first=2)
    ask_new(other, "Fifth")
    expect(other.page.locator(".connection:visible")).to_have_text(QUEUED)
    assert len(model.exchanges) == SLOTS
    chat.page.close()  # its answers go on without a connection
    expect(other.prose).to_have_text("Sent.")
    other.wait_complete()
    for gate in gates:
        gate.open()
    other.wait_saved()


def test_over_http_2_no_question_waits(browser_page: Page, model: ScriptedModel) -> None:
    browser_page.add_init_script(AS_HTTP_2)
    chat = ChatPage(browser_page).open()
    gates = hold_answers(model)
    begin(chat, model, SLOTS)
    ask_new(chat, "Fifth")
    expect(chat.prose).to_have_text("Sent.")
    chat.wait_complete()
    for gate in gates:
        gate.open()
    chat.wait_saved()


def test_a_second_tab_that_waits_for_a_connection_shows_what_the_first_one_stores(
    chat: ChatPage, model: ScriptedModel
) -> None:
    gates = [model.gate(f"gate {index}") for index in range(SLOTS)]
    more = model.gate("before more")
    model.enqueue(
        *((*said("Begun."), gate, *finished()) for gate in gates[:-1]),
        (*said("Begun."), more, *said(" On."), gates[-1], *finished()),
    )
    begin(chat, model, SLOTS)
    other = ChatPage(chat.page.context.new_page()).open()
    other.page.get_by_role("link", name=f"Question {SLOTS - 1}").click()
    expect(other.page.locator(".connection:visible")).to_have_text(
        "The rest of this answer is shown as soon as another one ends."
    )
    more.open()
    expect(other.prose).to_have_text("Begun. On.")
    gates[-1].open()
    expect(other.send_button).to_have_text("Send")
    expect(other.page.locator(".connection:visible")).to_have_count(0)
    for gate in gates:
        gate.open()
    chat.wait_saved()
