"""Loading of the page: bytes, requests, layout shifts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tools.common.chat_page import ChatPage
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors
from .held_requests import HeldRequests
from .images import choose, picture
from .test_conversations import FILL_STORAGE

pytestmark = pytest.mark.browser_context  # a new context, with an empty cache

# The documented limit of the first view, headers included.
FIRST_VIEW_BYTES = 70_000
PHONE = {"width": 390, "height": 780}


@dataclass
class Traffic:
    """The bytes of each response, as Chromium reports them."""

    bytes: dict[str, int] = field(default_factory=dict)
    _paths: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(page: Page) -> Traffic:
        """Record everything that this page loads from now on."""
        traffic = Traffic()
        session = page.context.new_cdp_session(page)
        session.on("Network.responseReceived", traffic._begin)
        session.on("Network.loadingFinished", traffic._finish)
        session.send("Network.enable")
        return traffic

    def _begin(self, event: dict[str, Any]) -> None:
        self._paths[event["requestId"]] = urlsplit(event["response"]["url"]).path

    def _finish(self, event: dict[str, Any]) -> None:
        path = self._paths[event["requestId"]]
        self.bytes[path] = self.bytes.get(path, 0) + int(event["encodedDataLength"])

    def clear(self) -> None:
        """Set the counts to zero."""
        self.bytes.clear()


def first_view(page: Page) -> None:
    """Open the page without any interaction."""
    page.goto("/")
    expect(page.locator(".starters button").first).to_be_visible()
    page.wait_for_load_state("networkidle")


def test_the_first_view_takes_less_than_70_kb(browser_page: Page) -> None:
    traffic = Traffic.of(browser_page)
    first_view(browser_page)
    total = sum(traffic.bytes.values())
    for path, size in sorted(traffic.bytes.items(), key=lambda item: -item[1]):
        print(f"{size:7} {path}")
    print(f"{total:7} in {len(traffic.bytes)} files")
    assert any(path.endswith("/bundle/main.js") for path in traffic.bytes), "the traffic was not seen"
    assert total < FIRST_VIEW_BYTES


def test_a_second_visit_loads_only_the_page_and_its_configuration(browser_page: Page) -> None:
    first_view(browser_page)
    traffic = Traffic.of(browser_page)
    first_view(browser_page)
    assert {path for path, size in traffic.bytes.items() if size > 0} == {"/", "/api/config"}


def test_the_page_preloads_exactly_the_modules_of_the_first_view(browser_page: Page) -> None:
    first_view(browser_page)
    named = browser_page.evaluate(
        "[...document.querySelectorAll('link[rel=modulepreload]')].map((link) => link.href)"
    )
    loaded = browser_page.evaluate(
        "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.endsWith('.js'))"
    )
    assert sorted(named) == sorted(set(loaded))
    assert any(name.endswith("/bundle/main.js") for name in loaded)


# The cumulative layout shift; web.dev calls up to 0.1 good.
STILL = 0.005


def layout_shifts(page: Page) -> float:
    """Return the cumulative layout shift since the page was opened."""
    moved = page.evaluate(
        """async () => {
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const observer = new PerformanceObserver(() => undefined);
            observer.observe({ type: "layout-shift", buffered: true });
            return observer.takeRecords().filter(({ hadRecentInput }) => !hadRecentInput)
                .map(({ value, sources }) => ({ value, what: sources.map(({ node }) => node?.outerHTML) }));
        }"""
    )
    print(moved)
    return float(sum(each["value"] for each in moved))


@pytest.mark.parametrize(
    "window", ["wide", pytest.param("narrow", marks=pytest.mark.browser_context(viewport=PHONE))]
)
def test_nothing_shifts_while_the_page_loads(browser_page: Page, model: ScriptedModel, window: str) -> None:
    chat = ChatPage(browser_page)
    chat.configure(models=["one", "two"], model="one")
    chat.open()
    assert layout_shifts(browser_page) < STILL
    expect(browser_page.locator("#sluice-empty")).to_be_visible()
    model.enqueue(reply("# An answer\n\nwith **text**"))
    chat.ask_and_wait("A question")
    browser_page.reload()
    expect(chat.prose.locator("strong")).to_be_visible()
    assert layout_shifts(browser_page) < STILL


def test_the_first_interaction_loads_markdown_before_the_first_answer(
    browser_page: Page, model: ScriptedModel
) -> None:
    first_view(browser_page)
    traffic = Traffic.of(browser_page)
    model.enqueue(reply("Some **bold** words"))
    browser_page.locator(".starters button").first.click()
    expect(browser_page.locator(".answer .prose strong")).to_have_text("bold")
    assert [path for path in traffic.bytes if path.endswith("/vendor/dompurify.js")] != []


def test_without_a_later_style_sheet_nothing_is_shown_that_needs_it(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource.*/css/")
    chat = ChatPage(browser_page)
    browser_page.route("**/css/prose.css", lambda route: route.abort())
    browser_page.route("**/css/dialog.css", lambda route: route.abort())
    chat.open()
    model.enqueue(reply("Some **bold** words"))
    expect(chat.ask_and_wait("Show me")).to_have_text("Some **bold** words")
    settings = browser_page.get_by_role("button", name="Settings")
    alerts, dialog = browser_page.locator("#sluice-alerts"), browser_page.locator("#sluice-settings")
    settings.click()
    expect(alerts).to_contain_text("could not be loaded")
    expect(dialog).to_be_hidden()
    browser_page.unroute("**/css/dialog.css")
    settings.click()
    expect(dialog).to_have_css("border-radius", "16px")
    expect(alerts).to_be_empty()


def test_a_page_loaded_before_a_deploy_works_after_it(browser_page: Page, model: ScriptedModel) -> None:
    def age(route: Route) -> None:
        body = re.sub(r'"static/\w+/', '"static/0123456789abcdef/', route.fetch().text())
        route.fulfill(body=body, content_type="text/html; charset=utf-8")

    browser_page.route(lambda url: urlsplit(url).path == "/", age)
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("**bold** $x^2$\n\n```python\ndef f(): ...\n```"))
    prose = chat.ask_and_wait("Show me")
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose.locator(".katex")).to_be_visible()
    expect(prose.locator(".hljs-keyword")).to_have_text("def")


def open_before_a_deploy(page: Page, shown: str = "#sluice-empty") -> ChatPage:
    """Open a page of which the server has another version when it loads what comes after this part."""
    old = "static/0123456789abcdef/"
    version: list[str] = []

    def age(route: Route) -> None:
        text = route.fetch().text()
        version.extend(re.findall(r'"(static/\w+/)bundle/main', text)[:1])
        route.fulfill(body=text.replace(version[0], old), content_type="text/html; charset=utf-8")
        page.unroute(is_page, age)

    def find(route: Route) -> None:
        response = route.fetch(url=route.request.url.replace(old, version[0]))
        route.fulfill(response=response)

    def is_page(url: str) -> bool:
        return urlsplit(url).path == "/"

    page.route(is_page, age)
    page.route(f"**/{old}**", find)
    page.goto("/")
    expect(page.locator(shown)).to_be_visible()
    page.unroute(f"**/{old}**", find)
    page.evaluate("() => { window.isOld = true; }")
    return ChatPage(page)


def test_a_page_that_nobody_has_used_before_a_deploy_is_loaded_again_with_the_first_movement(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    open_before_a_deploy(browser_page)
    browser_page.mouse.move(300, 300)
    browser_page.mouse.move(310, 310)
    browser_page.wait_for_function("() => !window.isOld && document.readyState === 'complete'")
    browser_page.get_by_role("button", name="Settings").click()
    expect(browser_page.get_by_role("dialog", name="Settings")).to_be_visible()


def test_a_page_in_which_a_message_was_begun_after_a_deploy_asks_to_be_loaded_again(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    chat = open_before_a_deploy(browser_page)
    chat.field.press_sequentially("Hello")
    expect(browser_page.get_by_role("alert")).to_contain_text("The server has a newer version of this page.")
    assert browser_page.evaluate("window.isOld")
    browser_page.reload()
    expect(chat.field).to_have_value("Hello")
    browser_page.get_by_role("button", name="Settings").click()
    expect(browser_page.get_by_role("dialog", name="Settings")).to_be_visible()


def test_a_page_with_an_attached_image_after_a_deploy_asks_to_be_loaded_again(
    browser_page: Page, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    chat = ChatPage(browser_page)
    chat.configure(images=True)
    chat.open()
    choose(chat, picture(chat, "one.png"))
    expect(chat.status).to_have_text("Files added: one.png")
    open_before_a_deploy(browser_page, ".attachments img")
    browser_page.mouse.move(300, 300)
    browser_page.mouse.move(310, 310)
    expect(browser_page.get_by_role("alert")).to_contain_text("The server has a newer version of this page.")
    assert browser_page.evaluate("window.isOld")


def test_a_page_with_an_unsaved_change_after_a_deploy_asks_to_be_loaded_again(
    browser_page: Page, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    browser_errors.expect("Failed to load resource")
    chat = ChatPage(browser_page).open()
    model.enqueue(reply("Hello"))
    chat.ask_and_wait("Hi")
    chat.wait_saved()
    open_before_a_deploy(browser_page)
    browser_page.evaluate(FILL_STORAGE)
    question = HeldRequests(browser_page, "**/main.js")  # whether there was a deploy
    link, alerts = browser_page.locator(".conversation a"), browser_page.locator("#sluice-alerts")
    link.focus()
    with browser_page.expect_request("**/main.js"):
        link.press("F2")
    browser_page.keyboard.type("Greeting")
    browser_page.keyboard.press("Enter")
    expect(alerts).to_contain_text("cannot be saved")
    question.pass_on()
    expect(alerts).to_contain_text("The server has a newer version of this page.")
    assert browser_page.evaluate("window.isOld")
