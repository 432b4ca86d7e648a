"""An error while an answer is rendered hides nothing: its text is shown as it is, and the console says it once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors

VENDOR: Final = Path(__file__).parents[2] / "web/static/vendor"

ANSWER: Final = "First **paragraph**.\n\nA trap with *text* and $x$.\n\nAnother trap.\n\nLast paragraph."

#: What the libraries' modules export instead: they throw where the text has the word.
PARSER: Final = """
const Real = module.exports;
export default function (options) {
    const md = new Real(options);
    for (const part of [md.%s]) {
        const parse = part.parse;
        part.parse = function (text, ...rest) {
            if (text.includes("trap")) throw new Error("planted");
            return parse.call(this, text, ...rest);
        };
    }
    return md;
}
"""
SANITISER: Final = """
const real = module.exports;
export default (window) => {
    const purify = real(window);
    const sanitize = purify.sanitize;
    purify.sanitize = (html, options) => {
        if (html.includes("trap")) throw new Error("planted");
        return sanitize(html, options);
    };
    return purify;
};
"""
# The page's nodes: a paragraph with the word cannot be inserted.
NODES: Final = """() => {
    const append = Node.prototype.appendChild;
    Node.prototype.appendChild = function (node) {
        if (node.nodeName === "P" && node.textContent.includes("trap")) throw new Error("planted");
        return append.call(this, node);
    };
}"""


def replace_export(page: Page, file: str, exports: str) -> None:
    """Have a library's module export something else."""

    script = (VENDOR / file).read_text("utf-8").replace("export default module.exports;", exports)
    page.route(f"**/vendor/{file}", lambda route: route.fulfill(body=script, content_type="text/javascript"))


BREAK: Final[dict[str, Callable[[Page], None]]] = {
    "blocks": lambda page: replace_export(page, "markdown-it.js", PARSER % "block"),
    "inline": lambda page: replace_export(page, "markdown-it.js", PARSER % "inline"),
    "sanitiser": lambda page: replace_export(page, "dompurify.js", SANITISER),
    "nodes": lambda page: page.add_init_script(f"({NODES})()"),
}


@pytest.mark.browser_context
@pytest.mark.parametrize("broken", BREAK)
def test_an_error_while_rendering_hides_no_text_and_is_reported_once(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors, broken: str
) -> None:
    browser_errors.expect("planted")
    BREAK[broken](browser_page)
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(*(ANSWER[start : start + 9] for start in range(0, len(ANSWER), 9))))
    prose = chat.ask_and_wait("Show me")
    for way in ("streamed", "complete"):
        if way == "complete":
            browser_page.reload()
        expect(prose).to_contain_text("A trap with *text* and $x$.")
        expect(prose).to_contain_text(re.compile("First .*paragraph"))
        expect(prose).to_contain_text("Last paragraph.")
        expect(prose).to_have_attribute("aria-busy", "false")
        # other blocks are rendered, unless the error is in the page's nodes
        expect(prose.locator("strong")).to_have_count(0 if broken == "nodes" else 1)
    reports = [text.split(";")[0] for text in browser_errors.recorded if "planted" in text]
    assert len(reports) >= 1
    # once for each step that fails, in each of the two loads of the page
    assert max(reports.count(report) for report in reports) <= 2


def test_a_formula_that_katex_fails_on_is_shown_as_its_source(browser_page: Page, model: ScriptedModel) -> None:
    def fulfil(route: Route) -> None:
        script = "export default { __renderToDomTree() { throw new TypeError('planted'); } };"
        route.fulfill(body=script, content_type="text/javascript")

    browser_page.route("**/vendor/katex/katex.js", fulfil)
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("Before $x^2$ after."))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".formula-unreadable")).to_have_text("$x^2$")
    expect(prose).to_have_text("Before $x^2$ after.")
