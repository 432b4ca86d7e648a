"""The tests share servers and scripted models, unless they need settings of their own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.running_server import RunningServer, cleared_model, model_is_cleared, running_server, start_server

__all__ = ["model_is_cleared", "running_server"]


@pytest.fixture(scope="session")
def other_server_of_session() -> Iterator[RunningServer]:
    """A server whose operator chose otherwise than we did, wherever a test looks at what comes of it."""
    # This proxy refuses every request, so that a use of it shows at once.
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        with start_server(
            HTTP_PROXY=f"http://127.0.0.1:{proxy.getsockname()[1]}",
            MALLOC_ARENA_MAX=8,
            OPENAI_INTERACTION_MODE="block",
            SLUICE_FIRST_TOKEN_TIMEOUT=60,
            SLUICE_TOTAL_TIMEOUT=30,
            SLUICE_MAX_STREEMS=7,
            SLUICE_PIN_CPU="off",
            SLUICE_LOG_FORMAT="json",
            SLUICE_STARTERS='{"zh": ["天空为什么是蓝色的？", {"label": "冰", "prompt": "冰为什么会浮？"}]}',
        ) as shared:
            yield shared


@pytest.fixture
def other_server(other_server_of_session: RunningServer) -> Iterator[RunningServer]:
    """The same server, for one test."""
    with cleared_model(other_server_of_session):
        yield other_server_of_session
