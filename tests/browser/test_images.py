"""Images of questions: what is sent and shown, and what the model gets."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.chromium import WAIT_MS, open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, reply

from ..conftest import PLANTED_KEY
from .browser_errors import BrowserErrors
from .held_requests import HeldRequests
from .images import REPLY, attached, choose, choose_path, open_with_images, picture
from .kept_images import SHARED


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page, with images allowed."""
    return open_with_images(browser_page)


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


def test_where_a_server_takes_no_images_those_of_a_conversation_are_not_sent_and_a_note_says_so(
    chat: ChatPage,
) -> None:
    choose(chat, picture(chat, "one.png"))
    chat.reply_once(**REPLY)
    chat.ask_and_wait("What is it?")
    chat.wait_saved()
    chat.page.unroute("**/api/config")
    chat.configure(images=False)
    chat.page.reload()
    expect(chat.questions).to_have_text(["What is it?"])
    note = chat.answer.locator(".note")
    for question, action in (("And now?", None), ("What is it?", "Regenerate")):
        bodies = chat.reply_once(**REPLY)
        if action:
            chat.choose_action("Delete question and answer")
            chat.page.get_by_role("button", name=action).click()
            chat.wait_complete()
        else:
            chat.ask_and_wait(question)
        expect(note).to_have_text("Images of this conversation were not sent: this server does not take any.")
        assert (bodies[0]["message"], "images" in json.dumps(bodies[0])) == (question, False)
    chat.wait_saved()
    chat.page.reload()
    expect(note).to_have_count(1)


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
    styles = HeldRequests(chat.page, "**/css/dialog.css*")
    with chat.page.expect_request("**/css/dialog.css*"):
        chat.page.reload()
    expect(thumbnails).to_have_count(2)
    thumbnails.first.click()
    chat.field.focus()
    styles.pass_on()
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


def test_a_step_back_closes_a_large_image_also_one_that_comes_after_it(chat: ChatPage) -> None:
    chat.reply_once(**REPLY)
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="New conversation").first.click()
    choose(chat, picture(chat, "one.png"))
    expect(attached(chat)).to_have_count(1)
    chat.reply_once(**REPLY)
    chat.ask_and_wait("Second")
    styles = HeldRequests(chat.page, "**/css/dialog.css*")
    thumbnail = chat.questions.last.get_by_role("img")
    dialog = chat.page.get_by_role("dialog")
    chat.wait_saved()
    with chat.page.expect_request("**/css/dialog.css*"):
        chat.page.reload()
    thumbnail.click()
    chat.page.go_back()
    expect(chat.questions).to_have_text(["First"])
    with chat.page.expect_event("requestfinished", lambda request: "dialog.css" in request.url):
        styles.pass_on()
    chat.page.go_forward()
    thumbnail.click()
    expect(dialog).to_have_count(1)
    chat.page.go_back()
    expect(chat.questions).to_have_text(["First"])
    expect(dialog).to_have_count(0)


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
    interaction = HeldRequests(page, "**/bundle/shared/interaction.js*")
    with page.expect_request("**/bundle/shared/interaction.js*"):
        page.reload()
    expect(chat.answer).to_contain_text("A picture.")
    chat.wait_shown()
    expect(images).to_have_count(0)
    assert chat.questions.first.bounding_box() == before
    interaction.pass_on()
    expect(images).to_have_count(3)
    assert chat.questions.first.bounding_box() == before
    assert page.evaluate("() => scrollY > 0 && document.documentElement.scrollHeight - innerHeight - scrollY < 1")


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
        # Noise is slow to scale: 12 s were seen on a busy machine.
        expect(attached(chat)).to_have_count(4, timeout=4 * WAIT_MS)
        expect(chat.ask_and_wait("这是什么？")).to_have_text("Four noisy pictures.")
        (message,) = model.exchanges[-1].body["messages"]
        assert [part["type"] for part in message["content"]] == ["text", *["image_url"] * 4]
