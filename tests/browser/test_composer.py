"""The message box: input methods, long pastes, earlier prompts, drafts."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import Headers, ScriptedModel, finished, reply, said, stalling_after

LONG = "\n".join(f"第 {number} 行 and its words" for number in range(4000))


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def test_keys_are_left_to_an_input_method_while_it_composes(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("一。"))
    chat.ask_and_wait("第一问")
    devtools = chat.page.context.new_cdp_session(chat.page)
    devtools.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 0, "selectionEnd": 0})
    expect(chat.field).to_have_value("ni hao")
    # Chromium sends the key code 229 for keys of an input method.
    for key in ("Enter", "ArrowUp", "Escape"):
        devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "windowsVirtualKeyCode": 229, "key": key})
        expect(chat.field).to_have_value("ni hao")
    devtools.send("Input.insertText", {"text": "你好"})
    expect(chat.questions).to_have_text(["第一问"])
    chat.field.press("Enter")
    expect(chat.questions).to_have_text(["第一问", "你好"])


def test_arrow_keys_step_through_earlier_prompts_in_an_empty_field(chat: ChatPage, model: ScriptedModel) -> None:
    chat.ask_and_wait("First")
    chat.ask_and_wait("Second\nof two lines")
    for shown in ("Second\nof two lines", "First", "First"):
        chat.field.press("ArrowUp")
        expect(chat.field).to_have_value(shown)
    for shown in ("Second\nof two lines", "", ""):
        chat.field.press("ArrowDown")
        expect(chat.field).to_have_value(shown)


def test_the_up_key_never_replaces_a_draft(chat: ChatPage) -> None:
    chat.ask_and_wait("Earlier\nof two lines")
    for text in ("one", "one\ntwo", "a word and another " * 30, " "):
        for key in ("End", "Control+Home"):
            chat.field.fill(text)
            chat.field.press(key)
            chat.field.press("ArrowUp")
            expect(chat.field).to_have_value(text)
    chat.field.fill("")
    chat.field.press("ArrowUp")
    chat.field.press("ArrowLeft")  # the caret moves: from now on it moves between the lines
    chat.field.press("ArrowUp")
    expect(chat.field).to_have_value("Earlier\nof two lines")


def test_undo_takes_an_earlier_prompt_back_and_then_what_was_typed_before(chat: ChatPage) -> None:
    chat.ask_and_wait("Earlier")
    chat.field.press_sequentially("My draft")
    chat.field.press("Control+a")
    chat.field.press("Delete")
    chat.field.press("ArrowUp")
    expect(chat.field).to_have_value("Earlier")
    chat.field.press("!")  # the caret is behind it
    expect(chat.field).to_have_value("Earlier!")
    for shown in ("Earlier", "", "My draft"):
        chat.field.press("Control+z")
        expect(chat.field).to_have_value(shown)
    chat.page.reload()
    expect(chat.field).to_have_value("My draft")


def test_an_edited_earlier_prompt_becomes_the_draft(chat: ChatPage) -> None:
    chat.ask_and_wait("Earlier")
    chat.field.press("ArrowUp")
    chat.field.press("End")
    chat.field.type("!")
    chat.field.press("ArrowDown")
    expect(chat.field).to_have_value("Earlier!")


def test_a_draft_survives_a_reload_until_it_is_sent(chat: ChatPage, model: ScriptedModel) -> None:
    chat.field.fill("Half a thou")
    chat.page.reload()
    expect(chat.field).to_have_value("Half a thou")
    expect(chat.send_button).to_be_enabled()
    chat.ask_and_wait("A whole thought")
    chat.page.reload()
    expect(chat.questions).to_have_text(["A whole thought"])
    expect(chat.field).to_have_value("")


def test_a_draft_belongs_to_its_conversation(chat: ChatPage) -> None:
    chat.field.fill("Half a thou")
    chat.open()
    chat.page.locator(".starters button").first.click()
    chat.wait_complete()
    expect(chat.field).to_have_value("Half a thou")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(chat.field).to_have_value("")
    chat.field.fill("Another")
    chat.page.locator("nav a").click()
    expect(chat.field).to_have_value("Half a thou")
    chat.page.reload()
    expect(chat.field).to_have_value("Half a thou")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(chat.field).to_have_value("Another")


def test_a_draft_that_cannot_be_saved_survives_a_change_of_conversation(chat: ChatPage) -> None:
    chat.ask_and_wait("Earlier")
    chat.page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } }"
    )
    chat.field.fill("Half a thou")
    chat.page.get_by_role("button", name="New conversation").click()
    expect(chat.page.get_by_role("alert").filter(has_text="cannot save your draft")).to_be_visible()
    expect(chat.field).to_have_value("")
    chat.page.locator("nav a").click()
    expect(chat.field).to_have_value("Half a thou")
    chat.ask_and_wait("A whole thought")
    expect(chat.page.get_by_role("alert").filter(has_text="cannot save your draft")).to_have_count(0)
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.locator("nav a").click()
    expect(chat.field).to_have_value("")


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_a_long_text_is_pasted_and_sent_completely(chat: ChatPage, model: ScriptedModel) -> None:
    chat.page.evaluate("text => navigator.clipboard.writeText(text)", LONG)
    chat.field.press("Control+v")
    expect(chat.field).to_have_value(LONG)
    expect(chat.send_button).to_be_in_viewport(ratio=1)
    assert chat.overflow() == 0
    chat.field.press("Enter")
    assert model.wait_for_request(1).body["messages"][-1]["content"] == LONG
    expect(chat.field).to_have_value("")


def test_a_pasted_megabyte_is_reported_as_too_long_and_stays_quick_to_edit(chat: ChatPage) -> None:
    # In turn, and the best of several: a process that takes the processor for a moment slows down one of them only.
    ours, plain = chat.page.evaluate(
        """() => {
            const plain = document.createElement("textarea");
            document.body.append(plain);
            const fields = [document.querySelector("#sluice-message"), plain];
            const type = (field, text) => {
                field.focus();
                const began = performance.now();
                document.execCommand("insertText", false, text);
                field.getBoundingClientRect();
                return performance.now() - began;
            };
            for (const field of fields) type(field, "word ".repeat(200_000));
            const rounds = Array.from({ length: 8 }, () => fields.map((field) => type(field, "a")));
            return fields.map((_, index) => Math.min(...rounds.map((round) => round[index])));
        }"""
    )
    assert ours < 4 * plain  # 15 times as long with a direction for each line
    expect(chat.page.get_by_role("alert")).to_have_text(
        "This message is too long. The limit is 100,000 characters: remove about 910,000."
    )
    expect(chat.send_button).to_be_disabled()


def test_a_pasted_run_of_punctuation_takes_no_longer_than_letters(chat: ChatPage) -> None:
    devtools = chat.page.context.new_cdp_session(chat.page)

    def insert(text: str) -> float:
        chat.field.fill("")
        before = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
        devtools.send("Input.insertText", {"text": text})
        chat.field.evaluate("field => field.getBoundingClientRect()")
        after = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
        assert chat.field.input_value() == text
        return float(after["LayoutDuration"] - before["LayoutDuration"])

    chat.field.focus()
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    letters, punctuation = (min(insert(text * 20_000) for _ in range(2)) for text in ("文字", "，。"))
    assert punctuation < 5 * letters  # 40 times as long where no break is allowed


def test_the_message_box_keeps_the_focus_and_says_why_it_does_not_send_yet(
    chat: ChatPage, model: ScriptedModel
) -> None:
    model.enqueue(stalling_after("As far as this"))
    chat.field.fill("Tell me")
    hint = chat.page.locator("#sluice-hint")
    expect(hint).to_contain_text("Enter to send")
    chat.send_button.click()
    expect(chat.prose).to_have_text("As far as this")
    early = "Esc to stop. You can send when the answer is complete."
    expect(hint).to_have_text(early)
    chat.field.fill("And then?")
    chat.page.set_viewport_size({"width": 500, "height": 700})
    expect(hint).to_be_hidden()
    chat.field.press("Enter")
    expect(hint).to_be_visible()
    expect(chat.status).to_have_text(early)
    expect(chat.field).to_have_value("And then?")
    chat.send_button.click()
    expect(hint).to_be_hidden()
    expect(chat.status).to_have_text("Stopped")
    expect(chat.field).to_be_focused()


# The part of the window that is left to read.
ROOM = """() => {
    const bottom = Math.max(0, document.querySelector("#sluice-bar").getBoundingClientRect().bottom);
    return (document.querySelector("#sluice-dock").getBoundingClientRect().top - bottom) / innerHeight;
}"""


def test_a_long_message_leaves_room_to_read_in_a_low_window(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("A line\n\n" * 60))
    chat.ask_and_wait("Lines")
    chat.field.fill("A long message that goes on and on. " * 40)
    for width, height, least in ((320, 256, 0.6), (320, 400, 0.4), (640, 360, 0.4)):
        chat.page.set_viewport_size({"width": width, "height": height})
        chat.page.wait_for_function(f"(least) => ({ROOM})() >= least", arg=least)
        assert chat.field.evaluate("(each) => each.scrollHeight > each.clientHeight")
    expect(chat.field).to_be_focused()


# The width of the focus ring in pixels, across each edge.
RING = """async ({ picture, ring }) => {
    const bytes = Uint8Array.from(atob(picture), (each) => each.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.fillStyle = ring;
    context.fillRect(0, 0, 1, 1);
    const wanted = String(context.getImageData(0, 0, 1, 1).data);
    context.drawImage(bitmap, 0, 0);
    const pixels = Array.from({ length: bitmap.height }, (_, y) => String(context.getImageData(0, y, 1, 1).data));
    return pixels.filter((pixel) => pixel === wanted).length;
}"""


def test_the_focus_ring_is_visible_on_all_sides(chat: ChatPage) -> None:
    chat.page.keyboard.press("Shift+Tab")
    chat.page.keyboard.press("Tab")
    expect(chat.field).to_be_focused()
    composer = chat.page.locator("#sluice-composer")
    ring = composer.evaluate("element => getComputedStyle(element).outlineColor")
    box = composer.bounding_box()
    assert box is not None
    widths = []
    for edge in (box["y"], box["y"] + box["height"]):
        clip = {"x": box["x"] + box["width"] / 2, "y": edge - 4, "width": 1, "height": 8}
        picture = base64.b64encode(chat.page.screenshot(clip=clip)).decode()
        widths.append(chat.page.evaluate(RING, {"picture": picture, "ring": ring}))
    assert widths == [3, 3]  # the border and the outline


# Presses the button as soon as it sends.
PRESS_SEND = """() => new Promise((resolve) => {
    const button = document.querySelector("button.send");
    new MutationObserver((_, observer) => {
        if (button.closest(".running")) return;
        observer.disconnect();
        button.click();
        resolve();
    }).observe(button.form, { attributes: true });
})"""


def test_a_press_of_stop_that_comes_too_late_does_not_send_the_draft(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("One."), gate, *finished()), reply("Two."))
    chat.ask("First")
    expect(chat.prose).to_have_text("One.")
    chat.field.fill("A draft")
    pressed = chat.page.evaluate_handle(f"() => ({{ promise: ({PRESS_SEND})() }})")
    gate.open()
    pressed.evaluate("({ promise }) => promise")
    chat.wait_complete()
    expect(chat.field).to_have_value("A draft")
    expect(chat.field).to_be_focused()
    expect(chat.questions).to_have_text(["First"])
    chat.field.press("Enter")
    expect(chat.questions).to_have_text(["First", "A draft"])
    chat.wait_complete()


def test_one_undo_takes_back_what_was_typed_in_one_go(chat: ChatPage) -> None:
    chat.field.focus()
    chat.page.keyboard.type("hello world")
    chat.page.keyboard.press("Control+z")
    expect(chat.field).to_have_value("")
