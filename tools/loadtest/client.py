"""One request on a connection of its own, by asyncio's raw protocols: the client must not be the bottleneck."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .measurement import Measurement
from .outcome import Outcome, Status
from .reply import ReplyReader
from .scenario import Behaviour
from .target import Target

# As little as the kernel allows, so that a reader who does not read holds the server back soon.
SLOW_RECEIVE_BUFFER = 4096


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client waits, in seconds.

    Attributes:
        connect: For a connection.
        idle: For the next byte, comments included.
        total: For the whole reply.
    """

    connect: float = 5.0
    idle: float = 60.0
    total: float = 300.0


class Exchange(asyncio.Protocol):
    """One request and its reply. It ends exactly once, by `end`, whatever happens first."""

    def __init__(
        self,
        outcome: Outcome,
        behaviour: Behaviour,
        request: bytes,
        mode: str,
        measurement: Measurement,
        on_end: Callable[[Exchange], None],
    ) -> None:
        self.outcome = outcome
        self.reader = ReplyReader(mode)
        self.ended = False
        #: When the client went away on purpose, and when it knew of the end, on the clock of `time.monotonic`.
        self.left_at = math.nan
        self.ended_at = math.nan
        self._behaviour = behaviour
        self._request = request
        self._mode = mode
        self._measurement = measurement
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._leave: asyncio.TimerHandle | None = None
        self._resume: asyncio.TimerHandle | None = None
        self._last_text = math.nan
        self._last_byte = measurement.now()

    def __repr__(self) -> str:
        return f"<Exchange {self.outcome.number} {'ended' if self.ended else 'open'}>"

    def start(self, target: Target, timeouts: Timeouts) -> None:
        """Connect and ask."""
        self.outcome.late = self._since()
        if self._behaviour.disconnects_after is not None:
            self._leave = asyncio.get_running_loop().call_later(self._behaviour.disconnects_after, self._go)
        self._task = asyncio.create_task(self._connect(target, timeouts.connect))

    def check(self, timeouts: Timeouts) -> None:
        """End it if it has taken too long."""
        now = self._measurement.now()
        if now - self.outcome.due > timeouts.total or now - self._last_byte > timeouts.idle:
            self.end("incomplete" if self.reader.status == 200 else "error", "client_timeout")

    def end(self, status: Status, code: str = "") -> None:
        """Take note of the end, and hang up."""
        if self.ended:
            return
        self.ended = True
        self.ended_at = time.monotonic()
        outcome = self.outcome
        outcome.status, outcome.code = status, code
        outcome.lasted = self._since()
        outcome.has_usage = self.reader.billed >= 0
        outcome.tokens = self.reader.billed if outcome.has_usage else self.reader.pieces
        outcome.characters = self.reader.characters
        for timer in (self._leave, self._resume):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        elif self._task is not None:
            self._task.cancel()
        self._on_end(self)

    # ------------------------------------------------------------------------------------------ the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request. Called by asyncio, as the three that follow."""
        self._transport = transport  # type: ignore[assignment]
        if self.ended:
            transport.abort()  # type: ignore[attr-defined]
            return
        if math.isnan(self.outcome.connected):
            self.outcome.connected = self._since()
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Read what came, and take note of when."""
        if self.ended:
            return
        now = self._last_byte = self._measurement.now()
        reader, outcome = self.reader, self.outcome
        had_head, had_characters = reader.status, reader.characters
        reader.feed(data)
        if not had_head and reader.status and math.isnan(outcome.headers):
            outcome.headers = now - outcome.due
        if reader.characters > had_characters:
            self._text_came(now, reader.characters - had_characters)
        if reader.ended:
            self._reply_ended(now)
        elif self._behaviour.read_rate is not None:
            self._read_slowly(len(data), self._behaviour.read_rate)

    def eof_received(self) -> None:
        """Take the end that the server has sent."""
        self.reader.end()
        if self.reader.ended and not self.ended:
            self._reply_ended(self._measurement.now())

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request, if it has not ended before."""
        if not self.ended:
            if self.reader.status == 200:
                self.end("incomplete", "cut_off")
            else:
                self.end("error", "no_answer")

    # ------------------------------------------------------------------------------------------- its insides

    async def _connect(self, target: Target, limit: float) -> None:
        loop = asyncio.get_running_loop()
        slow = self._behaviour.read_rate is not None
        sock = target.new_socket(SLOW_RECEIVE_BUFFER if slow else None)
        try:
            async with asyncio.timeout(limit):
                await loop.sock_connect(sock, target.address)
                tls: dict[str, Any] = {"ssl": target.tls, "server_hostname": target.host} if target.tls else {}
                await loop.create_connection(lambda: self, sock=sock, **tls)
        except TimeoutError:
            sock.close()
            self._failed_to_connect("connect_timeout")
        except OSError as error:
            sock.close()
            refused = isinstance(error, ConnectionRefusedError)
            self._failed_to_connect("connection_refused" if refused else "connection_failed")
        except asyncio.CancelledError:
            if self._transport is None:
                sock.close()
            raise

    def _failed_to_connect(self, code: str) -> None:
        self._task = None
        self.end("error", code)

    def _text_came(self, now: float, characters: int) -> None:
        outcome = self.outcome
        self._measurement.text_came(now, characters)
        if self._mode == "block":
            return
        outcome.arrivals += 1
        if outcome.arrivals == 1:
            outcome.ttft = now - outcome.due
        else:
            gap = now - self._last_text
            outcome.gap_total += gap
            if gap > outcome.gap_most:
                outcome.gap_most = gap
            if outcome.counted:
                self._measurement.gaps(outcome.group).record(gap)
        self._last_text = now

    def _reply_ended(self, now: float) -> None:
        if self.reader.whole:
            self.outcome.e2e = now - self.outcome.due
            self.end("success")
        else:
            self.end("error", self.reader.code)

    def _read_slowly(self, count: int, rate: float) -> None:
        transport = self._transport
        assert transport is not None
        transport.pause_reading()

        def resume() -> None:
            with contextlib.suppress(RuntimeError):
                transport.resume_reading()
            # What it did not read itself is no silence of the server's.
            self._last_byte = self._measurement.now()

        self._resume = asyncio.get_running_loop().call_later(count / rate, resume)

    def _go(self) -> None:
        self.left_at = time.monotonic()
        self.end("left")

    def _since(self) -> float:
        return self._measurement.now() - self.outcome.due
