"""Tools that may be called only with the reader's permission."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

from tools.common.chat_page import DONE_FRAME, ChatPage

from .browser_errors import BrowserErrors
from .compared_picture import COMPARED
from .fed_answer import FedAnswer, call_frame, numbered, result_frame
from .held_requests import HeldRequests
from .test_tools import row

ARGUMENTS: Final = '{"to": "a@example.org", "text": "\u202eolleH"}'
DENIED: Final = "you did not allow this"
UNDECIDED: Final = "not allowed: no decision in time"
TOLD: Final = "A sentence for the model."
ORIGINAL: Final = ("What the model was told", "告知模型的内容")
NOT_RUN: Final = "The tool did not run."
ASKS: Final = call_frame("call_1", "send_mail", ARGUMENTS, needs_consent=True)
PHONE: Final[ViewportSize] = {"width": 390, "height": 780}
WIDE: Final[ViewportSize] = {"width": 1100, "height": 800}
# Whether the mark of a button is drawn within it.
MARK_IN_VIEW: Final = """(button) => {
    const mark = getComputedStyle(button, "::after");
    const [top, right] = [parseFloat(mark.top), parseFloat(mark.right)];
    return mark.content === '"?"' && getComputedStyle(button).position !== "static" && top >= 0 && right >= 0;
}"""
# Where the title of a conversation in the list begins.
TITLE_LEFT: Final = """(link) => {
    const range = document.createRange();
    range.selectNodeContents(link);
    return range.getBoundingClientRect().left;
}"""

# Keeps what is announced, from the beginning of each page on.
HEAR: Final = """() => {
    window.heard = [];
    new MutationObserver((changes) => {
        for (const { target, addedNodes } of changes) {
            if (addedNodes.length > 0 && target.matches?.("[role=status]")) window.heard.push(target.textContent);
        }
    }).observe(document, { childList: true, subtree: true });
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def told(chat: ChatPage, *replies: int | str) -> list[dict[str, Any]]:
    """Answer decisions with these statuses, one after the other, and return the list of their bodies."""
    bodies: list[dict[str, Any]] = []

    def reply(route: Route) -> None:
        status = replies[len(bodies)]
        bodies.append(json.loads(route.request.post_data or ""))
        if isinstance(status, str):
            route.abort(status)
        else:
            route.fulfill(status=status, json={"success": False} if status >= 400 else None)

    chat.page.route("**/api/runs/a1/consent", reply)
    return bodies


def begin(chat: ChatPage, run: str = "a1") -> FedAnswer:
    """Ask a question whose answer calls a tool that needs a permission."""
    answer = FedAnswer(chat.page, run=run)
    chat.ask("Write to them")
    answer.send("I will write.", ASKS)
    expect(summary(chat)).to_have_text("Tool send_mail asks for permission")
    return answer


def summary(chat: ChatPage) -> Locator:
    return row(chat, "send_mail").locator("summary")


@pytest.mark.parametrize(("name", "is_allowed"), [("Allow", True), ("Deny", False)])
def test_a_tool_that_needs_a_permission_is_asked_for_with_its_arguments(
    chat: ChatPage, name: str, is_allowed: bool
) -> None:
    bodies = told(chat, 204)
    answer = begin(chat)
    expect(chat.status).to_have_text("The tool send_mail asks for your permission.")
    # a mark of direction would show another text than the tool gets
    expect(row(chat, "send_mail").locator("pre")).to_have_text(
        '{\n  "to": "a@example.org",\n  "text": "\\u202eolleH"\n}'
    )
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    # the question first, then what it is about, then the buttons
    question = chat.answer.locator(".consent > :first-child")
    expect(question).to_have_text("Allow \u2068send_mail\u2069 with these arguments?")
    expect(consent.locator("> :nth-child(2)")).to_have_attribute("aria-label", "Arguments")
    expect(consent.get_by_role("button")).to_have_text(["Allow", "Deny"])
    colours = consent.get_by_role("button").evaluate_all(
        "buttons => buttons.map((each) => getComputedStyle(each).backgroundColor)"
    )
    assert colours[0] != colours[1]
    hint = chat.page.locator("#sluice-hint")
    expect(hint).to_have_text("The answer waits for your decision above.")
    chat.change_language("zh-CN")
    expect(hint).to_have_text("请在上方作出选择，回答才会继续。")
    expect(question).to_have_text("允许用以下参数运行 \u2068send_mail\u2069 吗？")
    chat.change_language("en")
    expect(chat.field).to_be_focused()
    consent.get_by_role("button", name=name).click()
    expect(consent).to_have_count(0)
    assert bodies == [{"call": "call_1", "allow": is_allowed}]
    expect(summary(chat)).to_have_text("Tool send_mail " + ("running" if is_allowed else DENIED))
    expect(summary(chat)).to_be_focused()
    expect(hint).to_have_text("Esc to stop. You can send when the answer is complete.")
    answer.send(
        result_frame("call_1", "send_mail", "Sent")
        if is_allowed
        else result_frame("call_1", "send_mail", TOLD, code="denied")
    )
    body = row(chat, "send_mail").locator(".tool-body p")
    expect(body).to_have_text(["Arguments", "Result" if is_allowed else NOT_RUN])
    expect(summary(chat)).to_have_text("Tool send_mail " + ("0.4 s" if is_allowed else DENIED))
    # a denial is no failure
    state = row(chat, "send_mail").locator(".tool-state")
    expect(state).to_have_css("color", summary(chat).evaluate("(row) => getComputedStyle(row).color"))
    answer.send(DONE_FRAME)
    chat.wait_complete()
    expect(hint).to_have_text("Enter to send, Shift+Enter for a new line")
    chat.page.reload()
    expect(summary(chat)).to_have_text("Tool send_mail " + ("0.4 s" if is_allowed else DENIED))


def test_a_decision_that_fails_can_be_made_again_and_one_made_elsewhere_counts(
    chat: ChatPage, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of")
    browser_errors.expect("ERR_CONNECTION_RESET")
    bodies = told(chat, 503, "connectionreset", 404, 409)
    answer = begin(chat)
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    allow = consent.get_by_role("button", name="Allow")
    for sentence in (
        "The server could not be told. Try again.",
        "The server could not be told. Try again.",
        "The server does not wait for this any more.",
    ):
        allow.click()
        expect(consent.get_by_role("alert")).to_have_text(sentence)
        expect(allow).to_be_focused()
        expect(allow).to_be_enabled()
    allow.click()
    expect(summary(chat)).to_have_text("Tool send_mail running")
    assert len(bodies) == 4
    # the decision on the other page
    answer.send(result_frame("call_1", "send_mail", TOLD, code="denied"))
    expect(summary(chat)).to_have_text(f"Tool send_mail {DENIED}")
    expect(row(chat, "send_mail").locator(".tool-body p")).to_have_text(["Arguments", NOT_RUN])


def test_a_permission_that_is_no_longer_asked_for_was_not_given_and_leaves_the_focus_on_the_row(
    chat: ChatPage, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("status of 404")  # the server does not know the answer
    for is_stopped in (True, False):
        answer = begin(chat)
        allow = chat.answer.get_by_role("button", name="Allow")
        allow.focus()
        if is_stopped:
            chat.page.keyboard.press("Escape")
        else:  # nobody decided in time
            answer.send(result_frame("call_1", "send_mail", TOLD, code="undecided"))
        expect(allow).to_have_count(0)
        shown = chat.answer.locator(".tool")
        expect(shown.locator("summary")).to_be_focused()
        expect(shown.locator("summary")).to_have_text(f"Tool send_mail {'not run' if is_stopped else UNDECIDED}")
        expect(shown.locator(".tool-body p")).to_have_text(["Arguments", NOT_RUN])
        muted = shown.locator("summary").evaluate("(row) => getComputedStyle(row).color")
        expect(shown.locator(".tool-state")).to_have_css("color", muted)
        if not is_stopped:
            chat.change_language("zh-CN")
            expect(shown.locator("summary")).to_have_text("工具 send_mail 未获允许：未及时作出选择")
            expect(shown.locator(".tool-body p")).to_have_text(["参数", "工具没有运行。"])
            chat.change_language("en")
        chat.page.keyboard.press("Shift+Escape")


def test_a_tool_whose_permission_was_sent_may_have_run_although_its_answer_was_stopped(
    chat: ChatPage, browser_errors: BrowserErrors
) -> None:
    """The reply to the permission may be late or lost."""
    browser_errors.expect("status of")
    consents = HeldRequests(chat.page, "**/api/runs/a1/consent")
    begin(chat)
    other = ChatPage(chat.page.context.new_page())
    events = HeldRequests(other.page, "**/api/runs/a1/events")
    other.page.goto(chat.page.url)
    expect(summary(other)).to_have_text("Tool send_mail asks for permission")
    allow = chat.answer.get_by_role("button", name="Allow")
    with chat.page.expect_request("**/api/runs/a1/consent"):
        allow.click()
    expect(allow).to_be_focused()
    expect(summary(chat)).to_have_text("Tool send_mail asks for permission")
    for each in (chat, other):
        each.send_button.click()
        expect(summary(each)).to_have_text("Tool send_mail not finished")
        expect(each.page.get_by_text(NOT_RUN)).to_have_count(0)
    for held in (consents, events):
        held.fulfill(status=503, json={"success": False})


def test_a_tab_that_could_not_be_told_of_a_permission_reads_of_it(chat: ChatPage) -> None:
    told(chat, 204)
    answer = begin(chat)
    other = ChatPage(chat.page.context.new_page())
    events = HeldRequests(other.page, "**/api/runs/a1/events")
    # it has not received the call yet when the message comes
    chat.page.evaluate(
        """() => {
            const { postMessage } = BroadcastChannel.prototype;
            BroadcastChannel.prototype.postMessage = function (message) {
                if (message.kind !== "decided") postMessage.call(this, message);
            };
        }"""
    )
    other.page.goto(chat.page.url)
    expect(summary(other)).to_have_text("Tool send_mail asks for permission")
    chat.answer.get_by_role("button", name="Allow").click()
    expect(summary(other)).to_have_text("Tool send_mail running")
    answer.send(result_frame("call_1", "send_mail", "Sent"), DONE_FRAME)
    chat.wait_complete()
    events.fulfill(status=204)


LETTER: Final = {
    "to": "a@example.org",
    "mail": {"text": 'Hello,\n\n"to": "b@example.org"\n\u200b\u202e' + "\n" * 40 + "the end", "copies": [1]},
    "odd": ["true", "5", " x", "", 'a"b', "\\u200b", "2026-11-30"],
    "Allow all?\n": True,
}
# The top and bottom of the question and of a button, between the edges of what covers the page.
PLACES: Final = """(card) => {
    const box = (each) => each.getBoundingClientRect();
    const [bar, dock] = ["bar", "dock"].map((name) => box(document.querySelector("#sluice-" + name)));
    const parts = [...card.querySelectorAll(".consent-question, .deny")].map(box);
    return [bar.bottom, ...parts.flatMap(({ top, bottom }) => [top, bottom]), dock.top];
}"""


# Whether something is drawn at the upper and at the lower edge of the picture of this colour.
EDGES: Final = f"""async (given) => {{
    const {{ width, height, farthest }} = await ({COMPARED})(given);
    const isDrawn = (y) => farthest(width / 2, y, 16) > 40; // the line has gaps
    return {{ upper: [0, 1, 2].some(isDrawn), lower: [1, 2, 3].some((up) => isDrawn(height - up)) }};
}}"""
# Scrolls the box of the arguments to its start, or so that it ends, or begins, between two of them, or to its end.
SCROLL_ARGUMENTS: Final = """(box, to) => {
    const names = [...box.querySelectorAll(".argument-name")];
    const [, , third, ...later] = names.map((each) => each.getBoundingClientRect());
    const { top, bottom } = box.getBoundingClientRect();
    box.scrollTop = {
        start: 0,
        before: box.scrollTop + later.at(-1).top - bottom - 2,
        after: box.scrollTop + third.top - top - 5,
        end: box.scrollHeight,
    }[to];
}"""
# Of a box: what is drawn at its edges.
DRAWN: Final = {
    "start": {"upper": False, "lower": True},
    "before": {"upper": True, "lower": True},
    "after": {"upper": True, "lower": True},
    "end": {"upper": True, "lower": False},
}


def test_an_argument_with_line_breaks_is_readable_and_looks_like_no_other(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 780, "height": 390})
    answer = FedAnswer(chat.page, run="a1")
    chat.ask("Write to them")
    call = call_frame("call_1", "send_mail", json.dumps(LETTER), needs_consent=True)
    answer.send("I will write. " * 100, call)
    card = row(chat, "send_mail").locator(".tool-body")
    names, values = card.locator(".argument-name"), card.locator("pre")
    expect(names).to_have_text(
        ["to", "mail.text", "mail.copies[0]", *(f"odd[{n}]" for n in range(7)), '"Allow all?\\n"']
    )
    # quotation marks only where a string could be taken for another value
    odd = ['"true"', '"5"', '" x"', '""', '"a\\"b"', '"\\\\u200b"', "2026-11-30"]
    assert values.all_text_contents()[3:] == [*odd, "true"]
    expect(values).to_have_text(["a@example.org", re.compile("Hello"), "1", *odd, "true"])
    shown = values.nth(1).evaluate("each => each.textContent")
    assert shown == 'Hello,\n\n"to": "b@example.org"\n\\u200b\\u202e\n' + "\\n" * 38 + "\nthe end"
    # the question and the buttons are in view together, also on a phone that lies on its side
    expect(card.get_by_role("button", name="Deny")).to_be_in_viewport(ratio=1)
    edges = card.evaluate(PLACES)
    assert edges == sorted(edges)
    # also at a zoom of 400 %, and with large text, where there is no room for more
    for width, height, text_size in ((320, 256, "normal"), (780, 390, "larger"), (320, 640, "larger")):
        chat.page.set_viewport_size({"width": width, "height": height})
        chat.page.evaluate("(size) => { document.documentElement.dataset.textSize = size; }", text_size)
        chat.page.evaluate("() => dispatchEvent(new Event('resize'))")  # the page goes to its end
        chat.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        edges = card.evaluate(PLACES)
        assert edges == sorted(edges), (width, height, text_size)
    box = card.get_by_role("group", name="Arguments")
    expect(box).to_have_attribute("tabindex", "0")
    # a line says that there are more, also where the box begins or ends between two, and in all colours
    schemes: list[dict[str, Any]] = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}]
    for colours in schemes:
        chat.page.emulate_media(**colours)
        paper = card.evaluate("each => getComputedStyle(each).backgroundColor")
        for place, drawn in DRAWN.items():
            box.evaluate(SCROLL_ARGUMENTS, place)
            picture = b64encode(box.screenshot()).decode()
            assert chat.page.evaluate(EDGES, {"picture": picture, "paper": paper}) == drawn, (colours, place)
    # the focus goes to the row, and the row and the end are in view
    chat.page.emulate_media(forced_colors="none")
    chat.page.evaluate("() => { document.documentElement.dataset.textSize = 'normal'; }")
    chat.page.set_viewport_size({"width": 780, "height": 390})
    told(chat, 204)
    card.get_by_role("button", name="Allow").press("Enter")
    expect(summary(chat)).to_be_focused()
    expect(summary(chat)).to_have_text("Tool send_mail running")
    expect(summary(chat)).to_be_in_viewport(ratio=1)
    answer.send(result_frame("call_1", "send_mail", "Sent\n" * 40), "I wrote. " * 100 + "The end.")
    expect(chat.prose.last).to_contain_text("The end.")
    assert chat.page.evaluate("() => scrollY + innerHeight - document.documentElement.scrollHeight") > -2
    summary(chat).press("Enter")
    expect(card.locator("> p")).to_have_text(["Arguments", "Result"])
    chat.page.set_viewport_size(WIDE)
    result = card.get_by_role("group", name="Result")
    result.scroll_into_view_if_needed()
    paper = result.locator("pre").evaluate("each => getComputedStyle(each).backgroundColor")
    for top, place in ((0, "start"), (20, "before"), (9999, "end")):
        result.evaluate("(box, top) => { box.scrollTop = top; }", top)
        picture = b64encode(result.screenshot()).decode()
        assert chat.page.evaluate(EDGES, {"picture": picture, "paper": paper}) == DRAWN[place], place


# The state and the sentences in the row of a call that has failed, by the result's code: English, then Chinese.
FAILURES: Final = {
    "cannot_ask": (
        ("not allowed: nobody could be asked", "The tool did not run."),
        ("未获允许：无法询问", "工具没有运行。"),
    ),
    "invalid_arguments": (
        ("failed, 0.4 s", "The model called it with arguments that do not fit. It did not run.", ORIGINAL[0]),
        ("失败，0.4 秒", "模型给出的参数不符合工具的要求，工具没有运行。", ORIGINAL[1]),
    ),
    "unknown_tool": (
        ("failed, 0.4 s", "The model called a tool that does not exist here.", ORIGINAL[0]),
        ("失败，0.4 秒", "模型调用了这里没有的工具。", ORIGINAL[1]),
    ),
    "timeout": (
        ("failed, 0.4 s", "The tool did not end in time, and was stopped.", ORIGINAL[0]),
        ("失败，0.4 秒", "工具未在时限内完成，已被停止。", ORIGINAL[1]),
    ),
    "failed": (
        ("failed, 0.4 s", "Something went wrong in the tool.", ORIGINAL[0]),
        ("失败，0.4 秒", "工具出错了。", ORIGINAL[1]),
    ),
    "of_a_later_version": (
        ("failed, 0.4 s", "Something went wrong in the tool.", ORIGINAL[0]),
        ("失败，0.4 秒", "工具出错了。", ORIGINAL[1]),
    ),
}


def test_what_the_server_tells_the_model_of_a_failed_call_the_page_says_in_the_readers_language(
    chat: ChatPage,
) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("Look it up")
    for code in FAILURES:
        answer.send(call_frame(code, code), result_frame(code, code, TOLD, code=code))
    answer.send(
        call_frame("own", "own"), result_frame("own", "own", "The tool's own.", is_error=True), "So.", DONE_FRAME
    )
    chat.wait_complete()
    for each in chat.answer.locator(".tool summary").all():
        each.click()
    expect(row(chat, "own").locator("p")).to_have_text(["Arguments", "Error"])
    chat.wait_saved()
    for index, language in ((1, "zh-CN"), (0, "en")):
        chat.change_language(language)
        for code, languages in FAILURES.items():
            state, *sentences = languages[index]
            expect(row(chat, code).locator(".tool-state")).to_have_text(state)
            expect(row(chat, code).locator("p")).to_have_text([("Arguments", "参数")[index], *sentences])
            # a person need not read what the model was told of their own decision
            expect(row(chat, code).get_by_text(TOLD)).to_have_count(len(sentences) - 1)
    chat.page.reload()
    expect(row(chat, "timeout").locator(".tool-state")).to_have_text("failed, 0.4 s")
    row(chat, "timeout").locator("summary").click()
    expect(row(chat, "timeout").locator("p").nth(1)).to_have_text("The tool did not end in time, and was stopped.")


def test_a_permission_is_asked_for_again_after_a_reload_and_not_once_it_is_decided(chat: ChatPage) -> None:
    bodies = told(chat, 204)
    begin(chat)
    events = HeldRequests(chat.page, "**/api/runs/a1/events")
    chat.page.reload()
    expect(summary(chat)).to_have_text("Tool send_mail asks for permission")
    chat.page.get_by_role("button", name="Deny").click()
    expect(summary(chat)).to_have_text(f"Tool send_mail {DENIED}")
    assert bodies == [{"call": "call_1", "allow": False}]
    with chat.page.expect_request("**/api/runs/a1/events"):
        chat.page.reload()
    expect(summary(chat)).to_have_text(f"Tool send_mail {DENIED}")
    rest = numbered(3, result_frame("call_1", "send_mail", "Refused", is_error=True), "I did not.", DONE_FRAME)
    chat.page.reload()
    events.fulfill(content_type="text/event-stream", body=rest)
    expect(chat.answer).to_contain_text("I did not.")
    expect(summary(chat)).to_have_text(f"Tool send_mail {DENIED}")


def test_a_reader_who_comes_back_hears_of_the_permission_that_is_waited_for_and_nothing_else(chat: ChatPage) -> None:
    chat.page.add_init_script(f"({HEAR})()")
    begin(chat)
    chat.page.evaluate(HEAR)
    sentence = "The tool send_mail asks for your permission."
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.locator(".conversation a").click()
    expect(chat.status).to_have_text(sentence)
    assert chat.page.evaluate("window.heard") == [sentence]
    events = HeldRequests(chat.page, "**/api/runs/a1/events")
    chat.page.reload()
    expect(chat.status).to_have_text(sentence)
    assert chat.page.evaluate("window.heard") == [sentence]
    # once it is given, the answer is generated again
    told(chat, 204)
    chat.page.get_by_role("button", name="Allow").click()
    expect(summary(chat)).to_have_text("Tool send_mail running")
    chat.page.get_by_role("button", name="New conversation").click()
    chat.page.locator(".conversation a").click()
    expect(chat.status).to_have_text("Generating")
    assert chat.page.evaluate("window.heard") == [sentence, "Generating"]
    rest = numbered(3, result_frame("call_1", "send_mail", "Sent"), "I wrote.", DONE_FRAME)
    events.fulfill(content_type="text/event-stream", body=rest)
    chat.wait_complete()


def test_without_a_kept_answer_the_page_says_that_it_cannot_give_a_permission(chat: ChatPage) -> None:
    begin(chat, run="")
    consent = row(chat, "send_mail").get_by_role("group", name="Permission")
    expect(consent).to_contain_text("this page cannot give it")
    expect(consent.get_by_role("button")).to_have_count(0)
    chat.page.keyboard.press("Escape")
    expect(summary(chat)).to_have_text("Tool send_mail not run")
    expect(consent).to_have_count(0)


def test_a_permission_that_is_needed_in_another_version_can_be_reached_from_each(chat: ChatPage) -> None:
    chat.ask_and_wait("Hello zebra")
    chat.page.locator(".exchange .edit").click()
    editor = chat.page.get_by_role("textbox", name="Edit your question")
    editor.fill("Hello giraffe")
    editor.press("Enter")
    expect(chat.questions).to_have_text("Hello giraffe")
    chat.wait_complete()
    answer = begin(chat)
    hint = chat.page.locator("#sluice-hint")
    expect(hint).to_have_text("The answer waits for your decision above.")
    chat.page.get_by_role("searchbox").fill("zebra")
    chat.page.locator(".conversation a").click()
    expect(chat.questions).to_have_text("Hello zebra")
    expect(hint).to_have_text("An answer in another version waits for your decision.")
    chat.page.get_by_role("button", name="Show that version").click()
    expect(hint).to_have_text("The answer waits for your decision above.")
    expect(summary(chat)).to_have_text("Tool send_mail asks for permission")
    chat.page.get_by_role("button", name="Previous version").click()
    expect(chat.questions).to_have_text("Hello zebra")
    chat.page.get_by_role("button", name="Next version").click()
    told(chat, 204)
    chat.page.get_by_role("button", name="Allow").click()
    expect(summary(chat)).to_contain_text("running")
    expect(hint).to_have_text("Esc to stop. You can send when the answer is complete.")
    chat.page.get_by_role("button", name="Previous version").click()
    expect(hint).to_have_text("An answer in another version is being written. Esc to stop.")
    answer.send(result_frame("call_1", "send_mail", "sent"), "Sent.", DONE_FRAME)
    expect(hint).to_have_text("Enter to send, Shift+Enter for a new line")


def test_a_permission_that_is_needed_in_another_conversation_is_announced_and_marked(chat: ChatPage) -> None:
    told(chat, 204)
    answer = FedAnswer(chat.page, run="a1")
    chat.ask("Write to them")
    answer.send("I will write.")

    def is_marked(mark: str) -> None:
        expect(chat.page.locator(".conversation a")).to_have_accessible_name(f"Write to them{mark}")

    is_marked(" (Generating)")
    begins = chat.page.locator(".conversation a").evaluate(TITLE_LEFT)
    chat.page.get_by_role("button", name="New conversation").click()
    notice = chat.page.locator(".notice", has_text="asks for your permission in another conversation")
    expect(notice).to_have_count(0)
    answer.send(ASKS)
    expect(notice.get_by_role("alert")).to_be_visible()
    is_marked(" (Permission needed)")
    assert chat.page.locator(".conversation a").evaluate(TITLE_LEFT) == begins  # the mark moves nothing
    expect(chat.page).to_have_title("Permission needed · Sluice")
    # on a phone, where the list is behind a button
    toggle = chat.page.locator("#sluice-toggle-sidebar")
    chat.page.set_viewport_size(PHONE)
    expect(toggle).to_have_accessible_name("Open the sidebar (Permission needed)")
    assert toggle.evaluate(MARK_IN_VIEW)
    toggle.click()
    expect(toggle).to_have_accessible_name("Close the sidebar")
    chat.page.keyboard.press("Escape")
    expect(toggle).to_have_accessible_name("Open the sidebar (Permission needed)")
    chat.page.set_viewport_size(WIDE)
    chat.change_language("zh-CN")
    expect(chat.page.locator(".notice p")).to_have_text("另一段对话中有工具请求你的许可。")
    chat.page.get_by_role("button", name="查看", exact=True).click()
    expect(chat.status).to_have_text("工具 send_mail 请求你的许可。")
    chat.change_language("en")
    expect(chat.page.locator(".notice")).to_have_count(0)
    expect(chat.field).to_be_focused()
    expect(chat.page).to_have_title("Permission needed · Write to them · Sluice")
    chat.page.set_viewport_size(PHONE)
    expect(toggle).to_have_accessible_name("Open the sidebar")  # the permission is asked for in view
    chat.page.set_viewport_size(WIDE)
    chat.page.get_by_role("button", name="Allow").click()
    is_marked(" (Generating)")
    expect(chat.page).to_have_title("Write to them · Sluice")
    # an answer that ends there is marked until it is seen
    chat.page.get_by_role("button", name="New conversation").click()
    answer.send(result_frame("call_1", "send_mail", "Sent"), DONE_FRAME)
    expect(chat.status).to_have_text("The answer in “Write to them” has ended.")
    is_marked(" (New answer)")
    chat.page.locator(".conversation a").click()
    is_marked("")
