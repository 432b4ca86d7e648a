"""The body of a model's response: its bytes go to a function as they come, and a task waits only for what it must do.

To wake a task for each token takes a future, a callback, a turn of the loop and every coroutine that waits above it:
a sixth of a token's instructions. Here aiohttp's reader is emptied where its bytes arrive. It has a public way to
take them without waiting, which would be another seventh; so this reaches into it. `test_response_body.py` holds
what is relied on, and aiohttp's version is pinned.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import aiohttp

# A model that is faster than a display costs a read, a write and a frame for each token, and nobody sees more than
# one in each 16 ms. So behind this many reads in a row that had bytes within RAPID seconds, the connection rests for
# so long, and what comes meanwhile is one read. A model of less than 125 tokens a second never waits for that, and
# no first words and no short answer do: they are over before it is known how fast they are.
RAPID = 0.008
RAPID_READS = 8
REST = 0.016
# Bytes that are decoded at once, where they come: ten tokens, and 0.4 ms of the costliest bytes there are. More wait
# for the loop's time behind those who wait already (`service/concurrency/turn_queue.py`).
SMALL_READ = 2048


class Connection(Protocol):
    """What a body needs of the protocol that its response comes over."""

    #: Called when bytes have come, and when the connection has ended.
    on_change: Callable[[], None] | None
    #: `None` where it has ended.
    transport: asyncio.Transport | None
    #: Whether aiohttp holds the sender back, because its reader has enough.
    _reading_paused: bool
    #: Not empty where more has come than the body has yet.
    unparsed: bytes
    #: Whether more than `SMALL_READ` bytes came at once. Whoever has seen it sets it back.
    had_much: bool

    def resume_reading(self) -> None:
        """Let the sender go on, where aiohttp holds it back."""

    def rest(self) -> None:
        """Take nothing from the sender until `listen`."""

    def listen(self) -> None:
        """End a rest."""

    def call_in_turn(self, part: Callable[[], object]) -> None:
        """Call a function when all who wait for the loop's time have had theirs."""


class Body:
    """One response's body. Use it on the loop's thread, in one task at a time."""

    def __init__(self, response: aiohttp.ClientResponse, connection: Connection | None) -> None:
        """Take a response of which nothing was read, and what it comes over; `None` where all of it has come."""
        self._content = response.content
        self._connection = connection
        self._take: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._listens_since = -math.inf
        self._rapid_reads = 0
        self._rest: asyncio.TimerHandle | None = None

    @property
    def is_complete(self) -> bool:
        """Whether its end has come; the last of its bytes may still wait to be taken."""
        return self._content._eof

    async def pour(self, take: Callable[[bytes], bool]) -> None:
        """Give the body's bytes to ``take`` as they come, until it says no, or the body ends.

        Args:
            take: Called with what has come, never with nothing, and with ``b""`` at the end of the body. Says whether
                it goes on without the caller. While this waits it is called in no task, and must not block.

        Raises:
            aiohttp.ClientError: The connection or its framing broke; what had come before was given to ``take``.
            Exception: Whatever ``take`` raised.

        Cancelling ends it at once; ``take`` is not called again, and nothing that comes later is lost.
        """
        if self._content is aiohttp.EMPTY_PAYLOAD:
            # The stand-in of a body that cannot be, or is said to be longer than can be: it has nothing of a reader.
            take(b"")
            return
        if self._content._eof:
            # Its connection was given back, and may carry another answer, whose body listens to it.
            self._connection = None
        waiter = self._waiter = self._loop.create_future()
        self._take = take
        connection = self._connection
        try:
            if connection is not None and self._content._size > SMALL_READ:
                connection.call_in_turn(self._go_on)
            else:
                self._go_on()
            if connection is not None:
                connection.on_change = self._go_on
            await waiter
        finally:
            if connection is not None:
                connection.on_change = None
                self._listen(connection)
            # They hold the caller, who holds this.
            self._waiter = self._take = None

    def _go_on(self) -> None:
        """Give what has come, and end the wait where that is all there is to do without the caller."""
        waiter, take, content, connection = self._waiter, self._take, self._content, self._connection
        if waiter is None or take is None or waiter.done():
            return  # cancelled, or ended already: the task has not had its turn yet
        came = monotonic()
        try:
            piece = b""
            if pieces := content._buffer:
                piece = pieces.popleft()
                if pieces:
                    piece = b"".join((piece, *pieces))
                    pieces.clear()
                content._size = 0
                content._cursor = content.total_bytes
                if content._http_chunk_splits:
                    content._http_chunk_splits.clear()
                if connection is not None and connection._reading_paused:
                    connection.resume_reading()
                if not take(piece):
                    waiter.set_result(None)
                    return
                if pieces:
                    return  # aiohttp went on with what it had put off; the connection says that soon
            # Behind the bytes that came before it: aiohttp's reader would raise it in their place.
            if content._exception is not None:
                waiter.set_exception(content._exception)
            elif content._eof:
                take(b"")
                waiter.set_result(None)
            elif connection is None or connection.transport is None:
                waiter.set_exception(aiohttp.ClientConnectionError("the connection was closed"))
            elif piece and not connection.unparsed:
                if connection.had_much or came - self._listens_since < RAPID:
                    connection.had_much = False
                    self._rest_if_rapid(connection)
                else:
                    self._rapid_reads = 0
                # Not the moment in which it came: what we did since then is not the sender's silence.
                self._listens_since = monotonic()
        except Exception as error:
            waiter.set_exception(error)

    def _rest_if_rapid(self, connection: Connection) -> None:
        if self._rapid_reads < RAPID_READS:
            self._rapid_reads += 1
            return
        connection.rest()
        self._rest = self._loop.call_later(REST, self._listen, connection)

    def _listen(self, connection: Connection) -> None:
        """End the rest, if there is one."""
        if self._rest is None:
            return
        self._rest.cancel()
        self._rest = None
        self._listens_since = monotonic()
        connection.listen()
