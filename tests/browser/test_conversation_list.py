"""The list of conversations and its search: what is in view, and their keys."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import Gate, ScriptedModel, finished, reply, said

from .fed_answer import FedAnswer
from .test_archive import choose
from .test_conversations import titles

COUNT: Final = 40
MARKS: Final = "() => [...document.querySelectorAll('.snippet mark')].map((each) => each.textContent)"
# The colours of the placeholder and of the icon beside it.
GREYS: Final = """(field) => [
    getComputedStyle(field, "::placeholder").color,
    getComputedStyle(field.parentElement.querySelector(".icon")).color,
]"""
IN_TEXT: Final = "() => CSS.highlights.has('sluice-hit')"
NONE_IN_TEXT: Final = "() => !CSS.highlights.has('sluice-hit')"

# Whether the database has an answer with this text.
STORED: Final = """async (text) => {
    const answered = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const [{ name }] = await indexedDB.databases();
    const database = await answered(indexedDB.open(name));
    const exchanges = await answered(database.transaction("exchanges").objectStore("exchanges").getAll());
    database.close();
    return exchanges.some(({ answer }) => answer === text);
}"""


EVENING: Final = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
MORNING: Final = EVENING + timedelta(hours=10)
GROUPS: Final = """() => Object.fromEntries(
    [...document.querySelectorAll(".conversations section:not([hidden])")].map((each) =>
        [each.querySelector("h2").textContent, each.querySelectorAll(".conversation").length]))"""
IN_THE_EVENING: Final = {"Today": 6, "Yesterday": 6, "Previous 7 days": 28}
IN_THE_MORNING: Final = {"Yesterday": 6, "Previous 7 days": 34}
RETURNS: Final = (
    "document.dispatchEvent(new Event('visibilitychange'))",
    "dispatchEvent(new Event('focus'))",
    "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
)


def archive_of(times: Iterable[float]) -> str:
    """Return an export of conversations that changed at these times, with the titles "Number 0" and so on."""
    conversations = []
    for number, changed in enumerate(times):
        answer = f"A heron and a **kingfisher** of number {number}."
        exchange = {"id": f"{number + 1000:024x}", "parent": None, "question": f"Question {number}", "answer": answer}
        exchange |= {"reasoning": "", "state": "complete", "created": 0, "changed": 0}
        record = {"id": f"{number + 1:024x}", "title": f"Number {number}", "created": 0, "changed": changed}
        conversations.append(record | {"choices": {}, "exchanges": [exchange]})
    return json.dumps({"format": "sluice.conversations", "version": 1, "conversations": conversations})


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the page with many conversations."""
    chat = ChatPage(browser_page).open()
    choose(chat, archive_of(range(COUNT, 0, -1)))
    expect(titles(chat)).to_have_count(COUNT)
    return chat


def test_the_current_conversation_is_in_view_in_its_list(chat: ChatPage) -> None:
    older = titles(chat).filter(has_text="Number 35")
    older.click()
    chat.page.reload()
    expect(chat.questions).to_have_text(["Question 35"])
    expect(older).to_have_attribute("aria-current", "page")
    expect(older).to_be_in_viewport(ratio=1)
    chat.ask_and_wait("And on")
    expect(titles(chat).first).to_have_text("Number 35")
    expect(older).to_be_in_viewport(ratio=1)
    # the reader has scrolled away: what happens to other conversations does not scroll the list
    chat.page.locator("nav.conversations").evaluate("each => each.scrollTo({ top: 400, behavior: 'instant' })")
    chat.page.get_by_role("button", name="Actions for “Number 20”").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(titles(chat)).to_have_count(COUNT - 1)
    expect(older).not_to_be_in_viewport()
    # results are shown from the first one, and the list then where it was
    nav, search = chat.page.locator("nav.conversations"), chat.page.get_by_role("searchbox")
    top = nav.evaluate("each => each.scrollTop")
    assert top > 300
    for words in ("heron", "kingfisher"):
        search.fill(words)
        expect(chat.page.locator(".snippet mark").first).to_have_text(words)
        assert nav.evaluate("each => each.scrollTop") == 0
        nav.evaluate("each => each.scrollTo({ top: 150, behavior: 'instant' })")
    search.fill("")
    expect(chat.page.locator(".search-result")).to_be_empty()
    assert nav.evaluate("each => each.scrollTop") == top


def test_the_list_and_its_search_are_used_by_keyboard(chat: ChatPage) -> None:
    keyboard, focused = chat.page.keyboard, chat.page.locator(":focus")
    keyboard.press("Alt+Shift+k")
    grey, own_grey = focused.evaluate(GREYS)
    assert grey == own_grey  # the browser's own is too pale
    for control in ("Number 0", "Actions for “Number 0”"):  # one conversation, and not all of them
        keyboard.press("Tab")
        expect(focused).to_have_accessible_name(control)
    keyboard.press("Tab")
    expect(focused).not_to_have_class("more")
    assert focused.evaluate("each => each.closest('nav')") is None
    keyboard.press("Alt+Shift+k")
    keyboard.type("KINGfisher 7")
    expect(titles(chat)).to_have_text([f"Number {number}" for number in (7, 17, 27, 37)])
    assert chat.page.evaluate(MARKS)[:2] == ["kingfisher", "7"]  # of the answer: the title is shown above it
    keyboard.press("ArrowDown")
    expect(focused).to_have_text("Number 7")
    keyboard.press("ArrowDown")
    expect(focused).to_have_text("Number 17")
    for _ in range(2):
        keyboard.press("ArrowUp")
    expect(focused).to_have_attribute("type", "search")
    keyboard.type("kingfisher 27")
    keyboard.press("Enter")
    expect(chat.questions).to_have_text(["Question 27"])
    chat.page.wait_for_function(IN_TEXT)
    chat.page.get_by_role("searchbox", name="Search conversations").fill("")
    chat.page.wait_for_function(NONE_IN_TEXT)
    expect(titles(chat)).to_have_count(COUNT)


def test_pinning_with_the_mouse_leaves_the_list_where_it_is_and_by_keyboard_follows_the_focus(chat: ChatPage) -> None:
    nav = chat.page.locator("nav.conversations")
    nav.evaluate("each => each.scrollTo({ top: 400, behavior: 'instant' })")
    for number in (20, 19):
        chat.page.get_by_role("button", name=f"Actions for “Number {number}”").click()
        chat.page.get_by_role("menuitem", name="Pin").click()
        expect(titles(chat).nth(20 - number)).to_have_text("Number 20")
        expect(titles(chat).filter(has_text="Number 21")).to_be_in_viewport(ratio=1)
    chat.page.get_by_role("button", name="Actions for “Number 18”").press("Enter")
    expect(chat.page.get_by_role("menuitem", name="Pin")).to_be_visible()
    chat.page.get_by_role("menuitem", name="Pin").press("Enter")
    pinned = titles(chat).filter(has_text="Number 18")
    expect(pinned).to_be_focused()
    expect(pinned).to_be_in_viewport(ratio=1)


def test_forced_colours_mark_the_open_conversation_also_while_its_answer_is_written(browser_page: Page) -> None:
    browser_page.emulate_media(forced_colors="active")
    chat = ChatPage(browser_page).open()
    FedAnswer(browser_page)
    chat.ask("First")
    row = chat.page.locator(".conversation.generating")
    expect(row.locator("a")).to_have_attribute("aria-current", "page")
    edge = "row => (({ outlineStyle, outlineColor }) => [outlineStyle, outlineColor])(getComputedStyle(row))"
    style, colour = row.evaluate(edge)
    assert style == "solid"
    assert colour not in ("rgba(0, 0, 0, 0)", row.evaluate("row => getComputedStyle(row).backgroundColor"))
    chat.page.get_by_role("button", name="New conversation").first.click()
    expect(row.locator("a[aria-current]")).to_have_count(0)
    assert row.evaluate(edge)[0] == "none"


def test_the_list_has_the_order_of_the_questions_and_not_that_of_the_growing_answers(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    more, end = model.gate("before more"), model.gate("before the end")
    model.enqueue((*said("As far"), more, *said(" as this"), end, *finished()), reply("Two."), reply("Other."))
    chat.ask("First")
    expect(chat.prose).to_have_text("As far")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    other = ChatPage(chat.page.context.new_page()).open()
    expect(titles(other)).to_have_text(["Second", "First"])
    more.open()
    other.page.wait_for_function(STORED, arg="As far as this")
    for each in (chat, other):
        expect(titles(each)).to_have_text(["Second", "First"])
    end.open()
    chat.wait_saved()
    expect(chat.page.locator(".conversation.unseen a")).to_have_text("First")
    other.page.reload()
    for each in (chat, other):
        expect(titles(each)).to_have_text(["Second", "First"])
    titles(other).last.click()
    expect(other.prose).to_have_text("As far as this")
    other.load_rest()
    other.answer.get_by_role("button", name="Regenerate").click()
    for each in (chat, other):
        expect(titles(each)).to_have_text(["First", "Second"])
    other.wait_complete()


def begin_answer(chat: ChatPage, model: ScriptedModel) -> Gate:
    """Ask "First", and return the gate before the end of its answer; the next answer comes whole."""
    end = model.gate("before the end")
    model.enqueue((*said("One."), end, *finished()), reply("Two."))
    chat.ask("First")
    expect(chat.prose).to_have_text("One.")
    return end


def test_the_mark_of_a_new_answer_stays_until_a_tab_shows_it(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    end = begin_answer(chat, model)
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    end.open()
    marked = chat.page.locator(".conversation.unseen a")
    expect(marked).to_have_text("First")
    chat.page.reload()
    expect(marked).to_have_text("First")

    other = ChatPage(chat.page.context.new_page()).open()
    expect(other.page.locator(".conversation.unseen a")).to_have_text("First")
    titles(other).last.click()
    expect(other.prose).to_have_text("One.")
    for each in (chat, other):
        expect(each.page.locator(".conversation.unseen")).to_have_count(0)
    chat.page.reload()
    expect(titles(chat)).to_have_count(2)
    expect(marked).to_have_count(0)


def test_an_answer_that_another_tab_shows_is_not_marked(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    end = begin_answer(chat, model)
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    expect(other.prose).to_have_text("One.")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    end.open()
    expect(chat.page.locator(".conversation.generating")).to_have_count(0)
    for each in (chat, other):
        expect(each.page.locator(".conversation.unseen")).to_have_count(0)


@pytest.fixture
def evening(browser_page: Page) -> ChatPage:
    """Return the page in the evening, with a conversation of every four hours before."""
    browser_page.clock.install(time=EVENING)
    chat = ChatPage(browser_page).open()
    choose(chat, archive_of((EVENING - number * timedelta(hours=4)).timestamp() * 1000 for number in range(COUNT)))
    expect(titles(chat)).to_have_count(COUNT)
    assert browser_page.evaluate(GROUPS) == IN_THE_EVENING
    return chat


def top_of(element: Locator) -> float:
    """Return where an element begins, in pixels below the top of the window."""
    top: float = element.evaluate("each => each.getBoundingClientRect().top")
    return top


def wait_for_groups(page: Page, groups: dict[str, int]) -> None:
    """Wait until the list has these groups, with so many conversations."""
    wanted = f"(groups) => JSON.stringify(({GROUPS})()) === JSON.stringify(groups)"
    page.wait_for_function(wanted, arg=groups)


@pytest.mark.browser_context(timezone_id="UTC")
def test_the_list_is_grouped_by_the_present_day(evening: ChatPage) -> None:
    page = evening.page
    page.clock.fast_forward(timedelta(hours=10) // timedelta(milliseconds=1))  # as of a computer that was asleep
    wait_for_groups(page, IN_THE_MORNING)
    for returns in RETURNS:
        for time, groups in ((EVENING, IN_THE_EVENING), (MORNING, IN_THE_MORNING)):
            page.clock.set_fixed_time(time)
            page.evaluate(returns)
            wait_for_groups(page, groups)


@pytest.mark.browser_context(timezone_id="UTC", viewport={"width": 390, "height": 844})
def test_the_list_in_the_drawer_is_grouped_by_the_present_day(evening: ChatPage) -> None:
    evening.page.clock.set_fixed_time(MORNING)
    evening.page.get_by_role("button", name="Open the sidebar").click()
    wait_for_groups(evening.page, IN_THE_MORNING)


@pytest.mark.browser_context(timezone_id="UTC")
def test_another_day_takes_nothing_in_the_list_from_the_reader(evening: ChatPage) -> None:
    page = evening.page
    nav, row, focused = page.locator(".conversations"), page.locator(".conversation"), page.locator(":focus")
    returned = RETURNS[0]

    def change_day(time: datetime, groups: dict[str, int], kept: Locator) -> None:
        top = top_of(kept)
        page.clock.set_fixed_time(time)
        page.evaluate(returned)
        wait_for_groups(page, groups)
        assert abs(top_of(kept) - top) < 1

    nav.evaluate("each => each.scrollTo({ top: 500, behavior: 'instant' })")
    change_day(MORNING, IN_THE_MORNING, row.nth(17))

    row.nth(19).locator("a").hover()
    change_day(EVENING, IN_THE_EVENING, row.nth(19))

    row.nth(20).locator(".more").click()
    expect(focused).to_have_text("Pin")
    page.keyboard.press("ArrowDown")
    expect(focused).to_have_text("Rename")
    change_day(MORNING, IN_THE_MORNING, page.get_by_role("menu"))
    expect(focused).to_have_text("Rename")
    page.keyboard.press("Enter")
    page.keyboard.type("Another")
    page.mouse.move(600, 300)
    change_day(EVENING, IN_THE_EVENING, focused)
    page.keyboard.type(" name")
    page.keyboard.press("Enter")
    expect(row.nth(20).locator("a")).to_have_text("Another name")
    expect(row.nth(20).locator("a")).to_be_focused()

    row.nth(22).locator("a").hover()
    page.mouse.down()
    page.clock.set_fixed_time(MORNING)
    page.evaluate(returned)
    assert page.evaluate(GROUPS) == IN_THE_EVENING
    page.mouse.up()
    expect(evening.questions).to_have_text(["Question 22"])
    wait_for_groups(page, IN_THE_MORNING)


# On the day before, the clock was set back, and forward.
@pytest.mark.browser_context(timezone_id="Europe/Berlin")
@pytest.mark.parametrize(
    ("today", "asked", "group"),
    [
        ("2026-10-26T12:00+01:00", "2026-10-25T00:30+02:00", "Yesterday"),
        ("2026-03-30T12:00+02:00", "2026-03-28T23:30+01:00", "Previous 7 days"),
    ],
)
def test_yesterday_has_as_many_hours_as_it_had(browser_page: Page, today: str, asked: str, group: str) -> None:
    browser_page.clock.set_fixed_time(today)
    chat = ChatPage(browser_page).open()
    choose(chat, archive_of([datetime.fromisoformat(asked).timestamp() * 1000]))
    expect(chat.page.get_by_role("heading", name=group)).to_be_visible()
