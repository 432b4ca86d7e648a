"""A lean scripted model in a process of its own, so that it takes nothing from the client.

`python -m tools.loadtest.model` answers chat completions with words at a steady pace, and `GET /records` with what it
did. It prints its port, and ends when its standard input does, so it cannot outlive whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import sys
import time
from collections import deque
from random import Random
from typing import Any, Final

from .loop import run

TEXT: Final = "The river keeps its own time, and the gate only decides how much of it may pass at once, day or night."
# Faster paces send what is due together: a wake-up for each token would cost more than the token.
TICK: Final = 0.01
BATCH: Final = 64
MOST_RECORDS: Final = 200_000
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_NUMBER: Final = re.compile(rb"\[request (\d+)\]")


def _chunk(payload: dict[str, Any] | str) -> bytes:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    data = f"data: {text}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(**fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {}, "finish_reason": None} | fields
    return {"id": "load", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": [choice]}


_TOKENS: Final = [_chunk(_delta(delta={"content": f" {word}"})) for word in TEXT.split()]
_FINISH: Final = _chunk(_delta(finish_reason="stop"))


class Model:
    """What all connections share.

    Args:
        tokens: The mean length of a reply; each has between half of it and one and a half times it.
        rate: Tokens a second of each reply; 0 is as fast as they are taken.
        delay: Seconds until the first one.
    """

    def __init__(self, tokens: int, rate: float, delay: float) -> None:
        self.rate = rate
        self.delay = delay
        #: Of each call that has ended: request number, when it began, when it ended, whether it was whole.
        self.records: deque[tuple[int, float, float, bool]] = deque(maxlen=MOST_RECORDS)
        #: Calls that go on.
        self.open = 0
        self._tokens = tokens
        self._rng = Random(0)

    def next_length(self) -> int:
        """Draw the length of a reply."""
        return max(1, round(self._tokens * self._rng.uniform(0.5, 1.5)))


class Connection(asyncio.Protocol):
    """One connection: one request after another."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._inbox = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._streaming = False
        self._number = 0
        self._began = 0.0
        self._first = 0.0
        self._length = 0
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._streaming:
            self._record(whole=False)

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        head, found, rest = self._inbox.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self._inbox = rest[size:]
        if head.startswith(b"POST "):
            self._open(rest[:size])
        else:
            self._tell()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._streaming and self._timer is None:
            self._step()

    def _open(self, body: bytes) -> None:
        numbers = _NUMBER.findall(body)
        self._number = int(numbers[-1]) if numbers else 0
        self._began = time.monotonic()
        self._length = self._model.next_length()
        self._sent = 0
        self._streaming = True
        self._model.open += 1
        self._transport.write(HEAD)
        self._timer = asyncio.get_running_loop().call_later(self._model.delay, self._begin)

    def _begin(self) -> None:
        self._first = time.monotonic()
        self._step()

    def _step(self) -> None:
        self._timer = None
        if self._paused:
            return
        rate = self._model.rate
        due = self._length
        if rate:
            due = min(due, int((time.monotonic() - self._first) * rate + 1e-6) + 1)
        upto = min(due, self._sent + BATCH)
        self._transport.write(b"".join(_TOKENS[number % len(_TOKENS)] for number in range(self._sent, upto)))
        self._sent = upto
        if upto == self._length:
            self._finish()
            return
        wait = max(self._first + upto / rate - time.monotonic(), 0 if upto < due else TICK / 2) if rate else 0
        self._timer = asyncio.get_running_loop().call_later(wait, self._step)

    def _finish(self) -> None:
        usage = {"prompt_tokens": 8, "completion_tokens": self._length, "total_tokens": 8 + self._length}
        last = {"id": "load", "object": "chat.completion.chunk", "choices": [], "usage": usage}
        self._transport.write(_FINISH + _chunk(last) + _chunk("[DONE]") + b"0\r\n\r\n")
        self._record(whole=True)

    def _record(self, *, whole: bool) -> None:
        self._streaming = False
        self._model.open -= 1
        self._model.records.append((self._number, self._began, time.monotonic(), whole))

    def _tell(self) -> None:
        told = {"open": self._model.open, "calls": list(self._model.records)}
        body = json.dumps(told).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
        )
        self._transport.close()


async def serve(model: Model, listener: socket.socket) -> None:
    """Answer until standard input ends."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)
    server = await loop.create_server(lambda: Connection(model), sock=listener, backlog=4096)
    print(listener.getsockname()[1], flush=True)
    await over.wait()
    loop.remove_reader(sys.stdin.fileno())
    server.close()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--delay", type=float, default=0.2)
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    run(serve(Model(options.tokens, options.rate, options.delay), listener))


if __name__ == "__main__":
    main()
