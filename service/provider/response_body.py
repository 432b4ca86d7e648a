"""The body of a provider's response: its bytes go to a function as they come, and a task waits only for their end.

Waking a task for each token takes a future, a callback, a turn of the loop and each coroutine that waits above it:
a sixth of a token's instructions (docs/decisions/0032-wake-no-task-per-token.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from .aiohttp_internals import BodyReader
from .connection import SMALL_READ, ProviderConnection


class ResponseBody:
    """One response's body. Use it on the loop's thread, in one task at a time."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Begin a body.

        Args:
            response: A response of a `Transport`, whose body was not read.
        """
        connection = None if response.connection is None else response.connection.protocol
        # None where all of the body has come: aiohttp has taken the connection back.
        assert connection is None or isinstance(connection, ProviderConnection)
        if connection is not None:
            connection.begin_body()
        self._content = response.content
        self._connection = connection
        self._reader = BodyReader(response.content, connection)

    @property
    def is_complete(self) -> bool:
        """Whether its end has come; the last of its bytes may still wait to be consumed."""
        return self._content.is_eof()

    async def consume(self, consumer: Callable[[bytes], bool]) -> None:
        """Give the body's bytes to a function as they come, until it wants no more, or the body ends.

        Args:
            consumer: Called with the bytes that came, or with ``b""`` at the end of the body. Returns whether it
                wants more without the caller. It is called on the loop's thread, in no task, and must not block.

        Raises:
            aiohttp.ClientError: The connection or its framing broke; ``consumer`` was given what had come before.
            Exception: What ``consumer`` raised.

        Cancelling ends it at once: ``consumer`` is not called again, and the next call gets what comes later.
        """
        if self._content is aiohttp.EMPTY_PAYLOAD:
            # aiohttp's stand-in for a body that cannot be: 204, or a length that its parser takes for none.
            consumer(b"")
            return
        reader = self._reader
        if self._content.is_eof():
            # Its connection was given back, and may carry another response, whose body uses `on_change`.
            self._connection = None
            reader.detach()
        connection = self._connection
        waiter = reader.waiter = asyncio.get_running_loop().create_future()
        reader.consumer = consumer
        try:
            if connection is None:
                reader.deliver()
            else:
                connection.on_change = reader.deliver
                if reader.buffered > SMALL_READ:
                    connection.notify_soon()
                else:
                    connection.notify()
            await waiter
        finally:
            if connection is not None:
                connection.on_change = None
                connection.end_frame()
            # They hold the caller, who holds this.
            reader.waiter = reader.consumer = None
