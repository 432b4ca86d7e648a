"""Editing questions, regenerating and continuing answers, deleting and copying exchanges."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, said, stalling_after

# Whether a line separates an item of a menu from those above it.
LINE_ABOVE = "each => getComputedStyle(each, '::before').content !== 'none'"


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def contents_sent(model: ScriptedModel, number: int) -> list[str]:
    """Return the contents of the messages in the model's `number`th request."""
    return [each["content"] for each in model.wait_for_request(number).body["messages"]]


def test_regenerate_keeps_the_first_answer_as_a_version(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("Tell me")
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.prose).to_have_text("Two.")
    assert contents_sent(model, 2)[-1] == "Tell me"
    assert "One." not in contents_sent(model, 2)
    versions = chat.answer.get_by_role("group", name="Versions of this answer")
    expect(versions).to_contain_text("2 / 2")
    previous = versions.get_by_role("button", name="Previous version")
    previous.click()
    expect(chat.prose).to_have_text("One.")
    expect(chat.status).to_have_text("Version 1 of 2")
    # A second press does nothing: it is not the way back.
    expect(previous).to_be_disabled()
    expect(previous).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(versions).to_contain_text("1 / 2")
    chat.page.reload()
    expect(chat.prose).to_have_text("One.")
    expect(versions).to_contain_text("1 / 2")


def test_an_edited_question_is_a_branch_next_to_the_original(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Three."), reply("Four."))
    for question in ("First", "Second", "Third"):
        chat.ask_and_wait(question)
    exchange = chat.page.locator(".exchange").nth(1)
    exchange.get_by_role("button", name="Edit").click()
    field = exchange.get_by_role("textbox", name="Edit your question")
    expect(field).to_be_focused()
    field.fill("Second, edited")
    field.press("Enter")
    chat.wait_complete()
    expect(chat.questions).to_have_text(["First", "Second, edited"])
    assert contents_sent(model, 4)[-3:] == ["First", "One.", "Second, edited"]
    chat.page.get_by_role("group", name="Versions of this question").get_by_role(
        "button", name="Previous version"
    ).click()
    expect(chat.questions).to_have_text(["First", "Second", "Third"])
    expect(chat.prose).to_have_text("Three.")


def test_escape_cancels_the_editing_of_a_question_which_can_be_undone(chat: ChatPage, model: ScriptedModel) -> None:
    chat.ask_and_wait("First")
    edit = chat.page.get_by_role("button", name="Edit")
    edit.click()
    field = chat.page.get_by_role("textbox", name="Edit your question")
    field.press("Escape")
    expect(edit).to_be_focused()
    expect(chat.page.locator("#sluice-undo")).to_be_hidden()  # nothing was changed
    edit.click()
    field.fill("Something else")
    field.press("Escape")
    expect(chat.questions).to_have_text(["First"])
    expect(edit).to_be_focused()
    discarded = "Changes to the question discarded."
    expect(chat.status).to_have_text(f"{discarded} Undo with Alt+Shift+Z.")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(field).to_have_value("Something else")
    expect(field).to_be_focused()
    # over another edit, which can be undone as well
    chat.page.get_by_role("button", name="Cancel").click()
    edit.click()
    expect(field).to_have_value("First")
    field.fill("Another")
    aside = "Restored. Your other changes were put aside."
    chat.page.get_by_role("button", name="Undo").click()
    expect(field).to_have_value("Something else")
    expect(field).to_be_focused()
    expect(chat.status).to_have_text(f"{aside} Undo with Alt+Shift+Z.")
    expect(chat.page.locator("#sluice-undo > span")).to_have_text(aside)
    field.press("Alt+Shift+z")
    expect(field).to_have_value("Another")
    # in another conversation: back to the one with the question
    field.press("Escape")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(chat.questions).to_have_count(0)
    chat.page.keyboard.press("Alt+Shift+z")
    expect(field).to_have_value("Another")
    expect(chat.page.locator(".conversation a[aria-current]")).to_have_text("First")


def test_an_undone_edit_loses_no_other_one_and_is_shown_with_its_version(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    edit = chat.page.get_by_role("button", name="Edit question")
    field = chat.page.get_by_role("textbox", name="Edit your question")
    edit.click()
    field.fill("First, edited")
    field.press("Enter")
    expect(chat.prose).to_have_text("Two.")
    chat.wait_complete()
    edit.click()
    field.fill("Cancelled")
    field.press("Escape")
    # another version is shown
    chat.page.get_by_role("button", name="Previous version").click()
    expect(chat.questions).to_have_text(["First"])
    chat.page.keyboard.press("Alt+Shift+z")
    expect(field).to_have_value("Cancelled")
    expect(field).to_be_focused()
    expect(chat.prose).to_have_text("Two.")
    # another edit of it waits in its editor, in another conversation
    field.press("Escape")
    edit.click()
    field.fill("Waiting")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.keyboard.press("Alt+Shift+z")
    expect(field).to_have_value("Cancelled")
    expect(chat.status).to_have_text("Restored. Your other changes were put aside. Undo with Alt+Shift+Z.")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(field).to_have_value("Waiting")


def test_an_answer_cut_at_its_length_limit_can_be_continued(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("The first half", finish="length"), reply(" and the second."))
    chat.ask("Tell me")
    expect(chat.status).to_have_text("The answer reached the model's length limit.")
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.prose).to_have_text("The first half and the second.")
    chat.wait_complete()
    expect(chat.answer.get_by_role("button", name="Continue")).to_have_count(0)
    assert contents_sent(model, 2)[-3:-1] == ["Tell me", "The first half"]
    assert "last answer stopped" in contents_sent(model, 2)[-1]
    expect(chat.answers).to_have_count(1)


def test_the_end_of_an_answer_is_announced_as_what_it_was(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Half", finish="content_filter"), reply(""), reply("Whole."))
    for announced in ("The model provider's content filter stopped this answer.", "The model sent an empty answer."):
        chat.ask("Tell me")
        expect(chat.status).to_contain_text(announced)
        expect(chat.answer.locator(".note")).to_contain_text(announced)
    chat.ask("Tell me")
    expect(chat.status).to_have_text("Answer complete")


def test_a_stopped_answer_can_be_continued_and_retried_without_loss(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as"), stalling_after(" this"), reply("Whole."))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as")
    chat.send_button.click()
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.prose).to_have_text("As far as this")
    chat.send_button.click()
    chat.retry_button.click()
    expect(chat.prose).to_have_text("Whole.")
    chat.answer.get_by_role("button", name="Previous version").click()
    expect(chat.prose).to_have_text("As far as this")


def test_a_deleted_exchange_is_not_sent_and_can_be_restored(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(*(reply(f"{number}.") for number in ("One", "Two", "Three", "Four", "Five", "Six")))
    for question in ("First", "Second", "Third"):
        chat.ask_and_wait(question)
    chat.choose_action("Delete question and answer", 1)
    expect(chat.questions).to_have_text(["First", "Third"])
    expect(chat.status).to_have_text("Question and answer deleted. Undo with Alt+Shift+Z.")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.go_back()
    expect(chat.questions).to_have_text(["First", "Third"])
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.questions).to_have_text(["First", "Second", "Third"])
    chat.choose_action("Delete question and answer", 1)
    chat.choose_action("Delete question and answer", 1)
    expect(chat.questions).to_have_text(["First"])
    chat.ask_and_wait("Fourth")
    assert contents_sent(model, 4)[-3:] == ["First", "One.", "Fourth"]
    # the next question does not end the offer, and follows what is restored
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.questions).to_have_text(["First", "Third", "Fourth"])
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.questions).to_have_text(["First", "Second", "Third", "Fourth"])
    chat.choose_action("Delete question and answer", 1)
    chat.ask_and_wait("Fifth")
    chat.ask_and_wait("Sixth")
    assert contents_sent(model, 6)[-5:] == ["Fourth", "Four.", "Fifth", "Five.", "Sixth"]
    chat.page.reload()
    expect(chat.questions).to_have_text(["First", "Third", "Fourth", "Fifth", "Sixth"])


def test_deleting_one_of_several_versions_says_so(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Another."))
    chat.ask_and_wait("First")
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.prose).to_have_text("Another.")
    chat.wait_complete()
    chat.answer.get_by_role("button", name="More actions").click()
    alone = chat.page.get_by_role("menuitem")
    expect(alone).to_have_text("Delete this version")
    assert alone.evaluate(LINE_ABOVE) is False
    chat.page.keyboard.press("Escape")
    chat.page.get_by_role("button", name="Actions for “First”").click()
    assert chat.page.get_by_role("menuitem", name="Delete").evaluate(LINE_ABOVE) is True
    chat.page.keyboard.press("Escape")
    chat.choose_action("Delete this version")
    expect(chat.prose).to_have_text("One.")
    expect(chat.page.locator("#sluice-undo")).to_contain_text("Version deleted.")


def test_deleting_an_answer_shows_another_one_to_the_same_question(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Edited."), reply("Two."))
    chat.ask_and_wait("Base")
    chat.page.get_by_role("button", name="Edit").click()
    field = chat.page.get_by_role("textbox", name="Edit your question")
    field.fill("Base, edited")
    field.press("Enter")
    chat.wait_complete()
    expect(chat.prose).to_have_text("Edited.")
    chat.page.get_by_role("button", name="Previous version").click()
    expect(chat.prose).to_have_text("One.")
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.prose).to_have_text("Two.")
    chat.wait_complete()
    chat.choose_action("Delete this version")
    expect(chat.questions).to_have_text(["Base"])
    expect(chat.prose).to_have_text("One.")
    chat.wait_saved()
    chat.page.reload()
    expect(chat.questions).to_have_text(["Base"])
    chat.page.get_by_role("button", name="Next version").click()
    expect(chat.prose).to_have_text("Edited.")


def test_deleting_the_only_exchange_deletes_its_conversation(chat: ChatPage) -> None:
    chat.ask_and_wait("First")
    chat.choose_action("Delete question and answer")
    expect(chat.page.locator(".conversation")).to_have_count(0)
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.questions).to_have_text(["First"])
    expect(chat.field).to_be_focused()


def test_copy_copies_the_source_of_question_and_answer(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.enqueue(reply("It is **bold**."))
    chat.ask_and_wait("Is *this* bold?")
    chat.page.get_by_role("button", name="Copy question").click()
    expect(chat.status).to_have_text("Copied")
    assert chat.page.evaluate("() => navigator.clipboard.readText()") == "Is *this* bold?"
    chat.status.evaluate("status => status.replaceChildren()")
    chat.page.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    assert chat.page.evaluate("() => navigator.clipboard.readText()") == "It is **bold**."


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_an_answer_can_be_copied_over_plain_http(browser_page: Page, model: ScriptedModel) -> None:
    browser_page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });")
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("It is **bold**."))
    chat.ask_and_wait("Is it?")
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    chat.field.press("Control+v")
    expect(chat.field).to_have_value("It is **bold**.")


def test_no_other_question_can_be_asked_while_an_answer_is_running(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue(reply("One."), (*said("Two"), gate, *finished()))
    chat.ask_and_wait("First")
    chat.ask("Second")
    expect(chat.prose).to_have_text("Two")
    # in their places, so that nothing has a hole, but out of reach of pointer and keyboard
    row = chat.answers.first.locator(".actions")
    row.hover()
    for button, opacity in ((".copy-answer", "1"), (".regenerate", "0.4"), (".more", "0.4"), (".show-details", "1")):
        expect(row.locator(button)).to_have_css("opacity", opacity)
    for button in (".regenerate", ".more"):
        row.locator(button).evaluate("each => each.focus()")
        expect(row.locator(button)).not_to_be_focused()
    chat.page.get_by_role("button", name="Copy answer").focus()
    for _ in range(8):
        chat.page.keyboard.press("Tab")
        expect(chat.page.locator(".when-idle:focus, .when-idle :focus")).to_have_count(0)
    gate.open()
    chat.wait_complete()
    expect(chat.page.locator(".when-idle")).not_to_have_count(0)
    expect(chat.page.locator(".when-idle[inert]")).to_have_count(0)


def test_an_edited_question_cannot_be_asked_while_an_answer_is_running(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue(reply("One."), (*said("Two"), gate, *finished()), reply("Edited."))
    chat.ask_and_wait("First")
    chat.questions.hover()
    chat.page.get_by_role("button", name="Edit").click()
    editor = chat.page.get_by_role("textbox", name="Edit your question")
    editor.fill("First, edited")
    chat.ask("Second")
    expect(chat.prose).to_have_text("Two")
    editor.press("Enter")
    expect(editor).to_have_value("First, edited")
    expect(chat.page.locator(".ask-again")).to_have_attribute("inert", "")
    gate.open()
    chat.wait_complete()
    editor.press("Enter")
    expect(chat.questions).to_have_text(["First, edited"])
    expect(chat.prose).to_have_text("Edited.")
    expect(chat.field).to_be_focused()


def test_an_unsent_edit_survives_leaving_reload_and_undo(chat: ChatPage, model: ScriptedModel) -> None:
    editor = chat.page.get_by_role("textbox", name="Edit your question")

    def open_conversation(title: str) -> None:
        chat.page.locator(".conversation a", has_text=title).click()
        expect(chat.page.locator(".conversation a[aria-current]")).to_have_text(title)

    chat.ask_and_wait("First")
    chat.ask_and_wait("And on")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    open_conversation("First")
    chat.questions.first.hover()
    chat.page.get_by_role("button", name="Edit").first.click()
    editor.press("End")
    editor.type(", edited")
    open_conversation("Second")
    expect(editor).to_have_count(0)
    open_conversation("First")
    expect(editor).to_have_value("First, edited")
    expect(editor).not_to_be_focused()
    chat.page.reload()
    expect(editor).to_have_value("First, edited")

    chat.page.get_by_role("button", name="Actions for “First”").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(editor).to_have_count(0)
    expect(chat.page.get_by_role("button", name="Undo")).to_be_visible()  # offered after the deletion
    assert "edited" not in chat.page.evaluate("JSON.stringify(localStorage)")
    chat.page.get_by_role("button", name="Undo").click()
    expect(editor).to_have_value("First, edited")

    editor.press("Enter")
    chat.wait_complete()
    expect(chat.questions).to_have_text(["First, edited"])
    chat.page.get_by_role("button", name="Previous version").click()
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(editor).to_have_count(0)


def test_a_cancelled_edit_stays_cancelled_after_a_reload(chat: ChatPage) -> None:
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="Edit").click()
    editor = chat.page.get_by_role("textbox", name="Edit your question")
    editor.fill("Something else")
    editor.press("Escape")
    chat.page.reload()
    expect(chat.questions).to_have_text(["First"])
    expect(editor).to_have_count(0)


def test_an_unsent_edit_survives_regenerate(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="Edit").click()
    editor = chat.page.get_by_role("textbox", name="Edit your question")
    editor.fill("First, edited")
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.prose).to_have_text("Two.")
    expect(editor).to_have_value("First, edited")
