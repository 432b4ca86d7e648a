"""What streams do under each server that serves Flask applications, run for real."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.test_disconnects import PROMISE
from tests.servers.rows import ROWS, Row
from tests.servers.running import HEARTBEAT, serving
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import CutShort, RawClient, WireViolation, chat_request, stream_chat
from tools.common.scripted_model import Headers, ScriptedModel, finished, said, stalling_after

#: A closed connection fails at its second or third write, and with it the heartbeat.
HEARTBEATS = 5


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_server_gives_what_its_row_of_the_matrix_says(row: Row, model: ScriptedModel) -> None:
    if (reason := row.missing()) is not None:
        pytest.skip(reason)
    with serving(row, model) as server:
        _tokens_come_one_by_one(row, server, model)
        _a_disconnect_is_seen(row, server, model)
        if row.disconnect == "never":
            server.wait_for_log("requests come through the WSGI adapter of")
        if row.sigterm is not None:
            _an_open_answer_ends_at_sigterm(row, server, model)


def _tokens_come_one_by_one(row: Row, server: GunicornServer, model: ScriptedModel) -> None:
    first, second = model.gate(), model.gate()
    model.enqueue(
        (Headers(), *said("A"), first, *said("B"), *finished()), (Headers(), *said("C"), second, *finished())
    )
    with stream_chat(server.url) as client, RawClient(server.url) as other:
        assert client.next_event().message == "A"
        other.send(chat_request(server.url.removeprefix("http://"), {"message": "Hi", "interaction_mode": "stream"}))
        if row.at_once:
            other.read_head()
            assert other.next_event().message == "C"
        else:
            with pytest.raises(TimeoutError):
                other.read_head(timeout=0.3)
        first.open()
        assert client.read_stream()[0] == "B"
        second.open()
        other.read_head()
        assert other.read_stream()[0] == ("" if row.at_once else "C")


def _a_disconnect_is_seen(row: Row, server: GunicornServer, model: ScriptedModel) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("Hello"), gate, *said("."), *finished()))
    with stream_chat(server.url) as client:
        assert client.next_event().message == "Hello"
        exchange = model.exchanges[-1]
        disconnected_at = time.monotonic()
        client.close()
    if row.disconnect == "never":
        # Nothing tells of it, so the answer goes on to its end.
        gate.open()
        exchange.wait_finished()
        return
    within = PROMISE if row.disconnect == "at once" else HEARTBEATS * HEARTBEAT + PROMISE
    assert exchange.wait_aborted() - disconnected_at < within


def _an_open_answer_ends_at_sigterm(row: Row, server: GunicornServer, model: ScriptedModel) -> None:
    model.enqueue(stalling_after("Hello"))
    with stream_chat(server.url) as client:
        assert client.next_event().message == "Hello"
        server.signal(signal.SIGTERM)
        if row.sigterm == "frame":
            assert client.read_stream()[1].payload["code"] == "shutting_down"
        else:
            with pytest.raises((CutShort, WireViolation, ConnectionResetError)):
                client.read_stream()
    server.wait_exit()
