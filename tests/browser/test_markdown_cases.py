"""How answers are read: a corpus of Markdown as models write it, with the right reading of each case.

`markdown_cases.txt` holds the cases: Markdown, then the outline of what is shown, as `markdown_outline.js` writes it.
All cases are shown in one page, each complete and in pieces.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from playwright.sync_api import Page

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules

FOLDER: Final = Path(__file__).parent
OUTLINE: Final = with_page_modules((FOLDER / "markdown_outline.js").read_text("utf-8"))


class Case(NamedTuple):
    """A Markdown text and its right reading."""

    name: str
    source: str
    reading: str


def read_cases() -> list[Case]:
    """Read the corpus."""
    cases = []
    for part in (FOLDER / "markdown_cases.txt").read_text("utf-8").split("#### case: ")[1:]:
        head, reading = part.split("\n#### reads:\n")
        name, source = head.split("\n", 1)
        cases.append(Case(name, source, reading.removesuffix("\n")))
    return cases


CASES: Final = read_cases()

# Words of markup that are visible for a moment: the address of an image before it is part of a link, a label before
# its definition.
MARKUP: Final = {"a remote image inside a link": ["img"], "reference links": ["1"]}

READ: Final = """async (sources) => {
    const shown = [];
    for (const source of sources) shown.push(await window.show(source, []));
    for (const element of shown) await window.typeset(element);
    return shown.map((element) => {
        element.remove();
        return window.outline(element);
    });
}"""

# Also returns the words that were visible after one piece and not after the next one; formulas count as their TeX.
STREAM: Final = """async (cases) => {
    const words = (element) => {
        const text = element.cloneNode(true);
        for (const katex of text.querySelectorAll(".katex")) {
            katex.replaceWith(katex.querySelector("annotation").textContent);
        }
        return text.textContent.match(/[\\p{L}\\p{N}]+/gu) ?? [];
    };
    const shown = [];
    for (const { source, cuts } of cases) {
        const lost = [];
        let before = [];
        const element = await window.show(source, cuts, (current) => {
            const now = words(current);
            const all = now.join(" ");
            // the last word may become part of something else
            for (const word of before.slice(0, -1)) if (!all.includes(word)) lost.push(word);
            before = now;
        });
        shown.push({ element, lost });
    }
    for (const { element } of shown) await window.typeset(element);
    return shown.map(({ element, lost }) => {
        element.remove();
        return { outline: window.outline(element), lost };
    });
}"""


@pytest.fixture
def prepared(browser_page: Page) -> Page:
    """Return the open page with `window.show` and `window.outline`."""
    ChatPage(browser_page).open()
    browser_page.evaluate(OUTLINE)
    return browser_page


def differences(readings: list[str]) -> dict[str, dict[str, str]]:
    """Return the cases that are shown otherwise than they should be."""
    return {
        case.name: {"source": case.source, "right": case.reading, "shown": shown}
        for case, shown in zip(CASES, readings, strict=True)
        if shown != case.reading
    }


def test_the_corpus_has_150_cases_with_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 150


def test_each_case_is_read_as_its_author_meant_it(prepared: Page) -> None:
    assert differences(prepared.evaluate(READ, [case.source for case in CASES])) == {}


def test_a_case_that_comes_in_pieces_ends_like_a_complete_one_and_loses_no_word(prepared: Page) -> None:
    chance = random.Random(45)
    cases = []
    for case in CASES:
        # Playwright counts characters, and JavaScript UTF-16 units.
        length = len(case.source.encode("utf-16-le")) // 2
        cases.append({"source": case.source, "cuts": sorted(chance.sample(range(1, length), min(length - 1, 25)))})
    results: list[Any] = prepared.evaluate(STREAM, cases)
    assert differences([result["outline"] for result in results]) == {}
    lost = {case.name: result["lost"] for case, result in zip(CASES, results, strict=True)}
    assert {name: words for name, words in lost.items() if words != MARKUP.get(name, [])} == {}
