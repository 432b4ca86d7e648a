"""Calls of tools, sources and progress in an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from sluice.service.tools.consent import DENIED
from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.page_modules import with_page_modules

from .fed_answer import FedAnswer, ask_next, call_frame, custom_frame, numbered, result_frame

HOSTILE: Final = "<img src=x onerror=alert(1)><b>bold</b> **not bold**"
LONG: Final = "\n".join(f"line {number}" for number in range(400))
# The texts of the answer and the rows of its tools, in their order.
OUTLINE: Final = """(answer) => [...answer.querySelectorAll(":scope > .prose, .tool > summary")]
    .map((each) => each.textContent.trim().replace(/\\s+/g, " ")).filter(Boolean)"""
FAILED: Final = {"success": False, "error": "lost", "code": "upstream_truncated", "retryable": True}


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def row(chat: ChatPage, name: str) -> Locator:
    return chat.answer.locator(".tool").filter(has=chat.page.locator(f".tool-name:text-is('{name}')"))


def ask(chat: ChatPage, *parts: dict[str, object] | str) -> None:
    """Ask a question whose reply is a stream of these frames."""
    whole = [text_frame(part) if isinstance(part, str) else part for part in parts]
    chat.reply_once(content_type="text/event-stream", body=frames(*whole))
    chat.ask("Look it up")


def exported(chat: ChatPage, more: Locator, item: str, folder: Path) -> str:
    """Return the file that an item of a conversation's menu exports."""
    more.click()
    with chat.page.expect_download() as download:
        chat.page.get_by_role("menuitem", name=item).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_text("utf-8")


def test_a_call_is_a_row_at_its_place_with_its_state_arguments_and_result(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("Look it up")
    answer.send("Let me look.", call_frame("call_1", "search", '{"q": "x", "n": [1]}'))
    search = row(chat, "search")
    expect(search.locator("summary")).to_have_text("Tool search running")
    expect(chat.answer).to_have_class("answer running")  # the row has the mark
    assert search.evaluate("row => getComputedStyle(row.querySelector('.tool-state'), '::before').content") != "none"
    answer.send(result_frame("call_1", "search", HOSTILE))
    expect(search.locator("summary")).to_have_text("Tool search 0.4 s")
    expect(chat.answer).to_have_class("answer running waiting")
    # the sentence of a denial is an error of a tool that needs no permission
    failed = result_frame("call_2", "clock", DENIED, is_error=True)
    answer.send("Then **this**.", call_frame("call_2", "clock"), failed)
    answer.send(call_frame("call_3", "clock", "not JSON <i>"), result_frame("call_3", "clock", LONG, seconds=75))
    answer.send("\n\nAt last.", DONE_FRAME)
    chat.wait_complete()
    outline = [
        "Let me look.",
        "Tool search 0.4 s",
        "Then this.",
        "Tool clock failed, 0.4 s",
        "Tool clock 75 s",
        "At last.",
    ]
    assert chat.answer.evaluate(OUTLINE) == outline

    search.locator("summary").click()
    expect(search.locator("pre")).to_have_text(['{\n  "q": "x",\n  "n": [\n    1\n  ]\n}', HOSTILE])
    expect(search.locator("img, b, strong")).to_have_count(0)
    last = row(chat, "clock").last
    last.locator("summary").click()
    expect(last.locator("pre").first).to_have_text("not JSON <i>")
    box = last.locator(".tool-text").last.bounding_box()
    assert box is not None
    assert box["height"] < 300
    first = row(chat, "clock").first
    first.locator("summary").click()
    expect(first.locator(".tool-body p")).to_have_text(["Arguments", "Error"])
    expect(first.locator("pre").last).to_have_text(DENIED)

    chat.page.reload()
    chat.wait_shown()
    expect(row(chat, "search")).to_be_visible()
    assert chat.answer.evaluate(OUTLINE) == outline
    assert chat.answer.evaluate("answer => answer.querySelectorAll('.tool[open]').length") == 0


def test_a_call_without_a_result_is_not_finished_when_its_answer_ends(chat: ChatPage) -> None:
    ask(chat, "One moment.", call_frame("call_1", "search"), FAILED)
    expect(row(chat, "search").locator("summary")).to_have_text("Tool search not finished")
    # the rest of the answer: its calls may have the same ids
    rest = FedAnswer(chat.page)
    chat.answer.get_by_role("button", name="Continue").click()
    rest.send(call_frame("call_1", "search"))
    expect(row(chat, "search").locator(".tool-state")).to_have_text(["not finished", "running"])
    rest.send(result_frame("call_1", "search", "42"), "It is 42.", DONE_FRAME)
    chat.wait_complete()
    outline = ["One moment.", "Tool search not finished", "Tool search 0.4 s", "It is 42."]
    assert chat.answer.evaluate(OUTLINE) == outline
    assert chat.page.evaluate("askedBody.conversation_history.at(-1)") == {
        "role": "assistant",
        "content": "One moment.",
    }
    chat.page.reload()
    expect(row(chat, "search")).to_have_count(2)
    assert chat.answer.evaluate(OUTLINE) == outline


@pytest.mark.parametrize("text", ["I send it.", ""])
def test_the_rest_of_an_answer_is_asked_for_with_the_calls_that_it_has_made(chat: ChatPage, text: str) -> None:
    sent = [call_frame("call_1", "send_mail", '{"to": "Bob"}'), result_frame("call_1", "send_mail", "Sent\nto Bob")]
    ask(chat, *([text] if text else []), *sent, call_frame("call_2", "clock"), FAILED)
    expect(chat.failure).to_be_visible()
    rest = FedAnswer(chat.page)
    chat.answer.get_by_role("button", name="Continue" if text else "Try again").click()
    rest.send("It is sent.", DONE_FRAME)
    chat.wait_complete()
    expect(chat.answer.locator(".tool")).to_have_count(2)
    asked = chat.page.evaluate("askedBody")
    assert ("Continue exactly" in asked["message"]) == bool(text)
    assert "call them again" in asked["message"]
    call = {"name": "send_mail", "arguments": '{"to": "Bob"}', "text": "Sent\nto Bob"}
    assert asked["conversation_history"] == [
        {"role": "user", "content": "Look it up"},
        {"role": "assistant", "content": text, "tool_calls": [call]},
    ]
    # the next question is none that goes on
    asked = ask_next(chat, "Thanks")
    assert asked["message"] == "Thanks"
    assert asked["conversation_history"][1]["tool_calls"] == [call]


def test_a_later_question_brings_the_beginnings_of_what_tools_have_returned(chat: ChatPage) -> None:
    long = (call_frame("call_1", "search", '{"q": "x"}'), result_frame("call_1", "search", "y" * 5000))
    short = (call_frame("call_2", "clock"), result_frame("call_2", "clock", "noon"))
    halved = (call_frame("call_3", "react"), result_frame("call_3", "react", "z" * 3999 + "😀"))
    ask(chat, *long, *short, *halved, "It is noon.", DONE_FRAME)
    chat.wait_complete()
    answer = ask_next(chat, "And now?")["conversation_history"][-1]
    assert answer["content"] == "It is noon."
    assert answer["tool_calls"] == [
        {"name": "search", "arguments": '{"q": "x"}', "text": "y" * 4000 + "…"},
        {"name": "clock", "arguments": "{}", "text": "noon"},
        {"name": "react", "arguments": "{}", "text": "z" * 3999 + "…"},  # no half of a character
    ]


def test_a_resumed_answer_has_the_calls_that_came_before_and_after_the_reload(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page, run="a1")
    chat.ask("Look it up")
    answer.send("Let me look.", call_frame("call_1", "search", '{"q": "x"}'))
    expect(row(chat, "search").locator("summary")).to_have_text("Tool search running")
    cursors: list[str | None] = []

    def resume(route: Route) -> None:
        cursors.append(route.request.headers.get("last-event-id"))
        rest = numbered(3, result_frame("call_1", "search", "found"), "Found.", DONE_FRAME)
        route.fulfill(content_type="text/event-stream", body=rest)

    chat.page.route("**/api/runs/a1/events", resume)
    chat.page.reload()
    expect(row(chat, "search").locator("summary")).to_have_text("Tool search 0.4 s")
    chat.wait_shown()
    assert chat.answer.evaluate(OUTLINE) == ["Let me look.", "Tool search 0.4 s", "Found."]
    assert cursors == ["2"]


def test_sources_are_numbered_at_the_end_and_only_web_addresses_are_links(chat: ChatPage) -> None:
    ask(
        chat,
        custom_frame("citation", title="A page <b>", url="https://www.example.org/a?b=1", text="What it says."),
        "Half a sen",
        custom_frame("citation", title="Not a page", url="javascript:alert(1)"),
        custom_frame("citation", title="A page <b>", url="https://www.example.org/a?b=1"),
        custom_frame("citation", url="http://xn--bcher-kva.example/"),
        custom_frame("mood", value=3),
        "tence.",
        DONE_FRAME,
    )
    chat.wait_complete()
    expect(chat.prose).to_have_text("Half a sentence.")
    sources = chat.answer.get_by_role("list", name="Sources").get_by_role("listitem")
    expect(sources).to_have_text(
        ["A page <b> example.orgWhat it says.", "Not a page", "http://xn--bcher-kva.example/"]
    )
    links = sources.get_by_role("link")
    assert [link.get_attribute("href") for link in links.all()] == [
        "https://www.example.org/a?b=1",
        "http://xn--bcher-kva.example/",
    ]
    assert {link.get_attribute("rel") for link in links.all()} == {"noopener noreferrer"}
    chat.page.reload()
    expect(sources).to_have_count(3)


def test_a_source_with_a_path_is_a_link_within_the_site_also_where_it_is_exported(
    chat: ChatPage, tmp_path: Path
) -> None:
    site = str(chat.page.evaluate("location.origin"))
    elsewhere = ["//example.org/a", "/\\example.org/a", "/\t/example.org/a", "tickets/7", "?a=1", " /tickets/7"]
    ask(
        chat,
        "See [1].",
        custom_frame("citation", title="A ticket", url="/tickets/7?a=1#b"),
        custom_frame("citation", title="A path", url="/..//example.org/a"),
        *(custom_frame("citation", title=f"Other {at}", url=url) for at, url in enumerate(elsewhere)),
        DONE_FRAME,
    )
    chat.wait_complete()
    chat.wait_saved()
    sources = chat.answer.locator(".sources li")
    expect(sources).to_have_count(2 + len(elsewhere))
    chat.answer.locator(".source-list summary").click()
    links = [f"{site}/tickets/7?a=1#b", f"{site}//example.org/a"]
    assert [link.get_attribute("href") for link in sources.get_by_role("link").all()] == links

    more = chat.page.locator(".conversation .more")
    markdown = exported(chat, more, "Export as Markdown", tmp_path)
    assert f"\n\n1. [A ticket](<{links[0]}>)\n2. [A path](<{links[1]}>)\n3. Other 0\n" in markdown
    whole = json.loads(exported(chat, more, "Export as JSON", tmp_path))
    parts = whole["conversations"][0]["exchanges"][0]["parts"]
    assert [part["url"] for part in parts] == [*links, *("" for _ in elsewhere)]
    chat.page.reload()
    chat.answer.locator(".source-list summary").click()
    expect(sources.get_by_role("link")).to_have_count(2)


def test_progress_replaces_itself_and_goes_when_the_answer_is_complete(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("Count")
    answer.send(custom_frame("progress", text="Reading 1 of 2", share=0.5))
    progress = chat.answer.locator("p.progress")
    expect(progress).to_have_text("Reading 1 of 2")
    expect(progress.get_by_role("progressbar")).to_have_attribute("value", "0.5")
    answer.send("One.", custom_frame("progress", text="Reading 2 of 2"))
    expect(progress).to_have_text("Reading 2 of 2")
    expect(progress.get_by_role("progressbar")).to_be_hidden()
    # it goes with the call that it was about, and while the reader is asked
    answer.send(call_frame("call_1", "count"), custom_frame("progress", text="Counting"))
    expect(progress).to_have_text("Counting")
    answer.send(result_frame("call_1", "count", "2"))
    expect(progress).to_be_hidden()
    answer.send(custom_frame("progress", text="Almost"))
    expect(progress).to_have_text("Almost")
    answer.send(call_frame("call_2", "pay", needs_consent=True))
    expect(row(chat, "pay").locator(".consent")).to_be_visible()
    expect(progress).to_be_hidden()
    answer.send(result_frame("call_2", "pay", "late", is_error=True), custom_frame("progress", text="The end"))
    expect(progress).to_have_text("The end")
    answer.send(DONE_FRAME)
    chat.wait_complete()
    expect(progress).to_be_hidden()


def test_block_mode_shows_its_calls_before_the_text_and_its_sources(chat: ChatPage) -> None:
    called = {"id": "call_1", "name": "search", "arguments": "{}", "text": "42", "is_error": False, "seconds": 12.34}
    cited = {"name": "citation", "data": {"title": "A page", "url": "https://example.org/"}}
    chat.reply_once(
        json={
            "success": True,
            "message": "It is 42.",
            "interaction_mode": "block",
            "tool_calls": [called],
            "custom_events": [cited, {"name": "progress", "data": {"text": "Reading"}}, "?"],
        }
    )
    chat.ask_and_wait("Look it up")
    expect(row(chat, "search")).to_be_visible()
    assert chat.answer.evaluate(OUTLINE) == ["Tool search 12 s", "It is 42."]
    expect(chat.answer.get_by_role("list", name="Sources").get_by_role("link")).to_have_text("A page")
    expect(chat.answer.locator("p.progress")).to_be_hidden()


def test_an_answer_with_calls_has_no_rate_because_its_time_has_waits(chat: ChatPage) -> None:
    call = {"kind": "call", "at": 0, "id": "call_1", "name": "clock", "arguments": "{}"}
    for parts in ([], [call]):
        names = chat.page.evaluate(
            with_page_modules("""async (parts) => {
                const list = document.createElement("dl");
                const figures = { firstMs: 100, totalMs: 16_200, usage: { prompt: 9, completion: 42 } };
                const { fillDetails } = await pageModule("transcript/details_view.js");
                fillDetails(list, figures, { parts, state: "complete" });
                return [...list.querySelectorAll("dt")].map((each) => each.textContent);
            }"""),
            parts,
        )
        rate = ["Tokens per second"] if parts == [] else []
        assert names == ["Time to first token", "Total time", *rate, "Tokens"]


def test_exports_and_search_treat_calls_and_thoughts_as_what_they_are(chat: ChatPage, tmp_path: Path) -> None:
    ask(
        chat,
        "First.",
        call_frame("call_1", "web_search", '{"q": "needle"}'),
        result_frame("call_1", "web_search", "needle in a stack", code="timeout"),
        "Second.",
        call_frame("call_2", "clock"),
        result_frame("call_2", "clock", "12:00"),
        {**text_frame(""), "reasoning": "It is noon."},
        custom_frame("citation", title="A [page]", url="https://example.org/"),
        DONE_FRAME,
    )
    chat.wait_complete()
    chat.wait_saved()
    more = chat.page.locator(".conversation .more")

    markdown = exported(chat, more, "Export as Markdown", tmp_path)
    assert markdown.endswith(
        "First.\n\nSecond.\n\n*Tools: web\\_search, clock*\n\n1. [A \\[page\\]](<https://example.org/>)\n"
    )
    chat.change_language("zh-CN")
    assert "*工具：web\\_search、clock*" in exported(chat, more, "导出为 Markdown", tmp_path)
    chat.change_language("en")
    whole = exported(chat, more, "Export as JSON", tmp_path)
    parts = json.loads(whole)["conversations"][0]["exchanges"][0]["parts"]
    assert [part["kind"] for part in parts] == ["call", "call", "thought", "source"]
    assert parts[0]["result"]["text"] == "needle in a stack"
    assert parts[0]["at"] == len("First.")

    field = chat.page.get_by_role("searchbox")
    field.fill("needle")
    expect(chat.page.locator(".search-result")).to_have_text("No results")
    field.fill("Second")
    expect(chat.page.locator(".search-result")).to_have_text("1 conversation")
    field.fill("")

    # into an empty profile
    more.click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    chat.page.locator("#sluice-open-settings").click()
    expect(chat.page.locator("#sluice-settings")).to_be_visible()
    chat.page.locator("#sluice-settings input[type=file]").set_input_files(
        {"name": "one.json", "mimeType": "application/json", "buffer": whole.encode()}
    )
    expect(chat.page.locator(".import-result")).to_have_text("1 conversation imported")
    chat.page.keyboard.press("Escape")
    chat.page.locator(".conversation a").click()
    row(chat, "web_search").locator("summary").click()
    expect(row(chat, "web_search")).to_contain_text("The tool did not end in time, and was stopped.")
    chat.answer.locator(".steps .reasoning summary").click()
    expect(chat.answer.locator(".steps .reasoning-text")).to_have_text("It is noon.")
    # a damaged part refuses the file
    chat.page.locator("#sluice-open-settings").click()
    expect(chat.page.locator("#sluice-settings")).to_be_visible()
    for address in ("javascript:alert(1)", "/tickets/7"):
        damaged = whole.replace('"https://example.org/"', json.dumps(address))
        assert damaged != whole
        chat.page.locator("#sluice-settings input[type=file]").set_input_files(
            {"name": "one.json", "mimeType": "application/json", "buffer": damaged.encode()}
        )
        expect(chat.page.locator(".import-result")).to_contain_text("damaged")


def test_frames_that_are_no_parts_and_floods_of_them_harm_nothing(chat: ChatPage) -> None:
    bad = [None, 7, [], "x", {}, {"name": 7}, {"name": ""}, {"id": {}, "name": "odd", "arguments": {}, "data": 3}]
    names = ("tool_call", "tool_result", "custom", "tool_calls")
    many = [custom_frame("citation", title=f"Source {number}") for number in range(700)]
    deep: dict[str, object] = {}
    for _ in range(200):
        deep = {"a": deep}
    ask(
        chat,
        *({**text_frame(""), name: each} for name in names for each in bad),
        *many,
        custom_frame("deep", **deep),
        call_frame("c", "huge", "x" * 1_000_000),
        "Whole.",
        DONE_FRAME,
    )
    chat.wait_complete()
    expect(chat.answer.locator("> .prose").last).to_have_text("Whole.")
    # a call could wait for the reader, so that it goes before a source
    for _ in range(2):
        expect(chat.answer.locator(".sources li")).to_have_count(498)
        expect(row(chat, "huge")).to_be_visible()
        chat.page.reload()
