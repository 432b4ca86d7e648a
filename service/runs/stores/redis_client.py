"""The connections to Redis or Valkey: one server, sentinels or a cluster. The only module that imports redis-py.

Each call is bounded, from its wait for a connection to its last answer. It is not repeated here; what a caller
repeats, the scripts recognise. After a failure, calls are refused for a moment: so all that has waited for a server
does not meet it at once when it comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import msgspec

from .base import StoreUnavailable
from .redis_scripts import Script
from .redis_urls import RedisAddress, Topology

try:
    from redis.asyncio import Redis, RedisCluster, Sentinel
    from redis.asyncio.cluster import ClusterNode
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import MasterNotFoundError
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        AuthenticationError,
        AuthorizationError,
        BusyLoadingError,
        MovedError,
        NoPermissionError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        RedisClusterException,
        RedisError,
        ResponseError,
    )
    from redis.exceptions import TimeoutError as RedisTimeoutError
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "redis":
        raise
    raise StoreUnavailable(
        "a store in Redis or Valkey needs the package redis: pip install 'sluice[redis]'"
    ) from None

# Seconds for which calls are refused after a failure: at first, and at most.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
# Seconds for a sentinel: the next one has to be asked within the time of the call.
_SENTINEL_TIMEOUT: Final = 0.5
# RESP2, in which all of our replies are the same, and which switches no notifications of maintenance on.
_PROTOCOL: Final = 2


class StoreOutOfMemory(StoreUnavailable):
    """The server has reached its `maxmemory`, and evicts nothing."""


class StoreUnreachable(StoreUnavailable):
    """The server does not answer, or not to us."""


class Call(msgspec.Struct, frozen=True):
    """A call of a script."""

    script: Script
    keys: tuple[bytes, ...]
    arguments: tuple[bytes | str | int, ...] = ()

    @property
    def command(self) -> tuple[bytes | str | int, ...]:
        """The words of the command."""
        return ("EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments)


class Get(msgspec.Struct, frozen=True):
    """A call for a key's value."""

    key: bytes

    @property
    def command(self) -> tuple[bytes | str | int, ...]:
        """The words of the command."""
        return ("GET", self.key)


class MessageConnection(Protocol):
    """A connection for messages: what the bell uses of redis-py's."""

    @property
    def is_connected(self) -> bool:
        """Whether it is."""

    async def send_command(self, *words: str) -> None:
        """Send a command."""

    async def read_response(self, *, timeout: float) -> Any:  # noqa: ASYNC109  (redis-py's name)
        """Return the next message; None where none came in so many seconds."""

    async def disconnect(self, nowait: bool = False) -> None:
        """Close it."""


class _Pause:
    """The time after a failure in which calls are refused."""

    def __init__(self) -> None:
        self._until = 0.0
        self._length = _FIRST_PAUSE
        self._reason = ""

    def check(self) -> None:
        """Refuse a call in the pause."""
        if time.monotonic() < self._until:
            raise StoreUnavailable(self._reason)

    def begin(self, reason: str) -> None:
        """Begin a pause, unless there is one already: then several calls have met the same failure."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + self._length
            self._length = min(2 * self._length, _LONGEST_PAUSE)
            self._reason = reason

    def end(self) -> None:
        """Take note that the server has answered."""
        self._length = _FIRST_PAUSE


class RedisClient:
    """Calls scripts, several at once, and translates all failures into `StoreUnavailable`. For one loop's thread."""

    def __init__(self, address: RedisAddress, scripts: Sequence[Script]) -> None:
        """Prepare a client; nothing is connected.

        Args:
            address: Where the servers are.
            scripts: What is loaded into each of them.
        """
        self._address = address
        self._scripts = scripts
        self._slots = asyncio.Semaphore(address.max_connections)
        self._pause = _Pause()
        self._sentinel: Sentinel | None = None
        self._client: Redis | RedisCluster | None = None
        # How often the cluster's map was dropped. Calls that began before do not drop it again.
        self._map = 0

    async def open(self) -> None:
        """Connect, and load the scripts.

        Raises:
            StoreUnavailable: The text says why.
        """
        if self._client is None:
            self._client = self._make_client()
        async with self._bounded():
            await self._load_scripts()

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        sentinel, self._sentinel = self._sentinel, None
        for one in (client, sentinel):
            if one is not None:
                await self._quietly(one.aclose())

    async def call(self, call: Call | Get) -> Any:
        """Make one call; return its reply."""
        return (await self.call_all([call]))[0]

    async def call_all(self, calls: Sequence[Call | Get]) -> list[Any]:
        """Make calls at once; return their replies in the same order.

        Raises:
            StoreUnavailable: One of them failed, or its outcome is unknown. Others may have been carried out.
        """
        if not calls:
            return []
        async with self._bounded():
            replies = await self._send(calls)
            unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                # The server was restarted, or another one has taken over: a server does not keep scripts.
                await self._load_scripts()
                again = await self._send([calls[index] for index in unknown])
                for index, reply in zip(unknown, again, strict=True):
                    replies[index] = reply
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    async def connect_for_messages(self) -> MessageConnection:
        """Return a new connection for messages, which the caller closes.

        Raises:
            StoreUnavailable: There is none to be had.
        """
        async with self._bounded():
            client = self._running()
            if isinstance(client, RedisCluster):
                await client.initialize()
                node = client.get_random_primary_node()
                connection: Any = node.connection_class(**node.connection_kwargs)
            else:
                # redis-py's functions have no types here.
                pool: Any = client.connection_pool
                connection = pool.make_connection()
            try:
                await connection.connect()
            except BaseException:
                await self.disconnect(connection)
                raise
            made: MessageConnection = connection
            return made

    async def disconnect(self, connection: MessageConnection) -> None:
        """Close a connection for messages."""
        await self._quietly(connection.disconnect(nowait=True))

    # -------------------------------------------------------------------------------------------- connections

    def _running(self) -> Redis | RedisCluster:
        if self._client is None:
            raise StoreUnavailable("the store is closed")
        return self._client

    def _make_client(self) -> Redis | RedisCluster:
        """Make a client of redis-py, which connects when it is first used."""
        address = self._address
        options: dict[str, Any] = {
            **address.options,
            "username": address.username or None,
            "password": address.password or None,
            # `_bounded` bounds all of a call. redis-py's own limit costs a timer for each reply, and for each write a
            # task and `wait_for`, which in Python 3.11 may lose a cancellation.
            "socket_timeout": None,
            "socket_connect_timeout": address.connect_timeout,
            "protocol": _PROTOCOL,
        }
        if address.topology is Topology.CLUSTER:
            nodes = [ClusterNode(host, port) for host, port in address.hosts]
            options |= {"ssl": address.has_tls, "max_connections": address.max_connections + 1}
            return RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 0), **options)
        # Without errors to repeat after: redis-py would reconnect in the middle of a call.
        options |= {"retry": Retry(NoBackoff(), 0, ()), "db": address.database}
        # One more for messages.
        options["max_connections"] = address.max_connections + 1
        if address.topology is Topology.SENTINEL:
            tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
            asking = {
                **tls,
                **address.sentinel_options,
                "ssl": address.has_tls,
                "socket_timeout": min(_SENTINEL_TIMEOUT, address.timeout),
                "socket_connect_timeout": min(_SENTINEL_TIMEOUT, address.connect_timeout),
                "retry": Retry(NoBackoff(), 0, ()),
                "protocol": _PROTOCOL,
            }
            make_sentinel: Any = Sentinel
            self._sentinel = sentinel = make_sentinel(address.hosts, sentinel_kwargs=asking)
            # Its pool makes connections with TLS where it is given `ssl`, whatever its value.
            client: Redis = sentinel.master_for(
                address.service, **options, **({"ssl": True} if address.has_tls else {})
            )
            return client
        ((host, port),) = address.hosts
        return Redis(host=host, port=port, ssl=address.has_tls, **options)

    async def _send(self, calls: Sequence[Call | Get]) -> list[Any]:
        pipeline = self._running().pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call.command)
        # redis-py would put the command, with a user's text in it, into the exception.
        return await pipeline.execute(raise_on_error=False)

    async def _load_scripts(self) -> None:
        client = self._running()
        if isinstance(client, RedisCluster):
            for script in self._scripts:
                await client.script_load(script.source)
            return
        pipeline = client.pipeline(transaction=False)
        for script in self._scripts:
            pipeline.execute_command("SCRIPT LOAD", script.source)
        for reply in await pipeline.execute(raise_on_error=False):
            if isinstance(reply, Exception):
                raise reply

    # ----------------------------------------------------------------------------------------------- failures

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Bound a call, and translate how it fails."""
        self._pause.check()
        version = self._map
        try:
            async with self.translated(), asyncio.timeout(self._address.timeout), self._slots:
                yield
        except StoreUnreachable as error:
            self._pause.begin(str(error))
            await self._drop_map(version)
            raise
        self._pause.end()

    @asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        """Raise `StoreUnavailable` for what redis-py raises, with a text that has no secret and nothing of a user."""
        try:
            yield
        except ResponseError as error:
            # The server is there, and refuses this call.
            raise self._refusal(error) from None
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            raise StoreUnreachable(self._reason(error)) from None

    async def _drop_map(self, version: int) -> None:
        """Let a cluster be asked again which node has what: one may have taken over another one's part."""
        if isinstance(self._client, RedisCluster) and version == self._map:
            self._map += 1
            await self._quietly(self._client.aclose())

    async def _quietly(self, closing: Awaitable[None]) -> None:
        """Close something; that it was broken does not matter any more."""
        try:
            async with asyncio.timeout(self._address.timeout):
                await closing
        except (RedisError, RedisClusterException, OSError, TimeoutError):
            return

    def _refusal(self, error: ResponseError) -> StoreUnavailable:
        place = self._address.place
        if isinstance(error, OutOfMemoryError):
            return StoreOutOfMemory(f"the store at {place} has reached its maxmemory")
        if isinstance(error, MovedError):
            return StoreUnavailable(
                f"the store at {place} is part of a cluster: its URL begins with redis+cluster://"
            )
        if isinstance(error, NoPermissionError):
            return StoreUnavailable(f"the store at {place} forbids its user a command, a key or a channel (NOPERM)")
        if isinstance(error, ReadOnlyError):
            return StoreUnavailable(f"the store at {place} is a replica, which takes no change")
        # The rest of the text may repeat what was sent.
        code = str(error).partition(" ")[0][:40]
        return StoreUnavailable(f"the store at {place} refused a command ({code})")

    def _reason(self, error: BaseException) -> str:
        place = self._address.place
        if isinstance(error, AuthenticationError | AuthorizationError):
            return f"the store at {place} refused the user or the password of its URL"
        if isinstance(error, TimeoutError | RedisTimeoutError):
            return f"the store at {place} did not answer within {self._address.timeout:g} s"
        if isinstance(error, BusyLoadingError):
            return f"the store at {place} is still loading its data"
        if isinstance(error, MasterNotFoundError):
            # The text has a list of failures, in redis-py's representation of its clients.
            hint = ", and one refused its user or password" if "AuthenticationError" in str(error) else ""
            return f"no primary is known of {place}{hint}"
        detail = " ".join(str(error).split())[:200]
        for secret in self._address.secrets:
            detail = detail.replace(secret, "***")
        return f"the store at {place} cannot be reached ({detail or type(error).__name__})"
