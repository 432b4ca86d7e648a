"""A store in a SQLite file: for the workers of one machine. Runs outlive a restart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ...concurrency.background_task import start_background_task
from .base import (
    Answer,
    Append,
    Created,
    Lease,
    NewRun,
    Page,
    RunRecord,
    RunState,
    StoreLimits,
    StoreUnavailable,
)
from .sqlite_bell import Bell
from .sqlite_file import DatabaseFile
from .sqlite_runs import DataVersion, StoredRuns, Version
from .sqlite_thread import DatabaseThread

logger = logging.getLogger("sluice.store")

# Seconds after which an operation has failed. Its outcome is unknown where it had begun.
TIMEOUT = 2.0
# Seconds between two looks at whether the file has changed, while a run is watched: for rings that were lost.
POLL_INTERVAL = 1.0
# The part of the timeout for which SQLite waits for a lock, so that the error says that it was a lock.
_LOCK_PART = 0.75

T = TypeVar("T")


class SqliteStore:
    """A `RunStore` in a file on a local disk, for several processes. For the loop's thread, which it never blocks.

    One thread writes, and one reads. Nothing is opened before `open`, so that a store may be made before a fork.
    """

    def __init__(
        self,
        path: Path,
        limits: StoreLimits | None = None,
        *,
        timeout: float = TIMEOUT,
        poll_interval: float = POLL_INTERVAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep what is needed; open nothing.

        Args:
            path: The file. It is made with mode 0600, and its folder with mode 0700.
            limits: The store's limits; None for the usual ones.
            timeout: Seconds after which a method raises `StoreUnavailable`.
            poll_interval: Seconds between two looks for changes that have not rung.
            clock: Returns the time in seconds since 1970. Called on the store's threads.
        """
        self._limits = limits or StoreLimits()
        self._timeout = timeout
        self._poll_interval = poll_interval
        self._clock = clock
        self._file = DatabaseFile(path, busy_timeout=timeout * _LOCK_PART, max_bytes=self._limits.max_bytes)
        self._ring: Callable[[str], None] = lambda run_id: None
        self._bell: Bell | None = None
        self._writer: DatabaseThread | None = None
        self._reader: DatabaseThread | None = None
        #: What the last look has seen of each watched run; None before the first.
        self._watched: dict[str, Version | None] = {}
        #: Of these the runs of this process, whose own appends do not ring.
        self._produced: set[str] = set()
        self._poll: asyncio.Task[None] | None = None

    async def open(self, ring: Callable[[str], None]) -> None:
        """See `RunStore.open`."""
        self._ring = ring
        if self._writer is None or self._reader is None:
            self._bell = bell = Bell(self._file.path, self._ring_watched)
            self._writer = DatabaseThread(
                self._file, self._limits, self._clock, reads_only=False, on_change=bell.ring
            )
            self._reader = DatabaseThread(self._file, self._limits, self._clock, reads_only=True)
        try:
            await self._write(StoredRuns.size)
            await self._read(StoredRuns.size)
            if self._bell is not None and not self._bell.is_open:
                self._bell.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See `RunStore.close`."""
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.cancel()
            await asyncio.wait([poll])
        self._watched.clear()
        self._produced.clear()
        threads = [thread for thread in (self._writer, self._reader) if thread is not None]
        self._writer = self._reader = None
        for thread in threads:
            thread.stop()
        if threads:
            _, stuck = await asyncio.wait(
                [asyncio.wrap_future(thread.ended) for thread in threads], timeout=self._timeout
            )
            for each in stuck:
                each.cancel()
            if stuck:
                logger.warning("SQLite store %s was not closed within %g s", self._file.path, self._timeout)
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.close()

    async def create(self, run: NewRun) -> Created:
        """See `RunStore.create`."""
        return await self._write(lambda runs: runs.create(run))

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        """See `RunStore.append`. All that is taken is taken in one transaction."""
        return await self._write(lambda runs: runs.append(appends))

    async def renew(self, leases: Sequence[Lease]) -> list[Answer]:
        """See `RunStore.renew`."""
        return await self._write(lambda runs: runs.renew(leases))

    async def attend(self, run_ids: Sequence[str], seconds: float) -> None:
        """See `RunStore.attend`."""
        await self._write(lambda runs: runs.attend(run_ids, seconds))

    async def find(self, run_id: str) -> RunRecord | None:
        """See `RunStore.find`."""
        return await self._read(lambda runs: runs.find(run_id))

    async def read(self, run_id: str, after: int, max_bytes: int) -> Page | None:
        """See `RunStore.read`."""
        return await self._read(lambda runs: runs.read(run_id, after, max_bytes))

    async def find_key(self, owner: str, key: str) -> str | None:
        """See `RunStore.find_key`."""
        return await self._read(lambda runs: runs.find_key(owner, key))

    async def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """See `RunStore.list_runs`."""
        return await self._read(lambda runs: runs.list_runs(owner, state))

    async def request_stop(self, run_id: str, reason: str) -> RunRecord | None:
        """See `RunStore.request_stop`."""
        record = await self._write(lambda runs: runs.request_stop(run_id, reason))
        self._ring_watched([run_id])
        return record

    async def mark(self, run_id: str, name: str, expected: str, value: str) -> str | None:
        """See `RunStore.mark`."""
        return await self._write(lambda runs: runs.mark(run_id, name, expected, value))

    async def find_mark(self, run_id: str, name: str) -> str:
        """See `RunStore.find_mark`."""
        return await self._read(lambda runs: runs.find_mark(run_id, name))

    async def reap(self, end: bytes) -> list[str]:
        """See `RunStore.reap`."""
        run_ids = await self._write(lambda runs: runs.reap(end))
        self._ring_watched(run_ids)
        return run_ids

    async def delete(self, run_id: str) -> bool:
        """See `RunStore.delete`."""
        was_known = await self._write(lambda runs: runs.delete(run_id))
        self._ring_watched([run_id])
        return was_known

    async def watch(self, run_id: str, is_producer: bool = False) -> None:
        """See `RunStore.watch`."""
        if is_producer:
            self._produced.add(run_id)
        else:
            self._produced.discard(run_id)
        self._watched.setdefault(run_id, None)
        if self._poll is None or self._poll.done():
            self._poll = start_background_task(self._poll_changes())

    async def unwatch(self, run_id: str) -> None:
        """See `RunStore.unwatch`."""
        self._watched.pop(run_id, None)
        self._produced.discard(run_id)

    async def size(self) -> int:
        """See `RunStore.size`."""
        return await self._read(StoredRuns.size)

    # ------------------------------------------------------------------ inside

    async def _write(self, work: Callable[[StoredRuns], T]) -> T:
        return await self._execute(self._writer, work)

    async def _read(self, work: Callable[[StoredRuns], T]) -> T:
        return await self._execute(self._reader, work)

    async def _execute(self, thread: DatabaseThread | None, work: Callable[[StoredRuns], T]) -> T:
        if thread is None:
            raise StoreUnavailable(f"SQLite store {self._file.path}: is not open")
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(thread.submit(work))
        except TimeoutError:
            raise StoreUnavailable(
                f"SQLite store {self._file.path}: did not answer within {self._timeout:g} s"
            ) from None

    def _ring_watched(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            if run_id in self._watched:
                self._ring(run_id)

    async def _poll_changes(self) -> None:
        """Ring for watched runs that have changed, for as long as any is watched."""
        seen: DataVersion | None = None
        while self._watched:
            await asyncio.sleep(self._poll_interval)
            # A run that was watched meanwhile must be looked at, even where the file has not changed since.
            last = None if None in self._watched.values() else seen
            watched = list(self._watched)
            try:
                seen, versions = await self._read(lambda runs: _changes(runs, last, watched))  # noqa: B023
            except StoreUnavailable as error:
                logger.debug("changes of the store are looked for again in %g s: %s", self._poll_interval, error)
                continue
            for run_id, version in versions.items():
                if run_id in self._produced:
                    version = (0, *version[1:])
                if self._watched.get(run_id, version) != version:
                    self._watched[run_id] = version
                    self._ring(run_id)


def _changes(
    runs: StoredRuns, seen: DataVersion | None, run_ids: Iterable[str]
) -> tuple[DataVersion, dict[str, Version]]:
    """Return the file's version, and those of runs; no run's where the file's version was seen before."""
    version = runs.data_version()
    return version, {} if version == seen else runs.versions(run_ids)
