"""A result of the search opens its conversation where the words stand."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, reply

from .held_requests import HeldRequests
from .test_conversations import titles
from .test_history_limits import open_conversation
from .test_long_conversations import DRAWN


def open_result(chat: ChatPage, words: str) -> None:
    """Search for words, and open the only result. While a search runs, the results of the one before are shown."""
    field, snippet = chat.page.locator("#sluice-search"), chat.page.locator(".conversation .snippet")
    field.fill("")
    expect(snippet).to_be_hidden()
    field.fill(words)
    snippet.click()


MARKED: Final = "() => [...(CSS.highlights.get('sluice-hit') ?? [])].map(String)"


def test_a_search_result_shows_a_snippet_and_opens_at_the_marked_words(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    lines = "\n\n".join(f"Line {number}" for number in range(12))
    answers = [f"{lines}\n\nA **Kingfisher** of number {each} sits.\n\n{lines}" for each in range(8)]
    answers[2] = f"{lines}\n\nThe grey `heron` waits here, near a Kingfisher.\n\n{lines}"
    open_conversation(chat, answers)
    chat.page.get_by_role("button", name="New conversation").click()
    search = chat.page.get_by_role("searchbox", name="Search conversations")
    search.fill("HERON kingfisher")
    snippet = chat.page.locator(".conversation .snippet")
    expect(snippet).to_contain_text("grey heron waits here")
    titles(chat).click()
    place = chat.answers.nth(2).locator("p", has_text="heron")
    expect(place).to_be_in_viewport(ratio=1)
    chat.page.wait_for_function(f"() => ({MARKED})().length === 2")
    assert browser_page.evaluate(MARKED) == ["heron", "Kingfisher"]
    expect(place).to_be_in_viewport(ratio=1)
    # also in the conversation that is shown already
    chat.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    expect(place).not_to_be_in_viewport()
    snippet.click()
    expect(place).to_be_in_viewport(ratio=1)
    search.fill("")
    expect(snippet).to_be_hidden()


def test_a_search_for_a_phrase_opens_where_its_words_follow_each_other(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    lines = "\n\n".join(f"Line {number}" for number in range(40))
    later = f"The owl sleeps, it is a snowy day.\n\n{lines}\n\nHere sits a **Snowy owl**, a snowy owl.\n\n{lines}"
    open_conversation(chat, ["It is snowy; an owl sits.", later, "Again a snowy owl."])
    open_result(chat, "snowy OWL")
    place = chat.answers.nth(1).locator("p", has_text="Here sits")
    expect(place).to_be_in_viewport(ratio=1)
    expect(chat.page.locator(".conversation .snippet")).to_contain_text("Here sits a Snowy owl")
    open_result(chat, "sits snowy")  # in no exchange as a phrase: the first with both
    expect(chat.answers.first.locator(".prose")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    ("words", "marked"),
    [
        ("注意：请先备份", ["注意：请先备份"]),
        ("是指利用", ["是指利用"]),
        ("含gpu的", ["含GPU的"]),
        ("见手册第", ["见手册第"]),
        ("H2O", ["H2O"]),
        ("bold:text next", ["bold:text", "next"]),
    ],
)
def test_a_search_finds_what_is_read_also_where_markdown_stands_within(
    browser_page: Page, words: str, marked: list[str]
) -> None:
    chat = ChatPage(browser_page).open()
    text = (
        "**注意：**请先备份数据。**“数字化”**是指**利用技术（IT）**改造业务，含`GPU`的，见[手册](https://example.org/)第二章。\n\n"
        "Water is H<sub>2</sub>O, and a **bold:**text next to it."
    )
    open_conversation(chat, ["Nothing.", text])
    open_result(chat, words)
    chat.page.wait_for_function(f"() => ({MARKED})().length > 0")
    assert browser_page.evaluate(MARKED) == marked


def test_a_search_takes_a_time_in_proportion_to_the_texts(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    texts = ["a" + "*" * 100_000, "a*" * 50_000, "[" * 100_000, "a](" + "x" * 100_000, "<b" * 50_000]
    open_conversation(chat, [*texts, "an ab"])
    open_result(chat, "ab an")
    expect(chat.answers.last.locator(".prose")).to_be_in_viewport()
    for words in ("aab", "*a*b", "[[[b", "a](x)b"):
        chat.page.locator("#sluice-search").fill(words)
        expect(chat.page.get_by_text("No results")).to_be_visible()


LINES: Final = "\n".join(f"Line {number}" for number in range(40))
HIDDEN: Final = [
    "<details><summary>One</summary>\n\n<details><summary>Two</summary>\n\nAn okapi.\n\n</details>\n</details>",
    f"Some prose. {'One paragraph and no end. ' * 200} The tapir is here. {'No end. ' * 20}",
    f"```\n{'wide ' * 100} quagga {'wide ' * 100}\n```\n\n{LINES}",
    "<details><summary>A lemming</summary>\n\nNot here.\n\n</details>",
    "The bongo is here.",
]
MANY: Final = [LINES] * 30
QUESTION: Final = "\n".join(
    ["A dingo in line 1", LINES, "The zebra and the bongo.", *MANY, "The lynx is here.", *MANY]
)
# How much is unfolded then. What can be seen anyway stays folded, also where the answer, which the list quotes, has
# the same word as its question.
SEARCHES: Final = {"lemming": 0, "dingo": 0, "bongo": 0, "tapir": 0, "quagga": 0} | {
    "okapi": 2,
    "lynx": 3,
    "dingo zebra": 3,
}
# Whether a mark of this word can be seen.
IS_SHOWN: Final = """(word) => [...(CSS.highlights.get("sluice-hit") ?? [])].some((range) => {
    const { left, top, right, bottom } = range.getBoundingClientRect();
    const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return String(range) === word && seen !== null && range.intersectsNode(seen);
})"""


def test_a_search_result_is_uncovered_where_it_is_folded_or_its_block_is_long(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    open_conversation(chat, HIDDEN, question=QUESTION, reasoning="A bongo is thought of.")
    reasoning = chat.answer.locator(".reasoning summary")
    for _ in range(2):
        reasoning.click()  # from now on, its text is in the page, and not searched
    unfolded = chat.page.locator(".question.long:not(.folded), details[open]")
    for words, count in SEARCHES.items():
        open_result(chat, words)
        chat.page.wait_for_function(IS_SHOWN, arg=words.split()[0])
        expect(unfolded).to_have_count(count)
        chat.page.evaluate(DRAWN)
        chat.page.wait_for_function(IS_SHOWN, arg=words.split()[0])


def test_the_marks_in_code_stay_when_its_colours_come(browser_page: Page) -> None:
    worker = HeldRequests(browser_page, "**/highlight_worker.js")
    chat = ChatPage(browser_page).open()
    lines = "\n".join(f"line({number})" for number in range(100))
    open_conversation(
        chat, [f"The console.\n\n```js\n{lines}\nconst heron = console.log(1)\n{lines}\n```\n\nA heron."]
    )
    open_result(chat, "heron console.log")
    chat.page.wait_for_function(f"() => ({MARKED})().length === 3")
    assert chat.answer.locator(".hljs-keyword").count() == 0
    marked = ["heron", "console.log", "heron"]
    assert browser_page.evaluate(MARKED) == marked
    worker.pass_on()
    expect(chat.answer.locator(".hljs-keyword")).to_have_text("const")
    assert browser_page.evaluate(f"({MARKED})().sort()") == sorted(marked)
    # also in code that has its colours already, where other elements divide a word
    open_result(chat, "console.log")
    chat.page.wait_for_function(f"() => ({MARKED})().join() === 'console.log'")
    chat.page.wait_for_function(IS_SHOWN, arg="console.log")


PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# What has a word only in its source, what is then marked, and what is shown: the answer's beginning where nothing can
# be marked.
IN_SOURCE: Final = {
    "heron": ("A [bird](https://example.org/Heron).", ["bird"], "a"),
    "冰": ("[Frozen](https://example.org/冰) water.", ["Frozen"], "a"),
    "js": ("```js\nokapi()\n```", ["JavaScript"], "figcaption"),
    "operatorname": ("A formula $\\operatorname{tan}$.", ["tan"], ".katex-html"),
    "tapir": (f"![A tapir](data:image/png;base64,{PIXEL})", [""], "img"),
    "quagga": ("[quagga]: https://example.org", [], "p >> nth=0"),
}
# Without the source of a formula, which is in the page for screen readers.
MARKED_TEXT: Final = f"() => ({MARKED})().map((text) => text.split('}}').pop())"


def test_a_search_result_only_in_the_source_marks_its_element_or_shows_the_answer(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    open_conversation(chat, [f"First.\n\n{LINES}\n\n{each}\n\n{LINES}" for each, *_ in IN_SOURCE.values()])
    expect(chat.page.locator("figcaption")).to_contain_text("JavaScript")
    for number, (word, (_, marked, shown)) in enumerate(IN_SOURCE.items()):
        open_result(chat, word)
        expect(chat.answers.nth(number).locator(shown)).to_be_in_viewport(ratio=1)
        chat.page.evaluate(DRAWN)
        assert chat.page.evaluate(MARKED_TEXT) == marked


# From now on, the rest is drawn when the page has scrolled and has not yet heard of it, as on a slow machine.
DRAW_WITH_SCROLLING: Final = """() => {
    const { setTimeout } = window;
    const { scrollIntoView } = Element.prototype;
    window.later = [];
    window.setTimeout = (run, ...rest) => rest.length > 0 ? setTimeout(run, ...rest) : later.push(run) && 0;
    Element.prototype.scrollIntoView = function (...options) {
        scrollIntoView.apply(this, options);
        for (const run of later.splice(0)) run();
    };
}"""


# To draw an answer takes 3 s by the page's clock. As in Safari, the browser leaves it to the page to keep its place.
SLOW: Final = """
    const now = performance.now.bind(performance);
    performance.now = () => now() + 3000 * document.querySelectorAll(".prose[aria-busy=false]").length;
    addEventListener("DOMContentLoaded", () => { document.documentElement.style.overflowAnchor = "none"; });
"""


def test_a_search_result_stays_in_view_while_other_answers_are_drawn(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    chat.page.evaluate(DRAW_WITH_SCROLLING)
    lines = "".join(f"- Line {number}\n\n\n\n" for number in range(12))
    answers = [f"{lines}\n\nA **bird** of number {number} sits.\n\n{lines}" for number in range(40)]
    answers[20] = f"{lines}\n\nThe grey `heron` waits here.\n\n{lines}"
    open_conversation(chat, answers)
    plain = chat.page.locator(".prose.plain")
    assert plain.count() > 20
    open_result(chat, "heron")
    answer = chat.answers.nth(20)
    expect(answer).to_be_in_viewport()
    place = answer.locator("p", has_text="heron")
    expect(place).to_be_in_viewport(ratio=1)
    expect(plain).to_have_count(0)
    chat.page.evaluate(DRAWN)
    expect(place).to_be_in_viewport(ratio=1)
    assert browser_page.evaluate(MARKED) == ["heron"]
    # so does a place to which a reload returns, as long as answers are being drawn
    browser_page.add_init_script(SLOW)
    browser_page.reload()
    expect(plain).to_have_count(0)
    chat.page.evaluate(DRAWN)
    expect(place).to_be_in_viewport(ratio=1)


# How the page scrolls in two frames while another answer is not drawn yet: to the words, when their text was
# replaced, as by the colours of code, and when another conversation is shown.
SCROLLING: Final = with_page_modules("""async () => {
    const { showHit } = await pageModule("transcript/search_hit.js");
    const log = document.createElement("div");
    log.innerHTML = "<div class=exchange><p class=prose></div><div class=answer><p class='prose plain'></div>";
    document.body.append(log);
    const text = "heron " + "word ".repeat(5000);
    const words = log.querySelector("p");
    words.textContent = text;
    let calls = [];
    let isShown = true;
    const done = showHit(log, log.firstElementChild, { words: ["heron"], isInAnswer: true }, {
        scrollTo: (_, block) => calls.push(block),
        scrollBy: () => calls.push("by"),
        isWanted: () => isShown,
    });
    const twoFrames = async () => {
        for (let frame = 0; frame < 2; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
        return [...new Set(calls.splice(0))];
    };
    const found = [await twoFrames()];
    words.replaceChildren(text);
    found.push(await twoFrames());
    isShown = false;
    await done;
    return [...found, calls];
}""")


def test_a_search_result_is_shown_no_more_when_its_text_or_conversation_is_gone(browser_page: Page) -> None:
    ChatPage(browser_page).open()
    assert browser_page.evaluate(SCROLLING) == [["start", "center", "by"], ["center"], []]


# Answers and the snippet for the word "heron".
SNIPPETS: Final = {
    "A **bold**, quick `heron`, ~~not~~ [a link](https://example.org/a/long/address).": (
        "A bold, quick heron, not a link."
    ),
    "在水中**固态水**的密度更小，heron 详见[维基百科](https://example.org/冰)。": (
        "在水中固态水的密度更小，heron 详见维基百科。"
    ),
    "# A heading\n\n| Bird | Legs |\n|:--|--:|\n| heron | 2 |\n\n```js\na * b\n```": (
        "…· Bird · Legs · heron · 2 · a * b"
    ),
    "See [this](https://example.org/heron).": "…is](https://example.org/heron).",  # only in the address
    r"The heron: $2:1$, so $n(\mathrm{H_2SO_4}) = \frac{0.1}{2}$ and $x^{n+1} \ge \pi$; `$y$` is $5 or $6.": (
        "The heron: 2:1, so n(H₂SO₄) = 0.1/2 and x^(n+1) ≥ π; $y$ is $5 or $6."
    ),
    "heron，$\\because AB=AC$，$\\angle ADB = 90^\\circ$。\n\n$$F = 9.8\\,\\text{N}$$\n\n\\[\n\\sqrt{a+b}\n\\]": (
        "heron，∵ AB=AC，∠ ADB = 90°。 · F = 9.8 N · √(a+b)"
    ),
    # ends with a word
    f"A heron {'stands ' * 11}considerably longer.": f"A heron {'stands ' * 10}stands…",
}


def test_a_snippet_is_what_the_answer_shows_and_not_its_markdown(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    for answer, snippet in SNIPPETS.items():
        open_conversation(chat, [answer])
        chat.page.locator("#sluice-search").fill("heron")
        expect(chat.page.locator(".conversation .snippet")).to_have_text(snippet)
        chat.page.locator("#sluice-search").fill("")
        chat.page.locator(".conversation a").press("Delete")
        expect(chat.page.locator(".conversation")).to_have_count(0)


def test_a_snippet_does_not_say_again_what_the_title_says(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("It is a small bird."))
    chat.ask_and_wait("What is a kingfisher?")
    chat.wait_saved()
    snippet = chat.page.locator(".conversation .snippet")
    for query, shown in (("bird kingfisher", "It is a small bird."), ("kingfisher", "")):
        chat.page.locator("#sluice-search").fill(query)
        expect(chat.page.locator(".search-result")).to_have_text("1 conversation")
        expect(snippet).to_have_text(shown)
        expect(snippet).to_be_visible(visible=shown != "")
    # a title that the reader chose says something else
    chat.page.locator(".conversation a").press("F2")
    chat.page.keyboard.type("Birds")
    chat.page.keyboard.press("Enter")
    expect(titles(chat)).to_have_text("Birds")
    chat.page.locator("#sluice-search").fill("a kingfisher")
    expect(snippet).to_have_text("What is a kingfisher? · It is a small bird.")
