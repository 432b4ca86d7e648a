"""What an answer costs, in its details."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.several_providers import TwoProviders, start_two_providers
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.scripted_model import reply, usage_of

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS
from .test_archive import choose, exported

FILE = """
currency = "EUR"
[[providers]]
name = "first"
base_url = "FIRST"
models = [{ name = "priced", input = 2.0, output = 8.0 }]
"""


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoProviders]:
    """A server whose model has a price."""
    with start_two_providers(tmp_path_factory.mktemp("prices"), FILE) as started:
        yield started


@pytest.fixture
def chat(browser: Browser, shared_server: TwoProviders, browser_errors: BrowserErrors) -> Iterator[ChatPage]:
    """The open page of that server."""
    shared_server.first.default = reply("Hello", usage=usage_of(1000, 100))
    with open_context(browser, **CONTEXT_OPTIONS, base_url=shared_server.url) as context:
        browser_errors.listen(context, shared_server.url)
        yield ChatPage(context.new_page()).open()
    shared_server.first.drop_idle_connections()
    assert browser_errors.unexpected == []


def cost(chat: ChatPage) -> str:
    """Open the details, and return their last row."""
    chat.show_details.click()
    expect(chat.details).to_be_visible()
    return chat.details.locator("div").last.inner_text()


def test_the_details_have_the_cost_of_an_answer_also_after_a_reload(chat: ChatPage) -> None:
    chat.ask_and_wait("What do you cost?")
    assert cost(chat).split() == ["Cost", "\u20ac0.0028"]
    chat.page.reload()
    assert cost(chat).split() == ["Cost", "\u20ac0.0028"]


def test_an_exported_answer_keeps_its_cost_and_an_import_takes_no_bad_currency(chat: ChatPage) -> None:
    chat.ask_and_wait("What do you cost?")
    archive = exported(chat)
    (exchange,) = archive["conversations"][0]["exchanges"]
    assert (exchange["figures"]["usage"]["cost"], exchange["figures"]["currency"]) == (0.0028, "EUR")
    exchange["figures"]["currency"] = "euros"
    choose(chat, json.dumps(archive))
    expect(chat.page.locator(".import-result")).to_contain_text("damaged")
