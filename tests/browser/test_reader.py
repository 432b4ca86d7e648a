"""Language, colour scheme, keyboard, input methods, small screens, scrolling, screen readers."""

from __future__ import annotations

import re
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, finished, refused, reply, said, stalling_after

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer

TABLE = "| A wide | table | with many | columns | that a | phone | cannot | show |\n|-|-|-|-|-|-|-|-|\n" + (
    "| cell " * 8 + "|\n"
)
WIDE = "\n\n".join(
    [
        TABLE,
        "```python\n" + "x = " + "a_long_name + " * 30 + "1\n```",
        "$$\n" + " + ".join(f"x_{{{number}}}^2" for number in range(60)) + "\n$$",
        "W" * 300,
        "https://example.org/" + "path/" * 60,
    ]
)

# The language of the texts for browsers that prefer these.
LANGUAGES_OF: Final = with_page_modules("""async (browsers) => {
    const { textsFor } = await pageModule("i18n/language.js");
    return browsers.map((preferred) => textsFor(preferred).tag);
}""")


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


@pytest.mark.browser_context(locale="zh-CN")
def test_a_chinese_browser_gets_a_chinese_page(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 503")
    expect(chat.page.locator("html")).to_have_attribute("lang", "zh-CN")
    tags = chat.page.evaluate(LANGUAGES_OF, [["zh-TW", "en"], ["zh-Hant-HK", "en"], ["de", "zh-TW"], ["en", "zh-TW"]])
    assert tags == ["zh-CN", "zh-CN", "zh-CN", "en"], "there are no Traditional texts"
    expect(chat.page.locator("#sluice-settings input[value='zh-CN'] + span")).to_have_text("简体中文")
    expect(chat.field).to_have_attribute("placeholder", "想问什么都可以")
    expect(chat.send_button).to_have_text("发送")
    gate = model.gate("before the end")
    model.enqueue((*said("你好"), gate, *finished()))
    chat.ask("你好")
    expect(chat.status).to_have_text("正在生成")
    gate.open()
    expect(chat.status).to_have_text("回答完成")
    chat.show_details.click()
    expect(chat.details).to_contain_text(re.compile(r"\d 秒"))
    chat.reply_busy_once(100)
    chat.ask("忙吗？")
    expect(chat.countdown).to_have_text(re.compile(r"^1 分 \d+ 秒后可重试$"))


@pytest.mark.browser_context(locale="de-DE")
def test_every_other_browser_gets_an_english_page(chat: ChatPage) -> None:
    expect(chat.page.locator("html")).to_have_attribute("lang", "en")
    expect(chat.send_button).to_have_text("Send")


@pytest.mark.parametrize(
    ("dark", "background"),
    [
        pytest.param(
            False, "rgb(251, 250, 247)", marks=pytest.mark.browser_context(color_scheme="light"), id="light"
        ),
        pytest.param(True, "rgb(21, 28, 31)", marks=pytest.mark.browser_context(color_scheme="dark"), id="dark"),
    ],
)
def test_the_page_follows_the_colour_scheme_of_the_system(chat: ChatPage, dark: bool, background: str) -> None:
    expect(chat.page.locator("html")).to_have_css("background-color", background)
    ink = chat.page.locator("html").evaluate("element => getComputedStyle(element).color")
    red = int(ink.removeprefix("rgb(").split(",")[0])
    assert (red > 200) is dark


def test_enter_does_not_send_during_a_composition(chat: ChatPage) -> None:
    chat.field.fill("nihao")
    not_prevented = chat.field.evaluate(
        """field => field.dispatchEvent(new KeyboardEvent("keydown",
            {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""
    )
    assert not_prevented
    expect(chat.questions).to_have_count(0)


def test_shift_and_enter_insert_a_new_line(chat: ChatPage) -> None:
    chat.field.fill("one")
    chat.field.press("Shift+Enter")
    chat.field.type("two")
    expect(chat.field).to_have_value("one\ntwo")
    expect(chat.questions).to_have_count(0)


def test_the_composer_grows_with_its_text_up_to_a_limit(chat: ChatPage) -> None:
    def height() -> float:
        box = chat.field.bounding_box()
        assert box is not None
        return box["height"]

    chat.field.fill("one")
    one = height()
    chat.field.fill("1\n2\n3\n4")
    four = height()
    chat.field.fill("line\n" * 200)
    assert one < four < height() <= 0.4 * 800


def test_a_starter_sends_its_prompt(chat: ChatPage, model: ScriptedModel) -> None:
    starters = chat.page.locator(".starters button")
    expect(starters).to_have_count(4)
    model.enqueue(reply("Here."))
    starters.nth(1).click()
    expect(chat.questions).to_have_text(["Explain compound interest to me, with a formula and a small table."])
    expect(chat.prose).to_have_text("Here.")
    expect(chat.page.locator("#sluice-empty")).to_be_hidden()


@pytest.mark.browser_context(locale="zh-CN")
def test_the_operators_starters_replace_those_of_the_page(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    english, chinese = {"label": "Ice", "prompt": "Why?"}, {"label": "", "prompt": "<b>为什么</b>？"}
    chat.configure(starters={"en": [english, english], "zh": [chinese]})
    chat.open()
    starters = chat.page.locator(".starters button")
    expect(starters).to_have_text(["<b>为什么</b>？"])
    model.enqueue(reply("因为。"))
    starters.click()
    expect(chat.questions).to_have_text(["<b>为什么</b>？"])
    expect(chat.prose).to_have_text("因为。")


def test_an_operator_may_configure_no_starters(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(starters={"en": []})
    chat.open()
    expect(chat.page.locator("#sluice-empty h1")).to_be_visible()
    expect(chat.page.locator("#sluice-starters-label")).to_be_hidden()
    expect(chat.page.locator(".starters button")).to_have_count(0)


@pytest.mark.browser_context(viewport={"width": 320, "height": 568})
def test_nothing_scrolls_sideways_at_320_pixels(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    chat.configure(models=["a-model-with-quite-a-long-name", "another"], model="another")
    chat.open()
    assert chat.overflow() == 0
    model.enqueue(reply(WIDE), stalling_after("Half"))
    chat.ask_and_wait("W" * 200)
    assert chat.overflow() == 0
    chat.ask("Again")
    expect(chat.prose).to_have_text("Half")
    expect(chat.send_button).to_be_in_viewport(ratio=1)
    chat.send_button.click()
    # "Try again" is in the menu: the row has no room for it.
    expect(chat.page.get_by_role("button", name="Continue")).to_be_visible()
    assert chat.overflow() == 0


@pytest.mark.browser_context(viewport={"width": 320, "height": 400})
def test_a_small_screen_shows_the_top_of_the_start_screen(chat: ChatPage) -> None:
    heading = chat.page.get_by_role("heading", name="What would you like to know?")
    expect(heading).to_be_in_viewport(ratio=1)
    chat.ask_and_wait("Hello")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(heading).to_be_in_viewport(ratio=1)


def test_the_view_follows_the_end_only_while_the_reader_is_at_the_end(chat: ChatPage, model: ScriptedModel) -> None:
    gate, second_gate = model.gate("first"), model.gate("second")
    lines = "\n\n".join(f"Line {number}" for number in range(60))
    model.enqueue((*said(lines), gate, *said("\n\n" + lines), second_gate, *said("\n\nThe end"), *finished()))
    to_end = chat.page.get_by_role("button", name="Jump to the latest")
    chat.ask("Count")
    expect(chat.prose.locator("p")).to_have_count(60)
    expect(chat.prose.locator("p").last).to_be_in_viewport()
    expect(to_end).to_be_hidden()

    chat.page.mouse.move(500, 300)
    chat.page.mouse.wheel(0, -900)
    expect(to_end).to_be_visible()
    # the browser may scroll over several frames
    chat.page.wait_for_function("() => document.documentElement.scrollHeight - innerHeight - scrollY >= 899")
    before = chat.page.evaluate("scrollY")
    gate.open()
    expect(chat.prose.locator("p")).to_have_count(120)
    assert chat.page.evaluate("scrollY") == before

    to_end.click()
    expect(to_end).to_be_hidden()
    second_gate.open()
    chat.wait_complete()
    expect(chat.prose.locator("p").last).to_be_in_viewport()


@pytest.mark.parametrize("by_key", [False, True], ids=["pressed", "by key"])
@pytest.mark.parametrize("action", ["Continue", "Try again"])
def test_the_page_and_the_focus_stay_at_an_earlier_answer_that_goes_on(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors, action: str, by_key: bool
) -> None:
    browser_errors.expect("status of 502")
    page, gate = chat.page, model.gate("before the end")
    lines = "\n\n".join(f"Line {number}" for number in range(60))
    rest = (*said("\n\nThe rest"), gate, *said("\n\n" + lines, "\n\nThe end"), *finished())
    model.enqueue(reply(lines, finish="length") if action == "Continue" else refused(400), reply(lines), rest)
    chat.ask("First")
    earlier = chat.answers.first
    button = earlier.get_by_role("button", name=action)
    expect(button).to_be_visible()
    chat.ask_and_wait("Second")

    button.evaluate("each => each.scrollIntoView({ block: 'center', behavior: 'instant' })")
    # the page hears of it with the next frame
    expect(page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    there = page.evaluate("scrollY")
    if by_key:
        button.focus()
        page.keyboard.press("Enter")
    else:
        button.click()
    expect(earlier.locator("> .prose")).to_contain_text("The rest")
    assert page.evaluate("scrollY") == there
    expect(earlier.locator(":focus")).to_have_count(1)
    gate.open()
    chat.wait_complete()
    expect(earlier.locator("> .prose")).to_contain_text("The end")
    assert page.evaluate("scrollY") == there
    # the next key goes to the buttons of this answer
    page.keyboard.press("Tab")
    expect(earlier.locator(".ending button:focus")).to_have_count(1)


FROM_END: Final = "(document.scrollingElement.scrollHeight - innerHeight - scrollY)"
GROWN: Final = "() => document.querySelectorAll('.answer .prose p').length > %d"


def grow(chat: ChatPage, paragraphs: int = 12) -> None:
    """Wait until a running answer has some paragraphs more."""
    chat.page.wait_for_function(GROWN % (chat.prose.locator("p").count() + paragraphs))


def stream_lines(chat: ChatPage, model: ScriptedModel) -> None:
    """Begin an answer that grows by a line in each 30 ms, longer than any test reads it."""
    model.enqueue(
        (*said("\n\n".join(f"Line {number}" for number in range(60))), *said(*["\n\nNext"] * 900, delay=0.03))
    )
    chat.field.fill("Count")
    chat.send_button.click()
    expect(chat.prose.locator("p").nth(59)).to_be_attached()


def test_any_scrolling_up_leaves_the_end_of_a_growing_answer_until_the_reader_is_back(
    chat: ChatPage, model: ScriptedModel
) -> None:
    page = chat.page
    to_end = page.get_by_role("button", name="Jump to the latest")
    stream_lines(chat, model)

    def touchpad() -> None:
        for _ in range(12):
            page.mouse.wheel(0, -3)

    def arrow() -> None:
        page.mouse.click(690, 200)
        page.keyboard.press("ArrowUp")

    page.mouse.move(500, 300)
    movements = {
        "a touchpad": touchpad,
        "an arrow key": arrow,
        # no event of a pointer or a key comes before it
        "assistive technology": lambda: page.evaluate("document.scrollingElement.scrollTop -= 6"),
    }
    for name, move in movements.items():
        move()
        expect(to_end, name).to_be_visible()
        grow(chat, 3)  # the browser scrolls over several frames
        there = page.evaluate("scrollY")
        grow(chat)
        assert page.evaluate("scrollY") == there, name
        # a movement down that ends above the end changes nothing
        page.mouse.wheel(0, 20)
        page.wait_for_function(f"() => scrollY === {there + 20}")
        grow(chat, 3)
        assert page.evaluate("scrollY") == there + 20, name
        # to the end of a page that grows while the wheel turns
        page.wait_for_function(
            f"""() => {{ scrollBy({{ top: 1e6, behavior: "instant" }}); return {FROM_END} < 1; }}"""
        )
        expect(to_end, name).to_be_hidden()
        grow(chat)
        assert page.evaluate(FROM_END) < 48, name
    page.keyboard.press("Escape")


# Puts a box at one end of the conversation, and takes it out again unless it is to stay.
BOX: Final = """async ([place, stays]) => {
    const box = Object.assign(document.createElement("div"), { style: "height: 300px" });
    const frames = async () => {
        for (const _ of [1, 2]) await new Promise((resolve) => requestAnimationFrame(resolve));
    };
    document.querySelector("#sluice-log").insertAdjacentElement(place, box);
    await frames();
    if (!stays) box.remove();
    await frames();
}"""


# The distance from the end after the page has grown by 40 pixels, at once after an event of the reader's.
BEFORE_SCROLLING: Final = f"""() => {{
    dispatchEvent(%s);
    document.querySelector("#sluice-log").style.paddingBottom =
        parseFloat(getComputedStyle(document.querySelector("#sluice-log")).paddingBottom) + 40 + "px";
    dispatchEvent(new Event("resize"));
    return {FROM_END};
}}"""
SCROLL_BY: Final = """async (top) => {
    scrollBy({ top, behavior: "instant" });
    for (const _ of [1, 2]) await new Promise((resolve) => requestAnimationFrame(resolve));
}"""


def test_changes_of_the_layout_are_not_taken_for_the_readers_scrolling(chat: ChatPage) -> None:
    page = chat.page
    answer = FedAnswer(page)
    chat.ask("Count")
    answer.send("\n\n".join(f"Line {number}" for number in range(60)))
    lines = chat.prose.locator("p")
    expect(lines).to_have_count(60)

    def next_line() -> None:
        count = lines.count()
        answer.send("\n\nNext")
        expect(lines).to_have_count(count + 1)

    for place in ("afterbegin", "beforeend"):
        page.evaluate(BOX, [place, False])
        next_line()
        assert page.evaluate(FROM_END) < 48, place
    for height in (400, 800):  # a keyboard on the screen comes and goes
        page.set_viewport_size({"width": 1100, "height": height})
        next_line()
        assert page.evaluate(FROM_END) < 48, height
    # what may become scrolling up: the page waits for it, and goes on if it does not come
    for event in (
        "new WheelEvent('wheel', { deltaY: -1 })",
        "new Event('touchmove')",
        "new KeyboardEvent('keydown', { key: 'PageUp' })",
        "new KeyboardEvent('keydown', { key: 'Tab' })",  # to what is out of view
    ):
        assert page.evaluate(BEFORE_SCROLLING % event) == 40, event
        page.wait_for_function(f"() => {FROM_END} < 1")
    # close to the end, and not following it: what grows above moves the page down, and not the reader
    page.evaluate(SCROLL_BY, -20)
    page.evaluate(BOX, ["afterbegin", True])
    assert page.evaluate(FROM_END) == 20
    there = page.evaluate("scrollY")
    next_line()
    assert page.evaluate("scrollY") == there
    page.get_by_role("button", name="Jump to the latest").click()
    for step in (-30, 5):  # a finger trembles: this is no way back
        page.evaluate(SCROLL_BY, step)
    there = page.evaluate("scrollY")
    next_line()
    assert page.evaluate("scrollY") == there


# Scrolls to the end; a button far above it is pressed there, and the page grows before it hears of the scrolling.
PRESSED_FROM_THE_END: Final = f"""(pressed) => {{
    scrollBy({{ top: 1e6, behavior: "instant" }});
    dispatchEvent(new Event("scroll"));
    const before = {FROM_END};
    document.querySelector(pressed).click();
    dispatchEvent(new Event("resize"));
    return [before, {FROM_END} > 1000];
}}"""


def test_what_the_reader_has_chosen_stays_in_view_although_the_page_grows_at_once(
    chat: ChatPage, model: ScriptedModel
) -> None:
    lines = "\n\n".join(f"Line {number}" for number in range(60))
    model.enqueue(reply(f"A claim[^1].\n\n{lines}\n\n[^1]: The source."))
    chat.ask_and_wait("Count")
    chosen = {
        ".footnote-label": ".footnote-reference",
        ".question-actions .edit": ".question-editor textarea",
        ".question-editor .cancel": ".question-actions .edit",
    }
    for pressed, shown in chosen.items():
        assert chat.page.evaluate(PRESSED_FROM_THE_END, pressed) == [0, True], pressed
        expect(chat.page.locator(shown)).to_be_focused()
        expect(chat.page.locator(shown)).to_be_in_viewport(ratio=1)


def test_returning_to_the_end_causes_no_scrolling_by_itself(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("\n\n".join(f"Line {number}" for number in range(60))))
    chat.ask_and_wait("Count")
    to_end = chat.page.get_by_role("button", name="Jump to the latest")
    chat.page.evaluate("scrollBy({ top: -400, behavior: 'instant' })")
    expect(to_end).to_be_visible()
    chat.page.evaluate("scrollBy({ top: 390, behavior: 'instant' }); window.there = scrollY")
    expect(to_end).to_be_hidden()
    # the dock's ResizeObserver runs before the second frame
    moved = (
        """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(scrollY - there))))"""
    )
    assert chat.page.evaluate(moved) == 0


def test_what_the_reader_marks_stays_where_it_is_while_the_answer_grows(chat: ChatPage) -> None:
    page = chat.page
    to_end, lines = page.get_by_role("button", name="Jump to the latest"), chat.prose.locator("p")
    answer = FedAnswer(page)
    chat.ask("Count")
    answer.send("\n\n".join(f"Line {number}" for number in range(60)))
    expect(lines).to_have_count(60)

    def next_lines() -> None:
        count = lines.count()
        answer.send("\n\nNext", "\n\nNext")
        expect(lines).to_have_count(count + 2)
        page.evaluate(SCROLL_BY, 0)

    def mark() -> None:
        box = lines.nth(lines.count() - 6).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 2, box["y"] + 8)
        page.mouse.down()
        there = page.evaluate("scrollY")
        for step in range(3):
            page.mouse.move(box["x"] + 10 * step, box["y"] + 8)
            next_lines()
            assert page.evaluate("scrollY") == there
        page.mouse.up()
        for _ in range(12):  # longer than the page waits for a second press
            next_lines()
        assert page.evaluate("scrollY") == there
        assert page.evaluate("!getSelection().isCollapsed")
        expect(to_end).to_be_visible()

    mark()
    page.mouse.click(690, 200)  # nothing is marked any more
    page.wait_for_function(f"() => {FROM_END} < 1")
    ways = {"the button": to_end.click, "the wheel": lambda: page.mouse.wheel(0, 5000)}
    for name, go_back in ways.items():
        mark()
        go_back()
        page.wait_for_function(f"() => {FROM_END} < 1")
        expect(to_end, name).to_be_hidden()
        next_lines()
        assert page.evaluate(FROM_END) < 1, name
    mark()
    answer.send(DONE_FRAME)
    chat.wait_complete()
    there = page.evaluate("scrollY")
    page.mouse.click(690, 200)
    chat.field.fill("Another\nquestion\nof\nlines")
    page.evaluate(SCROLL_BY, 0)
    assert page.evaluate("scrollY") == there


def test_printing_keeps_the_place_and_follows_the_end_afterwards(chat: ChatPage) -> None:
    page = chat.page
    answer = FedAnswer(page)
    chat.ask("Count")
    lines = chat.prose.locator("p")
    answer.send("\n\n".join(f"Line {number}" for number in range(60)))
    expect(lines).to_have_count(60)
    expect(lines.last).to_be_in_viewport()
    for step in (0, -100):  # at the end, and above it
        page.evaluate(SCROLL_BY, step)
        before = page.evaluate("scrollY")
        page.pdf(format="A4")
        page.evaluate(SCROLL_BY, 0)
        assert page.evaluate("scrollY") == before, step
        count = lines.count()
        answer.send("\n\nNext")
        expect(lines).to_have_count(count + 1)
        page.evaluate(SCROLL_BY, 0)
        assert (page.evaluate(FROM_END) < 1) == (step == 0)
    page.keyboard.press("Escape")


def test_a_longer_draft_does_not_cover_the_end_of_the_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("\n\n".join(f"Line {number}" for number in range(60))))
    chat.ask_and_wait("Count")
    chat.field.fill("one\ntwo\nthree\nfour\nfive")
    chat.page.wait_for_function("() => document.documentElement.scrollHeight - innerHeight - scrollY < 2")


def test_screen_readers_hear_the_state_and_not_every_token(chat: ChatPage, model: ScriptedModel) -> None:
    log = chat.page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "off")
    expect(chat.page.locator('[aria-live="polite"]:not(dialog *)')).to_have_count(1)
    model.enqueue(reply("Yes."))
    chat.ask_and_wait("Is it?")
    expect(log.get_by_role("article", name="You")).to_have_count(1)
    expect(log.get_by_role("article", name="Answer")).to_have_count(1)


def test_every_control_has_a_name_and_shows_its_focus(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("```python\nprint(1)\n```\n\n" + TABLE))
    chat.ask_and_wait("Show me code")
    controls = chat.page.locator("button:visible, select:visible, textarea:visible, a[href], [tabindex]")
    for control in controls.all():
        assert control.evaluate(
            "element => (element.ariaLabel || element.textContent || element.labels?.[0]?.textContent || '').trim()"
        ), control.evaluate("element => element.outerHTML")
    chat.field.press("Shift+Tab")
    focused = chat.page.locator(":focus-visible")
    expect(focused).to_have_count(1)
    expect(focused).to_have_css("outline-style", "solid")


@pytest.mark.browser_context(reduced_motion="reduce")
def test_nothing_is_animated_with_reduced_motion(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the first token")
    model.enqueue((gate, *said("Yes."), *finished()))
    chat.ask("Is it?")
    expect(chat.page.locator(".answer.waiting")).to_be_visible()
    assert chat.page.evaluate("document.getAnimations().length") == 0
    gate.open()
    chat.wait_complete()
