"""Stored conversations: list, search, titles, deletion, storage failures."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import Chunk, ScriptedModel, finished, flood, flood_text, reply, said, stalling_after

from .browser_errors import BrowserErrors
from .held_requests import HeldRequests
from .test_dropped_files import DROP

FILL_STORAGE = """() => {
  window.put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = () => { throw new DOMException("no room", "QuotaExceededError"); };
}"""
FREE_STORAGE = "() => { IDBObjectStore.prototype.put = window.put; }"
FREE_STORAGE_BY_DELETING = """() => {
  const remove = IDBObjectStore.prototype.delete;
  IDBObjectStore.prototype.delete = function (...args) {
    IDBObjectStore.prototype.put = window.put;
    return remove.apply(this, args);
  };
}"""
REFUSE_ONCE = """(() => {
  if (location.protocol === "about:" || sessionStorage.refused) return;
  sessionStorage.refused = 1;
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = () => {
    IDBFactory.prototype.open = open;
    throw new DOMException("as a browser does now and then", "UnknownError");
  };
})()"""
# Keeps what is announced from now on.
WATCH_STATUS = """() => {
  const status = document.querySelector("[role=status]");
  window.said = [];
  const heard = () => window.said.push(status.textContent);
  new MutationObserver(heard).observe(status, { childList: true });
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def titles(chat: ChatPage) -> Locator:
    """Return the titles in the list, most recently changed first."""
    return chat.page.locator(".conversation a")


def converse(chat: ChatPage, *questions: str) -> None:
    """Ask each question in a new conversation."""
    for question in questions:
        chat.wait_shown()
        if chat.questions.count():
            chat.page.get_by_role("button", name="New conversation").click()
        chat.ask_and_wait(question)


def act(chat: ChatPage, title: str, action: str) -> None:
    """Choose an action of a conversation in the list."""
    chat.page.get_by_role("button", name=f"Actions for “{title}”").click()
    chat.page.get_by_role("menuitem", name=action).click()


def test_each_conversation_is_in_the_list_under_its_first_message(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    long = "Compare the ways to stream from Flask in a table, with code for each of them"
    converse(chat, "# First\nof two lines", long)
    expect(titles(chat)).to_have_text(["Compare the ways to stream from Flask in a table, with code…", "First"])
    expect(titles(chat).first).to_have_attribute("aria-current", "page")
    titles(chat).last.click()
    expect(chat.questions).to_have_text(["# First\nof two lines"])
    expect(chat.prose).to_have_text("One.")
    expect(titles(chat).last).to_have_attribute("aria-current", "page")
    chat.page.reload()
    expect(chat.prose).to_have_text("One.")


FAMILY = "👨\u200d👩\u200d👧\u200d👦"  # one character to the reader
# First messages and the titles derived from them.
TITLES = {
    "How do I use **`git rebase`** well?": "How do I use git rebase well?",
    "请**重点**说明 `a*b*c`": "请重点说明 a*b*c",
    "> - ## A ~~new~~ [link](https://example.org/)\nand more": "A new link",
    "```python\nprint(1)\n```": "print(1)",
    "---\nAbove": "Above",
    "What are *args and **kwargs?": "What are *args and **kwargs?",
    "__init__, 2**3**4, a*b*c and #!/bin/sh": "__init__, 2**3**4, a*b*c and #!/bin/sh",
    "-1 or #1?": "-1 or #1?",
    "***": "***",
    "[" * 200_000: "[" * 60 + "…",
    FAMILY * 60: FAMILY * 8 + "…",
}


def test_a_title_has_no_markdown_and_keeps_other_punctuation(chat: ChatPage) -> None:
    made = chat.page.evaluate(
        with_page_modules("""async (messages) => {
            const { titleFrom } = await pageModule("conversation/title.js");
            return messages.map((message) => titleFrom(message));
        }"""),
        list(TITLES),
    )
    assert dict(zip(TITLES, made, strict=True)) == TITLES


def test_editing_the_first_question_updates_the_title_until_it_is_renamed(
    chat: ChatPage, model: ScriptedModel
) -> None:
    def ask_instead(question: str) -> None:
        chat.questions.first.hover()
        chat.page.get_by_role("button", name="Edit").first.click()
        editor = chat.page.get_by_role("textbox", name="Edit your question")
        editor.fill(question)
        editor.press("Enter")
        expect(chat.questions).to_have_text([question])
        chat.wait_complete()

    converse(chat, "**Fisrt**")
    chat.ask_and_wait("And on")
    expect(titles(chat)).to_have_text(["Fisrt"])
    ask_instead("**First**")
    expect(titles(chat)).to_have_text(["First"])
    expect(chat.page).to_have_title("First · Sluice")
    chat.page.get_by_role("button", name="Previous version").click()
    expect(chat.questions).to_have_text(["**Fisrt**", "And on"])
    ask_instead("First of all")
    expect(titles(chat)).to_have_text(["First of all"])
    chat.page.reload()
    expect(titles(chat)).to_have_text(["First of all"])
    act(chat, "First of all", "Rename")
    chat.page.keyboard.type("Mine")
    chat.page.keyboard.press("Enter")
    ask_instead("Last")
    expect(titles(chat)).to_have_text(["Mine"])
    chat.page.reload()
    expect(titles(chat)).to_have_text(["Mine"])


def test_the_list_can_be_navigated_and_renamed_by_keyboard(chat: ChatPage) -> None:
    converse(chat, "First", "Second")
    titles(chat).first.focus()
    chat.page.keyboard.press("ArrowDown")
    expect(titles(chat).last).to_be_focused()
    chat.page.keyboard.press("F2")
    field = chat.page.get_by_role("textbox", name="Title")
    field.fill("A better name")
    field.press("Enter")
    expect(titles(chat)).to_have_text(["Second", "A better name"])
    expect(titles(chat).last).to_be_focused()
    chat.page.keyboard.press("Enter")
    chat.ask_and_wait("And on")
    chat.page.reload()
    expect(titles(chat)).to_have_text(["A better name", "Second"])


TOUCH = """(each) => {
    const press = { bubbles: true, cancelable: true, detail: 1, pointerType: "touch" };
    each.dispatchEvent(new PointerEvent("click", press));
}"""


def test_a_press_on_a_conversation_leads_to_the_message_box_and_a_key_stays_in_the_list(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("A heron."), reply("A tree."))
    converse(chat, "Birds", "Plants")
    for name in ("Birds", "Plants", "Plants"):
        titles(chat).get_by_text(name).click()
        expect(chat.questions).to_have_text([name])
        expect(chat.field).to_be_focused()
    chat.page.keyboard.type("And on")
    expect(chat.field).to_have_value("And on")
    titles(chat).get_by_text("Birds").press("Enter")
    expect(chat.questions).to_have_text(["Birds"])
    expect(titles(chat).get_by_text("Birds")).to_be_focused()
    titles(chat).get_by_text("Plants").evaluate(TOUCH)  # also where there is a mouse, it would open a keyboard
    expect(chat.questions).to_have_text(["Plants"])
    expect(titles(chat).get_by_text("Birds")).to_be_focused()
    chat.page.get_by_role("searchbox").fill("tree")
    chat.page.locator(".snippet:visible").click()
    expect(chat.questions).to_have_text(["Plants"])
    expect(chat.field).to_be_focused()


def test_a_deletion_by_mouse_of_the_shown_conversation_leads_to_the_message_box_and_one_by_key_stays_in_the_list(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(*(reply("One.") for _ in range(5)))
    converse(chat, "First", "Second", "Third", "Fourth", "Fifth")
    act(chat, "Fifth", "Delete")
    expect(chat.questions).to_have_count(0)
    chat.page.keyboard.type("And on")
    expect(chat.field).to_have_value("And on")
    chat.field.fill("")
    titles(chat).get_by_text("Fourth").click()
    expect(chat.questions).to_have_text(["Fourth"])
    act(chat, "Third", "Delete")  # not shown: the next one to delete is near
    expect(titles(chat).get_by_text("Second")).to_be_focused()
    chat.page.get_by_role("button", name="Actions for “Fourth”").press("Enter")
    chat.page.get_by_role("menuitem", name="Delete").press("Enter")
    expect(titles(chat)).to_have_text(["Second", "First"])
    expect(titles(chat).get_by_text("Second")).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.questions).to_have_text(["Second"])
    chat.page.keyboard.press("Delete")
    expect(titles(chat)).to_have_text(["First"])
    expect(titles(chat)).to_be_focused()
    titles(chat).click()
    act(chat, "First", "Delete")  # the only one
    expect(chat.questions).to_have_count(0)
    expect(titles(chat)).to_have_count(0)
    expect(chat.field).to_be_focused()


def test_back_and_forward_from_the_list_lead_to_the_message_box(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("A heron."), reply("A tree."))
    page, focused = chat.page, chat.page.locator(":focus")
    converse(chat, "Birds", "Plants")
    birds, plants = (titles(chat).get_by_text(name) for name in ("Birds", "Plants"))
    birds.press("Enter")
    plants.press("Enter")
    expect(plants).to_be_focused()
    for step, title, words in ((page.go_back, "Birds", "Do they"), (page.go_forward, "Plants", "Are they")):
        step()
        page.keyboard.press("Enter")  # in the list, it would open the conversation that was left
        page.keyboard.type(words)
        expect(chat.field).to_have_value(words)
        expect(chat.questions).to_have_text([title])
        titles(chat).get_by_text(title).focus()

    search = page.get_by_role("searchbox")
    search.fill("heron")
    expect(titles(chat)).to_have_text(["Birds"])
    search.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(chat.questions).to_have_text(["Birds"])
    page.go_back()
    expect(chat.questions).to_have_text(["Plants"])
    expect(chat.field).to_be_focused()
    expect(titles(chat)).to_have_text(["Birds"])

    search.fill("")
    page.go_forward()
    expect(chat.questions).to_have_text(["Birds"])
    expect(search).to_be_focused()  # what is typed is seen there
    page.get_by_role("button", name="Actions for “Birds”").press("Enter")
    expect(focused).to_have_text("Pin")
    page.go_back()
    expect(chat.questions).to_have_text(["Plants"])
    expect(focused).to_have_text("Pin")
    page.keyboard.press("Escape")
    birds.press("F2")
    page.keyboard.type("Sea")
    page.go_forward()
    expect(chat.questions).to_have_text(["Birds"])
    page.keyboard.type("birds")
    expect(focused).to_have_value("Seabirds")


@pytest.mark.browser_context(viewport={"width": 390, "height": 844})
def test_back_from_the_drawer_leads_to_the_message_box(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("A heron."), reply("A tree."))
    converse(chat, "Birds", "Plants")
    chat.page.get_by_role("button", name="Open the sidebar").press("Enter")
    titles(chat).get_by_text("Birds").press("Enter")
    expect(chat.questions).to_have_text(["Birds"])
    chat.page.keyboard.press("Alt+Shift+k")
    titles(chat).get_by_text("Birds").focus()
    chat.page.go_back()
    expect(chat.questions).to_have_text(["Plants"])
    expect(chat.page.locator("#sluice-sidebar")).to_be_hidden()
    expect(chat.field).to_be_focused()


def test_a_deleted_conversation_can_be_restored(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    box = chat.page.locator("#sluice-composer")
    place = box.bounding_box()
    converse(chat, "First", "Second")
    act(chat, "Second", "Delete")
    expect(titles(chat)).to_have_text(["First"])
    expect(chat.questions).to_have_count(0)
    expect(chat.page.get_by_role("button", name="Undo")).to_be_visible()
    assert box.bounding_box() == place  # the offer does not move it
    expect(chat.field).to_be_focused()
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.prose).to_have_text("Two.")
    expect(chat.status).to_have_text("Restored")
    expect(titles(chat)).to_have_text(["Second", "First"])
    titles(chat).last.press("Delete")
    expect(titles(chat)).to_have_text(["Second"])
    chat.page.locator("#sluice-search").fill("Second")
    titles(chat).press("Delete")
    expect(chat.page.get_by_text("No results")).to_be_visible()
    expect(chat.page.locator(".list-empty")).to_be_hidden()  # at the same place
    chat.page.get_by_role("button", name="Undo").click()
    expect(titles(chat)).to_have_text(["Second"])
    chat.page.reload()
    expect(chat.prose).to_have_text("Two.")
    expect(titles(chat)).to_have_text(["Second"])


def test_a_repeating_key_deletes_one_conversation_and_all_deletions_can_be_undone(chat: ChatPage) -> None:
    converse(chat, "First", "Second", "Third")
    titles(chat).first.focus()
    chat.page.keyboard.down("Delete")
    expect(titles(chat)).to_have_text(["Second", "First"])
    expect(titles(chat).first).to_be_focused()
    chat.page.keyboard.down("Delete")  # the keyboard repeats it
    chat.page.keyboard.up("Delete")
    expect(titles(chat)).to_have_text(["Second", "First"])
    chat.page.keyboard.press("Delete")
    expect(titles(chat)).to_have_text(["First"])
    expect(chat.status).to_have_text("Conversation deleted. Undo with Alt+Shift+Z.")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(titles(chat)).to_have_text(["Second", "First"])
    expect(titles(chat).last).to_be_focused()  # as before
    chat.page.keyboard.press("F2")
    chat.page.keyboard.type("A title")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(titles(chat)).to_have_text(["Third", "Second", "First"])
    expect(chat.page.locator(":focus")).to_have_value("A title")  # the title that is typed goes on
    chat.page.keyboard.press("Control+z")  # the browser's own, in the field
    expect(chat.page.locator(":focus")).not_to_have_value("A title")
    chat.page.keyboard.press("Escape")
    titles(chat).first.focus()
    for left in (["Second", "First"], ["First"]):
        chat.page.keyboard.press("Delete")
        expect(titles(chat)).to_have_text(left)
    undo = chat.page.get_by_role("button", name="Undo")
    undo.press("Enter")
    expect(titles(chat)).to_have_text(["Second", "First"])
    expect(undo).to_be_focused()
    undo.press("Enter")
    expect(titles(chat)).to_have_text(["Third", "Second", "First"])
    expect(undo).to_be_hidden()
    expect(chat.field).to_be_focused()


def test_deleting_a_conversation_stops_its_running_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.ask("First")
    expect(chat.prose).to_have_text("As far as this")
    act(chat, "First", "Delete")
    model.wait_idle()
    expect(chat.send_button).to_have_text("Send")
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.answer.locator(".note")).to_have_text("This answer was stopped because you deleted it.")


def test_a_search_is_brought_up_to_date_when_an_open_conversation_is_asked_and_answered(
    chat: ChatPage, model: ScriptedModel
) -> None:
    ends = model.gate("before the end")
    model.enqueue(reply("One."), reply("Two."), (*said("Three."), ends, *finished()), reply("A heron."))
    converse(chat, "A zebra", "Birds")
    count = chat.page.locator(".search-result")
    chat.page.get_by_role("searchbox").fill("zebra")
    expect(count).to_have_text("1 conversation")
    chat.ask("Is it a zebra?")
    expect(chat.prose.last).to_have_text("Three.")
    expect(count).to_have_text("2 conversations")  # while it is being answered
    expect(titles(chat)).to_have_text(["Birds", "A zebra"])
    ends.open()
    chat.wait_complete()
    chat.page.get_by_role("searchbox").fill("heron")
    expect(count).to_have_text("No results")
    chat.ask_and_wait("And this?")
    expect(titles(chat)).to_have_text(["Birds"])
    expect(count).to_have_text("1 conversation")


def test_a_search_is_brought_up_to_date_when_another_tab_asks_in_a_conversation(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "Birds")
    chat.wait_saved()
    other = ChatPage(chat.page.context.new_page()).open()
    other.page.get_by_role("searchbox").fill("zebra")
    expect(other.page.locator(".search-result")).to_have_text("No results")
    chat.ask_and_wait("Is it a zebra?")
    expect(titles(other)).to_have_text(["Birds"])
    expect(other.page.locator(".search-result")).to_have_text("1 conversation")


def test_search_finds_words_of_titles_questions_and_answers(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("A heron stands in the water."), reply("流式输出很快。"))
    converse(chat, "Birds", "Streams")
    search = chat.page.get_by_role("searchbox", name="Search conversations")
    search.fill("WATER heron")
    expect(titles(chat)).to_have_text(["Birds"])
    expect(chat.status).to_have_text("1 conversation")
    # announced once the reader pauses, and not again when it is the same
    chat.page.evaluate(WATCH_STATUS)
    search.press_sequentially("nothing", delay=60)
    chat.page.wait_for_function("() => window.said.length > 0")
    search.press_sequentially(" at all", delay=60)
    expect(chat.page.locator(".search-result")).to_have_text("No results")
    search.fill("输出")
    expect(titles(chat)).to_have_text(["Streams"])
    chat.page.wait_for_function("() => window.said.length > 1")
    assert chat.page.evaluate("window.said") == ["No results", "1 conversation"]
    # without the focus, the field shows how to clear it
    chat.field.focus()
    box = search.bounding_box()
    assert box
    end = {"x": box["x"] + box["width"] - 36, "y": box["y"] + 4, "width": 32, "height": box["height"] - 8}
    chat.page.mouse.move(600, 300)
    shown = chat.page.screenshot(clip=end)
    search.fill("")
    chat.field.focus()
    assert chat.page.screenshot(clip=end) != shown
    search.fill("输出")
    expect(titles(chat)).to_have_text(["Streams"])
    titles(chat).press("Delete")
    expect(chat.page.locator(".search-result")).to_have_text("No results")
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.page.locator(".search-result")).to_have_text("1 conversation")
    search.fill("")
    expect(titles(chat)).to_have_count(2)
    # an input method's letters are no words yet
    chat.page.evaluate(
        """() => {
            const result = document.querySelector(".search-result");
            window.results = [];
            new MutationObserver(() => window.results.push(result.textContent)).observe(result, { childList: true });
        }"""
    )
    devtools = chat.page.context.new_cdp_session(chat.page)
    for letters in ("s", "shu", "shuchu"):
        place = {"selectionStart": len(letters), "selectionEnd": len(letters)}
        devtools.send("Input.imeSetComposition", {"text": letters, **place})
    expect(search).to_have_value("shuchu")
    devtools.send("Input.insertText", {"text": "输出"})
    expect(titles(chat)).to_have_text(["Streams"])
    assert chat.page.evaluate("window.results") == ["1 conversation"]
    search.fill("swan")
    expect(titles(chat)).to_have_count(0)
    expect(chat.page.locator(".search-result")).to_have_text("No results")
    expect(chat.status).to_have_text("No results")
    search.press("Escape")
    expect(titles(chat)).to_have_text(["Streams", "Birds"])


def test_full_storage_loses_nothing_while_the_page_is_open(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.evaluate(FILL_STORAGE)
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "First", "Second")
    expect(chat.page.get_by_role("alert").filter(has_text="the browser's storage is full")).to_be_visible()
    titles(chat).last.click()
    expect(chat.prose).to_have_text("One.")
    chat.page.evaluate(FREE_STORAGE)
    chat.ask_and_wait("And on")
    chat.page.reload()
    expect(chat.questions).to_have_text(["First", "And on"])
    expect(titles(chat)).to_have_text(["First", "Second"])


# The storage has no room for this one.
REFUSE_LARGE = """() => {
  window.put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (...given) {
    if (JSON.stringify(given).includes("Large")) throw new DOMException("no room", "QuotaExceededError");
    return window.put.apply(this, given);
  };
}"""


def test_a_notice_of_one_conversation_is_shown_with_it_and_others_are_saved(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    converse(chat, "Small")
    chat.page.evaluate(REFUSE_LARGE)
    converse(chat, "Large")
    alerts = chat.page.get_by_role("alert")
    expect(alerts.filter(has_text="This conversation cannot be saved")).to_be_visible()
    chat.page.evaluate(DROP, ["body", [["a.pdf", "application/pdf", [0, 1]]], ""])
    expect(alerts.filter(has_text="a.pdf")).to_be_visible()
    titles(chat).filter(has_text="Small").click()
    elsewhere = "Another conversation cannot be saved. If you reload, you may lose text."
    expect(alerts).to_have_text([elsewhere])
    titles(chat).filter(has_text="Large").click()
    expect(alerts.filter(has_text="a.pdf")).to_be_visible()
    titles(chat).filter(has_text="Small").click()
    chat.ask_and_wait("And on")
    another = ChatPage(chat.page.context.new_page()).open()
    titles(another).filter(has_text="Small").click()
    expect(another.questions).to_have_text(["Small", "And on"])
    chat.page.get_by_role("button", name="Show", exact=True).click()
    expect(chat.questions).to_have_text(["Large"])
    expect(alerts.filter(has_text="This conversation cannot be saved")).to_be_visible()
    expect(alerts.filter(has_text=elsewhere)).to_have_count(0)
    chat.page.evaluate(FREE_STORAGE)
    act(chat, "Small", "Delete")
    expect(alerts.filter(has_text="cannot be saved")).to_have_count(0)


def test_deleting_a_conversation_saves_what_full_storage_has_refused(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "First")
    chat.page.evaluate(FILL_STORAGE)
    chat.page.evaluate(FREE_STORAGE_BY_DELETING)
    converse(chat, "Second")
    full = chat.page.get_by_role("alert").filter(has_text="the browser's storage is full")
    expect(full).to_be_visible()
    act(chat, "First", "Delete")
    expect(full).to_be_hidden()
    another = ChatPage(chat.page.context.new_page()).open()
    expect(titles(another)).to_have_text(["Second"])


@pytest.mark.parametrize("is_asked", [False, True], ids=["name alone", "also a question"])
def test_a_name_and_a_pin_that_full_storage_has_refused_are_saved_by_a_deletion(
    chat: ChatPage, model: ScriptedModel, is_asked: bool
) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    converse(chat, "First", "Second")
    chat.page.evaluate(FILL_STORAGE)
    chat.page.evaluate(FREE_STORAGE_BY_DELETING)
    if is_asked:
        chat.ask_and_wait("And on")
    act(chat, "Second", "Rename")
    chat.page.keyboard.type("Renamed")
    chat.page.keyboard.press("Enter")
    act(chat, "Renamed", "Pin")
    full = chat.page.get_by_role("alert").filter(has_text="the browser's storage is full")
    expect(full).to_be_visible()
    act(chat, "First", "Delete")
    expect(full).to_be_hidden()
    for reload in (lambda: None, chat.page.reload):
        reload()
        expect(titles(chat)).to_have_text(["Renamed"])
        expect(chat.page.get_by_role("heading", name="Pinned")).to_be_visible()


def test_deleting_a_question_saves_what_full_storage_has_refused(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.page.evaluate(FILL_STORAGE)
    chat.page.evaluate(FREE_STORAGE_BY_DELETING)
    chat.ask_and_wait("Second")
    full = chat.page.get_by_role("alert").filter(has_text="the browser's storage is full")
    expect(full).to_be_visible()
    chat.choose_action("Delete question and answer", 0)
    expect(chat.questions).to_have_text(["Second"])
    expect(full).to_be_hidden()


def test_deleting_in_another_tab_saves_what_full_storage_has_refused(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "First")
    another = ChatPage(chat.page.context.new_page()).open()
    chat.page.evaluate(FILL_STORAGE)
    converse(chat, "Second")
    full = chat.page.get_by_role("alert").filter(has_text="the browser's storage is full")
    expect(full).to_be_visible()
    chat.page.evaluate(FREE_STORAGE)
    act(another, "First", "Delete")
    expect(full).to_be_hidden()
    expect(titles(another)).to_have_text(["Second"])


def test_the_list_is_read_once_a_database_that_failed_works_again(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    # Else the next page writes it, and so opens the database again at once.
    chat.wait_saved()
    chat.page.add_init_script(REFUSE_ONCE)
    chat.page.goto("/?again")
    expect(chat.page.get_by_role("alert").filter(has_text="the browser's storage failed")).to_be_visible()
    chat.ask_and_wait("Second")
    expect(chat.page.get_by_role("alert")).to_have_count(0)
    expect(titles(chat)).to_have_text(["Second", "First"])


def test_conversations_refused_by_full_storage_survive_a_reload(chat: ChatPage, model: ScriptedModel) -> None:
    # about:blank has no storage
    chat.page.add_init_script(f"if (location.protocol !== 'about:' && !sessionStorage.room) ({FILL_STORAGE})()")
    chat.page.reload()
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    for _ in range(2):
        chat.page.reload()
        expect(chat.prose).to_have_text("One.")
        expect(titles(chat)).to_have_text(["First"])
        expect(chat.page.get_by_role("alert")).to_contain_text("the browser's storage is full")
    chat.page.evaluate("sessionStorage.room = 1")
    chat.page.reload()
    expect(chat.prose).to_have_text("One.")
    expect(chat.page.get_by_role("alert")).to_have_count(0)
    chat.ask_and_wait("And on")
    chat.wait_saved()
    assert chat.page.evaluate("Object.keys(localStorage).filter((key) => key.includes('journal'))") == []


def test_the_page_works_without_storage_and_shows_a_notice(browser_page: Page, model: ScriptedModel) -> None:
    browser_page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    chat = ChatPage(browser_page).open()
    expect(browser_page.get_by_role("alert").filter(has_text="storage is turned off")).to_be_visible()
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "First", "Second")
    titles(chat).last.click()
    expect(chat.prose).to_have_text("One.")
    act(chat, "First", "Delete")
    expect(titles(chat)).to_have_text(["Second"])
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.prose).to_have_text("One.")


def test_the_conversation_of_version_0_1_0_is_imported_once_even_if_storage_is_full(chat: ChatPage) -> None:
    kept = (
        '[{"question": "Once?", "answer": "Upon.", "reasoning": "", "state": "complete"},'
        ' {"question": "And?", "answer": "A ti", "reasoning": "", "state": "running"}]'
    )
    chat.page.evaluate("kept => localStorage.setItem('sluice.conversation.1', kept)", kept)
    chat.page.add_init_script(f"if (location.protocol !== 'about:' && !sessionStorage.room) ({FILL_STORAGE})()")
    for _ in range(2):
        chat.page.reload()
        expect(titles(chat)).to_have_text(["Once?"])
        expect(chat.page.get_by_role("alert").filter(has_text="the browser's storage is full")).to_be_visible()
    chat.page.evaluate("sessionStorage.room = 1")
    chat.page.reload()
    expect(chat.questions).to_have_text(["Once?", "And?"])
    expect(titles(chat)).to_have_text(["Once?"])
    expect(chat.failure).to_contain_text("The page was closed before this answer was complete.")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.reload()
    expect(titles(chat)).to_have_text(["Once?"])
    expect(chat.questions).to_have_count(0)


def test_a_reload_during_an_answer_keeps_its_text(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    chat.configure(resumable=False)  # otherwise the answer goes on
    chat.open()
    model.enqueue(stalling_after("As far ", "as this"), reply(" and on."))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    chat.page.reload()
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.prose).to_have_text("As far as this and on.")


def test_an_unreadable_unload_backup_is_ignored(chat: ChatPage) -> None:
    for name, left in (("a", "{}"), ("b", '{"writings": [{}], "exchanges": [{}]}'), ("c", "nonsense")):
        chat.page.evaluate("([name, left]) => localStorage.setItem(`sluice.journal.${name}`, left)", [name, left])
    chat.page.reload()
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    chat.ask_and_wait("First")
    chat.page.reload()
    expect(titles(chat)).to_have_text(["First"])


def test_a_growing_answer_is_not_written_with_every_token(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.evaluate(
        """() => {
          window.puts = 0;
          window.began = performance.now();
          const put = IDBObjectStore.prototype.put;
          IDBObjectStore.prototype.put = function (...args) { window.puts += 1; return put.apply(this, args); };
        }"""
    )
    model.enqueue(flood(1000, 1000))
    expect(chat.ask_and_wait("Count")).to_have_text(flood_text(1000).strip())
    puts, seconds = chat.page.evaluate("() => [window.puts, (performance.now() - window.began) / 1000]")
    assert puts <= 2 * (seconds + 2)  # a record and an exchange at the start, every second and at the end
    chat.page.reload()
    expect(chat.prose).to_have_text(flood_text(1000).strip())


PLACE = """() => {
    const scroller = document.scrollingElement;
    const isAtEnd = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop < 2;
    return isAtEnd ? "end" : Math.round(scroller.scrollTop);
}"""

# Whether the page was scrolled up, and is where it was the last time.
RESTS = f"""() => {{
    const {{ before }} = window;
    window.before = ({PLACE})();
    return before !== "end" && before === window.before;
}}"""


FORMULAS = "\n\n".join(f"Paragraph {number}, with a formula $x_{{{number}}}$." for number in range(60))


def read_on_after_three(chat: ChatPage) -> Any:
    """Ask three questions, scroll up from the end, and return the place."""
    for question in ("First", "And on", "And again"):
        chat.ask_and_wait(question)
    chat.page.mouse.move(600, 300)
    chat.page.mouse.wheel(0, -1700)
    chat.page.wait_for_function(RESTS, polling=300)
    return chat.page.evaluate(PLACE)


def test_back_and_forward_return_to_where_the_reader_was(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(*(reply(FORMULAS) for _ in range(4)))
    page, place = chat.page, read_on_after_three(chat)
    page.get_by_role("button", name="New conversation").click()
    expect(chat.questions).to_have_count(0)
    chat.ask_and_wait("Second")
    assert page.evaluate(PLACE) == "end"
    page.go_back()
    expect(chat.questions).to_have_text(["First", "And on", "And again"])
    chat.wait_shown()
    page.wait_for_function(f"(place) => Math.abs(({PLACE})() - place) <= 2", arg=place)
    expect(page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    page.go_forward()
    expect(chat.questions).to_have_text(["Second"])
    chat.wait_shown()
    page.wait_for_function(f"() => ({PLACE})() === 'end'")
    # also where a reload was between
    page.reload()
    expect(chat.questions).to_have_text(["Second"])
    chat.wait_shown()
    page.wait_for_function(f"() => ({PLACE})() === 'end'")
    page.go_back()
    expect(chat.questions).to_have_text(["First", "And on", "And again"])
    chat.wait_shown()
    page.wait_for_function(f"(place) => Math.abs(({PLACE})() - place) <= 2", arg=place)


def test_a_reload_returns_to_where_the_reader_was(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue(*(reply(FORMULAS) for _ in range(3)), (*said(FORMULAS), gate, *said("\n\nThe end."), *finished()))
    page, place = chat.page, read_on_after_three(chat)
    for _ in range(2):  # the second one without a word or a movement of the reader
        page.reload()
        expect(chat.questions).to_have_count(3)
        chat.wait_shown()
        page.wait_for_function(f"(place) => Math.abs(({PLACE})() - place) <= 2", arg=place)
    page.get_by_role("button", name="Jump to the latest").click()
    page.wait_for_function(f"() => ({PLACE})() === 'end'")
    page.reload()
    expect(chat.questions).to_have_count(3)
    chat.wait_shown()
    page.wait_for_function(f"() => ({PLACE})() === 'end'")
    # who follows an answer goes on with that
    chat.ask("More")
    expect(chat.prose).to_contain_text("Paragraph 59")
    page.wait_for_function(f"() => ({PLACE})() === 'end'")
    page.reload()
    expect(chat.prose).to_contain_text("Paragraph 59")
    gate.open()
    expect(chat.prose).to_contain_text("The end.")
    chat.wait_complete()
    page.wait_for_function(f"() => ({PLACE})() === 'end'")


def test_a_reload_before_all_is_drawn_returns_to_where_the_reader_was(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")  # of what is held
    model.enqueue(*(reply(FORMULAS) for _ in range(3)))
    page, place = chat.page, read_on_after_three(chat)
    held: list[Route] = []
    page.route("**/vendor/katex/katex.js", lambda route: route.continue_() if held else held.append(route))
    page.reload()
    expect(page.locator(".prose[aria-busy=true]")).to_have_count(3)
    page.reload()
    held[0].abort()
    chat.wait_shown()
    page.wait_for_function(f"(place) => Math.abs(({PLACE})() - place) <= 2", arg=place)


TALL_FORMULAS = "\n\n".join(rf"$$\frac{{\frac{{a}}{{b}}}}{{\frac{{c}}{{{number}}}}}$$" for number in range(60))
DISTANCE_TO_END = """() => {
    const { scrollHeight, clientHeight, scrollTop } = document.scrollingElement;
    return scrollHeight - clientHeight - scrollTop;
}"""


def test_the_end_stays_in_view_where_formulas_are_drawn_late(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply(TALL_FORMULAS))
    chat.ask_and_wait("First")
    page = chat.page
    katex = HeldRequests(page, "**/vendor/katex/katex.js")
    page.reload()
    expect(page.locator(".formula")).to_have_count(60)  # as their source: they are not awaited for long
    chat.wait_shown()
    page.wait_for_function(f"() => ({DISTANCE_TO_END})() <= 1")
    katex.pass_on()
    expect(page.locator(".katex-display")).to_have_count(60)
    page.wait_for_function(f"() => ({DISTANCE_TO_END})() <= 1")


# How often the page is at the end in a frame after it was elsewhere, while formulas are drawn.
NOTE_ENDS = f"""(() => {{
    window.returnsToEnd = 0;
    let wasElsewhere = false;
    const look = () => {{
        const {{ scrollHeight, clientHeight }} = document.scrollingElement ?? {{}};
        const isLong = scrollHeight > 3 * clientHeight && document.querySelector(".formula:not([data-typeset])");
        const isAtEnd = isLong && ({PLACE})() === "end";
        if (wasElsewhere && isAtEnd) window.returnsToEnd++;
        wasElsewhere = isLong && !isAtEnd;
        requestAnimationFrame(look);
    }};
    look();
}})()"""

# How often a place is shown: one answer is drawn, and then one formula a second.
KEEP_WHILE_FORMULAS_COME = with_page_modules("""async () => {
    const { keepInView } = await pageModule("transcript/kept_place.js");
    const log = document.createElement("div");
    log.innerHTML = "<div class=answer><p class='prose plain'></p></div>";
    let shown = 0;
    let now = 0;
    const { performance } = window;
    Object.defineProperty(window, "performance", { configurable: true, value: { now: () => now } });
    await keepInView(log, () => {
        shown++;
        now += 1000;
        if (shown === 3) log.innerHTML = `<div class=answer>${"<span class=formula></span>".repeat(17)}</div>`;
        else if (shown > 3) log.querySelector(".formula").remove();
        return true;
    });
    Object.defineProperty(window, "performance", { configurable: true, value: performance });
    return shown;
}""")


def test_a_reload_returns_to_where_the_reader_was_among_many_formulas(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(*(reply(TALL_FORMULAS) for _ in range(3)))
    page, place = chat.page, read_on_after_three(chat)
    # as in a browser that does not keep what is in view by itself
    page.route(
        "**/css/prose.css",
        lambda route: route.fulfill(
            response=(found := route.fetch()), body=f"html {{ overflow-anchor: none }} {found.text()}"
        ),
    )
    page.add_init_script(NOTE_ENDS)
    page.reload()
    expect(page.locator(".katex-display")).to_have_count(180)
    page.wait_for_function(f"(place) => Math.abs(({PLACE})() - place) <= 2", arg=place)
    assert page.evaluate("returnsToEnd") == 0


def test_a_place_is_kept_until_all_formulas_are_drawn_also_where_few_answers_were_left(browser_page: Page) -> None:
    ChatPage(browser_page).open()
    assert browser_page.evaluate(KEEP_WHILE_FORMULAS_COME) == 20


def test_a_reload_returns_to_the_paragraph_below_what_is_folded_again(chat: ChatPage, model: ScriptedModel) -> None:
    thoughts = "\n\n".join(f"Thought {number}" for number in range(40))
    model.enqueue((Chunk(reasoning=thoughts), *said(FORMULAS), *finished()), reply(FORMULAS))
    chat.ask_and_wait("\n".join(f"Line {number}" for number in range(60)))
    chat.ask_and_wait("And on")
    page = chat.page
    page.get_by_role("button", name="Show more").click()
    page.locator(".reasoning summary").first.click()
    read = page.get_by_text("Paragraph 20,").first
    read.evaluate("""(each) => {
        const top = each.getBoundingClientRect().top - 200;
        scrollBy({ top, behavior: "instant" });
    }""")
    before = read.bounding_box()
    assert before is not None
    page.reload()
    expect(page.get_by_role("button", name="Show more")).to_be_attached()
    chat.wait_shown()
    page.wait_for_function(
        "([each, top]) => Math.abs(each.getBoundingClientRect().top - top) <= 2",
        arg=[read.element_handle(), before["y"]],
    )


def test_a_missing_conversation_in_the_address_is_reported(browser_page: Page) -> None:
    browser_page.goto("/#/c/0123456789abcdef01234567")
    expect(browser_page.get_by_role("alert")).to_contain_text("This conversation is not in this browser.")
    expect(browser_page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


@pytest.mark.browser_context(viewport={"width": 320, "height": 640})
def test_on_a_narrow_screen_the_sidebar_is_a_drawer_that_keeps_the_focus(chat: ChatPage) -> None:
    converse(chat, "First", "Second")
    sidebar = chat.page.get_by_role("complementary", name="Conversations")
    expect(sidebar).to_be_hidden()
    chat.page.get_by_role("button", name="Open the sidebar").click()
    expect(sidebar).to_be_visible()
    close = sidebar.get_by_role("button", name="Close the sidebar")
    expect(close).to_be_focused()
    expect(chat.page.locator("#sluice-dock")).to_have_attribute("inert", "")
    expect(chat.page.locator("#sluice-skip")).to_have_attribute("inert", "")
    assert chat.overflow() == 0
    chat.page.keyboard.press("Escape")
    expect(sidebar).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Open the sidebar")).to_be_focused()
    for title in ("Second", "First"):  # the shown one, then another one
        chat.page.get_by_role("button", name="Open the sidebar").click()
        titles(chat).filter(has_text=title).click()
        expect(sidebar).to_be_hidden()
        expect(chat.questions).to_have_text([title])
        expect(chat.field).to_be_focused()
    chat.page.get_by_role("button", name="Open the sidebar").press("Enter")
    titles(chat).last.press("Enter")
    expect(chat.questions).to_have_text(["First"])
    expect(sidebar).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Open the sidebar")).to_be_focused()


@pytest.mark.browser_context(viewport={"width": 1100, "height": 380})
def test_the_shown_conversation_is_in_view_in_the_list(chat: ChatPage) -> None:
    converse(chat, *(f"Question {number}" for number in range(8)))
    first = titles(chat).last
    expect(first).to_have_text("Question 0")
    expect(titles(chat).first).to_be_in_viewport()
    first.click()
    expect(chat.questions).to_have_text(["Question 0"])
    chat.page.reload()
    expect(first).to_be_in_viewport(ratio=0.9)
    chat.ask_and_wait("And on")
    expect(titles(chat).first).to_have_text("Question 0")
    expect(titles(chat).first).to_be_in_viewport(ratio=0.9)


def test_a_closed_sidebar_stays_closed(chat: ChatPage) -> None:
    sidebar = chat.page.get_by_role("complementary", name="Conversations")
    expect(sidebar).to_be_visible()
    chat.page.locator("#sluice-toggle-sidebar").click()
    expect(sidebar).to_be_hidden()
    chat.page.reload()
    expect(chat.page.get_by_role("button", name="Open the sidebar")).to_be_visible()
    expect(sidebar).to_be_hidden()


def test_conversations_work_without_the_idb_library(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect(r"status of 404.*/vendor/idb\.js")
    browser_page.route("**/vendor/idb.js", lambda route: route.fulfill(status=404, body=""))
    chat = ChatPage(browser_page).open()
    expect(browser_page.get_by_role("alert").filter(has_text="Conversations are not saved")).to_be_visible()
    model.enqueue(reply("One."), reply("Two."))
    converse(chat, "First", "Second")
    titles(chat).last.click()
    expect(chat.prose).to_have_text("One.")


def test_what_was_asked_before_the_idb_library_could_be_loaded_is_saved_then(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    model.enqueue(reply("Zero."), reply("One."), reply("Two."))
    chat = ChatPage(browser_page).open()
    chat.ask_and_wait("Before")
    chat.wait_saved()
    browser_page.goto("about:blank")
    browser_page.route("**/vendor/idb.js", lambda route: route.abort())
    chat.open()
    alert = browser_page.get_by_role("alert").filter(has_text="Conversations are not saved")
    expect(alert).to_be_visible()
    converse(chat, "First", "Second")
    titles(chat).first.press("F2")
    browser_page.keyboard.type("Renamed")
    browser_page.keyboard.press("Enter")
    expect(titles(chat)).to_have_text(["Renamed", "First"])
    browser_page.unroute("**/vendor/idb.js")
    browser_page.evaluate("dispatchEvent(new Event('online'))")
    expect(titles(chat)).to_have_text(["Renamed", "First", "Before"])
    expect(alert).to_have_count(0)
    browser_page.reload()
    expect(titles(chat)).to_have_text(["Renamed", "First", "Before"])
    expect(chat.prose).to_have_text("Two.")


def test_a_conversation_is_shown_once_the_idb_library_could_be_loaded(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    chat.wait_saved()
    page = chat.page
    page.route("**/vendor/idb.js", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="Conversations are not saved")).to_be_visible()
    page.unroute("**/vendor/idb.js")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(chat.prose).to_have_text("One.")
    expect(page.get_by_role("alert")).to_have_count(0)
