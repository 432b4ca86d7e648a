"""A model server that costs next to nothing: one process, one epoll, precomputed bytes with a stamp patched in.

`python -m tools.common.model_server` prints its port, and serves until its standard input ends. How it answers a
message stands in the message itself, so that every server in between carries it unchanged (see `order`), or else in
the command's arguments. `GET /records` tells which answers have ended, and when.

Each token is a write of its own, as real model servers have it. Its text is `@` and the microseconds of
CLOCK_MONOTONIC at which it was written, in 13 digits: a client on the same machine reads the delay from it.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import re
import select
import socket
import sys
import time
from collections import deque
from random import Random

TEXT_LENGTH = 14
MODEL_NAME = "bench-model"

# Fields as a real provider sends them; only `content` is of use to anybody.
_CHUNK = {
    "id": "chatcmpl-D0123456789abcdefghijklmnopqr",
    "object": "chat.completion.chunk",
    "created": 1790000000,
    "model": MODEL_NAME,
    "service_tier": "default",
    "system_fingerprint": "fp_0123456789",
}
_ORDER = re.compile(rb"bench run=(\d+) tokens=(\d+) rate=([\d.]+) gate=(\d+)")
# By which the load test finds the answer to a request again.
_NUMBER = re.compile(rb"\[request (\d+)\]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
# Of answers that have ended, at most.
_RECORDS = 200_000
# Writes in a row before the sockets are looked at again, in a flood.
_FLOOD_SWEEP = 64
# Streams that wait for each other begin this much after the last one came.
_GATE_PAUSE = 0.1
# Spreads the streams' phases evenly over a period, however many there are.
_GOLDEN = 0.618033988749895


def order(run: int, tokens: int, rate: float, gate: int) -> str:
    """Say in a message what the model is to do.

    Args:
        run: A number that the streams of one gate share.
        tokens: How many tokens to send.
        rate: Tokens per second; 0 is as fast as they are taken.
        gate: So many streams get their first token at once and the rest only when all of them have it; 0: no gate.
    """
    return f"bench run={run} tokens={tokens} rate={rate:g} gate={gate}"


def _plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _event(**fields: object) -> bytes:
    return b"data: " + json.dumps({**_CHUNK, **fields}, separators=(",", ":")).encode() + b"\n\n"


def _framed(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _token_frame() -> tuple[bytes, bytes]:
    hole = "@" + "0" * (TEXT_LENGTH - 1)
    delta = {"index": 0, "delta": {"content": hole}, "logprobs": None, "finish_reason": None}
    before, _, after = _framed(_event(choices=[delta], usage=None)).partition(hole.encode())
    return before + b"@", after


_BEFORE, _AFTER = _token_frame()


def _end_frames(tokens: int) -> bytes:
    stop = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": tokens + 9}
    frames = (_event(choices=[stop], usage=None), _event(choices=[], usage=usage), b"data: [DONE]\n\n")
    return b"".join(map(_framed, frames)) + b"0\r\n\r\n"


def _token() -> bytes:
    return b"%b%013d%b" % (_BEFORE, time.monotonic_ns() // 1000, _AFTER)


class _Stream:
    """One connection, and the answer on it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = b""
        self.outbox = b""
        self.run = 0
        self.number = 0
        self.began = 0.0
        self.left = 0
        self.tokens = 0
        self.period = 0.0
        self.due = 0.0
        self.answering = False
        self.closed = False


class _Model:
    """The epoll loop. `select` on the epoll itself, because only that waits in less than milliseconds.

    Args:
        listener: A socket that listens and does not block.
        tokens: The mean length of an answer to a message without an order: each has half to one and a half of it.
        rate: Tokens a second of such an answer; 0 is as fast as they are taken.
        delay: Seconds until its first one.
    """

    def __init__(self, listener: socket.socket, *, tokens: int, rate: float, delay: float) -> None:
        self._listener = listener
        self._tokens = tokens
        self._rate = rate
        self._delay = delay
        self._random = Random(0)
        # Of each answer that has ended: the request's number, when it began, when it ended, whether it was whole.
        self._records: deque[tuple[int, float, float, bool]] = deque(maxlen=_RECORDS)
        self._epoll = select.epoll()
        self._streams: dict[int, _Stream] = {}
        self._timers: list[tuple[float, int, _Stream]] = []
        self._timer_number = 0
        self._flood: deque[_Stream] = deque()
        self._waiting: dict[int, list[_Stream]] = {}

    def serve(self) -> None:
        """Serve until standard input ends."""
        epoll = self._epoll
        epoll.register(self._listener, select.EPOLLIN)
        epoll.register(sys.stdin, select.EPOLLIN | select.EPOLLHUP)
        number = epoll.fileno()
        stdin = sys.stdin.fileno()
        while True:
            if self._flood:
                wait = 0.0
            elif self._timers:
                wait = max(0.0, self._timers[0][0] - time.monotonic())
            else:
                wait = 5.0
            if select.select([number], [], [], wait)[0]:
                for ready, events in epoll.poll(0):
                    if ready == stdin:
                        return
                    if ready == self._listener.fileno():
                        self._accept()
                    elif stream := self._streams.get(ready):
                        self._ready(stream, events)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._tick(heapq.heappop(self._timers)[2])
            for _ in range(min(_FLOOD_SWEEP, len(self._flood))):
                self._pour(self._flood.popleft())

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._streams[sock.fileno()] = _Stream(sock)
                self._epoll.register(sock, select.EPOLLIN)

    def _ready(self, stream: _Stream, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush(stream)
        if events & ~select.EPOLLOUT and not stream.closed:
            try:
                data = stream.sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close(stream)
                return
            stream.inbox += data
            self._read(stream)

    def _read(self, stream: _Stream) -> None:
        head, found, rest = stream.inbox.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not found or len(rest) < size:
            return
        stream.inbox = rest[size:]
        if not head.startswith(b"POST "):
            self._write(stream, _plain(self._told() if head.startswith(b"GET /records ") else b"ok"))
            return
        stream.answering = True
        stream.began = time.monotonic()
        asked = _ORDER.search(rest[:size])
        if asked is None:
            self._answer(stream, rest[:size])
        else:
            self._obey(stream, int(asked[1]), int(asked[2]), float(asked[3]), int(asked[4]))

    def _answer(self, stream: _Stream, body: bytes) -> None:
        """Answer a message without an order."""
        numbers = _NUMBER.findall(body)
        stream.number = int(numbers[-1]) if numbers else 0
        stream.tokens = stream.left = max(1, round(self._tokens * self._random.uniform(0.5, 1.5)))
        stream.period = 1 / self._rate if self._rate else 0.0
        self._write(stream, _HEAD)
        stream.due = stream.began + self._delay
        self._schedule(stream)

    def _obey(self, stream: _Stream, run: int, tokens: int, rate: float, gate: int) -> None:
        """Answer a message with an order."""
        stream.run = run
        stream.tokens = stream.left = tokens
        stream.period = 1 / rate if rate else 0.0
        if gate:
            stream.left -= 1
            self._write(stream, _HEAD + _token())
            waiting = self._waiting.setdefault(run, [])
            waiting.append(stream)
            if len(waiting) >= gate:
                del self._waiting[run]
                self._begin(waiting)
        else:
            self._write(stream, _HEAD)
            self._begin([stream], number=len(self._timers))

    def _begin(self, streams: list[_Stream], number: int = 0) -> None:
        """Set streams off, each in a phase of its own."""
        start = time.monotonic() + (_GATE_PAUSE if len(streams) > 1 else 0.0)
        for index, stream in enumerate(streams, number):
            stream.due = start + stream.period * (index * _GOLDEN % 1)
            self._schedule(stream)

    def _schedule(self, stream: _Stream) -> None:
        self._timer_number += 1
        heapq.heappush(self._timers, (stream.due, self._timer_number, stream))

    def _tick(self, stream: _Stream) -> None:
        if stream.closed:
            return
        if not stream.period:
            self._pour(stream)
        elif stream.left:
            if not stream.outbox:  # else its reader is behind
                stream.left -= 1
                self._write(stream, _token())
            if stream.left:  # else the end follows the last token at once
                stream.due += stream.period
            self._schedule(stream)
        else:
            self._finish(stream)

    def _pour(self, stream: _Stream) -> None:
        """Write one token of a flood, unless the reader is behind."""
        if stream.closed or stream.outbox:
            return
        if not stream.left:
            self._finish(stream)
            return
        stream.left -= 1
        self._write(stream, _token())
        if not stream.outbox:
            self._flood.append(stream)

    def _finish(self, stream: _Stream) -> None:
        self._write(stream, _end_frames(stream.tokens))
        if not stream.closed:
            self._record(stream, whole=True)

    def _record(self, stream: _Stream, *, whole: bool) -> None:
        stream.answering = False
        self._records.append((stream.number, stream.began, time.monotonic(), whole))

    def _told(self) -> bytes:
        is_open = sum(stream.answering for stream in self._streams.values())
        return json.dumps({"open": is_open, "calls": list(self._records)}).encode()

    def _write(self, stream: _Stream, data: bytes) -> None:
        if stream.outbox:
            stream.outbox += data
            return
        try:
            sent = stream.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(stream)
            return
        if sent < len(data):
            stream.outbox = data[sent:]
            self._epoll.modify(stream.sock, select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, stream: _Stream) -> None:
        data, stream.outbox = stream.outbox, b""
        self._write(stream, data)
        if not stream.closed and not stream.outbox:
            self._epoll.modify(stream.sock, select.EPOLLIN)
            if stream.answering and not stream.period:
                self._flood.append(stream)

    def _close(self, stream: _Stream) -> None:
        stream.closed = True
        if stream.answering:
            self._record(stream, whole=False)
        if stream in self._waiting.get(stream.run, ()):
            self._waiting[stream.run].remove(stream)
        del self._streams[stream.sock.fileno()]
        stream.sock.close()


def main() -> None:
    """Listen on a free port of loopback, say which, and serve."""
    parser = argparse.ArgumentParser(prog="python -m tools.common.model_server", description=__doc__)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--delay", type=float, default=0.2)
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    _Model(listener, tokens=options.tokens, rate=options.rate, delay=options.delay).serve()


if __name__ == "__main__":
    main()
