"""A client that loses its connection, comes back, and reads on from where it was, as the chat page does."""

from __future__ import annotations

import asyncio
import http.client
import math
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from tools.common.model_server import TEXT_LENGTH

from .client import Exchange, Timeouts
from .measurement import Measurement
from .outcome import Outcome, Status
from .scenario import Behaviour
from .target import Target

#: What each request asks for.
FIELDS = {"on_disconnect": "continue"}
# The text of a token of our own model: when it was written, on the clock of `time.monotonic`.
_STAMP = re.compile(r"@(\d{13})$")


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a reply can be read on, and as whom."""

    location: str
    cookie: str


class ResumingExchange(Exchange):
    """One reply that goes on without its connection, over several connections."""

    def __init__(
        self,
        outcome: Outcome,
        behaviour: Behaviour,
        target: Target,
        fields: dict[str, object],
        measurement: Measurement,
        on_end: Callable[[Exchange], None],
        *,
        is_own: bool,
    ) -> None:
        """Prepare a request.

        Args:
            outcome: Where its figures go.
            behaviour: When it loses its connection.
            target: Where to.
            fields: Of the request's body.
            measurement: Where what comes is counted.
            on_end: Called once at its end.
            is_own: Whether the model is the tool's own, whose tokens tell when they were written.
        """
        # Each client is another reader, whose first request may be repeated: its answer may not have come. Not of the
        # seed: a test that is run again would get the answers of the first time.
        identity = secrets.token_hex(16)
        self.cookie = f"sluice_reader={identity}"
        lines = {"Cookie": self.cookie, "Idempotency-Key": identity}
        super().__init__(
            outcome, behaviour, target.request({**fields, **FIELDS}, lines), "stream", measurement, on_end
        )
        #: Where the reply can be read on; None until its head has arrived.
        self.kept: Kept | None = None
        self._target = target
        self._timeouts = Timeouts()
        self._is_own = is_own
        self._losses: Iterator[tuple[float, float]] = iter(behaviour.losses)
        self._timer: asyncio.TimerHandle | None = None
        self._is_away = False
        #: When the client has come back, and does not have all yet: on the clock of `time.monotonic`.
        self._returned_at = math.nan

    def start(self, target: Target, timeouts: Timeouts) -> None:
        """Connect and ask."""
        self._timeouts = timeouts
        super().start(target, timeouts)
        self._plan_loss()

    def check(self, timeouts: Timeouts) -> None:
        """End it if it has taken too long, the time without a connection not counted as silence."""
        if self._is_away:
            self._last_byte = self._measurement.now()
        super().check(timeouts)

    def end(self, status: Status, code: str = "") -> None:
        """Take note of the end, and hang up."""
        if self.ended:
            return
        if self._timer is not None:
            self._timer.cancel()
        reader, outcome = self.reader, self.outcome
        outcome.duplicates = reader.duplicates
        if status == "success" and self._is_own and reader.billed >= 0:
            surplus = reader.characters // TEXT_LENGTH - reader.billed
            outcome.duplicates += max(0, surplus)
            outcome.missing = max(0, -surplus)
        super().end(status, code)

    def data_received(self, data: bytes) -> None:
        """Read what came, and take note of whether the client has caught up. Called by asyncio."""
        if self._is_away or self.ended:
            return
        had_characters = self.reader.characters
        super().data_received(data)
        reader = self.reader
        if self.kept is None and (location := reader.headers.get("location")):
            self.kept = Kept(location, self.cookie)
        if not math.isnan(self._returned_at) and (reader.ended or reader.characters > had_characters):
            self._check_caught_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request, unless the connection was lost on purpose. Called by asyncio."""
        if not self._is_away:
            super().connection_lost(exc)

    def eof_received(self) -> None:
        """Take the end that the server has sent. Called by asyncio."""
        if not self._is_away:
            super().eof_received()

    def _plan_loss(self) -> None:
        loss = next(self._losses, None)
        if loss is not None:
            connected, away = loss
            self._timer = asyncio.get_running_loop().call_later(connected, self._lose, away)

    def _lose(self, away: float) -> None:
        self._is_away = True
        self._returned_at = math.nan
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        elif self._task is not None:
            self._task.cancel()
        self._timer = asyncio.get_running_loop().call_later(away, self._come_back)

    def _come_back(self) -> None:
        self._is_away = False
        self._returned_at = time.monotonic()
        self._last_byte = self._last_text = self._measurement.now()
        self.outcome.returns += 1
        self.reader = self.reader.next_connection()
        if self.kept is not None:
            lines = {"Cookie": self.kept.cookie, "Last-Event-ID": str(self.reader.last_id)}
            self._request = self._target.follow(self.kept.location, lines)
        self._task = asyncio.create_task(self._connect(self._target, self._timeouts.connect))
        self._plan_loss()

    def _check_caught_up(self) -> None:
        """Note the time where the last token is younger than the return; of other models, where any text came."""
        stamp = _STAMP.search(self.reader.last_text) if self._is_own else None
        if self.reader.ended or stamp is None or int(stamp[1]) / 1e6 >= self._returned_at:
            self.outcome.caught_up.append(time.monotonic() - self._returned_at)
            self._returned_at = math.nan


def stop_kept(target: Target, kept: Kept, timeout: float) -> None:
    """Stop a reply that nobody reads on. Blocks.

    Raises:
        OSError: The server does not answer.
        http.client.HTTPException: It does not answer by HTTP.
    """
    host, port = target.address[:2]
    if target.tls is None:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection(target.host, port, timeout=timeout, context=target.tls)
    with closing(connection):
        connection.request("POST", f"{kept.location}/stop", headers={"Cookie": kept.cookie})
        connection.getresponse().read()
