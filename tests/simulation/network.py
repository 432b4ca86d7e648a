"""The way between simulated processes and their one store: slow, broken, with answers that are lost or come twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from sluice.service.runs.stores.base import (
    Answer,
    Append,
    Created,
    Lease,
    NewRun,
    Page,
    RunRecord,
    RunState,
    StoreUnavailable,
)
from sluice.service.runs.stores.memory import MemoryStore

from .ledger import Ledger
from .virtual_loop import Process, VirtualLoop

T = TypeVar("T")

# Seconds after which a call without an answer counts as failed.
TIMEOUT = 2.0
# Seconds of one way to the store and back, each.
LATENCY = (0.0005, 0.002)


@dataclass(slots=True)
class Link:
    """The way of one process to the store."""

    #: Whether requests and answers are lost; else whether they are refused at once.
    is_down: bool = False
    is_refused: bool = False
    #: Seconds of one way.
    latency: tuple[float, float] = LATENCY
    #: The share of calls whose request or answer is lost, that arrive late, and that arrive twice.
    lost_requests: float = 0.0
    lost_answers: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    #: Until when calls that are late arrive.
    flaky_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Rings:
    """The shares of rings that are lost, late and doubled."""

    lost: float = 0.0
    late: float = 0.0
    twice: float = 0.0


class Network:
    """All ways to one store."""

    def __init__(self, loop: VirtualLoop, rng: Random, store: MemoryStore, ledger: Ledger, rings: Rings) -> None:
        self.loop = loop
        self.rng = rng
        self.store = store
        self.ledger = ledger
        self.rings = rings
        self.links: dict[str, Link] = {}

    def link(self, process: Process) -> Link:
        return self.links.setdefault(process.name, Link())

    def later(self, delay: float, function: Callable[..., object], *arguments: object) -> None:
        """Call a function of no process."""
        self.loop.call_later(delay, function, *arguments, context=Context())


class SimulatedStore:
    """A process's connection to the store (`RunStore`)."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network = network
        self._process = process
        self._inner = network.store.connect()
        self._deliver: Callable[[str], None] = lambda run_id: None

    async def open(self, ring: Callable[[str], None]) -> None:
        self._deliver = ring
        await self._call(lambda: self._inner.open(self._on_ring))

    async def close(self) -> None:
        """Close the connection, which needs no answer."""
        if not self._process.is_dead:
            await self._inner.close()

    async def create(self, run: NewRun) -> Created:
        return await self._call(lambda: self._inner.create(run))

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        return await self._call(lambda: self._inner.append(appends))

    async def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        return await self._call(lambda: self._inner.renew(leases))

    async def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        await self._call(lambda: self._inner.attend(run_ids, seconds))

    async def find(self, run_id: str) -> RunRecord | None:
        return await self._call(lambda: self._inner.find(run_id))

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        return await self._call(lambda: self._inner.read(run_id, after, max_bytes))

    async def find_key(self, owner: str, key: str) -> str | None:
        return await self._call(lambda: self._inner.find_key(owner, key))

    async def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        return await self._call(lambda: self._inner.list_runs(owner, state))

    async def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        return await self._call(lambda: self._inner.request_stop(run_id, reason))

    async def reap(self, end: bytes) -> list[str]:
        return await self._call(lambda: self._inner.reap(end))

    async def delete(self, run_id: str) -> bool:
        self._network.ledger.deleted.add(run_id)
        return await self._call(lambda: self._inner.delete(run_id))

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        await self._call(lambda: self._inner.watch(run_id, is_producer=is_producer))

    async def unwatch(self, run_id: str) -> None:
        await self._call(lambda: self._inner.unwatch(run_id))

    async def size(self) -> int:
        return await self._call(lambda: self._inner.size())

    # ------------------------------------------------------------------ inside

    async def _call(self, operation: Callable[[], Coroutine[Any, Any, T]]) -> T:
        network, process = self._network, self._process
        if process.is_dead:
            # Only the clean-up of a process that was killed comes here, after the simulation.
            raise StoreUnavailable("the process is dead")
        outcome: asyncio.Future[T] = network.loop.create_future()
        self._send(operation, outcome)
        return await outcome

    def _send(self, operation: Callable[[], Coroutine[Any, Any, T]], outcome: asyncio.Future[T]) -> None:
        network, rng = self._network, self._network.rng
        link = network.link(self._process)
        if link.is_down and link.is_refused:
            network.later(0.001, _fail, outcome, "connection refused")
            return
        network.later(TIMEOUT, _fail, outcome, "timed out")
        chance = rng.random()
        there = rng.uniform(*link.latency)
        if chance < link.lost_requests:
            return
        chance -= link.lost_requests
        if 0 <= chance < link.late:
            there = rng.uniform(TIMEOUT, TIMEOUT + 3.0)
            there = max(0.001, min(there, link.flaky_until - network.loop.time()))
        chance -= link.late
        loses_answer = 0 <= chance < link.lost_answers
        chance -= link.lost_answers
        if 0 <= chance < link.twice:
            # A client library that repeats what it has no answer to: the first answer is lost.
            network.later(there, self._apply, operation, None, False)
            there += rng.uniform(0.0, 0.2)
        network.later(there, self._apply, operation, outcome, loses_answer)

    def _apply(
        self, operation: Callable[[], Coroutine[Any, Any, T]], outcome: asyncio.Future[T] | None, loses_answer: bool
    ) -> None:
        network = self._network
        link = network.link(self._process)
        if link.is_down:
            return
        try:
            operation().send(None)
        except StopIteration as returned:
            result, error = returned.value, None
        except Exception as raised:
            result, error = None, raised
        network.ledger.look(network.loop.time(), network.store._contents.clock())
        if outcome is not None and not loses_answer:
            network.later(network.rng.uniform(*link.latency), self._answer, outcome, result, error)

    def _answer(self, outcome: asyncio.Future[T], result: T, error: Exception | None) -> None:
        if outcome.done() or self._network.link(self._process).is_down:
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    def _on_ring(self, run_id: str) -> None:
        """Bring a ring to the process: at once, late, twice or never."""
        network, rings, rng = self._network, self._network.rings, self._network.rng
        delays = [0.001]
        if rng.random() < rings.lost:
            return
        if rng.random() < rings.late:
            delays = [rng.uniform(0.1, 3.0)]
        if rng.random() < rings.twice:
            delays.append(rng.uniform(0.0, 1.0))
        for delay in delays:
            network.later(delay, self._ring, run_id)

    def _ring(self, run_id: str) -> None:
        if not self._process.is_dead and not self._network.link(self._process).is_down:
            self._network.loop.call_soon(self._deliver, run_id, context=self._process.context.copy())


def _fail(outcome: asyncio.Future[Any], reason: str) -> None:
    if not outcome.done():
        outcome.set_exception(StoreUnavailable(reason))
