"""Images in questions, where the operator allows them."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.chromium import WAIT_MS, open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.page_modules import change_module, with_page_modules
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, reply

from ..conftest import PLANTED_KEY
from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer
from .test_dropped_files import DROP, HOLD_READING, NOTES
from .test_dropped_files import PASTE as PASTE_BROKEN

# A picture of noise, which compresses badly, as a file's bytes in base64.
PICTURE: Final = """async ([width, height, type]) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    for (let at = 0; at < pixels.data.length; at += 65536) {
        crypto.getRandomValues(pixels.data.subarray(at, at + 65536));
    }
    for (let at = 3; at < pixels.data.length; at += 4) pixels.data[at] = 255;
    context.putImageData(pixels, 0, 0);
    const blob = await canvas.convertToBlob({ type });
    return new Uint8Array(await blob.arrayBuffer()).toBase64();
}"""
SIZE: Final = """async (url) => {
    const { width, height } = await createImageBitmap(await (await fetch(url)).blob()).catch(() => ({}));
    return [width, height];
}"""
STORED: Final = """() => new Promise((resolve, reject) => {
    const opening = indexedDB.open("sluice.images");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
        const reading = opening.result.transaction("images").objectStore("images").getAll();
        reading.onsuccess = () => resolve(reading.result.map(({ data }) => data));
        opening.result.close();
    };
})"""
# Makes all kept images this old, in milliseconds, and adds one that no question has.
AGE: Final = """(age) => new Promise((resolve, reject) => {
    const opening = indexedDB.open("sluice.images");
    opening.onsuccess = () => {
        const transaction = opening.result.transaction("images", "readwrite");
        const store = transaction.objectStore("images");
        store.getAll().onsuccess = ({ target }) => {
            for (const record of target.result) store.put({ ...record, added: record.added - age });
            store.put({ id: "f".repeat(24), data: "unused", added: 0 });
        };
        transaction.oncomplete = () => { opening.result.close(); resolve(); };
        transaction.onabort = () => reject(transaction.error);
    };
})"""
# What is kept once it is as much, or after this time in milliseconds.
UNTIL: Final = f"""async ([count, limit]) => {{
    const end = performance.now() + limit;
    for (;;) {{
        const kept = await ({STORED})();
        if (kept.length === count || performance.now() > end) return kept;
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }}
}}"""
# Whether the draft that all new conversations share is stored with this text and images of these names, in some tab.
SHARED: Final = """([text, names]) => {
    const valueAt = (end) => Object.entries(localStorage).find(([key]) => key.endsWith(end))?.[1] ?? "";
    const stored = valueAt("draft.1..images") || "[]";
    const lists = stored.startsWith("\\u001e") ? Object.values(JSON.parse(stored.slice(1))) : [stored];
    const kept = new Set(lists.flatMap((list) => JSON.parse(list)).map(({ name }) => name));
    return valueAt("draft.1.") === text && String([...kept]) === String(names);
}"""
REPLY: Final = {"content_type": "text/event-stream", "body": frames(text_frame("A picture."), DONE_FRAME)}


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    chat = ChatPage(browser_page)
    chat.configure(images=True, max_body_bytes=2**23)
    chat.open()
    expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()
    return chat


def picture(chat: ChatPage, name: str, *, width: int = 40, height: int = 30, kind: str = "image/png") -> FilePayload:
    """Return a file with a picture."""
    return {
        "name": name,
        "mimeType": kind,
        "buffer": b64decode(chat.page.evaluate(PICTURE, [width, height, kind])),
    }


def choose(chat: ChatPage, *files: FilePayload) -> None:
    """Choose files by the button."""
    with chat.page.expect_file_chooser() as chooser:
        chat.page.get_by_role("button", name="Add files").click()
    chooser.value.set_files(list(files))


def choose_path(chat: ChatPage, path: Path, times: int = 1) -> None:
    """Choose a file on the disk so many times. The browser reads it, and no large file passes through its driver."""
    with chat.page.expect_file_chooser() as chooser:
        chat.page.locator(".add-files").click()
    chooser.value.set_files([path] * times)


def attached(chat: ChatPage) -> Locator:
    """Return the images that will be sent with the next message."""
    return chat.page.locator(".attachments").get_by_role("img")


def notice(chat: ChatPage, text: str) -> Locator:
    return chat.page.get_by_role("alert").filter(has_text=text)


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


def test_an_image_is_scaled_and_nothing_of_its_file_but_the_picture_is_sent(chat: ChatPage, tmp_path: Path) -> None:
    photo = picture(chat, "photo.jpg", width=2400, height=1200, kind="image/jpeg")["buffer"]
    secret = b"Exif\0\0 GPS 38.7 N 9.1 W, a camera"
    marker = b"\xff\xe1" + struct.pack(">H", len(secret) + 2) + secret
    photo = photo[:2] + marker + photo[2:]
    assert len(photo) > 1_000_000
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo)
    choose_path(chat, file)
    expect(attached(chat)).to_have_count(1)
    bodies = chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    (sent,) = bodies[0]["images"]
    label, data = sent.split(",")
    assert label == "data:image/jpeg;base64"
    image = b64decode(data)
    assert image.startswith(b"\xff\xd8\xff")
    assert len(image) <= 400_000
    assert b"Exif" not in image
    assert b"GPS" not in image
    width, height = chat.page.locator(".question img").evaluate("(img) => [img.naturalWidth, img.naturalHeight]")
    assert width <= 1568
    assert abs(width / height - 2) < 0.01


# Holds the next image that is decoded until `goOn` is called.
HOLD_DECODING: Final = """() => {
    const decode = window.createImageBitmap;
    window.createImageBitmap = async (...args) => {
        await new Promise((resolve) => (window.goOn = resolve));
        window.createImageBitmap = decode;
        return decode(...args);
    };
}"""


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


def test_images_stay_with_their_question_and_open_large(chat: ChatPage, browser_errors: BrowserErrors) -> None:
    choose(chat, picture(chat, "one.png"), picture(chat, "two.png"))
    expect(attached(chat)).to_have_count(2)
    bodies = [chat.reply_once(**REPLY)]
    chat.ask_and_wait("What is it?")
    expect(chat.page.locator(".attachments")).to_be_hidden()
    thumbnails = chat.questions.last.get_by_role("img")
    expect(thumbnails).to_have_count(2)
    chat.wait_saved()
    # The style sheet comes late, and the focus goes elsewhere meanwhile.
    held: list[Route] = []
    chat.page.route("**/css/dialog.css*", lambda route: held.append(route))
    with chat.page.expect_request("**/css/dialog.css*"):
        chat.page.reload()
    expect(thumbnails).to_have_count(2)
    thumbnails.first.click()
    chat.field.focus()
    held[0].continue_()
    chat.page.unroute_all()
    dialog = chat.page.get_by_role("dialog", name="Image: one.png")
    expect(dialog.get_by_role("img", name="one.png")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(chat.questions.last.get_by_role("button").first).to_be_focused()
    # of the history, of an edited question, and of another answer
    bodies.append(chat.reply_once(**REPLY))
    chat.ask_and_wait("And now?")
    assert bodies[1][0]["conversation_history"][0]["images"] == bodies[0][0]["images"]
    assert "images" not in bodies[1][0]
    bodies.append(chat.reply_once(**REPLY))
    chat.page.locator(".exchange .edit").first.click()
    editor = chat.page.locator(".question-editor")
    expect(editor.get_by_role("img", name="two.png")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.questions.first.get_by_role("img", name="two.png")).to_be_visible()
    chat.page.locator(".exchange .edit").first.click()
    expect(editor.get_by_role("img")).to_have_count(2)
    chat.page.locator(".question-editor textarea").fill("What is it, in Chinese?")
    chat.page.get_by_role("button", name="Ask", exact=True).click()
    chat.wait_complete()
    assert bodies[2][0]["images"] == bodies[0][0]["images"]
    expect(thumbnails).to_have_count(2)
    bodies.append(chat.reply_once(**REPLY))
    chat.answer.get_by_role("button", name="Regenerate").click()
    chat.wait_complete()
    assert bodies[3][0]["images"] == bodies[0][0]["images"]
    # and of a question that is asked in a new conversation
    browser_errors.expect("status of 400")
    failed = {"success": False, "error": "No.", "code": "context_length_exceeded", "retryable": False}
    chat.reply_once(status=400, json=failed)
    chat.answer.get_by_role("button", name="Regenerate").click()
    chat.page.get_by_role("button", name="New conversation with this question").click()
    expect(attached(chat)).to_have_count(2)
    assert [each.get_attribute("alt") for each in attached(chat).all()] == ["one.png", "two.png"]
    expect(chat.field).to_have_value("What is it, in Chinese?")
    chat.page.wait_for_function(SHARED, arg=["What is it, in Chinese?", ["one.png", "two.png"]])
    bodies.append(chat.reply_once(**REPLY))
    chat.field.press("Enter")
    chat.wait_complete()
    assert bodies[4][0]["images"] == bodies[0][0]["images"]
    assert bodies[4][0]["conversation_history"] == []


def test_images_that_come_late_move_nothing(chat: ChatPage) -> None:
    page = chat.page
    page.set_viewport_size({"width": 390, "height": 500})
    choose(chat, picture(chat, "one.png"), picture(chat, "two.png", width=20), picture(chat, "three.png", width=90))
    expect(attached(chat)).to_have_count(3)
    chat.reply_once(**REPLY)
    chat.ask_and_wait("Which is red?")
    chat.wait_saved()
    images = chat.questions.first.get_by_role("img")
    expect(images).to_have_count(3)
    before = chat.questions.first.bounding_box()
    held: list[Route] = []
    page.route("**/bundle/shared/interaction.js*", lambda route: held.append(route))
    with page.expect_request("**/bundle/shared/interaction.js*"):
        page.reload()
    expect(chat.answer).to_contain_text("A picture.")
    chat.wait_shown()
    expect(images).to_have_count(0)
    assert chat.questions.first.bounding_box() == before
    held[0].continue_()
    expect(images).to_have_count(3)
    assert chat.questions.first.bounding_box() == before
    assert page.evaluate("() => scrollY > 0 && document.documentElement.scrollHeight - innerHeight - scrollY < 1")


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


# Deletes what no question has, as a page does after its first interaction.
DELETE_UNUSED: Final = with_page_modules("""async () => {
    const { deleteUnused } = await pageModule("storage/image_store.js");
    await deleteUnused(async () => new Set());
}""")


# The storage has room for images only.
REFUSE_CONVERSATIONS: Final = """() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...given) {
        if (this.name !== "images") throw new DOMException("no room", "QuotaExceededError");
        return put.apply(this, given);
    };
}"""


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


# Plain http has no Web Locks.
WITHOUT_LOCKS: Final = "Object.defineProperty(navigator, 'locks', { value: undefined })"
# Has what is unused now be so for this time in milliseconds.
AGE_UNUSED: Final = """(age) => {
    const key = Object.keys(localStorage).find((each) => each.endsWith(".unused"));
    const all = JSON.parse(localStorage.getItem(key));
    for (const since of Object.values(all)) for (const name of Object.keys(since)) since[name] -= age;
    localStorage.setItem(key, JSON.stringify(all));
}"""


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


@pytest.fixture
def server_with_images(model: ScriptedModel) -> Iterator[GunicornServer]:
    """Start a server whose model takes images."""
    env = {
        "OPENAI_API_KEY": PLANTED_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": MODEL_NAME,
        "SLUICE_ALLOW_IMAGES": "on",
    }
    with GunicornServer(env) as server:
        yield server


def test_the_model_gets_the_images_of_the_page(
    browser: Browser, model: ScriptedModel, server_with_images: GunicornServer, tmp_path: Path
) -> None:
    with open_context(browser, base_url=server_with_images.url, locale="zh-CN") as context:
        chat = ChatPage(context.new_page()).open()
        model.enqueue(reply("Four noisy pictures."))
        large = tmp_path / "noise.jpg"
        large.write_bytes(picture(chat, large.name, width=1600, height=900, kind="image/jpeg")["buffer"])
        choose_path(chat, large, times=4)
        expect(attached(chat)).to_have_count(4)
        expect(chat.ask_and_wait("这是什么？")).to_have_text("Four noisy pictures.")
        (message,) = model.exchanges[-1].body["messages"]
        assert [part["type"] for part in message["content"]] == ["text", *["image_url"] * 4]
