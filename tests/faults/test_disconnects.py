"""Rows 1-5 and 30: clients that disconnect. Their model calls end, so that no unread token is paid for."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.fault_server import FaultServer, StartOwnServer, start_fault_server
from tests.support.processor_share import ProcessorShare
from tests.support.repeated import percentile, repeat_requests
from tools.common.leaks import gauge, wait_streams
from tools.common.raw_client import RawClient, chat_request, encode_request, fetch, stream_chat
from tools.common.scripted_model import Script, reply, stalling, stalling_after

# The promise is 250 ms; the aim is 50, measured by `python -m tests.faults.closes`.
PROMISE = 0.25

DISCONNECTS: dict[str, Callable[[RawClient], None]] = {"closes": RawClient.close, "resets": RawClient.reset}
MOMENTS: dict[str, tuple[Script, bool]] = {
    "mid-stream, while the model stalls": (stalling_after("Hel", "lo"), True),
    "before the first token": (stalling(after_headers=True), False),
    "before the model's headers": (stalling(), False),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", DISCONNECTS)
def test_a_disconnect_ends_the_model_call_at_once(running_server: FaultServer, way: str, moment: str) -> None:
    """Rows 1-4."""
    script, speaks = MOMENTS[moment]
    running_server.model.enqueue(script)
    client = stream_chat(running_server.url)
    try:
        exchange = running_server.model.wait_for_request()
        if speaks:
            assert client.next_event().message
        left = time.monotonic()
        DISCONNECTS[way](client)
        assert exchange.wait_aborted() - left < PROMISE
    finally:
        client.close()


@pytest.mark.parametrize("way", DISCONNECTS)
def test_no_further_token_is_requested_after_a_disconnect(running_server: FaultServer, way: str) -> None:
    """Rows 1-4: the model sends 200 tokens a second, and stops soon after its client has disconnected."""
    running_server.model.enqueue(reply(*(" word",) * 400, delay=0.005))
    client = stream_chat(running_server.url)
    try:
        exchange = running_server.model.wait_for_request()
        client.next_event()
        before, left = exchange.tokens_sent, time.monotonic()
        DISCONNECTS[way](client)
        assert exchange.wait_aborted() - left < PROMISE
        assert exchange.tokens_sent - before <= 200 * PROMISE
    finally:
        client.close()


@pytest.mark.parametrize("way", DISCONNECTS)
def test_a_disconnect_during_a_block_chat_ends_the_model_call_at_once(running_server: FaultServer, way: str) -> None:
    """Rows 1-4, for the reply in one JSON."""
    running_server.model.enqueue(stalling_after("Hello"))
    client = RawClient(running_server.url)
    try:
        client.send(chat_request("localhost", {"message": "Hi", "interaction_mode": "block"}))
        exchange = running_server.model.wait_for_request()
        exchange.wait_tokens(1)
        left = time.monotonic()
        DISCONNECTS[way](client)
        assert exchange.wait_aborted() - left < PROMISE
    finally:
        client.close()


def test_two_chats_on_one_connection_are_watched_each_for_itself(running_server: FaultServer) -> None:
    """Rows 1-4."""
    running_server.model.enqueue(reply("one"), stalling_after("two"))
    with RawClient(running_server.url) as client:
        for message, whole in (("one", True), ("two", False)):
            body = f'{{"message": "{message}", "interaction_mode": "stream"}}'.encode()
            client.request("POST", "/api/chat", {"Content-Type": "application/json"}, body)
            assert client.next_event().message == message
            if whole:
                assert client.read_stream()[1].is_done
        left = time.monotonic()
    assert running_server.model.wait_for_request(2).wait_aborted() - left < PROMISE


def test_a_pipelined_request_is_not_taken_for_a_disconnect(running_server: FaultServer) -> None:
    """Rows 1-4."""
    running_server.model.enqueue(reply("Hel", "lo", delay=0.1), reply("again"))
    request = chat_request("localhost", {"message": "Hi", "interaction_mode": "stream"}, keep_alive=True)
    with RawClient(running_server.url) as client:
        client.send(request + request)
        assert client.read_stream()[0] == "Hello"


def test_the_log_has_the_disconnect_and_its_token_counts(running_server: FaultServer) -> None:
    """Rows 1-4."""
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        request_id = client.headers["x-request-id"]
        client.next_event()
    line = running_server.server.wait_for_log(rf"run={request_id} .*")
    assert "outcome=disconnected" in line[0]
    assert "completion_tokens=1 estimated=yes" in line[0]


@pytest.fixture(scope="module")
def two_threads() -> Iterator[FaultServer]:
    """A server with two threads for short requests, both of which have been in use."""
    with start_fault_server(SLUICE_MAX_STREAMS=1, SLUICE_RESERVE_THREADS=2, warm=1) as running_server:
        # The first time grows the pool.
        leave_while_waiting_for_a_thread(running_server, "stream")
        yield running_server


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_a_client_that_disconnects_before_a_thread_is_free_causes_no_model_call(
    two_threads: FaultServer, mode: str
) -> None:
    """Row 5."""
    running_server = two_threads
    running_server.model.clear()
    with running_server.without_leaks():
        leave_while_waiting_for_a_thread(running_server, mode)
    assert running_server.model.exchanges == []
    # Not even begun: a run that is begun and cancelled at once might or might not have reached the model.
    assert "outcome=disconnected" not in running_server.server.log


def leave_while_waiting_for_a_thread(running_server: FaultServer, mode: str) -> None:
    """Hold both threads with requests whose bodies are half sent, and have a third client disconnect meanwhile."""
    # No JSON, so that the route's thread reads it.
    half = encode_request("localhost", "POST", "/faults/read", {"Content-Type": "text/plain"}, b"a" * 100)[:-50]
    holding = [RawClient(running_server.url) for _ in range(2)]
    try:
        for client in holding:
            client.send(half)
        with pytest.raises(TimeoutError):  # nobody answers: both threads are taken
            fetch(running_server.url, "/healthz", timeout=0.5)
        leaver = RawClient(running_server.url)
        leaver.send(chat_request("localhost", {"message": "Hi", "interaction_mode": mode}))
        leaver.close()
        # Behind the leaver in the queue, so its answer comes after the leaver's turn.
        with RawClient(running_server.url) as behind:
            behind.send(encode_request("localhost", "GET", "/healthz", {"Connection": "close"}))
            holding[0].send(b"a" * 50)
            assert holding[0].status == 200
            assert behind.status == 200
    finally:
        for client in holding:
            client.close()


def test_health_answers_while_five_hundred_clients_disconnect_at_once(start_own_server: StartOwnServer) -> None:
    """Row 30."""
    running_server = start_own_server(SLUICE_MAX_STREAMS=512, warm=2)
    processor = ProcessorShare([*running_server.server.worker_pids(), os.getpid()])
    with running_server.without_leaks(), processor:
        slowest, health = vanish(running_server, 500)
    print(
        f"500 vanish: all upstream connections closed within {slowest * 1000:.0f} ms; /healthz meanwhile "
        f"p50 {percentile(health, 0.5) * 1000:.1f}, p99 {percentile(health, 0.99) * 1000:.1f} ms of {len(health)}; "
        f"other programs leave {processor.share:.0%} of the processors"
    )
    # What other programs do delays model, worker and clients, and is not the disconnects' doing.
    assert slowest < 1.0 / processor.share
    # The promise is 100 ms, on a machine that does nothing else; here, clients and model share its two cores.
    assert percentile(health, 0.99) < 0.5 / processor.share


def vanish(running_server: FaultServer, clients: int) -> tuple[float, list[float]]:
    """Have that many clients disconnect at once; the log must have one line for each.

    Returns:
        Seconds until the last model call had ended, and how long each ask of /healthz took meanwhile.
    """
    running_server.model.clear()
    running_server.model.default = stalling_after("Hello")
    streams: list[RawClient] = []
    try:
        streams.extend(stream_chat(running_server.url, timeout=20) for _ in range(clients))
        for client in streams:
            assert client.next_event().message == "Hello"
        assert gauge(running_server.server, "sluice_streams_open") == clients
        with repeat_requests(running_server.url) as health:
            health.wait_times(5)
            left = time.monotonic()
            for index, client in enumerate(streams):
                DISCONNECTS["resets" if index % 2 else "closes"](client)
            running_server.model.wait_idle()
            health.wait_times(50)
        wait_streams(running_server.server, 0)
        log_line = r" run=(\S+) .* outcome=disconnected "
        running_server.server.wait_for_log(log_line, times=clients)
        assert sorted(re.findall(log_line, running_server.server.log)) == sorted(
            client.headers["x-request-id"] for client in streams
        )
    finally:
        for client in streams:
            client.close()
    assert not health.failures
    assert set(health.results) == {200}
    return max(exchange.wait_aborted() for exchange in running_server.model.exchanges) - left, health.took
