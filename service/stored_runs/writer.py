"""Writes what stored runs append into the store, behind them: no token waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from ..runs.stores.base import Answer, Append, Refusal, RunStore, StoreUnavailable, cut_id
from .stored_run import StoredRun

logger = logging.getLogger("sluice.store")

# Seconds in which events are gathered for one transaction: readers of other processes are that late.
INTERVAL = 0.03
# A transaction costs by its runs, and hardly by their events. Runs for which nobody waits in other processes are
# written less often: after so many seconds for each of them, at most `LONGEST_INTERVAL`. With 40 runs of 50 tokens a
# second a batch has twelve tokens, not one or two: docs/decisions/0087-answers-that-outlive-their-connection.md.
INTERVAL_PER_RUN = 0.00625
LONGEST_INTERVAL = 0.25
# Events of one transaction, about: to encode them takes a few milliseconds of the loop. There may be many after the
# store was away.
EVENTS_PER_TRANSACTION = 4000
# Seconds until the next try, where the store is away: the first and the longest.
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 2.0


class StoreWriter:
    """Follows the stored runs of one process. For the loop's thread."""

    def __init__(self, store: RunStore, on_done: Callable[[StoredRun], None]) -> None:
        """Take an open store.

        Args:
            store: The store.
            on_done: Called with a run that has ended, once all of it is written or cannot be.
        """
        self._store = store
        self._on_done = on_done
        self._changed: dict[StoredRun, None] = {}
        self._wake = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._pause = 0.0
        #: When all runs are written again, on the loop's clock.
        self._due_at = 0.0
        #: When the oldest event came that is not written, on the loop's clock; None where there is none: of those in
        #: an append that is not answered, and of the others.
        self._appending_since: float | None = None
        self._waiting_since: float | None = None

    @property
    def lag(self) -> float:
        """Seconds since the oldest event that is not written; 0 where all is written."""
        since = self._waiting_since if self._appending_since is None else self._appending_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    @property
    def is_away(self) -> bool:
        """Whether the last write failed."""
        return self._pause > 0.0

    def add(self, run: StoredRun) -> None:
        """Write what a run has appended, soon."""
        self._changed[run] = None
        if run.is_urgent:
            self._is_urgent.set()
        if not self._wake.is_set():
            self._wake.set()
            if self._waiting_since is None:
                self._waiting_since = asyncio.get_running_loop().time()

    async def write_forever(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            if not self._pause:
                await self._wait_due()
            await asyncio.sleep(self._pause or INTERVAL)
            try:
                await self._write_due()
            except Exception:
                logger.exception("unhandled exception in the writer of stored runs")
                self._pause = LONGEST_PAUSE

    async def _wait_due(self) -> None:
        """Wait until what has changed is nearly due, or something is urgent. Looks each interval would cost more."""
        delay = self._due_at - INTERVAL - asyncio.get_running_loop().time()
        if delay > 0 and not self._is_urgent.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._is_urgent.wait()

    async def _write_due(self) -> None:
        """Write all runs that have changed, or only the urgent ones where the others can wait."""
        self._is_urgent.clear()
        now = asyncio.get_running_loop().time()
        if now < self._due_at:
            await self.write([run for run in self._changed if run.is_urgent])
            return
        self._due_at = now + min(LONGEST_INTERVAL, INTERVAL_PER_RUN * len(self._changed))
        await self.write()

    async def write(self, chosen: Sequence[StoredRun] | None = None) -> None:
        """Write one batch of each run that has changed, or of as many as one transaction takes.

        Args:
            chosen: The runs, of those that have changed; None for all of them.
        """
        changed: Iterable[StoredRun]
        since = self._waiting_since
        if chosen is None or len(chosen) == len(self._changed):
            changed, self._changed = self._changed, {}
            self._wake.clear()
            self._waiting_since = None
        else:
            changed = chosen
            for run in chosen:
                del self._changed[run]
        runs, done, appends, count = [], [], [], 0
        for run in changed:
            run.expect_event()
            if run.is_written:
                done.append(run)
            elif count < EVENTS_PER_TRANSACTION:
                try:
                    appends.append(run.next_append())
                except Exception:
                    # Any defect of one run: the others of the process are written.
                    logger.exception("run %s cannot be written, and ends with its readers", cut_id(run.run_id))
                    run.is_lost = True
                    done.append(run)
                    continue
                runs.append(run)
                count += appends[-1].batch.count
            else:
                self.add(run)
                self._waiting_since = since
                self._due_at = 0.0
        if appends:
            self._appending_since = since
            try:
                answers = await self._store.append(appends)
            except StoreUnavailable as error:
                self._wait_for_store(runs, error)
                self._waiting_since = since
            except BaseException:
                # Cancelled: whether they were appended, the store says when it is asked again.
                for run in runs:
                    self.add(run)
                self._waiting_since = since
                raise
            else:
                self._pause = 0.0
                for run, append, answer in zip(runs, appends, answers, strict=True):
                    self._accept(run, append, answer)
                done += runs
            finally:
                self._appending_since = None
        for run in done:
            if not run.is_written:
                self.add(run)
            elif run.has_ended:
                self._on_done(run)

    def _wait_for_store(self, runs: list[StoredRun], error: StoreUnavailable) -> None:
        if not self._pause:
            logger.warning(
                "the store is away (%s): %d answers go on from memory, and are written when it is back",
                error,
                len(runs),
            )
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
        for run in runs:
            self.add(run)

    def _accept(self, run: StoredRun, append: Append, answer: Answer) -> None:
        match answer.refusal:
            case None:
                run.note_written(append.batch, asyncio.get_running_loop().time())
            case Refusal.DUPLICATE | Refusal.GAP:
                # An append whose outcome was unknown, or that the store has lost again.
                run.written = answer.next_number - 1
        run.obey(answer)
        if run.is_lost:
            self.add(run)
