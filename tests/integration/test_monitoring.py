"""Streams below middlewares that applications have: the loop writes below monitoring, others get all bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.test_disconnects import PROMISE
from tests.support.disconnects import measure_abort
from tests.support.running_server import PLANTED_KEY, RunningServer, cleared_model
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import RawClient, fetch, stream_chat
from tools.common.scripted_model import MODEL_NAME, Headers, ScriptedModel, finished, reply, said, stalling_after

#: What the redacting middleware removes.
SECRET = "secret"
TRANSPARENT = "otel-flask,compress,prometheus,proxy-fix,dispatcher,shared-data,otel,sentry"


@contextmanager
def monitored(*names: str) -> Iterator[RunningServer]:
    with ScriptedModel() as model:
        env = {
            "OPENAI_API_KEY": PLANTED_KEY,
            "OPENAI_MODEL": MODEL_NAME,
            "OPENAI_BASE_URL": model.base_url,
            "MONITORED_BY": ",".join(names),
            "SLUICE_HEARTBEAT_INTERVAL": 5,
        }
        with GunicornServer(env, app="tests.integration.monitored_application:app") as server:
            yield RunningServer(server, model)


@pytest.fixture(scope="module")
def shared_below_monitoring() -> Iterator[RunningServer]:
    with monitored(*TRANSPARENT.split(",")) as shared:
        yield shared


@pytest.fixture
def below_monitoring(shared_below_monitoring: RunningServer) -> Iterator[RunningServer]:
    with cleared_model(shared_below_monitoring):
        yield shared_below_monitoring


def count(running: RunningServer, text: str) -> int:
    return running.server.log.count(text)


def test_below_monitoring_the_loop_writes_and_the_spans_end_with_the_stream(below_monitoring: RunningServer) -> None:
    model, server = below_monitoring.model, below_monitoring.server
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    before = {
        text: count(below_monitoring, text) for text in ("the loop writes", "otel SERVER POST", "sentry transaction")
    }
    with stream_chat(below_monitoring.url) as client:
        assert client.next_event().message == "Hel"
        assert "content-encoding" not in client.headers
        server.wait_for_log("the loop writes", times=before["the loop writes"] + 1)
        assert count(below_monitoring, "otel SERVER POST") == before["otel SERVER POST"]
        gate.open()
        assert client.read_stream()[0] == "lo"
    server.wait_for_log("otel SERVER POST", times=before["otel SERVER POST"] + 1)
    server.wait_for_log("sentry transaction", times=before["sentry transaction"] + 1)
    assert "wraps streams in" not in server.log
    assert "does not know" not in server.log


def test_an_exception_in_a_stream_is_reported_with_its_request(below_monitoring: RunningServer) -> None:
    reply = fetch(below_monitoring.url, "/rows", method="POST")
    assert '"code": "internal"' in reply.text
    below_monitoring.server.wait_for_log(r"sentry event .*'LookupError'\] http://127.0.0.1:\d+/rows")


def test_below_monitoring_a_disconnect_ends_the_model_call_and_is_reported_as_no_error(
    below_monitoring: RunningServer,
) -> None:
    span = "otel SERVER POST /api/chat UNSET"
    spans = count(below_monitoring, span)
    errors = {text: count(below_monitoring, text) for text in ("sentry event", "Traceback")}
    below_monitoring.model.enqueue(stalling_after("Hello"))
    assert measure_abort(below_monitoring.url, below_monitoring.model, RawClient.reset) < PROMISE
    below_monitoring.server.wait_for_log(span, times=spans + 1)
    assert {text: count(below_monitoring, text) for text in errors} == errors


def test_a_middleware_that_changes_bytes_gets_all_of_them_and_the_log_says_so_once() -> None:
    with monitored("otel", "redacting", "sentry") as below:
        below.model.enqueue(*[reply("a ", SECRET, ".")] * 2)
        for _ in range(2):
            with stream_chat(below.url) as client:
                assert client.read_stream()[0] == "a ******."
        line = "wraps streams in a generator of redacting.<locals>.redact"
        below.server.wait_for_log(line)
        assert below.server.log.count("wraps streams in") == 1
        assert "the loop writes" not in below.server.log
