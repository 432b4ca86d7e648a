"""The runs that one process knows: its own, which it writes to the store, and those that it reads from there."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from ..concurrency.background_task import start_background_task
from ..concurrency.event_loop_thread import LoopThread
from ..errors import CallDecided, CallUnknown, RunExpired, RunUnknown, Stopped, TooManyReaders, TooManyRuns
from ..events.events import Event, Failed, Finished
from ..observability.store_metrics import StoreMetrics
from ..runs.run import Run
from ..runs.stores.base import Created, NewRun, RunRecord, RunState, RunStore, StoreUnavailable
from ..settings.records.storage import StorageSettings
from .consents import ASKED, CALL_ID, StoredConsents
from .environment import Environment
from .event_codec import decode_events
from .lazy_store import LazyStore
from .log_waiter import wait_for_number
from .measured_store import MeasuredStore
from .replica import Replica, end_number
from .run_closer import RunCloser
from .stored_run import StoredRun
from .subscription import StoredSubscription
from .upkeep import Upkeep
from .writer import StoreWriter

logger = logging.getLogger("sluice.store")

# Seconds that a request waits for the end of a run that it stops, and between two looks at one of another process.
STOP_TIMEOUT = 2.0
STOP_POLL = 0.1
# Seconds for the last events of all runs to be written at the end of the process.
FLUSH_TIMEOUT = 2.0
# Characters of a digest of the host's name, before the random part of an id.
TAG_CHARS = 6


class CursorAtEnd(Exception):
    """The reader has all events of the run, the terminal one as well."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run, and its terminal event where it has ended."""

    record: RunRecord
    end: Event | None


class RunRegistry:
    """The runs of one process, and the store. For the loop's thread, except where a method says else.

    Where the store does not answer, each method that asks it raises `StoreUnavailable`.
    """

    def __init__(
        self,
        settings: StorageSettings,
        loop: LoopThread,
        heartbeat: float,
        environment: Environment,
        metrics: StoreMetrics,
        closer: RunCloser,
    ) -> None:
        """Take the settings, on any thread. Nothing is opened.

        Args:
            settings: Where runs are kept, and the limits.
            loop: The loop thread of all runs.
            heartbeat: Seconds without an event after which a reader is told so.
            environment: The clock and the stores.
            metrics: Counts runs, and the calls to the store.
            closer: Ends runs.
        """
        #: The runs of this process, and those that it reads from the store, by their ids.
        self.runs: dict[str, StoredRun] = {}
        self.replicas: dict[str, Replica] = {}
        store = None if settings.is_off else MeasuredStore(environment.make_store(settings), metrics)
        self.store = LazyStore(store, self._ring, self._start_upkeep)
        self._settings = settings
        self._loop = loop
        self._heartbeat = heartbeat
        self._clock = environment.clock
        self._metrics = metrics
        self._closer = closer
        self._make_random_id = environment.make_id
        self._tag = hashlib.sha256(settings.instance_name.encode()).hexdigest()[:TAG_CHARS]
        #: Runs without a reader that are being given their records, in the order in which they came, by their owner.
        self._beginning: dict[str, list[str]] = {}
        #: What waits for decisions, as long as its run does.
        self._consents: WeakValueDictionary[str, StoredConsents] = WeakValueDictionary()
        #: Both are there once the store is open.
        self._writer: StoreWriter | None = None
        self._upkeep: Upkeep | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _start_upkeep(self, store: RunStore) -> None:
        self._writer = StoreWriter(store, self._let_go)
        self._upkeep = Upkeep(
            store,
            self._writer,
            self.runs,
            self.replicas,
            settings=self._settings,
            clock=self._clock,
            list_unattended=self._list_unattended,
            forget=self._let_go,
            metrics=self._metrics,
        )
        tasks = self._writer.write_forever(), self._upkeep.run_forever()
        self._tasks = [start_background_task(task) for task in tasks]

    def _ring(self, run_id: str) -> None:
        if (replica := self.replicas.get(run_id)) is not None:
            replica.ring()
        elif run_id in self.runs and self._upkeep is not None:
            self._upkeep.ring(run_id)

    # ------------------------------------------------------------------ the beginning of a run

    def make_id(self) -> str:
        """Return the id of a new run. Any thread may call this."""
        return self._tag + self._make_random_id()

    async def create(self, new: NewRun, *, attended: bool) -> Created:
        """Give a run its record, or find the run of its key.

        Args:
            new: What the record is made of.
            attended: Whether the run has a reader from the beginning.

        Raises:
            StoreFull: The store has no room for a further run.
            TooManyRuns: It would be one run more without a reader than its owner may have.
        """
        store = await self.store.get()
        if attended:
            return await store.create(new)
        beginning = self._beginning.setdefault(new.owner, [])
        # Those that have come before, and may not be in the store yet.
        earlier = list(beginning)
        beginning.append(new.run_id)
        try:
            return await self._create_unattended(store, new, earlier)
        finally:
            beginning.remove(new.run_id)
            if not beginning:
                del self._beginning[new.owner]

    async def _create_unattended(self, store: RunStore, new: NewRun, earlier: Sequence[str]) -> Created:
        unattended = await self._list_unattended(new.owner)
        is_refused = (
            len({*earlier, *(run.run_id for run in unattended)} - {new.run_id}) >= self._settings.max_unattended
        )
        if is_refused and not new.key:
            raise TooManyRuns
        created = await store.create(new)
        if is_refused and created.is_new:
            await store.delete(new.run_id)
            raise TooManyRuns
        return created

    async def _list_unattended(self, owner: str) -> list[RunRecord]:
        """Return an owner's runs without a reader, those first that have had none for longest."""
        runs = await self.list_runs(owner, RunState.RUNNING)
        # Taken after the list was fetched: a run may have been left meanwhile.
        now = self._clock()
        return sorted(
            (run for run in runs if run.attended_until <= now),
            key=lambda run: run.attended_until or run.created,
        )

    def add_consents(self, run_id: str, consents: StoredConsents) -> None:
        """Take what waits for decisions about a run that is about to begin. Any thread may call this."""
        consents.run_id = run_id
        self._consents[run_id] = consents

    async def adopt(self, new: NewRun, run: Run, *, attended: bool) -> StoredSubscription:
        """Keep a run that has its record, and return its first place. Closes nothing where it fails.

        Args:
            new: What the record was made of.
            run: The run.
            attended: Whether the place is read.
        """
        store = await self.store.get()
        writer = self._writer
        assert writer is not None
        first: StoredSubscription | None = None

        def on_change(changed: StoredRun) -> None:
            writer.add(changed)
            if changed.log.has_ended:
                self._closer.close(changed, first)

        stored = StoredRun(new.run_id, new.owner, run, self._settings, on_change, self._clock)
        self.runs[new.run_id] = stored
        if attended:
            stored.enter()
        with suppress(StoreUnavailable):
            await store.watch(new.run_id, is_producer=True)
        first = StoredSubscription(self._loop, stored, self._heartbeat, run=run, is_counted=attended)
        return first

    def discard(self, run_id: str) -> None:
        """Delete the record of a run that did not begin, without waiting for it."""

        async def delete() -> None:
            with suppress(StoreUnavailable):
                await self.store.call(lambda store: store.delete(run_id))

        self._spawn(delete())

    def _let_go(self, stored: StoredRun) -> None:
        """Keep a run here no more. Who reads it from now on, reads what the store has of it."""
        if self.runs.pop(stored.run_id, None) is not None and self.store.is_open:
            self._spawn(self._unwatch(stored.run_id))

    async def _unwatch(self, run_id: str) -> None:
        # A reader may have come back meanwhile, and reads it from the store.
        if run_id not in self.replicas:
            with suppress(StoreUnavailable):
                await self.store.call(lambda store: store.unwatch(run_id))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = start_background_task(coroutine)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    # ------------------------------------------------------------------ runs that have begun

    async def subscribe(self, run_id: str, owner: str, after: int) -> StoredSubscription:
        """See `StoredRuns.subscribe`."""
        followed: StoredRun | Replica | None = self.runs.get(run_id)
        if followed is None:
            record = await self._known(run_id, owner)
            if record.state is not RunState.RUNNING and after == end_number(record):
                raise CursorAtEnd
            followed = self.runs.get(run_id) or self.replicas.get(run_id)
        elif followed.owner != owner:
            raise RunUnknown
        if followed is None:
            followed = Replica(run_id, owner, await self.store.get(), self._drop)
            self.replicas[run_id] = followed
        if followed.readers >= self._settings.max_readers:
            raise TooManyReaders
        followed.enter()
        try:
            await wait_for_number(followed.log, after)
            log = followed.log
            if log.has_ended and log.end is None:
                raise StoreUnavailable("the run is followed no more")
            if log.has_ended and after >= log.last_number:
                if not log.end_gap or after == log.last_number + log.end_gap:
                    raise CursorAtEnd
                # The reader has seen events that the store never got.
                after = log.last_number - 1
            if after:
                self._metrics.resumed("local" if isinstance(followed, StoredRun) else "replica")
            return StoredSubscription(self._loop, followed, self._heartbeat, after=after)
        except BaseException:
            followed.leave()
            raise

    def _drop(self, replica: Replica) -> None:
        if self.replicas.get(replica.run_id) is replica:
            del self.replicas[replica.run_id]

    async def _known(self, run_id: str, owner: str | None) -> RunRecord:
        """Return a run's record for its owner.

        Raises:
            RunExpired: Its events are gone.
            RunUnknown: There is no such run, or it is somebody else's.
        """
        record = await self.store.call(lambda store: store.find(run_id))
        if record is None or (owner is not None and record.owner != owner):
            if record is None and not run_id.startswith(self._tag) and self._settings.store.startswith("sqlite:"):
                logger.warning(
                    "run %s was begun on another host, whose store this one cannot read: several hosts need a common "
                    "SLUICE_STORE, such as redis://host:6379/0",
                    run_id[: TAG_CHARS + 2],
                )
            raise RunUnknown
        if record.is_expired:
            raise RunExpired
        return record

    async def list_runs(self, owner: str | None, state: RunState | None) -> list[RunRecord]:
        """Return runs, with what this process knows of its own, which the store has a moment later."""
        before = dict(self.runs)
        listed = await self.store.call(lambda store: store.list_runs(owner))
        # A run that has ended and was written meanwhile is here no more, and the store's answer is from before that.
        ours = before | self.runs
        known = [ours[record.run_id].record() if record.run_id in ours else record for record in listed]
        return [record for record in known if state is None or record.state is state]

    async def find(self, run_id: str, owner: str) -> RunStatus:
        """See `StoredRuns.find`."""
        stored = self.runs.get(run_id)
        if stored is not None:
            if stored.owner != owner:
                raise RunUnknown
            return RunStatus(stored.record(), stored.log.end)
        record = await self._known(run_id, owner)
        events: list[Event] = []
        if record.state is not RunState.RUNNING:
            page = await self.store.call(lambda store: store.read(run_id, record.last_number - 1, 1))
            events = decode_events(page.batches[-1].payload) if page is not None and page.batches else []
        return RunStatus(record, events[-1] if events and isinstance(events[-1], Finished | Failed) else None)

    async def decide(self, run_id: str, owner: str, call_id: str, decision: str) -> None:
        """Take a decision, as a call's mark has it (`StoredRuns.decide`)."""
        stored = self.runs.get(run_id)
        if stored is None:
            await self._known(run_id, owner)
        elif stored.owner != owner:
            raise RunUnknown
        # The store has its end a moment later.
        if not CALL_ID.fullmatch(call_id) or (stored is not None and stored.has_ended):
            raise CallUnknown
        before = await self.store.call(lambda store: store.mark(run_id, call_id, ASKED, decision))
        if not before:
            raise CallUnknown
        if before != ASKED:
            raise CallDecided
        if (consents := self._consents.get(run_id)) is not None:
            consents.wake()

    async def stop(self, run_id: str, owner: str | None) -> RunRecord:
        """See `StoredRuns.stop`."""
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
        stored = self.runs.get(run_id)
        if stored is not None:
            if owner is not None and stored.owner != owner:
                raise RunUnknown
            stored.run.stop(Stopped())
            # `stop` has put its work at the end of the loop's queue.
            await asyncio.sleep(0)
            return stored.record()
        record: RunRecord | None = await self._known(run_id, owner)
        if record is not None and record.state is RunState.RUNNING:
            record = await self.store.call(lambda store: store.request_stop(run_id, "stopped"))
        while (
            record is not None and record.state is RunState.RUNNING and asyncio.get_running_loop().time() < deadline
        ):
            await asyncio.sleep(STOP_POLL)
            record = await self.store.call(lambda store: store.find(run_id))
        if record is None:
            raise RunUnknown
        return record

    async def delete(self, run_id: str) -> None:
        """Forget a run, whosever it is."""
        store = await self.store.get()
        stored = self.runs.get(run_id)
        if stored is not None:
            # Nothing more of it is written.
            stored.is_lost = True
            self._let_go(stored)
        await store.delete(run_id)

    async def check_store(self) -> None:
        """Ask the store for something that is not there, to see whether it answers."""
        await self.store.call(lambda store: store.find(self._tag))

    # ------------------------------------------------------------------ the end

    def release_replicas(self) -> None:
        """End the connections of readers whose runs are other processes': they go on elsewhere."""
        for replica in list(self.replicas.values()):
            replica.close()

    async def aclose(self) -> None:
        """Write the last events of all runs, for 2 seconds at most, and close the store. Runs should have ended."""
        store = self.store.take()
        if store is None:
            return
        assert self._writer is not None
        assert self._upkeep is not None
        now = asyncio.get_running_loop().time
        deadline = now() + FLUSH_TIMEOUT
        tasks = self._tasks
        for task in tasks:
            task.cancel()
        # An append that was under way is written again below.
        await asyncio.gather(*tasks, return_exceptions=True)
        self.release_replicas()
        while now() < deadline and not all(run.is_written for run in self.runs.values()):
            await self._writer.write()
            if self._writer.is_away:
                await asyncio.sleep(STOP_POLL)
        unwritten = sum(not run.is_written for run in self.runs.values())
        if unwritten:
            logger.warning("the ends of %d runs were not written: the store is away", unwritten)
            self._metrics.left_unwritten(unwritten)
        self.runs.clear()
        self._upkeep.observe([])
        self._closer.shut_down()
        await store.close()
