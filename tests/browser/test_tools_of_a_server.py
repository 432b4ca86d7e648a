"""Tools of a real application in the page: their calls, their sources, and the reader's permission."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.running_server import PLANTED_KEY, RunningServer, cleared_model
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, Script, ScriptedModel, calling, reply

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .test_tools import OUTLINE, row


@pytest.fixture(scope="module")
def shared_tools() -> Iterator[RunningServer]:
    """An application with tools, of which one needs consent."""
    env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_INTERACTION_MODE": "stream"}
    with (
        ScriptedModel() as model,
        GunicornServer(
            env | {"OPENAI_BASE_URL": model.base_url}, app="tests.integration.tool_application:app", collector=False
        ) as server,
    ):
        yield RunningServer(server, model)


@pytest.fixture
def chat(browser: Browser, shared_tools: RunningServer, browser_errors: BrowserErrors) -> Iterator[ChatPage]:
    """The open page of that application."""
    with (
        cleared_model(shared_tools, keeps_answers=True),
        open_context(browser, **CONTEXT_OPTIONS, base_url=shared_tools.url) as context,
    ):
        browser_errors.listen(context, shared_tools.url)
        yield ChatPage(context.new_page()).open()
    assert browser_errors.unexpected == []


def test_a_tool_of_the_application_answers_with_its_row_and_its_source(
    chat: ChatPage, shared_tools: RunningServer
) -> None:
    shared_tools.model.enqueue(
        calling(("c1", "search", '{"query": "ferries"}'), ("c2", "search", "{"), text=["Let me see."]),
        reply("There are two."),
    )
    chat.ask_and_wait("Which ferries?")
    # The module that shows them is loaded with the first call.
    expect(row(chat, "search")).to_have_count(2)
    summaries = chat.answer.evaluate(OUTLINE)
    assert summaries[0] == "Let me see."
    assert [text.split(",")[0].rpartition(" ")[0] for text in summaries[1:3]] == [
        "Tool search less than 0.1",
        "Tool search",
    ]
    assert summaries[3] == "There are two."
    expect(chat.answer.get_by_role("list", name="Sources")).to_have_text("ferries")
    first = row(chat, "search").first
    first.locator("summary").click()
    expect(first.locator("pre")).to_have_text(['{\n  "query": "ferries"\n}', "found ferries"])


def test_the_model_knows_with_the_next_question_what_a_tool_has_returned(
    chat: ChatPage, shared_tools: RunningServer
) -> None:
    shared_tools.model.enqueue(
        calling(("c1", "search", '{"query": "ferries"}')), reply("There are two."), reply("At 9.")
    )
    chat.ask_and_wait("Which ferries?")
    chat.ask_and_wait("When does the second leave?")
    messages = shared_tools.model.exchanges[-1].body["messages"]
    asked = [each for each in messages if each["role"] != "system"]
    assert [(each["role"], each["content"]) for each in asked] == [
        ("user", "Which ferries?"),
        ("assistant", None),
        ("tool", "found ferries"),
        ("assistant", "There are two."),
        ("user", "When does the second leave?"),
    ]


@pytest.mark.parametrize(
    ("button", "told", "shown_pattern"),
    [
        ("Allow", "sent to Ana", r"^Tool send [\w. ]+ s$"),
        ("Deny", "did not allow it", "^Tool send you did not allow this$"),
    ],
)
def test_a_tool_waits_for_the_readers_permission_also_over_a_reload(
    chat: ChatPage, shared_tools: RunningServer, button: str, told: str, shown_pattern: str
) -> None:
    shared_tools.model.enqueue(calling(("c1", "send", '{"to": "Ana"}'), text=["I will write."]), reply("Well."))
    chat.ask("Write to Ana")
    consent = row(chat, "send").get_by_role("group", name="Permission")
    expect(consent).to_be_visible()
    chat.page.reload()
    consent.get_by_role("button", name=button).click()
    chat.wait_complete()
    expect(chat.answer.locator("> .prose").last).to_have_text("Well.")
    assert told in shared_tools.model.exchanges[-1].body["messages"][-1]["content"]
    shown = re.compile(shown_pattern)
    expect(row(chat, "send").locator("summary")).to_have_text(shown)
    expect(row(chat, "send").locator(".tool-body")).not_to_contain_text("The person")
    chat.page.reload()
    expect(row(chat, "send").locator("summary")).to_have_text(shown)


TOLD = "A tool asks for your permission in another conversation."


def begin(chat: ChatPage, shared_tools: RunningServer, *rest: Script) -> None:
    """Ask a question whose answer waits for a permission."""
    shared_tools.model.enqueue(calling(("c1", "send", '{"to": "Ana"}'), text=["I will write."]), *rest)
    chat.ask("Write to Ana")
    expect(row(chat, "send").locator("summary")).to_have_text("Tool send asks for permission")


def expect_told(tab: ChatPage, is_told: bool) -> None:
    """Check the notice, the title and the mark in the list of a tab that shows another conversation."""
    expect(tab.page.get_by_role("alert").filter(has_text=TOLD)).to_have_count(1 if is_told else 0)
    expect(tab.page).to_have_title("Permission needed · Sluice" if is_told else "Sluice")
    mark = " (Permission needed)" if is_told else ""
    expect(tab.page.locator(".conversation a").first).to_have_accessible_name(f"Write to Ana{mark}")


def test_a_permission_is_told_in_every_tab_and_may_be_given_in_any(
    chat: ChatPage, shared_tools: RunningServer
) -> None:
    other = ChatPage(chat.page.context.new_page()).open()
    begin(chat, shared_tools, reply("Well."))
    expect_told(other, is_told=True)
    other.page.reload()
    expect_told(other, is_told=True)
    third = ChatPage(chat.page.context.new_page()).open()
    expect_told(third, is_told=True)
    third.page.get_by_role("button", name="Show", exact=True).click()
    expect(third.page).to_have_title("Permission needed · Write to Ana · Sluice")
    third.page.get_by_role("button", name="Allow").click()
    for tab in (chat, third):
        expect(tab.page.get_by_role("button", name="Allow")).to_have_count(0)
        expect(tab.page).to_have_title("Write to Ana · Sluice")
        expect(tab.prose.last).to_have_text("Well.")
    expect_told(other, is_told=False)


def test_without_web_locks_a_tab_that_is_closed_tells_of_its_permission_no_more(
    chat: ChatPage, shared_tools: RunningServer
) -> None:
    chat.page.context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    chat.page.reload()
    other = ChatPage(chat.page.context.new_page()).open()
    begin(chat, shared_tools, reply("Well."))
    expect_told(other, is_told=True)
    chat.page.goto("about:blank")
    expect_told(other, is_told=False)
    other.page.locator(".conversation a").click()
    other.page.get_by_role("button", name="Allow").click()
    expect(other.prose.last).to_have_text("Well.")


def test_a_permission_is_told_until_its_answer_has_ended_also_if_its_tab_is_closed(
    chat: ChatPage, shared_tools: RunningServer
) -> None:
    other = ChatPage(chat.page.context.new_page()).open()
    begin(chat, shared_tools)
    expect_told(other, is_told=True)
    chat.page.keyboard.press("Escape")
    expect(row(chat, "send").locator("summary")).to_have_text("Tool send not run")
    expect_told(other, is_told=False)
    chat.page.get_by_role("button", name="New conversation").click()
    begin(chat, shared_tools, reply("Well."))
    expect_told(other, is_told=True)
    chat.page.close()
    other.page.get_by_role("button", name="Show", exact=True).click()
    other.page.get_by_role("button", name="Allow").click()
    expect(other.prose.last).to_have_text("Well.")
