"""Typography: emphasis in Chinese, and print."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import Chunk, ScriptedModel, finished, reply, said


def test_chinese_emphasis_uses_dots_and_no_italics(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(
        reply(
            "冰山露出水面的部分约为*十分之一*，一行。\n\n冰山露出水面的部分约为十分之一，一行。\n\nAbout *a tenth*."
        )
    )
    chat.ask_and_wait("多少？")
    chinese, english = chat.prose.locator("em").all()
    expect(chinese).to_have_css("font-style", "normal")
    expect(chinese).to_have_css("text-emphasis-style", "dot")
    expect(english).to_have_css("font-style", "italic")
    expect(english).to_have_css("text-emphasis-style", "none")


TABLE = """| | Density at 0 °C | What it does |
|---|--:|---|
| Ice | 917 kg/m³ | floats, with a tenth above the surface |
| Water | 1000 kg/m³ | is densest at 4 °C, so lakes freeze from the top, and the fish stay alive below |
"""


@pytest.mark.browser_context(viewport={"width": 390, "height": 800})
def test_a_number_in_a_table_stays_with_its_unit_and_lines_have_about_70_letters(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(f"{TABLE}\n{'word ' * 60}"))
    prose = chat.ask_and_wait("Why?")
    lines = prose.locator("td:nth-child(2)").evaluate_all(
        "all => all.map((each) => { const range = document.createRange(); range.selectNodeContents(each);"
        " return range.getClientRects().length; })"
    )
    assert lines == [1, 1]
    first, long = (prose.locator(f"tbody tr:last-child td:nth-child({number})") for number in (1, 3))
    narrow, wide = first.bounding_box(), long.bounding_box()
    assert narrow is not None
    assert wide is not None
    assert narrow["width"] < 90 < 180 < wide["width"]
    browser_page.set_viewport_size({"width": 1280, "height": 800})
    width = prose.locator("p").evaluate("each => each.getBoundingClientRect().width")
    assert width <= 38 * 16


def test_marks_boxes_and_rules_keep_to_the_text(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    chat.configure(models=["one", "two"], model="one")
    chat.open()
    model.enqueue(reply("A note[^1].\n\nNo note.\n\n- [x] done\n- [ ] to do\n\n---\n\nAfter.\n\n[^1]: Its text."))
    prose = chat.ask_and_wait("Show me")
    height, width = (f"all => all.map((each) => each.getBoundingClientRect().{side})" for side in ("height", "width"))
    with_note, without = prose.locator("> p").evaluate_all(height)[:2]
    assert with_note == without  # a mark moves no line
    rule, text = (prose.locator(name).evaluate_all(width)[0] for name in ("> hr", "> p"))
    assert rule == text
    # done and not done differ by more than a shade, also without colours
    done, to_do = (prose.get_by_role("checkbox", name=name, exact=True) for name in ("Done", "Not done"))
    expect(done).to_have_css("background-color", "rgb(13, 101, 112)")
    expect(to_do).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    expect(to_do).to_have_css("appearance", "none")
    browser_page.emulate_media(forced_colors="active")
    tick = "each => getComputedStyle(each, '::before').borderBottomWidth"
    assert done.evaluate(tick) != "0px"
    browser_page.emulate_media(forced_colors="none")
    # the words in and below the message box have one edge
    starts = browser_page.evaluate(
        """() => ["#sluice-message", "#sluice-model", "#sluice-hint"].map((name) => {
            const each = document.querySelector(name);
            const { paddingLeft, borderLeftWidth } = getComputedStyle(each);
            return each.getBoundingClientRect().left + parseFloat(paddingLeft) + parseFloat(borderLeftWidth);
        })"""
    )
    assert max(starts) - min(starts) < 0.1


def test_a_numbered_task_has_its_number_beside_its_box(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("1. [x] flour\n2. [ ] oil\n3. salt\n\n- [ ] bread\n- milk\n\n1. [ ] tea\n\n2. [ ] rice"))
    chat.ask_and_wait("Which?")
    numbered, listed = chat.prose.locator("ol > li"), chat.prose.locator("ul > li")
    expect(numbered).to_have_count(5)
    starts = """(all) => all.map((each) => {
        const begins = (each.querySelector("input") ?? each).getBoundingClientRect();
        return [getComputedStyle(each).listStyleType, Math.round(begins.left - each.getBoundingClientRect().left)];
    })"""
    assert numbered.evaluate_all(starts) == [["decimal", 0]] * 5
    (box, beside), bullet = listed.evaluate_all(starts)
    assert box == "none"
    assert beside < -10, "in the place of the bullet"
    assert bullet == ["disc", 0]


@pytest.mark.browser_context(color_scheme="dark")
def test_print_shows_only_the_conversation_dark_on_light(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    browser_page.emulate_media(media="print")
    expect(chat.questions).to_be_visible()
    expect(chat.prose).to_be_visible()
    for name in ("banner", "complementary", "contentinfo"):
        expect(browser_page.get_by_role(name)).to_have_count(0)
    expect(browser_page.get_by_role("button")).to_have_count(0)
    expect(browser_page.locator("html")).to_have_css("background-color", "rgb(251, 250, 247)")
    expect(browser_page.locator("body")).to_have_css("padding-left", "0px")


WIDE = "\n\n".join(
    (
        "```python\nx = " + "value + " * 60 + "the_end\n```",
        "|".join(["", *(f"column number {number}" for number in range(12)), ""]) + "\n" + "|-" * 12 + "|",
        "$$" + "a + " * 120 + "z$$",
        "W" * 300,
    )
)
# Elements whose content print would clip.
CLIPPED = """() => [...document.querySelectorAll("html, #sluice-log *:not(.katex-mathml, .katex-mathml *)")]
    .filter((each) => {
        const { overflowX, overflowY } = getComputedStyle(each);
        const isWide = each.scrollWidth > each.clientWidth + 1;
        const isHigh = overflowY !== "visible" && each.scrollHeight > each.clientHeight + 1;
        return (overflowX !== "visible" && isWide) || isHigh || (each.matches('html') && isWide);
    })
    .map((each) => `${each.tagName}.${each.className}`)"""


# Where each row of some code begins.
ROW_STARTS = """(code) => {
    const range = document.createRange();
    const starts = new Map();
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        range.selectNodeContents(texts.currentNode);
        for (const { top, left, width } of range.getClientRects()) {
            if (width > 0) starts.set(Math.round(top), Math.min(left, starts.get(Math.round(top)) ?? Infinity));
        }
    }
    return [...starts].sort(([one], [other]) => one - other).map(([, left]) => left);
}"""


@pytest.mark.browser_context(viewport={"width": 700, "height": 1000})
def test_print_cuts_nothing_off(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    thoughts = "\n\n".join(f"Thought {number}" for number in range(60))
    model.enqueue((Chunk(reasoning=thoughts), *said(WIDE), *finished()))
    chat.ask_and_wait("\n".join(f"Line {number}" for number in range(60)))
    chat.answer.locator(".reasoning summary").click()
    expect(chat.answer.get_by_text("Thought 59")).to_be_attached()
    expect(chat.prose.locator(".katex")).to_be_visible()
    browser_page.emulate_media(media="print")
    browser_page.evaluate("dispatchEvent(new Event('beforeprint'))")  # as a browser does
    assert browser_page.evaluate(CLIPPED) == []
    # the rest of a line of code begins deeper than the line
    first, *others = chat.prose.locator(".code code").evaluate(ROW_STARTS)
    assert len(others) > 2
    assert min(others) > first + 10
    browser_page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(chat.prose.locator(".code .line")).to_have_count(0)
    expect(browser_page.get_by_role("button")).to_have_count(0)
