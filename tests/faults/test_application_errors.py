"""Row 26: an encoder, a hook or a view that fails. The answer ends with a frame, and its slot is given back."""

from __future__ import annotations

import json
import signal
from contextlib import suppress

import pytest

from tests.support import fault_application
from tests.support.fault_server import FaultServer, StartOwnServer
from tools.common.leaks import wait_streams
from tools.common.raw_client import CutShort, RawClient, stream_chat
from tools.common.scripted_model import Headers, finished, said, stalling_after


@pytest.mark.parametrize(
    "message",
    [fault_application.DEFECT_AT_ONCE, fault_application.DEFECT_AFTER_WORDS, fault_application.DEFECT_WHILE_ENCODING],
)
def test_an_unhandled_exception_in_the_generator_is_an_error_frame(running_server: FaultServer, message: str) -> None:
    """Row 26."""
    with stream_chat(running_server.url, message=message) as client:
        if message == fault_application.DEFECT_AT_ONCE:
            assert client.status == 500
            fields = client.read_body().decode()
        else:
            text, terminal = client.read_stream()
            assert (text, terminal.payload["code"]) == ("Hello", "internal")
            fields = terminal.data
    assert '"internal"' in fields
    assert "LookupError" not in fields
    assert "TypeError" not in fields
    running_server.server.wait_for_log("Traceback")


def chat_through(hook: str, running_server: FaultServer) -> RawClient:
    """Ask for a stream whose response such a hook takes; the head is read, and the caller closes."""
    body = json.dumps({"message": "Hi", "interaction_mode": "stream"}).encode()
    client = RawClient(running_server.url)
    try:
        client.request(
            "POST", "/api/chat", {"Content-Type": "application/json", fault_application.BEHIND_THE_VIEW: hook}, body
        )
        client.read_head()
    except BaseException:
        client.close()
        raise
    return client


@pytest.mark.parametrize("hook", fault_application.FAILING_HOOKS)
def test_an_unhandled_exception_after_the_view_ends_the_run(running_server: FaultServer, hook: str) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, running_server) as client:
        assert client.status == 500
        running_server.model.wait_for_request().wait_aborted()
        wait_streams(running_server.server, 0)


@pytest.mark.parametrize("hook", fault_application.LOSING_HOOKS)
def test_a_run_ends_if_a_hook_replaces_its_response(running_server: FaultServer, hook: str) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, running_server) as client:
        assert client.read_body() == b"another body"
        running_server.model.wait_for_request().wait_aborted()
        wait_streams(running_server.server, 0)


@pytest.mark.parametrize("hook", fault_application.PASSING_HOOKS)
def test_an_answer_goes_on_where_a_hook_passes_its_frames_on(running_server: FaultServer, hook: str) -> None:
    """The request's own end, which comes before the body is written, is not the answer's."""
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with chat_through(hook, running_server) as client:
        frame = client.next_frame()
        assert frame is not None
        assert frame.comment == "passed on"
        assert client.next_event().message == "Hel"
        wait_streams(running_server.server, 1)
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
        wait_streams(running_server.server, 0)


@pytest.mark.parametrize("hook", fault_application.PASSING_HOOKS)
def test_a_disconnect_ends_a_run_whose_frames_a_hook_forwards(running_server: FaultServer, hook: str) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, running_server) as client:
        assert client.next_event().message == "Hello"
    running_server.model.wait_for_request().wait_aborted()
    wait_streams(running_server.server, 0)


def test_after_generators_that_raised_sigterm_still_waits_for_an_open_stream(
    start_own_server: StartOwnServer,
) -> None:
    """Row 26: gunicorn counts a connection down twice whose generator raised after the headers."""
    running_server = start_own_server()
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        for _ in range(5):
            with RawClient(running_server.url) as unlucky:
                unlucky.request("GET", "/faults/raise", {"Connection": "close"})
                with suppress(CutShort, ConnectionResetError):
                    unlucky.read_body()
        for message in (fault_application.DEFECT_AFTER_WORDS, fault_application.DEFECT_AFTER_WORDS):
            with stream_chat(running_server.url, message=message) as unlucky:
                assert unlucky.read_stream()[1].is_error
        wait_streams(running_server.server, 1)
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_for_log("draining: 1 open")
        # A worker that counted wrong exits within a second.
        with pytest.raises(AssertionError, match="not in the log"):
            running_server.server.wait_for_log("Worker exiting", timeout=1.5)
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
    assert running_server.server.wait_exit() == 0
