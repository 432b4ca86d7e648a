"""Keeps the stored runs of one process alive in the store, and ends those that nobody reads or produces any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from ..errors import Interrupted, Stopped
from ..events.events import Failed
from ..observability.store_metrics import StoreMetrics
from ..runs.stores.base import Lease, RunRecord, RunStore, StoreUnavailable, cut_id
from ..settings.records.storage import StorageSettings
from .event_codec import encode_events
from .replica import Replica
from .stored_run import StoredRun
from .writer import StoreWriter

logger = logging.getLogger("sluice.store")

# Seconds between two signs of life for the store, and two looks for runs whose process is gone. A stop by another
# process is seen with one of them at the latest.
SIGN_OF_LIFE_INTERVAL = 0.7
# Seconds for which readers stand for a run after the last sign of life of their process.
READER_LEASE = 5.0
# Seconds for which an append stands for a sign of life: longer than the writer's longest interval, or runs that are
# appended to would be renewed as well. The sum of both is a second, within which a stop is seen.
APPENDED_WITHIN = 0.3
# Seconds for which the store knows enough of a run's readers: half of their lease.
ATTENDED_WITHIN = 2.5

_INTERRUPTED = encode_events([Failed(Interrupted())])


class Upkeep:
    """Signs of life for runs and readers, and the ends of runs that have none. For the loop's thread."""

    def __init__(
        self,
        store: RunStore,
        writer: StoreWriter,
        runs: Mapping[str, StoredRun],
        replicas: Mapping[str, Replica],
        *,
        settings: StorageSettings,
        clock: Callable[[], float],
        list_unattended: Callable[[str], Awaitable[list[RunRecord]]],
        forget: Callable[[StoredRun], None],
        metrics: StoreMetrics,
    ) -> None:
        """Take an open store, and what is kept of the process's runs.

        Args:
            store: The store.
            writer: Gives up runs that the store has lost, and tells how late it is.
            runs: The runs of this process, by their ids.
            replicas: The runs of others that are read here.
            settings: The limits.
            clock: Returns the time in seconds since 1970.
            list_unattended: Returns an owner's runs without a reader, those first that have had none for longest.
            forget: Called with a run that is kept no more.
            metrics: Shows what there is now.
        """
        self._store = store
        self._writer = writer
        self._runs = runs
        self._replicas = replicas
        self._settings = settings
        self._clock = clock
        self._list_unattended = list_unattended
        self._forget = forget
        self._metrics = metrics
        self._rung: set[str] = set()
        self._wake = asyncio.Event()

    def ring(self, run_id: str) -> None:
        """Ask the store at once what it says of a run. Does nothing where the run is another process's."""
        self._rung.add(run_id)
        self._wake.set()

    async def run_forever(self) -> None:
        """Give signs of life until cancelled."""
        now = asyncio.get_running_loop().time
        tick_at = now() + SIGN_OF_LIFE_INTERVAL
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(tick_at):
                    await self._wake.wait()
            self._wake.clear()
            rung, self._rung = self._rung, set()
            # Rings do not put off the signs of life of the other runs.
            is_due = now() >= tick_at
            if is_due:
                tick_at = now() + SIGN_OF_LIFE_INTERVAL
                self._stop_lost()
            runs = [run for run in self._runs.values() if not (run.has_ended or run.is_lost)]
            if is_due:
                self.observe(runs)
            try:
                await self._renew(self._choose(runs, rung, now() if is_due else None))
                if not is_due:
                    continue
                if self._replicas:
                    await self._store.attend(list(self._replicas), READER_LEASE)
                await self._reap()
                await self._stop_unattended(runs)
            except StoreUnavailable as error:
                logger.debug("the store is away: %s", error)
                self._stop_abandoned(runs)
                self._give_up_unwritten()
            except Exception:
                logger.exception("unhandled exception in the upkeep of stored runs")

    def observe(self, runs: Sequence[StoredRun]) -> None:
        """Show these runs in the metrics, and who reads here."""
        attended = sum(1 for run in runs if run.readers)
        followed: list[StoredRun | Replica] = [*self._runs.values(), *self._replicas.values()]
        self._metrics.observe_runs(
            attended=attended,
            unattended=len(runs) - attended,
            readers=sum(each.readers for each in followed),
            lag=self._writer.lag,
        )

    def _give_up_unwritten(self) -> None:
        """Forget runs that have ended and were not written for as long as they would have been kept."""
        oldest = self._clock() - self._settings.kept
        for run in [run for run in self._runs.values() if run.has_ended and 0.0 < run.ended_at < oldest]:
            logger.warning("run %s is forgotten: the store was away since its end", cut_id(run.run_id))
            run.is_lost = True
            self._forget(run)

    @staticmethod
    def _choose(runs: Sequence[StoredRun], rung: set[str], now: float | None) -> list[StoredRun]:
        """Return the runs to renew: those that were rung for, and at each tick those that need it."""
        if now is None:
            return [run for run in runs if run.run_id in rung]
        return [
            run
            for run in runs
            if run.run_id in rung
            or run.needs_renewal(now, appended_within=APPENDED_WITHIN, attended_within=ATTENDED_WITHIN)
        ]

    async def _renew(self, runs: Sequence[StoredRun]) -> None:
        if not runs:
            return
        leases = [Lease(run.run_id, run.epoch, READER_LEASE if run.readers else 0.0) for run in runs]
        answers = await self._store.renew(leases)
        now = asyncio.get_running_loop().time()
        for run, lease, answer in zip(runs, leases, answers, strict=True):
            if lease.attended:
                run.told_readers_at = now
            run.obey(answer)
            if run.is_lost:
                self._writer.add(run)

    async def _reap(self) -> None:
        for run_id in await self._store.reap(_INTERRUPTED):
            logger.warning("run %s is interrupted: its process has given no sign of life", cut_id(run_id))

    def _stop_lost(self) -> None:
        """Stop runs that the store has lost, once their last reader has left: nobody else can come to them."""
        for run in self._runs.values():
            if run.is_lost and not (run.readers or run.has_ended):
                run.run.stop(Stopped("abandoned"))

    def _stop_abandoned(self, runs: Sequence[StoredRun]) -> None:
        seconds = self._settings.abandoned_after
        oldest = self._clock() - seconds
        for run in runs:
            if run.unattended_since < oldest:
                logger.info("run %s is stopped: nobody has read it for %g s", cut_id(run.run_id), seconds)
                run.run.stop(Stopped("abandoned"))

    async def _stop_unattended(self, runs: Sequence[StoredRun]) -> None:
        """Stop runs that were left too long ago, and those of an owner who has left too many."""
        self._stop_abandoned(runs)
        now = self._clock()
        owners: dict[str, None] = {}
        for run in runs:
            if not run.limit_checked and run.unattended_since <= now:
                run.limit_checked = True
                owners[run.owner] = None
        for owner in owners:
            unattended = await self._list_unattended(owner)
            for record in unattended[: max(0, len(unattended) - self._settings.max_unattended)]:
                await self._store.request_stop(record.run_id, "abandoned")
                self.ring(record.run_id)
