"""A reader in front of the page: Chromium, strict about whatever the page should not do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.conftest import PLANTED_KEY
from tests.gunicorn_server import GunicornServer
from tests.scripted_model import MODEL_NAME, ScriptedModel

from .chromium import chromium

WAIT_MS = 10_000  # far more than any step takes on a busy machine; a test that passes never waits it out

DESKTOP = {"width": 1100, "height": 800}


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker that says who reads."""
    config.addinivalue_line(
        "markers",
        "reader(**options): options of the browser context, such as locale='zh-CN' or color_scheme='dark'",
    )


@dataclass
class Complaints:
    """What the browser had to complain of: console errors (violations of the Content-Security-Policy are among
    them), exceptions nobody caught, and requests to other origins."""

    heard: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Accept complaints that match this regular expression."""
        self.expected.append(pattern)

    @property
    def unexpected(self) -> list[str]:
        """The complaints that fail a test."""
        return [text for text in self.heard if not any(re.search(pattern, text) for pattern in self.expected)]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this package."""
    expect.set_options(timeout=WAIT_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_model() -> Iterator[ScriptedModel]:
    """The scripted model behind the page, for all tests of this package."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture(scope="package")
def shared_page_server(shared_model: ScriptedModel) -> Iterator[GunicornServer]:
    """The server of the page, for all tests of this package: a start takes longer than most of them."""
    env = {
        "OPENAI_API_KEY": PLANTED_KEY,
        "OPENAI_BASE_URL": shared_model.base_url,
        "OPENAI_MODEL": MODEL_NAME,
        "OPENAI_INTERACTION_MODE": "stream",
    }
    with GunicornServer(env) as server:
        yield server


@pytest.fixture
def model(shared_model: ScriptedModel) -> Iterator[ScriptedModel]:
    """The scripted model, as new."""
    shared_model.clear()
    yield shared_model
    shared_model.drop_idle_connections()


@pytest.fixture
def page_server(shared_page_server: GunicornServer, model: ScriptedModel) -> GunicornServer:
    """The server whose page streams, and its model as new."""
    return shared_page_server


@pytest.fixture
def complaints() -> Complaints:
    """What the browser complains of during this test."""
    return Complaints()


@pytest.fixture
def browser_page(
    browser: Browser, page_server: Any, complaints: Complaints, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """The page of a new reader, not yet opened: `browser_page.goto("/")` opens it.

    Fails the test on any complaint that it has not announced with `complaints.expect`.
    """
    marker = request.node.get_closest_marker("reader")
    options = {"locale": "en-GB", "viewport": DESKTOP, **(marker.kwargs if marker else {})}
    origin = urlsplit(page_server.url).netloc

    def hear_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.heard.append(f"console: {message.text} ({message.location.get('url', '')})")

    def hear_request(asked: Request) -> None:
        parts = urlsplit(asked.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != origin:
            complaints.heard.append(f"request to another origin: {asked.url}")

    with browser.new_context(base_url=page_server.url, **options) as context:
        context.set_default_timeout(WAIT_MS)
        context.on("console", hear_console)
        context.on("request", hear_request)
        context.on("weberror", lambda error: complaints.heard.append(f"uncaught: {error.error}"))
        yield context.new_page()
    assert complaints.unexpected == []
