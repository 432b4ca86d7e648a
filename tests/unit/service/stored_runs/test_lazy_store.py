"""The store of a process is opened once, by the first call, and is closed by the one that takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sluice.service.runs.stores.base import RunStore, StoreLimits, StoreUnavailable
from sluice.service.runs.stores.memory import MemoryStore
from sluice.service.stored_runs import lazy_store
from sluice.service.stored_runs.lazy_store import LazyStore


class SlowStore(MemoryStore):
    """A store whose opening waits to be told; it counts how often it was opened and closed."""

    def __init__(self) -> None:
        super().__init__(StoreLimits(kept=60.0, max_bytes=1000))
        self.may_open = asyncio.Event()
        self.is_opening = asyncio.Event()
        self.failures = 0
        self.opened = 0
        self.closed = 0

    async def open(self, ring: Callable[[str], None]) -> None:
        self.opened += 1
        self.is_opening.set()
        await self.may_open.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        await super().open(ring)

    async def close(self) -> None:
        self.closed += 1
        await super().close()


def opened(store: RunStore) -> tuple[LazyStore, list[RunStore]]:
    calls: list[RunStore] = []
    return LazyStore(store, lambda _: None, calls.append), calls


def test_calls_that_come_at_the_same_time_open_the_store_once() -> None:
    async def scenario() -> None:
        slow = SlowStore()
        store, calls = opened(slow)
        slow.may_open.set()
        assert await asyncio.gather(store.get(), store.get()) == [slow, slow]
        assert (slow.opened, calls) == (1, [slow])
        taken = store.take()
        assert taken is slow
        await slow.close()

    asyncio.run(scenario())


def test_a_store_that_could_not_be_opened_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        slow = SlowStore()
        slow.failures = 1
        slow.may_open.set()
        store, calls = opened(slow)
        for said in ("away", "the store could not be opened a moment ago"):
            with pytest.raises(StoreUnavailable, match=said):
                await store.get()
        assert (slow.opened, calls, store.is_open) == (1, [], False)
        monkeypatch.setattr(lazy_store, "RETRY_OPEN", 0.0)
        assert await store.get() is slow
        assert store.take() is slow
        await slow.close()

    asyncio.run(scenario())


def test_a_store_that_is_taken_while_it_opens_is_closed_again() -> None:
    async def scenario() -> None:
        slow = SlowStore()
        store, calls = opened(slow)
        asked = [asyncio.create_task(store.get()) for _ in range(2)]
        await slow.is_opening.wait()
        assert store.take() is None
        slow.may_open.set()
        for task in asked:
            with pytest.raises(StoreUnavailable, match="has closed the store"):
                await task
        assert (slow.opened, slow.closed, calls, store.is_open) == (1, 1, [], False)

    asyncio.run(scenario())


def test_a_store_that_was_taken_answers_no_further_call() -> None:
    async def scenario() -> None:
        slow = SlowStore()
        slow.may_open.set()
        store, _ = opened(slow)
        await store.get()
        assert store.take() is slow
        assert store.take() is None
        with pytest.raises(StoreUnavailable, match="has closed the store"):
            await store.call(lambda it: it.list_runs(None))
        await slow.close()

    asyncio.run(scenario())
