"""Two applications in one process: each has a service, a loop, settings and metrics of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from sluice.service import Settings
from sluice.service.settings.chat import ChatSettings
from sluice.service.settings.provider import ProviderSettings
from sluice.web import create_app


@pytest.fixture
def applications() -> Iterator[tuple[Flask, Flask]]:
    provider = ProviderSettings(demo_tokens_per_second=1e6)
    first = create_app(Settings(provider=provider))
    second = create_app(Settings(provider=provider, chat=ChatSettings(interaction_mode="stream")))
    yield first, second
    for app in (first, second):
        assert app.extensions["sluice"].service.close()


def counts(app: Flask) -> dict[str, float]:
    """Return the samples of streams and refusals that are not 0, by name and labels."""
    text = app.test_client().get("/metrics").get_data(as_text=True)
    lines = [
        line.rpartition(" ") for line in text.splitlines() if line.startswith(("sluice_streams", "sluice_refused"))
    ]
    return {name: float(value) for name, _, value in lines if float(value)}


def test_each_application_counts_its_own_streams_and_refusals(applications: tuple[Flask, Flask]) -> None:
    first, second = applications
    assert first.test_client().post("/api/chat", json={"message": "hi"}).status_code == 200
    assert second.test_client().post("/api/chat", json={"message": " "}).status_code == 400
    done = 'sluice_streams_total{code="",mode="block",outcome="done",source="api"}'
    assert counts(first) == {done: 1.0}
    assert counts(second) == {'sluice_refused_total{code="invalid_request"}': 1.0}


def test_an_application_that_ends_leaves_the_other_one_running(applications: tuple[Flask, Flask]) -> None:
    first, second = applications
    for app in applications:
        assert app.test_client().post("/api/chat", json={"message": "hi"}).status_code == 200
    assert first.extensions["sluice"].service.close()
    assert first.test_client().get("/healthz").status_code == 503
    assert second.test_client().get("/healthz").status_code == 200
    assert second.test_client().post("/api/chat", json={"message": "hi"}).mimetype == "text/event-stream"
