"""Requests that the server refuses before they reach the application: one form, a sentence, and a line in the log."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import NamedTuple

import pytest

from tests.support.fault_application import BEHIND_THE_VIEW
from tests.support.fault_server import FaultServer
from tools.common.raw_client import RECEIVE, RawClient, ResponseReader, check_error, fetch, post_chat
from tools.common.scripted_model import reply

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /api/chat HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LINE = "The request line should be a method, a path and a version, such as GET / HTTP/1.1"
LENGTH = "Content-Length should be one decimal number"
CODING = "Transfer-Encoding should be chunked"
CHUNKS = "The chunks of the body are broken."
LARGE = "The body should be at most 1048576 bytes."
HEADER = "A header should be a line such as `Name: value`"
MANY = "A request should have at most 100 headers, each of at most 8190 bytes."

REFUSED = {
    "no request line": (b"GARBAGE\r\n\r\n", 400, LINE),
    "only a line feed": (b"\n", 400, LINE),
    "line feeds alone": (b"GET / HTTP/1.1\nHost: x\n\n", 400, LINE),
    "no path": (b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", 400, LINE),
    "an asterisk with GET": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, LINE),
    "a host and port as path": (b"GET a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400, LINE),
    "bytes outside of ASCII in the path": (b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n", 400, LINE),
    "HTTP/2 without negotiation": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, LINE),
    "TLS": (bytes.fromhex("1603010200010001fc0303"), 400, "This port does not use TLS (https)."),
    "a method in small letters": (
        b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
        400,
        "The method should have 3 to 20 capital",
    ),
    "a long method": (b"A" * 30 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 400, "The method should have 3 to 20 capital"),
    "a version that is none": (b"GET / FOO\r\n" + HOST + b"\r\n", 400, "should be HTTP/1.1 or HTTP/1.0."),
    "another version": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505, "should be HTTP/1.1 or HTTP/1.0."),
    "a version to come": (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 505, "should be HTTP/1.1 or HTTP/1.0."),
    "a long request line": (
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        414,
        "The request line should have at most 4094 bytes.",
    ),
    "a header without a colon": (GET + b"name\r\n\r\n", 400, HEADER),
    "a zero byte in a header": (GET + b"a: b\0c\r\n\r\n", 400, HEADER),
    "a bare CR in a header": (GET + b"a: b\rc\r\n\r\n", 400, HEADER),
    "a space in a header's name": (GET + b"a b: c\r\n\r\n", 400, "A header's name should be a token"),
    "a space before the colon": (POST + b"Content-Length : 2\r\n\r\n{}", 400, "A header's name should be a token"),
    "a header on two lines": (GET + b"a: b\r\n c\r\n\r\n", 400, "Each header should be on one line."),
    "two hosts": (GET + HOST + b"\r\n", 400, "Host should be sent once"),
    "two content types": (POST + b"Content-Type: text/plain\r\n\r\n", 400, "Content-Type should be sent once"),
    "a long header": (GET + b"a: " + b"b" * 9000 + b"\r\n\r\n", 431, MANY),
    "many headers": (GET + b"a: b\r\n" * 200 + b"\r\n", 431, MANY),
    "a head without an end": (GET + (b"a: " + b"b" * 8000 + b"\r\n") * 10, 431, "at most 65536 bytes."),
    "empty lines without an end": (b"\r\n" * 40000, 431, "at most 65536 bytes."),
    "an unknown expectation": (POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417, "Expect should be"),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n{}", 400, LENGTH),
    "a length with a sign": (POST + b"Content-Length: +5\r\n\r\nhello", 400, LENGTH),
    "a hexadecimal length": (POST + b"Content-Length: 0x10\r\n\r\nhello", 400, LENGTH),
    "a length with an underscore": (POST + b"Content-Length: 1_000\r\n\r\nhello", 400, LENGTH),
    "a length in other digits": (POST + b"Content-Length: \xb2\r\n\r\n{}", 400, LENGTH),
    "an empty length": (POST + b"Content-Length: \r\n\r\n", 400, LENGTH),
    "a length of 5,000 digits": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, LENGTH),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, LENGTH),
    "the same length twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, LENGTH),
    "a list of lengths": (POST + b"Content-Length: 5, 6\r\n\r\nhello", 400, LENGTH),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, LENGTH),
    "an unknown transfer coding": (POST + b"Transfer-Encoding: foo\r\n\r\n", 501, CODING),
    "a transfer coding that looks like chunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501, CODING),
    "a compressed transfer": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, CODING),
    "a transfer coding without chunks": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400, CODING),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, CODING),
    "chunks in HTTP/1.0": (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n", 400, CODING),
    "a chunk of 64 bits": (CHUNKED + b"ffffffffffffffff\r\n", 413, LARGE),
    "a chunk of more than 64 bits": (CHUNKED + b"1" * 17 + b"\r\n", 413, LARGE),
    "a chunk that is one byte too large": (CHUNKED + b"100001;name=value\r\n", 413, LARGE),
    "a second chunk that is too large": (CHUNKED + b"1\r\n{\r\n100000\r\n", 413, LARGE),
    "a chunk of negative size": (CHUNKED + b"-5\r\n", 400, CHUNKS),
    "a chunk size with a sign": (CHUNKED + b"+5\r\n", 400, CHUNKS),
    "a chunk size with a prefix": (CHUNKED + b"0x5\r\n", 400, CHUNKS),
    "a chunk size with an underscore": (CHUNKED + b"1_0\r\n", 400, CHUNKS),
    "no chunk size": (CHUNKED + b"\r\n", 400, CHUNKS),
}


class Refused(NamedTuple):
    """A refusal as a client received it, and what came behind it."""

    status: int
    headers: dict[str, str]
    fields: dict[str, object]
    excess: bytes
    address: str


def send_all(running_server: FaultServer, data: bytes) -> Refused:
    """Send bytes, and read one reply until the server closes, soon."""
    with socket.create_connection(("127.0.0.1", running_server.server.port), timeout=5) as client:
        address = "{}:{}".format(*client.getsockname())
        client.sendall(data)
        reader = ResponseReader()
        body = b""
        began = time.monotonic()
        while received := client.recv(RECEIVE):
            body += reader.feed(received)
        assert time.monotonic() - began < 1
        reader.end()
    return Refused(reader.status, reader.headers, json.loads(body), reader.excess, address)


def count_refused(running_server: FaultServer) -> int:
    """Return how many requests the metrics count as invalid."""
    text = fetch(running_server.url, "/metrics").text
    found = re.search(r'^sluice_refused_total\{code="invalid_request"\} (\d+)', text, re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_before_the_application_has_the_form_of_every_error_and_names_the_client_in_the_log(
    running_server: FaultServer, case: str
) -> None:
    data, status, words = REFUSED[case]
    # A request behind it must not be read: where the invalid one ends is unknown.
    refused = send_all(running_server, data + b"\r\n\r\n" + GET + b"\r\n")
    assert (refused.status, refused.excess) == (status, b"")
    check_error(refused.fields)
    assert words in str(refused.fields["error"])
    assert refused.fields["code"] == "invalid_request"
    assert refused.fields["request_id"] == refused.headers["x-request-id"]
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.headers["connection"] == "close"
    assert refused.headers["content-type"] == "application/json"
    assert refused.headers["cache-control"] == "no-store"
    running_server.server.wait_for_log(
        rf"INFO gunicorn.error \[{refused.fields['request_id']}\] a request of {re.escape(refused.address)} "
        rf"was refused with {status}: {re.escape(str(refused.fields['error']))}"
    )
    assert running_server.model.exchanges == []


@pytest.mark.parametrize(
    "rest", [b" * HTTP/1.1\r\n" + HOST + b"\r\n", b" / HTTP/2.0\r\n\r\n", b" / HTTP/1.1\r\nname\r\n\r\n"]
)
def test_the_refusal_of_a_head_request_has_no_body(running_server: FaultServer, rest: bytes) -> None:
    with RawClient(running_server.url) as client:
        client.send(b"HEAD" + rest)
        assert client.wait_closed().partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize(
    "options", [b"close", b"Close", b"keep-alive, close", b"Upgrade, close", b"close,foo", b"x\r\nConnection: close"]
)
def test_a_connection_is_closed_where_the_request_asks_for_it_among_other_options(
    running_server: FaultServer, options: bytes
) -> None:
    with RawClient(running_server.url) as client:
        client.send(GET + b"Connection: " + options + b"\r\n\r\n" + GET + b"\r\n")
        assert (client.status, client.headers["connection"]) == (200, "close")
        assert client.read_body() == b'{"status":"ok"}\n'
        assert client.wait_closed() == b""


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (1, 2, 3, 4)])
@pytest.mark.parametrize("lines", [1, 2, 20])
def test_empty_lines_before_a_request_are_ignored(
    running_server: FaultServer, lines: int, cuts: tuple[int, ...]
) -> None:
    """RFC 9112, section 2.2; also between two requests of a connection."""
    request = b"\r\n" * lines + GET + b"\r\n"
    with socket.create_connection(("127.0.0.1", running_server.server.port), timeout=5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for start, end in zip((0, *cuts), (*cuts, None), strict=True):
                client.sendall(request[start:end])
            reader = ResponseReader()
            body = b""
            while not reader.complete:
                body += reader.feed(client.recv(RECEIVE))
            assert (reader.status, body, reader.excess) == (200, b'{"status":"ok"}\n', b"")


def test_a_body_in_chunks_up_to_the_limit_is_read(running_server: FaultServer) -> None:
    running_server.model.enqueue(reply("Hi"))
    body = b'{"message": "Hi", "interaction_mode": "block"}'
    chunks = b"%x\r\n%s\r\n" % (len(body), body) + b"%020x\r\n%s\r\n0\r\n\r\n" % (
        2**20 - len(body),
        b" " * (2**20 - len(body)),
    )
    with RawClient(running_server.url) as client:
        client.send(CHUNKED + chunks)
        assert client.status == 200
        assert json.loads(client.read_body())["message"] == "Hi"


def test_a_reply_to_broken_trailers_says_that_the_connection_closes(running_server: FaultServer) -> None:
    with RawClient(running_server.url) as client:
        client.send(CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n")
        assert client.status == 400
        assert client.headers["connection"] == "close"
        client.wait_closed()


def test_a_reply_that_the_server_cannot_send_is_an_error_in_the_form_of_every_other(
    running_server: FaultServer,
) -> None:
    header = f"{BEHIND_THE_VIEW}: a header that no server sends\r\n".encode()
    refused = send_all(running_server, GET + header + b"X-Request-Id: the-clients-own\r\n\r\n")
    assert (refused.status, refused.fields["code"], refused.excess) == (500, "internal", b"")
    check_error(refused.fields)
    assert refused.headers["x-request-id"] == refused.fields["request_id"] == "the-clients-own"
    assert refused.headers["x-content-type-options"] == "nosniff"
    running_server.server.wait_for_log(
        rf"ERROR gunicorn.error .* GET /healthz of {re.escape(refused.address)} failed in the server"
    )


def test_refusals_are_counted_and_the_server_goes_on(running_server: FaultServer) -> None:
    before = count_refused(running_server)
    for data, _, _ in REFUSED.values():
        send_all(running_server, data)
    assert count_refused(running_server) == before + len(REFUSED)
    running_server.model.enqueue(reply("Hi"))
    assert post_chat(running_server.url, message="Hi", interaction_mode="block").status == 200
