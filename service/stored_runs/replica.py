"""A run of another process, or one that has ended: a log that is filled from the store for readers of this one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..concurrency.background_task import start_background_task
from ..errors import InternalError, Interrupted
from ..events.events import Failed
from ..runs.log import RunLog
from ..runs.stores.base import Page, RunRecord, RunStore, StoreUnavailable, cut_id
from .event_codec import BadPayload, decode_events

logger = logging.getLogger("sluice.store")

# Bytes of one read, which is decoded in one turn of the loop: 5 ms, where each event is one token.
PAGE_BYTES = 64 * 1024
# Seconds between two looks, where no bell has rung.
POLL_INTERVAL = 1.0
# Seconds for which readers wait for a store that is away. Then their connection ends, and they try again elsewhere.
PATIENCE = 10.0


# More events than any log has. Where a producer was lost, its readers may have seen events that it had not written.
# The end that a reaper has written has a number above all of theirs.
UNSEEN = 10**9


def was_reaped(record: RunRecord) -> bool:
    """Return whether a reaper has ended a run."""
    return record.epoch > 1


def end_number(record: RunRecord) -> int:
    """Return the number of a run's last event, as readers have it."""
    return record.last_number + (UNSEEN if was_reaped(record) else 0)


class Replica:
    """One run, followed once for all its readers in this process. For the loop's thread."""

    def __init__(self, run_id: str, owner: str, store: RunStore, on_close: Callable[[Replica], None]) -> None:
        """Begin to read a run from its first event.

        Args:
            run_id: Its id.
            owner: Whose it is.
            store: An open store.
            on_close: Called where the run is followed no more, and again where the last reader has left.
        """
        self.run_id = run_id
        self.owner = owner
        self.log = RunLog(keeps_all=True)
        #: Readers in this process.
        self.readers = 0
        self._store = store
        self._on_close = on_close
        self._rung = asyncio.Event()
        self._task = start_background_task(self._follow())

    def enter(self) -> None:
        """Count one reader more."""
        self.readers += 1

    def leave(self) -> None:
        """Count one reader less; end with the last one."""
        self.readers -= 1
        if not self.readers:
            self._task.cancel()
            self._on_close(self)

    def close(self) -> None:
        """Release the readers, whose connections end without a terminal event: they go on elsewhere."""
        self._task.cancel()
        self._release()

    def _release(self) -> None:
        # First, so that those who come back at once do not find a log that was closed.
        self._on_close(self)
        self.log.close()

    def ring(self) -> None:
        """Take note that the run has changed."""
        self._rung.set()

    async def _follow(self) -> None:
        try:
            await self._read_to_end()
        except BadPayload as error:
            logger.error("run %s cannot be read: %s", cut_id(self.run_id), error)
            self.log.end_gap = UNSEEN
            self.log.append([Failed(InternalError("a batch of a stored run is not readable"))])
        except Exception:
            logger.exception("unhandled exception where run %s is followed", cut_id(self.run_id))
            self._release()

    async def _read_to_end(self) -> None:
        now = asyncio.get_running_loop().time
        away_since: float | None = None
        await self._watch()
        try:
            while not self.log.has_ended:
                self._rung.clear()
                try:
                    page = await self._store.read(self.run_id, self.log.last_number, PAGE_BYTES)
                except StoreUnavailable:
                    away_since = now() if away_since is None else away_since
                    if now() - away_since > PATIENCE:
                        self._release()
                        return
                    await asyncio.sleep(POLL_INTERVAL)
                    continue
                away_since = None
                if not self._append(page):
                    await self._wait_for_ring()
        finally:
            await self._unwatch()

    def _append(self, page: Page | None) -> bool:
        """Append what a page has; return whether there may be more at once."""
        if page is None or page.record.is_expired:
            self.log.end_gap = UNSEEN
            self.log.append([Failed(Interrupted("the store has lost the run"))])
            return False
        if was_reaped(page.record):
            self.log.end_gap = UNSEEN
        for batch in page.batches:
            events = decode_events(batch.payload)
            # The first batch may begin before what the log wants.
            self.log.append(events[max(0, self.log.last_number + 1 - batch.first) :])
        return bool(page.batches)

    async def _wait_for_ring(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._rung.wait()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        try:
            await self._store.watch(self.run_id)
        except StoreUnavailable:
            logger.debug("no bell for run %s: its reader looks each second", cut_id(self.run_id))

    async def _unwatch(self) -> None:
        try:
            await self._store.unwatch(self.run_id)
        except StoreUnavailable:
            logger.debug("the store is away, and its bells with it")
