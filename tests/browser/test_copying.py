"""What is copied from answers."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.scripted_model import ScriptedModel, reply

from .fed_answer import call_frame, custom_frame, result_frame

ANSWER: Final = """An area is $\\pi r^2$ here.

$$
E = mc^2
$$

- one
- **two**

```python
if x:
    run()
```

The end."""

SELECT: Final = """([selector, last]) => {
    const range = document.createRange();
    range.setStartBefore(document.querySelector(selector));
    range.setEndAfter([...document.querySelectorAll(last)].at(-1));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""
SELECT_CODE: Final = "() => getSelection().selectAllChildren(document.querySelector('pre code'))"
# Within a formula, as a reader drags from the middle of it to the end of its line.
SELECT_FORMULA: Final = """() => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector(".prose > p"));
    range.setStart(document.querySelector(".katex-html .mord"), 0);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""
REFUSED: Final = (
    "$\\ce{H2O}$",
    "\\(\\SI{5}{m}\\)",
    "$$\\SI{1}{m}$$",
    "$$\n\\ce{2H2 + O2 % burns\n-> 2H2O}\n$$",
    "\\[\\SI{2}{m}\\]",
)
WITH_REFUSED: Final = "Water is {}, and {}, and {} there.\n\n{}\n\n{}\n\nDrawn is $x$."
SELECT_PART_OF_REFUSED: Final = """() => {
    const range = document.createRange();
    range.setStart(document.querySelector(".formula-unreadable").firstChild, 1);
    range.setEnd(range.startContainer, range.startContainer.length - 1);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""
READ: Final = """async () => {
    const [item] = await navigator.clipboard.read();
    const read = async (type) => (await item.getType(type)).text();
    return Object.fromEntries(await Promise.all(item.types.map(async (type) => [type, await read(type)])));
}"""


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_copied_answers_have_tex_and_no_button_texts_and_come_as_markdown_and_rich_text(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(ANSWER))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex")).to_have_count(2)

    def copied(select: str, *arguments: Any) -> dict[str, str]:
        browser_page.evaluate(select, *arguments)
        browser_page.keyboard.press("Control+c")
        found: dict[str, str] = browser_page.evaluate(READ)
        return found

    browser_page.evaluate("document.activeElement.blur()")
    whole = copied(SELECT, [".question", ".answer"])
    lines = [line for line in whole["text/plain"].split("\n") if line]
    assert lines == [
        "Show me",
        "An area is $\\pi r^2$ here.",
        "$$E = mc^2$$",
        "one",
        "two",
        "if x:",
        "    run()",
        "The end.",
    ]
    assert "$\\pi r^2$" in whole["text/html"]
    assert "<strong>two</strong>" in whole["text/html"]
    assert "<button" not in whole["text/html"]
    assert copied(SELECT_FORMULA)["text/plain"] == "$\\pi r^2$ here."
    assert copied(SELECT_CODE)["text/plain"] == "if x:\n    run()"

    prose.get_by_role("button", name="Copy").click()
    expect(chat.status).to_have_text("Copied")
    assert browser_page.evaluate(READ)["text/plain"] == "if x:\n    run()"
    browser_page.evaluate("document.querySelector('#sluice-status').textContent = ''")
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    both = browser_page.evaluate(READ)
    assert both["text/plain"] == ANSWER
    assert "<strong>two</strong>" in both["text/html"]
    assert "<button" not in both["text/html"]


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_formulas_that_are_shown_as_their_source_are_copied_as_they_are_shown(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    answer = WITH_REFUSED.format(*REFUSED)
    model.enqueue(reply(answer))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".formula-unreadable")).to_have_count(len(REFUSED))
    expect(prose.locator(".katex")).to_have_count(1)
    browser_page.evaluate("document.activeElement.blur()")
    browser_page.evaluate(SELECT, [".prose > p", ".prose > p"])
    browser_page.keyboard.press("Control+c")
    both = browser_page.evaluate(READ)
    lines = [line for line in both["text/plain"].split("\n") if line]
    assert lines == [line for line in answer.split("\n") if line]
    for formula in REFUSED:
        assert html.escape(formula, quote=False) in both["text/html"]
    browser_page.evaluate(SELECT_PART_OF_REFUSED)
    browser_page.keyboard.press("Control+c")
    assert browser_page.evaluate(READ)["text/plain"] == REFUSED[0][1:-1]


# From one element to another, or to its first letter, as three clicks on the element before it select.
SELECT_FROM_TO: Final = """([first, last, isBefore]) => {
    const end = [...document.querySelectorAll(last)].at(-1);
    const range = document.createRange();
    range.setStart(document.querySelector(first), 0);
    range.setEnd(end, isBefore ? 0 : end.childNodes.length);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
}"""
ROWS: Final = "| Month | Rent |\n|---|---|\n| May | 1 |\n| June | 2 |\n| July | 3 |\n"
LISTS: Final = "3. three\n4. four\n   1. first\n   2. **second**\n5. five\n\n[A link](https://example.org/) here.\n"
PART_OF: Final = [  # from, to, whether nothing of the latter; the rich text, the plain text
    (
        "tbody tr:nth-child(2)",
        "tbody tr:nth-child(3)",
        False,
        "<table><tbody><tr><td>June</td><td>2</td></tr><tr><td>July</td><td>3</td></tr></tbody></table>",
        "June\t2\nJuly\t3",
    ),
    (
        "thead",
        "tbody tr:nth-child(1)",
        False,
        "<table><thead><tr><th>Month</th><th>Rent</th></tr></thead><tbody><tr><td>May</td><td>1</td></tr></tbody></table>",
        "Month\tRent\nMay\t1",
    ),
    (
        "ol > li:nth-child(2) > ol > li:nth-child(2)",
        "ol ol > li:nth-child(2)",
        False,
        "<strong>second</strong>",
        "second",
    ),
    (
        "ol > li:nth-child(2)",
        ".prose > ol > li:nth-child(3)",
        False,
        '<ol start="4"><li>four<ol><li>first</li><li><strong>second</strong></li></ol></li><li>five</li></ol>',
        "four\nfirst\nsecond\nfive",
    ),
    (
        "ol ol > li:nth-child(2)",
        ".prose > ol > li:nth-child(3)",
        False,
        '<ol start="4"><li><ol start="2"><li><strong>second</strong></li></ol></li><li>five</li></ol>',
        "second\nfive",
    ),
    (".prose a", ".prose a", False, '<a href="https://example.org/">A link</a>', "A link"),
    (".before", ".formula", True, "<p>Before it.</p>", "Before it."),
    (".before-list", ".prose ul > li", True, "<p>And a list:</p>", "And a list:"),
]


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_a_copied_part_of_a_table_or_list_is_one_and_the_block_behind_it_is_left(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(f"{ROWS}\n{LISTS}\nBefore it.\n\n$$\nx^2\n$$\n\nAnd a list:\n\n- one\n"))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex")).to_have_count(1)
    for name, text in (("before", "Before it."), ("before-list", "And a list:")):
        prose.get_by_text(text).evaluate("(paragraph, name) => paragraph.classList.add(name)", name)
    browser_page.evaluate("document.activeElement.blur()")
    for first, last, is_before, rich, plain in PART_OF:
        browser_page.evaluate(SELECT_FROM_TO, [first, last, is_before])
        browser_page.keyboard.press("Control+c")
        found = browser_page.evaluate(READ)
        whole = re.sub(r' dir="auto"|\n', "", found["text/html"])
        assert (whole, re.sub(r"\n+", "\n", found["text/plain"])) == (rich, plain)


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_nothing_is_copied_that_is_not_shown(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.ask_and_wait("Second")
    browser_page.evaluate("document.activeElement.blur()")
    browser_page.evaluate(SELECT, [".question", ".answer"])
    browser_page.keyboard.press("Control+c")
    words = re.sub(r"<[^>]*>", " ", browser_page.evaluate(READ)["text/html"]).split()
    assert words == ["First", "One.", "Second", "Two."]


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_copied_answers_leave_out_the_calls_and_thoughts_between_their_texts(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    first, then = ({**text_frame(""), "reasoning": thought} for thought in ("First this.", "Then that."))
    tool = (call_frame("c", "search"), result_frame("c", "search", "found"))
    parts = (first, text_frame("One."), *tool, then, text_frame("**Two.**"), DONE_FRAME)
    chat.reply_once(content_type="text/event-stream", body=frames(*parts))
    chat.ask_and_wait("Look it up")
    expect(chat.answer.locator(".tool")).to_be_visible()
    expect(chat.answer.locator(".reasoning")).to_have_count(2)
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    both = browser_page.evaluate(READ)
    assert both["text/plain"] == "One.\n\n**Two.**"
    assert both["text/html"] == '<p dir="auto">One.</p><p dir="auto"><strong>Two.</strong></p>'
    browser_page.evaluate("document.activeElement.blur()")
    browser_page.evaluate(SELECT, [".question", ".answer"])
    browser_page.keyboard.press("Control+c")
    lines = browser_page.evaluate(READ)["text/plain"].split("\n")
    assert [line for line in lines if line] == ["Look it up", "One.", "Two."]
    chat.answer.locator(".reasoning summary").last.click()
    expect(chat.answer.get_by_text("Then that.")).to_be_visible()
    browser_page.evaluate(SELECT, [".question", ".answer"])
    browser_page.keyboard.press("Control+c")
    lines = browser_page.evaluate(READ)["text/plain"].split("\n")
    assert [line for line in lines if line] == ["Look it up", "One.", "Then that.", "Two."]


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_copied_answers_end_with_the_list_of_their_sources(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    tool = (call_frame("c", "search"), result_frame("c", "search", "found"))
    sources = (
        custom_frame("citation", title="A [page]", url="https://www.example.org/a?b=1", text="What it says."),
        custom_frame("citation", title="A book"),
    )
    parts = (*tool, *sources, text_frame("**Done**, see [1].\n"), DONE_FRAME)
    chat.reply_once(content_type="text/event-stream", body=frames(*parts))
    chat.ask_and_wait("Look it up")
    expect(chat.answer.locator(".sources li")).to_have_count(2)
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    both = browser_page.evaluate(READ)
    assert both["text/plain"] == (
        "**Done**, see [1].\n\n1. [A \\[page\\]](<https://www.example.org/a?b=1>)\n2. A book"
    )
    assert re.sub(r' dir="auto"', "", both["text/html"]) == (
        "<p><strong>Done</strong>, see [1].</p>"
        '<ol start="1"><li><a href="https://www.example.org/a?b=1">A [page]</a> <span>example.org</span>'
        "<p>What it says.</p></li><li><span>A book</span></li></ol>"
    )
    # what is selected by hand is copied as it is shown
    browser_page.evaluate("document.activeElement.blur()")
    browser_page.evaluate(SELECT, [".question", ".answer"])
    browser_page.keyboard.press("Control+c")
    both = browser_page.evaluate(READ)
    lines = [line for line in both["text/plain"].split("\n") if line]
    assert lines == ["Look it up", "Done, see [1].", "A [page] example.org", "What it says.", "A book"]
    assert 'href="https://www.example.org/a?b=1"' in both["text/html"]
