"""What the page draws of a formula, beside what KaTeX draws by itself.

The page typesets under a Content-Security-Policy that refuses styles in attributes, and has a style sheet of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors

FORMULAS: Final = Path(__file__).with_name("formulas.txt").read_text("utf-8").splitlines()

# Of all that is visible in formulas, the places and the styles. `edge` is what the page adds.
DRAWN = """(formulas) => formulas.map((formula) => {
    const STYLES = ["color", "backgroundColor", "border", "fontFamily", "fontSize", "textShadow", "transform"];
    const origin = formula.querySelector(".katex-html")?.getBoundingClientRect();
    return [...formula.querySelectorAll(".katex-html *:not(.edge)")].map((element) => {
        const { left, top, width, height } = element.getBoundingClientRect();
        const style = getComputedStyle(element);
        return {
            name: `${element.tagName} ${element.getAttribute("class") ?? ""}`,
            box: [left - origin.left, top - origin.top, width, height],
            style: STYLES.map((name) => style[name]).join("; "),
        };
    });
})"""

# As KaTeX draws formulas in a page that has no policy. The sizes of rules are counted as in ours.
REFERENCE = """<!doctype html>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/vendor/katex/katex.css">
<style>* { box-sizing: border-box }</style>"""
DRAW = """async ({formulas, style}) => {
    const { render } = await import("/static/vendor/katex/katex.js");
    Object.assign(document.body.style, style);
    for (const tex of formulas) {
        const formula = document.createElement("div");
        document.body.append(formula);
        render(tex, formula, { displayMode: true, strict: "ignore" });
        formula.querySelector(".katex").style.fontSize = style.fontSize;
    }
    await document.fonts.ready;
}"""
SURROUNDINGS = """(formula) => ({
    color: getComputedStyle(formula).color,
    fontSize: getComputedStyle(formula).fontSize,
    width: `${formula.closest(".formula").clientWidth}px`,
})"""


def difference(parts: list[dict[str, Any]], reference: list[dict[str, Any]]) -> str | None:
    """Return what is the first to differ; None if nothing does."""
    if [part["name"] for part in parts] != [part["name"] for part in reference]:
        return "other parts"
    for part, expected in zip(parts, reference, strict=True):
        moved = max(abs(ours - theirs) for ours, theirs in zip(part["box"], expected["box"], strict=True))
        if part["style"] != expected["style"] or moved > 0.6:
            return f"{part} is not {expected}"
    return None


def test_the_page_draws_what_katex_draws(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("<path> attribute d: Expected number")  # KaTeX's path of a tall \lfloor, which is drawn
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("\n\n".join(f"$$\n{tex}\n$$" for tex in FORMULAS)))
    prose = chat.ask_and_wait("Show me")
    drawn = prose.locator("div.formula")
    expect(drawn).to_have_count(len(FORMULAS))
    expect(prose.locator(".formula:not([data-typeset])")).to_have_count(0)
    assert prose.locator(".formula-unreadable").all_text_contents() == []
    browser_page.evaluate("document.fonts.ready")
    ours = drawn.evaluate_all(DRAWN)
    style = prose.locator(".katex").first.evaluate(SURROUNDINGS)

    browser_page.route("**/reference", lambda route: route.fulfill(body=REFERENCE, content_type="text/html"))
    browser_page.goto("/reference")
    browser_page.evaluate(DRAW, {"formulas": FORMULAS, "style": style})
    reference = browser_page.locator("body > div").evaluate_all(DRAWN)

    differences = map(difference, ours, reference)
    assert {tex: each for tex, each in zip(FORMULAS, differences, strict=True) if each} == {}
