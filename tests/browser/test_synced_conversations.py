"""Conversations that the application keeps: on a user's next device, and without loss between two devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from tests.support.helpdesk import Helpdesk, start_helpdesk
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.scripted_model import finished, reply, said

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .held_requests import HeldRequests
from .sign_in import open_signed_in
from .test_conversations import act

Device = Callable[..., ChatPage]


@pytest.fixture(scope="module")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helpdesk]:
    """The help desk, which keeps conversations."""
    app = "tests.support.guest_host:create_synced_app()"
    with start_helpdesk(tmp_path_factory.mktemp("helpdesk"), app=app) as shared:
        yield shared


@pytest.fixture
def device(browser: Browser, host: Helpdesk, browser_errors: BrowserErrors) -> Iterator[Device]:
    """Return a function that opens the page of a user on another device. Forget the conversations in the end."""
    browser_errors.expect("favicon")
    # another device was faster
    browser_errors.expect("412")
    with ExitStack() as stack:

        def open_page(name: str = "ada") -> ChatPage:
            context = stack.enter_context(open_context(browser, base_url=host.url, **CONTEXT_OPTIONS))
            browser_errors.listen(context, host.url)
            return open_signed_in(context.new_page(), name)

        yield open_page
    host.forget_conversations()
    assert browser_errors.unexpected == []


def wait_sent(chat: ChatPage) -> None:
    """Wait until the server has all changes of a device."""
    chat.page.wait_for_function(
        """() => document.querySelectorAll(".conversation").length
            === Object.keys(localStorage).filter((key) => key.includes(".synced.")).length
            && !Object.keys(localStorage).some((key) => key.includes(".unsynced."))"""
    )


def look(chat: ChatPage) -> None:
    """Look at a page again, which asks the server for changes."""
    chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def look_until(chat: ChatPage, heading: str) -> None:
    """Look at a page again until the first heading of its list is this one."""
    chat.page.wait_for_function(
        """(heading) => {
            document.dispatchEvent(new Event("visibilitychange"));
            return document.querySelector(".conversations section:not([hidden]) h2")?.textContent === heading;
        }""",
        arg=heading,
        polling=200,
    )


def look_until_running(chat: ChatPage) -> None:
    """Look at a page again until it shows an answer that is being written."""
    chat.page.wait_for_function(
        """() => {
            document.dispatchEvent(new Event("visibilitychange"));
            return document.querySelector(".answer.running") !== null;
        }""",
        polling=200,
    )


def look_until_tuned(chat: ChatPage) -> None:
    """Look at a page again until it shows that the answers are adjusted. A look during another one is none."""
    chat.page.wait_for_function(
        """() => {
            document.dispatchEvent(new Event("visibilitychange"));
            return document.querySelector("#sluice-open-tuning").classList.contains("tuned");
        }""",
        polling=200,
    )


def open_conversation(chat: ChatPage, title: str) -> None:
    chat.page.get_by_role("button", name="Open the sidebar").click()
    chat.page.get_by_role("link", name=title).click()
    expect(chat.questions.first).to_be_visible()


def test_a_conversation_its_title_pin_and_deletions_are_on_the_users_next_device(
    device: Device, host: Helpdesk
) -> None:
    phone = device()
    host.model.enqueue(reply("One."), reply("Two."))
    phone.ask_and_wait("First")
    phone.ask_and_wait("Second")
    wait_sent(phone)
    laptop = device()
    open_conversation(laptop, "First")
    expect(laptop.questions).to_have_text(["First", "Second"])
    expect(laptop.prose).to_have_text("Two.")
    expect(device("lin").page.locator(".conversation")).to_have_count(0)

    laptop.page.get_by_role("button", name="Open the sidebar").click()
    laptop.page.get_by_role("link", name="First").press("F2")
    laptop.page.get_by_role("textbox", name="Title").fill("Better")
    laptop.page.keyboard.press("Enter")
    laptop.page.keyboard.press("Escape")
    laptop.choose_action("Delete question and answer")
    expect(laptop.questions).to_have_text(["First"])
    wait_sent(laptop)
    look(phone)
    expect(phone.questions).to_have_text(["First"])
    expect(phone.page.locator(".conversation a")).to_have_text(["Better"])

    phone.page.get_by_role("button", name="Open the sidebar").click()
    act(phone, "Better", "Pin")
    look_until(laptop, "Pinned")
    act(phone, "Better", "Unpin")
    look_until(laptop, "Today")

    phone.page.get_by_role("link", name="Better").press("Delete")
    expect(phone.page.locator(".conversation")).to_have_count(0)
    wait_sent(phone)
    look(laptop)
    expect(laptop.page.locator(".conversation")).to_have_count(0)
    expect(laptop.questions).to_have_count(0)
    phone.page.get_by_role("button", name="Undo").click()
    expect(phone.page.locator(".conversation a")).to_have_text(["Better"])
    wait_sent(phone)
    look(laptop)
    expect(laptop.page.locator(".conversation a")).to_have_text(["Better"])


def test_a_question_moves_its_conversation_to_the_top_on_the_next_device(device: Device, host: Helpdesk) -> None:
    phone = device()
    host.model.enqueue(reply("One."), reply("Two."), reply("Three."))
    phone.ask_and_wait("First")
    phone.page.get_by_role("button", name="New conversation").first.click()
    phone.ask_and_wait("Second")
    wait_sent(phone)
    laptop = device()
    shown = laptop.page.locator(".conversation a")
    expect(shown).to_have_text(["Second", "First"])
    open_conversation(phone, "First")
    phone.ask_and_wait("Third")
    wait_sent(phone)
    look(laptop)
    expect(shown).to_have_text(["First", "Second"])


def test_two_devices_at_once_lose_nothing(device: Device, host: Helpdesk) -> None:
    host.model.enqueue(reply("One."))
    phone = device()
    phone.ask_and_wait("First")
    wait_sent(phone)
    laptop = device()
    open_conversation(laptop, "First")
    gate = host.model.gate("before both ends")
    host.model.enqueue((*said("From here."), gate, *finished()), (*said("From there."), gate, *finished()))
    phone.ask("Here")
    expect(phone.prose).to_have_text("From here.")
    laptop.ask("There")
    expect(laptop.prose).to_have_text("From there.")
    gate.open()
    phone.wait_complete()
    laptop.wait_complete()
    wait_sent(phone)
    wait_sent(laptop)
    for chat in (phone, laptop):
        look(chat)
        versions = chat.page.get_by_role("group", name="Versions of this question")
        expect(versions).to_contain_text("/ 2")


def test_without_the_server_all_works_and_is_sent_later(
    device: Device, host: Helpdesk, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("ERR_FAILED")
    phone = device()
    phone.page.route("**/api/conversations/*", lambda route: route.abort())
    host.model.enqueue(reply("One."))
    with phone.page.expect_event("requestfailed"):
        phone.ask_and_wait("First")
    phone.page.route("**/sync/server_sync.js", lambda route: route.abort())
    phone.page.reload()
    expect(phone.prose).to_have_text("One.")
    assert device().page.locator(".conversation").count() == 0
    phone.page.unroute_all()
    phone.page.evaluate("dispatchEvent(new Event('online'))")  # the server and the part of the page
    wait_sent(phone)
    laptop = device()
    open_conversation(laptop, "First")
    expect(laptop.prose).to_have_text("One.")


def test_a_change_whose_request_the_page_did_not_survive_is_sent_by_the_next_page(
    device: Device, host: Helpdesk
) -> None:
    phone = device()
    host.model.enqueue(reply("One."))
    phone.ask_and_wait("First")
    wait_sent(phone)
    changes = HeldRequests(phone.page, "**/api/conversations/*")
    phone.page.get_by_role("button", name="Open the sidebar").click()
    phone.page.get_by_role("link", name="First").press("F2")
    phone.page.get_by_role("textbox", name="Title").fill("Better")
    with phone.page.expect_request("**/api/conversations/*"):
        phone.page.keyboard.press("Enter")
    phone.page.reload()
    changes.pass_on()
    expect(phone.page.locator(".conversation a")).to_have_text(["Better"])
    wait_sent(phone)
    expect(device().page.locator(".conversation a")).to_have_text(["Better"])


def test_a_system_prompt_and_a_temperature_are_on_the_users_next_device(device: Device, host: Helpdesk) -> None:
    def tuned() -> tuple[str, str]:
        second.page.get_by_role("button", name="Adjust the answers").click()
        expect(second.page.get_by_role("dialog", name="Adjust the answers")).to_be_visible()
        return (
            second.page.get_by_label("Instructions for this conversation").input_value(),
            second.page.get_by_label("Temperature").input_value(),
        )

    first, second = device(), device()
    for chat in (first, second):
        chat.configure(allow_system_prompt=True, allow_temperature=True)
        chat.page.reload()
    host.model.enqueue(reply("Yes."))
    first.ask_and_wait("Is it?")
    wait_sent(first)
    look_until(second, "Today")
    first.page.get_by_role("button", name="Adjust the answers").click()
    first.page.get_by_label("Instructions for this conversation").fill("Be kind.")
    first.page.get_by_label("Temperature").fill("0.5")
    first.page.keyboard.press("Enter")
    expect(first.page.locator("#sluice-open-tuning")).to_have_class(re.compile("tuned"))
    wait_sent(first)
    open_conversation(second, "Is it?")
    look_until_tuned(second)
    assert tuned() == ("Be kind.", "0.5")
