"""Rings for watched runs: one connection for messages, which is made again after a failure."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from ...concurrency.background_task import start_background_task
from .base import StoreUnavailable
from .redis_client import MessageConnection, RedisClient
from .redis_keys import IDLE_CHANNEL, channel_of, run_of, stop_channel_of

logger = logging.getLogger("sluice.store")

# Seconds without a message after which the server is asked for a sign of life, and again until it counts as lost.
_SILENCE: Final = 5.0
# Seconds before a connection is made again: at first, and at most.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
# Seconds after which a task that has been cancelled, and has not ended, is cancelled again.
_CANCEL_AGAIN: Final = 0.1
# Channels that are subscribed to by one command.
_CHANNELS: Final = 1000


class RedisBell:
    """Calls a function with the id of each watched run that has changed. For one loop's thread.

    A message may be lost with its connection. So all watched runs are rung for after each new connection.
    """

    def __init__(self, client: RedisClient, ring: Callable[[str], None], timeout: float) -> None:
        """Prepare it.

        Args:
            client: Makes the connections.
            ring: Called with a run's id.
            timeout: Seconds to wait for the confirmation of a subscription.
        """
        self._client = client
        self._ring = ring
        self._timeout = timeout
        #: The channel of each watched run.
        self._watched: dict[str, str] = {}
        self._connection: MessageConnection | None = None
        # Subscriptions on their way, by the run; those who wait for one share it.
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect in the background, and go on until `close`."""
        if self._task is None:
            self._task = start_background_task(self._run(), "redis bell")

    async def close(self) -> None:
        """Stop, and close the connection."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            # Again, because redis-py may lose a cancellation on its way to a sentinel: see `redis_client.py`.
            task.cancel()
            await asyncio.wait([task], timeout=_CANCEL_AGAIN)

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        """Ring for a run from now on. Without a connection: from the next one on, which begins with a ring.

        Args:
            run_id: The run.
            is_producer: Whether it should ring only for what is not the producer's own.
        """
        channel = stop_channel_of(run_id) if is_producer else channel_of(run_id)
        before = self._watched.get(run_id, channel)
        self._watched[run_id] = channel
        connection = self._connection
        if connection is None:
            return
        if before != channel:
            await self._send(connection, "UNSUBSCRIBE", before)
        confirmed = self._confirmations.setdefault(run_id, asyncio.get_running_loop().create_future())
        await self._send(connection, "SUBSCRIBE", channel)
        await asyncio.wait([confirmed], timeout=self._timeout)

    async def unwatch(self, run_id: str) -> None:
        """Ring no more for a run."""
        channel = self._watched.pop(run_id, None)
        if channel is not None and self._connection is not None:
            await self._send(self._connection, "UNSUBSCRIBE", channel)

    async def _send(self, connection: MessageConnection, *words: str) -> None:
        """Send a command, unless the connection is lost: the next one subscribes to all that is watched."""
        # redis-py would connect again by itself, and nobody would read from that connection.
        if not connection.is_connected:
            return
        try:
            async with asyncio.timeout(self._timeout), self._client.translated():
                await connection.send_command(*words)
        except (StoreUnavailable, TimeoutError):
            # Whoever reads from it then gets an error, and makes another one.
            await self._client.disconnect(connection)

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        has_failed = False
        while True:
            try:
                async with self._client.translated():
                    connection = await self._client.connect_for_messages()
                    try:
                        await self._subscribe(connection)
                        pause = _FIRST_PAUSE
                        if has_failed:
                            logger.info("connection for the store's messages is back")
                            has_failed = False
                        await self._listen(connection)
                    finally:
                        self._forget(connection)
                        await self._client.disconnect(connection)
            except StoreUnavailable as error:
                if not has_failed:
                    logger.warning("connection for the store's messages is lost, changes come later: %s", error)
                    has_failed = True
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _subscribe(self, connection: MessageConnection) -> None:
        """Subscribe to all that is watched, then ring for it."""
        self._connection = connection
        # The last confirmation stands for all before it. Others may watch and be confirmed in between.
        channels = [*self._watched.values(), IDLE_CHANNEL]
        for start in range(0, len(channels), _CHANNELS):
            async with asyncio.timeout(self._timeout):
                await connection.send_command("SUBSCRIBE", *channels[start : start + _CHANNELS])
        is_confirmed = False
        while not is_confirmed:
            message = await connection.read_response(timeout=self._timeout)
            if message is None:
                raise StoreUnavailable(f"no subscription within {self._timeout:g} s")
            self._handle(message)
            is_confirmed = message[:2] == [b"subscribe", IDLE_CHANNEL.encode()]
        for run_id in list(self._watched):
            self._ring(run_id)

    async def _listen(self, connection: MessageConnection) -> None:
        """Ring until the connection is lost."""
        is_asked = False
        while True:
            message = await connection.read_response(timeout=_SILENCE)
            if message is not None:
                is_asked = False
                self._handle(message)
            elif is_asked:
                raise StoreUnavailable(f"no sign of life for {2 * _SILENCE:g} s")
            else:
                is_asked = True
                async with asyncio.timeout(self._timeout):
                    await connection.send_command("PING")

    def _handle(self, message: Any) -> None:
        if not isinstance(message, list) or len(message) < 3:
            return
        kind, channel = message[0], message[1]
        run_id = run_of(channel) if isinstance(channel, bytes) else None
        if run_id is None:
            return
        if kind == b"message":
            if run_id in self._watched:
                self._ring(run_id)
        elif kind == b"subscribe":
            self._confirm(run_id)

    def _confirm(self, run_id: str) -> None:
        confirmed = self._confirmations.pop(run_id, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(None)

    def _forget(self, connection: MessageConnection) -> None:
        if self._connection is connection:
            self._connection = None
            for run_id in list(self._confirmations):
                self._confirm(run_id)
