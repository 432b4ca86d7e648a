"""What users do all day, in Chromium and in Firefox. `tests/browser` tests everything else, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Request, WebError, expect

from tests.browser.fed_answer import FedAnswer, call_frame, result_frame
from tests.browser.profile import STORED
from tests.support.running_server import RunningServer, cleared_model, start_server
from tools.common.chat_page import DONE_FRAME, ChatPage
from tools.common.chromium import WAIT_MS, chromium, leave, open_context
from tools.common.firefox import find_firefox, firefox
from tools.common.scripted_model import Chunk, ScriptedModel, finished, reply, resetting_after, said

HOSTILE: Final = Path(__file__).parent.parent / "browser" / "hostile_markdown.txt"
# Drops a picture that is larger than the page sends.
DROP_PICTURE: Final = """async () => {
    const canvas = new OffscreenCanvas(3000, 40);
    canvas.getContext("2d").fillRect(0, 0, 1500, 40);
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([await canvas.convertToBlob()], "half.png", { type: "image/png" }));
    for (const type of ["dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
    }
}"""
# Removes all that scripts can store.
FORGET: Final = """async () => {
    localStorage.clear();
    sessionStorage.clear();
    for (const { name } of await indexedDB.databases()) {
        await new Promise((resolve, reject) => {
            const deletion = indexedDB.deleteDatabase(name);
            deletion.onsuccess = resolve;
            deletion.onerror = () => reject(deletion.error);
        });
    }
}"""


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def engine(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Each browser in turn: Playwright runs once at a time."""
    expect.set_options(timeout=WAIT_MS)
    if request.param == "chromium":
        with chromium() as browser:
            yield browser
        return
    path = find_firefox()
    if path is None:
        pytest.skip("no Firefox is installed; on Debian: apt-get install firefox-esr")
    with firefox(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RunningServer]:
    with start_server(OPENAI_INTERACTION_MODE="stream", SLUICE_ALLOW_IMAGES="on") as shared:
        yield shared


@pytest.fixture
def model(shared_server: RunningServer) -> Iterator[ScriptedModel]:
    with cleared_model(shared_server, keeps_answers=True):
        yield shared_server.model


@pytest.fixture(scope="module")
def shared_context(engine: Browser, shared_server: RunningServer) -> Iterator[BrowserContext]:
    """A profile for all tests, whose cache has the page's files."""
    with open_context(engine, base_url=shared_server.url, locale="en-GB") as context:
        context.new_page()
        yield context


@pytest.fixture
def context(shared_context: BrowserContext, model: ScriptedModel) -> Iterator[BrowserContext]:
    """The profile, with nothing stored and one tab, whose pages report no error."""
    errors: list[str] = []

    def note(error: WebError) -> None:
        errors.append(str(error.error))

    shared_context.on("weberror", note)
    yield shared_context
    first, *others = shared_context.pages
    for page in others:
        leave(page)
        page.close()
    leave(first)
    first.goto("/healthz")  # has no script
    first.evaluate(FORGET)
    shared_context.clear_cookies()
    assert first.evaluate(STORED) == []
    shared_context.remove_listener("weberror", note)
    assert errors == []


@pytest.fixture
def chat(context: BrowserContext) -> ChatPage:
    return ChatPage(context.pages[0]).open()


def test_a_question_is_answered_as_markdown_and_is_there_after_a_reload(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("# A heading\n\nwith **bold**, `code` and $x^2$\n\n```python\ndef f(): ...\n```"))
    prose = chat.ask_and_wait("Is it?")
    expect(prose.locator("h1")).to_have_text("A heading")
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose.locator(".katex").first).to_be_visible()
    expect(prose.locator(".hljs-keyword")).to_have_text("def")
    chat.wait_saved()
    chat.page.reload()
    expect(chat.questions).to_have_text(["Is it?"])
    expect(chat.prose.locator("strong")).to_have_text("bold")


def test_a_reload_returns_to_where_the_reader_was(chat: ChatPage, model: ScriptedModel) -> None:
    text = "\n\n".join(f"Paragraph {number}, with a formula $x_{{{number}}}$." for number in range(60))
    model.enqueue(reply(text), reply(text))
    for question in ("First", "And on"):
        chat.ask_and_wait(question)
    chat.wait_saved()
    read = chat.page.get_by_text("Paragraph 40,").first
    read.evaluate("each => scrollBy({ top: each.getBoundingClientRect().top - 200, behavior: 'instant' })")
    before = read.bounding_box()
    assert before is not None
    chat.page.reload()
    expect(chat.questions).to_have_count(2)
    chat.wait_shown()
    chat.page.wait_for_function(
        "([each, top]) => Math.abs(each.getBoundingClientRect().top - top) <= 2",
        arg=[read.element_handle(), before["y"]],
    )


def choose_text_size(chat: ChatPage, name: str) -> None:
    """Choose a text size by scripts: in Firefox, Playwright itself scrolls the page to what it clicks."""
    click = "each => each.click()"
    chat.page.get_by_role("button", name="Settings").last.evaluate(click)
    chat.page.get_by_role("radio", name=name, exact=True).evaluate(click)
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("dialog")).to_have_count(0)


def test_another_text_size_keeps_the_end_and_the_place_in_the_text(
    context: BrowserContext, model: ScriptedModel
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 600, "height": 780})  # so that only the size of letters changes, and no width
    chat = ChatPage(page).open()
    text = "\n\n".join(f"Paragraph {number}, {'with some words ' * 20}" for number in range(30))
    model.enqueue(reply(text), reply(text))
    for question in ("First", "And on"):
        chat.ask_and_wait(question)
    at_end = "() => document.documentElement.scrollHeight - innerHeight - scrollY < 2"
    for size in ("Largest", "Small"):
        choose_text_size(chat, size)
        chat.page.wait_for_function(at_end)
    read = chat.page.get_by_text("Paragraph 20,").first
    read.evaluate("each => scrollBy({ top: each.getBoundingClientRect().top - 100, behavior: 'instant' })")
    for size in ("Largest", "Small"):
        choose_text_size(chat, size)
        chat.page.wait_for_function(
            "each => Math.abs(each.getBoundingClientRect().top - 100) < 60", arg=read.element_handle()
        )
    gate = model.gate("before the end")
    model.enqueue((*said(text), gate, *said(text), *finished()))
    chat.ask("And now?")
    expect(chat.prose).to_contain_text("Paragraph 29,")
    choose_text_size(chat, "Largest")
    chat.page.wait_for_function(at_end)
    gate.open()
    chat.wait_complete()
    chat.page.wait_for_function(at_end)


def test_an_answer_streams_and_stops(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((Chunk("Half"), gate, *said(" of it"), *finished()))
    chat.ask("Is it?")
    expect(chat.prose).to_have_text("Half")
    chat.page.keyboard.press("Escape")
    expect(chat.status).to_have_text("Stopped")
    model.exchanges[-1].wait_aborted()
    expect(chat.prose).to_have_text("Half")
    expect(chat.answer.get_by_role("button", name="Continue")).to_be_visible()
    expect(chat.field).to_be_focused()


def test_a_broken_stream_keeps_its_text_and_can_be_tried_again(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(resetting_after("Half"), reply("Whole"))
    chat.ask("Is it?")
    expect(chat.failure).to_be_visible()
    expect(chat.prose).to_have_text("Half")
    chat.answer.locator(".retry").click()
    chat.wait_complete()
    expect(chat.prose).to_have_text("Whole")


def test_an_answer_is_copied_as_markdown(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Some **bold** words"))
    chat.ask_and_wait("Is it?")
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    chat.field.focus()
    chat.page.keyboard.press("ControlOrMeta+v")
    expect(chat.field).to_have_value("Some **bold** words")


def test_an_image_is_scaled_sent_and_kept(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Half of it is black."))
    chat.page.evaluate(DROP_PICTURE)
    expect(chat.page.locator(".attachments img")).to_be_visible()
    chat.ask_and_wait("What is it?")
    (message,) = model.exchanges[-1].body["messages"]
    assert message["content"][1]["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    chat.wait_saved()
    chat.page.reload()
    image = chat.questions.last.get_by_role("img", name="half.png")
    expect(image).to_be_visible()
    chat.page.wait_for_function("() => document.querySelector('.thumbnail img').naturalWidth === 1568")
    image.click()
    expect(chat.page.get_by_role("dialog", name="Image: half.png")).to_be_visible()


def test_a_call_of_a_tool_is_a_row_that_unfolds(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("Look it up")
    answer.send("Let me look.", call_frame("c", "search", '{"q": "x"}'))
    summary = chat.answer.locator(".tool summary")
    expect(summary).to_have_text("Tool search running")
    answer.send(result_frame("c", "search", "found"), "Found.", DONE_FRAME)
    chat.wait_complete()
    expect(chat.answer.locator("> .prose")).to_have_text(["Let me look.", "Found."])
    summary.click()
    expect(chat.answer.locator(".tool pre").last).to_have_text("found")


def test_a_conversation_appears_in_another_tab_and_is_deleted_in_both(
    context: BrowserContext, chat: ChatPage, model: ScriptedModel
) -> None:
    other = ChatPage(context.new_page()).open()
    model.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    link = other.page.get_by_role("link", name="Is it?")
    link.click()
    expect(other.prose).to_have_text("Yes.")
    model.enqueue(reply("Really."))
    chat.ask_and_wait("Really?")
    expect(other.prose).to_have_text("Really.")
    chat.page.locator(".conversation .more").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(link).to_have_count(0)
    expect(other.questions).to_have_count(0)


def test_a_title_that_is_being_typed_outlives_a_move_and_a_deletion_in_another_tab(
    context: BrowserContext, chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    chat.ask_and_wait("First")
    other = ChatPage(context.new_page()).open()
    other.page.get_by_role("link", name="First").click()
    expect(other.prose).to_have_text("One.")
    chat.page.get_by_role("button", name="New conversation").first.click()
    chat.ask_and_wait("Second")
    titles = chat.page.locator(".conversation a")
    expect(titles).to_have_text(["Second", "First"])
    titles.last.press("F2")
    chat.page.get_by_role("textbox", name="Title").fill("Bet")
    other.ask_and_wait("And on")
    expect(chat.page.locator(".conversation").last).to_contain_text("Second")
    chat.page.keyboard.type("ter")
    expect(chat.page.get_by_role("textbox", name="Title")).to_have_value("Better")
    other.page.get_by_role("link", name="First").press("Delete")
    expect(titles).to_have_text(["Second"])
    other.page.get_by_role("button", name="Undo").click()
    expect(titles).to_have_text(["Better", "Second"])


def test_hostile_markdown_runs_nothing_and_loads_nothing(
    context: BrowserContext, chat: ChatPage, model: ScriptedModel, shared_server: RunningServer
) -> None:
    elsewhere: list[str] = []

    def note(asked: Request) -> None:
        if not asked.url.startswith(("data:", "blob:", f"{shared_server.url}/")):
            elsewhere.append(asked.url)

    context.on("request", note)
    model.enqueue(reply(HOSTILE.read_text("utf-8")))
    prose = chat.ask_and_wait("Attack")
    assert (
        prose.locator("script, iframe, object, embed, form, style, link, base, meta, [onerror], [onload]").count()
        == 0
    )
    assert prose.locator("[href^='javascript:' i]").count() == 0
    assert chat.page.evaluate("'pwned' in window") is False
    context.remove_listener("request", note)
    assert elsewhere == []


def test_right_to_left_text_runs_from_the_right_and_its_code_does_not(chat: ChatPage, model: ScriptedModel) -> None:
    # in the quotation, the code would be right-to-left without a direction of its own
    model.enqueue(reply("مرحبا بكم في الصفحة\n\n> مرحبا بكم\n>\n> ```python\n> print(1)\n> ```"))
    prose = chat.ask_and_wait("ما هذا؟")
    assert prose.locator("p").first.evaluate("each => getComputedStyle(each).direction") == "rtl"
    assert prose.locator("pre").evaluate("each => getComputedStyle(each).direction") == "ltr"
    assert chat.questions.locator("p").evaluate("each => getComputedStyle(each).direction") == "rtl"


def test_the_page_is_used_by_keyboard(chat: ChatPage, model: ScriptedModel) -> None:
    page = chat.page
    expect(chat.field).to_be_focused()
    model.enqueue(reply("Yes."))
    page.keyboard.type("Is it?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Really?")
    page.keyboard.press("Enter")
    chat.wait_complete()
    expect(chat.questions).to_have_text(["Is it?\nReally?"])
    page.keyboard.press("ArrowUp")
    expect(chat.field).to_have_value("Is it?\nReally?")
    page.keyboard.press("Alt+Shift+o")
    expect(chat.questions).to_have_count(0)
    page.keyboard.press("Alt+Shift+k")
    page.keyboard.type("really")
    expect(page.locator(".search-result")).to_have_text("1 conversation")
    page.keyboard.press("Alt+Shift+/")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
