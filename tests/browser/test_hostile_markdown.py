"""A corpus of hostile answers, streamed and complete, through all modules that show an answer.

`browser_page` fails each test for any request to another origin and any violation of the Content-Security-Policy.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors

CORPUS = Path(__file__).with_name("hostile_markdown.txt").read_text("utf-8")
CASES = CORPUS.split("\n=====\n")

# Shows each case, streamed or complete, clicks everything in it, and returns forbidden content.
SHOW = """async ({cases, pieces}) => {
    const { BlockList } = await import(new URL("js/markdown/block_list.js", window.statics));
    const { MarkdownSource } = await import(new URL("js/markdown/markdown_source.js", window.statics));
    const shown = cases.map((text) => {
        const element = document.createElement("div");
        element.className = "prose";
        document.querySelector("#sluice-log").append(element);
        const source = new MarkdownSource(window.markdown);
        const list = new BlockList(element, window.markdown);
        for (let at = 0; at < text.length; at += pieces) {
            source.push(text.slice(at, at + pieces));
            if (at + pieces >= text.length) source.end();
            for (let part = source.nextSettled(); part; part = source.nextSettled()) list.settle(part, source.links);
            list.show(source.unsettled());
        }
        list.resolveLinks(source.links, Infinity);
        return element;
    });
    await window.settled();
    return shown.flatMap(window.audit);
}"""

# The second line of defence alone: DOMPurify and its hook, with the corpus as HTML.
SANITISE = """async (cases) => {
    const { Sanitiser } = await import(new URL("js/markdown/sanitiser.js", window.statics));
    const { loadLibraries } = await import(new URL("js/browser/libraries.js", window.statics));
    const sanitiser = new Sanitiser((await loadLibraries()).createPurify);
    const shown = cases.map((html) => {
        const element = document.createElement("div");
        document.querySelector("#sluice-log").append(element);
        element.append(sanitiser.sanitise(html));
        return element;
    });
    return shown.flatMap(window.audit);
}"""

PREPARE = Path(__file__).with_name("hostile_audit.js").read_text("utf-8")


@pytest.fixture
def prepared(browser_page: Page) -> Page:
    """Return the open page with the Markdown modules in `window.parts`."""
    ChatPage(browser_page).open()
    browser_page.evaluate(PREPARE)
    return browser_page


@pytest.mark.parametrize("pieces", [7, len(CORPUS)], ids=["streamed", "whole"])
def test_hostile_markdown_is_shown_as_text_and_runs_nothing(prepared: Page, pieces: int) -> None:
    assert prepared.evaluate(SHOW, {"cases": CASES, "pieces": pieces}) == []


def test_the_sanitiser_alone_makes_hostile_html_harmless(prepared: Page, browser_errors: BrowserErrors) -> None:
    # DOMPurify parses it first, and the browser reports its handlers and styles
    browser_errors.expect("Content Security Policy")
    assert prepared.evaluate(SANITISE, CASES) == []


def test_a_hostile_answer_is_harmless_after_a_reload(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    text = "\n\n".join(CASES)
    model.enqueue(reply(*(text[start : start + 50] for start in range(0, len(text), 50))))
    prose = chat.ask_and_wait("Show me")
    expect(prose).to_contain_text("<script>window.pwned = 1</script>")  # shown as text
    browser_page.reload()
    expect(chat.prose).to_contain_text("<script>window.pwned = 1</script>")
    assert browser_page.evaluate("window.pwned") is None
