"""Images that are attached to the next message: chosen, dropped, pasted, removed, refused, and sent with it."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tools.common.chat_page import ChatPage

from .images import HOLD_DECODING, REPLY, attached, choose, notice, open_with_images, picture
from .test_dropped_files import DROP, HOLD_READING, NOTES
from .test_dropped_files import PASTE as PASTE_BROKEN

# Images are read when the test calls `readNext()`.
READ_SLOWLY: Final = """() => {
    const { createImageBitmap } = window;
    const waiting = [];
    window.createImageBitmap = async (...given) => {
        await new Promise((resolve) => waiting.push(resolve));
        return createImageBitmap(...given);
    };
    window.readNext = () => waiting.shift()();
    window.isReading = () => waiting.length > 0;
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page, with images allowed."""
    return open_with_images(browser_page)


def test_images_are_chosen_dropped_pasted_and_removed(chat: ChatPage) -> None:
    choose(chat, picture(chat, "one.png"), picture(chat, "two.jpg", kind="image/jpeg"))
    expect(attached(chat)).to_have_count(2)
    dropped = picture(chat, "three.webp", kind="image/webp")
    files = [[dropped["name"], dropped["mimeType"], list(dropped["buffer"])], NOTES]
    assert chat.page.evaluate(DROP, ["#sluice-log", files, ""]) == [True, True]
    expect(attached(chat)).to_have_count(3)
    expect(chat.field).to_have_value("`notes`\n\n```\nGrüße\n```\n")  # a text file beside it is text, as before
    expect(chat.status).to_have_text("Files added: notes, three.webp")
    assert [each.get_attribute("alt") for each in attached(chat).all()] == ["one.png", "two.jpg", "three.webp"]
    chat.page.get_by_role("button", name="Remove two.jpg").click()
    expect(chat.page.get_by_role("button", name="Remove three.webp")).to_be_focused()
    expect(attached(chat)).to_have_count(2)
    # broken, and too many
    assert chat.page.evaluate(PASTE_BROKEN, [""])
    expect(notice(chat, "image.png: The browser could not read this image.")).to_be_visible()
    choose(chat, *(picture(chat, f"{number}.png") for number in range(3)))
    expect(notice(chat, "A message may have 4 images.")).to_have_text("2.png: A message may have 4 images.")
    expect(attached(chat)).to_have_count(4)
    assert chat.page.evaluate(DROP, ["#sluice-log", [["a.pdf", "application/pdf", [0, 1]]], ""]) == [True, True]
    expect(notice(chat, "Only text files and images can be put into a message.")).to_be_visible()
    for _ in range(4):
        chat.page.get_by_role("button", name="Remove").first.click()
    expect(chat.field).to_be_focused()
    expect(chat.page.locator(".attachments")).to_be_hidden()


def test_what_is_refused_is_said_before_the_images_beside_it_are_read(chat: ChatPage) -> None:
    page = chat.page
    page.evaluate(READ_SLOWLY)
    alert = page.get_by_role("alert").filter(has_text="not added").or_(notice(chat, "data.bin"))
    only = "Only text files and images can be put into a message."
    unreadable = "The browser could not read this image. Use JPEG, PNG, WebP or GIF."
    binary = FilePayload(name="data.bin", mimeType="", buffer=b"\1\0\2")
    broken = FilePayload(name="broken.png", mimeType="image/png", buffer=b"\x89PNG")
    choose(chat, picture(chat, "slow.png"), binary, broken)
    expect(alert).to_have_text(f"data.bin: {only}")
    expect(page.locator(".reading-image")).to_be_visible()
    # the list goes on, also with what was chosen in the meantime
    assert page.evaluate(DROP, ["#sluice-log", [["a.pdf", "application/pdf", [0, 1]]], ""]) == [True, True]
    lines = ["These files were not added:", f"data.bin: {only}", f"a.pdf: {only}"]
    expect(alert).to_have_text("\n".join(lines), use_inner_text=True)
    for _ in range(2):  # for its size, then for its picture
        page.wait_for_function("() => isReading()")
        page.evaluate("() => readNext()")
    expect(attached(chat)).to_have_count(1)
    expect(alert).to_have_text("\n".join(lines), use_inner_text=True)
    page.wait_for_function("() => isReading()")
    page.evaluate("() => readNext()")
    expect(alert).to_have_text("\n".join([*lines, f"broken.png: {unreadable}"]), use_inner_text=True)
    expect(chat.status).to_have_text("Files added: slow.png")
    # the next choice begins another list
    assert page.evaluate(DROP, ["#sluice-log", [["b.pdf", "application/pdf", [0, 1]]], ""]) == [True, True]
    expect(notice(chat, "b.pdf")).to_have_text(f"b.pdf: {only}")


def test_an_image_that_is_read_late_is_refused_where_others_have_taken_its_place(chat: ChatPage) -> None:
    chat.page.evaluate("() => { window.decode = window.createImageBitmap; }")
    chat.page.evaluate(HOLD_DECODING)
    choose(chat, picture(chat, "late.png"))
    chat.page.wait_for_function("() => window.goOn")
    chat.page.evaluate("() => { window.createImageBitmap = window.decode; }")
    choose(chat, *(picture(chat, f"{number}.png") for number in range(4)))
    expect(attached(chat)).to_have_count(4)
    chat.page.evaluate("() => window.goOn()")
    expect(notice(chat, "late.png: A message may have 4 images.")).to_be_visible()
    expect(attached(chat)).to_have_count(4)


def test_a_message_waits_for_the_images_that_are_being_read(chat: ChatPage) -> None:
    chat.page.evaluate(HOLD_DECODING)
    choose(chat, picture(chat, "one.png"))
    expect(chat.page.locator(".reading-image")).to_be_visible()
    bodies = chat.reply_once(**REPLY)
    chat.field.fill("What is it?")
    expect(chat.send_button).to_be_disabled()
    chat.field.press("Enter")
    expect(chat.status).to_have_text("You can send when the images have been read.")
    expect(chat.field).to_have_value("What is it?")
    chat.page.evaluate("() => window.goOn()")
    expect(attached(chat)).to_have_count(1)
    expect(chat.page.locator(".reading-image")).to_have_count(0)
    chat.field.press("Enter")
    chat.wait_complete()
    assert len(bodies[0]["images"]) == 1


def test_a_starter_is_sent_with_the_images_that_are_attached_once_they_are_read(chat: ChatPage) -> None:
    starter = chat.page.locator(".starters button").first
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.page.evaluate(HOLD_DECODING)
    choose(chat, picture(chat, "two.png"))
    expect(chat.page.locator(".reading-image")).to_be_visible()
    prompt = starter.locator(".prompt").text_content()
    starter.click()
    expect(chat.questions).to_have_count(0)
    bodies = chat.reply_once(**REPLY)
    chat.page.evaluate("() => window.goOn()")
    chat.wait_complete()
    assert (bodies[0]["message"], len(bodies[0]["images"])) == (prompt, 2)
    expect(chat.questions.get_by_role("img")).to_have_count(2)
    expect(attached(chat)).to_have_count(0)
    # an image that cannot be read is missed: the person decides
    chat.page.get_by_role("button", name="New conversation").first.click()
    chat.field.fill("")
    chat.page.evaluate(HOLD_DECODING)
    assert chat.page.evaluate(PASTE_BROKEN, [""])
    expect(chat.page.locator(".reading-image")).to_be_visible()
    starter.click()
    chat.page.evaluate("() => window.goOn()")
    expect(notice(chat, "could not read this image")).to_be_visible()
    expect(chat.page.locator(".reading-image")).to_have_count(0)
    expect(chat.page.locator("#sluice-empty")).to_be_visible()
    expect(chat.questions).to_have_count(0)


def test_a_starter_leaves_the_images_of_a_draft_with_words(chat: ChatPage) -> None:
    starter = chat.page.locator(".starters button").first
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.field.fill("What is in this picture?")
    chat.page.evaluate(HOLD_DECODING)
    choose(chat, picture(chat, "two.png"))
    expect(chat.page.locator(".reading-image")).to_be_visible()
    prompt = starter.locator(".prompt").text_content()
    bodies = chat.reply_once(**REPLY)
    starter.click()  # at once: it does not wait for images that it does not take
    chat.wait_complete()
    assert bodies[0]["message"] == prompt
    assert "images" not in bodies[0]
    expect(chat.questions.get_by_role("img")).to_have_count(0)
    chat.page.evaluate("() => window.goOn()")
    chat.wait_saved()
    for _ in range(2):
        expect(attached(chat)).to_have_count(2)
        expect(chat.field).to_have_value("What is in this picture?")
        chat.page.reload()
    # they are no part of the next new conversation
    chat.page.get_by_role("button", name="New conversation").first.click()
    expect(chat.field).to_have_value("")
    expect(attached(chat)).to_have_count(0)
    chat.page.locator(".conversation a").click()
    expect(attached(chat)).to_have_count(2)
    bodies = chat.reply_once(**REPLY)
    chat.field.press("Enter")
    chat.wait_complete()
    assert (bodies[0]["message"], len(bodies[0]["images"])) == ("What is in this picture?", 2)


def test_an_image_goes_to_the_conversation_on_which_it_was_dropped(chat: ChatPage) -> None:
    chat.ask_and_wait("First")
    chat.wait_saved()
    image = picture(chat, "one.png")
    chat.page.evaluate(HOLD_READING)
    notes: FilePayload = {"name": "notes", "mimeType": "text/plain", "buffer": b"A note"}
    choose(chat, notes, image)
    chat.page.wait_for_function("() => window.goOn")
    chat.page.get_by_role("button", name="New conversation").first.click()
    chat.page.evaluate("() => window.goOn()")
    expect(chat.status).to_have_text("Files added: notes, one.png")
    expect(attached(chat)).to_have_count(0)
    expect(chat.field).to_have_value("")
    chat.page.locator(".conversation a").click()
    expect(attached(chat)).to_have_attribute("alt", "one.png")
    expect(chat.field).to_have_value("`notes`\n\n```\nA note\n```")


def test_without_permission_the_button_adds_text_files_only_and_there_is_one_sentence(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    text: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"From a file."}
    choose(chat, text)
    expect(chat.field).to_have_value("`notes.txt`\n\n```txt\nFrom a file.\n```\n")
    expect(chat.field).to_be_focused()
    expect(chat.status).to_have_text("Files added: notes.txt")
    accepted = chat.page.locator("#sluice-composer input[type=file]").get_attribute("accept") or ""
    assert ".md" in accepted
    assert "image/png" not in accepted
    assert chat.page.evaluate(PASTE_BROKEN, [""])
    expect(notice(chat, "Images and other files cannot be sent.")).to_be_visible()
