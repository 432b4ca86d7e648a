"""Images of questions in exported and imported files."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import change_module

from .images import REPLY, attached, choose, open_with_images, picture
from .kept_images import STORED
from .test_archive import choose as import_file
from .test_archive import exported
from .test_conversations import act

# Deletes all kept images. The page has those that it has added in memory until it is loaded again.
FORGET: Final = "() => new Promise((done) => { indexedDB.deleteDatabase('sluice.images').onsuccess = done; })"
MISSING: Final = "Images of this question are not in this browser."


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the page with a question that has two images."""
    chat = open_with_images(browser_page)
    ask_with(chat, "What is it?", "one.png", "two.png")
    chat.wait_saved()
    return chat


def ask_with(chat: ChatPage, question: str, *names: str) -> list[str]:
    """Ask a question with images of these names, and return them as they were sent."""
    expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()
    choose(chat, *(picture(chat, name) for name in names))
    expect(attached(chat)).to_have_count(len(names))
    bodies = chat.reply_once(**REPLY)
    chat.ask_and_wait(question)
    sent: list[str] = bodies[0]["images"]
    return sent


def forget_images(chat: ChatPage) -> None:
    """Delete all images of this browser, and load the page again."""
    chat.page.evaluate(FORGET)
    chat.page.reload()
    expect(chat.questions.last).to_contain_text(MISSING)


def result(chat: ChatPage, archive: dict[str, Any], names: tuple[str, str] = ("Settings", "Import")) -> str:
    """Import an archive, and return what the page says."""
    import_file(chat, json.dumps(archive), names)
    return chat.page.locator(".import-result").text_content() or ""


def test_an_import_restores_the_images_of_an_export_once(chat: ChatPage) -> None:
    sent = chat.page.evaluate(STORED)
    # another version of the question has the same images
    bodies = chat.reply_once(**REPLY)
    chat.page.locator(".exchange .edit").first.click()
    chat.page.locator(".question-editor textarea").fill("What is it, in Chinese?")
    chat.page.get_by_role("button", name="Ask", exact=True).click()
    chat.wait_complete()
    chat.wait_saved()
    archive = exported(chat)
    assert sorted(archive["images"].values()) == sorted(sent)
    with chat.page.expect_download() as started:
        act(chat, "What is it, in Chinese?", "Export as JSON")
    one = json.loads(started.value.path().read_text())
    assert one["images"] == archive["images"]
    chat.page.locator(".conversation a").press("Delete")
    expect(chat.page.locator(".conversation")).to_have_count(0)
    chat.page.evaluate(FORGET)
    chat.page.reload()
    assert result(chat, archive) == "1 conversation imported. 2 images were added."
    chat.page.locator(".conversation a").click()
    thumbnails = chat.questions.last.get_by_role("img")
    expect(thumbnails).to_have_count(2)
    assert sorted(chat.page.evaluate(STORED)) == sorted(sent)
    assert result(chat, archive) == "This conversation is here already"
    assert len(chat.page.evaluate(STORED)) == 2
    chat.page.reload()
    expect(thumbnails).to_have_count(2)
    # they are asked about again
    again = chat.reply_once(**REPLY)
    chat.answer.get_by_role("button", name="Regenerate").click()
    chat.wait_complete()
    assert again[0]["images"] == bodies[0]["images"]


def test_an_import_brings_back_images_of_a_question_that_is_shown(chat: ChatPage) -> None:
    archive = exported(chat)
    forget_images(chat)
    assert result(chat, archive) == "This conversation is here already. 2 images were added."
    expect(chat.questions.last.get_by_role("img")).to_have_count(2)
    expect(chat.questions.last).not_to_contain_text(MISSING)


def test_an_export_says_that_images_are_missing_and_so_does_the_import_of_an_older_file(chat: ChatPage) -> None:
    archive = exported(chat)
    forget_images(chat)
    lacking = "Some images are not in the exported file"
    chat.page.get_by_role("button", name="Settings").click()
    with chat.page.expect_download() as started:
        chat.page.get_by_role("button", name="Export all").click()
    expect(chat.page.locator(".import-result")).to_contain_text(lacking)
    chat.page.keyboard.press("Escape")
    assert "images" not in json.loads(started.value.path().read_text())
    with chat.page.expect_download():
        act(chat, "What is it?", "Export as JSON")
    expect(chat.page.get_by_role("alert").filter(has_text=lacking)).to_be_visible()
    older = {key: value for key, value in archive.items() if key != "images"}
    assert result(chat, older) == "This conversation is here already. 2 images are not in the file."
    chat.change_language("zh-CN")
    assert result(chat, older, ("设置", "导入")) == "文件中的 1 段对话都已存在。文件中缺少 2 张图片。"
    assert result(chat, archive, ("设置", "导入")) == "文件中的 1 段对话都已存在。已添加 2 张图片。"


def encoded(data: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def test_an_image_that_the_page_would_not_have_made_is_left_out_of_an_import(chat: ChatPage) -> None:
    archive = exported(chat)
    first, second = archive["images"]
    image = b64decode(archive["images"][first].split(",")[1])
    frame = image.index(b"\xff\xc0")
    hostile: dict[str, Any] = {
        "no string": 7,
        "no data URL": "https://example.org/a.jpg",
        "another label": archive["images"][first].replace("jpeg", "svg+xml"),
        "one as long": archive["images"][first].replace("jpeg", "webp"),
        "no base64": "data:image/jpeg;base64,<script>",
        "another type": encoded(picture(chat, "a.png")["buffer"]),
        "a picture of another size": encoded(picture(chat, "a.jpg", width=41, kind="image/jpeg")["buffer"]),
        # the file has a size that would take gigabytes
        "a bomb": encoded(image[: frame + 5] + b"\xff\xff\xff\xff" + image[frame + 9 :]),
        "too large": encoded(image + bytes(400_000)),
        "cut off": encoded(image[: frame + 12]),
    }
    forget_images(chat)
    for name, data in hostile.items():
        images = {first: data, "__proto__": data, "f" * 24: archive["images"][second]}
        said = result(chat, archive | {"images": images})
        expected = (
            "This conversation is here already. 1 image is not in the file. "
            "1 image was left out: it is damaged, too large or no JPEG."
        )
        assert (name, said) == (name, expected)
    assert chat.page.evaluate(STORED) == []
    assert "damaged" in result(chat, archive | {"images": []})
    assert result(chat, archive).endswith("2 images were added.")
    # what is here is not replaced
    other = {first: archive["images"][second], second: archive["images"][first]}
    assert result(chat, archive | {"images": other}) == "This conversation is here already"
    assert sorted(chat.page.evaluate(STORED)) == sorted(archive["images"].values())
    # as many as a message may have
    many = json.loads(json.dumps(archive))
    many["conversations"][0]["id"] = "a" * 24
    exchange = many["conversations"][0]["exchanges"][0]
    many["conversations"][0]["choices"] = {"": "b" * 24}
    exchange |= {"id": "b" * 24, "images": exchange["images"] * 3}
    assert result(chat, many) == "1 conversation imported. 2 images, files, sources or tool messages were left out."


def test_images_without_room_are_left_out_and_drop_none(chat: ChatPage) -> None:
    archive = exported(chat)
    sizes = [len(data) for data in archive["images"].values()]
    chat.page.evaluate(FORGET)
    budget = "const BUDGET_CHARS = "
    change_module(chat.page, "storage/image_store.js", f"{budget}64_000_000;", f"{budget}{sum(sizes) - 1};")
    chat.page.reload()
    expect(chat.questions.last).to_contain_text(MISSING)
    assert result(chat, archive) == (
        "This conversation is here already. 1 image was added. "
        "1 image was left out: there is no room for more images in this browser."
    )
    assert len(chat.page.evaluate(STORED)) == 1
    # nor is a file written that is too large to be imported
    chat.page.unroute_all()
    limit = "const MAX_BYTES = "
    change_module(chat.page, "files/archive.js", f"{limit}100_000_000;", f"{limit}{min(sizes)};")
    chat.page.reload()
    assert "images" not in exported(chat)


def test_without_a_storage_imported_images_are_shown_until_the_page_is_left(chat: ChatPage) -> None:
    archive = exported(chat)
    forget_images(chat)
    full = "() => { throw new DOMException('full', 'UnknownError'); }"
    chat.page.evaluate(f"() => {{ IDBFactory.prototype.open = {full}; }}")
    assert result(chat, archive) == (
        "This conversation is here already. 2 images were added. "
        "This browser cannot keep your images. They are lost when you leave the page."
    )
    expect(chat.questions.last.get_by_role("img")).to_have_count(2)
