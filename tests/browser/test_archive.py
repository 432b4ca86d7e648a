"""Export and import of conversations: Markdown, JSON, and invalid files."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Download, FileChooser, FilePayload, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, reply, resetting_after

from .test_conversations import FILL_STORAGE, act, converse, titles


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def exported(chat: ChatPage) -> dict[str, Any]:
    """Export every conversation as JSON."""
    chat.page.get_by_role("button", name="Settings").click()
    with chat.page.expect_download() as started:
        chat.page.get_by_role("button", name="Export all").click()
    chat.page.keyboard.press("Escape")
    assert re.fullmatch(r"sluice \d{4}-\d\d-\d\d\.json", started.value.suggested_filename)
    archive: dict[str, Any] = json.loads(started.value.path().read_text())
    return archive


def choose(chat: ChatPage, content: str | bytes, names: tuple[str, str] = ("Settings", "Import")) -> None:
    """Import a file of JSON, or a ZIP file, with the buttons of these names."""
    if isinstance(content, str):
        file = FilePayload(name="export.json", mimeType="application/json", buffer=content.encode())
    else:
        file = FilePayload(name="export.zip", mimeType="application/zip", buffer=content)
    settings, button = names
    chat.page.get_by_role("button", name=settings).click()
    with chat.page.expect_file_chooser() as chooser:
        chat.page.get_by_role("button", name=button).click()
    chooser.value.set_files(file)
    expect(chat.page.locator(".import-result")).not_to_be_empty()
    expect(chat.page.get_by_role("button", name=button)).to_be_enabled()  # the import has ended
    chat.page.keyboard.press("Escape")


@pytest.mark.browser_context(timezone_id="Asia/Shanghai")
def test_an_export_is_named_after_the_readers_day(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."))
    converse(chat, "First")
    chat.page.clock.set_fixed_time("2026-11-30T23:30Z")
    chat.page.get_by_role("button", name="Settings").click()
    with chat.page.expect_download() as started:
        chat.page.get_by_role("button", name="Export all").click()
    assert started.value.suggested_filename == "sluice 2026-12-01.json"


def test_an_import_restores_deleted_conversations_without_duplicates(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Another."), reply("Two."))
    converse(chat, "First")
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.prose).to_have_text("Another.")
    chat.wait_complete()
    converse(chat, "Second")
    archive = exported(chat)
    act(chat, "First", "Delete")
    expect(titles(chat)).to_have_text(["Second"])
    choose(chat, json.dumps(archive))
    expect(chat.status).to_have_text("1 conversation imported, 1 here already")
    expect(titles(chat)).to_have_text(["Second", "First"])
    titles(chat).last.click()
    expect(chat.prose).to_have_text("Another.")
    chat.answer.get_by_role("button", name="Previous version").click()
    expect(chat.prose).to_have_text("One.")
    again = exported(chat)
    assert [each["exchanges"] for each in again["conversations"]] == [
        each["exchanges"] for each in archive["conversations"]
    ]
    chat.choose_action("Delete this version")
    act(chat, "Second", "Delete")
    for sentence in (
        "1 conversation imported, 1 updated",
        "All 2 conversations are here already",
    ):
        choose(chat, json.dumps(archive))
        expect(chat.status).to_have_text(sentence)
    chat.choose_action("Delete this version")
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_label("简体中文", exact=True).check()
    chat.page.keyboard.press("Escape")
    choose(chat, json.dumps(archive), ("设置", "导入"))
    expect(chat.status).to_have_text("已更新 1 段对话，1 段已存在")


# The next reads of a conversation fail, as many as are given.
FAIL_READS = """(count) => {
  const { getAll } = IDBIndex.prototype;
  IDBIndex.prototype.getAll = function (...given) {
    if (count-- > 0) throw new DOMException("damaged", "UnknownError");
    return getAll.apply(this, given);
  };
}"""


def test_an_export_says_how_many_conversations_could_not_be_read(chat: ChatPage, model: ScriptedModel) -> None:
    settings, export = (chat.page.get_by_role("button", name=name) for name in ("Settings", "Export all"))
    result = chat.page.locator(".import-result")
    downloads: list[Download] = []
    chat.page.on("download", lambda download: downloads.append(download))
    settings.click()
    export.click()
    expect(result).to_have_text("No conversation was exported.")
    chat.page.keyboard.press("Escape")
    model.enqueue(reply("One."), reply("Two."), reply("Three."), reply("Four."))
    converse(chat, "First", "Second", "Third")
    chat.wait_saved()
    settings.click()
    chat.page.evaluate(FAIL_READS, 3)
    export.click()
    expect(result).to_have_text(
        "No conversation was exported. 3 conversations were not exported: they could not be read."
    )
    assert downloads == []
    # the latest one has changes that are not stored, which are not all of it
    chat.page.keyboard.press("Escape")
    chat.page.evaluate(FILL_STORAGE)
    chat.ask_and_wait("And on")
    expect(chat.page.get_by_role("alert").filter(has_text="storage is full")).to_be_visible()
    settings.click()
    chat.page.evaluate(FAIL_READS, 1)
    with chat.page.expect_download() as started:
        export.click()
    expect(result).to_have_text("1 conversation was not exported: it could not be read.")
    archive = json.loads(started.value.path().read_text())
    assert [each["title"] for each in archive["conversations"]] == ["Second", "First"]
    chat.page.keyboard.press("Escape")
    chat.change_language("zh-CN")
    chat.page.get_by_role("button", name="设置").click()
    chat.page.evaluate(FAIL_READS, 2)
    with chat.page.expect_download():
        chat.page.get_by_role("button", name="全部导出").click()
    expect(result).to_have_text("有 2 段对话无法读取，未导出。")


def test_a_markdown_export_quotes_each_question_above_its_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("It **is**."), resetting_after("So it "))
    chat.ask_and_wait("Is it?\nReally?")
    chat.ask("And why: <b>?")
    expect(chat.failure).to_be_visible()
    with chat.page.expect_download() as started:
        act(chat, "Is it?", "Export as Markdown")
    assert started.value.suggested_filename == "Is it.md"
    lines = started.value.path().read_text().split("\n\n")
    assert lines[0] == "# Is it?"
    assert lines[2:] == [
        "> Is it?\n> Really?",
        "It **is**.",
        "> And why: <b>?",
        "So it",
        "*This answer is incomplete.*\n",
    ]


def changed(archive: dict[str, Any], **changes: Any) -> str:
    """Return the archive with changed fields in its first exchange."""
    copy = json.loads(json.dumps(archive))
    copy["conversations"][0]["exchanges"][0].update(changes)
    return json.dumps(copy)


def test_an_invalid_file_is_refused_with_a_message(chat: ChatPage) -> None:
    converse(chat, "First")
    archive = exported(chat)
    conversation = archive["conversations"][0]
    own = conversation["exchanges"][0]["id"]
    damaged = "This file is damaged. Nothing was imported. Export the conversations again."
    no_export = (
        "This file is not an export of Sluice, ChatGPT or Open WebUI. Choose a JSON file that one of them exported, "
        "or ChatGPT's ZIP file."
    )
    newer = "A newer version of Sluice wrote this file, and this version cannot read it. Nothing was imported."
    refused = {
        "": no_export,
        "<html>": no_export,
        "[]": no_export,
        '{"format": "other"}': no_export,
        json.dumps(archive | {"version": 2}): newer,
        json.dumps(archive | {"conversations": {}}): damaged,
        json.dumps(archive | {"conversations": [None]}): damaged,
        json.dumps(archive | {"conversations": [conversation | {"exchanges": []}]}): damaged,
        json.dumps(archive | {"conversations": [conversation | {"id": "__proto__"}]}): damaged,
        json.dumps(archive | {"conversations": [conversation | {"choices": {"__proto__": own}}]}): damaged,
        json.dumps(archive | {"conversations": [conversation, conversation]}): damaged,
        changed(archive, question=7): damaged,
        changed(archive, state="nonsense"): damaged,
        changed(archive, parent=own): damaged,
        changed(archive, parent="0123456789abcdef01234567"): damaged,
        changed(archive, created="yesterday"): damaged,
        "[" * 100_000: no_export,
    }
    result = chat.page.locator(".import-result")
    for content, sentence in refused.items():
        choose(chat, content)
        expect(result).to_have_text(sentence)
        chat.page.get_by_role("button", name="Settings").click()
        expect(result).to_be_empty()  # the sentence was about an earlier opening
        chat.page.keyboard.press("Escape")
    # earlier versions have exported this
    choose(chat, changed(archive, thoughtMs=-5))
    expect(result).to_have_text("This conversation is here already")
    chat.page.evaluate(
        "() => { Blob.prototype.text = () => Promise.reject(new DOMException('gone', 'NotReadableError')); }"
    )
    choose(chat, json.dumps(archive))
    expect(result).to_contain_text("The browser could not read this file.")
    assert exported(chat)["conversations"] == archive["conversations"]


def test_a_long_conversation_is_rendered_from_its_end(
    chat: ChatPage,
) -> None:
    first, length = 0xABC000, 150
    exchanges = [
        {"id": f"{first + number:024x}", "parent": f"{first + number - 1:024x}" if number else None}
        | {"question": f"Question {number}", "answer": "It is **bold**.\n\n- one\n- two\n" * 2, "reasoning": ""}
        | {"state": "complete", "created": number, "changed": number}
        for number in range(length)
    ]
    record = {"id": f"{first - 1:024x}", "title": "Long", "created": 0, "changed": 0, "choices": {}}
    archive = {"format": "sluice.conversations", "version": 1, "conversations": [record | {"exchanges": exchanges}]}
    choose(chat, json.dumps(archive))
    titles(chat).click()
    expect(chat.questions).to_have_count(length)
    expect(chat.questions.last).to_be_in_viewport()
    expect(chat.page.locator(".prose.plain")).to_have_count(0)
    expect(chat.prose.locator("strong").last).to_be_in_viewport()


def archive_of(count: int) -> str:
    """Return an export with so many conversations."""
    times = {"created": 0, "changed": 0}
    exchange = {"parent": None, "answer": "Yes.", "reasoning": "", "state": "complete"} | times
    conversations = [
        {"id": f"{0xB00000 + number:024x}", "title": f"Of {number}", "choices": {}, **times}
        | {"exchanges": [{"id": f"{0xA00000 + number:024x}", "question": f"Question {number}", **exchange}]}
        for number in range(count)
    ]
    return json.dumps({"format": "sluice.conversations", "version": 1, "conversations": conversations})


# Files are read when `releaseFiles` is called. `resultTexts` are all sentences about the import.
HOLD_FILES = """() => {
  const { text } = Blob.prototype;
  const released = new Promise((resolve) => { window.releaseFiles = resolve; });
  Blob.prototype.text = async function () { await released; return text.call(this); };
  const result = document.querySelector(".import-result");
  window.resultTexts = [];
  new MutationObserver(() => resultTexts.push(result.textContent)).observe(result, { childList: true });
}"""


@pytest.mark.parametrize(
    ("language", "names", "word", "counts", "sentence"),
    [
        ("en", ("Settings", "Import", "Export all"), "Importing…", "Importing: {} of 250 conversations",
         "250 conversations imported"),
        ("zh-CN", ("设置", "导入", "全部导出"), "正在导入…", "正在导入：{} / 250 段对话", "已导入 250 段对话"),
    ],
)  # fmt: skip
def test_an_import_says_that_it_works_and_how_far_it_is_and_is_not_started_twice(
    chat: ChatPage, language: str, names: tuple[str, str, str], word: str, counts: str, sentence: str
) -> None:
    page = chat.page
    if language != "en":
        chat.change_language(language)
    opener, *buttons = (page.get_by_role("button", name=name, exact=True) for name in names)
    result = page.locator(".import-result")
    page.evaluate(HOLD_FILES)
    opener.click()
    with page.expect_file_chooser() as chooser:
        buttons[0].click()
    downloads: list[Download] = []
    choosers: list[FileChooser] = []
    page.on("download", lambda download: downloads.append(download))
    page.on("filechooser", lambda further: choosers.append(further))
    chooser.value.set_files(
        FilePayload(name="export.json", mimeType="application/json", buffer=archive_of(250).encode())
    )
    expect(result).to_have_text(word)
    for button in buttons:
        expect(button).to_be_disabled()
        button.dispatch_event("click")
    # closed and opened again, it still says so
    page.keyboard.press("Escape")
    opener.click()
    expect(result).to_have_text(word)
    page.evaluate("() => releaseFiles()")
    expect(result).to_have_text(sentence)
    assert page.evaluate("() => resultTexts") == [word, counts.format(100), counts.format(200), sentence]
    for button in buttons:
        expect(button).to_be_enabled()
    assert (downloads, choosers) == ([], [])
    expect(page.locator("#sluice-alerts .notice")).to_have_count(0)
    expect(titles(chat)).to_have_count(250)


def test_the_result_of_an_import_is_shown_also_where_the_settings_were_closed(chat: ChatPage) -> None:
    page = chat.page
    page.evaluate(HOLD_FILES)
    page.get_by_role("button", name="Settings").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import").click()
    chooser.value.set_files(
        FilePayload(name="export.json", mimeType="application/json", buffer=archive_of(2).encode())
    )
    expect(page.locator(".import-result")).to_have_text("Importing…")
    page.keyboard.press("Escape")
    page.evaluate("() => releaseFiles()")
    notice = page.get_by_role("alert").filter(has_text="2 conversations imported")
    expect(notice).to_be_visible()
    expect(titles(chat)).to_have_count(2)
    # the next one has a sentence of its own
    choose(chat, archive_of(2))
    expect(chat.status).to_have_text("All 2 conversations are here already")
    expect(notice).to_have_count(0)


def test_an_answer_that_was_being_written_when_it_was_exported_is_imported_as_incomplete(chat: ChatPage) -> None:
    converse(chat, "First")
    archive = exported(chat)
    act(chat, "First", "Delete")
    choose(chat, changed(archive, state="running", answer="Half"))
    titles(chat).click()
    expect(chat.prose).to_have_text("Half")
    expect(chat.failure).to_have_text("The imported file does not have the whole answer.")
    choose(chat, json.dumps(archive))
    expect(chat.status).to_have_text("1 conversation updated")
    expect(chat.failure).to_have_count(0)


def test_an_imported_text_is_shown_and_not_executed(chat: ChatPage) -> None:
    converse(chat, "First")
    archive = exported(chat)
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    text = changed(archive, question=attack, answer=attack, reasoning=attack, extra=attack, changed=2**53)
    choose(chat, text.replace('"title": "First"', f'"title": {json.dumps(attack)}'))
    expect(chat.questions).to_have_text([attack])
    expect(chat.page.locator(".exchange script, .exchange img[onerror]")).to_have_count(0)
    assert "extra" not in exported(chat)["conversations"][0]["exchanges"][0]
