"""States around an answer: busy, offline, restarting; details of the answer."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import (
    MODEL_NAME,
    Pause,
    ScriptedModel,
    finished,
    reply,
    said,
    stalling_after,
    usage_of,
)

from ..conftest import PLANTED_KEY
from .browser_errors import BrowserErrors

HOUR = 60 * 60  # seconds


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


@pytest.mark.browser_context  # Playwright's clock cannot be removed from a shared context
def test_a_busy_server_shows_a_countdown_to_the_retry(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of (503|429)")
    browser_page.clock.install(time=0)
    chat = ChatPage(browser_page).open()
    browser_page.clock.pause_at(HOUR)  # or the countdown would go on while the test looks at it
    chat.reply_busy_once(7)
    chat.ask("Tell me")
    alert = chat.page.get_by_role("alert").filter(has_text="The server was busy")
    told = "The server was busy and did not answer this question. Try again in 7 seconds."
    expect(alert).to_have_text(told)
    expect(chat.failure).to_contain_text("Reference: r-17")  # 32 digits, which nobody wants to hear
    expect(chat.countdown).to_have_text("Try again in 7 s")
    place = chat.retry_button.bounding_box()
    assert place is not None
    expect(chat.details).to_have_count(0)  # an answer that never began has no details
    chat.page.clock.fast_forward(4000)
    expect(chat.countdown).to_have_text("Try again in 3 s")
    expect(alert).to_have_text(told)  # screen readers would read a countdown every second
    chat.answer.get_by_role("button", name="More actions").click()
    expect(chat.page.get_by_role("menuitem")).to_have_text(["Delete question and answer"])
    chat.page.keyboard.press("Escape")
    chat.page.clock.fast_forward(4000)
    expect(chat.countdown).to_have_count(0)
    expect(chat.retry_button).to_have_text("Try again")
    then = chat.retry_button.bounding_box()
    assert then is not None
    assert (then["x"], then["y"]) == (place["x"], place["y"])  # nothing has moved
    expect(chat.status).to_have_text("You can try again now.")
    chat.page.clock.resume()
    chat.retry_button.click()
    expect(chat.prose).to_have_text("Hello, world!")
    expect(chat.failure).to_have_count(0)
    # the sentence does not say what the button does not allow
    limited = {
        "success": False,
        "error": "",
        "code": "upstream_rate_limited",
        "retryable": True,
        "request_id": "r-18",
    }
    chat.reply_once(status=429, headers={"Retry-After": "3500"}, json=limited)
    chat.ask("And now?")
    alert = chat.failure.get_by_role("alert")
    expect(alert).to_have_text("The model provider had received too many requests. Try again in 59 minutes.")
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.get_by_label("简体中文", exact=True).check()
    expect(chat.failure.locator(".sentence")).to_have_text("当时模型服务商收到的请求过多。")


def test_a_countdown_continues_after_a_reload(chat: ChatPage, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("status of 503")
    chat.reply_busy_once(3600)
    chat.ask("Tell me")
    expect(chat.countdown).to_have_text("Try again in 60 min")
    chat.page.reload()
    expect(chat.countdown).to_have_text("Try again in 60 min")


def test_an_offline_reader_loses_nothing_and_can_retry_when_online(
    chat: ChatPage, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("ERR_INTERNET_DISCONNECTED")
    model.enqueue(reply("First answer."), reply("Second answer."))
    chat.ask_and_wait("First")
    chat.page.context.set_offline(True)
    notice = chat.page.get_by_role("alert").filter(has_text="You are offline. Your conversation")
    expect(notice).to_be_visible()
    chat.ask("Second")
    expect(chat.failure).to_have_text("You were offline, so no answer came. The question is kept.")
    expect(chat.countdown).to_have_text("Try again")
    chat.field.fill("Third, half written")

    chat.page.context.set_offline(False)
    expect(notice).to_be_hidden()
    expect(chat.retry_button).to_be_enabled()
    chat.retry_button.click()
    expect(chat.prose).to_have_text("Second answer.")
    expect(chat.questions).to_have_text(["First", "Second"])
    expect(chat.field).to_have_value("Third, half written")

    # where a part has arrived, the question was sent
    model.enqueue(stalling_after("Half"))
    chat.ask("Third")
    expect(chat.prose).to_have_text("Half")
    chat.page.keyboard.press("Escape")
    chat.page.context.set_offline(True)
    chat.answer.get_by_role("button", name="Continue").click()
    expect(chat.failure).to_have_text(
        "You were offline, so this answer could not go on. The part that arrived is kept."
    )
    expect(chat.prose).to_have_text("Half")


def test_a_button_shows_the_details_of_an_answer(chat: ChatPage, model: ScriptedModel) -> None:
    gate = model.gate("before the end")
    model.enqueue((*said("One", " two"), gate, Pause(0.15), *finished(usage=usage_of(9, 42))))
    chat.ask("Count")
    expect(chat.prose).to_have_text("One two")
    expect(chat.details).to_have_count(0)
    gate.open()
    chat.wait_complete()
    expect(chat.details).to_be_hidden()
    chat.show_details.click()
    expect(chat.details).to_be_visible()
    names, texts = (chat.details.locator(each).all_inner_texts() for each in ("dt", "dd"))
    values = dict(zip(names, texts, strict=True))
    assert list(values) == ["Model", "Time to first token", "Total time", "Tokens per second", "Tokens"]
    assert values["Model"] == MODEL_NAME
    assert values["Tokens"] == "9 input, 42 output"
    first, whole = (float(values[name].removesuffix(" s")) for name in ("Time to first token", "Total time"))
    assert 0 <= first <= whole
    rate = float(values["Tokens per second"].replace(",", ""))
    # The times are shown in hundredths of a second, and so may be equal.
    assert rate > 0.99 * 42 / (whole - first + 0.01)
    assert rate * (whole - first - 0.01) < 1.01 * 42
    # the time of an answer in one piece says nothing
    rates = chat.page.evaluate(
        with_page_modules("""async (times) => {
            const { tokensPerSecond } = await pageModule("api/answer_details.js");
            const usage = { completion: 42 };
            return times.map((totalMs) => tokensPerSecond({ firstMs: 50, totalMs, usage }) ?? null);
        }"""),
        [50, 51, 149, 150],
    )
    assert rates == [None, None, None, 420]
    chat.page.reload()
    chat.show_details.click()
    expect(chat.details).to_contain_text("9 input, 42 output")


def test_details_mark_estimated_and_missing_token_counts(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("Not counted by the provider"), stalling_after("As far as this"))
    chat.ask_and_wait("First")
    chat.show_details.click()
    expect(chat.details).to_contain_text("(estimated)")
    chat.ask("Second")
    expect(chat.prose).to_have_text("As far as this")
    chat.field.press("Escape")
    chat.show_details.click()
    expect(chat.details).to_contain_text("not counted")
    expect(chat.details).to_contain_text("Time to first token")


def test_details_open_in_view_without_shifting_the_answer(chat: ChatPage, model: ScriptedModel) -> None:
    model.enqueue(reply("\n\n".join(f"Line {number}" for number in range(60))), reply("Short."))
    chat.ask_and_wait("First")
    buttons = chat.answer.locator(".actions button")
    chat.page.mouse.move(0, 0)
    before = [each.bounding_box() for each in buttons.all()]
    there = chat.page.evaluate("scrollY")
    chat.show_details.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.show_details).to_have_attribute("aria-expanded", "true")
    expect(chat.details).to_be_in_viewport(ratio=1)
    dock = chat.page.locator("#sluice-dock").bounding_box()
    box = chat.details.bounding_box()
    assert dock is not None
    assert box is not None
    assert box["y"] + box["height"] <= dock["y"]
    chat.page.evaluate("top => scrollTo({ top, behavior: 'instant' })", there)
    assert [each.bounding_box() for each in buttons.all()] == before
    chat.page.keyboard.press("Enter")
    expect(chat.details).to_be_hidden()


@pytest.fixture
def page_server_that_ends(model: ScriptedModel) -> Iterator[GunicornServer]:
    """Start a server that does not wait for running answers when it stops, and keeps none."""
    env = {
        "OPENAI_API_KEY": PLANTED_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": MODEL_NAME,
        "SLUICE_DRAIN_TIMEOUT": "0.1",
        "SLUICE_STORE": "off",
    }
    with GunicornServer(env) as server:
        yield server


def test_a_restarting_server_is_reported_and_the_text_is_kept(
    browser: Browser, model: ScriptedModel, page_server_that_ends: GunicornServer
) -> None:
    server = page_server_that_ends
    model.enqueue(stalling_after("As far as this"))
    with open_context(browser, base_url=server.url, locale="en-GB") as context:
        chat = ChatPage(context.new_page()).open()
        chat.ask("Tell me")
        expect(chat.prose).to_have_text("As far as this")
        server.signal(signal.SIGTERM)
        expect(chat.failure).to_contain_text("The server was restarting.")
        expect(chat.prose).to_have_text("As far as this")
        server.wait_exit()
        chat.retry_button.click()
        expect(chat.failure).to_contain_text("The server could not be reached. It may have been restarting.")
        expect(chat.retry_button).to_be_visible()
