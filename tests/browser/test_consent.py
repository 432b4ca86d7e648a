"""Tools that may be called only with the reader's permission."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tools.common.chat_page import DONE_FRAME, ChatPage

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer, call_frame, numbered, result_frame
from .test_tools import row

ARGUMENTS: Final = '{"to": "a@example.org", "text": "\u202eolleH"}'
ASKS: Final = call_frame("call_1", "send_mail", ARGUMENTS, needs_consent=True)


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def told(chat: ChatPage, *replies: int | str) -> list[dict[str, Any]]:
    """Answer decisions with these statuses, one after the other, and return the list of their bodies."""
    bodies: list[dict[str, Any]] = []

    def reply(route: Route) -> None:
        status = replies[len(bodies)]
        bodies.append(json.loads(route.request.post_data or ""))
        if isinstance(status, str):
            route.abort(status)
        else:
            route.fulfill(status=status, json={"success": False} if status >= 400 else None)

    chat.page.route("**/api/runs/a1/consent", reply)
    return bodies


def begin(chat: ChatPage, run: str = "a1") -> FedAnswer:
    """Ask a question whose answer calls a tool that needs a permission."""
    answer = FedAnswer(chat.page, run=run)
    chat.ask("Write to them")
    answer.send("I will write.", ASKS)
    expect(summary(chat)).to_have_text("Tool send_mail asks for permission")
    return answer


def summary(chat: ChatPage) -> Locator:
    return row(chat, "send_mail").locator("summary")


@pytest.mark.parametrize(("name", "is_allowed"), [("Allow", True), ("Deny", False)])
def test_a_tool_that_needs_a_permission_is_asked_for_with_its_arguments(
    chat: ChatPage, name: str, is_allowed: bool
) -> None:
    bodies = told(chat, 204)
    answer = begin(chat)
    expect(chat.status).to_have_text("The tool send_mail asks for your permission.")
    # a mark of direction would show another text than the tool gets
    expect(row(chat, "send_mail").locator("pre")).to_have_text(
        '{\n  "to": "a@example.org",\n  "text": "\\u202eolleH"\n}'
    )
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    expect(consent.get_by_role("button")).to_have_text(["Allow", "Deny"])
    expect(chat.field).to_be_focused()
    consent.get_by_role("button", name=name).click()
    expect(consent).to_have_count(0)
    assert bodies == [{"call": "call_1", "allow": is_allowed}]
    expect(summary(chat)).to_have_text("Tool send_mail running")
    expect(summary(chat)).to_be_focused()
    answer.send(result_frame("call_1", "send_mail", "Sent" if is_allowed else "Refused", is_error=not is_allowed))
    expect(summary(chat)).to_have_text(f"Tool send_mail {'0.4 s' if is_allowed else 'not allowed'}")
    answer.send(DONE_FRAME)
    chat.wait_complete()
    chat.page.reload()
    expect(summary(chat)).to_have_text(f"Tool send_mail {'0.4 s' if is_allowed else 'not allowed'}")


def test_a_decision_that_fails_can_be_made_again_and_one_made_elsewhere_counts(
    chat: ChatPage, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of")
    browser_errors.expect("ERR_CONNECTION_RESET")
    bodies = told(chat, 503, "connectionreset", 404, 409)
    begin(chat)
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    allow = consent.get_by_role("button", name="Allow")
    for sentence in (
        "The server could not be told. Try again.",
        "The server could not be told. Try again.",
        "The server does not wait for this any more.",
    ):
        allow.click()
        expect(consent.get_by_role("alert")).to_have_text(sentence)
        expect(allow).to_be_enabled()
    allow.click()
    expect(summary(chat)).to_have_text("Tool send_mail running")
    assert len(bodies) == 4


def test_a_permission_is_asked_for_again_after_a_reload_and_not_once_it_is_decided(chat: ChatPage) -> None:
    bodies = told(chat, 204)
    begin(chat)
    held: list[Route] = []
    chat.page.route("**/api/runs/a1/events", lambda route: held.append(route))
    chat.page.reload()
    expect(summary(chat)).to_have_text("Tool send_mail asks for permission")
    chat.page.get_by_role("button", name="Deny").click()
    expect(summary(chat)).to_have_text("Tool send_mail running")
    assert bodies == [{"call": "call_1", "allow": False}]
    chat.page.reload()
    expect(summary(chat)).to_have_text("Tool send_mail running")
    chat.page.unroute("**/api/runs/a1/events")
    rest = numbered(3, result_frame("call_1", "send_mail", "Refused", is_error=True), "I did not.", DONE_FRAME)
    chat.page.route("**/api/runs/a1/events", lambda route: route.fulfill(content_type="text/event-stream", body=rest))
    chat.page.reload()
    expect(summary(chat)).to_have_text("Tool send_mail not allowed")
    for route in held:
        route.abort()


def test_without_a_kept_answer_the_page_says_that_it_cannot_give_a_permission(chat: ChatPage) -> None:
    begin(chat, run="")
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    expect(consent).to_contain_text("this page cannot give it")
    expect(consent.get_by_role("button")).to_have_count(0)
    chat.page.keyboard.press("Escape")
    expect(summary(chat)).to_have_text("Tool send_mail not finished")
    expect(consent).to_have_count(0)
