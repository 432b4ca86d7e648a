"""The fixtures together, around the real service: model, servers and both leak oracles."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import PLANTED_KEY, Serve
from tests.gunicorn_server import GunicornServer
from tests.leaks import ServerBaseline, warm_up
from tests.raw_client import post_chat, stream_chat, stream_many
from tests.scripted_model import ScriptedModel, flood, flood_text, stalling_after


def test_a_served_server_asks_the_scripted_model(serve: Serve, model: ScriptedModel) -> None:
    server = serve()
    assert post_chat(server.url, message="Hi").json()["message"] == "Hello, world!"
    exchange = model.wait_for_request()
    assert exchange.body["messages"][-1] == {"role": "user", "content": "Hi"}
    assert exchange.headers["authorization"] == f"Bearer {PLANTED_KEY}"
    with stream_chat(server.url) as client:
        text, terminal = client.read_stream()
    assert text == "Hello, world!"
    assert terminal.is_done


def test_many_streams_at_one_time_of_which_some_leave(serve: Serve, model: ScriptedModel) -> None:
    server = serve(SLUICE_MAX_STREAMS=40)
    warm_up(server, model, 40)
    baseline = ServerBaseline.capture(server, model)
    model.default = flood(20, tokens_per_second=20)
    outcomes = stream_many(server.url, 40, leave_after=lambda index: 3 if index % 4 == 0 else None, resetting=True)
    stayed = [outcome for outcome in outcomes if outcome.index % 4]
    assert {outcome.text for outcome in stayed} == {flood_text(20)}
    assert all(outcome.is_done and outcome.fault is None for outcome in stayed)
    assert all(outcome.left and outcome.terminal is None for outcome in outcomes if outcome.index % 4 == 0)
    baseline.assert_restored()


def test_the_server_side_oracle_sees_an_open_stream(serve: Serve, model: ScriptedModel) -> None:
    server = serve()
    warm_up(server, model, 2)
    baseline = ServerBaseline.capture(server, model)
    model.enqueue(stalling_after("Hel"))
    with ExitStack() as stack:
        client = stack.enter_context(stream_chat(server.url))
        client.next_event()
        with pytest.raises(AssertionError, match=r"(?s)sluice_streams_open is 1.*the model still serves <Exchange"):
            baseline.assert_restored(within=0.1)
    baseline.assert_restored()


@pytest.mark.parametrize("options", [{"workers": 2}, {"args": ["--preload"]}, {"collector": True}])
def test_options_reach_the_server(serve: Serve, options: dict[str, Any]) -> None:
    server = serve(**options)
    assert len(server.wait_workers(options.get("workers", 1))) == options.get("workers", 1)
    with stream_chat(server.url) as client:
        assert client.read_stream()[1].is_done


def test_the_page_server_streams(page_server: GunicornServer) -> None:
    with stream_chat(page_server.url, interaction_mode="stream") as client:
        assert client.read_stream()[0] == "Hello, world!"


@pytest.mark.long
def test_a_long_test_runs_only_when_asked_for(request: pytest.FixtureRequest) -> None:
    assert request.config.option.markexpr != "not long"
