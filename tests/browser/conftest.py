"""A reader in front of the page: Chromium, strict about whatever the page should not do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import PLANTED_KEY
from tests.gunicorn_server import GunicornServer
from tests.scripted_model import MODEL_NAME, ScriptedModel

from .chromium import WAIT_MS, chromium
from .complaints import Complaints
from .profile import OF_A_TAB, Profile

READER: Final[dict[str, Any]] = {"locale": "en-GB", "viewport": {"width": 1100, "height": 800}}


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker that says who reads."""
    config.addinivalue_line(
        "markers",
        "reader(**options): who reads, by options of the browser context such as locale='zh-CN' or viewport=...; "
        "without any, someone whose browser no other test has",
    )


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


@pytest.fixture(scope="package")
def shared_complaints() -> Complaints:
    """What the browser complains of during all tests of this package."""
    return Complaints()


@pytest.fixture
def complaints(shared_complaints: Complaints) -> Complaints:
    """What the browser complains of during this test."""
    shared_complaints.clear()
    return shared_complaints


@pytest.fixture(scope="package")
def shared_profile(
    browser: Browser, shared_page_server: GunicornServer, shared_complaints: Complaints
) -> Iterator[Profile]:
    """The profile of every test that asks for no reader of its own."""
    profile = Profile(browser, shared_page_server.url, shared_complaints, **READER)
    yield profile
    profile.close()


@pytest.fixture
def browser_page(
    browser: Browser,
    shared_profile: Profile,
    page_server: GunicornServer,
    complaints: Complaints,
    request: pytest.FixtureRequest,
) -> Iterator[Page]:
    """The page of a new reader, not yet opened: `browser_page.goto("/")` opens it.

    Fails the test on any complaint that it has not announced with `complaints.expect`.
    """
    markers = list(request.node.iter_markers("reader"))
    options = {name: value for marker in reversed(markers) for name, value in marker.kwargs.items()}
    if OF_A_TAB.issuperset(options) and all(marker.kwargs for marker in markers):
        yield shared_profile.lend(**options)
        shared_profile.renew()
    else:
        with browser.new_context(base_url=page_server.url, **(READER | options)) as context:
            context.set_default_timeout(WAIT_MS)
            complaints.listen(context, page_server.url)
            yield context.new_page()
    assert complaints.unexpected == []
