"""The system prompt and the temperature of a conversation, where the operator allows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.running_server import RunningServer, cleared_model, start_server
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.scripted_model import ScriptedModel, refused, reply

from .axe import violations
from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .test_accessibility import overflowing_elements
from .test_archive import choose, exported
from .test_conversations import FILL_STORAGE, act, titles
from .test_settings import IS_ABOVE_FOOT

PHONE = {"width": 390, "height": 844}
OPTIONS = {**CONTEXT_OPTIONS, "reduced_motion": "reduce"}
ZOOMED = {"width": 320, "height": 200}


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RunningServer]:
    """A server whose operator allows both."""
    with start_server(
        SLUICE_ALLOW_SYSTEM_PROMPT="on",
        SLUICE_ALLOW_TEMPERATURE="on",
        OPENAI_SYSTEM_PROMPT="Be brief.",
        OPENAI_INTERACTION_MODE="stream",
        SLUICE_MAX_MESSAGE_CHARS=100,
    ) as shared:
        yield shared


@pytest.fixture
def chat(browser: Browser, shared_server: RunningServer, browser_errors: BrowserErrors) -> Iterator[ChatPage]:
    """The open page of that server."""
    with (
        cleared_model(shared_server, keeps_answers=True),
        open_context(browser, **OPTIONS, base_url=shared_server.url) as context,
    ):
        browser_errors.listen(context, shared_server.url)
        yield ChatPage(context.new_page()).open()
    assert browser_errors.unexpected == []


@pytest.fixture
def allowing(shared_server: RunningServer) -> ScriptedModel:
    """The model of that server."""
    return shared_server.model


def button(chat: ChatPage) -> Locator:
    return chat.page.get_by_role("button", name="Adjust the answers")


def tune(chat: ChatPage, prompt: str, temperature: str) -> None:
    """Fill in the dialog."""
    button(chat).click()
    chat.page.get_by_label("Instructions for this conversation").fill(prompt)
    chat.page.get_by_label("Temperature").fill(temperature)
    chat.page.get_by_role("button", name="Done").click()
    expect(chat.page.locator("#sluice-tuning")).to_be_hidden()


def values(chat: ChatPage) -> tuple[str, str]:
    """Return what the dialog shows, and close it."""
    button(chat).click()
    expect(chat.page.get_by_role("dialog", name="Adjust the answers")).to_be_visible()
    shown = (
        chat.page.get_by_label("Instructions for this conversation").input_value(),
        chat.page.get_by_label("Temperature").input_value(),
    )
    chat.page.keyboard.press("Escape")
    return shown


def test_neither_is_offered_where_the_operator_allows_none(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    expect(chat.page.locator("#sluice-open-tuning")).to_be_hidden()
    model.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    assert "temperature" not in model.exchanges[-1].body
    assert [each["role"] for each in model.exchanges[-1].body["messages"]] == ["user"]


def test_only_what_the_operator_allows_is_offered(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(allow_temperature=True)
    button(chat.open()).click()
    expect(chat.page.get_by_label("Temperature")).to_be_focused()
    expect(chat.page.get_by_label("Instructions for this conversation")).to_be_hidden()


def test_they_go_to_the_model_with_each_answer_of_their_conversation_and_no_other(
    chat: ChatPage, allowing: ScriptedModel
) -> None:
    allowing.enqueue(*[reply("Yes.")] * 4)
    tune(chat, "Be kind.", "0.3")
    expect(button(chat)).to_have_class(re.compile("tuned"))
    # not by its colour alone
    assert button(chat).evaluate("(button) => getComputedStyle(button, '::after').borderTopWidth") == "3px"
    for question in ("Is it?", "Really?"):
        chat.ask_and_wait(question)
        assert allowing.exchanges[-1].body["messages"][0]["content"] == "Be brief.\n\nBe kind."
        assert allowing.exchanges[-1].body["temperature"] == 0.3
    chat.page.keyboard.press("Alt+Shift+o")
    expect(button(chat)).not_to_have_class(re.compile("tuned"))
    chat.ask_and_wait("Another?")
    assert allowing.exchanges[-1].body["messages"][0]["content"] == "Be brief."
    chat.page.go_back()
    expect(chat.questions).to_have_count(2)
    tune(chat, "", "")
    chat.ask_and_wait("And now?")
    assert allowing.exchanges[-1].body["messages"][0]["content"] == "Be brief."
    assert "temperature" not in allowing.exchanges[-1].body


def test_a_step_back_closes_the_dialog_and_keeps_what_was_typed_with_its_conversation(
    chat: ChatPage, allowing: ScriptedModel
) -> None:
    allowing.enqueue(*[reply("Yes.")] * 2)
    tune(chat, "Be kind.", "")
    chat.ask_and_wait("Is it?")
    chat.page.keyboard.press("Alt+Shift+o")
    chat.ask_and_wait("Another?")
    button(chat).click()
    chat.page.get_by_label("Instructions for this conversation").fill("Be strict.")
    chat.page.go_back()
    expect(chat.questions).to_have_text(["Is it?"])
    expect(chat.page.get_by_role("dialog")).to_have_count(0)
    assert values(chat) == ("Be kind.", "")
    chat.page.go_forward()
    expect(chat.questions).to_have_text(["Another?"])
    assert values(chat) == ("Be strict.", "")


def test_they_survive_a_reload_and_an_export_and_reach_another_tab(chat: ChatPage, allowing: ScriptedModel) -> None:
    allowing.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    chat.wait_saved()
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    expect(other.questions).to_have_count(1)
    tune(chat, "温和一点。", "0")
    expect(button(other)).to_have_class(re.compile("tuned"))
    assert values(other) == ("温和一点。", "0")
    other.page.close()
    chat.page.reload()
    expect(button(chat)).to_have_class(re.compile("tuned"))
    assert values(chat) == ("温和一点。", "0")
    archive = exported(chat)
    assert archive["conversations"][0]["systemPrompt"] == "温和一点。"
    act(chat, "Is it?", "Delete")
    expect(titles(chat)).to_have_count(0)
    choose(chat, json.dumps(archive))
    titles(chat).click()
    expect(chat.questions).to_have_count(1)
    assert values(chat) == ("温和一点。", "0")
    archive["conversations"][0]["temperature"] = 3
    choose(chat, json.dumps(archive))
    expect(chat.status).to_contain_text("damaged")


def test_they_are_kept_with_the_draft_until_the_first_question_is_asked(
    chat: ChatPage, allowing: ScriptedModel
) -> None:
    allowing.enqueue(reply("Yes."))
    tune(chat, "Be kind.", "0.3")
    chat.field.fill("Is it")
    chat.page.reload()
    expect(chat.field).to_have_value("Is it")
    expect(button(chat)).to_have_class(re.compile("tuned"))
    assert values(chat) == ("Be kind.", "0.3")
    chat.ask_and_wait("Is it?")
    assert allowing.exchanges[-1].body["messages"][0]["content"] == "Be brief.\n\nBe kind."
    assert allowing.exchanges[-1].body["temperature"] == 0.3
    chat.page.keyboard.press("Alt+Shift+o")
    assert values(chat) == ("", "")
    chat.page.reload()
    assert values(chat) == ("", "")


def test_instructions_that_are_typed_while_another_tab_deletes_the_conversation_are_those_of_the_new_one(
    chat: ChatPage, allowing: ScriptedModel
) -> None:
    allowing.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    chat.wait_saved()
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    button(chat).click()
    prompt = chat.page.get_by_role("dialog").get_by_role("textbox").first
    prompt.fill("Be")
    expect(titles(other)).to_have_count(1)
    titles(other).press("Delete")
    expect(chat.questions).to_have_count(0)
    prompt.fill("Be kind.")
    chat.page.keyboard.press("Escape")
    expect(button(chat)).to_have_class(re.compile("tuned"))
    assert values(chat) == ("Be kind.", "")
    chat.page.reload()
    assert values(chat) == ("Be kind.", "")


def test_a_first_question_in_one_tab_leaves_what_another_tab_has_chosen(
    chat: ChatPage, allowing: ScriptedModel
) -> None:
    allowing.enqueue(reply("Yes."))
    other = ChatPage(chat.page.context.new_page()).open()
    tune(chat, "Be kind.", "0.3")
    other.ask_and_wait("Is it?")
    assert allowing.exchanges[-1].body["messages"][0]["content"] == "Be brief."
    assert values(chat) == ("Be kind.", "0.3")
    chat.page.reload()
    assert values(chat) == ("Be kind.", "0.3")


def test_a_model_that_refuses_the_temperature_is_answered_by_its_name(
    chat: ChatPage, allowing: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 400")
    text = "Unsupported value: 'temperature' does not support 0.3 with this model."
    allowing.enqueue(refused(400, {"error": {"message": text, "param": "temperature", "code": "unsupported_value"}}))
    tune(chat, "", "0.3")
    chat.ask("Is it?")
    expect(chat.failure).to_contain_text("This model does not accept the temperature of this conversation.")


def test_a_wrong_value_is_named_and_the_one_before_is_kept(chat: ChatPage) -> None:
    tune(chat, "Be kind.", "1")
    dialog = chat.page.get_by_role("dialog", name="Adjust the answers")
    button(chat).click()
    chat.page.get_by_label("Temperature").fill("2.5")
    wrong = dialog.locator("input")
    problem = dialog.get_by_role("alert").filter(has_text="The temperature should be a number from 0 to 2, or empty.")
    right_edge = dialog.locator("textarea").evaluate("each => getComputedStyle(each).borderColor")
    expect(wrong).not_to_have_css("border-color", right_edge)
    assert problem.evaluate("each => each.previousElementSibling.id") == "sluice-temperature"  # beside its field
    chat.page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    expect(wrong).to_be_focused()
    # in a small window, it comes into view when it is new, and when the reader wants to leave
    chat.page.set_viewport_size(ZOOMED)
    for change in ("1", "2.5"):
        wrong.fill(change)
    expect(problem).to_be_visible()
    assert problem.evaluate(IS_ABOVE_FOOT)
    dialog.evaluate("each => each.scrollTo(0, 0)")
    dialog.get_by_role("button", name="Done").click()
    assert problem.evaluate(IS_ABOVE_FOOT)
    chat.page.keyboard.press("Escape")
    assert values(chat) == ("Be kind.", "1")
    button(chat).click()
    chat.page.get_by_label("Instructions for this conversation").fill("😀" * 101)
    expect(dialog.get_by_role("alert").filter(has_text="100 characters")).to_be_visible()
    chat.page.get_by_label("Temperature").fill("0.25")
    chat.page.keyboard.press("Escape")
    assert values(chat) == ("Be kind.", "0.25")


def test_what_cannot_be_kept_is_offered_again_in_its_conversation(chat: ChatPage, allowing: ScriptedModel) -> None:
    page = chat.page
    allowing.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    offer = page.locator("#sluice-undo")
    dialog = page.get_by_role("dialog", name="Adjust the answers")
    prompt, temperature = page.get_by_label("Instructions for this conversation"), page.get_by_label("Temperature")
    button(chat).click()
    prompt.fill("a" * 101)
    temperature.fill("2.5")
    page.keyboard.press("Escape")
    expect(offer).to_contain_text("The instructions are too long and were not kept.")
    # elsewhere, and after another dialog
    page.keyboard.press("Alt+Shift+o")
    assert values(chat) == ("", "")
    offer.get_by_role("button", name="Undo").click()
    expect(chat.questions).to_have_count(1)
    expect(prompt).to_have_value("a" * 101)
    expect(temperature).to_have_value("2.5")
    expect(dialog.get_by_role("alert").filter(has_text="100 characters")).to_be_visible()
    expect(offer).to_be_hidden()
    # what can be kept is kept
    prompt.fill("a" * 100)
    page.keyboard.press("Escape")
    expect(offer).to_contain_text("The temperature was not kept: it is no number from 0 to 2.")
    assert values(chat) == ("a" * 100, "")
    page.keyboard.press("Alt+Shift+z")
    expect(temperature).to_have_value("2.5")
    expect(prompt).to_have_value("a" * 100)
    # so is what is no number
    temperature.fill("")
    temperature.press_sequentially("1-2")
    page.keyboard.press("Escape")
    expect(offer).to_contain_text("The temperature was not kept: it is no number from 0 to 2.")
    page.keyboard.press("Alt+Shift+z")
    expect(temperature).to_have_value("1-2")
    # an input method's own digits and comma are a number
    temperature.fill("０，９")
    page.keyboard.press("ArrowUp")
    expect(temperature).to_have_value("1")
    page.keyboard.press("Enter")
    expect(offer).to_be_hidden()
    assert values(chat) == ("a" * 100, "1")
    # of a new conversation
    page.keyboard.press("Alt+Shift+o")
    button(chat).click()
    prompt.fill("b" * 101)
    dialog.click(position={"x": 1, "y": 1})  # the backdrop
    expect(dialog).to_be_hidden()
    titles(chat).click()
    expect(chat.questions).to_have_count(1)
    page.keyboard.press("Alt+Shift+z")
    expect(chat.questions).to_have_count(0)
    expect(prompt).to_have_value("b" * 101)


def test_the_dialog_works_by_keyboard_in_chinese_and_at_every_size_and_axe_finds_nothing(chat: ChatPage) -> None:
    page = chat.page
    expect(page.get_by_role("button", name="Add files")).to_be_enabled()
    chat.field.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(button(chat)).to_be_focused()
    page.keyboard.press("Enter")
    # The dialog is loaded when it is first opened.
    expect(page.locator("#sluice-tuning textarea")).to_be_focused()
    page.keyboard.type("Be kind.")
    page.keyboard.press("Tab")
    page.keyboard.type("0.5")
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += violations(page, "color-contrast")
    for size in (PHONE, ZOOMED):
        page.set_viewport_size(size)
        assert overflowing_elements(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("#sluice-tuning")).to_be_hidden()
    expect(button(chat)).to_be_focused()
    found += violations(page)
    assert overflowing_elements(page) == []
    chat.change_language("zh-CN")
    page.get_by_role("button", name="调整回答（已调整）").click()
    expect(page.get_by_role("dialog", name="调整回答")).to_be_visible()
    assert page.get_by_label("温度").input_value() == "0.5"
    found += violations(page)
    assert found == []


# The next page cannot read the list of conversations.
FAIL_ONCE: Final = """
    if (location.protocol !== "about:" && !sessionStorage.hasFailed) {
        sessionStorage.hasFailed = "yes";
        IDBObjectStore.prototype.getAll = () => { throw new DOMException("damaged", "UnknownError"); };
    }
"""


def test_instructions_and_a_title_that_are_being_typed_when_the_page_is_loaded_again_are_kept(
    chat: ChatPage, allowing: ScriptedModel
) -> None:
    allowing.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    chat.wait_saved()
    tune(chat, "Be brief.", "0.5")
    expect(button(chat)).to_have_class(re.compile("tuned"))
    button(chat).click()
    chat.page.get_by_label("Instructions for this conversation").fill("Be kind.")
    chat.page.get_by_label("Temperature").fill("")
    chat.page.reload()
    expect(chat.questions).to_have_count(1)
    expect(button(chat)).to_have_class(re.compile("tuned"))
    assert values(chat) == ("Be kind.", "")
    titles(chat).press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Better")
    chat.page.reload()
    expect(titles(chat)).to_have_text(["Better"])
    # also where the next page cannot read the list of conversations
    chat.page.add_init_script(FAIL_ONCE)
    titles(chat).press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Best")
    chat.page.reload()
    expect(chat.page.get_by_role("alert").filter(has_text="could not be read")).to_be_visible()
    chat.page.reload()
    expect(titles(chat)).to_have_text(["Best"])
    # what was not kept does not come back
    titles(chat).press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Worse")
    chat.page.keyboard.press("Escape")
    chat.page.reload()
    expect(chat.questions).to_have_count(1)
    expect(titles(chat)).to_have_text(["Best"])
    assert values(chat) == ("Be kind.", "")
    # also where the next pages have no room for it
    chat.page.add_init_script(f"if (location.protocol !== 'about:' && !sessionStorage.room) ({FILL_STORAGE})()")
    full = chat.page.get_by_role("alert").filter(has_text="storage is full")
    titles(chat).press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Typed")
    for _ in range(2):
        chat.page.reload()
        expect(full).to_be_visible()
        expect(titles(chat)).to_have_text(["Typed"])
    titles(chat).press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Entered")
    chat.page.keyboard.press("Enter")
    act(chat, "Entered", "Pin")
    chat.page.evaluate("sessionStorage.room = 1")
    for _ in range(2):
        chat.page.reload()
        expect(titles(chat)).to_have_text(["Entered"])
        expect(chat.page.get_by_role("heading", name="Pinned")).to_be_visible()
        chat.page.wait_for_function("() => localStorage.getItem('sluice.left') === null")
    expect(full).to_have_count(0)
