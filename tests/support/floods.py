"""Models that send without end and as fast as they can, and a client that takes all of it."""

from __future__ import annotations

import asyncio
import math
import re
import selectors
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.fault_server import FaultServer
from tools.common.raw_client import RawClient, fetch
from tools.common.scripted_model import Wire

# The most that one write of a flooding model has: the kernel's buffer is filled with it, as by a fast server.
WRITE_BYTES = 2**17
# Of a stream's end, in which its terminal frame is.
TAIL_BYTES = 4096


@dataclass(frozen=True)
class Endless:
    """Send the same bytes again and again, as long as somebody takes them.

    Args:
        piece: The bytes.
        framed: Whether they are chunks of a body already, with their sizes.
        pause: Seconds between two writes; zero sends as much as is taken.
    """

    piece: bytes
    framed: bool = False
    pause: float | None = None

    async def play(self, wire: Wire) -> None:
        send = wire.send_on_wire if self.framed else wire.send_body
        piece = self.piece * max(1, WRITE_BYTES // len(self.piece)) if self.pause is None else self.piece
        while True:
            await send(piece)
            # The loop must turn, or it would not notice that the client has disconnected.
            await asyncio.sleep(self.pause or 0)


def delta(content: str, name: str = "content") -> bytes:
    """Return a small chunk with this JSON text, without the fields that nobody reads."""
    return f'data: {{"choices": [{{"delta": {{"{name}": "{content}"}}}}]}}\n\n'.encode()


class Draining:
    """Takes all that comes over many connections, in a thread of its own, and keeps what each of them ended with."""

    def __init__(self, clients: Sequence[RawClient]) -> None:
        self._clients = clients
        # What came together with the head.
        self._tails = [client._body_before_asked for client in clients]
        self.bytes_read = list(map(len, self._tails))
        #: When each of them ended, by `time.monotonic`; infinite before.
        self.ended = [math.inf] * len(clients)
        self._selector = selectors.DefaultSelector()
        self._left = 0
        for number, client in enumerate(clients):
            if client.complete:
                self.ended[number] = time.monotonic()
                continue
            client.socket.setblocking(False)
            self._selector.register(client.socket, selectors.EVENT_READ, number)
            self._left += 1
        self._is_over = threading.Event()
        self._grew = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="draining", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._selector.close()
        for client in self._clients:
            client.close()

    def wait_ends(self, timeout: float) -> list[str]:
        """Wait until all have ended, and return the code of each, or `done`."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"{self._left} of {len(self._clients)} streams have not ended"
        return [_end_of(tail) for tail in self._tails]

    def wait_bytes(self, count: int, timeout: float = 10.0) -> None:
        """Wait until that many bytes have come, over all connections."""
        deadline = time.monotonic() + timeout
        with self._grew:
            while sum(self.bytes_read) < count:
                assert self._grew.wait(deadline - time.monotonic()), f"{self.bytes_read} bytes of {count}"

    def _run(self) -> None:
        while self._left and not self._is_over.is_set():
            for key, _ in self._selector.select(0.1):
                number: int = key.data
                try:
                    data = self._clients[number].socket.recv(2**18)
                except ConnectionResetError:
                    data = b""
                with self._grew:
                    self.bytes_read[number] += len(data)
                    self._grew.notify_all()
                self._tails[number] = (self._tails[number] + data)[-TAIL_BYTES:]
                if not data or data.endswith(b"0\r\n\r\n"):
                    self._selector.unregister(key.fileobj)
                    self._left -= 1
                    self.ended[number] = time.monotonic()


def _end_of(tail: bytes) -> str:
    found = re.findall(rb'"code": "([^"]*)"|"(done)": true', tail)
    return (found[-1][0] or found[-1][1]).decode() if found else f"no end: {tail[-200:]!r}"


class MeasuredTurns:
    """The longest turn of the worker's loop while the block runs, in seconds of processor time."""

    def __init__(self, running_server: FaultServer) -> None:
        self._running = running_server
        self.longest = 0.0

    def __enter__(self) -> Self:
        self._ask("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.longest = self._ask("?end")

    def _ask(self, query: str) -> float:
        seconds: float = fetch(self._running.url, f"/faults/turns{query}", method="POST").json()["seconds"]
        return seconds
