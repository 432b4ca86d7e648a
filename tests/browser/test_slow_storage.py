"""Between choosing a conversation and its being read, everything the reader does belongs to the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, finished, reply, said, stalling_after

from .held_requests import HeldRequests
from .slow_reads import SlowReads, expect_read, expect_reading
from .test_conversations import act, converse, titles

NOT_DONE: Final = (
    "The browser's storage failed: conversations could not be read or deleted. Try again, or reload the page."
)


@pytest.fixture
def reads(browser_page: Page) -> SlowReads:
    """Return the control of the page's database reads."""
    return SlowReads(browser_page)


@pytest.fixture
def chat(browser_page: Page, reads: SlowReads, model: ScriptedModel) -> ChatPage:
    """Return the page, which shows the second of two conversations, "First" and "Second"."""
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "First", "Second")
    chat.wait_saved()
    return chat


def click(chat: ChatPage) -> None:
    titles(chat).last.click()


def press_enter(chat: ChatPage) -> None:
    titles(chat).last.press("Enter")


def go_back(chat: ChatPage) -> None:
    chat.page.evaluate("() => { history.back(); }")
    expect(titles(chat).last).to_have_attribute("aria-current", "page")


def follow_link(chat: ChatPage) -> None:
    address = titles(chat).last.get_attribute("href")
    chat.page.evaluate("address => { location.href = address; }", address)
    expect(titles(chat).last).to_have_attribute("aria-current", "page")


def contents_sent(model: ScriptedModel, number: int) -> list[str]:
    """Return the contents of the messages in the model's `number`th request."""
    return [each["content"] for each in model.wait_for_request(number).body["messages"]]


@pytest.mark.parametrize("choose", [click, press_enter, go_back, follow_link])
def test_a_message_sent_before_the_chosen_conversation_is_read_belongs_to_it(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel, choose: Callable[[ChatPage], None]
) -> None:
    reads.hold()
    choose(chat)
    model.enqueue(reply("Three."))
    chat.ask("And on")
    expect_reading(chat.page)
    expect(chat.questions).to_have_count(0)
    expect(titles(chat).last).to_have_attribute("aria-current", "page")
    expect(chat.page).to_have_title("First · Sluice")
    expect(chat.field).to_have_value("And on")
    expect(chat.field).not_to_be_editable()
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(chat.prose).to_have_text("Three.")
    expect(chat.field).to_have_value("")
    assert contents_sent(model, 3)[-3:] == ["First", "One.", "And on"]
    expect_read(chat.page)
    chat.page.reload()
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(chat.field).to_have_value("")


def test_the_click_on_a_conversation_chooses_it_before_the_next_event(chat: ChatPage, reads: SlowReads) -> None:
    reads.hold()
    shown = chat.page.evaluate(
        """() => {
            const count = (selector) => document.querySelectorAll(selector).length;
            [...document.querySelectorAll(".conversation a")].at(-1).click();
            return [document.querySelector("[aria-current]").textContent, count(".question")];
        }"""
    )
    assert shown == ["First", 0]
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["First"])


def test_a_message_sent_while_the_page_opens_belongs_to_the_conversation_in_the_address(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold_after_reload()
    chat.page.reload()
    reads.wait()
    model.enqueue(reply("Three."))
    chat.ask("And on")
    reads.release()
    expect(chat.questions).to_have_text(["Second", "And on"])
    expect(chat.prose).to_have_text("Three.")
    assert contents_sent(model, 3)[-3:] == ["Second", "Two.", "And on"]
    expect(titles(chat)).to_have_text(["Second", "First"])


def test_a_draft_typed_before_the_chosen_conversation_is_read_belongs_to_it(chat: ChatPage, reads: SlowReads) -> None:
    chat.field.fill("Of the second")
    reads.hold()
    titles(chat).last.click()
    expect(chat.field).to_have_value("")
    chat.field.fill("Half a thou")
    chat.field.press("ArrowLeft")
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["First"])
    chat.field.type("_")  # the caret has not moved
    expect(chat.field).to_have_value("Half a tho_u")
    titles(chat).first.click()
    expect(chat.field).to_have_value("Of the second")
    expect(chat.questions).to_have_text(["Second"])
    reads.hold()
    titles(chat).last.click()
    expect(chat.field).to_have_value("Half a tho_u")
    chat.page.reload()  # before it is read
    expect(chat.questions).to_have_text(["First"])
    expect(chat.field).to_have_value("Half a tho_u")


def test_a_message_is_sent_although_the_reader_has_gone_on_before_its_conversation_is_read(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold()
    titles(chat).last.click()
    model.enqueue(reply("Three."))
    chat.ask("And on")
    titles(chat).first.click()
    expect(chat.field).to_have_value("")
    expect(chat.field).to_be_editable()
    reads.wait()
    reads.release()
    assert contents_sent(model, 3)[-3:] == ["First", "One.", "And on"]
    expect(titles(chat)).to_have_text(["First", "Second"])
    expect(chat.questions).to_have_text(["Second"])
    titles(chat).first.click()
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(chat.field).to_have_value("")


def test_a_waiting_message_is_still_waiting_on_return_and_sent_once(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold()
    titles(chat).last.click()
    model.enqueue(reply("Three."))
    chat.ask("And on")
    titles(chat).first.click()
    titles(chat).last.click()
    expect(chat.field).to_have_value("And on")
    expect(chat.field).not_to_be_editable()
    reads.wait()
    reads.release()
    expect(chat.prose).to_have_text("Three.")
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(chat.field).to_have_value("")
    expect(chat.field).to_be_editable()


@pytest.mark.parametrize("key", ["Escape", "Stop"])
def test_a_waiting_message_can_be_taken_back(chat: ChatPage, reads: SlowReads, key: str) -> None:
    reads.hold()
    titles(chat).last.click()
    chat.ask("And on")
    expect(chat.send_button).to_have_text("Stop")
    # that is said, and again at the next press
    hint = "Your message is sent when the conversation has loaded. Esc to stop."
    expect(chat.status).to_have_text(hint)
    expect(chat.page.locator("#sluice-hint")).to_have_text(hint)
    chat.page.evaluate("document.getElementById('sluice-status').textContent = ''")
    chat.field.press("Enter")
    expect(chat.status).to_have_text(hint)
    if key == "Stop":
        chat.send_button.click()
    else:
        chat.field.press(key)
    expect(chat.send_button).to_have_text("Send")
    expect(chat.page.locator("#sluice-hint")).to_have_text("Enter to send, Shift+Enter for a new line")
    chat.field.press("End")
    chat.field.type(" and on")
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["First"])
    expect(chat.field).to_have_value("And on and on")


def test_a_waiting_message_survives_a_reload_as_a_draft(chat: ChatPage, reads: SlowReads) -> None:
    reads.hold()
    titles(chat).last.click()
    chat.ask("And on")
    reads.wait()
    chat.page.reload()
    expect(chat.questions).to_have_text(["First"])
    expect(chat.field).to_have_value("And on")


def test_that_a_conversation_could_not_be_read_is_not_shown_as_unsaved(chat: ChatPage, reads: SlowReads) -> None:
    reads.hold()
    titles(chat).last.click()
    reads.wait()
    chat.page.get_by_role("button", name="New conversation").click()
    reads.fail()
    alerts = chat.page.get_by_role("alert")
    expect(alerts).to_have_text([NOT_DONE])
    titles(chat).first.click()
    expect(chat.questions).to_have_text(["Second"])
    expect(alerts).to_have_count(0)


# A store whose list cannot be read, and for which an earlier page has left a backup.
FIND_IMAGES_WITHOUT_LIST: Final = with_page_modules("""async () => {
    const { ConversationStore } = await pageModule("storage/conversation_store.js");
    const { StorageError } = await pageModule("storage/storage_error.js");
    const fail = async () => { throw new StorageError("failed"); };
    const events = new Proxy({}, { get: () => () => {} });
    const store = new ConversationStore(events);
    await store.open({ conversations: fail, write: fail, visit: async () => {} });
    return store.findImages();
}""")


def test_no_image_is_deemed_unused_where_the_list_could_not_be_read(chat: ChatPage) -> None:
    assert chat.page.evaluate(FIND_IMAGES_WITHOUT_LIST) is None


def test_a_message_is_kept_if_its_conversation_cannot_be_read(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold()
    titles(chat).last.click()
    chat.ask("And on")
    reads.wait()
    reads.fail()
    alerts = chat.page.get_by_role("alert")
    expect(alerts).to_have_text([NOT_DONE])
    expect(chat.field).to_have_value("And on")
    expect(chat.field).to_be_editable()
    expect_read(chat.page)
    model.enqueue(reply("Three."))
    titles(chat).last.click()  # tries again
    expect(chat.questions).to_have_text(["First"])
    expect(alerts).to_have_count(0)
    chat.field.press("Enter")
    expect(chat.prose).to_have_text("Three.")
    expect(chat.questions).to_have_text(["First", "And on"])


def test_a_message_for_a_missing_conversation_moves_to_a_new_one(chat: ChatPage, reads: SlowReads) -> None:
    chat.page.get_by_role("button", name="New conversation").click()
    chat.field.fill("Of a new one")
    reads.hold()
    chat.page.evaluate("() => { location.hash = '#/c/0123456789abcdef01234567'; }")
    expect_reading(chat.page)
    expect(chat.field).to_have_value("")
    chat.ask("Are you there?")
    reads.wait()
    reads.release()
    expect(chat.page.get_by_role("alert")).to_contain_text("This conversation is not in this browser.")
    expect(chat.field).to_have_value("Of a new one\n\nAre you there?")
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    assert "/c/" not in chat.page.url


def test_a_conversation_that_is_read_late_does_not_replace_a_later_choice(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold()
    titles(chat).last.click()
    chat.page.get_by_role("button", name="New conversation").click()
    model.enqueue(reply("Three."))
    chat.ask_and_wait("Third")
    reads.wait()
    reads.release()
    expect(titles(chat)).to_have_text(["Third", "Second", "First"])
    expect(chat.questions).to_have_text(["Third"])
    expect(chat.prose).to_have_text("Three.")


def test_escape_does_not_stop_the_answer_of_the_previous_conversation(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    gate = model.gate("before the end")
    model.enqueue((*said("Half"), gate, *said(" and whole"), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("Half")
    reads.hold()
    titles(chat).last.click()
    expect(chat.send_button).to_have_text("Send")
    chat.page.keyboard.press("Escape")
    reads.release()
    expect(chat.prose).to_have_text("One.")
    gate.open()
    titles(chat).first.click()
    expect(chat.prose).to_have_text("Half and whole")


def test_a_deleted_exchange_is_restored_into_a_conversation_that_is_being_read(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    model.enqueue(reply("Two and a half."))
    chat.ask_and_wait("And on")
    chat.choose_action("Delete question and answer", 0)
    expect(chat.questions).to_have_text(["And on"])
    titles(chat).last.click()
    expect(chat.questions).to_have_text(["First"])
    reads.hold()
    chat.page.get_by_role("button", name="Undo").click()
    titles(chat).first.click()
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["Second", "And on"])
    expect(chat.status).to_have_text("Restored")
    chat.page.reload()
    expect(chat.questions).to_have_text(["Second", "And on"])


def test_what_the_reader_does_while_a_conversation_is_being_deleted_is_kept(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold()
    act(chat, "Second", "Delete")
    model.enqueue(reply("Three."))
    chat.ask_and_wait("Third")
    reads.wait()
    reads.release()
    expect(titles(chat)).to_have_text(["Third", "First"])
    expect(chat.questions).to_have_text(["Third"])
    chat.wait_saved()
    chat.page.reload()
    expect(chat.questions).to_have_text(["Third"])
    expect(titles(chat)).to_have_text(["Third", "First"])


def test_a_conversation_opened_during_a_deletion_stays_open(chat: ChatPage, reads: SlowReads) -> None:
    reads.hold()
    act(chat, "Second", "Delete")
    titles(chat).last.click()
    chat.field.fill("Half a thou")
    reads.wait()
    reads.release()
    expect(titles(chat)).to_have_text(["First"])
    expect(chat.questions).to_have_text(["First"])
    expect(chat.field).to_have_value("Half a thou")


def test_a_message_sent_after_the_undo_of_a_deletion_belongs_to_the_restored_conversation(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    act(chat, "Second", "Delete")
    undo = chat.page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    reads.hold()
    undo.click()
    model.enqueue(reply("Three."))
    chat.ask_and_wait("And on")
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["Second", "And on"])
    assert contents_sent(model, 3)[-3:] == ["Second", "Two.", "And on"]
    expect(titles(chat)).to_have_text(["Second", "First"])
    chat.wait_saved()
    # What is announced is not out of date.
    expect(chat.status).to_have_text("Answer complete")
    chat.page.reload()
    expect(chat.questions).to_have_text(["Second", "And on"])


def test_a_waiting_message_does_not_bring_back_a_conversation_deleted_in_another_tab(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    other = ChatPage(chat.page.context.new_page()).open()
    reads.hold()
    titles(chat).last.click()
    chat.ask("And on")
    reads.wait()
    titles(other).last.press("Delete")
    expect(titles(chat)).to_have_text(["Second"])
    expect(chat.page.get_by_role("alert")).to_have_text("This conversation was deleted elsewhere.")
    reads.release()
    chat.ask_and_wait("Third")
    expect(titles(chat)).to_have_text(["Third", "Second"])


def test_a_title_given_while_the_conversation_is_read_stays(
    chat: ChatPage, reads: SlowReads, model: ScriptedModel
) -> None:
    reads.hold()
    titles(chat).last.press("Enter")
    titles(chat).last.press("F2")
    field = chat.page.get_by_role("textbox", name="Title")
    field.fill("Better")
    field.press("Enter")
    chat.ask("And on")
    reads.wait()
    reads.release()
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(titles(chat)).to_have_text(["Better", "Second"])
    chat.wait_saved()
    chat.page.reload()
    expect(titles(chat)).to_have_text(["Better", "Second"])


@pytest.mark.browser_context(viewport={"width": 390, "height": 700})
def test_a_drawer_opened_while_the_conversation_is_read_stays_open(browser_page: Page, model: ScriptedModel) -> None:
    reads = SlowReads(browser_page)
    chat = ChatPage(browser_page).open()
    model.enqueue(stalling_after("As far as this"))
    chat.ask("First")
    expect(chat.prose).to_have_text("As far as this")
    chat.send_button.click()
    chat.wait_saved()
    reads.hold_after_reload()
    chat.page.reload()
    reads.wait()
    chat.page.get_by_role("button", name="Open the sidebar").click()
    reads.release()
    expect(chat.questions).to_have_text(["First"])
    expect(chat.page.locator("#sluice-toggle-sidebar")).to_have_attribute("aria-expanded", "true")


def test_text_typed_before_the_script_has_loaded_is_added_to_the_draft(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    chat.field.fill("Half a thou")
    script = HeldRequests(browser_page, "**/main.js")
    with browser_page.expect_request("**/main.js"):
        browser_page.goto("/?again", wait_until="commit")
    chat.field.type("Typed early")
    script.pass_on()
    expect(chat.field).to_have_value("Half a thou\n\nTyped early")


# What is written after a write has failed during which a conversation and an answer were deleted.
WRITTEN_AGAIN: Final = with_page_modules("""async () => {
    const { WriteQueue } = await pageModule("storage/write_queue.js");
    const written = [];
    const none = () => undefined;
    const yes = () => true;
    const queue = new WriteQueue({ isNew: yes, isListRead: yes, recovered: none, written: none, failed: none });
    const deleteSome = () => {
        queue.drop("gone");
        queue.dropExchange("deleted");
    };
    queue.database = {
        async write(writings, exchanges) {
            written.push([writings.map(({ record }) => record.id), exchanges.map(({ id }) => id)]);
            await undefined;
            if (written.length > 1) return { records: [], deleted: [] };
            deleteSome();
            throw new Error("no room");
        },
    };
    queue.add({ id: "gone" }, [{ id: "of it" }]);
    queue.add({ id: "here" }, [{ id: "kept" }, { id: "deleted" }]);
    await queue.flush();
    await queue.flush();
    return written;
}""")


def test_what_was_deleted_during_a_write_that_fails_is_not_written_again(browser_page: Page) -> None:
    ChatPage(browser_page).open()
    before, after = browser_page.evaluate(WRITTEN_AGAIN)
    assert before == [["gone", "here"], ["of it", "kept", "deleted"]]
    assert after == [["here"], ["kept"]]
