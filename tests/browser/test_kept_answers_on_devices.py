"""A running answer on the user's next device: the application keeps the conversation, and the server the answer."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.helpdesk import Helpdesk
from tools.common.chat_page import DONE_FRAME
from tools.common.scripted_model import finished, said, stalling_after

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer, call_frame, result_frame
from .held_requests import HeldRequests
from .test_synced_conversations import (
    Device,
    device,
    look_until,
    look_until_running,
    open_conversation,
    shared_host,
    wait_sent,
)

__all__ = ["device", "shared_host"]


def test_a_running_answer_grows_and_ends_on_the_users_next_device(device: Device, host: Helpdesk) -> None:
    gates = [host.model.gate(str(number)) for number in range(2)]
    host.model.enqueue((*said("One"), gates[0], *said(" two"), gates[1], *said(" three."), *finished()))
    phone = device()
    phone.ask("Count")
    expect(phone.prose).to_have_text("One")
    wait_sent(phone)
    laptop = device()
    open_conversation(laptop, "Count")
    expect(laptop.prose).to_have_text("One")
    expect(laptop.send_button).to_have_text("Stop")
    gates[0].open()
    for chat in (phone, laptop):
        expect(chat.prose).to_have_text("One two")
    phone.page.goto("about:blank")  # the phone is put away
    gates[1].open()
    expect(laptop.prose).to_have_text("One two three.")
    laptop.wait_complete()
    wait_sent(laptop)
    tablet = device()
    open_conversation(tablet, "Count")
    expect(tablet.prose).to_have_text("One two three.")
    expect(tablet.failure).to_have_count(0)
    assert len(host.model.exchanges) == 1


def test_an_answer_is_stopped_from_the_users_other_device(device: Device, host: Helpdesk) -> None:
    host.model.enqueue(stalling_after("As far as this"))
    phone = device()
    phone.ask("Tell me")
    expect(phone.prose).to_have_text("As far as this")
    wait_sent(phone)
    laptop = device()
    open_conversation(laptop, "Tell me")
    laptop.send_button.click()
    for chat in (laptop, phone):
        expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")
        expect(chat.prose).to_have_text("As far as this")
    host.model.wait_idle()
    wait_sent(phone)
    wait_sent(laptop)


def test_a_tool_that_another_device_may_have_allowed_is_not_said_not_to_have_run(
    device: Device, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 404")  # the server does not know the answer
    laptop = device()
    answer = FedAnswer(laptop.page, run="a1")
    laptop.ask("Write to them")
    answer.send("I will write.", call_frame("call_1", "send_mail", needs_consent=True))
    row = laptop.answer.locator(".tool")
    expect(row.locator("summary")).to_have_text("Tool send_mail asks for permission")
    laptop.send_button.click()
    expect(row.locator("summary")).to_have_text("Tool send_mail not finished")
    expect(row).not_to_contain_text("The tool did not run.")
    wait_sent(laptop)


def test_a_device_shows_that_a_tool_runs_that_was_allowed_on_another(
    device: Device, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("ERR_FAILED")  # of the held streams
    phone, laptop = device(), device()
    # the server of another answer: the test is
    phone.page.route("**/api/runs/a1/consent", lambda route: route.fulfill(status=204))
    events = HeldRequests(laptop.page, "**/api/runs/a1/events")
    answer = FedAnswer(phone.page, run="a1")
    phone.ask("Write to them")
    answer.send("I will write.", call_frame("call_1", "send_mail", needs_consent=True))
    summaries = [chat.answer.locator(".tool summary") for chat in (phone, laptop)]
    expect(summaries[0]).to_have_text("Tool send_mail asks for permission")
    wait_sent(phone)
    look_until(laptop, "Today")
    open_conversation(laptop, "Write to them")
    expect(summaries[1]).to_have_text("Tool send_mail asks for permission")
    phone.answer.get_by_role("button", name="Allow").click()
    for summary in summaries:
        expect(summary).to_have_text("Tool send_mail running")
    answer.send(result_frame("call_1", "send_mail", "Sent"), DONE_FRAME)
    phone.wait_complete()
    wait_sent(phone)
    events.abort()


def test_a_question_asked_on_one_device_runs_on_another_that_shows_the_conversation(
    device: Device, host: Helpdesk
) -> None:
    gate = host.model.gate("before the rest")
    host.model.enqueue((*said("One."), *finished()), (*said("As far as this"), gate, *said(" and on."), *finished()))
    phone = device()
    phone.ask_and_wait("First")
    wait_sent(phone)
    laptop = device()
    open_conversation(laptop, "First")
    expect(laptop.prose).to_have_text("One.")
    phone.ask("Second")
    expect(phone.prose).to_have_text("As far as this")
    wait_sent(phone)
    look_until_running(laptop)
    expect(laptop.prose).to_have_text("As far as this")
    gate.open()
    for chat in (phone, laptop):
        expect(chat.prose).to_have_text("As far as this and on.")
        chat.wait_complete()
        wait_sent(chat)
