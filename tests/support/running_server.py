"""A real server with a scripted model behind it, shared by tests where it can be: a start takes 0.35 s of CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

# Planted so that a test may search every reply and log for it. It does not look like a key: what is taken out of the
# log because of its look would hide that the configured key itself is not.
PLANTED_KEY = "planted-by-the-tests"

# Limits short enough for tests to meet them, and far enough apart to tell which one it was.
SHORT_LIMITS = {
    "SLUICE_CONNECT_TIMEOUT": 1.0,
    "SLUICE_FIRST_TOKEN_TIMEOUT": 1.5,
    "SLUICE_NEXT_TOKEN_TIMEOUT": 0.7,
    "SLUICE_TOTAL_TIMEOUT": 4.0,
    "SLUICE_HEARTBEAT_INTERVAL": 0.3,
    "OPENAI_MAX_RETRIES": 0,
}


@dataclass(frozen=True)
class RunningServer:
    """A server and the model behind it."""

    server: GunicornServer
    model: ScriptedModel

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self.server.url


@contextmanager
def start_server(**env: object) -> Iterator[RunningServer]:
    """Run a server with these settings, and its model, until the block ends."""
    given = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, **env}
    with ScriptedModel() as model, GunicornServer({**given, "OPENAI_BASE_URL": model.base_url}) as server:
        yield RunningServer(server, model)


@contextmanager
def cleared_model(shared: RunningServer, *, keeps_answers: bool = False) -> Iterator[RunningServer]:
    """Begin a test on a shared server without scripts of earlier tests; end it without connections to the model.

    Args:
        shared: The server.
        keeps_answers: True breaks off the answers that go on without their page.
    """
    shared.model.clear()
    yield shared
    if keeps_answers:
        shared.model.drop_connections()
    # The server pools them, which is right, but the leak check of the next test would find them new.
    shared.model.drop_idle_connections()


@pytest.fixture(scope="session")
def running_server() -> Iterator[RunningServer]:
    """A server with short limits and no retries, shared by all tests of a process."""
    with start_server(OPENAI_MODELS="other-model", **SHORT_LIMITS) as shared:
        yield shared


@pytest.fixture(autouse=True)
def model_is_cleared(request: pytest.FixtureRequest) -> Iterator[None]:
    """Clear the shared server's model around each test that uses it."""
    if "running_server" not in request.fixturenames:
        yield
        return
    with cleared_model(request.getfixturevalue("running_server")):
        yield
