"""A store whose calls are measured: their duration, outcome, and what was written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ..observability.store_metrics import StoreMetrics
from ..runs.stores.base import (
    Answer,
    Append,
    Created,
    Lease,
    NewRun,
    Page,
    RunRecord,
    RunState,
    RunStore,
    StoreFull,
    StoreUnavailable,
)

T = TypeVar("T")


class MeasuredStore(RunStore):
    """Passes each call on to a store, and counts it. For the loop's thread, as the store."""

    def __init__(self, store: RunStore, metrics: StoreMetrics) -> None:
        """Take a store, and what counts its calls."""
        self._store = store
        self._metrics = metrics

    async def open(self, ring: Callable[[str], None]) -> None:
        """See `RunStore`."""
        await self._measure("open", self._store.open(ring))

    async def close(self) -> None:
        """See `RunStore`."""
        await self._measure("close", self._store.close())

    async def create(self, run: NewRun) -> Created:
        """See `RunStore`."""
        return await self._measure("create", self._store.create(run))

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        """See `RunStore`."""
        answers = await self._measure("append", self._store.append(appends))
        taken = zip(appends, answers, strict=True)
        self._metrics.wrote(sum(len(each.batch.payload) for each, answer in taken if answer.refusal is None))
        return answers

    async def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        """See `RunStore`."""
        return await self._measure("renew", self._store.renew(leases))

    async def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        """See `RunStore`."""
        await self._measure("attend", self._store.attend(run_ids, seconds))

    async def find(self, run_id: str) -> RunRecord | None:
        """See `RunStore`."""
        return await self._measure("find", self._store.find(run_id))

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        """See `RunStore`."""
        return await self._measure("read", self._store.read(run_id, after, max_bytes))

    async def find_key(self, owner: str, key: str) -> str | None:
        """See `RunStore`."""
        return await self._measure("find_key", self._store.find_key(owner, key))

    async def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """See `RunStore`."""
        return await self._measure("list_runs", self._store.list_runs(owner, state))

    async def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        """See `RunStore`."""
        return await self._measure("request_stop", self._store.request_stop(run_id, reason))

    async def mark(self, run_id: str, name: str, expected: str, value: str) -> str | None:
        """See `RunStore`."""
        return await self._measure("mark", self._store.mark(run_id, name, expected, value))

    async def find_mark(self, run_id: str, name: str) -> str:
        """See `RunStore`."""
        return await self._measure("find_mark", self._store.find_mark(run_id, name))

    async def reap(self, end: bytes) -> list[str]:
        """See `RunStore`."""
        reaped = await self._measure("reap", self._store.reap(end))
        if reaped:
            self._metrics.reaped(len(reaped))
        return reaped

    async def delete(self, run_id: str) -> bool:
        """See `RunStore`."""
        return await self._measure("delete", self._store.delete(run_id))

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        """See `RunStore`."""
        await self._measure("watch", self._store.watch(run_id, is_producer))

    async def unwatch(self, run_id: str) -> None:
        """See `RunStore`."""
        await self._measure("unwatch", self._store.unwatch(run_id))

    async def size(self) -> int:
        """See `RunStore`."""
        return await self._measure("size", self._store.size())

    async def _measure(self, operation: str, call: Awaitable[T]) -> T:
        now = asyncio.get_running_loop().time
        began, outcome = now(), "error"
        try:
            result = await call
            outcome = "ok"
        except StoreUnavailable:
            outcome = "unavailable"
            raise
        except StoreFull:
            outcome = "full"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._metrics.observe_call(operation, outcome, now() - began)
        return result
