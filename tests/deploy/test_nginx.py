"""Sluice behind the shipped nginx.conf: the real nginx, the real gunicorn, the scripted model."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import signal
import socket
import ssl
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest

from sluice.service.settings.settings import Settings
from tests.conftest import Serve
from tests.deploy.nginx_server import CONFIG, NginxServer
from tests.support.disconnects import measure_abort
from tests.support.encodings import AI_SDK, OPENAI_STREAM, Encoding
from tests.support.polling import wait_until
from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import POLL_INTERVAL, GunicornServer
from tools.common.leaks import open_descriptors, tcp_sockets, wait_streams
from tools.common.raw_client import (
    RECEIVE,
    FrameReader,
    RawClient,
    Reply,
    ResponseReader,
    StreamOutcome,
    chat_request,
    check_error,
    encode_request,
    fetch,
    post_chat,
    stream_chat,
    stream_many,
)
from tools.common.scripted_model import (
    MODEL_NAME,
    Headers,
    ScriptedModel,
    finished,
    flood,
    flood_text,
    reply,
    said,
    stalling_after,
)

JSON = {"Content-Type": "application/json"}
STREAM = json.dumps({"message": "Hi", "interaction_mode": "stream"}).encode()
# From the client's close to the model's: directly 250 ms are promised; through nginx this must hold on a busy
# machine too.
PROMISE = 0.5


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    """One model for all tests of this module."""
    with ScriptedModel() as running:
        yield running


@pytest.fixture(autouse=True)
def model_is_cleared(model: ScriptedModel) -> Iterator[None]:
    """Begin each test with no scripts left over, and end it with no connections."""
    model.clear()
    yield
    # The service pools them, which is right, but the leak oracle of the next test would find them new.
    model.drop_idle_connections()


@pytest.fixture(scope="module")
def server(model: ScriptedModel) -> Iterator[GunicornServer]:
    """Sluice as it is run behind one proxy, with a short heartbeat."""
    env = {
        "OPENAI_API_KEY": PLANTED_KEY,
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": MODEL_NAME,
        "SLUICE_TRUSTED_PROXIES": 1,
        "SLUICE_HEARTBEAT_INTERVAL": 0.3,
        "SLUICE_WRITE_TIMEOUT": 0.5,
        # More than the buffers on the way hold, so that a client without a reader fills them.
        "SLUICE_MAX_ANSWER_CHARS": 100_000_000,
    }
    with GunicornServer(env, collector=False) as running:
        yield running


@pytest.fixture(scope="module")
def front(server: GunicornServer) -> Iterator[NginxServer]:
    """The shipped front. It may complain of what the tests of its refusals do, and of nothing else."""
    expected = "client intended to send too large body|access forbidden by rule"
    with NginxServer(server.port, expected_log=expected) as running:
        yield running


def connections_of(server: GunicornServer) -> int:
    """Return how many connections gunicorn's workers hold."""
    held = 0
    for pid in server.worker_pids():
        numbers = set(open_descriptors(pid).values())
        held += sum(
            name in numbers and found.local_port == server.port and found.state != "LISTEN"
            for name, found in tcp_sockets(pid).items()
        )
    return held


# ------------------------------------------------------------------------------------------- answers


def test_every_frame_passes_as_soon_as_the_model_sends_it(front: NginxServer, model: ScriptedModel) -> None:
    gates = [model.gate(f"after token {number}") for number in range(5)]
    steps = [step for number, gate in enumerate(gates) for step in (*said(f"{number} "), gate)]
    model.enqueue((Headers(), *steps, *finished()))
    with stream_chat(front.url) as client:
        for number, gate in enumerate(gates):
            # The model sends the next token only when this one has been seen here.
            assert client.next_event().message == f"{number} "
            gate.open()
        assert client.read_stream()[1].is_done


# A reply of 60 MB: more than the kernel and the service's queue keep on the way to a client that reads nothing.
LONG = ["x" * 20_000] * 3000
# X-Accel-Buffering is not honoured.
DEAF = {"proxy_buffering on;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"}


@pytest.mark.parametrize(
    "mistake",
    [
        {"proxy_http_version 1.1;": "proxy_http_version 1.0;"},
        {"gzip off;": "gzip on; gzip_types *; gzip_proxied any;"},
    ],
    ids=["HTTP/1.0 to the service", "everything compressed"],
)
def test_a_front_that_buffers_streams_is_noticed_by_these_tests(
    server: GunicornServer, model: ScriptedModel, mistake: dict[str, str]
) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with NginxServer(server.port, edits={**DEAF, **mistake}) as front, RawClient(front.url) as client:
        client.request("POST", "/api/chat", {**JSON, "Accept-Encoding": "gzip"}, STREAM)
        gate.wait_reached()
        with pytest.raises(TimeoutError):
            client.read_head(timeout=0.5)


@pytest.mark.parametrize("honoured", [True, False])
def test_a_stream_without_a_reader_holds_the_model_back_where_the_header_is_honoured(
    server: GunicornServer, model: ScriptedModel, honoured: bool
) -> None:
    model.enqueue((Headers(), *said(*LONG), *finished()))
    edits = {} if honoured else DEAF
    with NginxServer(server.port, edits=edits) as front, stream_chat(front.url, receive_buffer=4096):
        exchange = model.wait_for_request()
        if honoured:
            exchange.wait_aborted(timeout=15)
        else:
            exchange.wait_finished(timeout=15)


@pytest.mark.parametrize("encoding", [OPENAI_STREAM, AI_SDK], ids=["openai", "ai-sdk"])
def test_the_first_token_of_each_encoding_passes_before_the_second(
    front: NginxServer, model: ScriptedModel, encoding: Encoding
) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    body = json.dumps(encoding.make_body("Hi")).encode()
    with urlopen(Request(front.url + encoding.path, body, JSON), timeout=10) as answer:
        while b"Hel" not in (line := answer.readline()):
            assert line
        gate.open()
        assert b"lo" in answer.read()


def test_heartbeats_pass_while_the_model_is_silent(front: NginxServer, model: ScriptedModel) -> None:
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(front.url) as client:
        assert client.next_event().message == "Hel"
        for _ in range(3):
            frame = client.next_frame()
            assert frame is not None
            assert frame.comment == ""
        gate.open()
        assert client.read_stream()[0] == "lo"


def test_a_stream_is_never_compressed_whatever_the_client_accepts(front: NginxServer, model: ScriptedModel) -> None:
    model.enqueue(flood(2000))
    with RawClient(front.url) as client:
        client.request("POST", "/api/chat", {**JSON, "Accept-Encoding": "gzip, deflate, br"}, STREAM)
        assert "content-encoding" not in client.headers
        assert client.read_stream()[0] == flood_text(2000)


def test_whole_replies_do_not_wait_for_their_reader(
    server: GunicornServer, front: NginxServer, model: ScriptedModel
) -> None:
    model.enqueue((Headers(), *said(*LONG[:1000]), *finished()))
    with RawClient(front.url, receive_buffer=4096) as client:
        client.send(chat_request("127.0.0.1", {"message": "Hi", "interaction_mode": "block"}))
        model.wait_for_request().wait_finished(timeout=15)
        # Handed over, and not cut off: the rest of it is still to be read.
        wait_until(lambda: connections_of(server) == 0, 5, "Sluice has handed over the reply", pause=POLL_INTERVAL)
        assert len(json.loads(client.read_body())["message"]) == 20_000 * 1000


# ------------------------------------------------------------------------------------------ disconnects


def test_a_disconnect_ends_the_model_call(front: NginxServer, model: ScriptedModel) -> None:
    model.default = stalling_after("Hel")
    ways = (RawClient.close, RawClient.reset)
    delays = [measure_abort(front.url, model, ways[number % 2], number=number) for number in range(1, 21)]
    print(f"from close to abort: median {statistics.median(delays):.4f} s, longest {max(delays):.4f} s")
    assert min(delays) > 0
    assert max(delays) < PROMISE


def test_a_disconnect_before_the_first_token_ends_the_model_call(front: NginxServer, model: ScriptedModel) -> None:
    gate = model.gate()
    model.default = (gate, *reply("too late"))
    for number, mode in enumerate(("stream", "block"), start=1):
        with RawClient(front.url) as client:
            client.send(chat_request("127.0.0.1", {"message": "Hi", "interaction_mode": mode}))
            exchange = model.wait_for_request(number)
            left = time.monotonic()
            client.close()
            assert exchange.wait_aborted() - left < PROMISE


# ------------------------------------------------------------------------------------------- slow and large requests


def test_half_sent_requests_stay_in_nginx(server: GunicornServer, front: NginxServer, model: ScriptedModel) -> None:
    whole = chat_request("127.0.0.1", {"message": "Hi", "interaction_mode": "stream"})
    with contextlib.ExitStack() as held:
        for number in range(20):
            client = held.enter_context(RawClient(front.url))
            # Half of them in the middle of the head, half in the middle of the body.
            client.send(whole[:40] if number % 2 else whole[:-10])
        began = time.monotonic()
        assert fetch(front.url, "/healthz").status == 200
        assert time.monotonic() - began < 1
        assert post_chat(front.url, message="Hi", interaction_mode="block").json()["success"] is True
        wait_until(lambda: connections_of(server) == 0, 5, "Sluice holds no connection", pause=POLL_INTERVAL)
        # The rest of a body, and it is answered.
        slow = held.enter_context(RawClient(front.url))
        slow.send(whole[:-10])
        slow.send(whole[-10:])
        assert slow.read_stream()[0] == "Hello, world!"
    assert len(model.exchanges) == 2


def test_the_body_limit_and_its_error_are_those_of_the_service(front: NginxServer) -> None:
    padding = b" " * (Settings().limits.max_body_bytes - len(STREAM))
    fits = fetch(front.url, "/api/chat", method="POST", headers=JSON, body=STREAM + padding)
    too_large = fetch(front.url, "/api/chat", method="POST", headers=JSON, body=STREAM + padding + b" ")
    assert fits.status == 200
    assert too_large.status == 413
    assert "x-request-id" not in too_large.headers, "it came as far as the service"
    check_error(too_large.json(), field_allowed=True)


# -------------------------------------------------------------------------------- client addresses and hosts


def open_stream_from(front: NginxServer, address: str, headers: dict[str, str]) -> tuple[socket.socket, int]:
    """Ask for a stream from another loopback address, and return the connection and the status."""
    connection = socket.create_connection(("127.0.0.1", front.port), timeout=5, source_address=(address, 0))
    connection.sendall(encode_request(f"127.0.0.1:{front.port}", "POST", "/api/chat", {**JSON, **headers}, STREAM))
    reader = ResponseReader()
    while not reader.status:
        reader.feed(connection.recv(RECEIVE))
    return connection, reader.status


def test_a_client_is_known_by_its_own_address_and_not_by_what_it_claims(serve: Serve, model: ScriptedModel) -> None:
    server = serve(SLUICE_TRUSTED_PROXIES=1, SLUICE_MAX_STREAMS_PER_CLIENT=1)
    model.default = stalling_after("Hel")
    asked = [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.7"}, 503),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.8, 203.0.113.9"}, 503),
        ("127.0.0.2", {}, 200),
        ("127.0.0.3", {"X-Forwarded-For": "127.0.0.1"}, 200),
    ]
    with NginxServer(server.port) as front, contextlib.ExitStack() as opened:
        for address, headers, status in asked:
            connection, got = open_stream_from(front, address, headers)
            opened.callback(connection.close)
            assert (address, headers, got) == (address, headers, status)
        opened.close()
        model.wait_idle()


def test_our_page_is_accepted_and_another_sites_page_is_refused(front: NginxServer) -> None:
    # Only the whole Host, with its port, makes them equal.
    for origin, status in ((front.url, 200), ("http://evil.example", 403), ("http://127.0.0.1", 403)):
        answer = fetch(front.url, "/api/chat", method="POST", headers={**JSON, "Origin": origin}, body=STREAM)
        assert (origin, answer.status) == (origin, status)


def test_an_unknown_host_gets_no_answer(front: NginxServer) -> None:
    with RawClient(front.url) as client:
        client.send(encode_request("evil.example", "GET", "/", {}))
        assert client.wait_closed() == b""


def test_the_metrics_are_not_public_however_their_path_is_written(front: NginxServer, server: GunicornServer) -> None:
    wait_streams(server, 0)  # the service itself shows them
    paths = ["/metrics", "/metrics?x", "//metrics", "/%6detrics", "/static/../metrics", "/./metrics", "/metrics/"]
    for path in paths:
        answer = fetch(front.url, path)
        assert (path, answer.status) in ((path, 403), (path, 404))
        assert b"sluice_" not in answer.body
    # gunicorn believes these of a proxy; nginx lets no client say them.
    for header in ("PATH_INFO", "SCRIPT_NAME"):
        assert b"sluice_" not in fetch(front.url, "/healthz", headers={header: "/metrics"}).body
    assert fetch(front.url, "/readyz").status == 200


@contextlib.contextmanager
def recording_upstream() -> Iterator[tuple[int, list[str]]]:
    """Listen in gunicorn's place; yields the port, and the heads of the requests as nginx sent them."""
    heads: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.settimeout(5)
                got = b""
                while b"\r\n\r\n" not in got:
                    got += client.recv(RECEIVE)
                heads.append(got.decode("latin-1"))
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1], heads
        finally:
            thread.join(6)


def test_what_reaches_the_service_is_http_1_1_with_the_host_and_the_addresses() -> None:
    sent = {"X-Forwarded-For": "198.51.100.1", "X_Forwarded_For": "192.0.2.1", "SCRIPT_NAME": "/x", "Upgrade": "h2c"}
    with recording_upstream() as (port, heads), NginxServer(port) as front:
        assert fetch(front.url, "/", headers=sent).status == 200
        host = front.url.removeprefix("http://")
    start, *lines = heads[0].strip().split("\r\n")
    assert start == "GET / HTTP/1.1"
    assert sorted(lines) == [
        "Connection: close",
        f"Host: {host}",
        "X-Forwarded-For: 198.51.100.1, 127.0.0.1",
        "X-Forwarded-Proto: http",
    ]


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip, deflate, br, zstd", "br"), ("deflate, gzip", "gzip"), ("zstd", None)]
)
def test_a_file_is_fetched_from_the_service_once_in_each_form_and_then_kept(
    server: GunicornServer, accepted: str, coding: str | None
) -> None:
    with NginxServer(server.port) as front:
        path = address_of(front, "css/sluice.css")
        first = fetch(front.url, path, headers={"Accept-Encoding": accepted})
        assert first.headers.get("content-encoding") == coding
        assert first.headers["content-type"] == "text/css"
        assert first.headers["x-content-type-options"] == "nosniff"
        assert first.headers["cache-control"] == "max-age=31536000, immutable"
        assert first.headers["vary"] == "Accept-Encoding"
        assert "etag" not in first.headers  # it is never asked for again
        assert fetch(front.url, path, headers={"Accept-Encoding": accepted}).body == first.body
        begun = re.findall(rf'"GET {path}" \d+ \d+ begun=(\S+)', waits_for_lines(front, path, 2))
        # Not in their order: each of nginx's workers writes its own lines.
        assert [each != "-" for each in begun].count(True) == 1, "the service was asked for a file it had sent"


def test_a_page_opened_before_a_deploy_gets_its_own_files_after_it(serve: Serve) -> None:
    before = serve()
    with NginxServer(before.port, expected_log="Connection refused") as front:
        path = address_of(front, "bundle/main.js")
        own = fetch(front.url, path)
        before.stop()
        # Nothing of the old version runs any more; whatever replaces it knows other names only.
        assert fetch(front.url, path).body == own.body
        assert fetch(front.url, "/").status == 503


def test_an_address_of_another_version_is_redirected_and_the_redirect_not_kept(front: NginxServer) -> None:
    path = address_of(front, "bundle/main.js")
    for _ in range(2):
        old = "/static/0123456789abcdef/bundle/main.js"
        moved = fetch(front.url, old)
        assert (moved.status, urljoin(old, moved.headers["location"])) == (302, path)
        assert moved.headers["cache-control"] == "no-store"
    asked = re.findall(r'"GET /static/0123456789abcdef/\S+" 302 \d+ begun=(\S+)', waits_for_lines(front, "456789", 2))
    assert "-" not in asked


def test_the_page_comes_compressed_from_the_service_and_no_file_of_the_programme_does(
    server: GunicornServer, front: NginxServer
) -> None:
    page = fetch(front.url, "/", headers={"Accept-Encoding": "gzip"})
    assert "x-request-id" in page.headers
    assert gzip.decompress(page.body) == fetch(server.url, "/").body
    assert page.headers["content-security-policy"]
    assert fetch(front.url, "/static/../../service/settings.py").status in (400, 404)
    assert fetch(front.url, "/static../service/settings.py").status == 404
    assert fetch(front.url, "/static/vendor.mjs").status == 404


def address_of(front: NginxServer, name: str) -> str:
    """Return the path of one of the page's files, as the page has it."""
    found = re.search(rf"static/\w+/{re.escape(name)}", fetch(front.url, "/").body.decode())
    assert found
    return f"/{found[0]}"


def waits_for_lines(front: NginxServer, text: str, number: int) -> str:
    """Wait until the access log has so many lines with a text in them, and return the log."""
    wait_until(lambda: front.access_log.count(text) >= number, 5, f"{number} lines with {text}")
    return front.access_log


# ------------------------------------------------------------------------------------------- change under load


class Load:
    """Clients that ask without a pause and never ask twice: streams, whole replies, and health checks."""

    def __init__(self, url: str) -> None:
        self.streams: list[StreamOutcome] = []
        self.others: list[Reply] = []
        self.faults: list[BaseException] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work,)) for work in (self._stream, self._stream, self._ask)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def wait_for_more(self, streams: int = 20) -> None:
        """Wait until that many further streams have ended."""
        goal = len(self.streams) + streams
        wait_until(lambda: bool(self.faults) or len(self.streams) >= goal, 15, f"{streams} more streams")

    def _run(self, work: Callable[[], None]) -> None:
        try:
            while not self._stop.is_set():
                work()
        except BaseException as error:
            self.faults.append(error)

    def _stream(self) -> None:
        self.streams += stream_many(self._url, 20, timeout=15)

    def _ask(self) -> None:
        self.others.append(post_chat(self._url, message="Hi", interaction_mode="block"))
        self.others.append(fetch(self._url, "/healthz"))

    def failures(self) -> list[object]:
        """Return everything that did not end as it should."""
        unwell = [outcome for outcome in self.streams if not outcome.is_done or outcome.text != "Hello, world!"]
        return [*self.faults, *unwell, *(answer for answer in self.others if answer.status != 200)]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_nginx_and_gunicorn_reload_under_load_without_one_failed_request(
    serve: Serve, model: ScriptedModel, workers: int
) -> None:
    server = serve(workers=workers, SLUICE_TRUSTED_PROXIES=1)
    model.default = reply("Hello", ", ", "world", "!", delay=0.01)
    with NginxServer(server.port) as front, Load(front.url) as load:
        load.wait_for_more()
        for number in range(2):
            # It is open all the time, and ends whole although what it goes through is being replaced.
            gate = model.gate(f"reload {number}")
            model.enqueue((Headers(), *said("Hel"), gate, *said("lo, world!"), *finished()))
            front.reload()
            load.wait_for_more()
            gate.wait_reached()
            old = server.worker_pids()
            server.signal(signal.SIGHUP)
            server.wait_workers(2 * workers)
            load.wait_for_more()
            gate.open()
            server.wait_workers(workers, without=old)
            load.wait_for_more()
    assert load.failures() == []
    print(f"{len(load.streams)} streams and {len(load.others)} other requests, none failed")


def test_without_the_service_the_answer_is_503_in_the_form_of_the_api(serve: Serve) -> None:
    server = serve()
    with NginxServer(server.port, expected_log="Connection refused") as front:
        assert fetch(front.url, "/healthz").status == 200
        server.stop()
        answer = post_chat(front.url, message="Hi", interaction_mode="stream")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "2"
    check_error(answer.json(), field_allowed=True)
    assert answer.json()["retryable"] is True


# ------------------------------------------------------------------------------------------- TLS, numbers, log


def test_the_lines_marked_tls_serve_https_and_send_http_there(server: GunicornServer, tmp_path: Path) -> None:
    made = tmp_path / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    made.write_text(made.read_text() + (tmp_path / "key").read_text())
    # The name of this server is an address, which no client sends as SNI.
    edits = {"ssl_reject_handshake on;": f"ssl_certificate {made}; ssl_certificate_key {made};"}
    with NginxServer(server.port, tls=made, edits=edits) as front:
        moved = fetch(front.url, "/x?y")
        assert moved.status == 301
        assert moved.headers["location"] == f"https://127.0.0.1:{front.tls_port}/x?y"
        context = ssl.create_default_context(cafile=str(made))
        with (
            socket.create_connection(("127.0.0.1", front.tls_port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
        ):
            host = f"127.0.0.1:{front.tls_port}"
            headers = {**JSON, "Origin": f"https://{host}"}
            client.sendall(encode_request(host, "POST", "/api/chat", headers, STREAM))
            response, frames = ResponseReader(), FrameReader()
            while frames.terminal is None:
                frames.feed(response.feed(client.recv(RECEIVE)))
        assert response.status == 200
        assert frames.terminal.is_done


def seconds_of(directive: str, within: str = "") -> int:
    """Return the seconds that the shipped configuration gives, in a location or outside of all."""
    text = CONFIG.read_text()
    if within:
        text = text[text.index(f"location {within} {{") :]
    found = re.search(rf"^\s*{directive} (\d+)s;", text, re.MULTILINE)
    assert found, f"no {directive} in {CONFIG}"
    return int(found[1])


ANSWERS = "~ ^/(?:api/chat|api/ai-sdk|v1/chat/completions)$"


def test_the_numbers_fit_those_of_the_service() -> None:
    settings = Settings()
    reading = seconds_of("proxy_read_timeout", ANSWERS)
    assert reading > settings.limits.total_timeout > settings.limits.heartbeat_interval
    assert seconds_of("worker_shutdown_timeout") >= reading
    assert seconds_of("send_timeout") >= settings.limits.write_timeout
    assert "client_max_body_size 1m;" in CONFIG.read_text()
    assert settings.limits.max_body_bytes == 2**20


def test_the_log_names_the_request_as_the_service_does_and_holds_no_query(front: NginxServer) -> None:
    answer = fetch(front.url, "/healthz?secret=word")
    wait_until(lambda: answer.headers["x-request-id"] in front.access_log, 5, "the line in the log")
    assert "secret" not in front.access_log
