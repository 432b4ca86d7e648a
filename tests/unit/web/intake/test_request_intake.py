"""Gathering requests in a poller: one byte at a time, behind the PROXY protocol, and within a bound for all."""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config

from sluice.web.intake import request_intake
from sluice.web.intake.refusals import Refusal
from sluice.web.intake.request_intake import RequestIntake
from sluice.web.intake.worker_connection import WorkerConnection

REQUEST = b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
V2_ADDRESSES = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4000, 80)
PROXY_HEADS = {
    "v1": b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n",
    "v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(V2_ADDRESSES)) + V2_ADDRESSES,
}


class Owner:
    """Takes note of what becomes of requests."""

    def __init__(self) -> None:
        self.ready: list[Any] = []
        self.refused: list[Refusal] = []
        self.ended = 0

    def reads_body(self, request: Any) -> bool:
        return True

    def request_ready(self, connection: WorkerConnection) -> None:
        self.ready.append(next(connection.parser))

    def request_refused(self, connection: WorkerConnection, refusal: Refusal, cause: str = "") -> None:
        self.refused.append(refusal)

    def connection_ended(self, connection: WorkerConnection) -> None:
        self.ended += 1


class Line:
    """A client and its connection, for which an intake waits."""

    def __init__(self, intake: RequestIntake, poller: selectors.BaseSelector, proxy_protocol: str) -> None:
        self.client, server = socket.socketpair()
        config = Config()
        config.set("proxy_protocol", proxy_protocol)
        addresses = (("127.0.0.1", 1), ("127.0.0.1", 2))
        self.connection = WorkerConnection(
            config, server, *addresses, linger=lambda _: None, head_timeout=10, body_timeout=10
        )
        self._poller = poller
        intake.begin(self.connection)

    def send(self, data: bytes) -> None:
        """Send bytes, and have the intake receive them."""
        self.client.sendall(data)
        self.receive()

    def receive(self) -> None:
        """Have the intake receive what has come."""
        for key, _ in self._poller.select(1):
            key.data(key.fileobj)

    def close(self) -> None:
        self.client.close()
        self.connection.sock.close()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def line(owner: Owner) -> Iterator[Callable[..., Line]]:
    """A function that connects a client; one intake waits for all of them."""
    lines: list[Line] = []
    with selectors.DefaultSelector() as poller:
        intake = RequestIntake(poller, owner, head_timeout=10, body_timeout=10, body_limit=2**20)

        def connect(proxy_protocol: str = "off") -> Line:
            lines.append(Line(intake, poller, proxy_protocol))
            return lines[-1]

        yield connect
        for each in lines:
            each.close()


def test_a_request_is_ready_with_its_last_byte_and_not_before(owner: Owner, line: Callable[..., Line]) -> None:
    connected = line()
    for byte in REQUEST:
        assert not owner.ready
        connected.send(bytes([byte]))
    (request,) = owner.ready
    assert (request.method, request.path, request.body.read()) == ("POST", "/api/chat", b"{}")


@pytest.mark.parametrize("version", PROXY_HEADS)
def test_a_head_of_the_proxy_protocol_may_come_a_byte_at_a_time(
    owner: Owner, line: Callable[..., Line], version: str
) -> None:
    connected = line("auto")
    for byte in PROXY_HEADS[version] + REQUEST:
        assert not owner.ready
        connected.send(bytes([byte]))
    (request,) = owner.ready
    assert request.proxy_protocol_info["client_addr"] == "192.0.2.7"
    assert request.body.read() == b"{}"


def test_a_line_that_ends_in_a_bare_line_feed_is_not_waited_for(owner: Owner, line: Callable[..., Line]) -> None:
    line().send(b"GET / HTTP/1.1\n")
    (refusal,) = owner.refused
    assert (refusal.status, refusal.code) == (400, "invalid_request")


def test_a_client_that_closes_in_the_middle_of_a_head_is_let_go(owner: Owner, line: Callable[..., Line]) -> None:
    connected = line()
    connected.send(REQUEST[:10])
    connected.client.shutdown(socket.SHUT_WR)
    connected.receive()
    assert owner.ended == 1


def test_unfinished_requests_that_hold_too_much_memory_are_refused(
    owner: Owner, line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_intake, "TOTAL_LIMIT", 1000)
    head = REQUEST.replace(b"Content-Length: 2", b"Content-Length: 5000").partition(b"{}")[0]
    connected = line()
    connected.send(head + b"a" * 500)
    assert not owner.refused
    connected.send(b"a" * 500)
    (refusal,) = owner.refused
    assert (refusal.status, refusal.code) == (503, "overloaded")
    # What it held is free again.
    line().send(head + b"a" * 500)
    assert len(owner.refused) == 1
