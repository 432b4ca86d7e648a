"""Images that the browser keeps: their budget, full storage, undo, and the deletion of what is unused."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.chromium import WAIT_MS
from tools.common.page_modules import change_module

from .images import REPLY, attached, choose, notice, open_with_images, picture
from .kept_images import AGE, AGE_UNUSED, DELETE_UNUSED, STORED, UNTIL

# The storage has no room for images until something is deleted.
REFUSE_IMAGES: Final = """() => {
    const { put, delete: remove } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...given) {
        if (this.name === "images") throw new DOMException("no room", "QuotaExceededError");
        return put.apply(this, given);
    };
    IDBObjectStore.prototype.delete = function (...given) {
        IDBObjectStore.prototype.put = put;
        return remove.apply(this, given);
    };
}"""
# The storage has room for images only.
REFUSE_CONVERSATIONS: Final = """() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...given) {
        if (this.name !== "images") throw new DOMException("no room", "QuotaExceededError");
        return put.apply(this, given);
    };
}"""
# Plain http has no Web Locks.
WITHOUT_LOCKS: Final = "Object.defineProperty(navigator, 'locks', { value: undefined })"


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page, with images allowed."""
    return open_with_images(browser_page)


def test_an_image_that_is_gone_leaves_a_note_and_the_question_goes_on(chat: ChatPage) -> None:
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    chat.wait_saved()
    chat.page.evaluate("() => new Promise((done) => { indexedDB.deleteDatabase('sluice.images').onsuccess = done; })")
    chat.page.reload()
    expect(chat.questions.last).to_contain_text("Images of this question are not in this browser.")
    bodies = chat.reply_once(**REPLY)
    chat.ask_and_wait("And now?")
    assert bodies[0]["conversation_history"][0] == {"role": "user", "content": "What is it?", "images": []}


def test_the_oldest_images_are_dropped_beyond_the_budget_and_those_of_deleted_conversations(chat: ChatPage) -> None:
    budget = "const BUDGET_CHARS = "
    change_module(chat.page, "storage/image_store.js", f"{budget}64_000_000;", f"{budget}9_000;")
    chat.page.reload()
    expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()
    for number in range(4):
        choose(chat, picture(chat, f"{number}.png"))
        expect(attached(chat)).to_have_count(1)
        chat.reply_once(**REPLY)
        chat.ask_and_wait(f"Question {number}")
    chat.wait_saved()
    kept = chat.page.evaluate(STORED)
    assert 0 < len(kept) < 4
    assert sum(map(len, kept)) <= 9_000
    chat.page.reload()
    expect(chat.questions.last.get_by_role("img")).to_have_count(1)
    expect(chat.questions.first).to_contain_text("Images of this question are not in this browser.")
    # those of a deleted conversation, once the deletion cannot be undone any more
    chat.page.evaluate(AGE, 3_600_000)
    chat.page.reload()
    expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()
    chat.page.keyboard.press("Shift")
    expect(chat.questions.last.get_by_role("img")).to_have_count(1)
    assert chat.page.evaluate(UNTIL, [len(kept), WAIT_MS]) == kept
    chat.page.locator(".conversation .more").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(chat.page.locator(".conversation")).to_have_count(0)
    chat.page.reload()
    expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()
    chat.page.keyboard.press("Shift")
    assert chat.page.evaluate(UNTIL, [0, WAIT_MS]) == []


def test_images_that_full_storage_has_refused_are_stored_when_there_is_room(chat: ChatPage) -> None:
    chat.reply_once(**REPLY)
    chat.ask_and_wait("First")
    chat.wait_saved()
    chat.page.get_by_role("button", name="New conversation").first.click()
    chat.page.evaluate(REFUSE_IMAGES)
    lost = notice(chat, "This browser cannot keep your images.")
    choose(chat, picture(chat, "one.png"))
    expect(lost).to_be_visible()
    chat.page.get_by_role("button", name="Remove one.png").click()
    expect(lost).to_have_count(0)
    choose(chat, picture(chat, "two.png"))
    expect(attached(chat)).to_have_count(1)
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    choose(chat, picture(chat, "three.png"))
    chat.field.press_sequentially("And this?")
    chat.wait_saved()
    expect(lost).to_be_visible()
    chat.page.locator(".conversation a", has_text="First").press("Delete")
    expect(lost).to_have_count(0)
    chat.page.reload()
    expect(chat.questions.get_by_role("img", name="two.png")).to_be_visible()
    expect(attached(chat)).to_have_attribute("alt", "three.png")
    assert len(chat.page.evaluate(STORED)) == 2


def test_another_tab_keeps_the_image_of_a_question_that_waits_for_room(chat: ChatPage) -> None:
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.page.evaluate(REFUSE_CONVERSATIONS)
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    expect(notice(chat, "the browser's storage is full")).to_be_visible()
    chat.page.evaluate(AGE, 3_600_000)
    other = chat.page.context.new_page()
    other.goto("/")
    other.evaluate(DELETE_UNUSED)
    chat.page.reload()
    expect(chat.questions.get_by_role("img", name="one.png")).to_be_visible()
    # with the question stored, they are not held any more
    chat.wait_saved()
    other.evaluate(DELETE_UNUSED)
    assert chat.page.evaluate(STORED) == []


def test_an_undo_brings_back_the_images_although_another_tab_was_opened_since(chat: ChatPage) -> None:
    for name in ("one.png", "two.png"):
        choose(chat, picture(chat, name))
        expect(attached(chat)).to_have_count(1)
        chat.reply_once(**REPLY)
        chat.ask_and_wait(name)
    choose(chat, picture(chat, "unsent.png"))
    expect(attached(chat)).to_have_count(1)
    chat.wait_saved()
    chat.choose_action("Delete question and answer")
    chat.page.locator(".conversation a").press("Delete")
    expect(chat.page.locator(".conversation")).to_have_count(0)
    chat.page.evaluate(AGE, 3_600_000)
    other = chat.page.context.new_page()
    other.goto("/")
    other.evaluate(DELETE_UNUSED)
    for _ in range(2):
        chat.page.get_by_role("button", name="Undo").click()
    expect(chat.questions).to_have_text(["one.png", "two.png"])
    chat.wait_saved()
    chat.page.reload()  # it has them in memory
    expect(chat.questions.get_by_role("img")).to_have_count(2)
    expect(attached(chat)).to_have_attribute("alt", "unsent.png")
    # that page cannot undo it any more
    chat.page.locator(".conversation a").press("Delete")
    expect(chat.page.locator(".conversation")).to_have_count(0)
    chat.page.reload()
    other.evaluate(DELETE_UNUSED)
    assert chat.page.evaluate(STORED) == []


def test_without_web_locks_an_undo_brings_back_the_images_for_a_week(chat: ChatPage) -> None:
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    chat.wait_saved()
    other = chat.page.context.new_page()
    for page in (chat.page, other):
        page.add_init_script(WITHOUT_LOCKS)
    chat.page.reload()
    chat.wait_shown()
    chat.page.locator(".conversation a").press("Delete")
    expect(chat.page.locator(".conversation")).to_have_count(0)
    chat.page.evaluate(AGE, 3_600_000)
    other.goto("/")
    other.evaluate(DELETE_UNUSED)
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.status).to_have_text("Restored")
    chat.page.reload()
    expect(chat.questions.get_by_role("img")).to_have_count(1)
    # when no page can undo it
    chat.page.locator(".conversation a").press("Delete")
    expect(chat.page.locator(".conversation")).to_have_count(0)
    for days, count in ((6, 2), (2, 2), (0, 0)):  # with one that no question ever had
        other.evaluate(DELETE_UNUSED)
        assert len(other.evaluate(STORED)) == count
        other.evaluate(AGE_UNUSED, days * 86_400_000)
