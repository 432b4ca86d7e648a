"""A load client that costs next to nothing: one process, one epoll; it keeps what it reads and judges it afterwards.

`python -m tools.bench.load_client` takes one `Load` as JSON on its standard input, and prints one `Outcome`.
"""

from __future__ import annotations

import gc
import heapq
import json
import re
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import msgspec

from tools.common.accounting import cpu_seconds, machine_seconds, memory_bytes, switches
from tools.common.model_server import TEXT_LENGTH, order
from tools.common.raw_client import ResponseReader, WireViolation

_STAMP = re.compile(rb"@(\d{13})")
_TAIL = b"0\r\n\r\n"
# After the last stream's end the server closes what it opened; that is part of the price.
_SETTLE = 0.15
_PROBE_EVERY = 0.1
# For the answer to a last one.
_PROBE_TIMEOUT = 5.0


@dataclass
class Load:
    """What to send to whom."""

    port: int
    server_pids: list[int]
    model_pid: int
    streams: int
    tokens: int
    rate: float
    #: Whether all streams wait, after their first token, until all are open; measured from then on.
    gate: bool = False
    #: Connections opened in a second; 0 opens all at once.
    ramp: float = 0.0
    #: Seconds to repeat requests for, on every connection; 0 asks once.
    repeat: float = 0.0
    #: Streams that are opened first and stay open, so that all slots are in use: each request is then to be refused.
    held: int = 0
    #: Whether to ask `/healthz` ten times a second meanwhile.
    probe: bool = False
    #: Seconds after which what has not ended is given up.
    limit: float = 60.0
    run: int = 0
    path: str = "/api/chat"
    #: Further fields of each request.
    fields: dict[str, str] = field(default_factory=dict)
    #: How many streams beside the first one read the first one's answer, whose run outlives its connection. Measured
    #: from when all have had a token.
    readers: int = 0
    #: The processes of the server's store, whose CPU time is counted apart.
    store_pids: list[int] = field(default_factory=list)


@dataclass
class Outcome:
    """What came of it. Times in seconds unless the name says otherwise."""

    whole: int = 0
    asked: int = 0
    tokens: int = 0
    complaints: list[str] = field(default_factory=list)
    #: CPU time and wall time of the measured part, and the CPU time with opening included.
    server_cpu: float = 0.0
    model_cpu: float = 0.0
    client_cpu: float = 0.0
    wall: float = 0.0
    server_cpu_whole: float = 0.0
    #: CPU time of the store's processes in the measured part.
    store_cpu: float = 0.0
    measured_tokens: int = 0
    switches: int = 0
    #: Cores that were busy with anything else on the machine meanwhile.
    others: float = 0.0
    memory_before: int = 0
    memory_open: int = 0
    writes: int = 0
    delay_ms: dict[str, float] = field(default_factory=dict)
    first_token_ms: dict[str, float] = field(default_factory=dict)
    health_ms: dict[str, float] = field(default_factory=dict)


class _Stream:
    """One connection with its request, and all that came on it, with the time of each read."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.sock: socket.socket | None = None
        self.asked_at = 0.0
        self.first_at = 0.0
        self.pieces: list[tuple[float, bytes]] = []
        self.tail = b""


class _Client:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._epoll = select.epoll()
        self._by_fd: dict[int, _Stream] = {}
        self._finished: list[_Stream] = []
        self._first = 0
        self._probes: list[float] = []
        self._probe: tuple[float, socket.socket] | None = None
        self._next_probe = 0.0
        self._outcome = Outcome()
        message = order(load.run, load.tokens, load.rate, load.streams if load.gate else 0)
        self._request = _encode(load.path, message, load.fields)
        #: Whether it is measured from when all streams have had a token.
        self._has_begin = load.gate or load.readers > 0
        self._held: list[socket.socket] = []

    def run(self) -> Outcome:
        """Send, read until all has ended or the limit, and judge."""
        load, outcome = self._load, self._outcome
        for _ in range(load.held):
            self._hold()
        outcome.memory_before = memory_bytes(load.server_pids)
        whole_from = cpu_seconds(load.server_pids)
        self._mark()
        began = time.monotonic()
        limit = began + load.limit
        starts = [(began + (index / load.ramp if load.ramp else 0.0), index) for index in range(load.streams)]
        heapq.heapify(starts)
        to_end = load.streams = load.streams + load.readers
        memory_at = float("inf")
        probing = load.probe and not load.gate
        while to_end and (now := time.monotonic()) < limit:
            while starts and starts[0][0] <= now:
                heapq.heappop(starts)
                self._ask(_Stream(self._request), None)
            if probing and now >= self._next_probe:
                self._send_probe(now)
            if now >= memory_at:
                outcome.memory_open = memory_bytes(load.server_pids)
                memory_at = float("inf")
            next_at = min(limit, memory_at, starts[0][0] if starts else limit, self._next_probe if probing else limit)
            for number, _ in self._epoll.poll(max(0.0, next_at - now)):
                stream = self._by_fd.get(number)
                if stream is None:
                    self._read_probe()
                elif self._read(stream):
                    again = load.repeat and time.monotonic() - began < load.repeat
                    if again and load.held and any(b"Connection: close" in data for _, data in stream.pieces):
                        self._close(stream)
                    if again and (stream.sock is not None or load.held):
                        self._ask(_Stream(self._request), stream.sock)
                    else:
                        to_end -= 1
                        self._close(stream)
            if load.readers and self._first and len(self._finished) == 1:
                self._follow(self._finished[0])
            if self._has_begin and self._first == load.streams:
                self._first = -1
                # All are open now: from here on it counts.
                memory_at = time.monotonic() + 1.0
                probing = load.probe
                self._mark()
        if self._probe is not None and select.select([self._probe[1]], [], [], _PROBE_TIMEOUT)[0]:
            self._read_probe()  # it was on its way when the last stream ended
        self._measure(_SETTLE)
        outcome.server_cpu_whole = cpu_seconds(load.server_pids) - whole_from
        self._judge()
        for sock in self._held:
            sock.close()
        return outcome

    # ------------------------------------------------------------------ while it runs

    def _mark(self) -> None:
        load = self._load
        self._marked_at = time.monotonic()
        self._switches = switches(load.server_pids)
        self._machine = machine_seconds()
        self._model_cpu = cpu_seconds([load.model_pid])
        self._client_cpu = time.process_time()
        self._store_cpu = cpu_seconds(load.store_pids)
        self._server_cpu = cpu_seconds(load.server_pids)

    def _measure(self, settle: float) -> None:
        load, outcome = self._load, self._outcome
        outcome.wall = time.monotonic() - self._marked_at
        outcome.client_cpu = time.process_time() - self._client_cpu
        outcome.model_cpu = cpu_seconds([load.model_pid]) - self._model_cpu
        busy = machine_seconds() - self._machine
        outcome.store_cpu = cpu_seconds(load.store_pids) - self._store_cpu
        ours = cpu_seconds(load.server_pids) - self._server_cpu
        ours += outcome.store_cpu + outcome.model_cpu + outcome.client_cpu
        outcome.others = round(max(0.0, busy - ours) / outcome.wall, 2)
        time.sleep(settle)
        outcome.server_cpu = cpu_seconds(load.server_pids) - self._server_cpu
        outcome.switches = switches(load.server_pids) - self._switches

    def _hold(self) -> None:
        """Open a stream that has begun, and goes on for longer than the load."""
        load = self._load
        sock = socket.create_connection(("127.0.0.1", load.port), timeout=10)
        self._held.append(sock)
        sock.sendall(_encode(load.path, order(load.run, 100_000, 1.0, 0), load.fields))
        head = sock.recv(65536)
        if not head.startswith(b"HTTP/1.1 200"):
            self._outcome.complaints.append(f"a stream that should be held open: {head[:60]!r}")

    def _follow(self, first: _Stream) -> None:
        """Have further streams read the answer of the first one."""
        request = _encode_reading(b"".join(data for _, data in first.pieces))
        for _ in range(self._load.readers):
            self._ask(_Stream(request), None)

    def _ask(self, stream: _Stream, sock: socket.socket | None) -> None:
        stream.asked_at = time.monotonic()
        self._finished.append(stream)
        try:
            if sock is None:
                sock = socket.create_connection(("127.0.0.1", self._load.port), timeout=10)
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._epoll.register(sock, select.EPOLLIN)
            self._by_fd[sock.fileno()] = stream
            stream.sock = sock
            sock.send(stream.request)
        except OSError as error:
            self._outcome.complaints.append(f"connect: {error}")

    def _read(self, stream: _Stream) -> bool:
        """Read what is there; say whether the answer has ended."""
        assert stream.sock is not None
        try:
            data = stream.sock.recv(262144)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(stream)
            return True
        stream.pieces.append((time.monotonic(), data))
        if not stream.first_at and b"@" in data:
            stream.first_at = time.monotonic()
            self._first += 1
        stream.tail = data[-5:] if len(data) >= 5 else (stream.tail + data)[-5:]
        # A refusal is one JSON object.
        return stream.tail == _TAIL or (self._load.held > 0 and data.rstrip().endswith(b"}"))

    def _close(self, stream: _Stream) -> None:
        if stream.sock is not None:
            # Its number may soon be another socket's.
            del self._by_fd[stream.sock.fileno()]
            stream.sock.close()
            stream.sock = None

    def _send_probe(self, now: float) -> None:
        self._next_probe = now + _PROBE_EVERY
        if self._probe is not None:
            return
        try:
            sock = socket.create_connection(("127.0.0.1", self._load.port), timeout=5)
            sock.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            sock.setblocking(False)
            self._epoll.register(sock, select.EPOLLIN)
            self._probe = (now, sock)
        except OSError as error:
            self._unhealthy(str(error))

    def _read_probe(self) -> None:
        if self._probe is None:
            return
        sent, sock = self._probe
        try:
            answer = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            answer = str(error).encode()
        if answer.startswith(b"HTTP/1.1 200"):
            self._probes.append(time.monotonic() - sent)
        else:
            self._unhealthy(f"answered {answer[:60]!r}")
        sock.close()
        self._probe = None

    def _unhealthy(self, why: str) -> None:
        # It counts as if it had been answered only when the load was given up, so that no goal is met by it.
        self._probes.append(self._load.limit)
        self._outcome.complaints.append(f"/healthz: {why}")

    # ------------------------------------------------------------------ afterwards

    def _judge(self) -> None:
        load, outcome = self._load, self._outcome
        delays: list[float] = []
        if self._probe is not None:
            self._unhealthy("no answer until the end")
        for stream in self._finished:
            outcome.asked += 1
            outcome.writes += len(stream.pieces)
            raw = b"".join(data for _, data in stream.pieces)
            outcome.tokens += raw.count(b"@")
            outcome.measured_tokens += sum(data.count(b"@") for at, data in stream.pieces if at >= self._marked_at)
            complaint = refusal_fault(raw) if load.held else fault(raw, load.tokens)
            if complaint is None:
                outcome.whole += 1
            elif len(outcome.complaints) < 5:
                outcome.complaints.append(complaint)
            for at, data in stream.pieces:
                if at >= self._marked_at:
                    delays.extend(at - int(stamp) / 1e6 for stamp in _STAMP.findall(data))
        outcome.delay_ms = percentiles(delays)
        outcome.first_token_ms = percentiles([s.first_at - s.asked_at for s in self._finished if s.first_at])
        outcome.health_ms = percentiles(self._probes)


def _encode(path: str, message: str, fields: dict[str, str]) -> bytes:
    """Return the request for a stream, in the form of its route."""
    if path.startswith("/v1/"):
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": message}], "stream": True}
    elif path == "/api/ai-sdk":
        asked = {"id": "bench", "messages": [{"role": "user", "parts": [{"type": "text", "text": message}]}]}
    else:
        asked = {"message": message, "interaction_mode": "stream"}
    body = json.dumps({**asked, **fields}).encode()
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
    )


def _encode_reading(begun: bytes) -> bytes:
    """Return the request for the events of a run, from the reply that has begun it."""
    names = {b"location": b"", b"set-cookie": b""}
    for line in begun.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        names[name.lower()] = value.strip()
    cookie = names[b"set-cookie"].partition(b";")[0]
    return b"GET %b/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: %b\r\n\r\n" % (names[b"location"], cookie)


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p99 and the most, in milliseconds; empty for no values."""
    if not seconds:
        return {}
    values = sorted(seconds)
    last = len(values) - 1
    named = {"p50": values[round(last * 0.5)], "p99": values[round(last * 0.99)], "max": values[-1]}
    return {name: round(value * 1000, 3) for name, value in named.items()}


def fault(raw: bytes, tokens: int) -> str | None:
    """Say what an answer lacks; `None` when every token is there, in order, and the end too."""
    response = ResponseReader()
    texts: list[str] = []
    done = False
    try:
        body = response.feed(raw)
        if response.status != 200:
            return f"not 200: {raw[:200]!r}"
        response.end()
        for event in body.split(b"\n\n"):
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    done = _take(line[6:], texts) or done
    except (WireViolation, ValueError, KeyError, IndexError, msgspec.MsgspecError) as error:
        return f"not readable: {type(error).__name__}: {error}"
    text = "".join(texts)
    pieces = [text[start : start + TEXT_LENGTH] for start in range(0, len(text), TEXT_LENGTH)]
    sound = sum(len(piece) == TEXT_LENGTH and piece[0] == "@" and piece[1:].isdigit() for piece in pieces)
    if sound != tokens or len(pieces) != tokens:
        return f"{sound} of {tokens} tokens"
    if any(earlier > later for earlier, later in pairwise(pieces)):
        return "tokens out of order"
    return None if done else "no end"


def refusal_fault(raw: bytes) -> str | None:
    """Say what is wrong with the refusal of a chat; `None` for 503 with the code `overloaded`."""
    response = ResponseReader()
    try:
        body = response.feed(raw)
        response.end()
        if response.status == 503 and json.loads(body)["code"] == "overloaded":
            return None
    except (WireViolation, ValueError, KeyError) as error:
        return f"not readable: {type(error).__name__}: {error}"
    return f"not refused: {raw[:200]!r}"


def _take(data: bytes, texts: list[str]) -> bool:
    """Read one event, a frame of ours, a model's chunk or a part of a UI message; say whether it is the end."""
    if data == b"[DONE]":
        return True
    fields: dict[str, Any] = msgspec.json.decode(data)
    if "message" in fields:
        texts.append(fields["message"])
        return fields.get("done") is True
    if "type" in fields:
        if fields["type"] == "text-delta":
            texts.append(fields["delta"])
        return False
    texts.extend(choice["delta"]["content"] for choice in fields["choices"] if choice["delta"].get("content"))
    return False


def main() -> None:
    """Take a load, do it, print the outcome."""
    load = Load(**json.loads(sys.stdin.readline()))
    # What is kept is kept to the end; looking through it would cost more than reading it.
    gc.disable()
    print(json.dumps(asdict(_Client(load).run())), flush=True)


if __name__ == "__main__":
    main()
