"""The collapsible section with the model's reasoning and its duration."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import Chunk, ScriptedModel, Stall, finished, said

from .fed_answer import FedAnswer, call_frame, result_frame

# Time passes only by `window.skipped`, in milliseconds.
SKIPPABLE_TIME = "{ const start = Date.now(); window.skipped = 0; Date.now = () => start + window.skipped; }"


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    browser_page.add_init_script(SKIPPABLE_TIME)
    return ChatPage(browser_page).open()


TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def reasoning_section(chat: ChatPage) -> Locator:
    return chat.answer.locator("details.reasoning")


def test_the_reasoning_section_shows_how_long_the_model_thinks(chat: ChatPage, model: ScriptedModel) -> None:
    answers, ends = model.gate("before the answer"), model.gate("before the end")
    model.enqueue((Chunk(reasoning="First **this**."), answers, *said("42"), ends, *finished()))
    chat.ask("Why?")
    summary = reasoning_section(chat).locator("summary")
    expect(summary).to_have_text("Thinking for 1 s")
    chat.page.evaluate("window.skipped += 60_000")
    expect(summary).to_have_text("Thinking for 1 min")
    answers.open()
    expect(chat.prose).to_have_text("42")
    expect(summary).to_have_text("Thought for 1 min")
    chat.page.evaluate("window.skipped += 60_000")
    ends.open()
    chat.wait_complete()
    expect(summary).to_have_text("Thought for 1 min")
    chat.page.reload()
    expect(summary).to_have_text("Thought for 1 min")


# From now on, time passes only by `window.skipped`. What is announced is kept.
FREEZE_TIME_AND_WATCH = """() => {
    const now = Date.now();
    Date.now = () => now + window.skipped;
    window.announced = [];
    for (const live of document.querySelectorAll("[role=status], [aria-live=polite], [aria-live=assertive]")) {
        const heard = () => window.announced.push(live.textContent);
        new MutationObserver(heard).observe(live, { childList: true, subtree: true, characterData: true });
    }
}"""


def thought(text: str) -> dict[str, object]:
    return {**text_frame(""), "reasoning": text}


def steps_of(chat: ChatPage) -> list[str]:
    """Return what an answer shows, in its order: the time of a thought, the name of a tool, a text."""
    return chat.answer.evaluate(
        """(answer) => [...answer.querySelectorAll("summary, .answer > .prose")]
            .filter((element) => element.checkVisibility() && element.textContent)
            .map((element) => (element.querySelector(".tool-name") ?? element).textContent)"""
    )


def skip(chat: ChatPage, seconds: int) -> None:
    chat.page.evaluate("(seconds) => { window.skipped += seconds * 1000; }", seconds)


def test_each_thought_stands_with_its_time_behind_what_it_followed(chat: ChatPage) -> None:
    chat.page.evaluate(FREEZE_TIME_AND_WATCH)
    answer, summaries = FedAnswer(chat.page), reasoning_section(chat).locator("summary")
    chat.ask("Look it up")
    answer.send(thought("First **this**."))
    expect(summaries).to_have_text(["Thinking for 1 s"])
    skip(chat, 5)
    expect(summaries).to_have_text(["Thinking for 5 s"])
    answer.send(call_frame("call_1", "search"))
    expect(summaries).to_have_text(["Thought for 5 s"])
    skip(chat, 60)  # the tool is no thinking
    answer.send(result_frame("call_1", "search", "42"), thought("\n\nThen that."))
    expect(summaries).to_have_text(["Thought for 5 s", "Thinking for 1 s"])
    skip(chat, 4)
    expect(summaries).to_have_text(["Thought for 5 s", "Thinking for 4 s"])
    answer.send(call_frame("call_2", "check"), result_frame("call_2", "check", "42"), thought("And again."))
    expect(summaries.last).to_have_text("Thinking for 1 s")
    skip(chat, 3)
    answer.send("It is 42.")
    expect(summaries.last).to_have_text("Thought for 3 s")
    skip(chat, 60)  # nor is the writing
    summaries.nth(1).click()
    answer.send(thought("\n\nAt last."))
    expect(summaries).to_have_text(["Thought for 5 s", "Thought for 4 s", "Thought for 3 s", "Thinking for 1 s"])
    expect(reasoning_section(chat).locator("p")).to_have_text(["Then that."])
    skip(chat, 2)
    assert set(chat.page.evaluate("window.announced")) <= {"", "Generating"}
    answer.send("Sure.", DONE_FRAME)
    chat.wait_complete()
    steps = ["Thought for 5 s", "search", "Thought for 4 s", "check", "Thought for 3 s"]
    steps += ["It is 42.", "Thought for 2 s", "Sure."]
    assert steps_of(chat) == steps
    chat.wait_saved()
    chat.page.reload()
    expect(summaries.last).to_have_text("Thought for 2 s")
    assert steps_of(chat) == steps
    summaries.last.click()
    expect(reasoning_section(chat).locator("p")).to_have_text(["At last."])


def test_what_comes_within_a_sentence_or_a_block_of_code_is_no_other_thought(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("Show me")
    answer.send("\n", thought("First."), "\n\n", thought(" Then."), "Th", thought(" Odd."), "is is it")
    answer.send(thought(" Odder"), ":\n- a list\n\n    ```py\n    x = 1\n", thought(" Even."), "    y = 2\n    ```")
    answer.send(DONE_FRAME)
    chat.wait_complete()
    expect(reasoning_section(chat)).to_have_count(1)
    expect(chat.prose.locator("p").first).to_have_text("This is it:")
    expect(chat.prose.locator("code")).to_have_text("x = 1\ny = 2")
    reasoning_section(chat).locator("summary").click()
    expect(reasoning_section(chat).locator("p")).to_have_text(["First.", "Then.", "Odd.", "Odder Even."])


def test_the_thinking_of_a_continued_answer_is_added(chat: ChatPage) -> None:
    chat.page.evaluate(FREEZE_TIME_AND_WATCH)
    summary = reasoning_section(chat).locator("summary")
    answer = FedAnswer(chat.page)
    chat.ask("Why?")
    answer.send(thought("First this"))
    expect(summary).to_have_text("Thinking for 1 s")
    chat.page.evaluate("window.skipped += 3000")
    answer.send("It is")
    expect(summary).to_have_text("Thought for 3 s")
    chat.field.press("Escape")
    expect(chat.answer.locator(".note")).to_be_visible()
    chat.page.evaluate("window.skipped += 60_000")
    rest = FedAnswer(chat.page)
    chat.page.get_by_role("button", name="Continue").click()
    rest.send(thought("Then that."))
    expect(summary).to_have_text("Thinking for 3 s")
    chat.page.evaluate("window.skipped += 2000")
    chat.field.press("Escape")
    expect(summary).to_have_text("Thought for 5 s")
    summary.click()
    expect(reasoning_section(chat).locator("p")).to_have_text(["First this", "Then that."])


def test_an_answer_stopped_before_its_first_token_shows_its_thinking_time(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue((Chunk(reasoning="First this."), Stall()))
    chat.ask("Why?")
    summary = reasoning_section(chat).locator("summary")
    expect(summary).to_have_text("Thinking for 1 s")
    chat.page.evaluate("window.skipped += 60_000")
    chat.field.press("Escape")
    expect(summary).to_have_text("Thought for 1 min")
    chat.page.reload()
    expect(summary).to_have_text("Thought for 1 min")


def test_an_open_reasoning_section_shows_growing_markdown(chat: ChatPage, model: ScriptedModel) -> None:
    goes_on = model.gate("before more thoughts")
    first, then = Chunk(reasoning="First **this**."), Chunk(reasoning="\n\nThen that.")
    model.enqueue((first, goes_on, then, *said("42"), *finished()))
    chat.ask("Why?")
    paragraphs = reasoning_section(chat).locator("p")
    expect(reasoning_section(chat)).to_be_visible()
    expect(paragraphs).to_have_count(0)
    reasoning_section(chat).locator("summary").click()
    expect(paragraphs).to_have_text(["First this."])
    goes_on.open()
    expect(paragraphs).to_have_text(["First this.", "Then that."])
    chat.wait_complete()
    expect(chat.prose).to_have_text("42")


@pytest.mark.browser_context(locale="zh-CN")
def test_block_mode_shows_no_thinking_time_and_no_empty_section(chat: ChatPage) -> None:
    reasoned = {**text_frame("42"), "reasoning": "Let me think."}
    chat.reply_once(content_type="text/event-stream", body=frames(reasoned, DONE_FRAME))
    chat.ask_and_wait("Why?")
    expect(reasoning_section(chat).locator("summary")).to_have_text("思考过程")
    chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Yes."), DONE_FRAME))
    chat.ask_and_wait("Really?")
    expect(reasoning_section(chat)).to_be_hidden()


def test_opening_the_reasoning_of_a_finished_answer_does_not_scroll(chat: ChatPage, model: ScriptedModel) -> None:
    paragraphs = "\n\n".join(f"Thought {number}" for number in range(60))
    lines = "\n\n".join(f"Line {number}" for number in range(9))
    model.enqueue((Chunk(reasoning=paragraphs), *said(lines), *finished()))
    chat.ask_and_wait("Why?")
    summary = reasoning_section(chat).locator("summary")
    before = summary.bounding_box()
    summary.click()
    expect(reasoning_section(chat).get_by_text("Thought 59")).to_be_attached()
    chat.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert summary.bounding_box() == before
    expect(chat.page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    chat.field.fill("A draft\nof two lines")
    chat.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert summary.bounding_box() == before


def test_an_answer_is_followed_again_when_its_reasoning_is_closed(chat: ChatPage, model: ScriptedModel) -> None:
    thoughts = "\n\n".join(f"Thought {number}" for number in range(60))
    lines = "\n\n".join(f"Line {number}" for number in range(9))
    gates = [model.gate() for _ in range(3)]
    steps = [step for number, gate in enumerate(gates) for step in (gate, Chunk(f"\n\nPart {number}" * 4))]
    model.enqueue((Chunk(reasoning=thoughts), *said(lines), *steps, *finished()))
    chat.ask("Why?")
    expect(chat.prose.get_by_text("Line 8")).to_be_in_viewport()
    section, to_end = reasoning_section(chat), chat.page.get_by_role("button", name="Jump to the latest")
    section.locator("summary").click()
    expect(to_end).to_be_visible()
    gates[0].open()
    expect(chat.prose.get_by_text("Part 0").last).to_be_attached()
    section.locator("summary").click()
    expect(to_end).to_be_hidden()
    for gate, part in zip(gates[1:], ("Part 1", "Part 2"), strict=True):
        gate.open()
        expect(chat.prose.get_by_text(part).last).to_be_in_viewport()
    chat.wait_complete()


BOX_FROM_END = "(box) => box.scrollHeight - box.clientHeight - box.scrollTop"


def long_thought(chat: ChatPage) -> tuple[FedAnswer, Locator]:
    """Open a thought that is longer than its box, and is being written; return its answer and the box."""
    answer, box = FedAnswer(chat.page), chat.answer.locator(".reasoning-text")
    chat.field.fill("Why?")
    chat.send_button.click()
    answer.send(thought("Thought"))
    reasoning_section(chat).locator("summary").click()
    expect(box.locator("p")).to_have_count(1)
    for _ in range(15):
        grow(answer, box)
    assert box.evaluate(BOX_FROM_END) < 1
    return answer, box


def grow(answer: FedAnswer, box: Locator) -> None:
    """Let the thought grow by a paragraph."""
    count = box.locator("p").count()
    answer.send(thought("\n\nNext"))
    expect(box.locator("p")).to_have_count(count + 1)


def test_any_scrolling_up_leaves_the_end_of_a_growing_thought_until_the_reader_is_back(chat: ChatPage) -> None:
    page = chat.page
    answer, box = long_thought(chat)

    def touchpad() -> None:
        box.hover()
        for _ in range(4):
            page.mouse.wheel(0, -3)

    def arrow() -> None:
        box.focus()
        page.keyboard.press("ArrowUp")

    movements = {
        "a touchpad": touchpad,
        "an arrow key": arrow,
        # no event of a pointer or a key comes before it
        "assistive technology": lambda: box.evaluate("(box) => { box.scrollTop -= 6; }"),
    }
    for name, move in movements.items():
        end = box.evaluate("(box) => box.scrollTop")
        move()
        page.wait_for_function("([box, end]) => box.scrollTop < end", arg=[box.element_handle(), end])
        grow(answer, box)
        there = box.evaluate("(box) => box.scrollTop")
        assert there < end, name
        for _ in range(12):  # longer than the page waits for the scrolling
            grow(answer, box)
        assert box.evaluate("(box) => box.scrollTop") <= there, name  # the browser scrolls over several frames
        box.evaluate("(box) => box.scrollTo({ top: 1e6, behavior: 'instant' })")
        box.evaluate(TWO_FRAMES)
        grow(answer, box)
        assert box.evaluate(BOX_FROM_END) < 1, name
    page.keyboard.press("Escape")


def test_a_long_thought_that_is_opened_while_it_grows_is_read_from_its_beginning(chat: ChatPage) -> None:
    answer, box = FedAnswer(chat.page), chat.answer.locator(".reasoning-text")
    chat.ask("Why?")
    answer.send(*(thought(f"\n\nThought {number}") for number in range(40)))
    reasoning_section(chat).locator("summary").click()
    expect(box.locator("p")).to_have_count(40)
    grow(answer, box)
    assert box.evaluate("(box) => box.scrollTop") == 0
    chat.page.keyboard.press("Escape")


@pytest.mark.browser_context(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 780})
def test_a_finger_leaves_the_end_of_a_growing_thought(browser_page: Page) -> None:
    answer, box = long_thought(ChatPage(browser_page).open())
    touch = browser_page.context.new_cdp_session(browser_page)
    area = box.bounding_box()
    assert area is not None

    def finger(kind: str, *at: float) -> None:
        points = [{"x": area["x"] + 100, "y": y} for y in at]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    start = area["y"] + 60
    finger("touchStart", start)
    for step in range(0, 60, 3):  # slowly: the thought grows meanwhile
        finger("touchMove", start + step)
        if step % 12 == 0:
            grow(answer, box)
    assert box.evaluate(BOX_FROM_END) > 30
    there = box.evaluate("(box) => box.scrollTop")
    finger("touchEnd")
    for _ in range(12):  # longer than the page waits for the scrolling
        grow(answer, box)
    assert box.evaluate("(box) => box.scrollTop") <= there  # a finger that is lifted while it moves throws the text
    browser_page.keyboard.press("Escape")


# The times of an answer during which the clock was set back: while it reasons, and when it is stopped.
TIMES_AFTER_SETTING_BACK = with_page_modules("""async () => {
    const { appendChunk, finish, newExchange } = await pageModule("conversation/exchange.js");
    const exchange = newExchange("Why?", null);
    const times = [0, -60_000].map((skipped) => {
        window.skipped = skipped;
        appendChunk(exchange, { text: "", reasoning: "So ", finishReason: "" });
        return exchange.thoughtMs;
    });
    finish(exchange, { state: "stopped" });
    return [...times, exchange.thoughtMs];
}""")


def test_no_thinking_time_is_negative_where_the_clock_is_set_back(chat: ChatPage) -> None:
    assert chat.page.evaluate(TIMES_AFTER_SETTING_BACK) == [0, 0, 0]
