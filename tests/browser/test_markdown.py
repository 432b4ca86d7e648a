"""Rendering of Markdown answers."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, Worker, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, said

from .held_requests import HeldRequests
from .test_history_limits import open_conversation


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def show(chat: ChatPage, model: ScriptedModel, *tokens: str) -> Locator:
    """Let the model answer with this text, and return the locator of the answer."""
    model.enqueue(reply(*tokens))
    return chat.ask_and_wait("Show me")


def test_an_image_of_another_host_becomes_a_link_to_it(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(chat, model, "See ![a heron](https://elsewhere.example/heron.png).")
    expect(prose.locator("img")).to_have_count(0)
    expect(prose).to_have_text("See [Image: a heron (elsewhere.example)].")
    link = prose.get_by_role("link", name="Image: a heron")
    expect(link).to_have_attribute("href", "https://elsewhere.example/heron.png")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_raw_html_is_shown_as_text_except_for_a_few_tags(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(chat, model, "H<sub>2</sub>O<br>and <b onclick='x()'>this</b> <script>a < b</script>")
    expect(prose.locator("sub")).to_have_text("2")
    expect(prose.locator("br")).to_have_count(1)
    expect(prose).to_contain_text("<b onclick='x()'>this</b> <script>a < b</script>")


def test_an_embedded_image_is_shown(chat: ChatPage, model: ScriptedModel) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    prose = show(chat, model, f"![pixel]({pixel})")
    expect(prose.locator("img")).to_have_attribute("src", pixel)


def test_images_of_this_origin_are_shown_only_from_the_static_files(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(chat, model, "![mark](static/img/mark.svg) ![configuration](/api/config)")
    expect(prose.locator("img")).to_have_count(1)
    expect(prose).to_contain_text("[Image: configuration]")


def test_a_deceptive_link_shows_its_real_host(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(chat, model, "[https://bank.example/login](https://evil.example/) [a name](https://example.org/a)")
    links = prose.locator("a")
    expect(links).to_have_text(["https://bank.example/login (evil.example)", "a name"])
    expect(links.last).to_have_attribute("title", "https://example.org/a")


def test_links_open_a_new_tab_without_opener_and_referrer(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(
        chat, model, "[a](https://example.org/) [b](mailto:a@example.org) [c](/local) [d](ftp://example.org)"
    )
    links = prose.locator("a[href]")
    expect(links).to_have_text(["a", "b"])
    for link in links.all():
        expect(link).to_have_attribute("target", "_blank")
        expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_tables_lists_and_emphasis_are_shown(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(chat, model, "**bold**\n\n| a | b |\n|--:|---|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n")
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose.locator("td")).to_have_text(["1", "2"])
    expect(prose.locator("td").first).to_have_css("text-align", re.compile("right$"))
    expect(prose.locator("input[type=checkbox]:disabled")).to_have_count(2)


def test_code_has_highlighting_its_language_and_a_copy_button(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    prose = show(chat, model, "```python\ndef f():\n    return '<b>'\n```")
    expect(prose.locator(".hljs-keyword").first).to_have_text("def")
    expect(prose.locator("figcaption > span")).to_have_text("Python")
    prose.get_by_role("button", name="Copy").click()
    expect(chat.status).to_have_text("Copied")
    assert chat.page.evaluate("navigator.clipboard.readText()") == "def f():\n    return '<b>'"


# The page's limit for one block of code, shortened.
SHORT_LIMIT: Final = """(() => {
    const { setTimeout } = window;
    window.setTimeout = (run, delay, ...rest) => setTimeout(run, delay === 5000 ? 300 : delay, ...rest);
})()"""


def test_code_that_takes_forever_to_highlight_stays_plain_and_does_not_stop_the_rest(
    browser_page: Page, model: ScriptedModel
) -> None:
    browser_page.add_init_script(SHORT_LIMIT)
    chat = ChatPage(browser_page).open()
    started: list[Worker] = []
    browser_page.on("worker", lambda worker: started.append(worker))
    slow = "[a](" * 5_000  # a minute of highlight.js
    prose = show(chat, model, f"```markdown\n{slow}\n```\n\n```python\ndef f(): ...\n```")
    expect(prose.locator(".hljs-keyword")).to_have_text("def")
    expect(prose.locator("code.language-markdown")).to_have_text(slow)
    expect(prose.locator("code.language-markdown [class^=hljs]")).to_have_count(0)
    if started[0] in browser_page.workers:  # Chromium takes a moment to end it
        with started[0].expect_event("close"):
            pass
    assert browser_page.workers == started[1:]
    assert len(started) == 2


def test_copy_copies_the_markdown_of_an_answer(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(chat, model, "Some **bold** text")
    chat.page.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    assert chat.page.evaluate("navigator.clipboard.readText()") == "Some **bold** text"


MATHEMATICS = [
    (r"$$\int_0^1 x\,dx$$", 1),
    ("$$\nx^2\n$$", 1),
    (r"\[ x^2 \]", 1),
    (r"inline \(x^2\), too", 1),
    ("with $x^2$ and $y$, and 数学$z$文字", 3),
    ("it costs $5 and $6", 0),
    ("from $5-$6 to $10", 0),
    ("$5 per user or 10$ in all", 0),
    ("`$x$` and\n\n```\n$$y$$\n```", 0),
    ("echo $HOME/$USER", 0),
    (r"escaped \$x\$ here", 0),
    (r"\vec{a} as $\vec{a} \sqrt{\frac{1}{2}} \boldsymbol{x} \fbox{y}$", 1),
    (r"broken $\frac{1$ stays", 0),
]


def test_a_formula_with_a_command_that_is_not_allowed_is_shown_as_its_source(
    chat: ChatPage, model: ScriptedModel
) -> None:
    refused = [
        r"\href{https://example.org}{a+b} = c",
        r"\href{javascript:alert(1)}{click}",
        r"\href{ : }{a}",
        r"\url{https://example.org} + 1",
        r"\frac{\htmlClass{x}{y}}{2}",
        r"\htmlId{x}{y}",
        r"\htmlStyle{color: red}{y}",
        r"\htmlData{a=b}{y}",
        r"\includegraphics{https://example.org/a.png}",
        r"a + \unknown{z}",
    ]
    model.enqueue(reply("\n\n".join(f"$$\n{each}\n$$" for each in refused) + "\n\n$$\n\\color{red} x\n$$"))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex")).to_have_count(1)
    for formula, source in zip(prose.locator(".formula-unreadable").all(), refused, strict=True):
        expect(formula).to_contain_text(source)


TO_PRINT: Final = """| City | Country | Population | Remarks |
|---|---|---|---|
| Hamburg | Germany | 1,910,160 | The second largest city, with the third largest harbour of the continent. |
| Rotterdam | Netherlands | 655,468 | Its harbour is the largest of the continent, and most of the city is not old. |

| Name | Address |
|---|---|
| One | https://example.org/LONG |
""".replace("LONG", "a" * 120)
# The words of the tables that are drawn in more than one line, and by how much the tables are too wide.
BROKEN_WORDS: Final = """(prose) => {
    const broken = [];
    for (const cell of prose.querySelectorAll("th, td")) {
        for (let node, nodes = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT); (node = nodes.nextNode());) {
            for (const { 0: word, index } of node.data.matchAll(/\\S+/g)) {
                const range = document.createRange();
                range.setStart(node, index);
                range.setEnd(node, index + word.length);
                if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word);
            }
        }
    }
    const excess = (table) => table.offsetWidth - table.parentElement.clientWidth;
    const excesses = [...prose.querySelectorAll("table")].map(excess);
    return [broken.map((word) => word.slice(0, 20)), Math.max(...excesses)];
}"""


def test_a_printed_table_breaks_only_words_that_are_too_wide(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply(TO_PRINT))
    prose = chat.ask_and_wait("Show me")
    chat.page.emulate_media(media="print")
    for width in (720, 1100):
        chat.page.set_viewport_size({"width": width, "height": 800})
        broken, excess = prose.evaluate(BROKEN_WORDS)
        assert broken == ["https://example.org/"]
        assert excess <= 0


# In how many lines an element's text is.
LINES: Final = """(each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    return new Set([...range.getClientRects()].map(({ top }) => top)).size;
}"""
# The second index of each entry of a printed matrix, in the order of reading.
ENTRIES: Final = """(formula) => [...formula.querySelectorAll(".katex-base .mtable > [class^=col-align]")]
    .filter((each) => each.checkVisibility())
    .map(({ textContent }) => /,(\\d+)/.exec(textContent)[1])"""
# The letters of a printed formula, in the order of reading.
READ: Final = """(formula) => [...formula.querySelectorAll(".katex-base")].filter((each) => each.checkVisibility())
    .map(({ textContent }) => textContent).join("").replace(/[\\s\\u200b]/g, "")"""
MATRIX: Final = " & ".join(f"a_{{1,{number}}}" for number in range(40))
SUM: Final = "+".join(f"a_{{{number}}} b_{{{number}}}" for number in range(48))
MANY_COLUMNS: Final = rf"""| Quarter | Revenue | Cost | Profit | Margin | Employees | 中文列 | Comment |
|---|---:|---:|---:|---:|---:|---|---|
| Q1 2026 | 1,234,567.50 | 934,567.25 | 300,000.25 | 24.30 % | 1,204 | 一些文字 | Good. {"So " * 40} |
| Q2 2026 | 2,234,567.50 | 1,934,567.25 | 300,000.25 | 13.43 % | 1,310 | 更多 | 这一列的文字很长，所以在很多行里。 |

$$
\begin{{pmatrix}} {MATRIX} \end{{pmatrix}}
$$

Inline $\begin{{pmatrix}} {MATRIX} \end{{pmatrix}}$, too.

And $\sin\frac{{{SUM}}}{{2}}$, a fraction, and $\sqrt{{{SUM}}}$, a root.

$$
y = \frac{{{SUM}}}{{1+x}}
$$
"""


def test_a_printed_table_or_formula_has_smaller_type_before_it_is_broken_or_cut(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(reply(MANY_COLUMNS))
    prose = chat.ask_and_wait("Show me")
    table, formulas = prose.locator("table"), prose.locator(".katex")
    expect(formulas).to_have_count(5)
    size = "each => parseFloat(getComputedStyle(each).fontSize)"
    on_screen = table.evaluate(size)
    chat.page.evaluate("dispatchEvent(new Event('beforeprint'))")  # as a browser does
    assert table.evaluate(size) == on_screen
    chat.page.emulate_media(media="print")
    for width in (720, 1100):
        chat.page.set_viewport_size({"width": width, "height": 800})
        broken, excess = prose.evaluate(BROKEN_WORDS)
        assert [each for each in broken if each.isascii()] == []
        assert "一些文字" not in broken
        assert prose.get_by_text("24.30 %").evaluate(LINES) == 1
        assert excess <= 0
        assert table.evaluate(size) > 10
        # a matrix goes on in further lines, before its type has less than 7 points
        for formula in formulas.all()[:2]:
            assert formula.evaluate(size) >= 9.3
            assert formula.evaluate(ENTRIES) == [str(number) for number in range(40)]
        # so does a fraction, written in one line; only a root has smaller type
        for index, shown in ((2, "a47b47)/2)"), (4, "a47b47)/(1+x)")):
            assert formulas.nth(index).evaluate(size) >= 9.3
            assert formulas.nth(index).evaluate(READ).endswith(shown)
        edges = "all => all.map((each) => each.getBoundingClientRect().right)"
        assert max(prose.locator(".katex-base").evaluate_all(edges)) <= width
        assert chat.overflow() == 0
    chat.page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(prose.locator(".to-fit, .whole, .strip, .in-strips")).to_have_count(0)


def test_formulas_are_typeset_and_amounts_of_money_are_not(chat: ChatPage, model: ScriptedModel) -> None:
    for source, formulas in MATHEMATICS:
        prose = show(chat, model, *source)
        expect(prose.locator(".katex"), source).to_have_count(formulas)


def test_a_sentence_with_amounts_of_money_stays_as_it_is(chat: ChatPage, model: ScriptedModel) -> None:
    expect(show(chat, model, "It costs $5 and $6.")).to_have_text("It costs $5 and $6.")


def test_a_settled_block_is_not_changed_while_the_answer_grows(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the second block")
    model.enqueue((*said("First **block**.\n\nSecond"), gate, *said(" block.\n\nThird."), *finished()))
    chat.ask("Show me")
    expect(chat.prose.locator("p")).to_have_count(2)
    first = chat.prose.locator("strong").element_handle()
    gate.open()
    chat.wait_complete()
    expect(chat.prose.locator("p")).to_have_count(3)
    assert first.evaluate("element => element.isConnected")


STREAMED = """# Title\r\n\r\nA paragraph with [a reference][later] and `code`.\r\n
1. one

   more of one
2. two
   - nested

> quoted
continued

    indented

<details><summary>More</summary>

Inside **details**.

</details>

$$
x^2
$$

| a | b |
|---|---|
| 1 | 2 |

Setext
------

```js
const a = `$${1}`;

const b = 2;
```

[later]: https://example.org/
"""


def test_a_streamed_answer_ends_like_a_complete_one(chat: ChatPage, model: ScriptedModel) -> None:
    def shown() -> str:
        expect(chat.prose.locator(".katex")).to_have_count(1)
        expect(chat.prose.locator(".hljs-keyword")).to_have_count(2)
        expect(chat.prose.locator("[aria-label='Code 1 of 2']")).to_have_count(1)  # numbered once all are there
        return str(chat.prose.evaluate("prose => prose.innerHTML"))

    show(chat, model, *STREAMED)
    streamed = shown()
    chat.page.reload()
    assert shown() == streamed
    expect(chat.prose.get_by_role("link", name="a reference")).to_have_attribute("href", "https://example.org/")


def test_a_growing_answer_is_rendered_at_most_once_a_frame(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.evaluate(
        """() => {
            window.counts = {frames: 0, changes: 0};
            const count = () => { window.counts.frames += 1; requestAnimationFrame(count); };
            requestAnimationFrame(count);
            new MutationObserver(() => { window.counts.changes += 1; })
                .observe(document.querySelector("#sluice-log"),
                    {subtree: true, childList: true, characterData: true});
        }"""
    )
    show(chat, model, *(f"word{number} " for number in range(2000)))
    counts: Any = chat.page.evaluate("window.counts")
    assert counts["changes"] <= counts["frames"] + 5  # the question, the empty answer, and its end


def test_a_link_without_an_address_does_not_look_like_a_link(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Some words, [a part](#part) and [an address](https://example.org/)"))
    prose = chat.ask_and_wait("Show me")
    color = "element => getComputedStyle(element).color"
    text = prose.locator("p").evaluate(color)
    assert prose.locator("a", has_text="a part").evaluate(color) == text
    assert prose.locator("a", has_text="an address").evaluate(color) != text


def test_a_footnote_and_its_reference_lead_to_each_other(chat: ChatPage, model: ScriptedModel) -> None:
    prose = show(chat, model, "A claim[^1].\n\n[^1]: The source.")
    reference = prose.locator(".footnote-reference")
    reference.click()
    label = prose.locator(".footnote-label")
    expect(label).to_be_focused()
    expect(label).to_have_accessible_name("Footnote 1: back to the text")
    chat.page.keyboard.press("Enter")
    expect(reference).to_be_focused()
    expect(reference).to_have_accessible_name("Footnote 1")
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_label("简体中文", exact=True).check()
    expect(reference).to_have_accessible_name("脚注 1")
    expect(label).to_have_accessible_name("脚注 1：回到正文")


def test_a_footnotes_mark_is_small_before_its_note_arrives(chat: ChatPage, model: ScriptedModel) -> None:
    remark, half, notes = (model.gate(f"before the {name}") for name in ("remark", "third paragraph", "notes"))
    begin = said("No note[^2], none[^no].\n\nA claim[^1], one more[^big-one], classes [^a-z], [^abc] and x[^0-9].")
    notes_of_both = said("-one].\n\n[^1]: The source.\n\n[^big-one]: Another.")
    third = *said("\n\nA remark[^1](b) and[^2](c)."), half, *said("\n\nHalf[^big")
    model.enqueue((*begin, remark, *third, notes, *notes_of_both, *finished()))
    chat.ask("Show me")
    paragraphs = chat.prose.locator("p")
    claims = "A claim1, one morebig-one, classes [^a-z], [^abc] and x[^0-9]."
    expect(paragraphs).to_have_text(["No note2, noneno.", claims])
    remark.open()
    expect(paragraphs).to_have_count(3)
    half.open()
    expect(paragraphs).to_have_text(["No note2, noneno.", claims, "A remark1(b) and2(c).", "Half"])
    assert "A claim<sup>1</sup>, one more<sup>big-one</sup>, classes" in paragraphs.nth(1).inner_html()
    size = "({ offsetWidth, offsetHeight }) => [offsetWidth, offsetHeight]"
    before = paragraphs.nth(1).evaluate(size)
    notes.open()
    chat.wait_complete()
    expect(chat.prose.locator(".footnote-reference")).to_have_text(["1", "big-one", "1", "big-one"])
    assert paragraphs.nth(1).evaluate(size) == before
    # which have no note
    expect(paragraphs.first).to_have_text("No note[^2], none[^no].")
    expect(paragraphs.nth(2)).to_have_text("A remark1(b) and^2.")
    expect(paragraphs.nth(2).locator("a")).to_have_text("^2")


def test_the_header_of_code_is_in_the_language_of_the_page(chat: ChatPage, model: ScriptedModel) -> None:
    marks = ("text", "plaintext", "", "console", "ini", "python")
    model.enqueue(reply("\n\n".join(f"```{mark}\nword\n```" for mark in marks)))
    prose = chat.ask_and_wait("Code")
    expect(prose.locator("figcaption > span")).to_have_text(
        ["Plain text", "Plain text", "Code", "Shell", "TOML, INI", "Python"]
    )
    chat.change_language("zh-CN")
    expect(prose.locator("figcaption > span")).to_have_text(
        ["纯文本", "纯文本", "代码", "Shell", "TOML, INI", "Python"]
    )
    names = prose.locator("pre").evaluate_all("all => all.map((each) => each.ariaLabel)")
    assert names[:3] == ["代码 1/6：纯文本", "代码 2/6：纯文本", "代码 3/6"]


def test_a_callout_follows_the_language_of_the_page(chat: ChatPage, model: ScriptedModel) -> None:
    title = show(chat, model, "> [!WARNING]\n> Hot.").locator(".callout-title")
    expect(title).to_have_text("Warning")
    chat.change_language("zh-CN")
    expect(title).to_have_text("警告")


# How often the page asks whether an element is still in it.
COUNT_CHECKS: Final = """() => {
    const { get } = Object.getOwnPropertyDescriptor(Node.prototype, "isConnected");
    window.checks = 0;
    Object.defineProperty(Node.prototype, "isConnected", { get() { return ++window.checks && get.call(this); } });
}"""


def test_blocks_that_wait_for_a_library_are_checked_a_few_times_each(browser_page: Page) -> None:
    count = 150
    libraries = [HeldRequests(browser_page, file) for file in ("**/katex/katex.*js", "**/highlight_worker.js")]
    chat = ChatPage(browser_page).open()
    browser_page.evaluate(COUNT_CHECKS)
    open_conversation(chat, ["".join(f"```js\nlet a{each}\n```\n\nIn $x$.\n\n" for each in range(count))])
    assert sum(map(len, libraries)) == 2
    for held in libraries:
        held.pass_on()
    expect(chat.answer.locator(".katex")).to_have_count(count)
    expect(chat.answer.locator(".hljs-keyword")).to_have_count(count)
    assert browser_page.evaluate("checks") < 20 * count


EQUATIONS: Final = r"""
\begin{align}
a &= b \\
c &= d
\end{align}

From (1) and (2):

$$
\begin{equation}
e = f
\end{equation}
$$
"""


def test_equations_are_numbered_from_1_in_each_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply(EQUATIONS), reply(EQUATIONS))
    for question in ("First", "Second"):
        chat.ask_and_wait(question)
        expect(chat.prose.locator(".eqn-num")).to_have_count(3)
    devtools = chat.page.context.new_cdp_session(chat.page)
    snapshot = devtools.send("DOMSnapshot.captureSnapshot", {"computedStyles": []})
    devtools.detach()
    shown = [
        snapshot["strings"][index] for each in snapshot["documents"] for index in each["layout"]["text"] if index >= 0
    ]
    assert re.findall(r"\((\d)\)", "".join(text for text in shown if "From" not in text)) == list(
        "121233121233"
    )  # for screen readers, and seen


def test_a_numbered_equation_scrolls_only_where_it_is_wider_than_the_room(
    chat: ChatPage, model: ScriptedModel
) -> None:
    fitting = (EQUATIONS, r"$$\begin{gather} \frac{a}{b} \\ c = d \end{gather}$$", r"$$a = b \tag{$x_2$}$$")
    wide = rf"$$\begin{{equation}} x = {' + '.join(['y'] * 60)} \end{{equation}}$$"
    model.enqueue(reply("\n\n".join([*fitting, wide])))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".eqn-num")).to_have_count(6)
    for width in (1000, 700, 390, 320):
        chat.page.set_viewport_size({"width": width, "height": 800})
        chat.page.wait_for_function(f"() => innerWidth === {width}")
        hidden = [
            formula.evaluate("each => each.scrollWidth - each.clientWidth")
            for formula in prose.locator(":is(.formula, .formula-display):has(.katex-tag)").all()
        ]
        assert hidden[:-1] == [0, 0, 0, 0], width
        assert hidden[-1] > 100, width


@pytest.mark.browser_context(viewport={"width": 390, "height": 844})
def test_the_number_of_an_equation_that_is_too_wide_is_behind_it(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply(rf"$$x = {' + '.join(['y'] * 40)} \tag{{2.3}}$$" + "\n\n" + r"$$a = b \tag{1}$$"))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex-tag")).to_have_count(2)
    places = """(formula) => {
        const room = formula.getBoundingClientRect();
        const number = formula.querySelector(".katex-tag .vlist, .katex-tag .mord").getBoundingClientRect();
        const parts = [...formula.querySelectorAll(".katex-base")].map((part) => part.getBoundingClientRect());
        return {
            gap: number.left - Math.max(...parts.map(({ right }) => right)),
            end: number.right - formula.scrollWidth - room.left,
            middle: (parts[0].left + parts.at(-1).right - room.left - room.right) / 2,
        };
    }"""
    wide, short = (formula.evaluate(places) for formula in prose.locator(".formula, .formula-display").all())
    assert wide["gap"] > 10
    assert short["gap"] > 10
    assert abs(wide["end"]) < 3
    assert abs(short["end"]) < 3
    assert abs(short["middle"]) < 40


@pytest.mark.browser_context(viewport={"width": 320, "height": 568})
@pytest.mark.parametrize("number", [99, 100, 1969, 123456789])
def test_the_number_of_a_list_is_within_the_text(chat: ChatPage, model: ScriptedModel, number: int) -> None:
    model.enqueue(reply(f"{number}. The first men walk on the moon."))
    item = chat.ask_and_wait("When?").locator("li")
    room = """(item) => {
        const context = document.createElement("canvas").getContext("2d");
        context.font = getComputedStyle(item).font;
        const indent = item.getBoundingClientRect().left - item.closest(".prose").getBoundingClientRect().left;
        return indent - context.measureText(`${item.parentElement.start}.`).width;
    }"""
    assert item.evaluate(room) > 0


def test_a_section_that_the_model_has_opened_is_open_and_closes_while_its_answer_grows(
    chat: ChatPage, model: ScriptedModel
) -> None:
    end = model.gate("before the end")
    model.enqueue(
        (*said("<details open>\n<summary>More</summary>\n\nInside"), end, *said(" it.\n\n</details>"), *finished())
    )
    chat.ask("Show me")
    section = chat.prose.locator("details")
    expect(section.get_by_text("Inside")).to_be_visible()
    section.locator("summary").click()
    end.open()
    chat.wait_complete()
    expect(section).to_contain_text("Inside it.")
    expect(section.get_by_text("Inside it.")).to_be_hidden()
