"""Images that a test adds to a message."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Final

from playwright.sync_api import FilePayload, Locator, Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame

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
# Holds the next image that is decoded until `goOn` is called.
HOLD_DECODING: Final = """() => {
    const decode = window.createImageBitmap;
    window.createImageBitmap = async (...args) => {
        await new Promise((resolve) => (window.goOn = resolve));
        window.createImageBitmap = decode;
        return decode(...args);
    };
}"""
REPLY: Final = {"content_type": "text/event-stream", "body": frames(text_frame("A picture."), DONE_FRAME)}


def open_with_images(page: Page) -> ChatPage:
    """Open the page with images allowed, and wait until it takes files."""
    chat = ChatPage(page)
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
