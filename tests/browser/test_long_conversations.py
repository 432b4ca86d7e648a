"""What a key and a piece of an answer cost in a long conversation."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from time import monotonic
from typing import Any

from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage
from tools.common.chromium import WAIT_MS
from tools.common.scripted_model import Gate, ScriptedModel, finished, said

from .fed_answer import FedAnswer
from .test_archive import choose

ANSWER = "A [link](https://example.org), and code:\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
DRAWN = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
INVALIDATIONS = "disabled-by-default-devtools.timeline.invalidationTracking"
PHASES = "blink"  # of a frame, with the time that each takes


def archive(length: int) -> str:
    """Return a file with one conversation of this many exchanges."""
    ids = [f"{length:012x}{number:012x}" for number in range(length + 1)]
    times = {"created": 1_700_000_000_000, "changed": 1_700_000_000_000}
    said_so = {"question": "Why?", "answer": ANSWER, "reasoning": "", "state": "complete", **times}
    exchanges = [
        {"id": each, "parent": parent if parent != ids[0] else None, **said_so} for parent, each in pairwise(ids)
    ]
    conversation = {"id": ids[0], "title": f"Of {length}", "choices": {}, "exchanges": exchanges, **times}
    return json.dumps({"format": "sluice.conversations", "version": 1, "conversations": [conversation]})


def traced(page: Page, category: str, act: Callable[[], object]) -> list[dict[str, Any]]:
    """Return what Chromium records, from this action to the frame that shows it."""
    devtools = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    ends: list[object] = []
    devtools.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    devtools.on("Tracing.tracingComplete", lambda data: ends.append(data))
    page.evaluate(DRAWN)
    devtools.send("Tracing.start", {"traceConfig": {"includedCategories": [category]}})
    act()
    page.evaluate(DRAWN)
    devtools.send("Tracing.end")
    deadline = monotonic() + WAIT_MS / 1000
    while not ends and monotonic() < deadline:
        page.evaluate("0")  # receives events
    devtools.detach()
    assert ends
    return events


def restyled(page: Page, act: Callable[[], object]) -> int:
    """Return how many elements Chromium checks the styles of, from this action to the frame that shows it."""
    return [each["name"] for each in traced(page, INVALIDATIONS, act)].count("StyleRecalcInvalidationTracking")


def test_the_styles_that_a_key_or_a_token_changes_do_not_grow_with_the_conversation(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    counts = []
    for length in (2, 20):
        choose(chat, archive(length))
        browser_page.get_by_role("link", name=f"Of {length}").click()
        expect(chat.answers).to_have_count(length)
        expect(browser_page.locator(".hljs-number")).to_have_count(length)
        chat.wait_shown()
        chat.field.fill("A")
        key = restyled(browser_page, lambda: browser_page.keyboard.press("b"))
        next_token, end = (model.gate(f"{name} of {length}") for name in ("token", "end"))
        model.enqueue((*said("One"), next_token, *said(" more"), end, *finished()))
        chat.field.press("Enter")
        expect(chat.prose).to_have_text("One")

        def receive(gate: Gate = next_token) -> None:
            gate.open()
            expect(chat.prose).to_have_text("One more")

        token = restyled(browser_page, receive)
        end.open()
        chat.wait_complete()
        counts.append((key, token))
    for short, long in zip(*counts, strict=True):
        assert short > 0
        assert long < short + 18, counts  # one for each exchange would be more


def test_a_token_does_not_update_the_layers_of_a_whole_long_conversation(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    choose(chat, archive(100))
    browser_page.get_by_role("link", name="Of 100").click()
    # On a busy machine, 17 of them were drawn within 10 s.
    expect(browser_page.locator(".hljs-number")).to_have_count(100, timeout=6 * WAIT_MS)
    chat.wait_shown()
    answer = FedAnswer(browser_page)
    chat.ask("Another question")

    def receive() -> None:
        for _ in range(10):
            answer.send("word ")
            browser_page.evaluate(DRAWN)

    answer.send("The first ")
    events = traced(browser_page, PHASES, receive)
    answer.send(DONE_FRAME)
    chat.wait_complete()
    # in CPU time: as much as styles, which are of the new word only, or many times that
    layers, styles = (
        sum(each.get("tdur", 0) for each in events if each["name"] == f"Blink.{phase}.UpdateTime")
        for phase in ("CompositingInputs", "Style")
    )
    assert 0 < layers < styles
