"""Servers with a scripted model behind each, for tests that can share them: a start takes a second of CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.conftest import PLANTED_KEY
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

# Limits short enough for tests to meet them, and far enough apart to tell which one it was.
LIMITS = {
    "SLUICE_CONNECT_TIMEOUT": 1.0,
    "SLUICE_FIRST_TOKEN_TIMEOUT": 1.5,
    "SLUICE_NEXT_TOKEN_TIMEOUT": 0.7,
    "SLUICE_TOTAL_TIMEOUT": 4.0,
    "SLUICE_HEARTBEAT_INTERVAL": 0.3,
    "OPENAI_MAX_RETRIES": 0,
}


@dataclass(frozen=True)
class House:
    """A server and the model behind it."""

    server: GunicornServer
    model: ScriptedModel

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self.server.url


@contextmanager
def running_house(**env: object) -> Iterator[House]:
    """Run a server with these settings, and its model."""
    given = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, **env}
    with ScriptedModel() as model, GunicornServer({**given, "OPENAI_BASE_URL": model.base_url}) as server:
        yield House(server, model)


@contextmanager
def visited(house: House) -> Iterator[House]:
    """Begin a test that shares a house with no scripts left over, and end it with no connections to its model."""
    house.model.clear()
    yield house
    # The server pools them, which is right, but the leak oracle of the next test would find them new.
    house.model.drop_idle_connections()


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """A server with short limits and no retries, shared by all tests of a process."""
    with running_house(OPENAI_MODELS="other-model", **LIMITS) as shared:
        yield shared


@pytest.fixture(autouse=True)
def no_script_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have each test with the shared house visit it."""
    if "house" not in request.fixturenames:
        yield
        return
    with visited(request.getfixturevalue("house")):
        yield
