"""Row 43: requests that come a byte at a time or not at all, bodies that nobody reads, replies that nobody reads."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.support.fault_server import FaultServer, start_fault_server
from tests.support.repeated import repeat_requests
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import (
    RECEIVE,
    RawClient,
    ResponseReader,
    chat_request,
    check_error,
    encode_request,
    fetch,
)

HEAD_TIMEOUT = 1.0
BODY_TIMEOUT = 1.0
WRITE_TIMEOUT = 1.0
# Five threads, all of which the warm-up needs: a client that holds one is missed at once.
SERVER_SETTINGS = {
    "SLUICE_MAX_STREAMS": 4,
    "SLUICE_RESERVE_THREADS": 1,
    "SLUICE_HEAD_TIMEOUT": HEAD_TIMEOUT,
    "SLUICE_BODY_TIMEOUT": BODY_TIMEOUT,
    "SLUICE_WRITE_TIMEOUT": WRITE_TIMEOUT,
    "warm": 4,
}
JSON = {"Content-Type": "application/json"}
FIELDS = {"message": "Hi", "interaction_mode": "stream"}


class SlowClient:
    """A client of a crowd: it sends what it has a byte at a time, and keeps what it receives."""

    def __init__(self, running_server: FaultServer, at_once: bytes, bytewise: bytes = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", running_server.server.port), timeout=5)
        self.address = "{}:{}".format(*self.socket.getsockname())
        self.began = time.monotonic()
        self.ended = 0.0
        self.reply = b""
        self.socket.sendall(at_once)
        self.socket.setblocking(False)
        self._bytewise = iter(bytewise)

    def go_on(self) -> None:
        """Send the next byte and take what has come; note when the server has closed."""
        if self.ended:
            return
        with contextlib.suppress(OSError, StopIteration):
            self.socket.send(bytes([next(self._bytewise)]))
        with contextlib.suppress(BlockingIOError):
            data = self.socket.recv(RECEIVE)
            self.reply += data
            if not data:
                self.ended = time.monotonic()

    @property
    def took(self) -> float:
        """How many seconds it was connected."""
        return self.ended - self.began


def last_for(clients: Sequence[SlowClient], running_server: FaultServer, *, timeout: float) -> list[float]:
    """Have clients go on until the server has closed all of them; return how long /healthz took meanwhile."""
    give_up = time.monotonic() + timeout
    with repeat_requests(running_server.url, timeout=5) as health:
        while not all(client.ended for client in clients):
            assert time.monotonic() < give_up, f"{sum(not client.ended for client in clients)} are still connected"
            for client in clients:
                client.go_on()
            health.wait_times(2)
    assert not health.failures
    return health.took


def read_reply(data: bytes) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    return reader, reader.feed(data)


def received_from(connection: socket.socket) -> bytes:
    """Return the next bytes of a reply; fail where the server has closed the connection."""
    data = connection.recv(RECEIVE)
    assert data, "the server has closed the connection before the end of its reply"
    return data


def assert_refused(client: SlowClient, status: int, words: str) -> None:
    reader, body = read_reply(client.reply)
    assert reader.status == status
    assert reader.headers["connection"] == "close"
    fields = json.loads(body)
    check_error(fields)
    assert fields["request_id"] == reader.headers["x-request-id"]
    assert words in fields["error"]


def test_requests_that_arrive_byte_by_byte_delay_no_other_client_and_end_at_one_limit(
    running_server: FaultServer,
) -> None:
    # So long that a machine with nothing else to do does not send all of it within the limit.
    request = chat_request(running_server.url.partition("//")[2], {**FIELDS, "message": "Hi" * 1000})
    head, end, body = request.partition(b"\r\n\r\n")
    with ExitStack() as stack:
        heads = [SlowClient(running_server, b"", head) for _ in range(200)]
        bodies = [SlowClient(running_server, head + end, body) for _ in range(200)]
        halves = [SlowClient(running_server, head[:-10]) for _ in range(300)]
        for client in (*heads, *bodies, *halves):
            stack.callback(client.socket.close)
        took = last_for([*heads, *bodies, *halves], running_server, timeout=15)
        assert max(took) < 1.0
        for client in (*heads, *halves, *bodies):
            part = "body" if client in bodies else "head"
            # A thread of its own writes the log: the last lines come behind the last reply.
            running_server.server.wait_for_log(
                f" a request of {client.address} was refused with 408: The {part} of a request should be sent "
            )
        for client in (*heads, *halves):
            assert_refused(client, 408, "The head of a request should be sent within 1 s.")
            assert client.took >= HEAD_TIMEOUT
        for client in bodies:
            assert_refused(client, 408, "The body of a request should be sent within 1 s")
            assert client.took >= BODY_TIMEOUT
    assert running_server.model.exchanges == []


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"GET /healthz HTTP/1.1\r\n" + b"X-A: " + b"a" * 8000 + b"\r\n", "at most 65536 bytes"),
        (b"GET /" + b"a" * 8000, ""),
    ],
)
def test_a_head_without_an_end_is_refused_at_its_size(running_server: FaultServer, head: bytes, words: str) -> None:
    with RawClient(running_server.url) as client:
        with contextlib.suppress(OSError):
            client.send(head + (b"X-B: " + b"b" * 6000 + b"\r\n" if words else b"a" * 8000) * 10)
        assert client.status == (431 if words else 414)
        assert words in client.read_body().decode()
        client.wait_closed()


UNREAD = {
    "another path": ("POST", "/api/nothing", JSON, 404),
    "another method": ("PUT", "/api/chat", JSON, 405),
    "a method that has no body": ("GET", "/healthz", JSON, 200),
    "another content type": ("POST", "/api/chat", {"Content-Type": "text/plain"}, 415),
    "a length over the limit": ("POST", "/api/chat", {**JSON, "Content-Length": "2000000"}, 413),
    "another host": ("POST", "/api/nothing", {**JSON, "Host": "evil.example"}, 421),
}


@pytest.mark.parametrize(
    ("case", "chunked"),
    [*((case, False) for case in UNREAD), *((case, True) for case in UNREAD if "length" not in case)],
)
def test_a_reply_does_not_wait_for_an_unread_body_and_closes_the_connection(
    running_server: FaultServer, case: str, chunked: bool
) -> None:
    method, path, headers, status = UNREAD[case]
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "1000"}
    with RawClient(running_server.url) as client:
        began = time.monotonic()
        client.request(method, path, {**framing, **headers})
        client.send(b"64\r\n" + b"a" * 90 if chunked else b"a" * 90)
        assert client.status == status
        assert client.headers["connection"] == "close"
        assert client.wait_closed() is not None
        assert time.monotonic() - began < BODY_TIMEOUT


@pytest.mark.parametrize("case", ["another path", "another method", "another content type", "a blank message"])
def test_a_connection_is_kept_behind_a_refused_body_that_has_come(running_server: FaultServer, case: str) -> None:
    method, path, headers, status = {**UNREAD, "a blank message": ("POST", "/api/chat", JSON, 400)}[case]
    # A route that reads its body has all of it before it begins; for another one it has to be there by then.
    body = b'{"message": "' + b" " * (300_000 if status == 400 else 100) + b'"}'
    with RawClient(running_server.url) as client:
        for _ in range(3):
            client.request(method, path, headers, body)
            assert client.status == status
            client.read_body()
            assert client.headers["connection"] == "keep-alive"


def test_requests_in_one_packet_are_answered_in_order_and_a_cut_one_when_its_rest_comes(
    running_server: FaultServer,
) -> None:
    host = running_server.url.partition("//")[2]
    healthy = encode_request(host, "GET", "/healthz")
    missing = encode_request(host, "POST", "/api/nothing", JSON, b"{}")
    with RawClient(running_server.url) as client:
        client.send(healthy + missing + healthy[:10])
        readers = []
        received = b""
        for _ in range(2):
            reader = ResponseReader()
            reader.feed(received)
            while not reader.complete:
                reader.feed(received_from(client.socket))
            received = reader.excess
            readers.append(reader)
        client.send(healthy[10:])
        assert client.status == 200
        assert client.read_body() == b'{"status":"ok"}\n'
    assert [reader.status for reader in readers] == [200, 404]


def test_a_client_that_waits_for_100_continue_gets_it_only_where_its_body_is_read(
    running_server: FaultServer,
) -> None:
    body = json.dumps({"message": "Hi", "interaction_mode": "block"}).encode()
    expecting = {"Expect": "100-continue", "Content-Length": str(len(body))}
    with RawClient(running_server.url) as client:
        client.request("POST", "/api/chat", {**JSON, **expecting})
        assert client.socket.recv(RECEIVE) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        assert client.status == 200
        assert json.loads(client.read_body())["success"] is True
        for path, length, status in (("/api/nothing", str(len(body)), 404), ("/api/chat", "2000000", 413)):
            with RawClient(running_server.url) as refused:
                refused.request("POST", path, {**JSON, **expecting, "Content-Length": length})
                assert refused.status == status
                assert refused.headers["connection"] == "close"


def test_a_body_that_a_host_applications_route_reads_ends_at_the_limit(running_server: FaultServer) -> None:
    half = encode_request(
        running_server.url.partition("//")[2], "POST", "/faults/read", {"Content-Type": "text/plain"}, b"a" * 100
    )[:-50]
    with ExitStack() as stack:
        clients = [SlowClient(running_server, half, b"a" * 40) for _ in range(3)]
        for client in clients:
            stack.callback(client.socket.close)
        last_for(clients, running_server, timeout=10)
        for client in clients:
            assert_refused(client, 408, "The body was not received within its time limit")
            assert BODY_TIMEOUT <= client.took < BODY_TIMEOUT + 2


def test_broken_chunks_get_400_in_every_route(running_server: FaultServer) -> None:
    with RawClient(running_server.url) as client:
        client.request("POST", "/faults/read", {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
        client.send(b"2\r\n{}no end")
        assert client.status == 400
        assert client.headers["connection"] == "close"
    assert "Traceback" not in running_server.server.log


def test_a_slow_upload_goes_through_as_long_as_it_goes_on(running_server: FaultServer) -> None:
    body = json.dumps({"message": "Hi", "interaction_mode": "stream"}).encode() + b" " * 400_000
    request = encode_request(
        running_server.url.partition("//")[2], "POST", "/api/chat", {**JSON, "Connection": "close"}, body
    )
    began = time.monotonic()
    with RawClient(running_server.url) as client, repeat_requests(running_server.url) as health:
        piece = len(request) // 20 + 1
        for start in range(0, len(request), piece):
            client.send(request[start : start + piece])
            health.wait_times(8)
        assert time.monotonic() - began > BODY_TIMEOUT
        assert client.read_stream()[1].is_done


def test_a_client_that_reads_no_reply_is_cut_off_and_gives_its_thread_back(running_server: FaultServer) -> None:
    host = running_server.url.partition("//")[2]
    name = "/static/vendor/katex/katex.js"
    large = urljoin(name, fetch(running_server.url, name).headers["location"])
    # More than the kernels hold, about 4 MB for each.
    many = encode_request(host, "GET", large) * 40
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(running_server.url, receive_buffer=2048)) for _ in range(8)]
        for client in clients:
            client.send(many)
        running_server.server.wait_for_log(
            r"the client 127\.0\.0\.1:\d+ was too slow, and its connection is closed: "
            r"it did not read its reply within 1 s$",
            times=5,
        )
        with repeat_requests(running_server.url, timeout=10) as health:
            health.wait_times(5)
        assert not health.failures


def test_idle_and_half_sent_connections_are_closed_for_new_clients() -> None:
    with (
        start_fault_server(
            args=["--worker-connections", "30"], warm=0, SLUICE_MAX_STREAMS=4, SLUICE_RESERVE_THREADS=2
        ) as running_server,
        ExitStack() as stack,
    ):
        for number in range(60):
            client = stack.enter_context(RawClient(running_server.url))
            if number % 3 == 0:
                client.request("GET", "/healthz")
                assert client.status == 200
            elif number % 3 == 1:
                client.send(b"GET /healthz HTTP/1.1\r\n")
            began = time.monotonic()
            assert fetch(running_server.url, "/healthz").status == 200
            assert time.monotonic() - began < 1.0


# ------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        capture_output=True,
        check=False,
        timeout=30,
    )
    if made.returncode:
        pytest.skip("there is no openssl to make a certificate with")
    return folder


class EncryptedServer(GunicornServer):
    """A server that speaks TLS by itself."""

    def status(self, path: str, timeout: float = 2.0) -> int:
        """Return the status of GET `path`."""
        with contextlib.closing(HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=TRUSTING)) as asker:
            asker.request("GET", path)
            return asker.getresponse().status


TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


@pytest.fixture(scope="module")
def encrypted(certificate: Path) -> Iterator[EncryptedServer]:
    """One with two threads."""
    settings = {
        "SLUICE_HEAD_TIMEOUT": HEAD_TIMEOUT,
        "SLUICE_BODY_TIMEOUT": BODY_TIMEOUT,
        "SLUICE_MAX_STREAMS": 1,
        "SLUICE_RESERVE_THREADS": 1,
        "SLUICE_DEMO_TOKENS_PER_SECOND": 100_000,
    }
    arguments = ["--certfile", str(certificate / "cert.pem"), "--keyfile", str(certificate / "key.pem")]
    with EncryptedServer(settings, args=arguments) as server:
        yield server


def connect(server: EncryptedServer) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    try:
        return TRUSTING.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def test_the_log_names_the_address_of_a_server_with_a_certificate_by_https(encrypted: EncryptedServer) -> None:
    encrypted.wait_for_log(f"Sluice listens on https://127.0.0.1:{encrypted.port}")


def test_an_encrypted_connection_is_kept_over_several_requests(encrypted: EncryptedServer) -> None:
    body = json.dumps({"message": "Hi", "interaction_mode": "block"}).encode()
    with contextlib.closing(HTTPSConnection("127.0.0.1", encrypted.port, timeout=10, context=TRUSTING)) as asker:
        for _ in range(2):
            asker.request("POST", "/api/chat", body, JSON)
            reply = asker.getresponse()
            assert json.loads(reply.read())["success"] is True
            assert reply.headers["connection"] == "keep-alive"


def test_slow_encrypted_requests_hold_a_thread_for_one_limit_and_no_longer(encrypted: EncryptedServer) -> None:
    request = encode_request("localhost", "POST", "/api/chat", {**JSON, "Content-Length": "900"})
    hello = bytes.fromhex("1603010200010001fc0303")
    with ExitStack() as stack:
        began = time.monotonic()
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", encrypted.port), timeout=10))
        plain.sendall(hello)
        with_head = stack.enter_context(connect(encrypted))
        slow: dict[socket.socket, Iterator[int]] = {plain: iter(b"\0" * 1000), with_head: iter(request)}
        while slow:
            assert time.monotonic() - began < 10
            for client, rest in list(slow.items()):
                client.settimeout(0.05)
                try:
                    client.sendall(bytes([next(rest)]))
                    if not client.recv(RECEIVE):
                        del slow[client]
                except TimeoutError:
                    continue
                except OSError:
                    del slow[client]
        took = time.monotonic() - began
        assert HEAD_TIMEOUT <= took < HEAD_TIMEOUT + 1.5
        with_body = stack.enter_context(connect(encrypted))
        with_body.sendall(request + b'{"message": ')
        reader = ResponseReader()
        while not reader.complete:
            reader.feed(received_from(with_body))
        assert reader.status == 408
        assert reader.headers["connection"] == "close"
    encrypted.wait_for_log("the client .* was too slow, .*: its head was not received within 1 s", times=2)
    assert encrypted.status("/healthz") == 200


@pytest.mark.parametrize(
    ("request_bytes", "status", "words"),
    [
        (b"GARBAGE\r\n\r\n", 400, "The request line should be"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "Transfer-Encoding should be chunked"),
        (
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            413,
            "The body should be at most 1048576 bytes.",
        ),
    ],
)
def test_an_encrypted_request_is_refused_as_a_plain_one_is(
    encrypted: EncryptedServer, request_bytes: bytes, status: int, words: str
) -> None:
    with connect(encrypted) as client:
        began = time.monotonic()
        client.sendall(request_bytes)
        reader = ResponseReader()
        body = b""
        while not reader.complete:
            body += reader.feed(client.recv(RECEIVE))
        assert time.monotonic() - began < BODY_TIMEOUT
    assert reader.status == status
    assert reader.headers["connection"] == "close"
    assert reader.headers["x-content-type-options"] == "nosniff"
    fields = json.loads(body)
    check_error(fields)
    assert words in fields["error"]
    assert fields["request_id"] == reader.headers["x-request-id"]
