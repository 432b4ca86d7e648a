"""Stores of runs in real Valkey servers, for the suite of all stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sluice.service.runs.stores.base import RunStore, StoreLimits
from sluice.service.runs.stores.redis import RedisStore
from tests.support.run_stores import Worker
from tests.support.valkey import ValkeyCluster, ValkeyServer

# The fields of a run that are times, in microseconds.
_TIMES = ["created", "ended", "expires", "attended", "lease"]


class RedisBackend:
    """Runs in a server or a cluster, which is emptied first."""

    def __init__(self, running: ValkeyServer | ValkeyCluster) -> None:
        self._url = running.url
        self._servers = servers_of(running)
        for server in self._servers:
            server.command("FLUSHALL")

    def connect(self, limits: StoreLimits) -> RunStore:
        return RedisStore(self._url, limits)

    async def advance(self, seconds: float) -> None:
        # The server's clock stays as it is, and all that is stored becomes older: to the scripts that is the same.
        for server in self._servers:
            await asyncio.to_thread(_age, server, seconds + 0.001)


def _age(server: ValkeyServer, seconds: float) -> None:
    """Make all times and times to live in a server as if so many seconds had passed."""
    with server.client() as client:
        for key in client.scan_iter():
            kind = client.type(key)
            if kind == b"hash":
                for name, value in zip(_TIMES, client.hmget(key, _TIMES), strict=True):
                    # 0 stands for no time.
                    if value not in (None, b"0"):
                        client.hincrby(key, name, -round(seconds * 1e6))
            elif kind == b"zset":
                for member in client.zrange(key, 0, -1):
                    client.zincrby(key, -round(seconds * 1e6), member)
            # One that has none or has just expired is below 0.
            left = client.pttl(key)
            if left >= 0:
                client.pexpire(key, max(0, left - round(seconds * 1e3)))


def servers_of(running: ValkeyServer | ValkeyCluster) -> Sequence[ValkeyServer]:
    """Return the servers of a cluster, or the one."""
    return running.servers if isinstance(running, ValkeyCluster) else [running]


@asynccontextmanager
async def open_worker(url: str, limits: StoreLimits | None = None) -> AsyncIterator[Worker]:
    """Connect a worker to a store, and close its connections in the end."""
    worker = Worker(RedisStore(url, limits))
    try:
        await worker.store.open(worker.ring)
        yield worker
    finally:
        await worker.store.close()
