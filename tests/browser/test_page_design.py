"""Who speaks, actions and their names, menus, the message box, code blocks, the start screen."""

from __future__ import annotations

import re
import textwrap
from base64 import b64encode
from typing import Final, Literal

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.scripted_model import ScriptedModel, finished, reply, said

from .compared_picture import COMPARED, PAPER
from .fed_answer import FedAnswer, numbered
from .held_requests import HeldRequests

LONG = "\n".join(f"Line {number} of a log" for number in range(60))
FORM = """element => {
    const { backgroundColor, fontFamily } = getComputedStyle(element);
    const { fontSize } = getComputedStyle(element.querySelector("p"));
    return [backgroundColor, fontFamily, fontSize, element.getBoundingClientRect().right];
}"""
CODE = "```python\nx = " + "value + " * 60 + "the_end\n" + "y = 1\n" * 80 + "```"

# Whether any of three pixels just below the upper left and right corners differs from the paper.
EDGES = f"""async (given) => {{
    const {{ width, farthest }} = await ({COMPARED})(given);
    return [0, width - 3].map((x) => farthest(x, 2, 3) > 6);
}}"""


# The number of colours in a picture.
COLOURS: Final = """async (picture) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.fromBase64(picture)], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    canvas.drawImage(bitmap, 0, 0);
    const { data, width, height } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
    return new Set(new Uint32Array(data.buffer, 0, width * height)).size;
}"""


# The icons that are shown, each with the name of its button or menu item.
ICONS: Final = """() => [...document.querySelectorAll("#sluice use")]
    .filter((use) => (use.checkVisibility() || use.closest(".to-end")) && use.closest("button, [role=menuitem]"))
    .map((use) => {
        const button = use.closest("button, [role=menuitem]");
        return [use.getAttribute("href"), (button.ariaLabel || button.textContent).trim()];
    })"""

THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
# The contrast of the mark with the paper at moments of its pulse.
CONTRASTS: Final = """(answer) => {
    const pulse = answer.getAnimations({ subtree: true }).find(({ effect }) => effect.pseudoElement === "::after");
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const luminance = (...layers) => {
        for (const [colour, opacity] of layers) {
            context.globalAlpha = opacity;
            context.fillStyle = colour;
            context.fillRect(0, 0, 1, 1);
        }
        const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const paper = getComputedStyle(document.documentElement).backgroundColor;
    const found = [0, 0.25, 0.5, 0.75].map((part) => {
        pulse.pause();
        pulse.currentTime = part * pulse.effect.getComputedTiming().duration;
        const { borderTopColor, opacity } = getComputedStyle(answer, "::after");
        const [low, high] = [luminance([paper, 1]), luminance([paper, 1], [borderTopColor, Number(opacity)])]
            .sort((one, other) => one - other);
        return (high + 0.05) / (low + 0.05);
    });
    pulse.play();
    return found;
}"""


TOP = "(each) => each.getBoundingClientRect().top"


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    """Return the open chat page."""
    return ChatPage(browser_page).open()


def height(locator: Locator) -> float:
    """Return the height of an element."""
    box = locator.bounding_box()
    assert box is not None
    return box["height"]


def test_every_question_has_one_form_and_a_long_one_is_folded(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("Short?")
    chat.ask_and_wait(LONG)
    short, long = chat.questions.all()
    assert short.evaluate(FORM) == long.evaluate(FORM)
    paper = chat.page.locator("html").evaluate("element => getComputedStyle(element).backgroundColor")
    assert paper not in (short.evaluate(FORM)[0], "rgba(0, 0, 0, 0)")
    expect(short.get_by_role("button")).to_have_count(0)
    folded = height(long)
    assert folded < 400
    chat.page.get_by_role("button", name="Show more").click()
    assert height(long) > 60 * 20
    less = chat.page.get_by_role("button", name="Show less")
    long.evaluate("(each) => scrollBy({ top: each.getBoundingClientRect().top, behavior: 'instant' })")
    expect(less).to_be_in_viewport(ratio=1)
    box = less.bounding_box()
    assert box is not None
    beside = {"x": box["x"] + box["width"] + 8, "y": box["y"], "width": 40, "height": box["height"]}
    picture = b64encode(chat.page.screenshot(clip=beside)).decode()
    assert chat.page.evaluate(COLOURS, picture) == 1  # no half of a line
    less.click()
    assert height(long) == folded


def test_a_tooltip_shows_the_name_and_the_keys_of_an_icon_button(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    tooltip = chat.page.locator(".tooltip")
    chat.answer.get_by_role("button", name="Copy answer").hover()
    expect(tooltip).to_have_text("Copy answerAlt+Shift+C")
    expect(tooltip).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(tooltip).to_be_hidden()
    chat.field.press("Shift+Tab")
    expect(chat.page.get_by_role("button", name="More actions")).to_be_focused()
    expect(tooltip).to_have_text("More actions")
    expect(tooltip).to_be_visible()
    chat.field.focus()
    expect(tooltip).to_be_hidden()


def test_a_menu_floats_and_is_used_by_keyboard(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    before = height(chat.page.locator(".conversations"))
    button = chat.page.get_by_role("button", name="Actions for “First”")
    items = chat.page.get_by_role("menuitem")
    focused = chat.page.locator(":focus")
    button.focus()
    chat.page.keyboard.press("ArrowDown")
    expect(items).to_have_text(["Pin", "Rename", "Export as Markdown", "Export as JSON", "Delete"])
    expect(button).to_have_attribute("aria-expanded", "true")
    assert height(chat.page.locator(".conversations")) == before
    for key, name in (("ArrowUp", "Delete"), ("ArrowDown", "Pin"), ("r", "Rename"), ("End", "Delete")):
        chat.page.keyboard.press(key)
        expect(focused).to_have_text(name)
    chat.page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(button).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(items.first).to_be_focused()
    chat.prose.click()
    expect(items).to_have_count(0)
    expect(button).to_have_attribute("aria-expanded", "false")


def test_another_version_says_where_the_later_messages_are(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."), reply("Another."))
    chat.ask_and_wait("First")
    chat.ask_and_wait("Second")
    chat.page.get_by_role("button", name="Regenerate").first.click()
    expect(chat.prose).to_have_text("Another.")
    note = chat.page.get_by_text("The messages that followed are in version 1 of this answer.")
    expect(note).to_be_visible()
    # the ring of its button covers nothing of the sentence
    chat.page.keyboard.press("Tab")
    note.get_by_role("button").focus()
    sentence, ring = note.evaluate(
        """(note) => {
            const range = document.createRange();
            range.setStart(note.firstChild, 0);
            range.setEnd(note.firstChild, note.firstChild.textContent.trimEnd().length);
            const button = note.querySelector("button");
            const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(button);
            if (outlineStyle === "none") throw new Error("There is no ring.");
            const ring = button.getBoundingClientRect().left - parseFloat(outlineWidth) - parseFloat(outlineOffset);
            return [range.getBoundingClientRect().right, ring];
        }"""
    )
    assert sentence <= ring
    # where its button begins a line, its words begin with those of the sentence
    chat.page.set_viewport_size({"width": 560, "height": 800})
    starts = note.evaluate(
        """(note) => [note, note.querySelector("button")].map((each) => {
            const range = document.createRange();
            range.selectNodeContents(each);
            const { left, top } = range.getClientRects()[0];
            return [Math.round(left), Math.round(top)];
        })"""
    )
    assert starts[0][0] == starts[1][0]
    assert starts[0][1] < starts[1][1]
    note.get_by_role("button").click()
    expect(chat.questions).to_have_text(["First", "Second"])
    expect(note).to_have_count(0)


def test_the_message_box_has_a_ring_for_the_keyboard_only(chat: ChatPage) -> None:
    box = chat.page.locator("#sluice-composer")
    chat.field.click()
    expect(box).to_have_css("outline-style", "none")
    chat.page.keyboard.press("Tab")
    chat.page.keyboard.press("Shift+Tab")
    expect(chat.field).to_be_focused()
    expect(box).to_have_css("outline-style", "solid")


def test_long_code_keeps_its_header_in_view_and_can_wrap(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply(CODE))
    prose = chat.ask_and_wait("Show me")
    header, pre = prose.locator("figcaption"), prose.locator("pre")
    expect(header).to_be_in_viewport()  # the end of the code is shown
    assert pre.evaluate("element => element.scrollWidth > element.clientWidth")
    wrap = header.get_by_role("button", name="Wrap lines")
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert pre.evaluate("element => element.scrollWidth <= element.clientWidth")
    wrap.click()
    assert pre.evaluate("element => element.scrollWidth > element.clientWidth")


@pytest.mark.browser_context(reduced_motion="no-preference")
def test_the_mark_of_the_next_word_rests_while_the_connection_is_lost(chat: ChatPage) -> None:
    events = HeldRequests(chat.page, "**/api/runs/a1/events")
    answer = FedAnswer(chat.page, run="a1")
    chat.ask("Tell me")
    answer.send("Half a sentence")
    states = "(answer) => answer.getAnimations({ subtree: true }).map(({ playState }) => playState)"
    expect(chat.prose.locator("p")).to_be_visible()
    assert chat.answer.evaluate(states) == ["running"]
    answer.end()
    expect(chat.answer.locator(".connection")).to_be_visible()
    assert chat.answer.evaluate(states) == ["paused"]
    rest = numbered(2, " and the rest.", DONE_FRAME)
    events.fulfill(content_type="text/event-stream", body=rest)
    chat.wait_complete()
    expect(chat.prose).to_have_text("Half a sentence and the rest.")


@pytest.mark.browser_context(reduced_motion="no-preference")
def test_a_mark_pulses_where_the_next_word_comes_unless_motion_is_reduced(
    chat: ChatPage, model: ScriptedModel
) -> None:
    word, end = model.gate("before the first token"), model.gate("before the end")
    model.enqueue((word, *said("- one\n- two"), end, *finished()))
    mark = "(element) => { const { content, animationName } = getComputedStyle(element, '::after');"
    mark += " return [content !== 'none', animationName]; }"
    chat.ask("Tell me")
    expect(chat.answer).to_have_class("answer running waiting")
    assert chat.answer.evaluate(mark) == [True, "sluice-pulse"]
    for theme in THEMES:
        chat.page.emulate_media(color_scheme=theme)
        assert min(chat.answer.evaluate(CONTRASTS)) >= 3, theme
    chat.page.emulate_media(color_scheme="light")
    word.open()
    last = chat.prose.locator("li").last
    expect(last).to_have_text("two")
    assert last.evaluate(mark) == [True, "sluice-pulse"]
    chat.page.emulate_media(reduced_motion="reduce")
    assert last.evaluate(mark) == [True, "none"]
    end.open()
    chat.wait_complete()
    assert last.evaluate(mark)[0] is False
    for text, name in (("```\nx = 1\n", ".lines"), ("- one\n  - two", "li li"), ("|a|\n|-|\n|1|\n", "td")):
        end = model.gate(f"before the end of {name}")
        model.enqueue((*said(text), end, *finished()))
        chat.ask("Tell me")
        last = chat.prose.locator(name).last
        expect(last).to_be_visible()
        assert last.evaluate(mark)[0] is True, name
        marks = chat.prose.locator("*").evaluate_all(f"all => all.filter((each) => ({mark})(each)[0]).length")
        assert marks == 1, name
        end.open()
        chat.wait_complete()
        assert last.evaluate(mark)[0] is False, name


def test_an_empty_list_of_conversations_says_so_across_the_sidebar(chat: ChatPage) -> None:
    note = chat.page.locator(".list-empty:not([hidden])")
    expect(note).to_be_visible()
    box = note.bounding_box()
    assert box is not None
    assert box["width"] > 150
    assert box["x"] > 10


def test_a_pinned_conversation_stays_at_the_top_until_it_is_unpinned(chat: ChatPage, model: ScriptedModel) -> None:
    titles = chat.page.locator(".conversation a")
    model.enqueue(reply("One."), reply("Two."), reply("Three."))
    chat.ask_and_wait("First")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.ask_and_wait("Second")
    top = chat.page.get_by_role("heading", name="Today").evaluate(TOP)
    chat.page.get_by_role("button", name="Actions for “First”").click()
    chat.page.get_by_role("menuitem", name="Pin").click()
    expect(titles).to_have_text(["First", "Second"])
    expect(titles.first).to_be_focused()
    headings = chat.page.locator(".conversations h2:visible")
    expect(headings).to_have_text(["Pinned", "Today"])
    assert headings.first.evaluate(TOP) == top  # the first heading has one place, whichever it is
    titles.first.click()
    chat.ask_and_wait("And on")  # writes the conversation again
    chat.wait_saved()
    chat.page.reload()
    expect(chat.page.get_by_role("heading", name="Pinned")).to_be_visible()
    expect(titles).to_have_text(["First", "Second"])
    chat.page.get_by_role("button", name="Actions for “First”").click()
    chat.page.get_by_role("menuitem", name="Unpin").click()
    expect(chat.page.get_by_role("heading", name="Pinned")).to_be_hidden()


@pytest.mark.parametrize("demo", [False, True], ids=["model", "demo"])
def test_only_the_demo_offers_questions_about_the_product(browser_page: Page, demo: bool) -> None:
    def mark(route: Route) -> None:
        html = route.fetch().text()
        html = html.replace("data-is-page", "data-is-page data-demo")
        main = re.search(r'id="sluice-main"[^>]*>', html)
        assert main is not None
        notice = '<div class="notice"><p data-text="demoNotice"></p></div>'
        route.fulfill(body=html.replace(main[0], main[0] + notice), content_type="text/html")

    if demo:
        browser_page.route(re.compile(r"/$"), mark)
    chat = ChatPage(browser_page).open()
    text = chat.page.locator(".starters").inner_text()
    assert ("Flask" in text) is demo
    notice = chat.page.locator("#sluice-main > .notice")
    if demo:
        expect(notice).to_contain_text("Set OPENAI_API_KEY or OPENAI_BASE_URL for a real one.")
    assert "Sluice" not in chat.page.locator("#sluice-empty").inner_text()
    field, cards = (each.bounding_box() for each in (chat.field, chat.page.locator(".starters")))
    assert field is not None
    assert cards is not None
    assert field["y"] < cards["y"]
    for kind, prompt in (each.inner_text().split("\n", 1) for each in chat.page.locator(".starters button").all()):
        assert not prompt.strip().startswith(kind)
    # in the order of their places
    focused = chat.page.locator(":focus")
    expect(chat.page.get_by_role("button", name="Add files")).to_be_enabled()
    chat.field.focus()
    chat.page.keyboard.press("Tab")
    expect(focused).to_have_text("Add files")
    for _ in range(chat.page.locator(".starters button").count()):
        chat.page.keyboard.press("Tab")
        assert focused.evaluate("each => each.closest('.starters') !== null")
    chat.page.keyboard.press("Tab")
    expect(focused).to_have_text("Keyboard shortcuts")
    chat.ask_and_wait("Hello?")
    expect(notice).to_be_hidden()  # the demo's answers say it


def test_what_is_wide_is_shaded_where_a_part_is_out_of_view(chat: ChatPage, model: ScriptedModel) -> None:
    header = "|" + "|".join(f" column {number} " for number in range(20)) + "|"
    table = f"{header}\n|" + "-|" * 20 + "\n" + "|a" * 20 + "|\n"
    model.enqueue(
        reply(f"{table}\n```\n{'word ' * 60}\n```\n\n$${'x + ' * 60} y$$"),
        reply("|a|b|\n|-|-|\n|1|2|\n\n```\nword\n```\n\n$$x$$"),
    )
    wide = chat.ask_and_wait("Wide")
    expect(wide.locator(".katex")).to_be_visible()

    def edges(box: Locator, behind: str) -> list[bool]:
        """Whether the left and the right edge differ in colour from what is behind the text."""
        box.scroll_into_view_if_needed()
        picture = b64encode(box.screenshot()).decode()
        paper = chat.page.evaluate(PAPER, behind)
        found: list[bool] = chat.page.evaluate(EDGES, {"picture": picture, "paper": paper})
        return found

    kinds = {".table": "html", "pre": ".code", "div.formula": "html"}
    for name, behind in kinds.items():
        box = wide.locator(name)
        seen = []
        for left in (0, 200, 100_000):
            box.evaluate("(each, left) => each.scrollTo({ left, behavior: 'instant' })", left)
            seen.append(edges(box, behind))
        assert seen == [[False, True], [True, True], [True, False]], name
    narrow = chat.ask_and_wait("Narrow")
    expect(narrow.locator(".katex")).to_be_visible()
    for name, behind in kinds.items():
        assert edges(narrow.locator(name), behind) == [False, False], name


# How far the screen's pixels at the left and right edge of a box are from the colour behind it, at the most.
SHADES: Final = f"""async (box, given) => {{
    const {{ farthest }} = await ({COMPARED})(given);
    const {{ left, right, top }} = box.getBoundingClientRect();
    return [left, right].map((edge) => {{
        const [x, y] = [edge, top + 2].map((length) => Math.round(length * devicePixelRatio));
        return farthest(x - 3, y, 6);
    }});
}}"""


@pytest.mark.browser_context(viewport={"width": 390, "height": 800}, reduced_motion="reduce")
@pytest.mark.parametrize("text", ["Text", "שלום עולם"], ids=["left to right", "right to left"])
def test_what_fits_has_no_shade_between_two_pixels_of_the_screen(
    chat: ChatPage, model: ScriptedModel, text: str
) -> None:
    model.enqueue(reply(f"{text}\n\n|{text}|b|\n|-|-|\n|1|2|\n\n$$x$$"))
    prose = chat.ask_and_wait("Narrow")
    expect(prose.locator(".katex")).to_be_visible()
    screen = chat.page.context.new_cdp_session(chat.page)
    for scheme in ("light", "dark"):
        chat.page.emulate_media(color_scheme=scheme)
        for scale, width in ((1, 390), (1.25, 411), (1.25, 412), (1.5, 412), (2, 412), (2.625, 412), (3, 390)):
            metrics = {"width": width, "height": 800, "deviceScaleFactor": scale, "mobile": False}
            screen.send("Emulation.setDeviceMetricsOverride", metrics)
            chat.page.wait_for_function("width => innerWidth === width", arg=width)
            picture = screen.send("Page.captureScreenshot", {"format": "png"})["data"]
            paper = chat.page.evaluate(PAPER, "html")
            for name in (".table", "div.formula"):
                shades = prose.locator(name).evaluate(SHADES, {"picture": picture, "paper": paper})
                assert max(shades) < 4, (name, scheme, scale, width, shades)


@pytest.mark.browser_context
def test_the_button_that_was_pressed_shows_no_tooltip_until_the_pointer_has_left(
    browser_page: Page, model: ScriptedModel
) -> None:
    browser_page.clock.install()
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    tooltip = chat.page.locator(".tooltip")
    button = chat.answer.get_by_role("button", name="Regenerate")
    button.click()
    chat.page.clock.run_for(1000)
    expect(chat.prose).to_have_text("Two.")
    button.hover()
    chat.page.clock.run_for(1000)
    expect(tooltip).to_be_hidden()
    chat.prose.hover()
    button.hover()
    chat.page.clock.run_for(1000)
    expect(tooltip).to_be_visible()
    more = chat.answer.get_by_role("button", name="More actions")
    more.click()
    menu = chat.page.get_by_role("menu").bounding_box()
    place = more.bounding_box()
    assert menu is not None
    assert place is not None
    assert menu["x"] == pytest.approx(place["x"], abs=1), "the menu begins at its button"


def test_opened_details_leave_no_icon_alone(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.show_details.click()
    chat.ask_and_wait("Second")
    chat.field.hover()
    icons = chat.answers.first.locator(".actions .icon-button:not(.arrow)")
    for opacity in icons.evaluate_all("all => all.map((each) => getComputedStyle(each).opacity)"):
        assert opacity == "1"


def test_the_buttons_of_a_question_stand_between_it_and_its_answer(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.enqueue(reply("One."), reply("Two."))
    chat.ask_and_wait("First")
    chat.ask_and_wait("Second")
    first = chat.page.locator(".exchange").first
    boxes = [
        first.locator(name).bounding_box()
        for name in (".question", ".copy-question", "button.edit", ".answer > .prose")
    ]
    assert None not in boxes
    question, copy, edit, answer = ((each["y"], each["y"] + each["height"]) for each in boxes if each)
    for button in (copy, edit):
        assert question[1] <= button[0] < button[1] <= answer[0]
    expect(first.locator(".ending").get_by_role("button", name="Edit question")).to_have_count(0)
    # of an earlier question: when the pointer or the focus is there
    buttons = first.locator(".question-actions > .icon-button")
    chat.field.hover()
    chat.field.focus()
    for name in ("Copy question", "Edit question"):
        expect(first.get_by_role("button", name=name)).to_have_css("opacity", "0")
    first.get_by_role("button", name="Copy question").focus()
    for each in buttons.all():
        expect(each).to_have_css("opacity", "1")
    chat.page.keyboard.press("Enter")
    expect(chat.status).to_have_text("Copied")
    assert chat.page.evaluate("navigator.clipboard.readText()") == "First"
    # its editor takes its place, and gives the focus back
    first.get_by_role("button", name="Edit question").click()
    expect(chat.page.locator(".question-editor textarea")).to_be_focused()
    expect(first.locator("button.edit")).to_be_hidden()
    editor, answer_box = first.locator(".question-editor").bounding_box(), first.locator(".prose").bounding_box()
    assert editor is not None
    assert answer_box is not None
    assert answer_box["y"] - editor["y"] - editor["height"] >= 16
    # its lines have the width of those of the card
    margins = first.locator(".question-editor textarea").evaluate(
        """(field) => {
            const [outer, inner] = [field.form.getBoundingClientRect(), field.getBoundingClientRect()];
            const { paddingRight } = getComputedStyle(field);
            return [inner.left - outer.left, outer.right - inner.right + parseFloat(paddingRight)];
        }"""
    )
    assert abs(margins[0] - margins[1]) < 0.5
    chat.page.keyboard.press("Escape")
    expect(first.get_by_role("button", name="Edit question")).to_be_focused()


def test_an_icon_has_one_meaning(chat: ChatPage) -> None:
    failed = {"success": False, "error": "No.", "code": "content_filtered", "retryable": True}
    chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Half"), failed))
    chat.ask("First")
    expect(chat.failure).to_be_visible()
    chat.page.set_viewport_size({"width": 320, "height": 780})  # the menu has what the row has no room for
    chat.answer.get_by_role("button", name="More actions").click()
    expect(chat.page.get_by_role("menuitem").first).to_be_visible()
    meanings: dict[str, set[str]] = {}
    for icon, name in chat.page.evaluate(ICONS):
        meanings.setdefault(icon, set()).add(name)
    same = ({"Copy answer", "Copy question"}, {"More actions", "Actions for “First”"})
    assert {icon: names for icon, names in meanings.items() if len(names) > 1 and names not in same} == {}
    assert "#sluice-icon-play" in meanings, "what goes on is not what leads to the end"


def test_a_refused_copy_says_so_in_words_until_the_next_one(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("One."))
    chat.ask_and_wait("First")
    notice = chat.page.get_by_role("alert").filter(has_text="Copying failed. Select the text and copy it by hand.")
    button = chat.page.get_by_role("button", name="Copy question")
    icon = button.locator("use")
    chat.page.evaluate(
        "() => { window.refuse = true; const { clipboard } = navigator; const write = clipboard.writeText;"
        " clipboard.writeText = async () => { if (window.refuse) throw new Error('refused'); }; }"
    )
    button.click()
    expect(notice).to_be_visible()
    expect(icon).to_have_attribute("href", "#sluice-icon-copy")
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_label("中文").check()
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_text("复制失败，请选中文字后手动复制。")).to_be_visible()
    chat.page.evaluate("window.refuse = false")
    chat.page.get_by_role("button", name="复制问题").click()
    expect(chat.status).to_have_text("已复制")
    expect(chat.page.locator("#sluice-alerts > *")).to_have_count(0)


# For each line of the code: where its first letter and its second row of text begin, from the left edge of the code.
HANGING = """code => [...code.querySelectorAll(".line")].map((line) => {
    const range = document.createRange();
    range.selectNodeContents(line);
    const rows = [...range.getClientRects()].filter(({ width }) => width > 0);
    const left = code.getBoundingClientRect().left;
    const top = Math.min(...rows.map((row) => row.top));
    const later = rows.filter((row) => row.top > top + 8);
    const indent = /^ */.exec(line.textContent)[0].length;
    return [indent, later.length ? Math.round(Math.min(...later.map((row) => row.left)) - left) : null];
})"""
INDENTED = """def f():
    \"\"\"A text of many words that goes on
    over two lines, and over the edge of the window of a phone, and on.\"\"\"
    if x:
        return some_function(with_arguments, and_more_arguments, and_even_more_of_them)

y = 1
"""


@pytest.mark.browser_context(
    viewport={"width": 390, "height": 780}, permissions=["clipboard-read", "clipboard-write"]
)
def test_the_rest_of_a_wrapped_line_of_code_begins_deeper_than_the_line(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    end = model.gate("before the end")
    before, after = INDENTED[:100], INDENTED[100:]
    model.enqueue((*said(f"```python\n{before}"), end, *said(f"{after}```"), *finished()))
    chat.ask("Show me")
    wrap = chat.prose.get_by_role("button", name="Wrap lines")
    wrap.click()
    expect(chat.prose.locator(".line").first).to_be_visible()
    end.open()  # what comes later is split as well
    chat.wait_complete()
    code = chat.prose.locator("code")
    expect(code.locator(".hljs-keyword").first).to_be_visible()
    expect(code.locator(".line")).to_have_count(INDENTED.count("\n"))
    letter = code.evaluate(
        "each => { const s = document.createElement('span'); s.textContent = 'x'.repeat(10);"
        " each.append(s); const w = s.getBoundingClientRect().width / 10; s.remove(); return w; }"
    )
    expect(code.locator(".line")).to_have_count(INDENTED.count("\n"))
    places = code.evaluate(HANGING)
    wrapped = [(indent, left) for indent, left in places if left is not None]
    assert len(wrapped) >= 2
    for indent, left in wrapped:
        assert left > (indent + 1) * letter, places
    assert code.evaluate("each => each.textContent") == INDENTED
    code.evaluate("each => getSelection().selectAllChildren(each)")
    assert browser_page.evaluate("getSelection().toString()").rstrip("\n") == INDENTED.rstrip("\n")
    wrap.click()
    expect(code.locator(".line")).to_have_count(0)
    assert code.evaluate("each => each.textContent") == INDENTED


# At many widths of the paragraphs: punctuation that begins a line behind a formula, or ends one before it; paragraphs
# that are wider than a formula's part makes them; how often a line ended within a formula, or at a letter beside one.
FORMULA_BREAKS = """(prose) => {
    const found = { punctuation: [], wide: [], within: 0, beside: 0 };
    const boxOf = (text, at) => {
        const range = document.createRange();
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        return [...range.getClientRects()].at(-1);
    };
    const partsOf = (element) => [...element.querySelectorAll(".katex-base")];
    const paragraphs = [...prose.querySelectorAll("p")];
    for (const paragraph of paragraphs) paragraph.normalize();
    for (let width = 110; width <= 290; width += 3) {
        for (const each of paragraphs) each.style.width = `${width}px`;
        for (const paragraph of paragraphs) {
            const widest = Math.max(...partsOf(paragraph).map((part) => part.offsetWidth));
            if (paragraph.scrollWidth > Math.max(width, widest + 1)) found.wide.push([width, paragraph.scrollWidth]);
            for (const formula of paragraph.querySelectorAll(".formula")) {
                const parts = partsOf(formula).map((part) => part.getBoundingClientRect());
                if (parts.at(-1).top > parts[0].bottom - 2) found.within++;
                const [before, after] = [formula.previousSibling, formula.nextSibling];
                for (const [text, at, part] of [[before, before?.length - 1, parts[0]], [after, 0, parts.at(-1)]]) {
                    if (!(text instanceof Text) || text.data[at] === " ") continue;
                    const box = boxOf(text, at);
                    if (box.top < part.bottom - 2 && box.bottom > part.top + 2) continue;
                    if (part.width + 3 * box.width > width) continue; // no line has room for both
                    const joined = text === before ? /[\\p{Ps}\\p{Pi}]/u : /[\\p{Pe}\\p{Pf}\\p{Po}]/u;
                    if (joined.test(text.data[at])) found.punctuation.push([width, text.data[at]]);
                    else found.beside++;
                }
            }
        }
    }
    return found;
}"""


@pytest.mark.browser_context(viewport={"width": 320, "height": 900})
def test_the_name_of_a_language_is_in_one_line_however_deep_its_code_is(chat: ChatPage, model: ScriptedModel) -> None:
    lists = "".join(f"{'  ' * level}- level {level}\n" for level in range(7))
    code = "```python\ndef f(): return 1\n```\n"
    model.enqueue(reply(f"{lists}\n{textwrap.indent(code, ' ' * 14)}\n{code}"))
    headers = chat.ask_and_wait("Show me").locator("figcaption")
    expect(headers.locator("> span")).to_have_text(["Python", "Python"])
    size = "(header) => [header.offsetWidth, header.offsetHeight]"
    (deep_width, deep_height), (width, height) = (header.evaluate(size) for header in headers.all())
    assert deep_width < 150 < width
    assert deep_height == height


@pytest.mark.browser_context(viewport={"width": 320, "height": 900})
def test_no_line_begins_with_the_punctuation_behind_a_formula(chat: ChatPage, model: ScriptedModel) -> None:
    wide = r"\frac{" + "+".join("abcdef") + r"+g+h+i+j+k+l}{2}"
    model.enqueue(
        reply(
            "A text and the formula $a^2+b^2=c^2$, prices ($x_1+x_2$); or [$y$]: and then $z^2$. So it is $d$!\n\n"
            "且有式子 $a=3$、$b^2=4$，（$c$）是「$\\sqrt{d}$」的根：$e$；$f$。中文$g^2$公式$h$与$i$文字$j+k$。\n\n"
            f"A formula (${wide}$), which is as wide as a narrow column. 中文（${wide}$），很宽。"
        )
    )
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex")).to_have_count(17)
    found = prose.evaluate(FORMULA_BREAKS)
    assert found["punctuation"] == []
    assert found["wide"] == []
    assert found["within"] > 10
    assert found["beside"] > 10
    prose.locator("p").evaluate_all("all => all.forEach((each) => each.removeAttribute('style'))")
    assert chat.overflow() == 0
    prose.evaluate("each => getSelection().selectAllChildren(each)")
    copied = chat.page.evaluate(
        """() => {
            const clipboardData = new DataTransfer();
            document.activeElement.dispatchEvent(new ClipboardEvent("copy", { clipboardData, bubbles: true }));
            return clipboardData.getData("text/plain");
        }"""
    )
    assert "the formula $a^2+b^2=c^2$, prices ($x_1+x_2$); or [$y$]" in copied


def test_a_formula_in_a_paragraph_has_the_whole_column_and_scrolls(chat: ChatPage, model: ScriptedModel) -> None:
    formula = " + ".join(f"a_{{{number}}}" for number in range(60))
    model.enqueue(reply(f"A text $$\n{formula}\n$$ and its end.\n\n$$\n{formula}\n$$\n\n- item $${formula}$$"))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator(".katex-display")).to_have_count(3)
    inside, block = prose.locator("p > .formula-display"), prose.locator("div.formula")
    widths = [each.evaluate("each => each.getBoundingClientRect().width") for each in (inside.first, block)]
    assert widths[0] == pytest.approx(widths[1], abs=1)
    for each in prose.locator(".formula-display, div.formula").all():
        each.evaluate("each => each.scrollTo({ left: 100000, behavior: 'instant' })")
        assert each.evaluate(
            "each => each.scrollLeft + each.clientWidth >= each.scrollWidth - 1 && each.scrollLeft > 0"
        )
    assert chat.overflow() == 0


def test_the_button_beside_the_hint_stays_where_it_is_while_an_answer_runs(
    chat: ChatPage, model: ScriptedModel
) -> None:
    word = model.gate("before the first token")
    model.enqueue((word, *said("Yes."), *finished()))
    hint = chat.page.locator("#sluice-hint")
    left = "(button) => button.getBoundingClientRect().left"
    chat.reply_once(
        content_type="application/json", json={"success": True, "message": "One.", "interaction_mode": "block"}
    )
    chat.ask_and_wait("First")
    before = hint.text_content()
    place = chat.page.get_by_role("button", name="Keyboard shortcuts").evaluate(left)
    chat.ask("Second")
    expect(hint).not_to_have_text(before or "")
    assert chat.page.get_by_role("button", name="Keyboard shortcuts").evaluate(left) == place
    word.open()
    chat.wait_complete()
