"""Accessibility of every state of the page: themes, languages, zoom, forced colours, keyboard."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, text_frame
from tools.common.scripted_model import ScriptedModel, finished, reply, said, stalling_after

from .axe import violations
from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer, call_frame, result_frame
from .states import states

PAPER: Final = "() => getComputedStyle(document.querySelector('#sluice')).backgroundColor"


@pytest.mark.browser_context(reduced_motion="reduce")
def test_axe_finds_nothing_in_any_state_no_faint_text_in_the_dark_and_forced_colours_leave_buttons_their_edge(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 503")
    found = []
    colours = set()
    for state in states(ChatPage(browser_page).open(), model):
        found += [f"{state}: {violation}" for violation in violations(browser_page)]
        colours.add(browser_page.evaluate(PAPER))
        browser_page.emulate_media(color_scheme="dark")
        found += [f"{state}, dark: {violation}" for violation in violations(browser_page, "color-contrast")]
        colours.add(browser_page.evaluate(PAPER))
        browser_page.emulate_media(color_scheme="light", forced_colors="active")
        found += [f"{state}, no edge: {name}" for name in buttons_without_edge(browser_page)]
        browser_page.emulate_media(forced_colors="none")
    assert not found, "\n\n".join(found)
    assert len(colours) == 2


@pytest.mark.browser_context(reduced_motion="reduce", locale="zh-CN")
def test_axe_finds_nothing_in_any_state_in_chinese(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 503")
    found = [
        f"{state}: {violation}"
        for state in states(ChatPage(browser_page).open(), model)
        for violation in violations(browser_page, without=["color-contrast"])  # the colours are the same
    ]
    assert not found, "\n\n".join(found)


@pytest.mark.browser_context(viewport={"width": 320, "height": 568}, reduced_motion="reduce")
def test_every_state_fits_320_pixels_and_half_a_screen(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 503")
    chat = ChatPage(browser_page)
    chat.configure(models=["a-model-with-quite-a-long-name", "another"], model="another")
    wide = []
    for state in states(chat.open(), model):
        # a window of 1280 by 720 has 640 by 360 at a zoom of 200 %
        for width, height, text in ((640, 360, "normal"), (320, 568, "larger"), (320, 568, "normal")):
            browser_page.set_viewport_size({"width": width, "height": height})
            browser_page.evaluate("text => { document.documentElement.dataset.textSize = text }", text)
            wide += [f"{state} at {width}, {text}: {name}" for name in overflowing_elements(browser_page)]
    assert wide == []


def overflowing_elements(page: Page) -> list[str]:
    """Return elements that scroll sideways, controls outside the window's width, and controls over a field.

    The page learns of another size of the window with its next frame, and is drawn for it in the one after.
    """
    found: list[str] = page.evaluate(
        """async () => {
            for (const _ of [1, 2]) await new Promise((resolve) => requestAnimationFrame(resolve));
            const wide = [...document.querySelectorAll("html, dialog[open], .sidebar")]
                .filter((each) => each.scrollWidth > each.clientWidth);
            const outside = [...document.querySelectorAll("button, input, select, textarea, summary, a")]
                .filter((each) => each.checkVisibility({ visibilityProperty: true }))
                .filter((each) => !each.matches(".skip") && !each.closest(".prose")) // prose scrolls in its own boxes
                .filter((each) => { const box = each.getBoundingClientRect();
                                    return box.width > 0 && (box.left < 0 || box.right > innerWidth); });
            // in a row, a button of it may lie over the text
            const over = [...document.querySelectorAll("input, select, textarea")].flatMap((each) => {
                const { left, right, top, bottom } = each.getBoundingClientRect();
                const found = [left + 12, (left + right) / 2, right - 12]
                    .flatMap((x) => document.elementsFromPoint(x, (top + bottom) / 2));
                return found.filter((other) => other !== each && other.matches("button, a, input, select, textarea"))
                    .filter((other) => each.parentElement.contains(other));
            });
            return [...wide, ...outside, ...over].map((each) => each.outerHTML.slice(0, 120));
        }"""
    )
    return found


def buttons_without_edge(page: Page) -> list[str]:
    """Return buttons without border and underline: forced colours remove everything else."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button")]
            .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest(".starters"))
            .filter((each) => {
                const { borderTopWidth, borderTopStyle, textDecorationLine } = getComputedStyle(each);
                const hasBorder = borderTopStyle !== "none" && borderTopWidth !== "0px";
                return !hasBorder && textDecorationLine === "none";
            })
            .map((each) => each.outerHTML.slice(0, 120))"""
    )
    return found


@pytest.mark.browser_context(forced_colors="active")
def test_a_running_answer_is_visible_in_forced_colours(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    gate = model.gate("before the first token")
    model.enqueue((gate, *said("Yes."), *finished()))
    chat.ask("Is it?")
    # forced colours remove background and gradient
    edge = "element => parseFloat(getComputedStyle(element, '::after').borderTopWidth)"
    for sign in (browser_page.locator(".answer.waiting"), browser_page.locator(".conversation.generating a")):
        assert sign.evaluate(edge) > 0
    gate.open()
    chat.wait_complete()


# Of the focus: its name if another element covers its middle or its edges.
COVERED = """() => {
    const focused = document.activeElement;
    const { left, right, top, bottom } = focused.getBoundingClientRect();
    const x = (left + right) / 2;
    const isFree = [top + 1, (top + bottom) / 2, bottom - 1]
        .every((y) => focused.contains(document.elementFromPoint(x, y)));
    return isFree ? null : focused.ariaLabel || focused.textContent.trim().slice(0, 40);
}"""


def test_neither_the_bar_nor_the_message_box_covers_what_has_the_focus(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    text = "\n\n".join(f"Line {number}" for number in range(12))
    model.enqueue(*[reply(f"{text}\n\n```python\nprint(1)\n```\n\n[a link](https://example.org)\n\n{text}")] * 3)
    for question in ("First", "Second", "Third"):
        chat.ask_and_wait(question)
    chat.field.fill("A draft\nof three\nlines")
    chat.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    chat.page.locator("#sluice-open-settings").focus()
    covered = []
    for key, last in (("Tab", "#sluice-message"), ("Shift+Tab", "#sluice-open-settings")):
        for _ in range(60):
            chat.page.keyboard.press(key)
            if chat.page.evaluate("last => document.activeElement.matches(last)", last):
                break
            if chat.page.evaluate("document.activeElement.closest('#sluice-log') !== null"):
                covered.append(chat.page.evaluate(COVERED))
    assert len(covered) > 20
    assert [name for name in covered if name] == []
    # what is in the bar and the dock is always in view
    chat.page.evaluate("scrollTo({ top: 300, behavior: 'instant' })")
    chat.field.focus()
    chat.page.keyboard.type("Hello")
    for key in ("Tab", "Tab", "Shift+Tab", "Shift+Tab"):
        chat.page.keyboard.press(key)
    for name in ("#sluice-open-settings", "#sluice-toggle-sidebar"):
        chat.page.locator(name).focus()
        chat.page.keyboard.press("Shift+Tab")
        chat.page.keyboard.press("Tab")
    assert chat.page.evaluate("scrollY") == 300


def test_tab_stops_only_at_the_boxes_of_an_answer_that_scroll(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    fits = "```\nfits\n```\n\n| One | Two |\n|---|---|\n| 1 | 2 |\n\n"
    wide = f"```\n{'wide ' * 60}\n```\n\n|{'A column | ' * 30}\n|{'---|' * 30}\n"
    model.enqueue(reply(fits + wide))
    chat.ask_and_wait("Show me")
    focused = []
    for _ in range(40):
        chat.page.keyboard.press("Shift+Tab")
        if not chat.page.evaluate("document.activeElement.closest('.exchange') !== null"):
            if focused:
                break
        elif not chat.page.evaluate("document.activeElement.matches('button')"):
            focused.append(chat.page.evaluate("document.activeElement.ariaLabel"))
    assert focused == ["Table 2 of 2", "Code 2 of 2"]
    # in a narrow window, others scroll, too
    chat.page.set_viewport_size({"width": 40, "height": 700})
    chat.page.keyboard.press("Tab")
    assert chat.prose.locator(".table").first.get_attribute("tabindex") == "0"


NAME = """() => { const each = document.activeElement;
    return each.ariaLabel || each.labels?.[0]?.textContent || each.textContent.trim(); }"""


class Keyboard:
    """Uses the page by keyboard alone."""

    def __init__(self, chat: ChatPage) -> None:
        self.page = chat.page
        self.press = chat.page.keyboard.press
        self.type = chat.page.keyboard.type

    def go_to(self, name: str, *, back: bool = False) -> None:
        """Press Tab, or Shift and Tab, until the element with this name has a visible focus."""
        passed = []
        for _ in range(80):
            self.press("Shift+Tab" if back else "Tab")
            passed.append(self.page.evaluate(NAME))
            if passed[-1] == name:
                assert self.page.evaluate("document.activeElement.matches(':focus-visible')")
                return
        raise AssertionError(f"no way to {name!r} among {passed}")

    def choose(self, name: str, *, back: bool = False) -> None:
        """Focus a button and press it."""
        self.go_to(name, back=back)
        self.press("Enter")


# Ways in which a control loses the focus, and what undoes them.
LOSSES: Final = {
    "hidden": ("each.hidden = true", "each.hidden = false"),
    "hidden with its row": ("each.parentElement.hidden = true", "each.parentElement.hidden = false"),
    "disabled": ("each.disabled = true", "each.disabled = false"),
    "inert": ("each.parentElement.inert = true", "each.parentElement.inert = false"),
    "removed": ("each.remove()", ""),
}


def test_the_focus_is_never_lost_with_the_control_that_has_it(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    keyboard = Keyboard(chat)
    focus = browser_page.locator(":focus")
    gate = model.gate("before the end")
    lines = "\n\n".join(f"Line {number}" for number in range(60))
    model.enqueue((*said("Half"), gate, *finished()), reply(lines))
    keyboard.type("By the button")
    keyboard.choose("Send")
    expect(focus).to_have_text("Stop")
    gate.open()
    chat.wait_complete()
    expect(chat.field).to_be_focused()

    chat.ask_and_wait("A long question\n" * 20)
    browser_page.mouse.move(500, 300)
    browser_page.mouse.wheel(0, -700)
    keyboard.choose("Jump to the latest", back=True)
    expect(chat.field).to_be_focused()
    keyboard.choose("Show more", back=True)
    for name, expanded in (("Show less", "true"), ("Show more", "false"), ("Show less", "true")):
        expect(focus).to_have_text(name)
        expect(focus).to_have_attribute("aria-expanded", expanded)
        keyboard.press("Enter")

    copy = chat.answer.get_by_role("button", name="Copy answer")
    for name, (lose, undo) in LOSSES.items():
        copy.focus()
        button = copy.element_handle()
        button.evaluate(f"each => {{ {lose} }}")
        expect(chat.field, name).to_be_focused()
        button.evaluate(f"each => {{ {undo} }}")
    # one that is moved, or made again in its place, keeps it
    last = chat.questions.last.locator("xpath=..").get_by_role("button", name="Edit question")
    for move in ("each.parentElement.append(each)", "each.replaceWith(each.cloneNode(true))"):
        last.focus()
        last.evaluate(f"each => {{ {move} }}")
        expect(last).to_be_focused()


LINES: Final = "\n".join(f"Line {number}<br>" for number in range(60))
# By name, what opens and closes a section.
HEADS: Final = {
    "reasoning": ".reasoning summary",
    "a tool": ".tool summary",
    "a section of an answer": ".prose summary",
    "a question": ".question .fold",
    "details": ".show-details",
}
# Whether a control is closed, within the window, and covered by nothing.
IS_CLOSED_IN_VIEW: Final = """(head) => {
    const { left, right, top, bottom } = head.getBoundingClientRect();
    const onTop = [top + 1, bottom - 1].map((y) => document.elementFromPoint((left + right) / 2, y));
    const isOpen = head.matches("summary") ? head.parentElement.open : head.ariaExpanded === "true";
    return !isOpen && onTop.every((each) => each && head.contains(each));
}"""
IS_OPEN_IN_VIEW: Final = IS_CLOSED_IN_VIEW.replace("!isOpen", "isOpen")
# How far below the upper edge of the window a control is, once its section is open and the window has moved on in it.
READ_ON: Final = """async (head) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await frame();
    head.scrollIntoView({ block: "start", behavior: "instant" });
    // the button of an open question stays in view until its end
    const { bottom } = (head.closest(".question") ?? head).getBoundingClientRect();
    scrollBy({ top: Math.max(bottom, innerHeight), behavior: "instant" });
    await frame();
    return head.getBoundingClientRect().top;
}"""


def begin_foldable(page: Page, lines: int) -> tuple[ChatPage, FedAnswer]:
    """Ask a question of so many lines, of which the answer begins with reasoning and a tool, all folded."""
    chat = ChatPage(page).open()
    answer = FedAnswer(page)
    chat.ask("A long question\n" * lines)
    answer.send({**text_frame(""), "reasoning": "I think. " * 500}, "Before.")
    answer.send(call_frame("call_1", "look", '{"a": "' + r"b\n" * 40 + '"}'), result_frame("call_1", "look", LINES))
    return chat, answer


@pytest.mark.parametrize(("width", "height"), [(780, 390), (320, 256)])
def test_what_is_closed_by_keyboard_comes_into_view(browser_page: Page, width: int, height: int) -> None:
    chat, answer = begin_foldable(browser_page, lines=40)
    answer.send(f"<details><summary>Head</summary>\n\n{LINES}\n\n</details>\n\n{LINES}", DONE_FRAME)
    chat.wait_complete()
    answer = FedAnswer(browser_page)
    chat.ask("Another question")
    answer.send(LINES, DONE_FRAME)
    expect(chat.answers).to_have_count(2)
    chat.wait_complete()
    browser_page.set_viewport_size({"width": width, "height": height})
    for name, selector in HEADS.items():
        head = browser_page.locator(".exchange").first.locator(selector)
        head.press("Enter")
        # what shows details is loaded first, and then brings them into view
        browser_page.wait_for_function(IS_OPEN_IN_VIEW, arg=head.element_handle())
        assert head.evaluate(READ_ON) < 0, name
        browser_page.keyboard.press("Enter")
        expect(head).to_be_focused()
        browser_page.wait_for_function(IS_CLOSED_IN_VIEW, arg=head.element_handle())


@pytest.mark.parametrize(("width", "height"), [(1100, 800), (320, 256)])
def test_what_is_opened_by_keyboard_stays_in_view(browser_page: Page, width: int, height: int) -> None:
    chat, answer = begin_foldable(browser_page, lines=80)
    code = "```python\n" + f"print({'1 + ' * 200}1)\n" * 20 + "```"
    answer.send(f"<details><summary>Head</summary>\n\n{LINES}\n\n</details>\n\n{code}\n\n{LINES}", DONE_FRAME)
    chat.wait_complete()
    browser_page.set_viewport_size({"width": width, "height": height})
    for name, selector in HEADS.items():
        head = browser_page.locator(selector)
        head.scroll_into_view_if_needed()
        head.press("Enter")
        expect(head).to_be_focused()
        browser_page.wait_for_function(IS_OPEN_IN_VIEW, arg=head.element_handle())
        if name == "a question":  # also while the reader reads on in it
            browser_page.mouse.wheel(0, 300)
            browser_page.wait_for_function(IS_OPEN_IN_VIEW, arg=head.element_handle())
    wrap = browser_page.get_by_role("button", name="Wrap lines")
    wrap.press("Enter")
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert wrap.evaluate(READ_ON) < height
    browser_page.keyboard.press("Enter")
    expect(wrap).to_have_attribute("aria-pressed", "false")
    expect(wrap).to_be_focused()
    expect(wrap).to_be_in_viewport(ratio=1)


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_a_session_works_by_keyboard_alone(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    keyboard = Keyboard(chat)
    model.enqueue(stalling_after("Half"), reply("Whole."), reply("Another."))

    expect(chat.field).to_be_focused()
    keyboard.type("First question")
    keyboard.press("Enter")
    expect(chat.prose).to_have_text("Half")
    keyboard.press("Escape")
    expect(chat.status).to_have_text("Stopped")

    keyboard.choose("Try again", back=True)
    expect(chat.prose).to_have_text("Whole.")
    expect(chat.field).to_be_focused()
    keyboard.press("Alt+Shift+c")
    expect(chat.status).to_have_text("Copied")
    assert browser_page.evaluate("navigator.clipboard.readText()") == "Whole."

    keyboard.choose("Edit question", back=True)
    keyboard.press("Control+a")
    keyboard.type("First question, edited")
    keyboard.press("Enter")
    expect(chat.prose).to_have_text("Another.")
    keyboard.choose("Previous version", back=True)
    expect(chat.prose).to_have_text("Whole.")

    keyboard.press("Shift+Escape")
    expect(chat.field).to_be_focused()
    keyboard.choose("More actions", back=True)
    keyboard.press("End")
    expect(browser_page.locator(":focus")).to_have_text("Delete this version")
    keyboard.press("Enter")
    expect(chat.prose).to_have_text("Half")  # the other answer to the same question
    expect(chat.questions).to_have_text(["First question"])
    keyboard.choose("Undo", back=True)
    expect(chat.prose).to_have_text("Whole.")

    keyboard.press("Alt+Shift+o")
    expect(chat.questions).to_have_count(0)
    expect(chat.field).to_be_focused()
    keyboard.press("Alt+Shift+k")
    keyboard.type("whole")
    keyboard.go_to("First question, edited")
    keyboard.press("F2")
    keyboard.type("Renamed")
    keyboard.press("Enter")
    expect(browser_page.locator(":focus")).to_have_text("Renamed")
    keyboard.press("Enter")
    expect(chat.prose).to_have_text("Whole.")
    expect(browser_page).to_have_title("Renamed · Sluice")

    sidebar = browser_page.get_by_role("complementary", name="Conversations")
    keyboard.press("Alt+Shift+s")
    expect(sidebar).to_be_hidden()
    keyboard.choose("Settings")
    keyboard.go_to("System")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    expect(browser_page.locator("html")).to_have_attribute("data-theme", "dark")
    keyboard.press("Escape")

    keyboard.press("Alt+Shift+k")
    keyboard.go_to("Renamed")
    keyboard.press("Delete")
    expect(chat.questions).to_have_count(0)
    keyboard.press("Shift+Escape")
    keyboard.choose("Undo", back=True)
    expect(chat.prose).to_have_text("Whole.")
