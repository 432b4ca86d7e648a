"""The messages of failures, in both languages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sluice.web.api.error_replies import STATUSES
from tools.common.chat_page import ChatPage, frames, text_frame
from tools.common.page_modules import with_page_modules

from .browser_errors import BrowserErrors
from .fed_answer import call_frame

# The codes of the page itself, in addition to the server's.
PAGE_CODES = {
    "too_large", "network", "offline", "cut_off", "unexpected_reply", "interrupted", "server_stopped", "page",
    "import_failed", "import_incomplete", "unknown",
}  # fmt: skip


def texts(page: Page, language: str) -> dict[str, Any]:
    """Return all texts of a language."""
    found: dict[str, Any] = page.evaluate(
        with_page_modules("""async (language) => {
            const all = Object.values(await pageModule(`i18n/${language}.js`))[0];
            return JSON.parse(JSON.stringify(all));
        }"""),
        language,
    )
    return found


def test_every_error_code_has_a_message_in_both_languages(browser_page: Page) -> None:
    browser_page.goto("/")
    codes = {error.code for error in STATUSES} | PAGE_CODES
    for language, end in (("english", "."), ("chinese", "。")):
        all_texts = texts(browser_page, language)
        failures = all_texts["failures"]
        assert set(failures) == codes
        assert [each for each in failures.values() if not each.endswith(end)] == []
        # a failure is shown for as long as its conversation is kept
        now = [
            each
            for each in failures.values()
            if re.search("right now|server is |provider is (?:not|receiving)|暂时|稍[后候]", each)
        ]
        assert now == []
        kept = [each for each in failures.values() if re.search("arrived|已收到", each)]
        assert len(kept) == 7
        assert [each for each in kept if all_texts["partKept"] not in each] == []
        # the choice of a model is in the message box
        assert [each for each in failures.values() if re.search("below the message box|输入框下方", each)] == []


@pytest.mark.parametrize(
    ("language", "sentence", "kept"),
    [
        ("en", "The model's answer stopped before its end.", " The part that arrived is kept."),
        ("zh-CN", "模型的回答在完成前中断。", "，已收到的部分已保留"),
    ],
)
def test_a_part_is_said_to_be_kept_where_one_has_arrived(
    browser_page: Page, browser_errors: BrowserErrors, language: str, sentence: str, kept: str
) -> None:
    browser_errors.expect("status of 502")
    chat = ChatPage(browser_page).open()
    chat.change_language(language)
    failed = {"success": False, "error": "Cut.", "code": "upstream_truncated", "retryable": True}
    chat.reply_once(status=502, json=failed)
    chat.ask("Nothing")
    shown = chat.failure.locator(".sentence")
    expect(shown).to_have_text(sentence)
    whole = sentence + kept if language == "en" else f"{sentence[:-1]}{kept}。"
    for number, part in enumerate(
        (text_frame("Half"), {"success": True, "reasoning": "Hm"}, call_frame("c1", "search"))
    ):
        chat.reply_once(content_type="text/event-stream", body=frames(part, failed))
        chat.ask("Something")
        expect(shown).to_have_count(number + 2)
        expect(shown.last).to_have_text(whole)


def test_an_unknown_error_code_is_reported_as_unknown(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    for number, code in enumerate(("moon_phase", "toString")):
        failed = {"success": False, "error": "No such thing yet.", "code": code, "retryable": True}
        chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Half"), failed))
        chat.ask("Tell me")
        expect(chat.failure).to_have_count(number + 1)
        expect(chat.failure.last).to_contain_text("an error that this page does not know. Reload the page")
        expect(chat.prose).to_have_text("Half")


def test_failures_of_a_long_conversation_offer_a_new_one_with_the_question_as_its_draft(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 4")
    chat = ChatPage(browser_page).open()
    start = chat.page.get_by_role("button", name="New conversation with this question")
    for status, code in ((400, "context_length_exceeded"), (400, "content_filtered")):
        failed = {"success": False, "error": "No.", "code": code, "retryable": False}
        chat.reply_once(status=status, json=failed)
        chat.ask(f"Tell me of {code}")
        start.click()
        expect(chat.questions).to_have_count(0)
        expect(chat.field).to_have_value(f"Tell me of {code}")
        expect(chat.field).to_be_focused()
    # a new conversation would not help
    chat.reply_once(status=413, json={**failed, "code": "invalid_request"})
    chat.field.press("Enter")
    expect(chat.failure).to_contain_text("too long to send, even without the earlier messages")
    expect(start).to_have_count(0)
    expect(chat.answer.locator(".actions .edit")).to_be_visible()


# By the code of a failure: the buttons with words, in the order in which its sentence names what helps.
BUTTONS = {
    "sign_in_required": ["Sign in", "Try again"],
    "invalid_request": ["Reload", "Try again"],
    "unexpected_reply": ["Reload", "Try again"],
    "user_changed": ["Reload"],
    "context_length_exceeded": ["New conversation with this question", "Edit question"],
    "content_filtered": ["Edit question", "New conversation with this question"],
    "refused": ["Edit question"],
    "answer_too_large": ["Edit question"],
    "temperature_refused": ["Change the temperature", "Try again"],
    "model_not_found": ["Choose another model", "Try again"],
    "quota_exceeded": ["Copy error details"],
    "key_refused": ["Copy error details"],
    "forbidden": ["Copy error details"],
    "upstream_rejected": ["Copy error details", "Try again"],
    "internal": ["Copy error details", "Try again"],
    "upstream_invalid": ["Try again", "Copy error details"],
    "upstream_timeout": ["Try again", "Edit question"],
    "upstream_unavailable": ["Try again"],
}


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_the_buttons_below_a_failure_are_what_its_sentence_names(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 502")
    chat = ChatPage(browser_page)
    chat.configure(models=["one", "two"], model="one", allow_temperature=True)
    chat.open()
    chat.page.get_by_role("button", name="Adjust the answers").click()
    chat.page.get_by_label("Temperature").fill("0.3")
    chat.page.keyboard.press("Enter")
    for count, (code, names) in enumerate(BUTTONS.items(), start=1):
        failed = {"success": False, "error": "No.", "code": code, "retryable": False, "request_id": "r-17"}
        chat.reply_once(status=502, json=failed)
        chat.ask("Tell me")
        expect(chat.failure).to_have_count(count)
        buttons = chat.answer.locator(".actions > button:not(.icon-button):visible")
        expect(buttons).to_have_text(names)
        button = buttons.first
        if names[0] == "Choose another model":
            button.click()
            expect(chat.page.get_by_label("Model", exact=True)).to_be_focused()
            chat.page.keyboard.press("Escape")
        elif names[0] == "Change the temperature":
            button.click()
            expect(chat.page.get_by_role("dialog", name="Adjust the answers")).to_be_visible()
            chat.page.keyboard.press("Escape")
        elif code == "quota_exceeded":
            button.click()
            expect(button).to_have_text("Copied")
            report = chat.page.evaluate("navigator.clipboard.readText()")
            assert report.startswith("This server's account with the model provider is used up.")
            assert "quota_exceeded (502)" in report
            assert "r-17" in report
            assert "Tell me" not in report
        if "Try again" not in names:  # the cause may be gone: the menu has it
            chat.answer.get_by_role("button", name="More actions").click()
            expect(chat.page.get_by_role("menuitem").first).to_have_text("Try again")
            chat.page.keyboard.press("Escape")


def test_an_exception_in_the_page_is_not_a_server_error(browser_page: Page, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("a defect")
    chat = ChatPage(browser_page).open()
    browser_page.evaluate("() => { TextDecoder.prototype.decode = () => { throw new RangeError('a defect'); }; }")
    chat.ask("Tell me")
    expect(chat.failure).to_have_text(re.compile("^An error occurred in this page"))
    expect(chat.retry_button).to_be_visible()


def test_a_refusal_is_shown_in_the_applications_own_words(browser_page: Page, browser_errors: BrowserErrors) -> None:
    browser_errors.expect("403")
    chat = ChatPage(browser_page).open()
    sentence = "Only questions about <b>tea</b> are answered."
    refused = {"success": False, "error": sentence, "code": "refused", "retryable": False}
    chat.reply_once(status=403, json=refused)
    chat.ask("Tell me")
    expect(chat.failure).to_have_text(sentence)
    chat.page.reload()
    expect(chat.failure).to_have_text(sentence)
