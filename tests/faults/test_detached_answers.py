"""An open answer holds no thread of our worker: the loop writes it, and a thread closes it at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from tests.support.fault_application import BEHIND_THE_VIEW, MIDDLEWARE
from tests.support.fault_server import FaultServer, StartOwnServer
from tools.common.leaks import wait_streams
from tools.common.raw_client import RawClient, chat_request, encode_request, fetch, stream_chat, stream_many
from tools.common.scripted_model import Headers, finished, reply, said, stalling_after

# Streams, of which a thread each would need ten times as many threads as there may be.
STREAMS = 60
THREADS = 6


# Three threads for short requests, and three that may be held.
SERVER_SETTINGS = {
    "SLUICE_MAX_STREAMS": 100,
    "SLUICE_MAX_HELD_THREADS": 3,
    "SLUICE_RESERVE_THREADS": 3,
    "SLUICE_NEXT_TOKEN_TIMEOUT": 10,
    "warm": STREAMS,
}


FIELDS = {"message": "Hi", "interaction_mode": "stream"}
REQUEST = chat_request("localhost", FIELDS, keep_alive=True)
LAST_REQUEST = chat_request("localhost", FIELDS)


def ask(client: RawClient, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    """Ask for a stream, over a connection that is kept."""
    body = REQUEST.partition(b"\r\n\r\n")[2]
    client.request("POST", "/api/chat", {"Content-Type": "application/json", **headers}, body)


def threads_of(running_server: FaultServer) -> int:
    """Count the threads of the only worker."""
    (worker,) = running_server.server.worker_pids()
    return len(list(Path(f"/proc/{worker}/task").iterdir()))


def test_many_more_answers_than_threads_are_open_at_once_and_all_arrive_whole(running_server: FaultServer) -> None:
    gate = running_server.model.gate()
    running_server.model.default = (Headers(), *said("Hel"), gate, *said("lo"), *finished())
    with running_server.without_leaks(), ExitStack() as stack:
        before = threads_of(running_server)
        clients = [stack.enter_context(stream_chat(running_server.url)) for _ in range(STREAMS)]
        assert {client.next_event().message for client in clients} == {"Hel"}
        wait_streams(running_server.server, STREAMS)
        began = time.monotonic()
        assert fetch(running_server.url, "/healthz").status == 200
        assert time.monotonic() - began < 1.0
        assert threads_of(running_server) <= before + THREADS
        gate.open()
        for client in clients:
            text, end = client.read_stream()
            assert (text, end.is_done) == ("lo", True)
    assert len(running_server.server.worker_pids()) == 1


def test_a_kept_connection_carries_one_answer_after_the_other_also_pipelined(running_server: FaultServer) -> None:
    for number in range(6):
        running_server.model.enqueue(reply(f"answer {number}"))
    with running_server.without_leaks(), RawClient(running_server.url) as client:
        for number in range(3):
            ask(client)
            assert client.read_stream()[0] == f"answer {number}"
        client.send(2 * REQUEST + LAST_REQUEST)
        received = client.wait_closed()
    assert [received.count(b"answer %d" % number) for number in range(6)] == [0, 0, 0, 1, 1, 1]
    assert received.index(b"answer 3") < received.index(b"answer 4") < received.index(b"answer 5")
    assert received.endswith(b"0\r\n\r\n")


def test_the_slot_is_free_as_soon_as_the_client_has_the_end_of_the_body(start_own_server: StartOwnServer) -> None:
    running_server = start_own_server(SLUICE_MAX_STREAMS=1, SLUICE_RESERVE_THREADS=2, warm=1)
    running_server.model.default = reply("Hello")
    with RawClient(running_server.url) as client:
        for _ in range(30):
            ask(client)
            assert client.read_stream()[0] == "Hello"


def test_a_client_of_http_1_0_gets_the_frames_as_they_are_and_the_end_of_the_connection(
    running_server: FaultServer,
) -> None:
    running_server.model.enqueue(reply("Hello"))
    request = REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0")
    with running_server.without_leaks(), RawClient(running_server.url) as client:
        client.send(request)
        received = client.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert body.startswith(b": ok\n\nid: 1\ndata: ")
    assert body.endswith(b"\n\n")


def test_streams_below_an_unknown_middleware_hold_threads_and_are_refused_where_too_many_do(
    running_server: FaultServer,
) -> None:
    running_server.model.default = stalling_after("Hello")
    headers = {BEHIND_THE_VIEW: MIDDLEWARE}
    with running_server.without_leaks(), ExitStack() as stack:
        clients = []
        for _ in range(4):
            client = stack.enter_context(RawClient(running_server.url))
            ask(client, headers)
            if client.status == 200:
                assert client.next_event().message == "Hello"
            clients.append(client)
        assert [client.status for client in clients] == [200, 200, 200, 503]
        # A stream that holds none is answered all the same, and so is everything else.
        assert stack.enter_context(stream_chat(running_server.url)).next_event().message == "Hello"
        assert fetch(running_server.url, "/healthz").status == 200


def test_a_burst_of_chats_is_answered_whole_by_few_threads(running_server: FaultServer) -> None:
    running_server.model.default = reply("a", "b", "c")
    with running_server.without_leaks():
        outcomes = stream_many(running_server.url, 90, timeout=20)
    assert {outcome.status for outcome in outcomes} == {200}
    assert {outcome.text for outcome in outcomes} == {"abc"}


def test_a_head_request_makes_no_stream(running_server: FaultServer) -> None:
    with running_server.without_leaks(), RawClient(running_server.url) as client:
        client.send(encode_request("localhost", "HEAD", "/api/chat"))
        assert client.status == 405
    assert running_server.model.exchanges == []
