"""The keyboard shortcuts of the page, and keys that stay with the browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, said, stalling_after

PRESSED = """press => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", {bubbles: true, cancelable: true, ...press}))"""

# The button shows its result for two seconds.
RECORD_LABELS = """() => {
    const button = document.querySelector(".copy-answer");
    window.labels = [];
    const record = () => window.labels.push(button.textContent);
    new MutationObserver(record).observe(button, { childList: true, subtree: true });
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def test_escape_stops_the_answer_and_shift_escape_focuses_the_composer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    chat.page.get_by_role("button", name="Settings").focus()
    chat.page.keyboard.press("Escape")
    expect(chat.status).to_have_text("Stopped")
    model.wait_idle()
    chat.page.keyboard.press("Shift+Escape")
    expect(chat.field).to_be_focused()


@pytest.mark.browser_context(viewport={"width": 390, "height": 700})
def test_the_shortcut_to_the_composer_closes_the_drawer(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((*said("Half"), gate, *said(" and whole"), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("Half")
    chat.page.keyboard.press("Alt+Shift+k")
    expect(chat.page.locator("#sluice-search")).to_be_focused()
    chat.page.keyboard.type("Tell")
    chat.page.keyboard.press("Shift+Escape")
    expect(chat.field).to_be_focused()
    chat.page.keyboard.press("Alt+Shift+k")
    chat.page.keyboard.press("Escape")  # clears the search field
    chat.page.keyboard.press("Escape")  # closes the drawer without stopping the answer
    expect(chat.page.locator("#sluice-sidebar")).to_be_hidden()
    gate.open()
    chat.wait_complete()
    expect(chat.prose).to_have_text("Half and whole")


def test_escape_in_a_dialog_closes_only_the_dialog(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((gate, *said("Whole."), *finished()))
    chat.ask("Tell me")
    chat.page.keyboard.press("Alt+Shift+/")
    dialog = chat.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    for listed in ("Previous question (in an empty box) ↑", "Next question ↓", "Undo the last deletion Alt Shift Z"):
        what, *keys = listed.rsplit(" ", 3 if "Alt" in listed else 1)
        expect(dialog.locator("dl > div", has_text=what).locator("kbd")).to_have_text(keys)
    chat.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(chat.field).to_be_focused()
    gate.open()
    chat.wait_complete()
    expect(chat.prose).to_have_text("Whole.")


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_a_shortcut_copies_the_markdown_of_the_last_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("**Bold** and plain"))
    chat.ask_and_wait("Tell me")
    chat.page.evaluate(RECORD_LABELS)
    chat.page.keyboard.press("Alt+Shift+c")
    expect(chat.status).to_have_text("Copied")
    chat.page.wait_for_function("() => window.labels.includes('Copied')")
    assert chat.page.evaluate("navigator.clipboard.readText()") == "**Bold** and plain"


def test_the_shortcut_for_a_new_conversation_works_on_any_keyboard_layout(chat: ChatPage) -> None:
    chat.ask_and_wait("First")
    chat.page.keyboard.press("Alt+Shift+o")
    expect(chat.questions).to_have_count(0)
    chat.ask_and_wait("Second")
    # the same key on a Cyrillic keyboard
    assert not chat.page.evaluate(PRESSED, {"key": "Щ", "code": "KeyO", "altKey": True, "shiftKey": True})
    expect(chat.questions).to_have_count(0)


def test_shortcuts_of_the_browser_still_work(chat: ChatPage) -> None:
    presses: list[dict[str, object]] = [
        {"key": "r", "code": "KeyR", "ctrlKey": True},
        {"key": "R", "code": "KeyR", "ctrlKey": True, "shiftKey": True},
        {"key": "r", "code": "KeyR", "metaKey": True},
        {"key": "F5"},
        {"key": "Escape"},  # no answer is running
        *({"key": key, "code": f"Key{key.upper()}", "ctrlKey": True} for key in "tnwlfpdhjcvxas"),
        *(
            {"key": key, "code": f"Key{key}", "ctrlKey": True, "shiftKey": True}
            for key in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        ),
        *({"key": key, "code": f"Key{key}", "altKey": True} for key in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        *({"key": key, "altKey": True, "ctrlKey": True} for key in "okscńół"),  # AltGr
        {"key": "k", "code": "KeyK", "ctrlKey": True},
        {"key": "/", "code": "Slash", "ctrlKey": True},
        *({"key": key} for key in "k/"),  # letters without a modifier
        *({"key": key, "shiftKey": True} for key in "OSC"),
    ]
    taken = [press for press in presses if not chat.page.evaluate(PRESSED, press)]
    assert taken == []


@pytest.mark.browser_context(viewport={"width": 320, "height": 640})
def test_an_input_methods_escape_neither_clears_the_search_nor_closes_the_drawer(chat: ChatPage) -> None:
    chat.page.keyboard.press("Alt+Shift+k")
    search = chat.page.get_by_role("searchbox", name="Search conversations")
    search.fill("你")
    # What Safari sends when the reader gives up a composition: it has ended, and only the key code tells. Chromium
    # would clear the field by itself, were it a real key.
    escape = """element => element.dispatchEvent(
        new KeyboardEvent("keydown", { key: "Escape", keyCode: 229, bubbles: true }))"""
    search.evaluate(escape)
    expect(search).to_have_value("你")
    search.fill("")
    search.evaluate(escape)
    expect(chat.page.locator("#sluice-toggle-sidebar")).to_have_attribute("aria-expanded", "true")
    search.press("Escape")
    expect(search).to_be_hidden()
