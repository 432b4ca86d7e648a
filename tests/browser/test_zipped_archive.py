"""Import of the ZIP file that ChatGPT exports."""

from __future__ import annotations

import io
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage

from .browser_errors import BrowserErrors
from .test_archive import choose
from .test_conversations import titles
from .test_foreign_archive import node, tree
from .test_without_vendor import without


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def zipped(members: dict[str, str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP file of these texts, by their names."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


def conversation(title: str) -> str:
    """Return the file of a conversation of one question, which its title answers."""
    return tree(title, [node("q", None, "user", "Why?"), node("a", "q", "assistant", title)])


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_conversations_of_a_zip_file_are_imported_from_all_their_files(chat: ChatPage, compression: int) -> None:
    members = {
        "chat.html": "<html>",
        "export/conversations-001.json": conversation("Tea"),
        "export/conversations-000.json": conversation("花"),
        "export/shared_conversations.json": "[]",
        "export/user.json": "{}",
    }
    choose(chat, zipped(members, compression))
    expect(chat.page.locator(".import-result")).to_have_text("2 conversations imported")
    titles(chat).filter(has_text="花").click()
    expect(chat.prose).to_have_text("花")
    choose(chat, zipped({"conversations.json": conversation("Tea")}))
    expect(chat.page.locator(".import-result")).to_have_text("This conversation is here already")


def test_a_zip_file_without_readable_conversations_is_refused_with_a_message(chat: ChatPage) -> None:
    other = (
        "This file is not an export of Sluice, ChatGPT or Open WebUI. Choose a JSON file that one of them exported, "
        "or ChatGPT's ZIP file."
    )
    damaged = "This file is damaged. Nothing was imported. Export the conversations again."
    whole = zipped({"conversations.json": conversation("Tea" * 100)})
    refused = {
        zipped({"readme.txt": "Hello"}): other,
        zipped({"conversations.json": '{"a": 1}'}): other,
        zipped({"conversations.json": "[{"}): damaged,
        whole[: len(whole) // 2]: damaged,
        whole.replace(b"PK\x05\x06", b"PK\x00\x00"): damaged,
        zipped(
            {"conversations.json": " " * 101_000_000}
        ): "This file is too large. The limit is 100 MB. Nothing was imported.",
    }
    for content, sentence in refused.items():
        choose(chat, content)
        expect(chat.page.locator(".import-result")).to_have_text(sentence)
    expect(titles(chat)).to_have_count(0)


def test_a_zip_file_says_that_what_reads_it_could_not_be_loaded(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    chat = without(ChatPage(browser_page), browser_errors, "**/vendor/unzipit.js")
    choose(chat, zipped({"conversations.json": conversation("Tea")}))
    expect(chat.page.locator(".import-result")).to_contain_text("could not be loaded")
    expect(titles(chat)).to_have_count(0)
