"""The bench's own instruments: an answer that lacks something is never counted as whole."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.bench.load_client import fault, percentiles, refusal_fault
from tools.bench.runner import begin_load, finish_load
from tools.common.accounting import cpu_seconds, machine_seconds
from tools.common.processes import ModelServer

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST, SECOND = "@0000000000001", "@0000000000002"


def frame(**fields: object) -> bytes:
    body = b"id: 1\ndata: " + json.dumps({"success": True, "message": "", **fields}).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(body), body)


def test_one_event_with_two_tokens_is_whole() -> None:
    assert fault(HEAD + frame(message=FIRST + SECOND) + frame(done=True) + b"0\r\n\r\n", 2) is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not 200"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "not 200"),
        (HEAD + frame(message=FIRST) + frame(done=True) + b"0\r\n\r\n", "1 of 2 tokens"),
        (HEAD + frame(message=FIRST + SECOND[:-1]) + frame(done=True) + b"0\r\n\r\n", "1 of 2 tokens"),
        (HEAD + frame(message=SECOND + FIRST) + frame(done=True) + b"0\r\n\r\n", "out of order"),
        (HEAD + frame(message=FIRST + SECOND) + b"0\r\n\r\n", "no end"),
        (HEAD + frame(message=FIRST + SECOND)[:-9], "not readable"),
    ],
)
def test_missing_parts_of_an_answer_are_reported(raw: bytes, said: str) -> None:
    assert said in (fault(raw, 2) or "")


def test_only_503_with_the_code_of_overload_counts_as_a_refusal() -> None:
    head, body = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n", b'{"code": "overloaded"}'
    assert refusal_fault(head % len(body) + body) is None
    assert "not refused" in (refusal_fault((head % len(body)).replace(b"503", b"200") + body) or "")
    assert "not readable" in (refusal_fault(head % 2 + b"{}") or "")
    assert "not readable" in (refusal_fault(head % 99 + body) or "")


def test_percentiles() -> None:
    assert percentiles([]) == {}
    assert percentiles([number / 1000 for number in range(101)]) == {"p50": 50.0, "p99": 99.0, "max": 100.0}


def test_cpu_time_is_that_of_the_process() -> None:
    with ModelServer() as model:
        machine = machine_seconds()
        before = cpu_seconds([model.pid])
        sum(range(5_000_000))  # work of this process, which must not count as the model's
        assert cpu_seconds([model.pid]) - before < 0.05
        assert machine_seconds() >= machine
    assert cpu_seconds([model.pid]) == 0


@pytest.mark.parametrize(
    "load",
    [
        {"streams": 5, "tokens": 20, "rate": 200.0},
        {"streams": 5, "tokens": 500, "rate": 0.0, "gate": True},
        {"streams": 2, "tokens": 1, "rate": 0.0, "repeat": 0.2},
    ],
    ids=["paced", "flood", "fixed"],
)
def test_model_and_client_alone_lose_nothing(load: dict[str, float]) -> None:
    with ModelServer() as model:
        outcome = finish_load(begin_load(model, model, path="/v1/chat/completions", **load))
    assert outcome.complaints == []
    assert outcome.whole == outcome.asked >= load["streams"]
    assert outcome.tokens == outcome.asked * load["tokens"]
    assert outcome.delay_ms["p50"] >= 0


class Sick(BaseHTTPRequestHandler):
    """An answer that ends only after the server has said that it is not well."""

    protocol_version = "HTTP/1.1"
    asked = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(HEAD + frame(message=FIRST))
        self.asked.wait(5)
        self.wfile.write(frame(done=True) + b"0\r\n\r\n")

    def do_GET(self) -> None:
        self.send_error(503)
        self.asked.set()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_server_that_answers_with_errors_is_not_counted_as_fast() -> None:
    with ModelServer() as model, ThreadingHTTPServer(("127.0.0.1", 0), Sick) as server:
        server.port, server.pids = server.server_port, [os.getpid()]  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            load = {"streams": 1, "tokens": 1, "rate": 0.0, "probe": True, "limit": 20.0}
            outcome = finish_load(begin_load(model, server, **load))  # type: ignore[arg-type]
        finally:
            server.shutdown()
            thread.join()
    assert outcome.whole == 1
    assert outcome.health_ms["max"] == 20_000
    assert "/healthz: answered b'HTTP/1.1 503" in outcome.complaints[0]


class Kept(BaseHTTPRequestHandler):
    """An answer that goes on without its client, read by whoever asks for its events with its cookie."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert sent["on_disconnect"] == "continue"
        self.wfile.write(HEAD.replace(b"\r\n\r\n", b"\r\nLocation: /api/runs/7\r\nSet-Cookie: a=b; Path=/\r\n\r\n"))
        self.answer()

    def do_GET(self) -> None:
        assert (self.path, self.headers["Cookie"]) == ("/api/runs/7/events", "a=b")
        self.wfile.write(HEAD)
        self.answer()

    def answer(self) -> None:
        self.wfile.write(frame(message=FIRST) + frame(done=True) + b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_readers_of_one_answer_ask_for_its_events() -> None:
    with ModelServer() as model, ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server:
        server.port, server.pids = server.server_port, [os.getpid()]  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            fields = {"on_disconnect": "continue"}
            load = {"streams": 1, "readers": 4, "tokens": 1, "rate": 0.0, "limit": 20.0, "fields": fields}
            outcome = finish_load(begin_load(model, server, **load))  # type: ignore[arg-type]
        finally:
            server.shutdown()
            thread.join()
    assert outcome.complaints == []
    assert (outcome.whole, outcome.asked) == (5, 5)
