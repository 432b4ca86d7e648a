"""Row 44: a limit for one client counts by its address or network, and by nothing that the client can choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.running_server import RunningServer, start_server
from tools.common.leaks import wait_streams
from tools.common.raw_client import RawClient
from tools.common.scripted_model import stalling_after

JSON = {"Content-Type": "application/json"}
BODY = b'{"message": "Hi", "interaction_mode": "stream"}'


@pytest.fixture(scope="module")
def dual_stack_server() -> Iterator[RunningServer]:
    """A server on a socket of both families, where an IPv4 client has an address such as ::ffff:127.0.0.1."""
    settings = {"HOST": "::", "SLUICE_MAX_STREAMS_PER_CLIENT": 1, "SLUICE_TRUSTED_PROXIES": 1}
    with start_server(**settings) as shared:
        shared.model.default = stalling_after("Hel")
        yield shared


@pytest.fixture
def dual_stack(dual_stack_server: RunningServer) -> Iterator[RunningServer]:
    """The same server, for one test, after which no stream is open."""
    yield dual_stack_server
    wait_streams(dual_stack_server.server, 0)
    dual_stack_server.model.drop_idle_connections()


@contextmanager
def statuses(running_server: RunningServer, asked: list[tuple[str, str | None]]) -> Iterator[list[int]]:
    """Open a stream from each address with each X-Forwarded-For, all at one time, and yield their statuses."""
    with ExitStack() as opened:
        clients = []
        for source, forwarded in asked:
            address = f"http://[::1]:{running_server.server.port}" if ":" in source else running_server.url
            client = opened.enter_context(RawClient(address, source=source))
            client.request(
                "POST", "/api/chat", {**JSON, **({"X-Forwarded-For": forwarded} if forwarded else {})}, BODY
            )
            client.read_head()
            clients.append(client)
        yield [client.status for client in clients]


def test_ipv4_clients_of_a_dual_stack_socket_are_counted_separately(dual_stack: RunningServer) -> None:
    """Row 44."""
    asked = [("127.0.0.1", None), ("127.0.0.2", None), ("127.0.0.2", None), ("::1", None)]
    with statuses(dual_stack, asked) as got:
        assert got == [200, 200, 503, 200]


def test_ports_brackets_quotes_and_rotation_make_no_client_another(dual_stack: RunningServer) -> None:
    """Row 44."""
    asked = [
        ("127.0.0.1", "192.0.2.1:1001"),
        ("127.0.0.1", "192.0.2.1:1002"),
        ("127.0.0.1", '"198.51.100.1, 192.0.2.1'),
        ("127.0.0.1", "::ffff:192.0.2.1"),
        ("127.0.0.1", "[2001:db8::1]:443"),
        ("127.0.0.1", "[2001:db8::2]:444"),
        ("127.0.0.1", "2001:db8::ffff:3"),
    ]
    with statuses(dual_stack, asked) as got:
        assert got == [200, 503, 503, 503, 200, 503, 503]
