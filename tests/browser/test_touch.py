"""Fingers, keyboards on the screen, and windows of little height."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, reply, resetting_after, stalling_after

from .browser_errors import BrowserErrors
from .fed_answer import FedAnswer, call_frame
from .test_conversations import converse, titles
from .test_reader import grow, stream_lines

PHONE: Final[dict[str, Any]] = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 780}}
ANSWER: Final = "Some text.\n\n```python\nprint(1)\n```\n\n" + "\n\n".join(f"Line {number}" for number in range(40))

MODELS: Final = ["one", "another"]
FRAMES: Final = """async () => {
    for (const _ of [1, 2, 3]) await new Promise((resolve) => requestAnimationFrame(resolve));
}"""

# Visible controls that are too small for a finger. Links in a text are exempt, and so is what is out of the drawer.
SMALL: Final = """() => [...document.querySelectorAll("#sluice :is(button, select, summary, input, label, nav a)")]
    .filter((each) => !each.matches("label") || each.closest(".options"))
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.matches("input[type=radio]"))
    .map((each) => ({ box: each.getBoundingClientRect(), name: each.ariaLabel || each.textContent || each.id }))
    .filter(({ box }) => box.width < 43.9 || box.height < 43.9)
    .map(({ box, name }) => `${name.trim()}: ${box.width} x ${box.height}`)"""

# Pastes a picture into the message box.
PASTE_IMAGE: Final = """async () => {
    const canvas = new OffscreenCanvas(40, 30);
    canvas.getContext("2d");
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([await canvas.convertToBlob()], "a.png", { type: "image/png" }));
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true });
    document.querySelector("#sluice-message").dispatchEvent(event);
}"""

# Safari covers the lower half of the page by its keyboard, and changes only the visual viewport.
VISUAL_VIEWPORT: Final = """() => {
    const fake = Object.assign(new EventTarget(), { height: innerHeight, offsetTop: 0, scale: 1 });
    Object.defineProperty(window, "visualViewport", { value: fake });
}"""
SHOW_KEYBOARD: Final = """height => {
    visualViewport.height = innerHeight - height;
    visualViewport.dispatchEvent(new Event("resize"));
}"""

WATCH_FOR_SCROLL_END: Final = """() => {
    addEventListener("scrollend", () => { window.scrollEnded = true; }, { once: true });
}"""

# The middle of a box, and whether a finger there meets it.
MIDDLE: Final = """(each) => {
    const box = each.getBoundingClientRect();
    return { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
}"""
IS_ON_TOP: Final = f"""(each) => {{
    const {{ x, y }} = ({MIDDLE})(each);
    return each.contains(document.elementFromPoint(x, y));
}}"""


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_nothing_takes_the_focus_by_itself_and_enter_breaks_the_line(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    expect(chat.field).not_to_be_focused()
    expect(chat.field).to_have_attribute("enterkeyhint", "enter")
    chat.page.locator(".starters button").first.tap()
    chat.wait_complete()
    # for screen readers, which go on from where the focus is
    heading = chat.page.get_by_role("heading", level=1)
    expect(heading).to_be_focused()
    chat.field.tap()
    chat.field.fill("Another question")
    chat.send_button.tap()
    expect(chat.send_button).to_be_disabled()  # once it no longer stops the answer
    expect(heading).to_be_focused()
    model.enqueue(stalling_after("Half"), reply("Whole."))
    chat.field.tap()
    chat.field.press_sequentially("one")
    chat.field.press("Enter")
    chat.field.press_sequentially("two")
    expect(chat.field).to_have_value("one\ntwo")
    chat.send_button.tap()
    expect(chat.prose).to_have_text("Half")
    chat.page.keyboard.press("Escape")  # a second tap this soon would be a double tap
    expect(chat.status).to_have_text("Stopped")
    chat.page.evaluate("document.activeElement.blur()")
    chat.choose_action("Try again")
    chat.wait_complete()
    expect(chat.field).not_to_be_focused()
    chat.questions.last.locator("xpath=..").locator("button.edit").tap()
    editor = chat.page.locator(".question-editor textarea")
    editor.press("End")
    editor.press("Enter")
    expect(editor).to_have_value("one\ntwo\n")
    chat.page.get_by_role("button", name="Cancel").tap()
    chat.page.get_by_role("button", name="New conversation").tap()
    expect(heading).to_have_text("What would you like to know?")
    expect(heading).to_be_focused()
    expect(heading).to_have_css("outline-style", "none")


@pytest.mark.browser_context(**PHONE | {"viewport": {"width": 1100, "height": 800}})
def test_back_from_the_list_leads_to_the_heading_on_a_tablet_with_a_keyboard(
    browser_page: Page, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat = ChatPage(browser_page).open()
    for question in ("First", "Second"):
        chat.page.get_by_role("button", name="New conversation").first.tap()
        chat.field.fill(question)
        chat.send_button.tap()
        chat.wait_complete()
    for title in ("First", "Second"):
        titles(chat).get_by_text(title).press("Enter")
        expect(chat.questions).to_have_text([title])
    chat.page.go_back()
    expect(chat.page.get_by_role("heading", level=1)).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.questions).to_have_text(["First"])


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_a_deletion_of_the_shown_conversation_leads_to_the_heading(
    browser_page: Page, model: ScriptedModel
) -> None:
    model.enqueue(reply("One."))
    chat = ChatPage(browser_page).open()
    chat.field.fill("First")
    chat.send_button.tap()
    chat.wait_complete()
    chat.page.get_by_role("button", name="Open the sidebar").tap()
    chat.page.get_by_role("button", name="Actions for “First”").tap()
    chat.page.get_by_role("menuitem", name="Delete").tap()
    heading = chat.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("What would you like to know?")
    expect(heading).to_be_focused()  # the search box would open a keyboard


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_a_notice_leads_to_its_conversation_and_the_focus_to_the_heading(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    answer = FedAnswer(browser_page, run="a1")
    chat.field.fill("Write to them")
    chat.send_button.tap()
    answer.send("I will write.")
    browser_page.get_by_role("button", name="New conversation").tap()
    answer.send(call_frame("call_1", "send_mail", needs_consent=True))
    browser_page.get_by_role("button", name="Show", exact=True).tap()
    heading = browser_page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Write to them")
    expect(heading).to_be_focused()
    expect(browser_page.locator(".consent")).to_be_in_viewport()


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_targets_are_large_and_the_keyboard_never_covers_the_message_box(
    browser_page: Page, model: ScriptedModel
) -> None:
    browser_page.add_init_script(f"({VISUAL_VIEWPORT})()")
    chat = ChatPage(browser_page)
    chat.configure(models=["one", "two"], model="one")
    chat.open()
    assert browser_page.evaluate(SMALL) == []
    model.enqueue(reply(ANSWER))
    chat.field.fill("Tell me")
    chat.send_button.tap()
    chat.wait_complete()
    assert browser_page.evaluate(SMALL) == []
    chat.page.evaluate(SHOW_KEYBOARD, 320)
    box = chat.page.locator("#sluice-composer").bounding_box()
    assert box is not None
    assert box["y"] > 0
    assert box["y"] + box["height"] <= 780 - 320
    chat.page.evaluate(SHOW_KEYBOARD, 0)
    chat.page.get_by_role("button", name="Open the sidebar").tap()
    chat.page.locator(".conversation .more").tap()
    expect(chat.page.get_by_role("menuitem").first).to_be_visible()
    assert browser_page.evaluate(SMALL) == []
    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("Escape")
    chat.page.get_by_role("button", name="Settings").tap()
    expect(chat.page.get_by_role("dialog", name="Settings")).to_be_visible()
    assert browser_page.evaluate(SMALL) == []


@pytest.mark.browser_context(**PHONE)
def test_a_finger_leaves_the_end_of_a_growing_answer(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    stream_lines(chat, model)
    touch = browser_page.context.new_cdp_session(browser_page)

    def finger(kind: str, *at: int) -> None:
        points = [{"x": 200, "y": y} for y in at]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    finger("touchStart", 250)
    for y in range(250, 320, 2):  # slowly: each movement is shorter than the answer grows meanwhile
        finger("touchMove", y)
    expect(browser_page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    browser_page.evaluate(WATCH_FOR_SCROLL_END)
    finger("touchEnd")
    browser_page.wait_for_function(
        "() => window.scrollEnded"
    )  # a finger that is lifted while it moves throws the page
    there = browser_page.evaluate("scrollY")
    grow(chat)
    assert browser_page.evaluate("scrollY") == there
    browser_page.keyboard.press("Escape")


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_a_deletion_in_the_drawer_can_be_undone_there(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."), reply("Two."))
    for question in ("First", "Second"):
        if chat.questions.count():
            browser_page.get_by_role("button", name="New conversation").tap()
        chat.field.fill(question)
        chat.send_button.tap()
        chat.wait_complete()
    browser_page.get_by_role("button", name="Open the sidebar").tap()
    row, dots = (browser_page.locator(f".conversation {name}").first.evaluate(MIDDLE) for name in ("a", ".more"))
    assert abs(row["y"] - dots["y"]) < 0.5
    browser_page.get_by_role("button", name="Actions for “First”").tap()
    browser_page.get_by_role("menuitem", name="Delete").tap()
    undo = browser_page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    assert undo.evaluate(IS_ON_TOP)
    drawer = browser_page.locator("#sluice-sidebar")
    expect(drawer.get_by_role("button", name="Undo")).to_be_visible()
    expect(chat.status).to_contain_text("Conversation deleted.")
    assert chat.status.evaluate("each => each.closest('[inert]')") is None, "it would not be read aloud"
    drawer.get_by_role("button", name="Close the sidebar").tap()
    expect(drawer.get_by_role("button", name="Undo")).to_have_count(0)
    undo.tap(trial=True)
    browser_page.get_by_role("button", name="Open the sidebar").tap()
    undo.tap()
    expect(browser_page.locator(".conversation")).to_have_count(2)
    expect(browser_page.locator(":focus")).to_have_accessible_name("Close the sidebar")
    # on the start screen, the offer is one row, and covers nothing of the heading
    browser_page.get_by_role("button", name="Actions for “Second”").tap()
    browser_page.get_by_role("menuitem", name="Delete").tap()
    expect(drawer).to_be_hidden()
    for language in ("en", "zh-CN"):
        chat.change_language(language)
        for width, text_size in ((390, "normal"), (320, "larger")):
            browser_page.set_viewport_size({"width": width, "height": 780})
            browser_page.evaluate("(size) => { document.documentElement.dataset.textSize = size; }", text_size)
            middles = browser_page.locator("#sluice-undo > *").evaluate_all(f"all => all.map({MIDDLE})")
            assert max(each["y"] for each in middles) - min(each["y"] for each in middles) < 3, (language, width)
            heading, offer = (browser_page.locator(name).bounding_box() for name in (".empty h1", "#sluice-undo"))
            assert heading is not None
            assert offer is not None
            assert heading["y"] + heading["height"] <= offer["y"], (language, width)


@pytest.mark.browser_context(**PHONE)
def test_on_a_small_phone_with_the_largest_text_the_name_of_the_model_is_whole(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(models=["gpt-4o", "gpt-4o-mini"], model="gpt-4o", allow_temperature=True)
    chat.open()
    choice = browser_page.get_by_label("Model", exact=True)
    parts = browser_page.locator(".composer-foot").locator("select, button:visible")
    expect(parts).to_have_count(4)

    def places(width: int, text_size: str) -> tuple[float, list[float]]:
        """Return the width of the choice, and the height at which each part of its row stands."""
        browser_page.set_viewport_size({"width": width, "height": 568})
        browser_page.evaluate("(size) => { document.documentElement.dataset.textSize = size; }", text_size)
        middles = parts.evaluate_all(f"all => all.map({MIDDLE})")
        return float(choice.evaluate("each => each.offsetWidth")), [each["y"] for each in middles]

    for name in ("gpt-4o", "gpt-4o-mini"):
        choice.select_option(name)
        for width, text_size in ((320, "normal"), (320, "large"), (360, "larger")):
            row = places(width, text_size)[1]
            assert max(row) - min(row) < 1, (width, text_size)
        whole, row = places(700, "larger")
        assert max(row) - min(row) < 1
        shown, (first, *others) = places(320, "larger")
        assert shown == whole
        assert first < others[0] - 40, "a row of its own"
        assert max(others) - min(others) < 1
        assert chat.overflow() == 0
        assert browser_page.evaluate(SMALL) == []


@pytest.mark.browser_context(**PHONE | {"viewport": {"width": 320, "height": 568}})
def test_on_a_small_phone_nothing_covers_the_editor_of_a_long_question(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."), reply(ANSWER), reply("Two."))
    for question in ("First", "word " * 120):
        chat.field.fill(question)
        chat.send_button.tap()
        chat.wait_complete()
    chat.questions.last.evaluate("each => each.scrollIntoView({ block: 'start', behavior: 'instant' })")
    to_end = browser_page.get_by_role("button", name="Jump to the latest")
    expect(to_end).to_be_visible()
    box = to_end.bounding_box()
    assert box is not None
    assert box["width"] < 46  # an arrow at the side
    assert box["x"] > 250
    browser_page.locator("button.edit").last.tap()
    ask, cancel = (browser_page.get_by_role("button", name=name, exact=True) for name in ("Ask", "Cancel"))
    expect(browser_page.locator(".question-editor textarea")).to_be_focused()
    expect(to_end).to_be_hidden()
    assert ask.evaluate(IS_ON_TOP)
    assert cancel.evaluate(IS_ON_TOP)
    bar, editor = (browser_page.locator(name).bounding_box() for name in (".bar", ".question-editor"))
    assert bar is not None
    assert editor is not None
    assert editor["y"] >= bar["y"] + bar["height"]
    cancel.tap()
    # an offer in one row, and a button in a sentence
    chat.choose_action("Delete question and answer")
    undo = browser_page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    middles = browser_page.locator("#sluice-undo > *").evaluate_all(f"all => all.map({MIDDLE})")
    assert max(each["y"] for each in middles) - min(each["y"] for each in middles) < 3
    undo.tap()
    expect(chat.questions).to_have_count(2)
    chat.choose_action("Edit question", 0)
    ask.tap()
    chat.wait_complete()
    lines = browser_page.locator(".later").evaluate("each => each.getBoundingClientRect().height")
    assert lines % 24.75 < 1


# Buttons of the conversation that the button to the end covers, also in part; null where that is not shown.
COVERED: Final = """() => {
    const arrow = document.querySelector("#sluice-to-end");
    if (arrow.hidden) return null;
    const { left, right, top, bottom } = arrow.getBoundingClientRect();
    return [...document.querySelectorAll("#sluice-log button")]
        .filter((each) => each.checkVisibility())
        .map((each) => ({ box: each.getBoundingClientRect(), name: each.ariaLabel || each.textContent }))
        .filter(({ box }) => box.right > left && box.left < right && box.bottom > top && box.top < bottom)
        .map(({ name }) => `${name} at ${scrollY}`);
}"""
COVERED_ANYWHERE: Final = f"""async () => {{
    const found = [];
    for (let top = 0; top < document.documentElement.scrollHeight; top += 23) {{
        scrollTo({{ top, behavior: "instant" }});
        for (const _ of [1, 2]) await new Promise((resolve) => requestAnimationFrame(resolve));
        found.push(({COVERED})());
    }}
    return found;
}}"""


@pytest.mark.browser_context(**PHONE | {"viewport": {"width": 320, "height": 568}})
def test_on_a_small_phone_no_button_is_under_the_one_to_the_end_or_the_dock_that_grows(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    answer = "word " * 120 + "\n\n```python\n" + "line\n" * 9 + "```\n\n" + "word " * 90
    model.enqueue(reply(answer), reply(answer))
    for question in ("First " + "word " * 20, "Second " + "word " * 20):
        chat.field.fill(question)
        chat.send_button.tap()
        chat.wait_complete()
    seen = browser_page.evaluate(COVERED_ANYWHERE)
    assert len([each for each in seen if each is not None]) > 40, "the button was not shown"
    assert [each for each in seen if each] == []
    # Edit has the focus just above the dock, where a notice comes
    edit = browser_page.locator("button.edit").last
    edit.evaluate(
        """each => {
            const dock = document.querySelector(".dock").getBoundingClientRect();
            scrollBy({ top: each.getBoundingClientRect().bottom + 9 - dock.top, behavior: "instant" });
            each.focus({ preventScroll: true });
        }"""
    )
    browser_page.context.set_offline(True)
    notice = browser_page.get_by_role("alert").filter(has_text="You are offline.")
    expect(notice).to_be_visible()
    browser_page.evaluate(FRAMES)
    assert edit.evaluate(IS_ON_TOP)
    assert browser_page.evaluate(COVERED) == []
    # who reads elsewhere stays there
    browser_page.context.set_offline(False)
    expect(notice).to_be_hidden()
    browser_page.evaluate("scrollTo({ top: 200, behavior: 'instant' })")
    browser_page.context.set_offline(True)
    expect(notice).to_be_visible()
    browser_page.evaluate(FRAMES)
    assert browser_page.evaluate("scrollY") == 200


# How far the paragraphs begin below the bar.
BELOW_BAR: Final = """() => {
    const { bottom } = document.querySelector("#sluice-bar").getBoundingClientRect();
    return [...document.querySelectorAll(".prose p")].map((each) => each.getBoundingClientRect().top - bottom);
}"""


@pytest.mark.browser_context(**PHONE)
def test_turning_a_phone_keeps_the_place_in_the_text(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    text = "\n\n".join(
        f"Paragraph {number} with some words in it to fill the line and wrap it once." for number in range(60)
    )
    model.enqueue(reply(text), reply(text))
    for question in ("One", "Two"):
        chat.field.fill(question)
        chat.send_button.click()
        chat.wait_complete()
    # 50 pixels below the bar: in the wider window, the paragraph before has room there, too
    chat.prose.locator("p").nth(30).evaluate(
        """each => { const { bottom } = document.querySelector("#sluice-bar").getBoundingClientRect();
                    scrollBy({ top: each.getBoundingClientRect().top - bottom - 50, behavior: "instant" }); }"""
    )
    browser_page.evaluate(FRAMES)
    before = browser_page.evaluate(BELOW_BAR)
    read = next(index for index, top in enumerate(before) if top >= 0)
    for width, height in ((780, 390), (390, 780), (780, 390), (390, 780)):
        browser_page.set_viewport_size({"width": width, "height": height})
        browser_page.wait_for_function(f"() => innerWidth === {width}")
        browser_page.evaluate(FRAMES)
        assert abs(browser_page.evaluate(BELOW_BAR)[read] - before[read]) <= 2, width


# Each is longer than the window, which shows neither its beginning nor its end.
LONG_BLOCKS: Final = {
    "pre": "```python\n" + "".join(f"line_{number} = {number}  # some words\n" for number in range(150)) + "```",
    "table": "|a|b|\n|-|-|\n" + "".join(f"|row {number}|{'some words ' * 9}|\n" for number in range(80)),
    "li": "- " + "".join(f"Word{number} and then some more. " for number in range(300)),
    ".formula": "\n".join(f"$$\nx_{{{number}}} = \\frac{{1}}{{{number}}}\n$$\n" for number in range(1, 60)),
}
# Scrolls into the middle of a block, and notes what is read there: a letter some lines below the bar.
READ: Final = """async selector => {
    const scroller = document.querySelector(".guest .column") ?? window;
    const block = [...document.querySelectorAll(`.prose ${selector}`)].at(-1).closest(".prose");
    const { bottom } = document.querySelector("#sluice-bar").getBoundingClientRect();
    for (const _ of [1, 2]) { // what was out of view has its height only afterwards
        const box = block.getBoundingClientRect();
        scroller.scrollBy({ top: box.top + box.height * 0.4 - bottom, behavior: "instant" });
        for (const _ of [1, 2, 3]) await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    window.read = document.createRange();
    do {
        walker.nextNode();
        read.selectNodeContents(walker.currentNode);
    } while (read.getBoundingClientRect().bottom < bottom + 80);
    for (let at = 0; at < walker.currentNode.length; at += 1) {
        read.setStart(walker.currentNode, at);
        read.setEnd(walker.currentNode, at + 1);
        if (read.getBoundingClientRect().top > bottom + 40) return;
    }
}"""
READ_BELOW_BAR: Final = """() =>
    read.getBoundingClientRect().top - document.querySelector("#sluice-bar").getBoundingClientRect().bottom"""


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(((780, 390), (390, 780)), marks=pytest.mark.browser_context(**PHONE), id="turning a phone"),
        pytest.param(
            ((600, 800), (1300, 800)),
            marks=pytest.mark.browser_context(viewport={"width": 1300, "height": 800}),
            id="a window made narrower",
        ),
    ],
)
def test_another_width_keeps_the_place_in_a_block_that_is_longer_than_the_window(
    browser_page: Page, model: ScriptedModel, sizes: tuple[tuple[int, int], ...]
) -> None:
    chat = ChatPage(browser_page).open()
    before = "\n\n".join(f"{number} {'Some words that wrap. ' * 20}" for number in range(30))
    model.enqueue(reply(before), *(reply(f"{block}\n\nThe end.") for block in LONG_BLOCKS.values()))
    for question in ("Before", *LONG_BLOCKS):
        chat.field.fill(question)
        chat.send_button.click()
        chat.wait_complete()
    for block in LONG_BLOCKS:
        browser_page.evaluate(READ, block)
        start = browser_page.evaluate(READ_BELOW_BAR)
        for width, height in sizes:
            browser_page.set_viewport_size({"width": width, "height": height})
            browser_page.wait_for_function(f"() => innerWidth === {width}")
            browser_page.evaluate(FRAMES)
            assert abs(browser_page.evaluate(READ_BELOW_BAR) - start) <= 80, (block, width)


@pytest.mark.browser_context(**PHONE)
def test_the_systems_back_closes_the_drawer(browser_page: Page, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("Failed to load resource")
    browser_page.route("**/ui/system_back.js", lambda route: route.abort(), times=1)
    # the browser's own request to close, which Android's Back makes
    browser_page.add_init_script(
        "window.CloseWatcher = class extends CloseWatcher { constructor() { super(); window.watcher = this; } }"
    )
    chat = ChatPage(browser_page)
    with browser_page.expect_event("requestfailed"):
        chat.open()
    browser_page.evaluate("dispatchEvent(new Event('online'))")  # what could not be loaded is loaded then
    for _ in range(2):
        chat.page.get_by_role("button", name="Open the sidebar").tap()
        expect(chat.page.get_by_role("complementary", name="Conversations")).to_be_visible()
        browser_page.evaluate("window.watcher.requestClose()")
        expect(chat.page.get_by_role("complementary", name="Conversations")).to_be_hidden()
        expect(chat.page.get_by_role("button", name="Open the sidebar")).to_be_focused()


@pytest.mark.browser_context(viewport={"width": 320, "height": 200})
def test_at_400_percent_zoom_most_of_the_window_is_left_to_read(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page)
    chat.configure(models=["a-model-with-quite-a-long-name", "another"], model="another", allow_temperature=True)
    chat.open()
    composer = chat.page.locator("#sluice-composer").bounding_box()
    assert composer is not None
    assert composer["y"] + composer["height"] <= 200, "the greeting gives way"
    model.enqueue(reply(ANSWER))
    converse(chat, "Tell me")
    # all of the message box is in one row, with the choice of model
    places = {name: chat.page.locator(name).bounding_box() for name in ("#sluice-message", "#sluice-model", ".send")}
    for place in places.values():
        assert place is not None
        assert 100 < place["y"] < place["y"] + place["height"] <= 200
    field = places["#sluice-message"]
    assert field is not None
    assert field["width"] >= 100
    chat.page.get_by_label("Model", exact=True).select_option("a-model-with-quite-a-long-name")
    chat.page.mouse.move(160, 60)
    chat.page.mouse.wheel(0, -400)
    expect(chat.page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    # the rows of pixels in which the answer is what a click would hit
    rows = chat.page.evaluate(
        "Array.from({ length: innerHeight }, (_, y) => document.elementFromPoint(40, y)?.closest('.answer'))"
        ".filter(Boolean).length"
    )
    assert rows >= 120
    chat.page.get_by_role("button", name="Edit question").click()
    editor = chat.page.locator(".question-editor textarea").bounding_box()
    dock = chat.page.locator("#sluice-dock").bounding_box()
    assert editor is not None
    assert dock is not None
    assert 0 <= editor["y"] < editor["y"] + editor["height"] <= dock["y"]
    assert chat.overflow() == 0


@pytest.mark.browser_context(viewport={"width": 320, "height": 200})
def test_at_400_percent_zoom_the_header_of_short_code_does_not_cover_it(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("Some text.\n\n```python\nprint(1)\n```"))
    chat.ask_and_wait("A question")
    header = chat.prose.locator("figcaption").bounding_box()
    code = chat.prose.locator("code").bounding_box()
    assert header is not None
    assert code is not None
    assert header["y"] + header["height"] <= code["y"] + 1


# The names of the buttons below the last answer, and whether they are in one row inside the window.
ROW: Final = """() => {
    const all = [...document.querySelectorAll(".exchange:last-child .ending .actions button")]
        .filter((each) => each.checkVisibility());
    const boxes = all.map((each) => each.getBoundingClientRect());
    const isOneRow = boxes.every(({ top, bottom, left, right }) =>
        top < boxes[0].bottom && bottom > boxes[0].top && left >= 0 && right <= innerWidth);
    return [all.map((each) => each.textContent.trim()), isOneRow];
}"""


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_the_buttons_below_an_answer_are_one_row_and_the_menu_has_the_rest(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 502")
    chat = ChatPage(browser_page).open()
    menu = chat.page.get_by_role("menuitem")

    def row(width: int) -> list[str]:
        browser_page.set_viewport_size({"width": width, "height": 780})
        names, is_one_row = browser_page.evaluate(ROW)
        assert is_one_row, (width, names)
        return list(names)

    model.enqueue(resetting_after("Half"), reply("Whole."))
    chat.field.fill("A question")
    chat.send_button.tap()
    expect(chat.failure).to_be_visible()
    for width in (320, 390):
        assert row(width) == ["Continue", "Copy answer", "More actions"]
    chat.answer.get_by_role("button", name="More actions").tap()
    expect(menu).to_have_text(["Try again", "Details", "Delete question and answer"])
    menu.first.tap()
    expect(chat.prose).to_have_text("Whole.")
    chat.wait_complete()
    versions = ["Previous version", "Next version"]
    for width in (320, 390):
        assert row(width) == [*versions, "Copy answer", "Regenerate", "More actions"]
    chat.answer.get_by_role("button", name="More actions").tap()
    expect(menu).to_have_text(["Details", "Delete this version"])
    menu.first.tap()
    expect(chat.details).to_contain_text("Total time")
    failed = {"success": False, "error": "No.", "code": "context_length_exceeded", "retryable": False}
    chat.reply_once(status=502, json=failed)
    chat.field.fill("Another question")
    chat.send_button.tap()
    expect(chat.failure).to_be_visible()
    for width in (320, 390):
        assert row(width) == ["New conversation with this question", "More actions"]
    # of an earlier answer, the menu has also what belongs to its question
    earlier = chat.page.locator(".exchange").first
    names = earlier.locator("button:visible").evaluate_all("all => all.map((each) => each.textContent.trim())")
    assert names == [*versions, "Copy answer", "More actions"]
    earlier.get_by_role("button", name="More actions").tap()
    expect(menu).to_have_text(["Details", "Regenerate", "Copy question", "Edit question", "Delete this version"])
    # its own button is not there to say that the question is copied
    browser_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    menu.filter(has_text="Copy question").tap()
    copied = earlier.get_by_role("button", name="Copied")
    expect(copied.and_(chat.page.locator(".more")).locator("use")).to_have_attribute("href", "#sluice-icon-check")
    expect(chat.status).to_have_text("Copied")
    assert browser_page.evaluate("() => navigator.clipboard.readText()") == "A question"
    expect(copied).to_have_count(0)
    earlier.get_by_role("button", name="More actions").tap()
    menu.filter(has_text="Edit question").tap()
    expect(earlier.get_by_role("textbox", name="Edit your question")).to_be_focused()


@pytest.mark.browser_context(**PHONE)
def test_on_a_phone_footnotes_are_shown(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("A claim[^1].\n\n[^1]: Its source."))
    chat.field.fill("A question")
    chat.send_button.tap()
    chat.wait_complete()
    for height in (780, 200):
        browser_page.set_viewport_size({"width": 320, "height": height})
        expect(chat.prose.get_by_text("Its source.")).to_be_visible()


def test_at_400_percent_zoom_the_message_has_a_row_of_its_own_and_leaves_half_of_the_window(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page)
    chat.configure(images=True, max_body_bytes=2**23, allow_system_prompt=True, models=MODELS, model="one")
    chat.open()
    model.enqueue(reply(ANSWER))
    chat.ask_and_wait("Tell me")
    chat.field.fill("A question that has no room in one line. " * 8)
    foot, dock = browser_page.locator(".composer-foot"), browser_page.locator("#sluice-dock")
    expect(browser_page.get_by_role("button", name="Add files")).to_be_enabled()
    sizes = [(320, 256, "normal"), (400, 256, "normal"), (256, 256, "normal"), (320, 200, "normal")]
    for width, height, size in (*sizes, (320, 256, "larger"), (400, 300, "larger")):
        browser_page.set_viewport_size({"width": width, "height": height})
        browser_page.evaluate("(size) => { document.documentElement.dataset.textSize = size; }", size)
        browser_page.evaluate(FRAMES)
        message, buttons, whole = chat.field.bounding_box(), foot.bounding_box(), dock.bounding_box()
        assert message is not None
        assert buttons is not None
        assert whole is not None
        assert message["width"] > 0.75 * width
        assert buttons["y"] >= message["y"] + message["height"] - 1
        assert whole["height"] <= height * 0.51, (width, height, size)
        expect(chat.send_button).to_be_in_viewport(ratio=1)
        assert chat.overflow() == 0
    # images take more: then all of it scrolls away
    browser_page.evaluate("document.documentElement.dataset.textSize = 'normal'")
    browser_page.set_viewport_size({"width": 320, "height": 256})
    browser_page.evaluate(PASTE_IMAGE)
    expect(browser_page.locator(".attachments").get_by_role("img")).to_be_visible()
    expect(dock).to_have_css("position", "relative")
    expect(chat.field).to_be_in_viewport(ratio=1)  # who was at the end is still there
    # where the buttons leave room beside them, a second row would cost a line of text
    browser_page.set_viewport_size({"width": 780, "height": 340})
    expect(dock).to_have_css("position", "sticky")
    message, buttons = chat.field.bounding_box(), foot.bounding_box()
    assert message is not None
    assert buttons is not None
    assert buttons["x"] >= message["x"] + message["width"] - 1


@pytest.mark.browser_context(viewport={"width": 320, "height": 200})
def test_at_400_percent_zoom_notices_are_whole_and_the_undo_offer_is_low(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply(ANSWER), reply("Two."))
    converse(chat, "Tell me")
    converse(chat, "And again")
    browser_page.context.set_offline(True)
    notice = chat.page.get_by_role("alert").filter(has_text="You are offline.")
    expect(notice).to_be_visible()
    cut = "each => { for (let up = each; up; up = up.parentElement) if (up !== document.documentElement &&"
    cut += " up.scrollHeight > up.clientHeight + 1 && getComputedStyle(up).overflowY !== 'visible') return true;"
    cut += " return false; }"
    assert notice.evaluate(cut) is False
    expect(chat.field).to_be_in_viewport(ratio=1)  # who was at the end is still there
    browser_page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    rows = "Array.from({ length: innerHeight }, (_, y) => document.elementFromPoint(40, y)?.closest('.dock'))"
    assert browser_page.evaluate(f"{rows}.filter(Boolean).length") == 0, "a notice is in the flow of the page"
    browser_page.context.set_offline(False)
    expect(notice).to_be_hidden()
    chat.choose_action("Delete question and answer")
    undo = chat.page.locator("#sluice-undo").bounding_box()
    assert undo is not None
    assert undo["height"] <= 40
    expect(chat.page.get_by_role("button", name="Undo")).to_be_in_viewport(ratio=1)
