"""The settings: they apply at once and are saved."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, finished, reply, resetting_after, said

PAPER = {"light": "rgb(251, 250, 247)", "dark": "rgb(21, 28, 31)"}
BLOCK_REPLY = '{"success": true, "message": "Yes.", "interaction_mode": "block"}'


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def settings(chat: ChatPage) -> Locator:
    """Open the settings and return the dialog."""
    chat.page.get_by_role("button", name="Settings").click()
    return chat.page.get_by_role("dialog", name="Settings")


def test_the_theme_changes_at_once_and_is_saved(chat: ChatPage) -> None:
    html = chat.page.locator("html")
    expect(html).to_have_css("background-color", PAPER["light"])
    settings(chat).get_by_label("Dark").check()
    expect(html).to_have_css("background-color", PAPER["dark"])
    expect(chat.page.locator("meta[name=theme-color]")).to_have_attribute("content", PAPER["dark"])
    chat.page.reload()
    expect(html).to_have_css("background-color", PAPER["dark"])
    dialog = settings(chat)
    dialog.get_by_label("System").check()
    expect(html).to_have_css("background-color", PAPER["light"])
    # in forced colours, what is chosen is filled, and only what has the focus has an outline
    chat.page.emulate_media(forced_colors="active")
    chat.page.keyboard.press("Tab")
    focused = dialog.locator("label:has(:focus-visible)")
    expect(focused).to_have_count(1)
    expect(focused).not_to_have_css("outline-style", "none")
    for chosen in dialog.locator("label:has(:checked):not(:has(:focus-visible))").all():
        expect(chosen).to_have_css("outline-style", "none")
    fills = dialog.locator("label:has(input)").evaluate_all(
        "all => all.map((each) => [each.matches(':has(:checked)'), getComputedStyle(each).backgroundColor])"
    )
    assert len({fill for is_chosen, fill in fills if is_chosen}) == 1
    assert {fill for is_chosen, fill in fills if is_chosen}.isdisjoint(
        fill for is_chosen, fill in fills if not is_chosen
    )
    chat.page.emulate_media(forced_colors="none")


@pytest.mark.browser_context(viewport={"width": 390, "height": 800})
def test_the_conversation_stays_where_it_is_below_a_dialog_and_the_drawer(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("\n\n".join(f"Line {number}" for number in range(100))))
    chat.ask_and_wait("A long one")
    place = "document.documentElement.scrollTop"
    browser_page.mouse.move(200, 400)
    for opener in ("Settings", "Open the sidebar"):
        before = browser_page.evaluate(place)
        browser_page.mouse.wheel(0, -600)
        browser_page.wait_for_function(f"() => {place} === {before - 600}")
        browser_page.get_by_role("button", name=opener).click()
        before = browser_page.evaluate(place)
        for x in (200, 385):  # over what is open, and beside it
            browser_page.mouse.move(x, 400)
            browser_page.mouse.wheel(0, -300)
        browser_page.keyboard.press("Escape")  # is heard after the wheel
        expect(browser_page.locator("html")).to_have_css("overflow", "visible")
        assert browser_page.evaluate(place) == before


@pytest.mark.browser_context(viewport={"width": 320, "height": 568})
def test_the_end_of_a_dialog_is_in_view_and_covers_nothing_that_has_the_focus(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    dialog = settings(chat)
    done = dialog.get_by_role("button", name="Done")
    assert dialog.evaluate("(dialog) => dialog.scrollHeight > dialog.clientHeight")
    expect(done).to_be_in_viewport(ratio=1)
    for _ in range(6):  # from the first choice to the last button
        chat.page.keyboard.press("Tab")
        focused = chat.page.locator(":focus").locator("xpath=ancestor-or-self::*[self::label or self::button]").last
        box, foot = focused.bounding_box(), done.bounding_box()
        assert box is not None
        assert foot is not None
        assert box["y"] + box["height"] <= foot["y"] or box == foot
    expect(done).to_be_focused()
    dialog.evaluate("(dialog) => dialog.scrollTo(0, dialog.scrollHeight)")
    last, foot = dialog.get_by_role("button", name="Import").bounding_box(), done.bounding_box()
    assert last is not None
    assert foot is not None
    assert last["y"] + last["height"] < foot["y"]


@pytest.mark.browser_context
@pytest.mark.parametrize("size", [(320, 568), (390, 844), (550, 400)], ids=["small phone", "phone", "200 %"])
def test_the_size_of_letters_that_was_chosen_stays_in_view(browser_page: Page, size: tuple[int, int]) -> None:
    browser_page.set_viewport_size({"width": size[0], "height": size[1]})
    chat = ChatPage(browser_page).open()
    dialog = settings(chat)
    done = dialog.get_by_role("button", name="Done")

    def expect_in_view() -> None:
        """Check that the chosen size is neither above the window nor below the button at the foot."""
        box, foot = dialog.locator("label:has([name=textSize]:checked)").bounding_box(), done.bounding_box()
        assert box is not None
        assert foot is not None
        assert 0 <= box["y"] <= foot["y"] - box["height"]

    dialog.get_by_label("Large", exact=True).check()
    expect_in_view()
    dialog.get_by_label("Largest").evaluate("each => each.scrollIntoView({ block: 'center', behavior: 'instant' })")
    dialog.locator("label", has_text="Largest").click()
    expect_in_view()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowRight"):
        browser_page.keyboard.press(key)
        expect(browser_page.locator(":focus")).to_be_checked()
        expect_in_view()


def test_the_language_changes_at_once_and_nothing_is_lost(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue(resetting_after("- [x] Cut"), (*said("Half"), gate, *said(" and whole"), *finished()))
    chat.ask("First")
    expect(chat.failure).to_contain_text("stopped before its end")
    chat.ask("Second")
    expect(chat.prose).to_have_text("Half")
    chat.field.fill("My draft")
    settings(chat).get_by_label("简体中文", exact=True).check()
    expect(chat.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(chat.page.get_by_role("dialog", name="设置")).to_be_visible()
    chat.page.get_by_role("button", name="完成").click()
    expect(chat.send_button).to_have_text("停止")
    expect(chat.answers.first.get_by_role("button", name="复制回答")).to_be_visible()
    expect(chat.failure).to_contain_text("在完成前中断")
    expect(chat.answers.first.get_by_role("checkbox")).to_have_accessible_name("已完成")
    gate.open()
    expect(chat.status).to_have_text("回答完成")
    expect(chat.prose).to_have_text("Half and whole")
    expect(chat.field).to_have_value("My draft")
    chat.page.reload()
    expect(chat.send_button).to_have_text("发送")


# Whether it is above the foot of its dialog, which stays in view.
IS_ABOVE_FOOT = """(each) => {
    const [box, around, foot] = [each, each.closest("dialog"), each.closest("dialog").querySelector(".dialog-foot")]
        .map((one) => one.getBoundingClientRect());
    return box.height > 0 && box.top >= around.top && box.bottom <= foot.top + 7; // there, it is still transparent
}"""


def is_above_foot(answer: Locator) -> bool:
    return bool(answer.evaluate(IS_ABOVE_FOOT))


def test_in_a_small_window_what_a_dialog_answers_comes_into_view(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 320, "height": 568})
    dialog = settings(chat)
    with chat.page.expect_file_chooser() as chooser:
        dialog.get_by_role("button", name="Import").click()
    chooser.value.set_files(FilePayload(name="export.json", mimeType="application/json", buffer=b"[]"))
    expect(dialog.locator(".import-result")).to_contain_text("not an export")
    assert is_above_foot(dialog.locator(".import-result"))
    chat.page.set_viewport_size({"width": 320, "height": 256})
    dialog.get_by_label("All at once").check()
    expect(dialog.locator(".help")).to_be_visible()
    assert is_above_foot(dialog.locator(".help"))
    chat.page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full'); } }")
    dialog.get_by_label("Dark").check()
    expect(dialog.locator(".problem")).not_to_be_empty()
    assert is_above_foot(dialog.locator(".problem"))


def test_the_mode_setting_applies_to_the_next_answer(chat: ChatPage) -> None:
    expect(settings(chat).get_by_label("As they are written")).to_be_checked()
    cost = chat.page.get_by_text("If you leave or reload the page before an answer is complete, it is lost.")
    expect(cost).to_be_hidden()
    chat.page.get_by_label("All at once").check()
    expect(cost).to_be_visible()
    expect(chat.page.get_by_label("All at once")).to_have_accessible_description(
        re.compile("cannot ask for permission")
    )
    chat.page.keyboard.press("Escape")
    bodies = chat.reply_once(content_type="application/json", body=BLOCK_REPLY)
    chat.ask_and_wait("Are you whole?")
    assert bodies[0]["interaction_mode"] == "block"


@pytest.mark.parametrize("width", [1100, 390])
def test_the_cost_of_whole_answers_stands_under_their_button(chat: ChatPage, width: int) -> None:
    chat.page.set_viewport_size({"width": width, "height": 800})
    dialog = settings(chat)
    dialog.get_by_label("All at once").check()
    help_box, buttons = dialog.locator(".help").bounding_box(), dialog.locator(".options").first.bounding_box()
    assert help_box is not None
    assert buttons is not None
    assert help_box["y"] >= buttons["y"] + buttons["height"]
    assert (help_box["x"], help_box["width"]) == (buttons["x"], buttons["width"])


def test_the_reader_chooses_among_the_models_that_the_operator_allows(browser_page: Page) -> None:
    chat = ChatPage(browser_page)
    chat.configure(models=["small", "large"], model="small")
    chat.open()
    choice = chat.page.get_by_label("Model")
    expect(choice).to_have_value("small")
    choice.select_option("large")
    expect(chat.page.locator("#sluice-model-name")).to_be_hidden()
    bodies = chat.reply_once(content_type="application/json", body=BLOCK_REPLY)
    chat.ask_and_wait("Are you large?")
    assert bodies[0]["model"] == "large"


def test_a_model_that_is_no_longer_allowed_is_not_used(chat: ChatPage) -> None:
    chat.page.evaluate("""localStorage.setItem("sluice.settings.1", '{"model": "gone", "theme": "purple"}')""")
    chat.page.reload()
    expect(chat.page.locator("#sluice-model-name")).to_have_text("scripted")
    bodies = chat.reply_once(content_type="application/json", body=BLOCK_REPLY)
    chat.ask_and_wait("Who are you?")
    assert "model" not in bodies[0]
    expect(settings(chat).get_by_label("System")).to_be_checked()


def test_the_whole_page_scales_with_the_text_size(chat: ChatPage) -> None:
    def height() -> float:
        box = chat.send_button.bounding_box()
        assert box is not None
        return box["height"]

    usual = height()
    settings(chat).get_by_label("Largest").check()
    assert height() == pytest.approx(usual * 1.35, rel=0.02)
    assert chat.overflow() == 0


def test_settings_apply_in_a_browser_that_cannot_save_them(chat: ChatPage) -> None:
    chat.page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } }"
    )
    dialog = settings(chat)
    dialog.get_by_label("Dark").check()
    expect(chat.page.locator("html")).to_have_css("background-color", PAPER["dark"])
    expect(dialog.get_by_role("alert")).to_contain_text("cannot save settings")


def test_a_setting_applies_in_other_tabs(chat: ChatPage) -> None:
    other = chat.page.context.new_page()
    other.goto("/")
    expect(other.locator(".send")).to_have_text("Send")
    settings(chat).get_by_label("中文").check()
    expect(other.locator(".send")).to_have_text("发送")
