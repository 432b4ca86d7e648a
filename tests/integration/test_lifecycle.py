"""A server's life: start, several workers, fork, drain, end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from tests.conftest import Serve
from tests.support.running_server import PLANTED_KEY, RunningServer
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import RawClient, fetch, post_chat, stream_chat
from tools.common.scripted_model import MODEL_NAME, Headers, ScriptedModel, finished, said, stalling_after


def test_a_draining_server_is_not_ready_but_answers_on_open_connections(serve: Serve, model: ScriptedModel) -> None:
    server = serve()
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    headers = {"Content-Type": "application/json"}
    # A request on its way at the time of a deploy must not be refused: its connection was accepted before.
    with stream_chat(server.url) as client, RawClient(server.url) as prober, RawClient(server.url) as asker:
        for connection in (prober, asker):
            connection.request("GET", "/readyz")
            assert connection.status == 200
            connection.read_body()
        client.next_event()
        server.signal(signal.SIGTERM)
        server.wait_for_log("draining: 1 open")
        prober.request("GET", "/readyz")
        asker.request("POST", "/api/chat", headers, b'{"message": "Hi", "interaction_mode": "stream"}')
        assert prober.status == 503
        assert asker.read_stream()[1].is_done
        assert asker.headers["connection"] == "close"
        # Nobody follows, so who comes now is told so at once, and not reset when the drain is over.
        with pytest.raises(ConnectionRefusedError):
            RawClient(server.url)
        gate.open()
        assert client.read_stream()[1].is_done
    assert server.wait_exit() == 0


def test_sigint_and_sigquit_end_a_server_with_open_streams(serve: Serve, model: ScriptedModel) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        server = serve()
        model.enqueue(stalling_after("Hello"))
        with stream_chat(server.url) as client:
            client.next_event()
            server.signal(number)
            assert server.wait_exit(timeout=15) == 0
        model.wait_idle()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_on_end_is_called_for_each_open_answer_where_a_signal_ends_the_server_at_once(
    number: signal.Signals, model: ScriptedModel
) -> None:
    """The answers hold no thread, and the pool that would close them has ended by then."""
    settings = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
    model.default = stalling_after("Hello")
    with GunicornServer(settings, app="tests.integration.ending_application:app") as server, ExitStack() as stack:
        clients = [stack.enter_context(stream_chat(server.url)) for _ in range(5)]
        for client in clients:
            assert client.next_event().message == "Hello"
        server.signal(number)
        for client in clients:
            assert client.read_stream()[1].payload["code"] == "shutting_down"
        assert server.wait_exit(timeout=15) == 0
        assert server.log.count("on_end: stopped after 'Hello'") == 5


def test_hup_replaces_the_workers_and_open_streams_end_whole(serve: Serve, model: ScriptedModel) -> None:
    server = serve()
    old = server.worker_pids()
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(server.url) as client:
        client.next_event()
        server.signal(signal.SIGHUP)
        server.wait_for_log("draining: 1 open")
        server.wait_workers(2)
        assert post_chat(server.url, message="Hi", interaction_mode="block").json()["success"] is True
        gate.open()
        assert client.read_stream()[0] == "lo"
    server.wait_workers(1, without=old)
    # gunicorn sets its log up again; our form, which takes keys out, must come back with it.
    server.wait_for_log(r"Hang up[\s\S]*^\S+ \S+ INFO gunicorn.error \[-\] Booting worker")


def test_the_demo_model_answers_and_is_named_where_neither_key_nor_url_is_set(
    serve: Serve, running_server: RunningServer
) -> None:
    server = serve(
        OPENAI_API_KEY=None, OPENAI_BASE_URL=None, OPENAI_MODEL=None, SLUICE_DEMO_TOKENS_PER_SECOND=5000, workers=2
    )
    assert fetch(server.url, "/api/config").json()["demo"] is True
    for _ in range(4):
        with stream_chat(server.url, message="A table, please") as client:
            text, terminal = client.read_stream()
        assert "demo model" in text
        assert "|---|" in text
        assert terminal.payload["usage"]["completion_tokens"] > 10
    chinese = post_chat(server.url, message="数学公式", interaction_mode="block").json()
    assert "演示模型" in chinese["message"]
    assert "$$" in chinese["message"]
    server.wait_for_log("the built-in demo model")
    assert 'data-text="demoNotice"' in fetch(server.url, "/").text
    assert 'data-text="demoNotice"' not in fetch(running_server.url, "/").text


def test_the_log_names_address_and_model_at_the_start(running_server: RunningServer) -> None:
    running_server.server.wait_for_log(rf"Sluice listens on {running_server.url}")
    running_server.server.wait_for_log(rf"Answers come from scripted at {running_server.model.base_url}")


def test_the_log_warns_of_contradicting_settings_at_the_start(other_server: RunningServer) -> None:
    other_server.server.wait_for_log(
        r"WARNING\W.*SLUICE_FIRST_TOKEN_TIMEOUT \(60 s\) is longer than SLUICE_TOTAL_TIMEOUT \(30 s\)"
    )


def test_the_log_names_unknown_settings_at_the_start(
    other_server: RunningServer, running_server: RunningServer
) -> None:
    other_server.server.wait_for_log(
        r"WARNING\W.*SLUICE_MAX_STREEMS is no setting, and has no effect; did you mean SLUICE_MAX_STREAMS\?"
    )
    running_server.server.wait_for_log("Answers come from")
    assert "is no setting" not in running_server.server.log


def start_and_fail(**env: str) -> str:
    """Start a server that cannot start, and return what it says."""
    result = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOST": "127.0.0.1", **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr


def test_bad_settings_stop_the_start_and_each_is_named() -> None:
    said = start_and_fail(OPENAI_BASE_URL="localhost:1", SLUICE_MAX_STREAMS="many", OPENAI_INTERACTION_MODE="both")
    assert "OPENAI_BASE_URL is 'localhost:1'; it should be a URL" in said
    assert "SLUICE_MAX_STREAMS is 'many'; it should be a whole number of streams from 1 to 10000." in said
    assert "OPENAI_INTERACTION_MODE is 'both'; it should be stream or block." in said


def test_a_bad_key_is_not_shown() -> None:
    said = start_and_fail(OPENAI_API_KEY="sk-with a space")
    assert "OPENAI_API_KEY is (hidden)" in said
    assert "a space" not in said


def test_a_port_in_use_is_reported_at_once(running_server: RunningServer) -> None:
    began = time.monotonic()
    said = start_and_fail(PORT=str(running_server.server.port))
    assert f"PORT is {running_server.server.port}, but something listens there already" in said
    # gunicorn itself would try for five seconds.
    assert time.monotonic() - began < 5
