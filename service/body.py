"""The body of a model's response: its bytes go to a function as they come, and a task waits only for what it must do.

To wake a task for each token takes a future, a callback, a turn of the loop and every coroutine that waits above it:
a sixth of a token's instructions. Here aiohttp's reader is emptied where its bytes arrive. It has a public way to
take them without waiting, which is another seventh; so this reaches into it. `tests/unit/test_body.py` holds what is
relied on, and aiohttp's version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import aiohttp


class Connection(Protocol):
    """What a body needs of the protocol that its response comes over."""

    #: Called when bytes have come, and when the connection has ended.
    on_change: Callable[[], None] | None
    #: Whether aiohttp holds the sender back, because its reader has enough.
    _reading_paused: bool

    @property
    def connected(self) -> bool:
        """Whether it has not ended."""

    def resume_reading(self) -> None:
        """Let the sender go on."""


class Body:
    """One response's body. Use it on the loop's thread, in one task at a time."""

    def __init__(self, response: aiohttp.ClientResponse, connection: Connection | None) -> None:
        """Take a response of which nothing was read, and what it comes over; `None` where all of it has come."""
        self._content = response.content
        self._connection = connection
        self._take: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[None] | None = None

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
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        self._take = take
        try:
            self._go_on()
            if self._connection is not None:
                self._connection.on_change = self._go_on
            await waiter
        finally:
            if self._connection is not None:
                self._connection.on_change = None
            # They hold the caller, who holds this.
            self._waiter = self._take = None

    def _go_on(self) -> None:
        """Give what has come, and end the wait where that is all there is to do without the caller."""
        waiter, take, content, connection = self._waiter, self._take, self._content, self._connection
        if waiter is None or take is None or waiter.done():
            return  # cancelled, or ended already: the task has not had its turn yet
        try:
            piece = b""
            if pieces := content._buffer:
                piece = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
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
            # Behind the bytes that came before it: aiohttp's reader would raise it in their place.
            if content._exception is not None:
                waiter.set_exception(content._exception)
            elif content._eof:
                take(b"")
                waiter.set_result(None)
            elif not piece and (connection is None or not connection.connected):
                waiter.set_exception(aiohttp.ClientConnectionError("the connection was closed"))
        except Exception as error:
            waiter.set_exception(error)
