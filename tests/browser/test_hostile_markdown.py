"""A corpus of hostile answers, streamed and complete, through all modules that show an answer.

Several layers make an answer harmless, and each of them hides that another one fails: the parser turns HTML into text
and refuses addresses, the sanitiser removes what it does not know, and the Content-Security-Policy lets nothing run.
So each is also tested without the others, and by taking a part of it away, which its test must see.

`browser_page` fails each test for any request to another origin and any violation of the Content-Security-Policy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors

CORPUS = Path(__file__).with_name("hostile_markdown.txt").read_text("utf-8")
CASES = CORPUS.split("\n=====\n")

# Shows each case, streamed or complete, clicks everything in it, and returns forbidden content.
SHOW = with_page_modules("""async ({cases, pieces}) => {
    const { BlockList } = await pageModule("markdown/block_list.js");
    const { MarkdownSource } = await pageModule("markdown/markdown_source.js");
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
}""")

# The parser alone: its HTML in a template, where nothing runs.
PARSE = with_page_modules("""async (cases) => {
    const { MarkdownParser } = await pageModule("markdown/parser.js");
    const { loadLibraries } = await pageModule("browser/libraries.js");
    const parser = new MarkdownParser((await loadLibraries()).MarkdownIt);
    return cases.flatMap((text) => {
        const template = document.createElement("template");
        template.innerHTML = parser.blocks(text, {}).map((block) => parser.html(block)).join("");
        return window.auditHtml(template.content);
    });
}""")

# The Content-Security-Policy alone. It cannot forbid that a page leads to another one.
INSERT = """async (cases) => {
    for (const html of cases.filter((each) => !each.includes("http-equiv"))) {
        const element = document.createElement("div");
        document.body.append(element);
        element.innerHTML = html;
        for (const each of element.querySelectorAll("*")) {
            for (const type of ["mouseover", "focus", "toggle", "load", "error"]) each.dispatchEvent(new Event(type));
        }
        await new Promise(requestAnimationFrame);
        element.remove();
    }
    return window.pwned ? ["a script ran"] : [];
}"""

# The second line of defence alone: DOMPurify and its hook, with the corpus as HTML.
SANITISE = with_page_modules("""async (cases) => {
    const { Sanitiser } = await pageModule("markdown/sanitiser.js");
    const { loadLibraries } = await pageModule("browser/libraries.js");
    const sanitiser = new Sanitiser((await loadLibraries()).createPurify);
    const shown = cases.map((html) => {
        const element = document.createElement("div");
        document.querySelector("#sluice-log").append(element);
        element.append(sanitiser.sanitise(html));
        return element;
    });
    return shown.flatMap(window.audit);
}""")

PREPARE = with_page_modules(Path(__file__).with_name("hostile_audit.js").read_text("utf-8"))


@pytest.fixture
def prepared(browser_page: Page) -> Page:
    """Return the open page with the Markdown modules in `window.parts`."""
    ChatPage(browser_page).open()
    browser_page.evaluate(PREPARE)
    return browser_page


def test_the_parser_alone_makes_text_of_html_and_refuses_addresses(prepared: Page) -> None:
    assert prepared.evaluate(PARSE, CASES) == []


def test_the_policy_alone_lets_no_hostile_html_run(prepared: Page, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("Content Security Policy|^console: |^request to another origin: ")
    refused: dict[str, str | None] = {}
    prepared.on("requestfailed", lambda request: refused.update({request.url: request.failure}))
    assert prepared.evaluate(INSERT, CASES) == []
    asked = [
        text.removeprefix("request to another origin: ") for text in browser_errors.recorded if "origin: " in text
    ]
    # by the policy, or since an image of another origin may not be used
    assert {url: refused.get(url) for url in asked if refused.get(url) not in ("csp", "origin")} == {}


# A part of a layer, and what takes it away: the check that must see it, the file, a text in it, and another text.
WEAKENED: Final[dict[str, tuple[str, str, str, str]]] = {
    "parser: tags": (PARSE, "syntax/raw_html.js", "`<(?!/?(?:br|", "`<(?!/?(?:img|iframe|script|br|"),
    "parser: attributes": (
        PARSE,
        "syntax/raw_html.js",
        "details|summary)${OPEN}[ \\\\t]*/?>)`",
        "details|summary|b))`",
    ),
    "parser: addresses": (PARSE, "parser.js", "javascript|vbscript|file|data", "vbscript|file|data"),
    "parser: embedded files": (PARSE, "parser.js", "javascript|vbscript|file|data", "javascript|vbscript|file"),
    "sanitiser: tags": (SANITISE, "sanitiser.js", '"a img span', '"form iframe svg a img span'),
    "sanitiser: one tag": (SANITISE, "sanitiser.js", '"a img span', '"video a img span'),
    "sanitiser: attributes": (SANITISE, "sanitiser.js", '"href src', '"style href src'),
    "sanitiser: names": (SANITISE, "sanitiser.js", '"href src', '"id name href src'),
    "sanitiser: data": (SANITISE, "sanitiser.js", "ALLOW_ARIA_ATTR: false", "ALLOW_ARIA_ATTR: true"),
    "sanitiser: classes": (SANITISE, "sanitiser.js", "CLASS.test(name)", "true"),
    "sanitiser: images": (SANITISE, "sanitiser.js", "DATA_IMAGE.test(source) ||", "true ||"),
    "sanitiser: fields": (SANITISE, "sanitiser.js", 'getAttribute("type") !== "checkbox"', 'hasAttribute("none")'),
    "links: addresses": (SHOW, "safe_link.js", "SCHEME.test(address) &&", ""),
    "links: another tab": (SANITISE, "safe_link.js", "noopener noreferrer", "noopener"),
    "links: hidden letters": (SHOW, "safe_link.js", "replace(INVISIBLE", "replace(/none/g"),
    "formulas: commands": (SHOW, "mathematics.js", "trust: false", "trust: true"),
}


@pytest.mark.parametrize("part", WEAKENED)
def test_the_checks_see_each_part_of_a_layer_fail_alone(
    browser_page: Page, browser_errors: BrowserErrors, part: str
) -> None:
    browser_errors.expect(".")  # the other layers are at work
    check, file, text, other = WEAKENED[part]

    def weaken(route: Route) -> None:
        source = route.fetch().text()
        assert source.count(text) == 1, "the source has changed: this test must follow"
        route.fulfill(body=source.replace(text, other), content_type="text/javascript")

    browser_page.route(f"**/js/markdown/{file}", weaken)
    ChatPage(browser_page).open()
    browser_page.evaluate(PREPARE)
    argument: Any = {"cases": CASES, "pieces": len(CORPUS)} if check == SHOW else CASES
    assert browser_page.evaluate(check, argument) != []


def test_the_check_sees_that_there_is_no_policy(browser_page: Page, browser_errors: BrowserErrors) -> None:
    browser_errors.expect(".")

    def without_policy(route: Route) -> None:
        response = route.fetch()
        headers = {name: value for name, value in response.headers.items() if name != "content-security-policy"}
        route.fulfill(response=response, headers=headers)

    browser_page.route("**/", without_policy, times=1)
    ChatPage(browser_page).open()
    assert browser_page.evaluate(INSERT, CASES) != []


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
