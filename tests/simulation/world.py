"""Runs one simulation from its plan, and checks what has to hold at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from random import Random
from typing import Any

from sluice.service.errors import RunExpired, RunUnknown, StoreAway
from sluice.service.events.events import Failed, Finished
from sluice.service.runs.stores.base import LEASE, StoreLimits
from sluice.service.runs.stores.memory import MemoryStore
from sluice.service.settings.records.storage import StorageSettings
from sluice.service.stored_runs.lazy_store import RETRY_OPEN
from sluice.service.stored_runs.stored_run import describe_end
from sluice.service.stored_runs.upkeep import READER_LEASE, SIGN_OF_LIFE_INTERVAL

from .client import Reader, Starter
from .ledger import Ledger, ProviderCall, Violation
from .network import TIMEOUT, Network
from .plan import BUSY, Fault, FaultKind, Plan, RunPlan, make_plan
from .virtual_loop import Process, VirtualLoop
from .worker import EPOCH, RUN_ID, Worker

# Seconds within which a reader has the terminal event of a run whose process was killed.
END_WITHIN = 10.0
# Seconds within which a provider's answer is closed after a stop, or after its lease was lost.
STOP_WITHIN = 1.0
# Seconds between two looks at who is attached.
LOOK = 0.5
# Seconds that a simulation takes at most, of virtual time.
LONGEST = 1500.0
# Seconds within which a process holds nothing any more, once all has ended.
EMPTY_WITHIN = 12.0


class World:
    """One simulation."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.plan = plan or make_plan(seed)
        self.rng = Random(f"world {seed}")
        self.loop = VirtualLoop()
        self.traces: list[str] = []
        #: Provider seconds after a lease was lost, a stop or the last reader, beyond what is allowed and within.
        self.orphaned = 0.0
        plan = self.plan
        store = MemoryStore(StoreLimits(kept=plan.kept), lambda: EPOCH + self.loop.time())
        self.ledger = Ledger(store)
        self.network = Network(self.loop, self.rng, store, self.ledger, plan.rings)
        self._settings = StorageSettings(
            store="memory:",
            abandoned_after=plan.abandoned_after,
            max_unattended=plan.max_unattended,
            kept=plan.kept,
            max_readers=plan.max_readers,
            max_run_bytes=plan.max_run_bytes,
            instance="host",
        )
        self._ids = count(1)
        self._names = count(1)
        self._workers: list[Worker] = []
        self._all_workers: list[Worker] = []
        #: When a process could not reach the store, by its name, and when none was there.
        self._troubles: dict[str, list[tuple[float, float]]] = {}
        self._readers: list[Reader] = []
        self._tasks: list[asyncio.Task[None]] = []

    def run(self) -> None:
        """Run it.

        Raises:
            Violation: An invariant does not hold.
        """
        self.play(self._play())

    def play(self, scenario: Coroutine[Any, Any, None]) -> None:
        """Run something else than the plan, with the plan's workers once `start` was called."""
        with _errors_logged() as errors:
            try:
                self.loop.run(scenario)
                if errors:
                    raise Violation(f"an error was logged: {errors[0]}")
            finally:
                for worker in self._all_workers:
                    worker.bury()
                self.loop.close()

    def trace(self, what: str) -> None:
        self.traces.append(f"{self.loop.time():.6f} {what}")

    def any_worker(self) -> Worker | None:
        """Return a worker that a client's connection comes to."""
        alive = [worker for worker in self._workers if not worker.process.is_dead]
        return self.rng.choice(alive) if alive else None

    def is_expired(self, run_id: str) -> bool:
        history = self.ledger.histories[run_id]
        return history.end is not None and self.loop.time() >= history.ended_at + self.plan.kept

    def start(self) -> list[Worker]:
        """Start the plan's workers."""
        self._workers = [self._start_worker(number) for number in range(self.plan.workers)]
        return self._workers

    # ------------------------------------------------------------------ what happens

    async def _play(self) -> None:
        self.start()
        for number, run in enumerate(self.plan.runs):
            self._spawn(self._play_run(run, f"run{number}"))
        faults = [self._spawn(self._play_fault(fault)) for fault in self.plan.faults]
        looking = self.loop.create_task(self._look_forever())
        async with asyncio.timeout(LONGEST):
            await asyncio.gather(*faults)
            await asyncio.sleep(max(0.0, BUSY - self.loop.time()))
            self._check_failed_tasks()
            await self._wait_for_readers()
            await self._wait_for_calls()
            # Until then no store is opened that could not be a moment ago.
            await asyncio.sleep(2 * RETRY_OPEN)
            for worker in self._workers:
                # Whoever has opened the store also looks for runs whose process is gone.
                with suppress(StoreAway):
                    await worker.ask(lambda worker=worker: worker.runs.list_runs(None))  # type: ignore[misc]
            # For what ended last to be written, and those to be found.
            await asyncio.sleep(END_WITHIN + TIMEOUT)
        looking.cancel()
        self._check_ends()
        for calls in self.ledger.calls.values():
            for call in calls:
                self._check_call(call)
        for reader in self._readers:
            self._check_bound(reader)
        self._check_leases()
        await self._check_empty()
        await self._check_store_forgets()

    def _spawn(self, coroutine: object) -> asyncio.Task[None]:
        task = self.loop.create_task(coroutine)  # type: ignore[arg-type]
        self._tasks.append(task)
        return task

    def _check_failed_tasks(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _wait_for_readers(self) -> None:
        while not all(task.done() for task in self._tasks):
            self._check_failed_tasks()
            await asyncio.sleep(0.5)
            if self.loop.time() > LONGEST - 10:
                open_readers = [reader.name for reader in self._readers if reader.end is None and not reader.gone]
                raise Violation(f"readers wait for ever: {open_readers}")
        self._check_failed_tasks()

    async def _wait_for_calls(self) -> None:
        while any(call.closed is None for calls in self.ledger.calls.values() for call in calls):
            await asyncio.sleep(1.0)
            if self.loop.time() > LONGEST - 5:
                raise Violation("a provider's answer goes on for ever")

    def _start_worker(self, number: int) -> Worker:
        process = Process(f"worker{number}.{next(self._names)}")
        self._troubles[process.name] = []

        def make_id() -> str:
            made = f"{next(self._ids):032x}"
            RUN_ID.set(worker.runs.registry._tag + made)
            return made

        worker = Worker(
            self.loop, self.network, self.ledger, process, self._settings, self.plan.skews[number], make_id,
            self._check_abandoned,
        )  # fmt: skip
        self._all_workers.append(worker)
        return worker

    async def _play_fault(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        worker = self._workers[fault.worker]
        process, link = worker.process, self.network.link(worker.process)
        begun, until = self.loop.time(), self.loop.time() + fault.duration
        self.trace(f"{fault.kind} of {process.name} for {fault.duration:.3f} s")
        if process.is_dead:
            return
        if fault.kind in (FaultKind.KILL, FaultKind.RESTART):
            if fault.kind is FaultKind.RESTART and not process.is_paused:
                await worker.drain()
            if process.is_dead:
                return
            worker.kill(keeps_sent=fault.kind is FaultKind.RESTART or self.rng.random() < 0.5)
            nobody = all(each.process.is_dead for each in self._workers)
            await asyncio.sleep(fault.duration)
            if nobody or all(each.process.is_dead for each in self._workers):
                for troubles in self._troubles.values():
                    troubles.append((begun, self.loop.time()))
            self._workers[fault.worker] = self._start_worker(fault.worker)
            return
        # A call may wait for an answer that was lost.
        self._troubles[process.name].append((begun, until + TIMEOUT))
        match fault.kind:
            case FaultKind.PAUSE:
                if not process.is_paused:
                    self.loop.pause(process)
                    await asyncio.sleep(fault.duration)
                    self.loop.resume(process)
            case FaultKind.CUT | FaultKind.REFUSE:
                link.is_down, link.is_refused = True, fault.kind is FaultKind.REFUSE
                await asyncio.sleep(fault.duration)
                link.is_down = link.is_refused = False
            case FaultKind.SLOW:
                link.latency = (0.02, fault.share * 3.0)
                await asyncio.sleep(fault.duration)
                link.latency = type(link)().latency
            case FaultKind.FLAKY:
                link.lost_requests = link.lost_answers = link.late = link.twice = fault.share / 3
                link.flaky_until = until
                await asyncio.sleep(fault.duration)
                link.lost_requests = link.lost_answers = link.late = link.twice = 0.0

    async def _play_run(self, plan: RunPlan, name: str) -> None:
        await asyncio.sleep(plan.at)
        starter = Starter(self, plan, name)
        begun = await starter.begin()
        if begun is None:
            self.trace(f"{name} could not begin")
            return
        run_id, connection = begun
        for number, reader_plan in enumerate(plan.readers):
            reader = Reader(self, run_id, plan.owner, reader_plan, f"{name}.reader{number}")
            self._readers.append(reader)
            self._spawn(self._play_reader(reader, None if number else connection))
        if plan.stop_at is not None:
            self._spawn(self._change(plan.stop_at, run_id, plan.owner, "stop"))
        if plan.delete_at is not None:
            self._spawn(self._change(plan.delete_at, run_id, plan.owner, "delete"))

    async def _play_reader(self, reader: Reader, connection: object) -> None:
        await asyncio.sleep(reader.plan.at)
        await reader.read(connection)  # type: ignore[arg-type]

    async def _change(self, after: float, run_id: str, owner: str, name: str) -> None:
        """Stop or delete a run on any worker, until it succeeds."""
        await asyncio.sleep(after)
        while True:
            worker = self.any_worker()
            if worker is not None:
                if name == "delete":
                    self.ledger.deleted.add(run_id)
                with suppress(StoreAway, ConnectionError):
                    try:
                        await worker.ask(lambda worker=worker: getattr(worker.runs, name)(run_id, owner))  # type: ignore[misc]
                    except RunUnknown:
                        if run_id not in self.ledger.deleted:
                            raise Violation(f"{name} gets 404 for a run that is known") from None
                    except RunExpired:
                        if not self.is_expired(run_id):
                            raise Violation(f"{name} gets 410 before the time") from None
                    self.trace(f"{name} of {run_id[-4:]} at {worker.process.name}")
                    return
            await asyncio.sleep(0.3)

    async def _look_forever(self) -> None:
        """Take note of who is attached."""
        while True:
            now = self.loop.time()
            for worker in self._workers:
                if worker.process.is_dead:
                    continue
                is_well = (
                    not worker.process.is_paused
                    and self._deadline(
                        [worker.process.name], max(0.0, now - SIGN_OF_LIFE_INTERVAL), SIGN_OF_LIFE_INTERVAL
                    )
                    <= now
                )
                for stream in worker.streams:
                    run_id = stream.subscription.run_id
                    self.ledger.attended[run_id] = now
                    # Its process has told the store of it by then.
                    if is_well and now - stream.begun >= SIGN_OF_LIFE_INTERVAL + LOOK:
                        self.ledger.attended_well[run_id] = now
            await asyncio.sleep(LOOK)

    # ------------------------------------------------------------------ what has to hold

    def _deadline(self, names: list[str], since: float, seconds: float) -> float:
        """Return when so many seconds without trouble have passed."""
        troubles = [trouble for name in names for trouble in self._troubles[name]]
        while True:
            ends = [end for begin, end in troubles if begin < since + seconds and end > since]
            if not ends:
                return since + seconds
            since = max(ends)

    def _check_abandoned(self, run_id: str) -> None:
        """Check that a run that is stopped as abandoned has had no reader for long enough."""
        now = self.loop.time()
        if self.plan.max_unattended < 100 or run_id in self.ledger.deleted:
            return
        attended = self.ledger.attended_well.get(run_id, 0.0)
        if now - attended < self.plan.abandoned_after - 2 * self.plan.largest_skew - LOOK:
            raise Violation(f"run {run_id[-4:]} is abandoned {now - attended:.1f} s after it had a reader")

    def _check_call(self, call: ProviderCall) -> None:
        """Check that no provider's answer went on for longer than it may."""
        assert call.closed is not None
        if call.is_killed:
            return
        history = self.ledger.histories[call.run_id]
        skew = 2 * self.plan.largest_skew
        # The last sign of life of a reader may arrive late.
        abandoned = self.plan.abandoned_after + READER_LEASE + 2 * SIGN_OF_LIFE_INTERVAL + skew + LOOK + TIMEOUT
        attended = max(call.opened, self.ledger.attended.get(call.run_id, 0.0))
        for what, since, within in [
            ("its lease was lost", history.lost_at, STOP_WITHIN),
            ("a stop", history.stop_at, STOP_WITHIN),
            ("its last reader", attended, abandoned),
            ("it was deleted", history.gone_at, None),
        ]:
            if since is None or call.closed <= since:
                continue
            if within == STOP_WITHIN and history.gone_at is not None:
                seen_by = self._deadline([call.worker], since, within) + TIMEOUT
                if history.gone_at < seen_by:
                    # It was deleted before its worker could see that it should stop.
                    continue
            since = max(since, call.opened)
            if within is None:
                # Those who read it on its worker keep it; and then it ends like any.
                since, within = max(since, attended), abandoned
            self.orphaned += max(0.0, call.closed - since) if within == STOP_WITHIN else 0.0
            deadline = self._deadline([call.worker], since, within)
            if call.closed > deadline:
                raise Violation(
                    f"run {call.run_id[-4:]} of {call.worker}: its provider's answer goes on for "
                    f"{call.closed - since:.2f} s after {what}, {call.closed - deadline:.2f} s too long"
                )

    def _check_leases(self) -> None:
        """Check that no process has lost a lease that was well, or has ended its run without writing that."""
        dead = {worker.process.name for worker in self._all_workers if worker.process.is_dead}
        for run_id, history in self.ledger.histories.items():
            calls = self.ledger.calls.get(run_id, [])
            if history.lost_at is None or not calls or calls[0].worker in dead:
                continue
            since, until = history.lost_at - LEASE - 3 * SIGN_OF_LIFE_INTERVAL, history.lost_at
            troubles = sorted(self._troubles[calls[0].worker])
            troubled, last = 0.0, since
            for begin, end in troubles:
                begin, end = max(begin, last), min(end, until)
                if end > begin:
                    troubled, last = troubled + end - begin, end
            if troubled < LEASE / 2:
                raise Violation(f"run {run_id[-4:]} of {calls[0].worker} has lost its lease after {troubled:.1f} s")

    def _check_ends(self) -> None:
        """Check that each reader has the end that the store has, unless that is another one for a reason."""
        for reader in self._readers:
            history = self.ledger.histories.get(reader.run_id)
            if reader.end is None:
                if not reader.gone:
                    raise Violation(f"{reader.name} has no terminal event")
                continue
            assert isinstance(reader.end, Finished | Failed)
            state, reason = describe_end(reader.end)
            if history is None or history.end is None:
                if reader.run_id not in self.ledger.deleted:
                    raise Violation(f"{reader.name} has an end, and the run has none")
                continue
            if (state, reason) == history.end[:2] or reader.run_id in self.ledger.deleted:
                continue
            # What was appended last never came to the store; or the run had expired while it was read.
            if history.lost_at is None and not self.is_expired(reader.run_id):
                raise Violation(f"{reader.name} has the end {state}, and the store {history.end}")
        for run_id, history in self.ledger.histories.items():
            if history.end is None and history.gone_at is None:
                raise Violation(f"run {run_id[-4:]} has no end")

    def _check_bound(self, reader: Reader) -> None:
        """Check that a reader had the end soon after the run's process was killed."""
        killed = [call.closed for call in self.ledger.calls.get(reader.run_id, []) if call.is_killed]
        if reader.end_at is None or reader.present_since is None or not killed or killed[0] is None:
            return
        since = max(killed[0], reader.present_since)
        deadline = self._deadline(list(self._troubles), since, END_WITHIN)
        if reader.end_at > deadline:
            raise Violation(
                f"{reader.name} has the terminal event {reader.end_at - since:.2f} s after the process was killed, "
                f"{reader.end_at - deadline:.2f} s too late"
            )

    async def _check_empty(self) -> None:
        """Check that nothing is left in a process, once all has ended."""
        deadline = self.loop.time() + EMPTY_WITHIN
        alive = [worker for worker in self._workers if not worker.process.is_dead]
        while left := [what for worker in alive if (what := self._left(worker))]:
            if self.loop.time() > deadline:
                raise Violation(f"left in memory: {left}")
            await asyncio.sleep(0.2)
        for worker in alive:
            task = self.loop.create_task(worker.runs.aclose(), context=worker.process.context.copy())
            await task
        await asyncio.sleep(TIMEOUT + 0.1)
        for worker in alive:
            if worker.process.tasks:
                raise Violation(f"tasks are left: {list(worker.process.tasks)}")

    @staticmethod
    def _left(worker: Worker) -> str:
        runs = worker.runs.registry
        upkeep = 2 if runs.store.is_open else 0
        left = {
            "runs": [repr(run) for run in runs.runs.values()],
            "replicas": [f"{replica.run_id[-4:]} of {replica.readers}" for replica in runs.replicas.values()],
            "streams": len(worker.streams),
            "ending": len(runs._closer.pending),
            "changed": len(runs._writer._changed) if runs._writer is not None else 0,
            "tasks": len(worker.process.tasks) - upkeep,
            "handlers": len(worker._handlers),
        }
        found = {name: what for name, what in left.items() if what}
        return f"{worker.process.name}: {found}" if found else ""

    async def _check_store_forgets(self) -> None:
        """Check that the store is empty, once all has expired."""
        contents = self.ledger.store._contents
        await asyncio.sleep(self.plan.kept + contents.limits.known + 1.0)
        await self.ledger.store.reap(b"")
        left = [contents.runs, contents.running, contents.ended, contents.expired, contents.by_owner, contents.by_key]
        if any(left) or contents.size:
            raise Violation(f"the store keeps {left}, {contents.size} bytes")


@contextmanager
def _errors_logged() -> Iterator[list[str]]:
    """Keep what the service logs as an error, and drop the rest."""
    logger, errors = logging.getLogger("sluice"), []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(record.getMessage() + (f": {record.exc_info[1]!r}" if record.exc_info else ""))

    handler = Keeping(logging.ERROR)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield errors
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        logger.manager._clear_cache()
