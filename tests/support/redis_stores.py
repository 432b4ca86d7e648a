"""Stores of runs in real Valkey servers, for the suite of all stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sluice.service.runs.stores.base import RunStore, StoreLimits
from sluice.service.runs.stores.redis import RedisStore
from tests.support.run_stores import Worker
from tests.support.valkey import ValkeyCluster, ValkeyServer


class RedisBackend:
    """Runs in a server or a cluster, which is emptied first."""

    def __init__(self, running: ValkeyServer | ValkeyCluster) -> None:
        self._url = running.url
        for server in servers_of(running):
            server.command("FLUSHALL")

    def connect(self, limits: StoreLimits) -> RunStore:
        return RedisStore(self._url, limits)

    async def advance(self, seconds: float) -> None:
        # The server's clock is the machine's.
        await asyncio.sleep(seconds + 0.01)


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
