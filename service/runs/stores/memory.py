"""A store in the process's memory: for one worker, and for tests. A restart forgets its runs."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .base import (
    Answer,
    Append,
    Batch,
    Created,
    Lease,
    NewRun,
    Page,
    Refusal,
    RunRecord,
    RunState,
    StoreFull,
    StoreLimits,
)
from .rules import LISTED, MAX_EXPIRED, MAX_RUNS, check_append, check_lease


@dataclass(slots=True, eq=False)
class _StoredRun:
    """A run with its events. `expires` is 0 while it runs."""

    new: NewRun
    created: float
    lease: float
    state: RunState = RunState.RUNNING
    reason: str = ""
    epoch: int = 1
    last_number: int = 0
    size: int = 0
    ended: float = 0.0
    expires: float = 0.0
    attended_until: float = 0.0
    stop: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.last_number = batch.last
        self.size += len(batch.payload)

    def attend(self, until: float) -> None:
        self.attended_until = max(self.attended_until, until)

    def answer(self, refusal: Refusal | None) -> Answer:
        return Answer(refusal, self.last_number + 1, self.stop, self.attended_until)

    def is_expired(self, now: float) -> bool:
        return self.state is not RunState.RUNNING and now >= self.expires

    def record(self, now: float) -> RunRecord:
        return RunRecord(
            run_id=self.new.run_id,
            owner=self.new.owner,
            state=self.state,
            reason=self.reason,
            last_number=self.last_number,
            size=self.size,
            epoch=self.epoch,
            producer=self.new.producer,
            created=self.created,
            ended=self.ended,
            expires=self.expires,
            attended_until=self.attended_until,
            stop=self.stop,
            is_expired=self.is_expired(now),
        )


class _Contents:
    """What connections to one store share. Each dictionary of runs is in the order in which runs came into it."""

    def __init__(self, limits: StoreLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.clock = clock
        self.runs: dict[str, _StoredRun] = {}
        self.running: dict[str, _StoredRun] = {}
        self.ended: dict[str, _StoredRun] = {}
        #: Records without batches.
        self.expired: dict[str, _StoredRun] = {}
        self.by_owner: dict[str, dict[str, _StoredRun]] = {}
        self.by_key: dict[tuple[str, str], _StoredRun] = {}
        self.size = 0
        #: In the order in which they began to watch, so that rings have an order.
        self.watchers: dict[str, dict[MemoryStore, None]] = {}

    def find(self, run_id: str) -> _StoredRun | None:
        """Return a run that is known at this time."""
        run = self.runs.get(run_id)
        return run if run is None or self.is_known(run) else None

    def is_known(self, run: _StoredRun) -> bool:
        return run.state is RunState.RUNNING or self.clock() < run.expires + self.limits.known

    def add(self, run: _StoredRun) -> None:
        run_id, owner = run.new.run_id, run.new.owner
        self.runs[run_id] = self.running[run_id] = run
        self.by_owner.setdefault(owner, {})[run_id] = run
        if run.new.key:
            self.by_key[owner, run.new.key] = run

    def append(self, run: _StoredRun, batch: Batch) -> None:
        run.add(batch)
        self.size += len(batch.payload)

    def end(self, run: _StoredRun, state: RunState, reason: str) -> None:
        now = self.clock()
        run.state, run.reason, run.ended, run.expires = state, reason, now, now + self.limits.kept
        self.ended[run.new.run_id] = self.running.pop(run.new.run_id)

    def expire(self) -> None:
        """Drop the events of runs that have expired, and what is no longer known."""
        now = self.clock()
        for run in list(self.ended.values()):
            if not run.is_expired(now):
                break
            run.batches = []
            self.size -= run.size
            self.expired[run.new.run_id] = self.ended.pop(run.new.run_id)
        for run in list(self.expired.values()):
            if self.is_known(run) and len(self.expired) <= MAX_EXPIRED:
                break
            self.forget(run)

    def forget(self, run: _StoredRun) -> None:
        run_id, owner, key = run.new.run_id, run.new.owner, run.new.key
        if run_id not in self.expired:
            self.size -= run.size
        for runs in (self.runs, self.running, self.ended, self.expired, self.by_owner[owner]):
            runs.pop(run_id, None)
        if not self.by_owner[owner]:
            del self.by_owner[owner]
        if key:
            del self.by_key[owner, key]


class MemoryStore:
    """A `RunStore` whose runs are lost with the process. For the loop's thread; no method waits."""

    def __init__(self, limits: StoreLimits | None = None, clock: Callable[[], float] = time.time) -> None:
        """Begin an empty store.

        Args:
            limits: Its limits; None for the usual ones.
            clock: Returns the time in seconds since 1970.
        """
        self._contents = _Contents(limits or StoreLimits(), clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ring: Callable[[str], None] = lambda run_id: None
        self._watched: set[str] = set()

    def connect(self) -> MemoryStore:
        """Return another connection to the same runs, as another worker has it. It must be opened, too."""
        other = MemoryStore()
        other._contents = self._contents
        return other

    async def open(self, ring: Callable[[str], None]) -> None:
        """See `RunStore.open`."""
        self._loop, self._ring = asyncio.get_running_loop(), ring

    async def close(self) -> None:
        """See `RunStore.close`. The runs stay for other connections."""
        for run_id in list(self._watched):
            await self.unwatch(run_id)
        self._loop = None

    async def create(self, run: NewRun) -> Created:
        """See `RunStore.create`."""
        contents = self._contents
        contents.expire()
        known = contents.runs.get(run.run_id)
        if known is None and run.key:
            known = contents.by_key.get((run.owner, run.key))
        if known is not None:
            return Created(known.new.run_id, is_new=False, body_digest=known.new.body_digest)
        kept = len(contents.running) + len(contents.ended)
        if contents.size >= contents.limits.max_bytes or kept >= MAX_RUNS:
            raise StoreFull(f"the store holds {contents.size} bytes of {kept} runs, which is as much as it may")
        now = contents.clock()
        contents.add(_StoredRun(run, created=now, lease=now + contents.limits.lease))
        return Created(run.run_id, is_new=True, body_digest=run.body_digest)

    async def find_key(self, owner: str, key: str) -> str | None:
        """See `RunStore.find_key`."""
        self._contents.expire()
        known = self._contents.by_key.get((owner, key))
        return None if known is None else known.new.run_id

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        """See `RunStore.append`."""
        return [self._append(each) for each in appends]

    def _append(self, append: Append) -> Answer:
        contents = self._contents
        run = contents.find(append.run_id)
        if run is None:
            return Answer(Refusal.UNKNOWN, 0)
        refusal = check_append(append, state=run.state, run_epoch=run.epoch, last_number=run.last_number)
        if refusal is not None:
            return run.answer(refusal)
        contents.append(run, append.batch)
        run.lease = contents.clock() + contents.limits.lease
        if append.end is not None:
            contents.end(run, append.end, append.reason)
        self._tell(append.run_id, except_self=True)
        return run.answer(None)

    async def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        """See `RunStore.renew`."""
        return [self._renew(each) for each in leases]

    def _renew(self, lease: Lease) -> Answer:
        run = self._contents.find(lease.run_id)
        if run is None:
            return Answer(Refusal.UNKNOWN, 0)
        refusal = check_lease(lease.epoch, state=run.state, run_epoch=run.epoch)
        if refusal is None:
            now = self._contents.clock()
            run.lease = now + self._contents.limits.lease
            if lease.attended:
                run.attend(now + lease.attended)
        return run.answer(refusal)

    async def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        """See `RunStore.attend`."""
        for run_id in run_ids:
            if (run := self._contents.find(run_id)) is not None:
                run.attend(self._contents.clock() + seconds)

    async def find(self, run_id: str) -> RunRecord | None:
        """See `RunStore.find`."""
        run = self._contents.find(run_id)
        return None if run is None else run.record(self._contents.clock())

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        """See `RunStore.read`."""
        run = self._contents.find(run_id)
        if run is None:
            return None
        record = run.record(self._contents.clock())
        page: list[Batch] = []
        if not record.is_expired:
            size = 0
            for index in range(bisect_right(run.batches, after, key=lambda batch: batch.last), len(run.batches)):
                batch = run.batches[index]
                page.append(batch)
                size += len(batch.payload)
                if size >= max_bytes:
                    break
        return Page(page, record)

    async def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """See `RunStore.list_runs`."""
        contents, now = self._contents, self._contents.clock()
        runs = contents.runs if owner is None else contents.by_owner.get(owner, {})
        found: list[RunRecord] = []
        for run in reversed(runs.values()):
            if not run.is_expired(now) and (state is None or run.state is state):
                found.append(run.record(now))
                if len(found) == LISTED:
                    break
        return found

    async def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        """See `RunStore.request_stop`."""
        run = self._contents.find(run_id)
        if run is None:
            return None
        if run.state is RunState.RUNNING:
            run.stop = run.stop or reason
            self._tell(run_id)
        return run.record(self._contents.clock())

    async def mark(self, run_id: str, name: str, expected: str, value: str) -> str | None:
        """See `RunStore.mark`."""
        run = self._contents.find(run_id)
        if run is None or run.state is not RunState.RUNNING:
            return None
        before = run.marks.get(name, "")
        if before == expected:
            run.marks[name] = value
        return before

    async def find_mark(self, run_id: str, name: str) -> str:
        """See `RunStore.find_mark`."""
        run = self._contents.find(run_id)
        return "" if run is None else run.marks.get(name, "")

    async def reap(self, end: bytes) -> list[str]:
        """See `RunStore.reap`."""
        contents, now = self._contents, self._contents.clock()
        lost = [run for run in contents.running.values() if run.lease <= now]
        for run in lost:
            contents.append(run, Batch(run.last_number + 1, 1, end))
            run.epoch += 1
            contents.end(run, RunState.INTERRUPTED, RunState.INTERRUPTED)
            self._tell(run.new.run_id)
        contents.expire()
        return [run.new.run_id for run in lost]

    async def delete(self, run_id: str) -> bool:
        """See `RunStore.delete`."""
        run = self._contents.find(run_id)
        if run is None:
            return False
        self._contents.forget(run)
        self._tell(run_id)
        return True

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        """See `RunStore.watch`."""
        self._watched.add(run_id)
        self._contents.watchers.setdefault(run_id, {})[self] = None

    async def unwatch(self, run_id: str) -> None:
        """See `RunStore.unwatch`."""
        self._watched.discard(run_id)
        watchers = self._contents.watchers.get(run_id, {})
        watchers.pop(self, None)
        if not watchers:
            self._contents.watchers.pop(run_id, None)

    async def size(self) -> int:
        """See `RunStore.size`."""
        return self._contents.size

    def _tell(self, run_id: str, *, except_self: bool = False) -> None:
        """Ring in the connections that watch a run, once the caller has returned to the loop."""
        for store in self._contents.watchers.get(run_id, ()):
            if store._loop is not None and not (except_self and store is self):
                store._loop.call_soon(store._ring_if_watched, run_id)

    def _ring_if_watched(self, run_id: str) -> None:
        if run_id in self._watched:
            self._ring(run_id)
