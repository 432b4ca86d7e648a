"""Images of drafts: over a reload, in several tabs, and after their conversation was deleted."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage
from tools.common.chromium import WAIT_MS
from tools.common.scripted_model import ScriptedModel

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer
from .images import HOLD_DECODING, REPLY, attached, choose, notice, open_with_images, picture
from .kept_images import AGE, SHARED, UNTIL

# Holds the next use of the kept images until `goOn` is called.
HOLD_KEPT_IMAGES: Final = """() => {
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (name, version) {
        if (name !== "sluice.images") return open.call(this, name, version);
        IDBFactory.prototype.open = open;
        const held = new EventTarget();
        window.goOn = () => {
            const opening = this.open(name, version);
            opening.onsuccess = () => {
                Object.defineProperty(held, "result", { value: opening.result });
                held.onsuccess();
            };
        };
        return held;
    };
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page, with images allowed."""
    return open_with_images(browser_page)


def test_unsent_images_stay_with_the_draft_of_their_conversation(chat: ChatPage) -> None:
    chat.reply_once(**REPLY)
    chat.ask_and_wait("First")
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    expect(chat.status).to_have_text("Files added: one.png")
    chat.page.get_by_role("button", name="New conversation").first.click()
    expect(attached(chat)).to_have_count(0)
    choose(chat, picture(chat, "two.png"))
    expect(attached(chat)).to_have_count(1)
    chat.page.locator(".conversation a").click()
    chat.wait_shown()
    assert [each.get_attribute("alt") for each in attached(chat).all()] == ["one.png"]
    chat.page.get_by_role("button", name="New conversation").first.click()
    assert [each.get_attribute("alt") for each in attached(chat).all()] == ["two.png"]
    # over a reload, also if they are old
    chat.page.evaluate(AGE, 3_600_000)
    chat.page.reload()
    expect(attached(chat)).to_have_attribute("alt", "two.png")
    chat.page.keyboard.press("Shift")
    assert len(chat.page.evaluate(UNTIL, [2, WAIT_MS])) == 2
    chat.page.locator(".conversation a").click()
    expect(attached(chat)).to_have_attribute("alt", "one.png")
    # an image without words: the page says what is missing
    chat.send_button.click()
    expect(notice(chat, "Write a question about the image.")).to_be_visible()
    expect(chat.field).to_be_focused()
    bodies = chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    expect(notice(chat, "Write a question")).to_have_count(0)
    assert len(bodies[0]["images"]) == 1
    # what was sent, or removed, does not come back
    chat.page.get_by_role("button", name="New conversation").first.click()
    chat.page.get_by_role("button", name="Remove two.png").click()
    for _ in range(2):
        expect(attached(chat)).to_have_count(0)
        chat.page.locator(".conversation a").click()
        chat.wait_shown()
        expect(attached(chat)).to_have_count(0)
        chat.page.get_by_role("button", name="New conversation").first.click()
        chat.page.reload()
        expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()


def test_no_tab_removes_or_takes_the_unsent_message_of_another(chat: ChatPage, model: ScriptedModel) -> None:
    def another_tab() -> ChatPage:
        other = ChatPage(chat.page.context.new_page())
        other.configure(images=True, max_body_bytes=2**23)
        other.page.goto(start)
        expect(other.page.get_by_role("button", name="Add files")).to_be_enabled()
        return other

    start = chat.page.url
    chat.ask_and_wait("First")
    chat.wait_saved()
    second, third = another_tab(), another_tab()
    choose(second, picture(second, "one.png"))
    second.field.fill("With a picture")
    chat.page.wait_for_function(SHARED, arg=["With a picture", ["one.png"]])
    # a tab that has changed nothing chooses a conversation, and later a starter
    third.page.locator(".conversation a").click()
    third.wait_shown()
    assert chat.page.evaluate(SHARED, ["With a picture", ["one.png"]])
    second.page.close()
    third.page.get_by_role("button", name="New conversation").first.click()
    expect(third.field).to_have_value("With a picture")
    expect(attached(third)).to_have_attribute("alt", "one.png")
    fourth = another_tab()
    expect(attached(fourth)).to_have_count(1)
    choose(third, picture(third, "two.png"))
    expect(attached(third)).to_have_count(2)
    chat.page.wait_for_function(SHARED, arg=["With a picture", ["one.png", "two.png"]])
    choose(fourth, *(picture(fourth, name) for name in ("three.png", "four.png", "five.png")))
    kept = ["one.png", "two.png", "three.png", "four.png", "five.png"]
    chat.page.wait_for_function(SHARED, arg=["With a picture", kept])
    third.page.reload()
    expect(attached(third)).to_have_count(2)
    assert [each.get_attribute("alt") for each in attached(third).all()] == ["one.png", "two.png"]
    fourth.field.fill("")
    chat.page.wait_for_function(SHARED, arg=["", ["one.png", "three.png", "four.png", "five.png", "two.png"]])
    # one that has none of its own gets those of all, as far as a message may have them
    fifth = another_tab()
    expect(attached(fifth)).to_have_count(4)
    expect(notice(fifth, "A message may have 4 images.")).to_be_visible()
    answer = FedAnswer(fourth.page)
    fourth.page.locator(".starters button").first.click()
    answer.send("As far")
    expect(fourth.prose).to_have_text("As far")
    expect(fourth.questions.get_by_role("img")).to_have_count(4)
    assert chat.page.evaluate(SHARED, ["", ["one.png", "two.png"]])
    # while the answer runs, Enter says why an image alone is not sent
    choose(fourth, picture(fourth, "five.png"))
    expect(attached(fourth)).to_have_count(1)
    fourth.field.press("Enter")
    expect(fourth.status).to_have_text("Esc to stop. You can send when the answer is complete.")
    answer.send(DONE_FRAME)
    fourth.wait_complete()
    fourth.wait_saved()
    fourth.page.reload()
    expect(attached(fourth)).to_have_attribute("alt", "five.png")
    # what a tab has emptied, it does not empty again
    for _ in range(2):
        third.page.get_by_role("button", name="Remove").first.click()
    chat.page.wait_for_function(SHARED, arg=["", []])
    fourth.page.get_by_role("button", name="New conversation").first.click()
    choose(fourth, picture(fourth, "four.png"))
    chat.page.wait_for_function(SHARED, arg=["", ["four.png"]])
    third.page.locator(".conversation a").first.click()
    third.wait_shown()
    assert chat.page.evaluate(SHARED, ["", ["four.png"]])
    third.page.get_by_role("button", name="New conversation").first.click()
    expect(attached(third)).to_have_attribute("alt", "four.png")
    bodies = third.reply_once(**REPLY)
    third.page.locator(".starters button").first.click()
    third.wait_complete()
    assert len(bodies[0]["images"]) == 1
    assert chat.page.evaluate(SHARED, ["", []])
    # what was too much for one message is in the next one
    bodies = fifth.reply_once(**REPLY)
    fifth.page.locator(".starters button").first.click()
    fifth.wait_complete()
    assert len(bodies[0]["images"]) == 4
    expect(attached(fifth)).to_have_attribute("alt", "two.png")


def test_what_is_being_written_outlives_its_conversation_that_another_tab_deletes(chat: ChatPage) -> None:
    """Message, open edit, images and instructions become the draft of a new one, until the deletion is undone."""
    chat.configure(images=True, max_body_bytes=2**23, allow_system_prompt=True)
    chat.page.reload()
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="Adjust the answers").click()
    chat.page.get_by_role("dialog").get_by_role("textbox").first.fill("Be brief.")
    chat.page.keyboard.press("Escape")
    chat.wait_saved()
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    other.wait_shown()
    chat.page.locator(".exchange .edit").click()
    chat.page.locator(".question-editor textarea").fill("An edit")
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.field.press_sequentially("My draft")
    tuned = chat.page.get_by_role("button", name="Adjust the answers (adjusted)")
    other.page.locator(".conversation a", has_text="First").press("Delete")
    expect(chat.questions).to_have_count(0)
    expect(notice(chat, "deleted elsewhere")).to_be_visible()
    expect(chat.field).to_have_value("My draft\n\nAn edit")
    expect(attached(chat)).to_have_attribute("alt", "one.png")
    expect(tuned).to_be_visible()
    # undone, all of it is there again, and only there
    other.page.get_by_role("button", name="Undo").click()
    expect(chat.field).to_have_value("")
    expect(attached(chat)).to_have_count(0)
    expect(tuned).to_have_count(0)
    chat.page.locator(".conversation a", has_text="First").click()
    expect(chat.field).to_have_value("My draft")
    expect(chat.page.locator(".question-editor textarea")).to_have_value("An edit")
    expect(attached(chat)).to_have_attribute("alt", "one.png")
    expect(tuned).to_be_visible()
    # what was written since is not taken away; without an undo, the draft outlives a reload
    other.page.locator(".conversation a", has_text="First").press("Delete")
    expect(chat.field).to_have_value("My draft\n\nAn edit")
    chat.field.press("End")
    chat.field.press_sequentially("!")
    other.page.get_by_role("button", name="Undo").click()
    expect(chat.page.locator(".conversation a", has_text="First")).to_be_visible()
    chat.page.reload()
    expect(chat.field).to_have_value("My draft\n\nAn edit!")
    expect(attached(chat)).to_have_attribute("alt", "one.png")


def test_images_that_are_too_many_where_a_draft_is_moved_wait_for_the_next_message(chat: ChatPage) -> None:
    choose(chat, *(picture(chat, name) for name in ("one.png", "two.png")))
    expect(attached(chat)).to_have_count(2)
    expect(chat.status).to_have_text("Files added: one.png, two.png")
    start = chat.page.url
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(start)
    other.ask_and_wait("First")
    other.wait_saved()
    chat.page.locator(".conversation a", has_text="First").click()
    expect(chat.questions).to_have_text(["First"])
    choose(chat, *(picture(chat, name) for name in ("three.png", "four.png", "five.png")))
    expect(chat.status).to_have_text("Files added: three.png, four.png, five.png")
    other.page.locator(".conversation a", has_text="First").press("Delete")
    expect(notice(chat, "deleted elsewhere")).to_be_visible()
    expect(attached(chat)).to_have_count(4)
    expect(notice(chat, "The others wait for the next one.")).to_be_visible()
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What are they?")
    expect(attached(chat)).to_have_attribute("alt", "five.png")


def test_images_of_an_earlier_question_that_are_too_many_wait_for_the_next_message(
    chat: ChatPage, browser_errors: BrowserErrors
) -> None:
    names = [f"{number}.png" for number in range(6)]
    choose(chat, *(picture(chat, name) for name in names[:3]))
    expect(attached(chat)).to_have_count(3)
    browser_errors.expect("status of 400")
    failed = {"success": False, "error": "No.", "code": "context_length_exceeded", "retryable": False}
    chat.reply_once(status=400, json=failed)
    chat.ask("What are they?")
    again = chat.page.get_by_role("button", name="New conversation with this question")
    expect(again).to_be_visible()
    chat.page.get_by_role("button", name="New conversation").first.click()
    choose(chat, *(picture(chat, name) for name in names[3:]))
    expect(attached(chat)).to_have_count(3)
    chat.page.go_back()
    again.click()
    expect(attached(chat)).to_have_count(4)
    expect(notice(chat, "The others wait for the next one.")).to_be_visible()
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What are they?")
    expect(attached(chat)).to_have_count(2)


def test_an_image_that_is_being_read_outlives_its_conversation_that_another_tab_deletes(chat: ChatPage) -> None:
    chat.ask_and_wait("First")
    chat.wait_saved()
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    other.wait_shown()
    title = other.page.locator(".conversation a", has_text="First")
    chat.page.evaluate(HOLD_DECODING)
    choose(chat, picture(chat, "one.png"), picture(chat, "two.png"))
    reading = chat.page.locator(".reading-image")
    expect(reading).to_be_visible()
    title.press("Delete")
    expect(notice(chat, "deleted elsewhere")).to_be_visible()
    expect(reading).to_be_visible()
    chat.page.evaluate("() => window.goOn()")
    expect(attached(chat)).to_have_count(2)
    expect(reading).to_have_count(0)
    chat.page.wait_for_function(SHARED, arg=["", ["one.png", "two.png"]])
    # an undo takes away no image that came later
    other.page.get_by_role("button", name="Undo").click()
    chat.page.locator(".conversation a", has_text="First").click()
    expect(chat.questions).to_have_text(["First"])
    expect(attached(chat)).to_have_count(0)
    # those that an earlier page has kept are being read as well
    choose(chat, picture(chat, "three.png"))
    expect(attached(chat)).to_have_attribute("alt", "three.png")
    chat.page.add_init_script(f"({HOLD_KEPT_IMAGES})()")
    chat.page.reload()
    expect(reading).to_be_visible()
    title.press("Delete")
    expect(notice(chat, "deleted elsewhere")).to_be_visible()
    chat.page.evaluate("() => window.goOn()")
    expect(attached(chat)).to_have_count(3)
    expect(reading).to_have_count(0)
    chat.page.wait_for_function(SHARED, arg=["", ["three.png", "one.png", "two.png"]])
