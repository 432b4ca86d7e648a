"""The stored runs of one process: begun, read, stopped and listed by its handlers, and kept alive in the store."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ..concurrency.background_task import start_background_task
from ..concurrency.event_loop_thread import LoopThread, LoopUnavailable
from ..errors import (
    CallDecided,
    CallUnknown,
    InternalError,
    KeyReused,
    Overloaded,
    RunExpired,
    RunUnknown,
    Stopped,
    StoreAway,
    TooManyReaders,
    TooManyRuns,
)
from ..events.events import Event, Failed, Finished
from ..observability.metric_guard import MetricGuard
from ..observability.metric_values import MetricValues
from ..observability.store_metrics import StoreMetrics
from ..runs.run import Run
from ..runs.stores.base import Created, NewRun, RunRecord, RunState, RunStore, StoreUnavailable
from ..settings.storage import StorageSettings
from .consents import ALLOWED, ASKED, CALL_ID, DENIED, StoredConsents
from .environment import Environment
from .event_codec import decode_events
from .log_waiter import CATCH_UP_TIMEOUT, wait_for_number
from .measured_store import MeasuredStore
from .replica import Replica, end_number
from .stored_run import StoredRun, describe_end
from .subscription import StoredSubscription
from .upkeep import Upkeep
from .writer import StoreWriter

logger = logging.getLogger("sluice.store")

T = TypeVar("T")

# Seconds that a request waits for the store, in all.
CALL_TIMEOUT = 5.0
# Seconds that a request waits before its thread counts as held. A store of this machine answers in milliseconds.
SHORT_WAIT = 0.05
# Seconds without another try after the store could not be opened.
RETRY_OPEN = 1.0
# Seconds that a request waits for the end of a run that it stops, and between two looks at one of another process.
STOP_TIMEOUT = 2.0
STOP_POLL = 0.1
# Seconds for the last events of all runs to be written at the end of the process.
FLUSH_TIMEOUT = 2.0
# Characters of a digest of the host's name, before the random part of an id.
TAG_CHARS = 6


_CLOSED = "this process ends, and has closed the store"


class CursorAtEnd(Exception):
    """The reader has all events of the run, the terminal one as well."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run, and its terminal event where it has ended."""

    record: RunRecord
    end: Event | None


class StoredRuns:
    """The stored runs of one process. Any thread but the loop's may call the public methods, unless they say else.

    The store is opened by the first call that needs it. Whatever asks the store raises `Overloaded` where it would
    have to wait, and the server has no thread left for that.
    """

    def __init__(
        self,
        settings: StorageSettings,
        loop: LoopThread,
        heartbeat: float,
        environment: Environment | None = None,
        metrics: StoreMetrics | None = None,
    ) -> None:
        """Take the settings. Nothing is opened, so that a server may fork afterwards.

        Args:
            settings: Where runs are kept, and the limits.
            loop: The loop thread of all runs.
            heartbeat: Seconds without an event after which a reader is told so.
            environment: The clock, the stores and the threads; None for the real ones.
            metrics: Counts runs, and the calls to the store; None where nobody asks for them.
        """
        self.settings = settings
        self._metrics = metrics or StoreMetrics(MetricValues(None), MetricGuard())
        self._environment = environment or Environment()
        self._loop = loop
        self._heartbeat = heartbeat
        self._tag = hashlib.sha256(settings.instance_name.encode()).hexdigest()[:TAG_CHARS]
        self._made = None if settings.is_off else MeasuredStore(self._environment.make_store(settings), self._metrics)
        #: The same, once it is open.
        self._store: RunStore | None = None
        self._is_closed = False
        self._writer: StoreWriter | None = None
        self._opening: asyncio.Lock | None = None
        self._failed_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._runs: dict[str, StoredRun] = {}
        #: Runs without a reader that are being given their records, in the order in which they came, by their owner.
        self._beginning: dict[str, list[str]] = {}
        self._replicas: dict[str, Replica] = {}
        #: What waits for decisions, as long as its run does.
        self._consents: WeakValueDictionary[str, StoredConsents] = WeakValueDictionary()
        self._upkeep: Upkeep | None = None
        self._closing: Executor | None = None
        #: Runs that a thread ends.
        self._ending: set[Future[None]] = set()
        #: Holds the caller's thread where a call waits; raises `Overloaded` where as many are held as may be.
        self.hold_thread: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def is_off(self) -> bool:
        """Whether runs end with their connection."""
        return self.settings.is_off

    # ------------------------------------------------------------------ for handlers

    def begin(
        self,
        owner: str,
        open_run: Callable[[], Run],
        *,
        key: str = "",
        body_digest: str = "",
        attended: bool = True,
        replaces: bool = False,
        consents: StoredConsents | None = None,
    ) -> StoredSubscription:
        """Keep a new run, and take its first place; or the place of a reader of the run that has this key.

        Args:
            owner: Whose it is.
            open_run: Makes the run, whose log has to keep all. Called after the store has its record.
            key: The client's key, under which a second request joins the same run; empty for none.
            body_digest: What is asked under the key.
            attended: Whether the place is read. If not, the run counts as one without a reader from the beginning.
            replaces: Whether the new run takes the key from the one that has it, which is forgotten; unless that one
                still runs and is of the same digest.
            consents: Gets the run's id, and the decisions about it.

        Raises:
            KeyReused: The key was used for something else.
            StoreAway: The store does not answer.
            StoreFull: The store has no room for a further run.
            TooManyRuns: The owner has as many unread runs as it may. Where the place is not read.
            Exception: As `open_run`.
        """
        new = NewRun(self._tag + self._environment.make_id(), owner, self.settings.instance_name, key, body_digest)
        try:
            created = self._call(self._create(new, attended=attended))
        except (StoreAway, Overloaded):
            # The record may be there all the same. Whoever tries again with the key should not join a run of nobody.
            self._call_soon(self._discard, new.run_id)
            raise
        # A connection that repeats what it had no answer to finds its own record.
        if not created.is_new and created.run_id != new.run_id:
            if replaces and not self._runs_still(created.run_id, owner, same=created.body_digest == body_digest):
                with suppress(RunUnknown):
                    self.delete(created.run_id, owner)
                return self.begin(
                    owner, open_run, key=key, body_digest=body_digest, attended=attended, consents=consents
                )
            if created.body_digest != body_digest:
                raise KeyReused
            return self.subscribe(created.run_id, owner)
        if consents is not None:
            consents.run_id = new.run_id
            self._consents[new.run_id] = consents
        run: Run | None = None
        try:
            run = open_run()
            run.stored_id = new.run_id
            return self._call(self._adopt(new, run, attended=attended))
        except BaseException:
            if run is not None:
                run.close()
            self._call_soon(self._discard, new.run_id)
            raise

    def _runs_still(self, run_id: str, owner: str, *, same: bool) -> bool:
        if not same:
            return False
        try:
            return self.find(run_id, owner).record.state is RunState.RUNNING
        except (RunUnknown, RunExpired):
            return False

    def find_key(self, owner: str, key: str) -> str | None:
        """Return the id of the known run that an owner has begun with a key; None where there is none.

        Raises:
            StoreAway: The store does not answer.
        """
        return self._call(self._with_store(lambda store: store.find_key(owner, key)))

    def subscribe(self, run_id: str, owner: str, after: int = 0) -> StoredSubscription:
        """Take the place of a further reader. May wait for what the reader has seen already.

        Args:
            run_id: The run.
            owner: Who asks.
            after: The number of the last event that the reader has.

        Raises:
            CursorAtEnd: The reader has all, the terminal event as well.
            RunExpired: The run is known, and its events are gone.
            RunUnknown: There is no such run, or it is somebody else's.
            StoreAway: The store does not answer.
            TooManyReaders: As many read it as may.
        """
        return self._call(self._subscribe(run_id, owner, after), CALL_TIMEOUT + CATCH_UP_TIMEOUT)

    def find(self, run_id: str, owner: str) -> RunStatus:
        """Return what is known of a run.

        Raises:
            RunExpired: As `subscribe`.
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        return self._call(self._status(run_id, owner))

    def list_runs(self, owner: str | None, state: RunState | None = None) -> list[RunRecord]:
        """Return the runs of an owner, or of all, the newest first.

        Raises:
            StoreAway: The store does not answer.
        """
        return self._call(self._list(owner, state))

    def stop(self, run_id: str, owner: str | None) -> RunRecord:
        """Stop a run, and wait 2 seconds at most for its end. A run that has ended keeps its state.

        Args:
            run_id: The run.
            owner: Who asks; None for an operator, who may stop any.

        Raises:
            RunExpired: As `subscribe`.
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        return self._call(self._stop(run_id, owner))

    def make_consents(self) -> StoredConsents:
        """Return what waits for decisions about a run that `begin` is given."""
        return StoredConsents(self._with_store)

    def decide(self, run_id: str, owner: str, call_id: str, *, allow: bool) -> None:
        """Take a person's decision about a call that waits for it, on whichever worker.

        Args:
            run_id: The run.
            owner: Who decides.
            call_id: The call.
            allow: Whether it may run.

        Raises:
            CallDecided: It was decided before, or nobody has decided in time.
            CallUnknown: No such call waits for a decision.
            RunExpired: As `subscribe`.
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        self._call(self._decide(run_id, owner, call_id, ALLOWED if allow else DENIED))

    def delete(self, run_id: str, owner: str | None) -> None:
        """Stop a run, and forget it.

        Raises:
            RunUnknown: As `subscribe`.
            StoreAway: As `subscribe`.
        """
        with suppress(RunExpired):
            self._call(self._stop(run_id, owner))
        self._call(self._delete(run_id))

    def is_reachable(self) -> bool:
        """Return whether the store answers. Waits 5 seconds at most. Where runs are kept."""
        try:
            self._call(self._with_store(lambda store: store.find(self._tag)))
        except StoreAway:
            return False
        return True

    def release_readers(self) -> None:
        """End the connections of readers whose runs are other processes': they go on elsewhere. Does not wait."""
        self._call_soon(self._release_replicas)

    def _release_replicas(self) -> None:
        for replica in list(self._replicas.values()):
            replica.close()

    def wait_closed(self, timeout: float) -> None:
        """Wait for the threads that end runs, at most so many seconds. After `aclose`."""
        wait(list(self._ending), timeout)

    def _call(self, coroutine: Coroutine[Any, Any, T], timeout: float = CALL_TIMEOUT) -> T:
        try:
            return self._wait(self._loop.submit(coroutine), timeout)
        except StoreUnavailable as error:
            raise StoreAway(str(error)) from error
        except TimeoutError as error:
            raise StoreAway(f"the store did not answer within {timeout:g} s") from error
        except LoopUnavailable as error:
            raise InternalError(str(error)) from error

    def _wait(self, future: Future[T], timeout: float) -> T:
        """Wait for a result. Slow stores, and readers that are ahead of theirs, leave threads for other requests."""
        with suppress(TimeoutError):
            return future.result(SHORT_WAIT)
        try:
            with self.hold_thread():
                return future.result(timeout - SHORT_WAIT)
        except (Overloaded, TimeoutError):
            future.add_done_callback(_give_back)
            raise

    def _call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(LoopUnavailable):
            self._loop.call_soon(function, *arguments)

    # ------------------------------------------------------------------ the store; all below is for the loop's thread

    async def _with_store(self, function: Callable[[RunStore], Coroutine[Any, Any, T]]) -> T:
        return await function(await self._opened())

    async def _opened(self) -> RunStore:
        if self._store is not None:
            return self._store
        if self._is_closed:
            raise StoreUnavailable(_CLOSED)
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._store is None:
                await self._open()
            assert self._store is not None
            return self._store

    async def _open(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._failed_at and now - self._failed_at < RETRY_OPEN:
            raise StoreUnavailable("the store could not be opened a moment ago")
        store = self._made
        assert store is not None, "answers are not kept"
        try:
            await store.open(self._ring)
        except StoreUnavailable as error:
            # Once: each request may try again.
            level = logging.DEBUG if self._failed_at else logging.WARNING
            logger.log(level, "the store of runs cannot be opened: %s", error)
            self._failed_at = asyncio.get_running_loop().time()
            raise
        self._failed_at = 0.0
        self._writer = StoreWriter(store, self._forget)
        self._upkeep = Upkeep(
            store,
            self._writer,
            self._runs,
            self._replicas,
            settings=self.settings,
            clock=self._environment.clock,
            list_runs=self._list,
            forget=self._forget,
            metrics=self._metrics,
        )
        tasks = self._writer.write_forever(), self._upkeep.run_forever()
        self._tasks = [start_background_task(task) for task in tasks]
        self._store = store

    def _ring(self, run_id: str) -> None:
        if (replica := self._replicas.get(run_id)) is not None:
            replica.ring()
        elif run_id in self._runs and self._upkeep is not None:
            self._upkeep.ring(run_id)

    # ------------------------------------------------------------------ runs of this process

    async def _adopt(self, new: NewRun, run: Run, *, attended: bool) -> StoredSubscription:
        store, writer = self._store, self._writer
        if store is None:
            # Between the record and the run, the process has begun to end.
            raise StoreUnavailable(_CLOSED)
        assert writer is not None

        first: StoredSubscription | None = None

        def on_change(changed: StoredRun) -> None:
            writer.add(changed)
            if changed.log.has_ended:
                self._close_run(changed, first)

        stored = StoredRun(new.run_id, new.owner, run, self.settings, on_change, self._environment.clock)
        self._runs[new.run_id] = stored
        if attended:
            stored.enter()
        with suppress(StoreUnavailable):
            await store.watch(new.run_id, is_producer=True)
        first = StoredSubscription(self._loop, stored, self._heartbeat, run=run, is_counted=attended)
        return first

    def _close_run(self, stored: StoredRun, first: StoredSubscription | None) -> None:
        """End a run whose log has ended, on a thread. Called again with later changes."""
        if stored.is_closing:
            return
        stored.is_closing = True
        if stored.log.end is not None:
            state, reason = describe_end(stored.log.end)
            self._metrics.ended(str(state), reason)
        # It was handed to the store, whoever else reads it.
        stored.run.has_delivered_end = True
        if first is not None and first.take_over_run():
            return
        if self._closing is None:
            self._closing = self._environment.make_executor()
        ending = self._closing.submit(stored.run.close)
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _forget(self, stored: StoredRun) -> None:
        """Read a run from the store from now on: all of it is there."""
        if self._runs.pop(stored.run_id, None) is not None and self._store is not None:
            self._spawn(self._unwatch(self._store, stored.run_id))

    async def _unwatch(self, store: RunStore, run_id: str) -> None:
        # A reader may have come back meanwhile, and reads it from the store.
        if run_id not in self._replicas:
            with suppress(StoreUnavailable):
                await store.unwatch(run_id)

    def _discard(self, run_id: str) -> None:
        async def delete() -> None:
            with suppress(StoreUnavailable):
                await self._with_store(lambda store: store.delete(run_id))

        self._spawn(delete())

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = start_background_task(coroutine)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    # ------------------------------------------------------------------ readers

    async def _subscribe(self, run_id: str, owner: str, after: int) -> StoredSubscription:
        followed: StoredRun | Replica | None = self._runs.get(run_id)
        if followed is None:
            record = await self._known(run_id, owner)
            if record.state is not RunState.RUNNING and after == end_number(record):
                raise CursorAtEnd
            followed = self._runs.get(run_id) or self._replicas.get(run_id)
        elif followed.owner != owner:
            raise RunUnknown
        if followed is None:
            followed = Replica(run_id, owner, await self._opened(), self._drop)
            self._replicas[run_id] = followed
        if followed.readers >= self.settings.max_readers:
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
        if self._replicas.get(replica.run_id) is replica:
            del self._replicas[replica.run_id]

    async def _known(self, run_id: str, owner: str | None) -> RunRecord:
        """Return a run's record for its owner.

        Raises:
            RunExpired: Its events are gone.
            RunUnknown: There is no such run, or it is somebody else's.
        """
        record = await self._with_store(lambda store: store.find(run_id))
        if record is None or (owner is not None and record.owner != owner):
            if record is None and not run_id.startswith(self._tag) and self.settings.store.startswith("sqlite:"):
                logger.warning(
                    "run %s was begun on another host, whose store this one cannot read: several hosts need a common "
                    "SLUICE_STORE, such as redis://host:6379/0",
                    run_id[: TAG_CHARS + 2],
                )
            raise RunUnknown
        if record.is_expired:
            raise RunExpired
        return record

    async def _list(self, owner: str | None, state: RunState | None) -> list[RunRecord]:
        """Return runs, with what this process knows of its own, which the store has a moment later."""
        listed = await self._with_store(lambda store: store.list_runs(owner))
        known = [self._runs[record.run_id].record() if record.run_id in self._runs else record for record in listed]
        return [record for record in known if state is None or record.state is state]

    async def _status(self, run_id: str, owner: str) -> RunStatus:
        stored = self._runs.get(run_id)
        if stored is not None:
            if stored.owner != owner:
                raise RunUnknown
            return RunStatus(stored.record(), stored.log.end)
        record, events = await self._known(run_id, owner), list[Event]()
        if record.state is not RunState.RUNNING:
            page = await self._with_store(lambda store: store.read(run_id, record.last_number - 1, 1))
            events = decode_events(page.batches[-1].payload) if page is not None and page.batches else []
        return RunStatus(record, events[-1] if events and isinstance(events[-1], Finished | Failed) else None)

    async def _decide(self, run_id: str, owner: str, call_id: str, decision: str) -> None:
        stored = self._runs.get(run_id)
        if stored is None:
            await self._known(run_id, owner)
        elif stored.owner != owner:
            raise RunUnknown
        # The store has its end a moment later.
        if not CALL_ID.fullmatch(call_id) or (stored is not None and stored.has_ended):
            raise CallUnknown
        before = await self._with_store(lambda store: store.mark(run_id, call_id, ASKED, decision))
        if not before:
            raise CallUnknown
        if before != ASKED:
            raise CallDecided
        if (consents := self._consents.get(run_id)) is not None:
            consents.wake()

    async def _stop(self, run_id: str, owner: str | None) -> RunRecord:
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
        stored = self._runs.get(run_id)
        if stored is not None:
            if owner is not None and stored.owner != owner:
                raise RunUnknown
            stored.run.stop(Stopped())
            # `stop` has put its work at the end of the loop's queue.
            await asyncio.sleep(0)
            return stored.record()
        record: RunRecord | None = await self._known(run_id, owner)
        if record is not None and record.state is RunState.RUNNING:
            record = await self._with_store(lambda store: store.request_stop(run_id, "stopped"))
        while (
            record is not None and record.state is RunState.RUNNING and asyncio.get_running_loop().time() < deadline
        ):
            await asyncio.sleep(STOP_POLL)
            record = await self._with_store(lambda store: store.find(run_id))
        if record is None:
            raise RunUnknown
        return record

    async def _delete(self, run_id: str) -> None:
        store = await self._opened()
        stored = self._runs.get(run_id)
        if stored is not None:
            # Nothing more of it is written.
            stored.is_lost = True
            self._forget(stored)
        await store.delete(run_id)

    async def _create(self, new: NewRun, *, attended: bool) -> Created:
        """Give a run its record, or find the run of its key.

        Raises:
            TooManyRuns: It would be one run more without a reader than its owner may have.
        """
        store = await self._opened()
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
        assert self._upkeep is not None
        unattended = await self._upkeep.unattended(new.owner)
        is_refused = (
            len({*earlier, *(run.run_id for run in unattended)} - {new.run_id}) >= self.settings.max_unattended
        )
        if is_refused and not new.key:
            raise TooManyRuns
        created = await store.create(new)
        if is_refused and created.is_new:
            await store.delete(new.run_id)
            raise TooManyRuns
        return created

    # ------------------------------------------------------------------ the end

    async def aclose(self) -> None:
        """Write the last events of all runs, for 2 seconds at most, and close the store. Runs should have ended."""
        self._is_closed = True
        store, self._store = self._store, None
        if store is None:
            return
        assert self._writer is not None
        now = asyncio.get_running_loop().time
        deadline = now() + FLUSH_TIMEOUT
        tasks = self._tasks
        for task in tasks:
            task.cancel()
        # An append that was under way is written again below.
        await asyncio.gather(*tasks, return_exceptions=True)
        self._release_replicas()
        while now() < deadline and not all(run.is_written for run in self._runs.values()):
            await self._writer.write()
            if self._writer.is_away:
                await asyncio.sleep(STOP_POLL)
        unwritten = sum(not run.is_written for run in self._runs.values())
        if unwritten:
            logger.warning("the ends of %d runs were not written: the store is away", unwritten)
            self._metrics.left_unwritten(unwritten)
        self._runs.clear()
        if self._upkeep is not None:
            self._upkeep.observe([])
        if self._closing is not None:
            self._closing.shutdown(wait=False)
        await store.close()


def _give_back(late: Future[Any]) -> None:
    """Give up a place at a run that came when nobody waited for it any more."""
    if not late.cancelled() and late.exception() is None and isinstance(late.result(), StoredSubscription):
        late.result().close()
