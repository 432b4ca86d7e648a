"""The fixtures together, around the real service: model, servers and both leak oracles."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.conftest import Serve
from tests.support.running_server import PLANTED_KEY
from tools.common.leaks import ServerBaseline, warm_up
from tools.common.raw_client import RawClient, chat_request, stream_chat
from tools.common.scripted_model import ScriptedModel, stalling_after


def test_options_reach_the_server_and_it_asks_the_scripted_model(serve: Serve, model: ScriptedModel) -> None:
    server = serve(workers=2, args=["--preload"], collector=True, OPENAI_INTERACTION_MODE="stream")
    assert len(server.wait_workers(2)) == 2
    with RawClient(server.url) as client:
        client.send(chat_request("localhost", {"message": "Hi"}))
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello, world!", True)
    exchange = model.wait_for_request()
    assert exchange.body["messages"][-1] == {"role": "user", "content": "Hi"}
    assert exchange.headers["authorization"] == f"Bearer {PLANTED_KEY}"


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


@pytest.mark.long
def test_a_long_test_runs_only_when_asked_for(request: pytest.FixtureRequest) -> None:
    assert request.config.option.markexpr != "not long"
