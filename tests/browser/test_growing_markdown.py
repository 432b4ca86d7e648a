"""Growing answers: how the unfinished end is shown, and that the work per chunk is bounded.

Work is counted, not timed: `python -m tools.page_trace` measures the times.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, finished, reply, said
from tools.page_trace.long_answers import SHAPES

from .held_requests import HeldRequests

LONG_CHARS = 4_000  # as in markdown/markdown_source.js
CHARS = 10 * LONG_CHARS
PIECE = 250
KATEX_MS = 2000  # as in markdown/markdown.js

CLOSED: list[tuple[str, str]] = [
    ("some **bold", "some **bold**"),
    ("some **", "some "),
    ("**bold*", "**bold**"),
    ("an *emphasis", "an *emphasis*"),
    ("***both", "***both***"),
    ("~~gone", "~~gone~~"),
    ("这是**重点", "这是**重点**"),
    ("2 * 3 and 4*5 and a_b_c", "2 * 3 and 4*5 and a_b_c"),
    ("`code", "`code`"),
    ("``a`b", "``a`b``"),
    ("text `", "text "),
    ("see [the", "see the"),
    ("see [the docs](https://exam", "see [the docs]()"),
    ("**see [the *docs](ht", "**see [the *docs*]()**"),
    ("[1] and [x](https://example.org)", "[1] and [x](https://example.org)"),
    ("a ![pic](data:image/png;base64,iVBOR", "a "),
    ("H<su", "H"),
    ("a < b", "a < b"),
    ("\\(x^2", ""),
    ("so $$x^2", "so "),
    ("$$\nx_1 + y_2", "$$\nx_1 + y_2"),
    ("money $5 and *more", "money $5 and *more*"),
    ("text\n--", "text\n"),
    ("- one\n-", "- one\n"),
    ("- one\n- [", "- one\n"),
    ("1. one\n2", "1. one\n"),
    ("42", "42"),
    ("- *one\n- **two", "- *one\n- **two**"),
    ("# A *head", "# A *head*"),
    ("> quoted **so", "> quoted **so**"),
    ("```", ""),
    ("- a\n  ```py", "- a\n"),
    ("- a\n  ```py\n  x = 2 ** 3\n  ``", "- a\n  ```py\n  x = 2 ** 3\n"),
    ("| a | b", "| a | b\n|---|---|"),
    ("| a | b |\n", "| a | b |\n|---|---|"),
    ("| a | b |\n|:-", "| a | b |\n|---|---|"),
    ("| a | b |\n|---|---|\n| **1", "| a | b |\n|---|---|\n| **1**"),
    ("|x| is positive", "|x| is positive"),
]

PREPARE = with_page_modules("""async () => {
    const parts = ["block_list", "markdown", "markdown_source", "unfinished"].map((name) => `markdown/${name}`);
    const names = ["browser/libraries", ...parts];
    const modules = await Promise.all(names.map((name) => pageModule(`${name}.js`)));
    window.parts = Object.assign({}, ...modules);
    window.markdown = new window.parts.Markdown(await window.parts.loadLibraries());
}""")

# Adds a text piece by piece. Counts for each piece the parsed characters and the added or changed nodes.
GROW = """({text, cuts}) => {
    const { BlockList, MarkdownSource, markdown } = { ...window.parts, markdown: window.markdown };
    const element = document.createElement("div");
    element.className = "prose";
    document.querySelector("#sluice-log").append(element);
    const observer = new MutationObserver(() => {});
    observer.observe(element, {subtree: true, childList: true, characterData: true, attributes: true});
    let read = 0;
    const blocks = markdown.blocks;
    markdown.blocks = function (source, links) {
        read += source.length;
        return blocks.call(this, source, links);
    };
    const source = new MarkdownSource(markdown);
    const list = new BlockList(element, markdown);
    const work = [];
    cuts.forEach((cut, index) => {
        read = 0;
        source.push(text.slice(cuts[index - 1] ?? 0, cut));
        if (cut === text.length) source.end();
        for (let part = source.nextSettled(); part; part = source.nextSettled()) list.settle(part, source.links);
        list.show(source.unsettled());
        const records = observer.takeRecords();
        work.push({read, changed: records.reduce((sum, {addedNodes}) => sum + Math.max(1, addedNodes.length), 0)});
    });
    delete markdown.blocks;
    list.resolveLinks(source.links, Infinity);
    element.remove();
    // colours and formulas come when their libraries do
    for (const span of element.querySelectorAll("[class^=hljs]")) span.replaceWith(span.textContent);
    for (const name of element.querySelectorAll("figcaption")) name.remove();
    for (const formula of element.querySelectorAll(".formula")) {
        const tex = formula.querySelector("annotation")?.textContent ?? formula.textContent;
        formula.textContent = tex.replace(/^\\$+|\\$+$/g, "").trim();
        formula.removeAttribute("data-typeset");
    }
    for (const part of element.querySelectorAll("*")) {
        const attributes = [...part.attributes].sort((one, other) => (one.name < other.name ? -1 : 1));
        for (const {name} of attributes) part.removeAttribute(name);
        for (const {name, value} of attributes) part.setAttribute(name, value);
    }
    element.normalize();
    return {work, html: element.innerHTML};
}"""


@pytest.fixture
def prepared(browser_page: Page) -> Page:
    """Return the open page with the Markdown modules in `window.parts`."""
    ChatPage(browser_page).open()
    browser_page.evaluate(PREPARE)
    return browser_page


def grow(page: Page, text: str, cuts: list[int]) -> Any:
    """Add a text to the page, split at these indexes."""
    return page.evaluate(GROW, {"text": text, "cuts": [*cuts, len(text)]})


def test_open_constructs_are_closed_and_unfinished_ones_are_hidden(prepared: Page) -> None:
    for source, expected in CLOSED:
        assert prepared.evaluate("source => window.parts.closeUnfinished(source)", source) == expected, source


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_for_a_chunk_does_not_grow_with_the_answer(prepared: Page, shape: str) -> None:
    text = SHAPES[shape](CHARS)
    work = grow(prepared, text, list(range(PIECE, len(text), PIECE)))["work"]
    third = len(work) // 3
    for kind in ("read", "changed"):
        first, last = (sum(piece[kind] for piece in part) / third for part in (work[:third], work[-third:]))
        assert last <= 1.5 * first + 5, f"{kind} for each piece, first third and last: {first:.0f}, {last:.0f}"
    assert max(piece["read"] for piece in work) < 20_000
    assert max(piece["changed"] for piece in work) < 400


def test_a_text_split_anywhere_is_rendered_like_a_complete_one(prepared: Page) -> None:
    chance = random.Random(7)
    for shape in SHAPES:
        text = SHAPES[shape](10_000)
        whole = grow(prepared, text, [])["html"]
        cuts = sorted(chance.sample(range(1, len(text)), 60))
        assert grow(prepared, text, cuts)["html"] == whole, shape


@pytest.mark.parametrize("formula", ["$x^2$ ", "\\(x^2\\) "])
def test_a_paragraph_of_nothing_but_formulas_is_split_between_two(prepared: Page, formula: str) -> None:
    """Typesetting changes its layout in each frame: not more than one part of the paragraph is laid out again."""
    html = grow(prepared, formula * 1500, [])["html"]
    paragraphs = html.split("</p>")
    assert max(paragraph.count('class="formula"') for paragraph in paragraphs) <= LONG_CHARS / len(formula)
    assert html.count('class="formula"') == 1500


def test_strong_emphasis_works_next_to_chinese_letters(prepared: Page) -> None:
    html = grow(prepared, "这是**“重点”**的写法，**重点。**后面。2 ** 3 ** 4", [])["html"]
    assert "<strong>“重点”</strong>的" in html
    assert "<strong>重点。</strong>后" in html
    assert "2 ** 3 ** 4" in html


def test_nothing_shifts_when_highlighting_and_formulas_load_late(browser_page: Page) -> None:
    """Delays highlighting until the answer is shown. A complete answer waits for its formulas."""
    highlighter = HeldRequests(browser_page, "**/vendor/highlight.js")
    chat = ChatPage(browser_page)
    chat.without_timeouts_of(KATEX_MS)  # after which an answer no longer waits for its formulas
    chat.open()
    browser_page.evaluate(
        """() => {
            window.moved = [];
            new PerformanceObserver((list) => {
                for (const {sources, hadRecentInput} of list.getEntries()) {
                    if (hadRecentInput) continue;
                    for (const {node} of sources) window.moved.push(node?.outerHTML ?? node?.data ?? "what is gone");
                }
            }).observe({type: "layout-shift", buffered: true});
        }"""
    )
    text = "First.\n\n```python\ndef f(): ...\n```\n\nBetween.\n\n$$\n\\frac{1}{2}\n$$\n\nLast."
    chat.reply_once(
        content_type="application/json",
        json={"success": True, "message": text, "interaction_mode": "block"},
    )
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator("pre")).to_have_count(1)
    between = prose.locator("p").nth(1)
    before = between.bounding_box()
    expect(prose.locator(".katex")).to_have_count(1)
    expect(prose.locator(".hljs-keyword")).to_have_count(0)
    highlighter.pass_on()
    expect(prose.locator(".hljs-keyword").first).to_have_text("def")
    expect(prose.locator("p").last).to_have_text("Last.")
    assert between.bounding_box() == before
    assert browser_page.evaluate("window.moved") == []


def test_a_stored_answer_is_shown_as_text_while_what_draws_its_formulas_is_loaded(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page)
    chat.without_timeouts_of(KATEX_MS)
    chat.open()
    model.enqueue(reply("It is $x^2$, of course."))
    chat.ask_and_wait("What is it?")
    chat.wait_saved()
    katex = HeldRequests(browser_page, "**/vendor/katex/katex.js")
    with browser_page.expect_request("**/vendor/katex/katex.js"):
        browser_page.reload()
    expect(chat.prose).to_have_text("It is $x^2$, of course.")
    katex.pass_on()
    expect(chat.prose.locator(".katex")).to_have_count(1)
    expect(chat.prose).to_contain_text(", of course.")


def test_a_paragraph_of_many_formulas_is_contained_and_cuts_none_that_is_wider(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(f"A formula $$x = {' + '.join(['y'] * 200)}$$ and {'$a$, ' * 150}the end.\n\nA short $a$."))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex")).to_have_count(152)
    contained = "(paragraph) => getComputedStyle(paragraph).contain"
    assert [paragraph.evaluate(contained) for paragraph in prose.locator("p").all()] == ["layout paint", "none"]
    formula = prose.locator(".formula-display")
    seen = """(formula) => {
        const { right, top, height } = formula.getBoundingClientRect();
        const outside = formula.parentElement.getBoundingClientRect().right + 5;
        return outside < right && formula.contains(document.elementFromPoint(right - 5, top + height / 2));
    }"""
    assert formula.evaluate(seen)


def test_groups_of_blocks_are_contained_and_no_reader_sees_where_one_begins(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("Short.\n\n" * 1200))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator("p")).to_have_count(1200)
    expect(prose.locator(".group")).to_have_count(2)
    assert prose.locator(".group").first.evaluate("(group) => getComputedStyle(group).contain") == "layout paint"
    gaps = """(prose) => {
        const boxes = [...prose.querySelectorAll("p"), prose].map((element) => element.getBoundingClientRect());
        const between = boxes.slice(1, -1).map(({ top }, index) => Math.round(top - boxes[index].bottom));
        return [new Set(between).size, Math.round(prose.getBoundingClientRect().bottom - boxes.at(-2).bottom)];
    }"""
    assert prose.evaluate(gaps) == [1, 0]


def test_the_last_of_more_than_a_thousand_code_blocks_has_a_name(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("```py\nx\n```\n" * 1001))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator("figure.code")).to_have_count(1001)
    # the language has its name once the block has its colours: 12 s for all, on a busy machine
    named = prose.get_by_role("group", name="Code 1001 of 1001: Python")
    expect(named).to_have_count(1, timeout=60_000)


@pytest.mark.parametrize("count", [200, 400])
def test_a_long_table_keeps_its_rows_where_a_later_definition_makes_links_of_them(
    browser_page: Page, model: ScriptedModel, count: int
) -> None:
    chat = ChatPage(browser_page).open()
    rows = "".join(f"| {number} | [g] [h] |\n" for number in range(count))
    gate = model.gate("before the end")
    begin = f"Before [g].\n\n| a | b |\n|---|---|\n{rows}\n\n[g]: https://example.org/g\n\nEnd"
    end = " of [g].\n\n| c |\n|---|\n| [h] |\n\n[h]: https://example.org/h\n"
    model.enqueue((*said(begin), gate, *said(end), *finished()))
    chat.ask("Show me")
    expect(chat.prose).to_contain_text("End")
    gate.open()
    chat.wait_complete()
    table = chat.prose.locator(".table").first
    expect(chat.prose.locator(".table")).to_have_count(2)
    assert table.locator("tbody td:first-child").all_text_contents() == [f"{number}" for number in range(count)]
    assert table.evaluate(
        "table => [...table.querySelectorAll('tbody tr')].every(row => row.querySelectorAll('a').length === 2)"
    )
    expect(chat.prose.locator("a")).to_have_count(2 * count + 3)
    if count > 300:
        assert len(set(table.locator("table").evaluate_all("all => all.map(each => each.clientWidth)"))) == 1
