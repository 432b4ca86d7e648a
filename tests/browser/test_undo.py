"""The offer to undo a deletion after the reader has gone on."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, finished, reply, said

from .kept_images import AGE_UNUSED


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def test_a_deleted_exchange_comes_back_before_what_was_asked_since_then(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the rest")
    model.enqueue(
        reply("One."), reply("Two."), reply("Three."), (*said("As far as this"), gate, *said(" and on."), *finished())
    )
    for question in ("First", "Second", "Third"):
        chat.ask_and_wait(question)
    chat.choose_action("Delete question and answer", 2)
    chat.choose_action("Delete question and answer", 1)
    chat.ask("Fourth")
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.page.locator("#sluice-undo")).to_contain_text("Question and answer deleted.")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(chat.questions).to_have_text(["First", "Second", "Fourth"])
    chat.page.keyboard.press("Alt+Shift+z")
    expect(chat.questions).to_have_text(["First", "Second", "Third", "Fourth"])
    gate.open()
    expect(chat.prose).to_have_text("As far as this and on.")
    chat.wait_complete()
    expect(chat.page.locator(".branches:visible")).to_have_count(0)
    # a version comes back beside the one that the conversation went on with
    model.enqueue(reply("Another."), reply("Five."))
    chat.answer.get_by_role("button", name="Regenerate").click()
    expect(chat.prose).to_have_text("Another.")
    chat.wait_complete()
    chat.choose_action("Delete this version")
    chat.ask_and_wait("Fifth")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(chat.answers.nth(3).get_by_role("group", name="Versions of this answer")).to_contain_text("1 / 2")
    asked = ["First", "Second", "Third", "Fourth", "Fifth"]
    expect(chat.questions).to_have_text(asked)
    chat.wait_saved()
    chat.page.reload()
    expect(chat.questions).to_have_text(asked)
    chat.answers.nth(3).get_by_role("button", name="Next version").click()
    expect(chat.prose).to_have_text("Another.")


@pytest.mark.parametrize("is_older_first", [True, False])
@pytest.mark.parametrize(
    ("here", "there"), [("Two", "One"), ("Two", "Three"), ("Three", "Two"), ("Three", "Four"), ("Four", "Three")]
)
def test_deletions_in_two_tabs_are_undone_in_any_order(
    chat: ChatPage, here: str, there: str, is_older_first: bool
) -> None:
    asked = ["One", "Two", "Three", "Four"]
    for question in asked:
        chat.ask_and_wait(question)
    chat.wait_saved()
    other = ChatPage(chat.page.context.new_page())
    other.page.goto(chat.page.url)
    other.wait_shown()
    deletions = [(chat, here), (other, there)]
    left = list(asked)
    for tab, question in deletions:
        tab.choose_action("Delete question and answer", left.index(question))
        left.remove(question)
        for each in (chat, other):
            expect(each.questions).to_have_text(left)
    for tab, question in deletions if is_older_first else deletions[::-1]:
        tab.page.get_by_role("button", name="Undo").click()
        left = [each for each in asked if each in (*left, question)]
        for each in (chat, other):
            expect(each.questions).to_have_text(left)
            expect(each.page.locator(".branches:visible")).to_have_count(0)
    chat.wait_saved()
    chat.page.reload()
    expect(chat.questions).to_have_text(asked)


# Conversations with versions, in which exchanges are deleted, restored in any order, and asked in between, as in
# several tabs. Returns what the first one did that is not as it was when all are restored.
UNDO_AT_RANDOM: Final = with_page_modules("""async () => {
    const { Conversation } = await pageModule("conversation/conversation.js");
    let seed = 7;
    const random = (below) => {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        return Math.floor((seed / 2147483648) * below);
    };
    let now = Date.now();
    Date.now = () => ++now;
    for (let trial = 0; trial < 3000; trial++) {
        const conversation = new Conversation({ id: "c", title: "", created: 0, changed: 0, choices: {} });
        const parents = new Map();
        for (let count = 1 + random(5); count > 0; count--) {
            const { path } = conversation;
            const isVersion = path.length > 0 && random(4) === 0;
            const question = `${parents.size}`;
            const { id, parent } = isVersion
                ? conversation.branch(path[random(path.length)], question)
                : conversation.append(question);
            parents.set(id, parent);
        }
        const removals = [];
        const done = [];
        const restore = () => {
            const [removal] = removals.splice(random(removals.length), 1);
            conversation.restore(removal);
            done.push(`restored ${removal.exchange.question}`);
        };
        for (let step = 0; step < 6; step++) {
            const { exchanges } = conversation;
            const what = random(3);
            if (what === 0 && exchanges.length > 0) {
                const exchange = exchanges[random(exchanges.length)];
                removals.push(conversation.remove(exchange));
                done.push(`removed ${exchange.question}`);
            } else if (what === 1 && removals.length > 0) restore();
            else if (what === 2) {
                conversation.append(`new ${step}`);
                done.push(`asked new ${step}`);
            }
        }
        while (removals.length > 0) restore();
        const now = new Map(conversation.exchanges.map((exchange) => [exchange.id, exchange]));
        const isAsBefore = [...parents].every(([id, parent]) => now.get(id)?.parent === parent);
        const areReached = [...now.values()].every((exchange) => {
            let steps = 0;
            for (let each = exchange; each && steps <= now.size; each = now.get(each.parent)) steps++;
            return steps <= now.size && !exchange.removed;
        });
        const asked = done.filter((each) => each.startsWith("asked"));
        if (!isAsBefore || !areReached || now.size !== parents.size + asked.length) return done;
    }
    return [];
}""")


def test_deletions_among_versions_are_undone_in_any_order(chat: ChatPage) -> None:
    assert chat.page.evaluate(UNDO_AT_RANDOM) == []


def test_a_deleted_conversation_comes_back_after_a_question_in_another_one(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    chat.ask_and_wait("First")
    chat.choose_action("Delete question and answer")  # the only one: its conversation is deleted
    expect(chat.questions).to_have_count(0)
    chat.ask_and_wait("Second")
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.status).to_have_text("Restored")
    expect(chat.questions).to_have_text(["Second"])  # which is being read
    chat.page.get_by_role("link", name="First").click()
    expect(chat.prose).to_have_text("One.")


@pytest.mark.browser_context
def test_a_deletion_can_be_undone_for_a_minute_and_until_the_second_question(
    browser_page: Page, model: ScriptedModel
) -> None:
    browser_page.clock.install()
    chat = ChatPage(browser_page).open()
    offer = chat.page.locator("#sluice-undo")
    model.enqueue(*(reply("An answer.") for _ in range(8)))
    for question in ("First", "Second", "Third", "Fourth"):
        chat.ask_and_wait(question)
    chat.choose_action("Delete question and answer")
    chat.page.clock.run_for(90_000)
    chat.choose_action("Delete question and answer", 1)
    chat.ask_and_wait("Fifth")
    chat.ask_and_wait("Sixth")  # faster than a minute
    undo = offer.get_by_role("button", name="Undo")
    undo.click()
    expect(chat.questions).to_have_text(["First", "Second", "Third", "Fifth", "Sixth"])
    expect(offer).to_be_hidden()  # the other one was made long before
    chat.choose_action("Delete question and answer")
    chat.page.clock.run_for(61_000)
    chat.ask_and_wait("Seventh")
    expect(undo).to_be_visible()
    chat.ask_and_wait("Eighth")
    expect(undo).to_have_count(0)
    chat.page.keyboard.press("Alt+Shift+z")
    expect(chat.questions).to_have_count(6)


def test_after_undo_by_mouse_words_go_into_the_message_box_and_undo_nothing_more(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(*(reply("An answer.") for _ in range(3)))
    for question in ("First", "Second", "Third"):
        chat.ask_and_wait(question)
    for _ in range(2):
        chat.choose_action("Delete question and answer")
    expect(chat.questions).to_have_text(["First"])
    undo = chat.page.locator("#sluice-undo").get_by_role("button", name="Undo")
    undo.click()
    expect(chat.questions).to_have_text(["First", "Second"])
    chat.page.keyboard.type("and on")
    expect(chat.field).to_have_value("and on")
    expect(undo).to_be_visible()
    undo.press("Enter")
    expect(chat.questions).to_have_text(["First", "Second", "Third"])


def open_search_of_two(chat: ChatPage, model: ScriptedModel) -> None:
    """Ask of birds and of plants in a conversation each, and go to the search by its keys."""
    model.enqueue(reply("A heron."), reply("A tree."))
    chat.ask_and_wait("Birds")
    chat.page.keyboard.press("Alt+Shift+o")
    chat.ask_and_wait("Plants")
    chat.page.keyboard.press("Alt+Shift+k")


def test_the_announced_keys_undo_where_a_deletion_puts_the_focus(chat: ChatPage, model: ScriptedModel) -> None:
    open_search_of_two(chat, model)
    search = chat.page.locator("#sluice-search")
    expect(search).to_be_focused()
    chat.page.keyboard.type("heron")
    title = chat.page.locator(".conversation a")
    expect(title).to_have_text(["Birds"])
    chat.page.keyboard.press("ArrowDown")
    expect(title).to_be_focused()
    chat.page.keyboard.press("Delete")
    expect(chat.status).to_have_text("Conversation deleted. Undo with Alt+Shift+Z.")
    expect(search).to_be_focused()
    chat.page.keyboard.press("Alt+Shift+z")
    expect(title).to_have_text(["Birds"])
    expect(search).to_be_focused()
    expect(search).to_have_value("heron")
    chat.page.keyboard.press("Control+z")  # the browser's own, in the field
    expect(search).not_to_have_value("heron")


def test_a_search_finds_a_conversation_that_an_undo_has_brought_back(chat: ChatPage, model: ScriptedModel) -> None:
    open_search_of_two(chat, model)
    chat.page.keyboard.type("hero")
    title = chat.page.locator(".conversation a")
    expect(title).to_have_text(["Birds"])
    title.press("Delete")
    expect(chat.page.locator("#sluice-search")).to_be_focused()
    chat.page.keyboard.press("End")
    chat.page.keyboard.type("n")
    expect(chat.page.get_by_text("No results")).to_be_visible()
    chat.page.keyboard.press("Alt+Shift+z")
    expect(title).to_have_text(["Birds"])


def test_a_search_finds_a_conversation_no_more_when_its_words_are_deleted_until_an_undo(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("A heron."))
    chat.ask_and_wait("Birds")
    chat.ask_and_wait("Which one?")
    chat.page.get_by_role("searchbox").fill("heron")
    found = chat.page.locator(".search-result")
    expect(found).to_have_text("1 conversation")
    chat.choose_action("Delete question and answer")
    expect(found).to_have_text("No results")
    chat.page.keyboard.press("Alt+Shift+z")
    expect(found).to_have_text("1 conversation")


def test_no_notice_says_that_a_restored_conversation_is_missing(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="New conversation").first.click()
    chat.ask_and_wait("Second")
    chat.page.get_by_role("button", name="Actions for “First”").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(chat.page.locator("#sluice-undo")).to_contain_text("Conversation deleted.")
    chat.page.go_back()
    notice = chat.page.get_by_role("alert").filter(has_text="This conversation is not in this browser.")
    expect(notice).to_be_visible()
    chat.page.keyboard.press("Alt+Shift+z")
    expect(chat.page.get_by_role("link", name="First")).to_be_visible()
    expect(notice).to_be_hidden()


# The texts of the stored drafts.
DRAFTS: Final = """() => Object.entries(localStorage).flatMap(
    ([key, text]) => (key.includes(".draft.1.") ? [text] : []),
).sort()"""


def test_an_edit_of_a_deleted_question_is_removed_once_nothing_can_bring_the_question_back(chat: ChatPage) -> None:
    for question in ("First", "Second"):
        chat.ask_and_wait(question)
    editor = chat.page.locator(".question-editor textarea")
    for index, edit in enumerate(("An edit", "Another edit")):
        chat.page.locator(".exchange").nth(index).get_by_role("button", name="Edit").click()
        editor.last.fill(edit)
    chat.field.fill("A draft")
    chat.page.wait_for_function(f"() => ({DRAFTS})().length === 3")
    chat.choose_action("Delete question and answer")
    expect(editor).to_have_count(1)
    chat.page.get_by_role("button", name="Undo").click()
    expect(editor.last).to_have_value("Another edit")
    chat.choose_action("Delete question and answer")
    expect(editor).to_have_count(1)
    chat.wait_saved()
    for days, left in ((6, 3), (2, 3), (0, 2)):
        chat.page.reload()
        chat.wait_shown()
        chat.load_rest()
        chat.page.wait_for_function(f"() => ({DRAFTS})().length === {left}")
        chat.page.wait_for_function("() => Object.keys(localStorage).some((key) => key.endsWith('.unused'))")
        chat.page.evaluate(AGE_UNUSED, days * 86_400_000)
    assert chat.page.evaluate(DRAFTS) == ["A draft", "An edit"]
