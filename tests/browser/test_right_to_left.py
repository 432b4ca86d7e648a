"""Right-to-left text: each block has its own direction, in answers and in what the reader writes."""

from __future__ import annotations

import re
import zlib

from playwright.sync_api import Locator, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, said

from .browser_errors import BrowserErrors
from .test_conversations import titles

ARABIC, HEBREW = "مرحبا بالعالم", "שלום עולם"
ANSWER = f"""{ARABIC}, said in English.

English, with {ARABIC} in it.

- {HEBREW}
- one

> {ARABIC}

| {ARABIC} | {HEBREW} |
|---|---|
| 1 | 2 |

```python
print("{ARABIC}")  # {HEBREW}
```
"""
# The side of the box at which each line of a text begins.
SIDES = """(element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const box = element.getBoundingClientRect();
    return [...range.getClientRects()].filter(({ width }) => width > 0)
        .map(({ left, right }) => (left - box.left < box.right - right ? "left" : "right"));
}"""
RIGHT = "(element) => element.getBoundingClientRect().right"
DIRECTION = "(element) => getComputedStyle(element).direction"


def side(element: Locator) -> str:
    """Return the side at which the first line of a text begins."""
    return sides(element)[0]


def sides(element: Locator) -> list[str]:
    """Return the side at which each line begins."""
    found: list[str] = element.evaluate(SIDES)
    return found


def direction(element: Locator) -> str:
    """Return the direction of an element."""
    return str(element.evaluate(DIRECTION))


def test_each_block_has_its_own_direction_and_code_is_left_to_right(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    gate = model.gate("before the end")
    model.enqueue((*said(ANSWER[:9]), gate, *said(ANSWER[9:]), *finished()))
    chat.ask(f"{ARABIC}\nEnglish")
    expect(chat.prose).to_contain_text(ARABIC[:9])
    assert side(chat.prose.locator("p")) == "right"  # from the first token on
    gate.open()
    chat.wait_complete()
    paragraphs, items = chat.prose.locator("> p"), chat.prose.locator("li")
    assert [side(each) for each in paragraphs.all()] == ["right", "left"]
    assert [direction(each) for each in items.all()] == ["rtl", "ltr"]  # and so the side of the marker
    assert direction(chat.prose.locator("blockquote")) == "rtl"
    cells = chat.prose.locator("th")
    assert direction(chat.prose.locator("table")) == "rtl"
    first, second = (cells.nth(index).bounding_box() for index in range(2))
    assert first is not None
    assert second is not None
    assert first["x"] > second["x"]
    code = chat.prose.locator("pre code")
    assert direction(code) == "ltr"
    assert side(code.locator(".lines")) == "left"


def test_whatever_holds_right_to_left_text_begins_at_the_right_edge(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    lists = f"- {ARABIC}\n\n---\n\n1. {HEBREW}\n\n- [x] {ARABIC}"
    quotes = f"> [!NOTE]\n> {ARABIC}\n\n> [!TIP] {HEBREW}\n> {ARABIC}\n\n> [!WARNING]\n> English"
    tables = f"| {ARABIC} | {HEBREW} |\n|---|--:|\n| {ARABIC} | 2000 |\n\n| one | two |\n|---|---|\n| {ARABIC} | 1 |"
    model.enqueue(reply(f"{ARABIC}[^1]\n\n{lists}\n\n{quotes}\n\n{tables}\n\n[^1]: {HEBREW}"))
    chat.ask_and_wait(ARABIC)
    prose = chat.prose
    right = prose.locator("> p").evaluate(RIGHT)
    for holder in ("ul", "ol", "hr", "blockquote", "table", ".footnote"):
        assert prose.locator(f"> {holder}, > div > {holder}").first.evaluate(RIGHT) == right, holder
    assert [direction(each) for each in prose.locator(".callout").all()] == ["rtl", "rtl", "ltr"]
    titles_of_callouts = prose.locator(".callout-title")
    assert [side(each) for each in titles_of_callouts.all()] == ["right", "right", "left"]
    # the cells of a column keep to one edge, whatever their own direction
    numbers, words = prose.locator("table").first, prose.locator("table").last
    for table, column, edge in ((numbers, 2, "right"), (words, 1, "left")):
        paddings = table.locator(f":is(th, td):nth-child({column})").evaluate_all(
            "(cells, edge) => cells.map((each) => getComputedStyle(each)[`padding-${edge}`])", edge
        )
        assert paddings == ["0px", "0px"]
    # a title that begins at the right is not below the button there
    browser_page.get_by_role("button", name=f"Actions for “{ARABIC}”").hover()
    title, button = (browser_page.locator(f".conversation {name}").bounding_box() for name in ("a", ".more"))
    assert title is not None
    assert button is not None
    padding = titles(chat).evaluate("(each) => parseFloat(getComputedStyle(each).paddingRight)")
    assert title["x"] + title["width"] - padding <= button["x"]
    # what is searched for is beside the icon
    search = browser_page.get_by_role("searchbox")
    search.fill(HEBREW)
    expect(search).to_have_css("padding-left", "36px")


FORMULAS = f"""{HEBREW} $a-b=c$ {ARABIC} $$x-y$$ \\(\\SI{{5}}{{m}}-1\\) {ARABIC}

$a-b=c$ {ARABIC}

English, {ARABIC} $a-b=c$ {ARABIC}

- {HEBREW}

  $$
  a-b=c
  $$

- {HEBREW} $a-b=c$

---

- $a-b=c$ {HEBREW}

> {ARABIC}
>
> \\[ \\SI{{5}}{{m}}-1 \\]

| $x$ | {ARABIC} |
|---|---|
| {ARABIC} $a-b=c$ | $a-b=c$ |

{ARABIC}

$$
a-b=c"""
# The letters of a formula from left to right, as they are seen.
SEEN = """(formula) => {
    const range = document.createRange();
    const texts = document.createTreeWalker(formula.querySelector(".katex-html") ?? formula, NodeFilter.SHOW_TEXT);
    const letters = [];
    while (texts.nextNode()) for (let at = 0; at < texts.currentNode.length; at++) {
        range.setStart(texts.currentNode, at);
        range.setEnd(texts.currentNode, at + 1);
        const { left, width } = range.getBoundingClientRect();
        if (width) letters.push([left, range.toString()]);
    }
    letters.sort(([one], [other]) => one - other);
    return letters.map(([, letter]) => letter).join("").trim();
}"""


def test_a_formula_is_left_to_right_in_any_text(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    gate = model.gate("before the end")
    model.enqueue((*said(FORMULAS), gate, *said("\n$$"), *finished()))
    chat.ask("Solve it")
    prose = chat.prose
    expect(prose.locator(".formula-open")).to_be_visible()
    expect(prose.locator(".formula:not(.formula-unreadable, :has(.katex))")).to_have_count(0)
    drawn, refused = prose.locator(".formula:has(.katex)"), prose.locator(".formula-unreadable")

    def are_in_order() -> None:
        assert {each.evaluate(SEEN) for each in drawn.all()} == {"a−b=c", "x−y", "x"}
        assert [each.evaluate(SEEN) for each in refused.all()] == ["\\(\\SI{5}{m}-1\\)", "\\[ \\SI{5}{m}-1 \\]"]

    are_in_order()
    assert direction(prose.locator(".formula-open")) == "ltr"
    gate.open()
    chat.wait_complete()
    expect(drawn).to_have_count(11)
    are_in_order()
    browser_page.emulate_media(media="print")
    are_in_order()
    browser_page.emulate_media(media="screen")
    # and the text has its own direction also after a formula
    assert [direction(each) for each in prose.locator("> p").all()] == ["rtl", "rtl", "ltr", "rtl"]
    assert [direction(each) for each in prose.locator("ul, blockquote, table").all()] == ["rtl"] * 4


def test_a_code_span_is_left_to_right_in_any_text(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(f"{HEBREW} `--force` {ARABIC}\n\n- `git push --` {ARABIC}\n\n`{ARABIC}` in English"))
    prose = chat.ask_and_wait("How?")
    assert [each.evaluate(SEEN) for each in prose.locator("code").all()][:2] == ["--force", "git push --"]
    assert [direction(each) for each in prose.locator("p, ul").all()] == ["rtl", "rtl", "ltr"]


def test_what_the_reader_writes_has_the_direction_of_its_text(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    chat.field.fill(ARABIC)
    assert direction(chat.field) == "rtl"
    chat.field.fill("English")
    assert direction(chat.field) == "ltr"
    model.enqueue(reply("One."))
    chat.ask_and_wait(ARABIC)
    assert side(chat.questions.locator("p")) == "right"
    assert side(titles(chat)) == "right"
    chat.questions.hover()
    browser_page.get_by_role("button", name="Edit").click()
    assert direction(browser_page.get_by_role("textbox", name="Edit your question")) == "rtl"
    browser_page.keyboard.press("Escape")
    titles(chat).press("F2")
    assert direction(browser_page.get_by_role("textbox", name="Title")) == "rtl"
    browser_page.get_by_role("searchbox").fill(HEBREW)
    assert direction(browser_page.get_by_role("searchbox")) == "rtl"


def test_an_answer_without_markdown_has_the_direction_of_its_first_letter(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 404.*/vendor/")
    browser_page.route("**/vendor/markdown-it.js", lambda route: route.fulfill(status=404, body=""))
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(f"{HEBREW}\nEnglish"))
    chat.ask_and_wait("Say it")
    assert sides(chat.prose) == ["right", "right"]


def printed_scale(page: Page) -> float:
    """Return how many units of the first printed page a pixel has: fewer where something is wider than the page."""
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", page.pdf(format="A4"), re.DOTALL):
        content = zlib.decompress(stream) if stream.startswith(b"x") else b""
        if found := re.search(rb"q\n([\d.]+) 0 0 \1 0 0 cm", content):
            return float(found[1])
    raise AssertionError("the PDF has no page")


def test_a_formula_in_right_to_left_text_makes_no_page_smaller(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("In English."), reply(f"{HEBREW}\n\n- {ARABIC} $E=mc^2$ {ARABIC}"))
    chat.ask_and_wait("First")
    before = printed_scale(browser_page)
    chat.ask_and_wait("Second")
    expect(chat.prose.locator(".katex")).to_be_visible()
    assert printed_scale(browser_page) == before
