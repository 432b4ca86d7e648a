"""Bodies that nobody reads: what the kernel has received of them is taken before the reply begins."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import Response

from sluice.web.intake.request_parser import LimitedParser
from sluice.web.intake.wsgi_input import wrap_request_bodies

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

HEAD = b"POST /api/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    client, server = socket.socketpair()
    with client, server:
        client.settimeout(5)
        yield client, server


def refuse(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Reply without a look at the body, as for a path that there is not."""
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


def reply_head(connection: tuple[socket.socket, socket.socket], received: bytes, behind: bytes) -> bytes:
    """Serve a request of which some bytes were received, and others are still in the kernel."""
    client, server = connection
    config = Config()
    parser = LimitedParser(config, server, ("127.0.0.1", 1), head_timeout=10, body_timeout=10)
    assert parser.prepare(received)
    request = next(parser)
    client.sendall(behind)
    response = Response(request, server, config)
    wrap_request_bodies(refuse)({"wsgi.input": request.body}, response.start_response)
    response.close()
    return client.recv(65536)


@pytest.mark.parametrize("at", [0, 1, 99])
def test_a_body_that_has_come_meanwhile_keeps_the_connection(
    connection: tuple[socket.socket, socket.socket], at: int
) -> None:
    body = b"a" * 100
    assert b"Connection: close" not in reply_head(connection, HEAD + body[:at], body[at:])


@pytest.mark.parametrize("at", [0, 1, 99])
def test_a_body_of_which_the_last_byte_is_missing_closes_the_connection(
    connection: tuple[socket.socket, socket.socket], at: int
) -> None:
    body = b"a" * 99
    assert b"Connection: close" in reply_head(connection, HEAD + body[:at], body[at:])
