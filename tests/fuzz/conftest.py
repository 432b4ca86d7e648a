"""One server and one scripted model for all examples of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import PLANTED_KEY
from tests.gunicorn_server import GunicornServer
from tests.integration.conftest import LIMITS, House
from tests.scripted_model import MODEL_NAME, ScriptedModel


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A server with short limits and no retries."""
    env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, **LIMITS}
    with ScriptedModel() as model, GunicornServer({**env, "OPENAI_BASE_URL": model.base_url}) as server:
        yield House(server, model)


@pytest.fixture(autouse=True)
def no_connection_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """End each test that shares a model with no connections: the server pools them, and the leak oracle looks."""
    if "house" not in request.fixturenames:
        yield
        return
    shared: House = request.getfixturevalue("house")
    shared.model.clear()
    yield
    shared.model.drop_idle_connections()
