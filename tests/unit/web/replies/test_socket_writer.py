"""Writing past the thread that serves a reply: whole, in part, and to clients that have gone."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from sluice.service.events.events import Event, Failed, Text
from sluice.web.replies.socket_writer import SocketWriter
from sluice.web.replies.stream_body import StreamBody
from sluice.web.server.socket_writer_offer import offer_socket_writers

WITHIN = 5.0
# Far more than two sockets' buffers hold.
LARGE = b"x" * 8_000_000


class Response:
    """What gunicorn's response is to an outlet."""

    def __init__(self, sock: socket.socket, chunked: bool = True) -> None:
        self.sock = sock
        self.chunked = chunked
        self.sent = 0

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        return lambda data: None


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    server, client = socket.socketpair()
    with server, client:
        server.settimeout(WITHIN)
        client.settimeout(WITHIN)
        yield server, client


def test_frames_leave_as_one_chunk_and_are_counted(sockets: tuple[socket.socket, socket.socket]) -> None:
    server, client = sockets
    response = Response(server)
    writer = SocketWriter(response)
    assert writer.send(b"data: hello\n\n")
    assert client.recv(100) == b"d\r\ndata: hello\n\n\r\n"
    assert response.sent == 13
    assert not writer.flush()


def test_frames_leave_as_they_are_where_the_body_is_not_chunked(sockets: tuple[socket.socket, socket.socket]) -> None:
    server, client = sockets
    assert SocketWriter(Response(server, chunked=False)).send(b"data: hello\n\n")
    assert client.recv(100) == b"data: hello\n\n"


def test_what_the_socket_does_not_take_is_flushed_later_and_nothing_is_lost(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    server, client = sockets
    writer = SocketWriter(Response(server, chunked=False))
    assert not writer.send(LARGE)
    received = bytearray()

    def read() -> None:
        while len(received) < len(LARGE):
            received.extend(client.recv(1 << 20))

    reading = threading.Thread(target=read)
    reading.start()
    assert writer.flush()
    reading.join(WITHIN)
    assert received == LARGE
    assert not writer.flush()


def test_a_client_that_does_not_read_ends_the_flush_after_its_time(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    server, _ = sockets
    server.settimeout(0.05)
    writer = SocketWriter(Response(server))
    assert not writer.send(LARGE)
    with pytest.raises(TimeoutError):
        writer.flush()


def test_a_client_that_has_gone_is_the_serving_threads_affair(sockets: tuple[socket.socket, socket.socket]) -> None:
    server, client = sockets
    client.close()
    writer = SocketWriter(Response(server))
    assert not writer.send(b"data: hello\n\n")
    with pytest.raises(BrokenPipeError):
        writer.flush()


class ScriptedRun:
    """Says what it is given; what is diverted, the test does."""

    def __init__(self, *batches: list[Event]) -> None:
        self._batches = enumerate(batches, start=1)
        self.outlet: Callable[[int, list[Event]], bool] | None = None

    def divert(self, outlet: Callable[[int, list[Event]], bool]) -> None:
        self.outlet = outlet

    def __next__(self) -> tuple[int, list[Event]]:
        return next(self._batches)


def offered(run: ScriptedRun, sock: object, wrap: Callable[[Iterable[bytes]], Iterable[bytes]]) -> Iterable[bytes]:
    """Have the worker serve a stream of this run on this socket."""
    body = StreamBody(run, "1")  # type: ignore[arg-type]

    def application(environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
        return wrap(body)

    response = Response(sock)  # type: ignore[arg-type]
    environ = {"gunicorn.socket": sock, "SERVER_PROTOCOL": "HTTP/1.1"}
    return offer_socket_writers(application)(environ, response.start)


def test_a_body_that_reaches_the_worker_as_it_is_gets_an_outlet(sockets: tuple[socket.socket, socket.socket]) -> None:
    run = ScriptedRun()
    offered(run, sockets[0], lambda body: body)
    assert run.outlet is not None


def test_a_body_that_a_middleware_has_wrapped_is_iterated(sockets: tuple[socket.socket, socket.socket]) -> None:
    run = ScriptedRun([Text("hello")])
    body = offered(run, sockets[0], lambda body: (frame.upper() for frame in body))
    assert run.outlet is None
    assert b"HELLO" in b"".join(body)


def test_tls_is_written_by_its_own_thread(sockets: tuple[socket.socket, socket.socket]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wrapped = context.wrap_socket(sockets[0], do_handshake_on_connect=False)
    run = ScriptedRun([Text("hello")])
    with wrapped:
        body = offered(run, wrapped, lambda body: body)
        assert run.outlet is None
        assert b"hello" in b"".join(body)


def test_a_frame_that_was_begun_is_ended_before_anything_else_is_written(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    server, client = sockets
    run = ScriptedRun([], [Text("after")])
    body = iter(offered(run, server, lambda body: body))
    next(body)  # the opening
    assert run.outlet is not None
    text = "x" * 2_000_000
    assert not run.outlet(1, [Text(text)])
    received = bytearray()
    reading = threading.Thread(target=lambda: _read_until(client, received, b'"stream"}\n\n\r\n'))
    reading.start()
    frame = next(body)
    reading.join(WITHIN)
    assert text.encode() in received
    assert frame == b'id: 2\ndata: {"success": true, "message": "after", "interaction_mode": "stream"}\n\n'


def _read_until(client: socket.socket, received: bytearray, end: bytes) -> None:
    while not received.endswith(end):
        received.extend(client.recv(1 << 20))


def test_an_empty_batch_with_nothing_to_flush_is_a_heartbeat(sockets: tuple[socket.socket, socket.socket]) -> None:
    body = iter(offered(ScriptedRun([], [Failed(ValueError("no"))]), sockets[0], lambda body: body))  # type: ignore[arg-type]
    next(body)
    assert next(body) == b":\n\n"
