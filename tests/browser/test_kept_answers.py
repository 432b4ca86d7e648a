"""Answers that outlive their connection: after reloads, in several tabs, and over broken connections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.support.cut_relay import CutRelay
from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.chromium import open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import Chunk, ScriptedModel, finished, reply, said, stalling_after

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .test_reasoning import SKIPPABLE_TIME

# Records the texts that the last answer has shown, without repetitions, over all documents of the tab.
WATCH_TEXT = """(() => {
    if (location.protocol === "about:") return;
    const seen = JSON.parse(sessionStorage.seen ?? "[]");
    const look = () => {
        const text = [...document.querySelectorAll(".answer > .prose")].at(-1)?.textContent;
        if (text !== undefined && text !== seen.at(-1)) {
            seen.push(text);
            sessionStorage.seen = JSON.stringify(seen);
        }
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})()"""
# Counts what a tab writes into its database.
COUNT_WRITES = """(() => {
    const { put } = IDBObjectStore.prototype;
    window.writes = 0;
    IDBObjectStore.prototype.put = function (...args) {
        window.writes += 1;
        return put.apply(this, args);
    };
})()"""
RECONNECTING = "The connection was lost. Reconnecting…"


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open page."""
    return ChatPage(browser_page).open()


@pytest.fixture
def relay(page_server: GunicornServer) -> Iterator[CutRelay]:
    """Return a relay before the page's server."""
    with CutRelay(page_server.port) as relay:
        yield relay


@pytest.fixture
def relayed(browser: Browser, relay: CutRelay, browser_errors: BrowserErrors) -> Iterator[ChatPage]:
    """Return the page, opened through the relay."""
    browser_errors.expect("ERR_")  # each broken connection
    with open_context(browser, base_url=relay.url, **CONTEXT_OPTIONS) as context:
        browser_errors.listen(context, relay.url)
        yield ChatPage(context.new_page()).open()
    assert browser_errors.unexpected == []


def another_tab(chat: ChatPage, script: str = "") -> ChatPage:
    """Open the address of the first tab in a second one."""
    page = chat.page.context.new_page()
    if script:
        page.add_init_script(script)
    page.goto(chat.page.url)
    return ChatPage(page)


def numbered(*parts: dict[str, Any]) -> str:
    """Return an event stream with these frames, with ids from 1 on."""
    return "".join(f"id: {number}\n{frames(part)}" for number, part in enumerate(parts, 1))


def follows(request: Request) -> bool:
    """Whether a request reads the events of a run."""
    return request.url.endswith("/events")


def expect_running(chat: ChatPage) -> None:
    """Expect that the answer is being written, and can be stopped."""
    expect(chat.answer).to_have_class(re.compile(r"\brunning\b"))
    expect(chat.send_button).to_have_text("Stop")


def test_a_reload_in_mid_answer_shows_the_same_text_and_then_the_rest(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.add_init_script(WATCH_TEXT)
    gate = model.gate("before the rest")
    model.enqueue((*said("As far ", "as this"), gate, *said(" and", " on."), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    chat.page.reload()
    expect(chat.prose).to_have_text("As far as this")
    expect_running(chat)
    expect(chat.failure).to_have_count(0)
    gate.open()
    expect(chat.prose).to_have_text("As far as this and on.")
    chat.wait_complete()
    seen = chat.page.evaluate("JSON.parse(sessionStorage.seen)")
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen)), seen
    chat.wait_saved()
    chat.page.reload()
    expect(chat.prose).to_have_text("As far as this and on.")
    expect(chat.failure).to_have_count(0)
    assert len(model.exchanges) == 1


def test_an_answer_ends_while_its_page_is_away_and_is_whole_when_it_is_back(
    chat: ChatPage, model: ScriptedModel
) -> None:
    gate = model.gate("before the rest")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    address = chat.page.url
    chat.page.goto("about:blank")
    gate.open()
    model.exchanges[0].wait_finished()
    chat.page.goto(address)
    expect(chat.prose).to_have_text("As far as this and on.")
    expect(chat.send_button).to_have_text("Send")
    expect(chat.failure).to_have_count(0)


def test_two_tabs_show_the_same_growing_text_and_one_of_them_stores_it(chat: ChatPage, model: ScriptedModel) -> None:
    gates = [model.gate(str(number)) for number in range(3)]
    model.enqueue(
        (*said("One"), gates[0], *said(" two"), gates[1], *said(" three"), gates[2], *said(" four."), *finished())
    )
    chat.ask("Count")
    expect(chat.prose).to_have_text("One")
    with chat.page.context.expect_event("request", follows):
        other = another_tab(chat, COUNT_WRITES)
    expect(other.prose).to_have_text("One")
    expect_running(other)
    for gate, text in zip(gates, ("One two", "One two three", "One two three four."), strict=True):
        if gate is gates[-1]:
            # Later the first tab may have ended its work before the other one, which then takes over.
            assert other.page.evaluate("window.writes") == 0
        gate.open()
        expect(chat.prose).to_have_text(text)
        expect(other.prose).to_have_text(text)
    other.wait_complete()
    chat.wait_saved()
    assert len(model.exchanges) == 1


def test_the_second_tab_goes_on_and_stores_the_answer_when_the_first_is_closed(
    chat: ChatPage, model: ScriptedModel
) -> None:
    gate = model.gate("before the rest")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    other = another_tab(chat)
    expect(other.prose).to_have_text("As far as this")
    expect_running(other)
    chat.page.close()
    gate.open()
    expect(other.prose).to_have_text("As far as this and on.")
    other.wait_complete()
    other.wait_saved()
    other.page.reload()
    expect(other.prose).to_have_text("As far as this and on.")
    expect(other.send_button).to_have_text("Send")


def test_a_cut_connection_is_followed_by_another_without_a_word_twice_or_missing(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    words = [f" {number}" for number in range(300)]
    model.enqueue(reply(*words, delay=0.01))
    relayed.ask("Count")
    for number in (40, 120, 200):
        expect(relayed.prose).to_contain_text(f" {number} ")
        relay.cut()
    relayed.wait_complete()
    expect(relayed.prose).to_have_text("".join(words).strip())
    expect(relayed.failure).to_have_count(0)
    assert len(model.exchanges) == 1


def test_a_lost_connection_is_said_quietly_and_the_answer_goes_on_when_it_is_back(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    gate = model.gate("before the rest")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()))
    relayed.ask("Tell me")
    expect(relayed.prose).to_have_text("As far as this")
    top = relayed.prose.bounding_box()
    relay.take_down()
    line = relayed.answer.locator(".connection")
    expect(line).to_have_text(RECONNECTING)
    expect(line).to_be_visible()
    expect(relayed.status).to_have_text(RECONNECTING)
    expect(relayed.page.get_by_role("alert").filter(visible=True)).to_have_count(0)
    expect_running(relayed)
    assert relayed.prose.bounding_box() == top
    gate.open()
    relay.bring_up()
    relayed.page.evaluate("dispatchEvent(new Event('online'))")
    expect(relayed.prose).to_have_text("As far as this and on.")
    relayed.wait_complete()
    expect(line).to_be_hidden()
    assert len(model.exchanges) == 1


def test_a_thought_of_which_a_part_was_not_seen_has_no_time_and_a_later_one_has(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    relayed.page.evaluate(f"() => {SKIPPABLE_TIME}")
    gates = [model.gate() for _ in range(3)]
    first, then, last = (Chunk(reasoning=thought) for thought in ("First.", "Then.", "At last."))
    model.enqueue(
        (first, gates[0], *said("One."), then, gates[1], *said("Two."), last, gates[2], *said("Three."), *finished())
    )
    relayed.ask("Tell me")
    thoughts = relayed.answer.locator("details.reasoning:visible summary")
    expect(thoughts).to_have_text(["Thinking for 1 s"])
    relay.take_down()
    expect(thoughts).to_have_text(["Thinking…"])
    relayed.page.evaluate("window.skipped += 8000")
    gates[0].open()
    relay.bring_up()
    relayed.page.evaluate("dispatchEvent(new Event('online'))")
    expect(thoughts).to_have_text(["Reasoning", "Thinking…"])  # which came with what had waited
    relayed.page.evaluate("window.skipped += 3000")
    gates[1].open()
    expect(thoughts).to_have_text(["Reasoning", "Reasoning", "Thinking for 1 s"])
    relayed.page.evaluate("window.skipped += 3000")
    gates[2].open()
    relayed.wait_complete()
    expect(thoughts).to_have_text(["Reasoning", "Reasoning", "Thought for 3 s"])
    relayed.wait_saved()
    relayed.page.reload()
    expect(thoughts).to_have_text(["Reasoning", "Reasoning", "Thought for 3 s"])


def test_an_offline_page_waits_and_goes_on_when_it_is_online(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    gate = model.gate("before the rest")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()))
    relayed.ask("Tell me")
    expect(relayed.prose).to_have_text("As far as this")
    relayed.page.context.set_offline(True)
    relay.cut()  # Chromium's own switch leaves open connections
    expect(relayed.answer.locator(".connection")).to_be_visible()
    gate.open()
    model.exchanges[0].wait_finished()
    relayed.page.context.set_offline(False)
    expect(relayed.prose).to_have_text("As far as this and on.")
    relayed.wait_complete()
    assert len(model.exchanges) == 1


def test_stop_works_while_the_connection_is_lost(relayed: ChatPage, relay: CutRelay, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    relayed.ask("Tell me")
    expect(relayed.prose).to_have_text("As far as this")
    relay.take_down()
    expect(relayed.answer.locator(".connection")).to_be_visible()
    relayed.field.press("Escape")
    expect(relayed.answer.locator(".note")).to_have_text("You stopped this answer.")
    expect(relayed.answer.locator(".connection")).to_be_hidden()
    expect(relayed.send_button).to_have_text("Send")
    assert model.in_progress
    relay.bring_up()
    relayed.page.evaluate("dispatchEvent(new Event('online'))")
    model.wait_idle()  # the server was told


def test_stop_works_while_the_page_waits_for_a_reply_that_does_not_come(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    model.enqueue(stalling_after("As far as this"))
    relayed.ask("Tell me")
    expect(relayed.prose).to_have_text("As far as this")
    relay.silence_reply_to(b"GET /api/runs")
    relay.cut()
    expect(relayed.answer.locator(".connection")).to_be_visible()
    relayed.field.press("Escape")
    expect(relayed.answer.locator(".note")).to_have_text("You stopped this answer.")
    model.wait_idle()


def test_a_question_whose_reply_is_lost_is_asked_once(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    model.enqueue(reply("Once."), reply("Twice."))
    relay.drop_reply_to(b"POST /api/chat")
    relayed.ask("Tell me")
    relayed.wait_complete()
    expect(relayed.prose).to_have_text("Once.")
    assert relay.lost == 1
    assert len(model.exchanges) == 1


def test_a_page_that_is_closed_before_its_question_is_answered_asks_it_once(
    relayed: ChatPage, relay: CutRelay, model: ScriptedModel
) -> None:
    model.enqueue(reply("Once."), reply("Twice."))
    relay.silence_reply_to(b"POST /api/chat")
    relayed.ask("Tell me")
    model.wait_for_request()
    relayed.page.reload()
    expect(relayed.prose).to_have_text("Once.")
    relayed.wait_complete()
    assert len(model.exchanges) == 1


def test_a_silent_connection_is_replaced_after_45_seconds(
    browser: Browser, relay: CutRelay, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    gate = model.gate("before the rest")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()))
    with open_context(browser, base_url=relay.url, **CONTEXT_OPTIONS) as context:
        page = context.new_page()
        page.clock.install()
        chat = ChatPage(page).open()
        chat.ask("Tell me")
        expect(chat.prose).to_have_text("As far as this")
        relay.silence(b"POST /api/chat")
        gate.open()
        model.exchanges[0].wait_finished()
        before = relay.connections
        page.clock.run_for(35_000)
        assert relay.connections == before
        with page.expect_event("requestfinished", follows):
            page.clock.run_for(20_000)
            expect(chat.prose).to_have_text("As far as this and on.")
    assert len(model.exchanges) == 1


def test_a_page_gives_up_after_two_minutes_without_its_server(
    browser: Browser, relay: CutRelay, model: ScriptedModel
) -> None:
    model.enqueue(stalling_after("As far as this"))
    with open_context(browser, base_url=relay.url, **CONTEXT_OPTIONS) as context:
        page = context.new_page()
        page.clock.install()
        chat = ChatPage(page).open()
        chat.ask("Tell me")
        expect(chat.prose).to_have_text("As far as this")
        with page.expect_event("requestfailed", follows):
            relay.take_down()
            page.clock.run_for(1000)
        for _ in range(8):
            expect(chat.failure).to_have_count(0)
            with page.expect_event("requestfailed", follows):
                page.clock.run_for(11_000)
        for _ in range(6):
            page.clock.run_for(11_000)
        expect(chat.failure).to_contain_text("The server could not be reached.")
        expect(chat.prose).to_have_text("As far as this")
        expect(chat.answer.get_by_role("button", name="Continue")).to_be_visible()


def test_stop_in_the_second_tab_stops_the_answer_in_both(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    other = another_tab(chat)
    expect(other.prose).to_have_text("As far as this")
    other.send_button.click()
    for tab in (other, chat):
        expect(tab.answer.locator(".note")).to_have_text("You stopped this answer.")
        expect(tab.prose).to_have_text("As far as this")
        expect(tab.send_button).to_have_text("Send")
    model.wait_idle()
    chat.wait_saved()
    chat.page.reload()
    expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")


def test_stop_before_the_server_has_answered_stops_it_there_as_well(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the headers")
    model.enqueue((gate, *stalling_after("Too late")))
    chat.ask("Tell me")
    gate.wait_reached()
    chat.field.press("Escape")
    expect(chat.answer.locator(".note")).to_have_text("You stopped this answer.")
    gate.open()
    model.wait_idle()


def test_a_running_answer_whose_conversation_is_deleted_is_stopped(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("As far as this")
    chat.page.get_by_role("link", name="Tell me").press("Delete")
    model.wait_idle()
    runs = "async () => (await (await fetch('/api/runs')).json()).runs"
    chat.page.wait_for_function(f"async () => (await ({runs})()).length === 0")
    chat.page.get_by_role("button", name="Undo").click()
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.answer.locator(".note")).to_have_text("This answer was stopped because you deleted it.")


def test_an_answer_of_another_conversation_goes_on_after_a_reload(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the rest")
    model.enqueue((*said("As far as this"), gate, *said(" and on."), *finished()), reply("New."))
    chat.ask("First")
    expect(chat.prose).to_have_text("As far as this")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    chat.wait_shown()
    with chat.page.expect_event("request", follows):
        chat.page.reload()
    expect(chat.prose).to_have_text("New.")
    expect(chat.send_button).to_have_text("Send")
    gate.open()
    chat.wait_saved()
    chat.page.go_back()
    expect(chat.questions).to_have_text(["First"])
    expect(chat.prose).to_have_text("As far as this and on.")
    expect(chat.send_button).to_have_text("Send")


def test_the_rest_of_a_continued_answer_is_joined_although_the_page_was_reloaded(
    chat: ChatPage, model: ScriptedModel
) -> None:
    gate = model.gate("before the rest of the rest")
    model.enqueue(
        stalling_after("A list of what is known about"),
        (*said("streams"), gate, *said(" and", " more."), *finished()),
    )
    chat.ask("Tell me")
    expect(chat.prose).to_have_text("A list of what is known about")
    chat.field.press("Escape")
    with chat.page.expect_response("**/api/chat"):
        chat.answer.get_by_role("button", name="Continue").click()
    gate.wait_reached()
    chat.page.reload()
    expect_running(chat)
    gate.open()
    chat.wait_complete()
    expect(chat.prose).to_have_text("A list of what is known about streams and more.")


def test_an_answer_that_the_server_cannot_keep_is_asked_for_without_that(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 503")
    away = {"success": False, "error": "Away.", "code": "store_unavailable", "retryable": True}
    refused = chat.reply_once(status=503, headers={"Retry-After": "2"}, json=away)
    model.enqueue(reply("Whole."))
    asked: list[Request] = []

    def is_second(request: Request) -> bool:
        asked.extend([request] if request.url.endswith("/api/chat") else [])
        return len(asked) == 2

    # Its event may come behind its answer.
    with chat.page.expect_request(is_second):
        expect(chat.ask_and_wait("Tell me")).to_have_text("Whole.")
    assert refused[0]["on_disconnect"] == "continue"
    assert ["idempotency-key" in request.headers for request in asked] == [True, False]
    assert "on_disconnect" not in (asked[1].post_data or "")


@pytest.mark.parametrize(
    ("end", "said_so"),
    [
        ({"code": "stopped", "reason": "stopped"}, "You stopped this answer."),
        ({"code": "stopped", "reason": "abandoned"}, "because no page was reading it"),
        ({"code": "stopped", "reason": "log_full"}, "because it became too long to keep"),
        ({"code": "interrupted", "retryable": True}, "The server stopped before this answer was complete."),
    ],
    ids=["stopped", "abandoned", "log full", "interrupted"],
)
def test_an_answer_that_the_server_has_ended_says_why_and_can_be_continued(
    chat: ChatPage, model: ScriptedModel, end: dict[str, object], said_so: str
) -> None:
    body = frames(text_frame("As far as this"), {"success": False, "error": "Ended.", "retryable": False, **end})
    chat.reply_once(content_type="text/event-stream", headers={"Sluice-Run": "a1"}, body=body)
    chat.ask("Tell me")
    expect(chat.answer.locator(".ending")).to_contain_text(said_so)
    expect(chat.prose).to_have_text("As far as this")
    chat.page.reload()
    expect(chat.answer.locator(".ending")).to_contain_text(said_so)
    model.enqueue(reply(" and on."))
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.prose).to_have_text("As far as this and on.")


@pytest.mark.parametrize(
    ("status", "said_so"), [(404, "does not have the rest"), (410, "no longer keeps this answer")]
)
def test_an_answer_that_the_server_has_forgotten_is_kept_as_far_as_it_came(
    chat: ChatPage, browser_errors: BrowserErrors, status: int, said_so: str
) -> None:
    browser_errors.expect(f"status of {status}")
    chat.page.route("**/api/runs/*/events", lambda route: route.fulfill(status=status, json={"success": False}))
    body = frames(text_frame("As far as this"))
    chat.reply_once(content_type="text/event-stream", headers={"Sluice-Run": "a1"}, body=body)
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text(said_so)
    expect(chat.prose).to_have_text("As far as this")
    expect(chat.answer.get_by_role("button", name="Continue")).to_be_visible()


def test_a_server_that_is_busy_is_asked_again_and_events_that_are_here_are_left_out(
    chat: ChatPage, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of (429|503|502)")
    replies: list[dict[str, Any]] = [
        {"status": 429, "json": {"success": False, "code": "too_many_readers", "retryable": True}},
        {"status": 503, "json": {"success": False, "code": "store_unavailable", "retryable": True}},
        {"status": 502, "body": "<h1>Bad gateway</h1>", "content_type": "text/html"},
        {
            "content_type": "text/event-stream",
            "body": numbered(text_frame("One"), text_frame(" two"), DONE_FRAME),
        },
    ]
    cursors: list[str | None] = []

    def follow(route: Route) -> None:
        cursors.append(route.request.headers.get("last-event-id"))
        route.fulfill(**replies.pop(0))

    chat.page.route("**/api/runs/*/events", follow)
    headers = {"Sluice-Run": "a1"}
    chat.reply_once(content_type="text/event-stream", headers=headers, body=numbered(text_frame("One")))
    chat.ask("Count")
    chat.wait_complete()
    expect(chat.prose).to_have_text("One two")
    assert cursors == ["1"] * 4


def test_an_older_version_of_a_kept_answer_does_not_replace_a_newer_one(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Whole."))
    chat.ask_and_wait("Tell me")
    chat.wait_saved()
    stored = chat.page.evaluate(
        with_page_modules("""async () => {
            const { Database } = await pageModule("storage/database.js");
            const { DatabaseConnection } = await pageModule("storage/database_connection.js");
            const { loadIdb } = await pageModule("browser/libraries.js");
            const database = new Database(new DatabaseConnection(await loadIdb(), () => {}));
            const [record] = await database.conversations();
            const { exchanges: [exchange] } = await database.conversation(record.id);
            // as a tab saves it that was asleep since the beginning of the answer
            const old = { ...exchange, answer: "Who", state: "running", changed: Date.now() + 1000,
                run: { ...exchange.run, last: 1 }, conversation: record.id };
            await database.write([{ record, isNew: false }], [old]);
            const after = (await database.conversation(record.id)).exchanges[0];
            return [after.answer, after.state];
        }""")
    )
    assert stored == ["Whole.", "complete"]


VERSION = {"state": "running", "changed": 1, "run": {"id": "a1", "last": 5}}


@pytest.mark.parametrize(
    ("ahead", "behind"),
    [
        ({"run": {"id": "a1", "last": 6}}, {}),
        ({"state": "complete"}, {"run": {"id": "a1", "last": 6}}),
        ({"state": "stopped"}, {}),
        ({"state": "complete"}, {"state": "failed"}),
        ({"state": "complete"}, {"state": "stopped"}),
        ({"state": "complete", "figures": {"totalMs": 9}}, {"state": "complete", "figures": {}}),
        ({"run": {"id": "a1", "last": 6}}, {"run": {"id": "a2", "last": 5}}),
        ({"state": "complete", "run": None}, {}),
        ({"state": "complete"}, {"state": "complete"}),
    ],
    ids=["more text", "ended", "stopped", "not failed", "not stopped", "measured", "another run", "no run", "equal"],
)
def test_of_two_versions_of_a_kept_answer_the_one_with_more_of_it_is_ahead(
    chat: ChatPage, ahead: dict[str, Any], behind: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    found = chat.page.evaluate(
        with_page_modules("""async ([one, other]) => {
            const { isAhead } = await pageModule("conversation/exchange.js");
            return [isAhead(one, other), isAhead(other, one)];
        }"""),
        [VERSION | ahead, VERSION | behind],
    )
    is_told = not any(name in request.node.callspec.id for name in ("another", "no run", "equal"))
    assert found == [is_told, False]
