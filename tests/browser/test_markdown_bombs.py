"""Texts that are made to be slow: no task of the page is long, and all of the text is shown.

A task's time is what it took of its core, from Chromium's own trace, so that other programs do not lengthen it, and
compared with a task that takes 25 ms of the core for which the limits hold.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.page_modules import with_page_modules
from tools.page_trace.__main__ import main_tasks

from .conftest import CONTEXT_OPTIONS
from .markdown_bombs import fixed_bombs, random_bomb

FOLDER: Final = Path(__file__).parent
LOAD: Final = with_page_modules((FOLDER / "markdown_load.js").read_text("utf-8"))
OUTLINE: Final = with_page_modules((FOLDER / "markdown_outline.js").read_text("utf-8"))

MAX_TASK_MS: Final = 200
MAX_WAIT_MS: Final = 60_000  # until a text is shown, on a busy machine
#: Longer than the longest block that the page does not split.
SHORT: Final = 10_000
LONG: Final = 200_000

#: What of a text's letters is markup: names of tags and entities, addresses, labels. All of random texts may be.
MARKUP: Final[dict[str, float]] = {
    "entities": 0.7,
    "details": 1.0,
    "superscripts": 0.9,
    "definitions": 1.0,
    "one embedded image": 1.0,
    "paragraphs before a definition": 0.51,
    "links": 0.51,
    "images": 0.6,
    "numbers in items": 0.1,
    "tags in tags": 1.0,
    "a definition at the end": 0.01,
    "tasks": 0.51,
    "callouts": 0.9,
}

REFERENCE_MS: Final = 25
# Makes, lays out and removes 2,000 paragraphs.
REFERENCE: Final = """async () => {
    await new Promise(requestAnimationFrame);
    const box = document.createElement("div");
    box.style.cssText = "position: absolute; width: 600px";
    for (let paragraph = 0; paragraph < 2000; paragraph++) {
        box.append(document.createElement("p"));
        box.lastChild.textContent = "word ".repeat(12);
    }
    document.body.append(box);
    box.getBoundingClientRect();
    box.remove();
}"""

# Whole and in pieces: the outline of what is shown at the end.
COMPARE: Final = """async (cases) => {
    const different = [];
    for (const { seed, text, cuts } of cases) {
        const outlines = [];
        for (const where of [[], cuts]) {
            const element = await window.show(text, where);
            await window.typeset(element);
            outlines.push(window.outline(element));
            element.remove();
        }
        if (outlines[0] !== outlines[1]) different.push({ seed, whole: outlines[0], pieces: outlines[1] });
    }
    return different;
}"""


# Shows a question as the transcript does, folded and unfolded. Returns whether all of it is in the page.
SHOW_QUESTION: Final = with_page_modules("""async (question) => {
    const { QuestionView } = await pageModule("transcript/question_view.js");
    const frames = async () => { for (const wait of [1, 2]) await new Promise(requestAnimationFrame); };
    const exchange = { id: "bomb", question };
    const view = new QuestionView(exchange, { expanded() {} }, () => {});
    document.querySelector("#sluice-log").append(...view.elements);
    view.show([exchange]);
    await frames();
    const fold = view.elements[0].querySelector(".fold");
    fold?.click();
    await frames();
    const isWhole = view.elements[0].querySelector("p").textContent === question;
    for (const element of view.elements) element.remove();
    return isWhole && fold !== null;
}""")


def longest_task(page: Page, browser: Browser, questions: dict[str, str]) -> float:
    """Show questions one after the other, and return the longest task, in ms of its core."""
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    try:
        hidden = [name for name, text in questions.items() if not page.evaluate(SHOW_QUESTION, text)]
    finally:
        trace = browser.stop_tracing()
    assert hidden == []
    return longest_in(trace) / pace(page, browser)


def least(measure: Callable[[], float]) -> float:
    """Return the least of three measurements, or the first one below the limit.

    What shares a task's core adds to its CPU time, and nothing takes away from it.
    """
    taken = measure()
    for _ in range(2):
        if taken >= MAX_TASK_MS:
            taken = min(taken, measure())
    return taken


def pace(page: Page, browser: Browser) -> float:
    """Return how many times as long as on the machine of the limits this one takes; 1 if it is quicker."""
    taken = []
    for _ in range(3):
        browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
        try:
            page.evaluate(REFERENCE)
        finally:
            trace = browser.stop_tracing()
        taken.append(longest_in(trace))
    return max(1.0, min(taken) / REFERENCE_MS)


def longest_in(trace: bytes) -> float:
    """Return the longest task of a trace, in ms of its core."""
    return max(task.cpu for task in main_tasks(json.loads(trace)["traceEvents"]))


def show_all(page: Page, browser: Browser, texts: dict[str, str], pieces: int) -> float:
    """Show texts one after the other, check that each is shown, and return the longest task, in ms of its core."""
    results: dict[str, Any] = {}
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    try:
        for name, text in texts.items():
            results[name] = page.evaluate("window.load", {"text": text, "pieces": pieces, "limitMs": MAX_WAIT_MS})
    finally:
        trace = browser.stop_tracing()
    letters = dict(zip(texts, page.evaluate("window.letters()"), strict=True))
    page.evaluate("window.clear()")
    longest = longest_in(trace) / pace(page, browser)
    print(f"longest task: {longest:.0f} ms; by the clock:")
    for name, result in sorted(results.items(), key=lambda item: -item[1]["longest"])[:5]:
        print(f"{result['longest']:6} ms {name}")
    assert [name for name, result in results.items() if not result["ended"]] == []
    wanted = {name: int(letters_in(text) * (1 - MARKUP.get(name, 0.0))) for name, text in texts.items()}
    hidden = {name: (letters[name], wanted[name]) for name in texts}
    assert {name: counts for name, counts in hidden.items() if counts[0] < counts[1]} == {}
    return longest


def letters_in(text: str) -> int:
    """Count letters and digits as `window.letters` does."""
    return len(text) - len(re.sub(r"[^\W_]", "", text))


@pytest.fixture
def loaded(browser_page: Page) -> Page:
    """Return the open page with `window.load`."""
    ChatPage(browser_page).open()
    browser_page.evaluate(LOAD)
    return browser_page


@contextmanager
def new_page(browser: Browser, server: GunicornServer) -> Iterator[Page]:
    """Open the page in a process of its own: after some dozen long texts, its tasks take three times as long."""
    with open_context(browser, base_url=server.url, **CONTEXT_OPTIONS) as context:
        page = context.new_page()
        ChatPage(page).open()
        page.evaluate(LOAD)
        yield page


def test_no_text_keeps_the_page_busy_or_stays_hidden(loaded: Page, browser: Browser) -> None:
    assert least(lambda: show_all(loaded, browser, fixed_bombs(SHORT), pieces=1)) < MAX_TASK_MS


def test_no_random_text_keeps_the_page_busy(loaded: Page, browser: Browser) -> None:
    texts = {f"seed {seed}": random_bomb(seed, SHORT) for seed in range(25)}
    MARKUP.update(dict.fromkeys(texts, 1.0))
    assert show_all(loaded, browser, texts, pieces=3) < MAX_TASK_MS


def test_no_question_keeps_the_page_busy_or_is_shown_in_part(loaded: Page, browser: Browser) -> None:
    questions = fixed_bombs(SHORT) | {f"seed {seed}": random_bomb(seed, SHORT) for seed in range(25)}
    assert longest_task(loaded, browser, questions) < MAX_TASK_MS


def test_a_long_question_is_laid_out_where_it_is_in_view(loaded: Page, browser: Browser) -> None:
    """Its line without an end changes between two fonts 100,000 times."""
    questions = {name: text for name, text in fixed_bombs(LONG).items() if name in ("strong Chinese", "lines")}
    assert longest_task(loaded, browser, questions) < MAX_TASK_MS


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", fixed_bombs(SHORT))
def test_no_question_of_200_000_characters_keeps_the_page_busy(
    browser: Browser, page_server: GunicornServer, name: str
) -> None:
    with new_page(browser, page_server) as page:
        assert longest_task(page, browser, {name: fixed_bombs(LONG)[name]}) < MAX_TASK_MS


def test_a_random_text_in_pieces_ends_like_a_complete_one(browser_page: Page) -> None:
    ChatPage(browser_page).open()
    browser_page.evaluate(OUTLINE)
    cases = []
    for seed in [*range(80), 910, 1008, 1023, 1064]:
        text = random_bomb(seed, 700)
        length = len(text.encode("utf-16-le")) // 2
        cases.append({"seed": seed, "text": text, "cuts": sorted(random.Random(seed).sample(range(1, length), 30))})
    assert browser_page.evaluate(COMPARE, cases) == []


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("pieces", [1, 40])
@pytest.mark.parametrize("name", [*fixed_bombs(SHORT), *(f"seed {seed}" for seed in range(30))])
def test_no_text_of_200_000_characters_keeps_the_page_busy_or_stays_hidden(
    browser: Browser, page_server: GunicornServer, name: str, pieces: int
) -> None:
    if name.startswith("seed"):
        text = random_bomb(int(name.removeprefix("seed ")), LONG)
        MARKUP[name] = 1.0
    else:
        text = fixed_bombs(LONG)[name]
    with new_page(browser, page_server) as page:
        assert show_all(page, browser, {name: text}, pieces) < MAX_TASK_MS
