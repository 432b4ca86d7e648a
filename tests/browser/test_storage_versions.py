"""Versions of the database schema: older, newer, and tabs with different ones."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import change_module
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors
from .test_conversations import titles

pytestmark = pytest.mark.browser_context  # a new context, because the tests keep databases open

OLDER, NEWER = "Another tab runs an older version", "Another tab runs a newer version"
WAITING = "The browser's storage does not respond."
OPEN_TIMEOUT = 3000  # milliseconds, as in database_connection.js

# The rows of version 1, written out to find schema changes without an upgrade.
CONVERSATION, FIRST, SECOND, THIRD = (f"{number:024x}" for number in (0xC0, 0xE1, 0xE2, 0xE3))
ROWS_OF_VERSION_1 = {
    "conversations": [
        {"id": CONVERSATION, "title": "Kept long ago", "created": 1, "changed": 3, "choices": {"": FIRST}},
    ],
    "exchanges": [
        {"id": FIRST, "conversation": CONVERSATION, "parent": None, "question": "First?", "answer": "One."}
        | {"reasoning": "", "state": "complete", "created": 1, "changed": 2, "finishReason": "stop"},
        {"id": SECOND, "conversation": CONVERSATION, "parent": FIRST, "question": "Second?", "answer": "Tw"}
        | {"reasoning": "", "state": "stopped", "created": 2, "changed": 3},
    ],
}
# What a page saves that could not write one more exchange of this conversation before it was unloaded.
BACKUP = {
    "writings": [{"record": {**ROWS_OF_VERSION_1["conversations"][0], "changed": 5}, "isNew": False}],
    "exchanges": [
        {"id": THIRD, "conversation": CONVERSATION, "parent": SECOND, "question": "Third?", "answer": "Three."}
        | {"reasoning": "", "state": "complete", "created": 4, "changed": 5},
    ],
}
CREATE_DATABASE = """({ version, rows }) => new Promise((resolve, reject) => {
  const request = indexedDB.open("sluice", version);
  request.onupgradeneeded = () => {
    for (const name of Object.keys(rows)) request.result.createObjectStore(name, { keyPath: "id" });
    request.transaction.objectStore("exchanges").createIndex("conversation", "conversation");
    for (const [name, values] of Object.entries(rows)) {
      for (const value of values) request.transaction.objectStore(name).put(value);
    }
  };
  request.onerror = () => reject(request.error);
  // held until the tab is closed, as by a page that knows nothing of other versions
  request.onsuccess = () => { window.held = request.result; resolve(null); };
})"""


COUNT_OPEN_REQUESTS = """(() => {
  const { open } = IDBFactory.prototype;
  window.openRequests = 0; // that have not ended
  IDBFactory.prototype.open = function (...args) {
    const request = open.apply(this, args);
    window.openRequests += 1;
    for (const end of ["success", "error"]) request.addEventListener(end, () => (window.openRequests -= 1));
    return request;
  };
})()"""


def create_database(page: Page, version: int, rows: dict[str, Any] = ROWS_OF_VERSION_1) -> None:
    """Create the database with this version, and keep it open in this tab."""
    blank = "<!doctype html><title>By hand</title><link rel=icon href='data:,'>"
    page.route("**/by-hand", lambda route: route.fulfill(body=blank, content_type="text/html"))
    page.goto("/by-hand")
    page.evaluate(CREATE_DATABASE, {"version": version, "rows": rows})


def with_next_schema(page: Page) -> Page:
    """Load a page with the next schema version in this tab."""
    change_module(page, "storage/database_connection.js", "const VERSION = 1;", "const VERSION = 2;")
    return page


def with_clock(page: Page) -> Page:
    """Give this tab a clock that the test can move, and count its pending requests to open the database."""
    page.add_init_script(COUNT_OPEN_REQUESTS)
    page.clock.install()
    return page


def pass_open_timeout(chat: ChatPage) -> None:
    """Wait until a page with a clock opens the database, then move the clock by the limit of that."""
    chat.page.wait_for_function("() => window.openRequests > 0")
    chat.page.clock.fast_forward(OPEN_TIMEOUT)


def notice(chat: ChatPage, text: str) -> Locator:
    """Return the notice with this text."""
    return chat.page.get_by_role("alert").filter(has_text=text)


@pytest.fixture
def browser_context(browser_page: Page) -> BrowserContext:
    """Return the context of the open tab."""
    return browser_page.context


def test_a_newer_page_upgrades_an_older_schema_without_loss(browser_page: Page, model: ScriptedModel) -> None:
    create_database(browser_page, 1)
    model.enqueue(reply("Three."))
    chat = ChatPage(with_next_schema(browser_page)).open()
    titles(chat).click()
    expect(chat.questions).to_have_text(["First?", "Second?"])
    expect(chat.answers.first).to_contain_text("One.")
    expect(chat.prose).to_have_text("Tw")
    expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")
    chat.ask_and_wait("Third?")
    browser_page.reload()
    expect(chat.questions).to_have_text(["First?", "Second?", "Third?"])
    expect(chat.prose).to_have_text("Three.")
    assert browser_page.evaluate("async () => (await indexedDB.databases())[0].version") == 2


def test_a_schema_newer_than_the_page_is_reported_and_not_changed(browser_page: Page, model: ScriptedModel) -> None:
    create_database(browser_page, 2)
    browser_page.goto(f"/#/c/{CONVERSATION}")
    chat = ChatPage(browser_page)
    expect(browser_page.get_by_role("alert")).to_have_count(1)  # not that the conversation is missing
    expect(browser_page.get_by_role("alert")).to_contain_text(NEWER)
    expect(browser_page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    model.enqueue(reply("From memory."))
    assert browser_page.url.endswith(CONVERSATION)  # a newer page finds it after a reload
    expect(chat.ask_and_wait("And now?")).to_have_text("From memory.")
    with_next_schema(browser_page)
    browser_page.goto(f"/?reloaded#/c/{CONVERSATION}")
    expect(chat.questions).to_have_text(["First?", "Second?"])
    expect(titles(chat)).to_have_text(["And now?", "Kept long ago"])  # what was written in between is kept too


def test_an_unload_backup_survives_a_page_that_cannot_read_the_list(browser_page: Page) -> None:
    create_database(browser_page, 2)
    browser_page.evaluate("backup => localStorage.setItem('sluice.journal.earlier', JSON.stringify(backup))", BACKUP)
    chat = ChatPage(browser_page).open()
    expect(notice(chat, NEWER)).to_be_visible()
    with_next_schema(browser_page).reload()
    titles(chat).click()
    expect(chat.questions).to_have_text(["First?", "Second?", "Third?"])
    expect(chat.prose).to_have_text("Three.")


def test_an_unload_backup_is_written_once_the_tab_that_blocks_an_upgrade_is_closed(
    browser_page: Page, browser_context: BrowserContext
) -> None:
    create_database(browser_page, 1)
    browser_page.evaluate("backup => localStorage.setItem('sluice.journal.earlier', JSON.stringify(backup))", BACKUP)
    chat = ChatPage(with_next_schema(browser_context.new_page())).open()
    expect(notice(chat, OLDER)).to_be_visible()
    browser_page.close()
    expect(notice(chat, OLDER)).to_be_hidden()
    titles(chat).click()
    expect(chat.questions).to_have_text(["First?", "Second?", "Third?"])


def test_a_tab_closes_its_connection_when_a_newer_one_upgrades_the_schema(
    browser_page: Page, browser_context: BrowserContext, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    chat = ChatPage(browser_page).open()
    chat.ask_and_wait("First")
    newer = ChatPage(with_next_schema(browser_context.new_page())).open()
    expect(titles(newer)).to_have_text(["First"])
    expect(newer.page.get_by_role("alert")).to_have_count(0)
    chat.ask_and_wait("Second")
    expect(browser_page.get_by_role("alert").filter(has_text=NEWER)).to_be_visible()
    with_next_schema(browser_page).reload()
    expect(chat.questions).to_have_text(["First", "Second"])
    expect(chat.prose).to_have_text("Two.")
    chat.ask_and_wait("Third")
    titles(newer).click()
    expect(newer.questions).to_have_text(["First", "Second", "Third"])


def test_a_tab_that_blocks_an_upgrade_is_reported_without_waiting(
    browser_page: Page, browser_context: BrowserContext, model: ScriptedModel
) -> None:
    create_database(browser_page, 1)
    model.enqueue(reply("From memory."))
    chat = ChatPage(with_next_schema(browser_context.new_page())).open()
    expect(notice(chat, OLDER)).to_be_visible()
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    expect(chat.ask_and_wait("And now?")).to_have_text("From memory.")


def test_everything_is_saved_and_listed_once_the_tab_that_blocks_an_upgrade_is_closed(
    browser_page: Page, browser_context: BrowserContext, model: ScriptedModel
) -> None:
    create_database(browser_page, 1)
    model.enqueue(reply("From memory."))
    chat = ChatPage(with_next_schema(browser_context.new_page())).open()
    expect(notice(chat, OLDER)).to_be_visible()
    chat.ask_and_wait("And now?")
    browser_page.close()  # no question and no reload follows
    expect(notice(chat, OLDER)).to_be_hidden()
    expect(titles(chat)).to_have_text(["And now?", "Kept long ago"])
    another = ChatPage(with_next_schema(browser_context.new_page())).open()
    titles(another).first.click()
    expect(another.prose).to_have_text("From memory.")


def test_the_conversation_in_the_address_opens_once_the_tab_that_blocks_an_upgrade_is_closed(
    browser_page: Page, browser_context: BrowserContext
) -> None:
    create_database(browser_page, 1)
    chat = ChatPage(with_next_schema(browser_context.new_page()))
    chat.page.goto(f"/#/c/{CONVERSATION}")
    expect(notice(chat, OLDER)).to_be_visible()
    browser_page.close()
    expect(chat.questions).to_have_text(["First?", "Second?"])
    expect(chat.page.get_by_role("alert")).to_have_count(0)


def test_a_database_that_the_browser_does_not_open_is_reported_after_a_limit(
    browser_page: Page, browser_context: BrowserContext, model: ScriptedModel
) -> None:
    create_database(browser_page, 1)
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    older = ChatPage(with_clock(browser_context.new_page())).open()
    older.ask_and_wait("First")
    newer = ChatPage(with_next_schema(with_clock(browser_context.new_page()))).open()
    expect(notice(newer, OLDER)).to_be_visible()
    # Chromium keeps the blocked request of the page that this ends, and fires no event for any request after it.
    newer.page.reload()
    pass_open_timeout(newer)
    expect(notice(newer, WAITING)).to_be_visible()
    expect(newer.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    older.ask_and_wait("Second")
    pass_open_timeout(older)
    expect(notice(older, WAITING)).to_be_visible()
    newer.ask_and_wait("Third")
    browser_page.close()
    expect(titles(newer)).to_have_text(["Third", "First", "Kept long ago"])
    expect(newer.page.get_by_role("alert")).to_have_count(0)
    expect(notice(older, NEWER)).to_be_visible()
    expect(notice(older, WAITING)).to_be_hidden()


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        pytest.param("en", "could not load one of its libraries", marks=pytest.mark.browser_context(locale="en-GB")),
        pytest.param("zh", "本页有一个程序库未能加载", marks=pytest.mark.browser_context(locale="zh-CN")),
    ],
)
def test_a_missing_library_is_not_reported_as_disabled_storage(
    browser_page: Page, browser_errors: BrowserErrors, language: str, sentence: str
) -> None:
    browser_errors.expect(r"status of 404.*/vendor/idb\.js")
    browser_page.route("**/vendor/idb.js", lambda route: route.fulfill(status=404, body=""))
    browser_page.goto("/")
    expect(browser_page.get_by_role("alert")).to_contain_text(sentence)
    expect(browser_page.get_by_role("alert")).to_have_count(1)
