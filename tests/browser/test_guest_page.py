"""The page in somebody's application: in its layout, as a part of its pages, with its token, language and users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.helpdesk import Helpdesk, start_helpdesk
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.scripted_model import ScriptedModel, reply

from .axe import violations
from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .sign_in import CHAT, fill_in_form, open_signed_in
from .test_history_limits import open_conversation
from .test_long_conversations import DRAWN
from .test_search_hits import IS_SHOWN, LINES
from .test_touch import FRAMES, LONG_BLOCKS, READ, READ_BELOW_BAR

SIGN_IN = re.compile(r"/sign-in\?next=")


@pytest.fixture(scope="module")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helpdesk]:
    """The help desk with further pages."""
    app = "tests.support.guest_host:create_app()"
    with start_helpdesk(tmp_path_factory.mktemp("helpdesk"), app=app) as shared:
        yield shared


@pytest.fixture
def context(browser: Browser, host: Helpdesk, browser_errors: BrowserErrors) -> Iterator[BrowserContext]:
    """A browser without cookies."""
    browser_errors.expect("favicon")
    with open_context(browser, base_url=host.url, **CONTEXT_OPTIONS) as context:
        browser_errors.listen(context, host.url)
        yield context
    assert browser_errors.unexpected == []


def sign_in(context: BrowserContext, name: str = "ada", path: str = CHAT) -> ChatPage:
    """Sign in in a new tab, and open a page with the chat."""
    return open_signed_in(context.new_page(), name, path)


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()


#: What an element looks like, apart from its place.
LOOKS = """(element) => {
    const style = getComputedStyle(element);
    const names = ["color", "background-color", "font-family", "font-size", "font-style", "line-height", "margin",
        "padding", "border", "border-radius", "letter-spacing", "text-transform", "text-align", "float", "display",
        "list-style", "opacity", "text-decoration"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name)]));
}"""
#: With widths that do not depend on that of the page.
OF_CHAT = [".mark", "#sluice-open-settings", "#sluice-empty h1", "#sluice-starters", ".send", "#sluice-message",
           "#sluice-hint", ".question p", ".prose p", ".prose strong", ".prose td", ".copy-answer", ".page-foot",
           "#sluice-settings h2", "#sluice-settings .done", "#sluice-search", ".conversation a"]  # fmt: skip
OF_HOST = ["html", *(f"body > {each}" for each in ("header", "header p", "header a", "main", "main > h1", "footer"))]
ANSWER = "**bold** $x^2$\n\n```python\ndef f(): ...\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"


def looks(page: Page, selectors: list[str]) -> dict[str, Any]:
    return {each: page.locator(each).first.evaluate(LOOKS) for each in selectors}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{selector} {{ {name}: {value} -> {after[selector][name]} }}"
        for selector, looked in before.items()
        for name, value in looked.items()
        if after[selector][name] != value
    ]


def test_the_page_is_in_the_layout_of_the_application_and_asks_with_its_token(
    context: BrowserContext, host: Helpdesk
) -> None:
    chat = sign_in(context)
    page = chat.page
    expect(page).to_have_title("Assistant")
    expect(page.get_by_role("link", name="Tickets")).to_be_visible()
    host.model.enqueue(reply("\n\n".join(f"Line {number}" for number in range(60)) + "\n\n" + ANSWER))
    chat.ask_and_wait("Tell me")
    expect(chat.prose.locator(".katex")).to_be_in_viewport()
    expect(chat.prose.locator(".hljs-keyword")).to_have_text("def")
    expect(chat.field).to_be_in_viewport()
    assert page.evaluate("scrollY") == 0, "the conversation scrolls, and not the application's page"
    expect(page.get_by_role("link", name="Tickets")).to_be_in_viewport()
    page.get_by_role("button", name="Open the sidebar").click()
    box, sidebar = (page.locator(each).bounding_box() for each in ("#sluice", "#sluice-sidebar"))
    assert box is not None
    assert sidebar is not None
    assert sidebar["y"] >= box["y"]
    assert sidebar["y"] + sidebar["height"] <= box["y"] + box["height"]
    page.keyboard.press("Escape")
    page.reload()
    expect(chat.prose.locator("strong")).to_have_text("bold")
    expect(page).to_have_title("Tell me · Assistant")


def test_the_page_in_a_layout_is_accessible(context: BrowserContext, host: Helpdesk) -> None:
    chat = sign_in(context)
    host.model.enqueue(reply(ANSWER))
    assert violations(chat.page) == []
    chat.ask_and_wait("Tell me")
    assert violations(chat.page) == []
    chat.page.get_by_role("button", name="Open the sidebar").click()
    # behind the sidebar, the conversation with its heading is inert
    assert violations(chat.page, without=["page-has-heading-one"]) == []


def test_the_chat_and_a_page_around_it_do_not_restyle_each_other(
    context: BrowserContext, host: Helpdesk, browser_page: Page, model: ScriptedModel
) -> None:
    chat = sign_in(context, path="/hostile")
    host.model.enqueue(reply(ANSWER))
    chat.ask_and_wait("Tell me")
    assert chat.page.evaluate("location.pathname") == "/hostile"
    expect(chat.page).to_have_title("Dashboard")
    expect(chat.prose.locator(".katex")).to_be_visible()
    in_host = looks(chat.page, OF_CHAT)
    host_with_chat = looks(chat.page, OF_HOST)
    chat.page.goto("/hostile-alone")
    assert differences(looks(chat.page, OF_HOST), host_with_chat) == []

    alone = ChatPage(browser_page).open()
    model.enqueue(reply(ANSWER))
    alone.ask_and_wait("Tell me")
    assert differences(looks(browser_page, OF_CHAT), in_host) == []


@pytest.mark.parametrize("path", [CHAT, "/hostile"])
def test_another_width_keeps_the_place_in_the_text_also_in_a_page_that_scrolls(
    context: BrowserContext, host: Helpdesk, path: str
) -> None:
    chat = sign_in(context, path=path)
    page = chat.page
    page.set_viewport_size({"width": 390, "height": 780})
    before = "\n\n".join(f"{number} {'Some words that wrap. ' * 20}" for number in range(30))
    host.model.enqueue(reply(before), *(reply(f"{block}\n\nThe end.") for block in LONG_BLOCKS.values()))
    for question in ("Before", *LONG_BLOCKS):
        chat.ask_and_wait(question)
    # the page around it scrolls as well, where it is longer than the window
    page.evaluate("() => document.querySelector('#sluice').scrollIntoView({ behavior: 'instant' })")
    assert (page.evaluate("scrollY") > 0) is (path == "/hostile")
    for block in LONG_BLOCKS:
        page.evaluate(READ, block)
        start = page.evaluate(READ_BELOW_BAR)
        for width, height in ((780, 390), (390, 780)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(f"() => innerWidth === {width}")
            page.evaluate(FRAMES)
            assert abs(page.evaluate(READ_BELOW_BAR) - start) <= 80, (block, width)


#: Where each suggestion and, as the last one, the foot begins and ends, from the start of what scrolls.
START_SCREEN: Final = """() => {
    const scroller = document.querySelector("#sluice .column");
    const start = scroller.getBoundingClientRect().top - scroller.scrollTop;
    return [...document.querySelectorAll(".starters button, .page-foot")].map((element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return { top: top - start, bottom: bottom - start };
    });
}"""


@pytest.mark.parametrize(
    ("window", "width", "height"),
    [
        *(((1100, 800), width, "520px") for width in ("450px", "520px", "600px")),
        ((1100, 500), "auto", "calc(100dvh - 6rem)"),
        ((700, 480), "auto", "calc(100dvh - 6rem)"),
        ((1100, 1400), "auto", "1200px"),
    ],
)
def test_the_foot_of_the_start_screen_is_below_the_suggestions_and_at_the_end_of_the_box(
    context: BrowserContext, window: tuple[int, int], width: str, height: str
) -> None:
    chat = sign_in(context)
    page = chat.page
    page.set_viewport_size({"width": window[0], "height": window[1]})
    page.locator("#sluice").evaluate(
        """(box, [width, height]) => {
            box.style.width = width;
            box.style.setProperty("--height", height);
        }""",
        [width, height],
    )
    page.wait_for_function("(width) => innerWidth === width", arg=window[0])
    expect(page.locator(".starters button").first).to_be_visible()
    *cards, foot = page.evaluate(START_SCREEN)
    assert cards
    assert foot["top"] >= max(card["bottom"] for card in cards)
    end = page.locator("#sluice .column").evaluate("each => each.scrollHeight")
    assert end - 24 <= foot["bottom"] <= end


def test_a_token_that_has_expired_is_explained_and_a_reload_keeps_the_question(
    context: BrowserContext, host: Helpdesk, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("400")
    chat = sign_in(context)
    chat.page.evaluate("document.querySelector('meta[name=csrf-token]').content = 'of-yesterday'")
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("This page is too old for the server to accept your question.")
    chat.answer.get_by_role("button", name="Reload").click()
    expect(chat.questions).to_have_text(["Tell me"])
    host.model.enqueue(reply("Gladly."))
    chat.retry_button.last.click()
    expect(chat.prose).to_have_text("Gladly.")


def test_the_language_of_the_application_is_the_default_and_the_users_choice_wins(context: BrowserContext) -> None:
    chat = sign_in(context)
    expect(chat.send_button).to_have_text("Send")
    chat.page.get_by_role("button", name="中文", exact=True).click()
    chat.page.goto(CHAT)
    expect(chat.send_button).to_have_text("发送")
    expect(chat.page.locator("html")).to_have_attribute("lang", "zh")
    chat.page.get_by_role("button", name="设置").click()
    chat.page.get_by_label("English").check()
    expect(chat.send_button).to_have_text("Send")
    expect(chat.page.locator("html")).to_have_attribute("lang", "zh")
    chat.page.reload()
    expect(chat.send_button).to_have_text("Send")


def test_the_page_works_under_a_policy_with_nonces(context: BrowserContext, host: Helpdesk) -> None:
    chat = sign_in(context, path="/nonce")
    expect(chat.send_button).to_have_text("发送")
    expect(chat.page.locator("#sluice .wordmark")).to_have_text("Helper")
    host.model.enqueue(reply(ANSWER))
    chat.ask_and_wait("Tell me")
    expect(chat.prose.locator(".katex")).to_be_visible()
    expect(chat.prose.locator(".hljs-keyword")).to_have_text("def")


def test_a_user_who_was_signed_out_signs_in_and_the_question_is_still_there(
    context: BrowserContext, host: Helpdesk, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("401")
    chat = sign_in(context)
    context.clear_cookies()
    chat.ask("Tell me")
    expect(chat.failure).to_contain_text("You are signed out.")
    chat.field.fill("My draft")
    chat.answer.get_by_role("button", name="Sign in").click()
    chat.page.wait_for_url(SIGN_IN)
    # as a form does whose action is an address of its own
    chat.page.evaluate("history.replaceState(null, '', location.pathname + location.search)")
    fill_in_form(chat.page)
    expect(chat.questions).to_have_text(["Tell me"])
    expect(chat.field).to_have_value("My draft")
    host.model.enqueue(reply("Gladly."))
    chat.page.get_by_role("button", name="Try again").click()
    expect(chat.prose).to_have_text("Gladly.")


def test_a_visitor_of_a_page_with_the_chat_finds_the_way_to_sign_in(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/nonce")
    page.get_by_role("link", name="Sign in to use the assistant").click()
    page.wait_for_url(SIGN_IN)
    fill_in_form(page)
    expect(page.locator("#sluice-empty")).to_be_visible()


def test_a_reload_of_a_page_around_the_chat_returns_to_where_the_reader_was(
    context: BrowserContext, host: Helpdesk
) -> None:
    chat = sign_in(context)
    text = "\n\n".join(f"Paragraph {number}" for number in range(80))
    host.model.enqueue(reply(text), reply(text))
    for question in ("One", "Two"):
        chat.ask_and_wait(question)
    scroller = chat.page.locator("#sluice .column")
    scroller.evaluate("each => each.scrollTo({ top: 700, behavior: 'instant' })")
    chat.page.evaluate("scrollTo({ top: 1e6, behavior: 'instant' })")
    chat.page.reload()
    expect(chat.questions).to_have_count(2)
    chat.wait_shown()
    chat.page.wait_for_function("(each) => Math.abs(each.scrollTop - 700) <= 2", arg=scroller.element_handle())


#: Without scrolling to the field.
SEARCH: Final = """(field, word) => {
    field.value = word;
    field.dispatchEvent(new InputEvent("input"));
}"""
LONG: Final = "One paragraph and no end. " * 600
# A word in a short paragraph, in the middle of one that is longer than the box, at the end of one that is longer than
# the window, and at the end of all.
FOUND: Final = {
    "okapi": f"{LINES}\n\nAn okapi.\n\n{LINES}",
    "tapir": f"{LONG}\n\n{LONG}The tapir is here. {LONG}",
    "quagga": "\n".join([LINES, "", *(f"Of {number}" for number in range(32)), "A quagga.", "", LINES]),
    "lynx": f"{LONG}A lynx.",
}


def test_a_search_result_is_in_view_in_a_chat_that_is_taller_than_the_window(context: BrowserContext) -> None:
    chat = sign_in(context)
    chat.page.evaluate("""() => {
        document.body.style.maxWidth = "none"; // room for the sidebar
        document.querySelector("#sluice").style.setProperty("--height", "2000px");
    }""")
    chat.load_rest()
    open_conversation(chat, list(FOUND.values()))
    snippet = chat.page.locator(".conversation .snippet")
    for word in FOUND:
        for top in (0, 1e6):
            chat.page.evaluate("top => scrollTo({ top, behavior: 'instant' })", top)
            chat.page.locator("#sluice-search").evaluate(SEARCH, "")
            expect(snippet).to_be_hidden()
            chat.page.locator("#sluice-search").evaluate(SEARCH, word)
            expect(snippet).to_be_visible()  # the search has ended
            snippet.evaluate("each => each.click()")
            chat.page.wait_for_function(IS_SHOWN, arg=word)
            chat.page.evaluate(DRAWN)
            assert chat.page.evaluate(IS_SHOWN, word), (word, top)


#: All that the browser stores of the page, for anybody who looks.
STORED = """async () => JSON.stringify([
    Object.entries(localStorage), Object.entries(sessionStorage),
    (await indexedDB.databases()).map(({ name }) => name),
])"""


def conversations(chat: ChatPage) -> Any:
    return chat.page.locator(".conversation a")


def test_two_users_of_one_browser_never_see_each_others_conversations(
    context: BrowserContext, host: Helpdesk, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("401")
    ada = sign_in(context)
    ada.ask_and_wait("Of Ada")
    ada.wait_saved()
    ada.field.fill("Draft of Ada")
    sign_out_in_new_tab(context)
    # her tab shows nothing any more
    ada.page.wait_for_url(SIGN_IN)
    lin = sign_in(context, "lin")
    expect(conversations(lin)).to_have_count(0)
    expect(lin.field).to_have_value("")
    lin.ask_and_wait("Of Lin")
    expect(conversations(lin)).to_have_text(["Of Lin"])
    stored = lin.page.evaluate(STORED)
    assert '"lin"' not in stored
    assert '"ada"' not in stored
    sign_out_in_new_tab(context)
    lin.page.wait_for_url(SIGN_IN)
    ada = sign_in(context)
    expect(conversations(ada)).to_have_text(["Of Ada"])


def test_a_sign_out_hides_the_conversation_in_other_tabs_before_they_are_looked_at(
    context: BrowserContext, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("401")
    ada = sign_in(context)
    ada.ask_and_wait("Of Ada")
    # on a page with the chat
    other = sign_in(context)
    sign_out(other.page)
    ada.page.wait_for_url(SIGN_IN)
    expect(ada.questions).to_have_count(0)
    # on a page without it, which tells the others
    ada = sign_in(context)
    ada.page.locator("nav.conversations a").evaluate("link => link.click()")
    expect(ada.questions).to_have_text(["Of Ada"])
    other.page.goto("/sign-out-and-tell")
    ada.page.wait_for_url(SIGN_IN)


def test_an_open_tab_becomes_that_of_the_next_user_who_opens_the_page(
    context: BrowserContext, host: Helpdesk, browser_errors: BrowserErrors
) -> None:
    ada = sign_in(context)
    ada.ask_and_wait("Of Ada")
    ada.wait_saved()
    page = context.new_page()
    page.goto("/")
    sign_out(page)
    lin = sign_in(context, "lin")
    own = lin.page.locator("#sluice").get_attribute("data-user")
    assert own
    expect(ada.page.locator("#sluice")).to_have_attribute("data-user", own)
    expect(ada.questions).to_have_count(0)
    expect(ada.page.get_by_text("This conversation is not in this browser.")).to_be_visible()


def sign_out_in_new_tab(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/")
    sign_out(page)
    # a page of the application does not tell the others; they ask when they are looked at again
    for other in context.pages:
        other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_user_who_signs_out_can_have_the_conversations_forgotten(
    context: BrowserContext, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("401")
    lin = sign_in(context, "lin")
    lin.ask_and_wait("Of Lin")
    lin.wait_saved()
    lin.page.evaluate("localStorage.setItem('host', 'its own')")
    sign_out_in_new_tab(context)
    ada = sign_in(context)
    ada.ask_and_wait("Of Ada")
    ada.wait_saved()
    ada.field.fill("Draft of Ada")
    key = ada.page.locator("#sluice").get_attribute("data-user")
    assert key
    page = context.new_page()
    page.goto("/sign-out-and-forget")
    ada.page.wait_for_url(SIGN_IN)
    page.wait_for_function(
        "async (key) => !(await indexedDB.databases()).some(({ name }) => name.includes(key))", arg=key
    )
    assert key not in page.evaluate(STORED)
    assert "its own" in page.evaluate(STORED)
    ada = sign_in(context)
    expect(ada.page.locator(".list-empty:not([hidden])")).to_have_count(1)  # the list was read
    expect(ada.field).to_have_value("")
    sign_out_in_new_tab(context)
    lin = sign_in(context, "lin")
    expect(conversations(lin)).to_have_text(["Of Lin"])
    sign_out_in_new_tab(context)
    # of all users of this browser
    page.goto("/forget-all")
    page.wait_for_function("async () => (await indexedDB.databases()).length === 0")
    assert page.evaluate("Object.entries(localStorage)") == [["host", "its own"]]
