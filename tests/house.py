"""One server and one scripted model for all tests that need no settings of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import PLANTED_KEY
from tests.gunicorn_server import GunicornServer
from tests.scripted_model import MODEL_NAME, ScriptedModel

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


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """A server with short limits and no retries, shared by all tests of a process: a start takes a second of CPU."""
    env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_MODELS": "other-model", **LIMITS}
    with ScriptedModel() as model, GunicornServer({**env, "OPENAI_BASE_URL": model.base_url}) as server:
        yield House(server, model)


@pytest.fixture(autouse=True)
def no_script_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin each test that shares a model with no scripts left over, and end it with no connections."""
    if "house" not in request.fixturenames:
        yield
        return
    shared: House = request.getfixturevalue("house")
    shared.model.clear()
    yield
    # The server pools them, which is right, but the leak oracle of the next test would find them new.
    shared.model.drop_idle_connections()
