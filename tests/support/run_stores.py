"""Stores of runs under test: how to connect to each kind, and workers that are connected to one."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Protocol

from sluice.service.runs.stores.base import (
    Answer,
    Append,
    Batch,
    Lease,
    NewRun,
    Page,
    RunState,
    RunStore,
    StoreLimits,
)
from sluice.service.runs.stores.memory import MemoryStore
from sluice.service.runs.stores.sqlite import SqliteStore

# Seconds in which something must have happened that a test waits for.
WITHIN = 10.0
# For tests that let time pass, on a store whose clock cannot be moved too.
SHORT = StoreLimits(lease=1.0, kept=1.0, known=1.0)
PAYLOADS = [b"", b"\x00", b"\x00\xff\xfe\x80 \r\n\x00", "Grüße 你好".encode(), bytes(range(256)) * 40]


class Backend(Protocol):
    """What keeps the runs of one test."""

    def connect(self, limits: StoreLimits) -> RunStore:
        """Return a further connection, as another worker has it. It is not open."""

    async def advance(self, seconds: float) -> None:
        """Let so much time pass on the store's clock, and a little more."""


class Clock:
    """A clock that a test moves. It begins at a time of day, as stores count from 1970."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class MemoryBackend:
    """Runs in the memory of the test process."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._store: MemoryStore | None = None

    def connect(self, limits: StoreLimits) -> RunStore:
        if self._store is None:
            self._store = MemoryStore(limits, self._clock)
            return self._store
        return self._store.connect()

    async def advance(self, seconds: float) -> None:
        self._clock.now += seconds + 0.001


class SqliteBackend:
    """A file in a folder, with the clock of the test."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.path = folder / "runs.db"

    def connect(self, limits: StoreLimits) -> RunStore:
        return SqliteStore(self.path, limits, timeout=WITHIN, clock=self.clock)

    async def advance(self, seconds: float) -> None:
        self.clock.now += seconds + 0.001


class Worker:
    """A worker's open connection to a store, with the rings that it got."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.rings: list[str] = []
        #: How many rings have come.
        self.count = 0
        #: All runs that have ever rung.
        self.heard: set[str] = set()
        self._rung = asyncio.Event()

    def ring(self, run_id: str) -> None:
        self.rings.append(run_id)
        self.count += 1
        self.heard.add(run_id)
        self._rung.set()

    async def wait_ring(self, run_id: str) -> None:
        """Wait until the store has rung for a run since the last call, and forget all rings."""
        async with asyncio.timeout(WITHIN):
            while run_id not in self.rings:
                self._rung.clear()
                await self._rung.wait()
        self.rings.clear()

    async def begin(self, *, owner: str = "ann", key: str = "", digest: str = "") -> str:
        """Create a run, and return its id."""
        run = new_run(owner=owner, key=key, digest=digest)
        created = await self.store.create(run)
        assert created.is_new
        return run.run_id

    async def append(
        self,
        run_id: str,
        first: int,
        payload: bytes = b"x",
        *,
        count: int = 1,
        epoch: int = 1,
        end: RunState | None = None,
        reason: str = "",
    ) -> Answer:
        """Append one batch."""
        batch = Batch(first, count, payload)
        [answer] = await self.store.append([Append(run_id, epoch, batch, end, reason)])
        return answer

    async def renew(self, run_id: str, *, epoch: int = 1, attended: float = 0.0) -> Answer:
        """Renew one lease."""
        [answer] = await self.store.renew([Lease(run_id, epoch, attended)])
        return answer

    async def read_all(self, run_id: str, after: int = 0, max_bytes: int = 1_000_000) -> list[Batch]:
        """Read all that is there behind a number, page by page; check that there is no gap and nothing twice."""
        found: list[Batch] = []
        while page := await self.read(run_id, after, max_bytes):
            if not page.batches:
                break
            assert page.batches[0].first <= after + 1 <= page.batches[0].last
            for earlier, later in zip(page.batches, page.batches[1:], strict=False):
                assert later.first == earlier.last + 1
            found.extend(page.batches)
            after = page.batches[-1].last
        return found

    async def read(self, run_id: str, after: int = 0, max_bytes: int = 1_000_000) -> Page | None:
        return await self.store.read(run_id, after, max_bytes)

    async def state(self, run_id: str) -> RunState | None:
        record = await self.store.find(run_id)
        return None if record is None else record.state


class Workers:
    """Connects workers to one store. Made before the loop runs; what uses them on the loop also closes them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._limits = StoreLimits()
        self._stores: list[RunStore] = []

    async def close(self) -> None:
        """Close the connections of all workers."""
        for store in self._stores:
            await store.close()

    async def start(self, count: int = 1, limits: StoreLimits | None = None) -> list[Worker]:
        """Connect workers.

        Args:
            count: How many.
            limits: The limits of the store; None for those of the workers before, or for the usual ones.
        """
        self._limits = limits or self._limits
        return [await self._start() for _ in range(count)]

    async def _start(self) -> Worker:
        store = self._backend.connect(self._limits)
        self._stores.append(store)
        worker = Worker(store)
        await store.open(worker.ring)
        return worker

    async def one(self, limits: StoreLimits | None = None) -> Worker:
        """Connect one worker."""
        [worker] = await self.start(1, limits)
        return worker

    async def two(self, limits: StoreLimits | None = None) -> tuple[Worker, Worker]:
        """Connect two workers."""
        one, two = await self.start(2, limits)
        return one, two

    async def advance(self, seconds: float) -> None:
        """Let so much time pass on the store's clock, and a little more."""
        await self._backend.advance(seconds)


def new_run(*, owner: str = "ann", key: str = "", digest: str = "") -> NewRun:
    """Return a run that begins, with an id of its own."""
    return NewRun(secrets.token_hex(16), owner, producer="host:1", key=key, body_digest=digest)
