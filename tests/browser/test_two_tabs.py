"""Two tabs of one browser: changes are synchronised, and no tab loses the other's changes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, said, stalling_after

# The pixels between the button of the open menu and the menu.
GAP_BELOW = """() => document.querySelector(".menu").getBoundingClientRect().top
    - document.querySelector("[aria-expanded=true].more").getBoundingClientRect().bottom"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page in the first tab."""
    return ChatPage(browser_page).open()


def another_tab(chat: ChatPage, **configuration: object) -> ChatPage:
    """Open the address of the first tab in a second one."""
    other = ChatPage(chat.page.context.new_page())
    if configuration:
        other.configure(**configuration)
    other.page.goto(chat.page.url)
    return other


def expect_stored(chat: ChatPage, text: str) -> None:
    """Wait until the browser has a draft with this text."""
    chat.page.wait_for_function(
        """(text) => Object.entries(localStorage)
            .some(([key, value]) => key.includes(".draft.1.") && (value === text || value.includes(`:"${text}"`)))""",
        arg=text,
    )


def test_an_answer_grows_and_ends_in_another_tab(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue(reply("One."), (*said("As far as this"), gate, *said(" and on."), *finished()))
    chat.ask_and_wait("First")
    other = another_tab(chat)
    expect(other.prose).to_have_text("One.")
    other.load_rest()
    other.answer.get_by_role("button", name="Regenerate").focus()
    chat.ask("Second")
    expect(other.questions).to_have_text(["First", "Second"])
    expect(other.field).to_be_focused()  # what had the focus cannot be used now
    expect(other.prose).to_have_text("As far as this")
    expect(other.failure).to_have_count(0)
    gate.open()
    expect(other.prose).to_have_text("As far as this and on.")
    expect(other.answer.get_by_role("button", name="Regenerate")).to_be_visible()


def test_simultaneous_questions_of_two_tabs_become_branches(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before both ends")
    model.enqueue(reply("One."), (*said("From here."), gate, *finished()), (*said("From there."), gate, *finished()))
    chat.ask_and_wait("First")
    other = another_tab(chat)
    expect(other.prose).to_have_text("One.")
    chat.wait_saved()
    # neither tab knows of the other's question
    other.page.evaluate("() => { BroadcastChannel.prototype.postMessage = () => undefined; }")
    chat.page.evaluate("() => { BroadcastChannel.prototype.postMessage = () => undefined; }")
    chat.ask("Here")
    expect(chat.prose).to_have_text("From here.")
    other.ask("There")
    expect(other.prose).to_have_text("From there.")
    gate.open()
    chat.wait_complete()
    other.wait_complete()
    chat.wait_saved()  # no message tells the other tab of a later write
    other.page.reload()
    versions = other.page.get_by_role("group", name="Versions of this question")
    expect(versions).to_contain_text("/ 2")  # the last write decides which version is shown
    next_one = versions.get_by_role("button", name="Next version")
    if next_one.is_enabled():
        next_one.click()
    expect(other.prose).to_have_text("From there.")
    versions.get_by_role("button", name="Previous version").click()
    expect(other.prose).to_have_text("From here.")


def test_an_answer_of_a_closed_tab_can_be_continued_in_another(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    chat.configure(resumable=False)
    chat.open()
    model.enqueue(stalling_after("As far as this"), reply(" and on."))
    other = another_tab(chat, resumable=False)
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    other.page.get_by_role("link", name="Tell me").click()
    expect(other.prose).to_have_text("As far as this")
    expect(other.failure).to_have_count(0)
    chat.page.close()
    expect(other.failure).to_contain_text("The page was closed before this answer was complete.")
    other.answer.get_by_role("button", name="Continue").click()
    expect(other.prose).to_have_text("As far as this and on.")


def test_the_end_of_an_answer_is_shown_although_no_message_arrived(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    other = another_tab(chat)
    expect(other.prose).to_have_text("As far as this")
    # as when a tab closes: the end is in the database, but no message is sent
    chat.page.evaluate("() => { BroadcastChannel.prototype.postMessage = () => undefined; }")
    gate.open()
    expect(other.prose).to_have_text("As far as this and on.")
    expect(other.answer.get_by_role("button", name="Regenerate")).to_be_visible()


def test_the_list_follows_changes_of_another_tab(chat: ChatPage) -> None:
    other = another_tab(chat)
    chat.ask_and_wait("First")
    title = other.page.locator(".conversation a")
    expect(title).to_have_text(["First"])
    title.press("F2")
    other.page.get_by_role("textbox", name="Title").fill("Better")
    other.page.keyboard.press("Enter")
    expect(chat.page.locator(".conversation a")).to_have_text(["Better"])
    chat.ask_and_wait("And on")  # must not restore the old title
    expect(title).to_have_text(["Better"])


def test_a_title_that_is_being_typed_comes_back_with_the_conversation_that_another_tab_deletes(
    chat: ChatPage,
) -> None:
    chat.ask_and_wait("First")
    chat.wait_saved()
    other = another_tab(chat)
    other.wait_shown()
    titles = chat.page.locator(".conversation a")
    titles.press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Better")
    other.page.locator(".conversation a").press("Delete")
    expect(titles).to_have_count(0)
    other.page.get_by_role("button", name="Undo").click()
    for tab in (chat, other):
        expect(tab.page.locator(".conversation a")).to_have_text(["Better"])
    # what was given up does not come back
    titles.press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Worse")
    chat.page.keyboard.press("Escape")
    other.page.locator(".conversation a").press("Delete")
    expect(titles).to_have_count(0)
    other.page.get_by_role("button", name="Undo").click()
    for tab in (chat, other):
        expect(tab.page.locator(".conversation a")).to_have_text(["Better"])


def ask_beside_another_tab(chat: ChatPage, *, is_old: bool) -> ChatPage:
    """Ask "First" in a conversation that the returned tab shows, too, and "Second" in another one.

    Args:
        chat: The first tab.
        is_old: Whether its browser cannot move an element with its focus.
    """
    if is_old:
        chat.page.evaluate("() => { delete Element.prototype.moveBefore; }")
    chat.ask_and_wait("First")
    chat.wait_saved()
    other = another_tab(chat)
    other.wait_shown()
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    return other


@pytest.mark.parametrize("is_old", [False, True])
def test_a_title_can_be_typed_while_another_tab_moves_its_conversation_in_the_list(
    chat: ChatPage, is_old: bool
) -> None:
    other = ask_beside_another_tab(chat, is_old=is_old)
    titles = chat.page.locator(".conversation a")
    expect(titles).to_have_text(["Second", "First"])
    titles.last.press("F2")
    field = chat.page.get_by_role("textbox", name="Title")
    field.fill("Ber")
    field.press("ArrowLeft")
    other.ask_and_wait("And on")
    expect(other.page.locator(".conversation a")).to_have_text(["First", "Second"])
    expect(chat.page.locator(".conversation").first).to_have_class("conversation")
    expect(chat.page.locator(".conversation").last).to_contain_text("Second")
    expect(field).to_be_focused()
    chat.page.keyboard.type("tte")
    chat.page.keyboard.press("Enter")
    expect(titles).to_have_text(["Better", "Second"])


@pytest.mark.parametrize("is_old", [False, True])
def test_an_open_menu_goes_along_with_its_title_in_the_list_and_closes_with_it(chat: ChatPage, is_old: bool) -> None:
    other = ask_beside_another_tab(chat, is_old=is_old)
    titles, menu = chat.page.locator(".conversation a"), chat.page.get_by_role("menu")
    expect(titles).to_have_text(["Second", "First"])
    chat.page.get_by_role("button", name="Actions for “Second”").click()
    rename = menu.get_by_role("menuitem", name="Rename")
    expect(menu.get_by_role("menuitem").first).to_be_focused()  # its part of the page is loaded
    chat.page.keyboard.press("ArrowDown")
    expect(rename).to_be_focused()
    gap = chat.page.evaluate(GAP_BELOW)
    other.ask_and_wait("And on")
    expect(titles).to_have_text(["First", "Second"])
    assert chat.page.evaluate(GAP_BELOW) == gap
    other.page.get_by_role("link", name="Second").click()
    other.ask_and_wait("Third")
    expect(titles).to_have_text(["Second", "First"])  # now it was moved itself
    expect(menu).to_be_visible()
    assert chat.page.evaluate(GAP_BELOW) == gap
    expect(rename).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("textbox", name="Title")).to_have_value("Second")
    chat.page.keyboard.press("Escape")
    expect(titles.first).to_be_focused()
    chat.page.get_by_role("button", name="Actions for “First”").click()
    expect(menu).to_be_visible()
    other.page.locator(".conversation a").last.press("Delete")
    expect(titles).to_have_text(["Second"])
    expect(menu).to_have_count(0)
    expect(chat.field).to_be_focused()


def type_in_two_tabs(chat: ChatPage) -> ChatPage:
    """Type "From here" and, in the tab that is returned, "From there" in the same conversation."""
    chat.ask_and_wait("First")
    chat.wait_saved()
    other = another_tab(chat)
    other.wait_shown()
    chat.field.fill("From here")
    expect_stored(chat, "From here")
    other.field.fill("From there")
    expect_stored(other, "From there")
    return other


def delete_and_undo(chat: ChatPage, other: ChatPage) -> None:
    """Delete the conversation of `type_in_two_tabs` and undo that: each tab has its own text again."""
    chat.page.locator(".conversation a").press("Delete")
    expect(other.field).to_have_value("From there")
    expect(other.questions).to_have_count(0)
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.field).to_have_value("From here")
    expect(other.field).to_have_value("")
    other.page.locator(".conversation a").click()
    expect(other.field).to_have_value("From there")


def test_what_is_typed_in_two_tabs_of_one_conversation_is_kept(chat: ChatPage) -> None:
    other = type_in_two_tabs(chat)
    # a tab has its own text when it returns to the conversation, and over a reload
    for tab, text in ((chat, "From here"), (other, "From there"), (chat, "From here")):
        tab.page.get_by_role("button", name="New conversation").first.click()
        expect(tab.field).to_have_value("")
        tab.page.locator(".conversation a").click()
        expect(tab.field).to_have_value(text)
        tab.page.reload()
        tab.wait_shown()
        expect(tab.field).to_have_value(text)
    # the text of a closed tab is offered by the next one
    other.field.fill("From there, more")
    other.page.goto("about:blank")
    third = another_tab(chat)
    expect(third.field).to_have_value("From here\n\nFrom there, more")
    # a sent text is gone, and no other
    chat.ask_and_wait("From here, sent")
    chat.page.reload()
    expect(chat.field).to_have_value("From there, more")


def test_what_is_typed_in_two_tabs_comes_back_with_the_conversation_that_one_of_them_deletes(chat: ChatPage) -> None:
    other = type_in_two_tabs(chat)
    delete_and_undo(chat, other)
    expect(another_tab(chat).field).to_have_value("From there\n\nFrom here")


def test_what_a_tab_has_typed_returns_to_it_where_the_deleting_tab_did_not_know_of_it(chat: ChatPage) -> None:
    """The storage of one tab learns of another's writing a moment later."""
    other = type_in_two_tabs(chat)
    chat.page.evaluate("""() => {
        const { getItem } = Storage.prototype;
        Storage.prototype.getItem = function (key) {
            const value = getItem.call(this, key);
            return value?.includes("From there") ? "From here" : value;
        };
        const { postMessage } = BroadcastChannel.prototype;
        BroadcastChannel.prototype.postMessage = function (message) {
            setTimeout(() => postMessage.call(this, message), 200);
        };
    }""")
    delete_and_undo(chat, other)


def test_a_duplicated_tab_keeps_what_is_typed_in_the_first_one(chat: ChatPage) -> None:
    other = another_tab(chat)
    chat.field.fill("From here")
    expect_stored(chat, "From here")
    other.field.fill("From there")
    expect_stored(other, "From there")
    duplicate = another_tab(chat)
    session = other.page.evaluate("Object.entries(sessionStorage)")
    duplicate.page.evaluate("(all) => all.forEach(([name, value]) => sessionStorage.setItem(name, value))", session)
    duplicate.page.reload()
    expect(duplicate.field).to_have_value("From there")
    duplicate.field.fill("From there, more")
    expect_stored(chat, "From there, more")
    other.field.fill("From there, otherwise")
    expect_stored(chat, "From there, otherwise")
    expect_stored(chat, "From there, more")
    expect_stored(chat, "From here")


def test_a_conversation_deleted_in_another_tab_is_reported(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    other = another_tab(chat)
    expect(other.prose).to_have_text("As far as this")
    other.page.get_by_role("link", name="Tell me").press("Delete")
    expect(chat.page.get_by_role("alert")).to_have_text("This conversation was deleted elsewhere.")
    expect(chat.questions).to_have_count(0)
    model.wait_idle()
    expect(chat.page.locator(".conversation")).to_have_count(0)
    other.page.get_by_role("button", name="Undo").click()
    expect(other.prose).to_have_text("As far as this")
    expect(chat.page.locator(".conversation a")).to_have_text(["Tell me"])


def test_the_open_edit_of_a_question_that_another_tab_deletes_goes_to_the_message_box(chat: ChatPage) -> None:
    for question in ("First", "Second", "Third"):
        chat.ask_and_wait(question)
    chat.wait_saved()
    other = another_tab(chat)
    other.wait_shown()
    editor = chat.page.locator(".question-editor textarea")
    for index, edit in ((1, "Better"), (2, "Best")):
        chat.page.locator(".exchange").nth(index).get_by_role("button", name="Edit").click()
        editor.last.fill(edit)
    chat.field.fill("My draft")
    editor.last.focus()
    notice = chat.page.get_by_role("alert").filter(has_text="A question was deleted elsewhere.")
    expect(notice).to_have_count(0)
    other.choose_action("Delete question and answer", 2)
    expect(chat.field).to_have_value("My draft\n\nBest")
    expect(chat.field).to_be_focused()
    expect(notice).to_be_visible()
    expect(editor).to_have_value("Better")
    other.choose_action("Delete question and answer", 1)
    expect(chat.field).to_have_value("My draft\n\nBest\n\nBetter")
    undo = other.page.get_by_role("button", name="Undo")
    undo.click()
    expect(editor).to_have_value("Better")
    expect(chat.field).to_have_value("My draft\n\nBest")
    undo.click()
    expect(editor).to_have_count(2)
    expect(editor.last).to_have_value("Best")
    expect(chat.field).to_have_value("My draft")
    # a message that was changed since stays
    other.choose_action("Delete question and answer", 2)
    expect(chat.field).to_have_value("My draft\n\nBest")
    chat.field.press("End")
    chat.field.press_sequentially("!")
    undo.click()
    expect(chat.questions).to_have_count(3)
    expect(editor).to_have_count(1)
    chat.page.reload()
    expect(chat.field).to_have_value("My draft\n\nBest!")
    expect(editor).to_have_value("Better")


def test_an_open_edit_stays_in_its_tab_when_another_one_regenerates_the_answer(chat: ChatPage) -> None:
    for question in ("First", "Second"):
        chat.ask_and_wait(question)
    chat.wait_saved()
    other = another_tab(chat)
    other.wait_shown()
    other.load_rest()
    editor = chat.page.locator(".question-editor textarea")
    chat.page.locator(".exchange").last.get_by_role("button", name="Edit").click()
    editor.fill("Better")
    expect_stored(other, "Better")
    answers = other.answer.get_by_role("group", name="Versions of this answer")
    other.answer.get_by_role("button", name="Regenerate").click()
    expect(answers).to_contain_text("2 / 2")
    other.wait_complete()
    opened = other.page.locator(".question-editor")
    expect(opened).to_have_count(0)
    expect(editor).to_have_value("Better")
    other.wait_saved()
    chat.page.reload()  # which shows the new answer
    chat.wait_shown()
    expect(editor).to_have_count(0)
    chat.answer.get_by_role("button", name="Previous version").click()
    expect(editor).to_have_value("Better")
    # its own goes to the new answer
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.answer.get_by_role("group", name="Versions of this answer")).to_contain_text("3 / 3")
    chat.wait_complete()
    expect(editor).to_have_value("Better")


def test_an_edit_that_two_tabs_show_closes_in_both_when_one_asks_it(chat: ChatPage) -> None:
    for question in ("First", "Second"):
        chat.ask_and_wait(question)
    chat.wait_saved()
    editor = chat.page.locator(".question-editor textarea")
    for index, edit in enumerate(("Mine", "Better")):
        chat.page.locator(".exchange").nth(index).get_by_role("button", name="Edit").click()
        editor.last.fill(edit)
    expect_stored(chat, "Better")
    other = another_tab(chat)
    other.wait_shown()
    opened = other.page.locator(".question-editor textarea")
    expect(opened).to_have_count(2)
    opened.first.fill("Mine, and changed")
    expect_stored(chat, "Mine, and changed")
    editor.last.press("Enter")
    expect(chat.questions.last).to_have_text("Better")
    expect(other.page.get_by_role("group", name="Versions of this question")).to_contain_text("/ 2")
    expect(opened).to_have_count(1)
    expect(opened).to_have_value("Mine, and changed")
    chat.wait_complete()
    # what was changed in this tab stays there
    editor.press("Enter")
    expect(chat.questions.first).to_have_text("Mine")
    expect(other.page.get_by_role("group", name="Versions of this question")).to_have_count(2)
    expect(opened).to_have_value("Mine, and changed")


def test_an_edit_that_two_tabs_show_closes_in_both_when_one_cancels_it(chat: ChatPage) -> None:
    chat.ask_and_wait("First")
    chat.wait_saved()
    editor = chat.page.locator(".question-editor textarea")
    chat.page.locator(".exchange").get_by_role("button", name="Edit").click()
    editor.fill("Bet")
    expect_stored(chat, "Bet")
    other = another_tab(chat)
    opened = other.page.locator(".question-editor textarea")
    expect(opened).to_have_value("Bet")
    editor.fill("Better")
    expect_stored(chat, "Better")
    editor.press("Escape")
    expect(opened).to_have_count(0)
    expect(other.questions).to_have_text("First")
    # what was changed in this tab stays there
    chat.page.get_by_role("button", name="Undo").click()
    expect(editor).to_have_value("Better")
    expect_stored(chat, "Better")
    other.page.reload()
    opened.fill("Mine")
    expect_stored(other, "Mine")
    editor.press("Escape")
    expect(editor).to_have_count(0)
    chat.ask_and_wait("Second")  # the other tab then shows the conversation again
    expect(other.questions).to_have_text(["First", "Second"])
    expect(opened).to_have_value("Mine")


def test_a_conversation_deleted_in_another_tab_is_not_partly_restored(chat: ChatPage, model: ScriptedModel) -> None:
    chat.ask_and_wait("Tell me")
    chat.wait_saved()
    other = another_tab(chat)
    other.page.evaluate("() => { BroadcastChannel.prototype.postMessage = () => undefined; }")
    other.page.get_by_role("link", name="Tell me").press("Delete")
    expect(other.page.locator(".conversation")).to_have_count(0)
    chat.ask("And on")  # no message arrived; it learns of the deletion from the database
    expect(chat.page.get_by_role("alert")).to_have_text("This conversation was deleted elsewhere.")
    model.wait_idle()
    chat.page.reload()
    expect(chat.page.get_by_text("Your conversations appear here")).to_be_visible()
    expect(chat.page.locator(".conversation")).to_have_count(0)
