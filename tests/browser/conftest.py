"""Fixtures of the browser tests. A test fails on any browser error that it does not expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.helpdesk import Helpdesk
from tests.support.running_server import PLANTED_KEY, cleared_model
from tools.common.chromium import WAIT_MS, chromium, open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

from .browser_errors import BrowserErrors
from .profile import TAB_OPTIONS, Profile

CONTEXT_OPTIONS: Final[dict[str, Any]] = {"locale": "en-GB", "viewport": {"width": 1100, "height": 800}}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for options of the browser context."""
    config.addinivalue_line(
        "markers",
        "browser_context(**options): options of the browser context, such as locale='zh-CN' or viewport=...; "
        "without options, a new context for this test alone",
    )


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start one Chromium for all tests of this package. `tests/engines` has a browser with its own window."""
    expect.set_options(timeout=WAIT_MS)
    with chromium(shell=True) as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_model() -> Iterator[ScriptedModel]:
    """Start the scripted model, for all tests of this package."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture(scope="package")
def shared_page_server(shared_model: ScriptedModel) -> Iterator[GunicornServer]:
    """Start the page's server, for all tests of this package: a start takes longer than most tests."""
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
    """Return the scripted model, reset."""
    shared_model.clear()
    yield shared_model
    shared_model.drop_connections()


@pytest.fixture
def page_server(shared_page_server: GunicornServer, model: ScriptedModel) -> GunicornServer:
    """Return the server of the page, with its model reset."""
    return shared_page_server


@pytest.fixture
def host(shared_host: Helpdesk) -> Iterator[Helpdesk]:
    """Return the help desk that a file of tests shares, with its model reset."""
    with cleared_model(shared_host, keeps_answers=True):
        yield shared_host


@pytest.fixture(scope="package")
def shared_browser_errors() -> BrowserErrors:
    """Return the recorder of browser errors, for all tests of this package."""
    return BrowserErrors()


@pytest.fixture
def browser_errors(shared_browser_errors: BrowserErrors) -> BrowserErrors:
    """Return the recorder of browser errors, cleared."""
    shared_browser_errors.clear()
    return shared_browser_errors


@pytest.fixture(scope="package")
def shared_profile(
    browser: Browser, shared_page_server: GunicornServer, shared_browser_errors: BrowserErrors
) -> Iterator[Profile]:
    """Create the profile that tests share unless they need a context of their own."""
    profile = Profile(browser, shared_page_server.url, shared_browser_errors, **CONTEXT_OPTIONS)
    yield profile
    profile.close()


@pytest.fixture
def browser_page(
    browser: Browser,
    shared_profile: Profile,
    page_server: GunicornServer,
    browser_errors: BrowserErrors,
    request: pytest.FixtureRequest,
) -> Iterator[Page]:
    """Create a tab in an empty profile. `browser_page.goto("/")` opens the page.

    The test fails on any browser error that it has not accepted with `browser_errors.expect`.
    """
    markers = list(request.node.iter_markers("browser_context"))
    options = {name: value for marker in reversed(markers) for name, value in marker.kwargs.items()}
    if TAB_OPTIONS.issuperset(options) and all(marker.kwargs for marker in markers):
        yield shared_profile.new_page(**options)
        shared_profile.reset()
    else:
        with open_context(browser, base_url=page_server.url, **(CONTEXT_OPTIONS | options)) as context:
            browser_errors.listen(context, page_server.url)
            yield context.new_page()
    assert browser_errors.unexpected == []
