"""How often runs are written: the more of them, the less often, but soon where somebody may wait. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any, cast

from sluice.service.errors import ServiceError
from sluice.service.events.events import Finished, Text
from sluice.service.runs.log import RunLog
from sluice.service.runs.run import Run
from sluice.service.runs.stores.base import Answer, Append, RunStore
from sluice.service.settings.records.storage import StorageSettings
from sluice.service.stored_runs.stored_run import StoredRun
from sluice.service.stored_runs.upkeep import APPENDED_WITHIN, ATTENDED_WITHIN
from sluice.service.stored_runs.writer import INTERVAL, LONGEST_INTERVAL, StoreWriter
from tests.simulation.world import World
from tests.unit.service.stored_runs.test_registry import HEARD, plan_of


class FakeRun:
    """A run whose log a test fills."""

    def __init__(self) -> None:
        self.log = RunLog(keeps_all=True)
        self.byte_count = 0
        self.stopped: list[ServiceError] = []

    def stop(self, error: ServiceError) -> None:
        self.stopped.append(error)


class FakeStore:
    """Takes each append, and notes when."""

    def __init__(self) -> None:
        self.appended: dict[str, list[tuple[float, int]]] = {}

    async def append(self, appends: Sequence[Append]) -> list[Answer]:
        for each in appends:
            at = asyncio.get_running_loop().time()
            self.appended.setdefault(each.run_id, []).append((at, each.batch.last))
        return [Answer(None, each.batch.last + 1) for each in appends]


class Stage:
    """Runs of one process, and its writer."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.writer = StoreWriter(cast(RunStore, self.store), lambda run: None)
        self.changes = 0

    def begin(self, run_id: str, **settings: int) -> StoredRun:
        def on_change(run: StoredRun) -> None:
            self.changes += 1
            self.writer.add(run)

        clock = asyncio.get_running_loop().time
        run = cast(Run, FakeRun())
        return StoredRun(run_id, "ann", run, StorageSettings(**settings), on_change, clock)


def play(scenario: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    stage = Stage.__new__(Stage)

    async def run() -> None:
        stage.__init__()  # type: ignore[misc]  # its writer is of the loop
        writing = asyncio.create_task(stage.writer.write_forever())
        try:
            await scenario(stage)
        finally:
            writing.cancel()

    World(0, plan_of(0, HEARD)).play(run())
    return stage


async def pace(runs: Sequence[StoredRun], seconds: float, pause: float = 0.01) -> None:
    """Append one token of each run every 10 milliseconds."""
    for _ in range(round(seconds / pause)):
        for run in runs:
            run.log.append([Text("a")])
        await asyncio.sleep(pause)


def longest_wait(appended: Sequence[tuple[float, int]]) -> float:
    return max(later - earlier for (earlier, _), (later, _) in pairwise(appended))


def test_one_run_is_written_each_interval_and_many_runs_together_less_often() -> None:
    async def one(stage: Stage) -> None:
        await pace([stage.begin("1")], 1.0)

    async def many(stage: Stage) -> None:
        await pace([stage.begin(str(number)) for number in range(100)], 2.0)

    assert len(play(one).store.appended["1"]) > 20
    appended = play(many).store.appended
    assert len(appended) == 100
    for found in appended.values():
        assert len(found) <= 9
        assert longest_wait(found) <= LONGEST_INTERVAL + 2 * INTERVAL


def test_among_many_runs_those_that_other_processes_follow_and_those_that_end_are_written_soon() -> None:
    async def scenario(stage: Stage) -> None:
        runs = [stage.begin(str(number)) for number in range(100)]
        runs[0].attended_until = asyncio.get_running_loop().time() + 60
        # It is read here as well: whoever reads elsewhere may be this reader, a moment ago.
        runs[1].attended_until = runs[0].attended_until
        runs[1].enter()
        await pace(runs, 1.0)
        runs[2].log.append([Finished("stop", None)])
        ended = asyncio.get_running_loop().time()
        await pace(runs[3:], 0.1)
        at, last = stage.store.appended["2"][-1]
        assert last == runs[2].log.last_number
        assert at - ended <= 2 * INTERVAL

    appended = play(scenario).store.appended
    assert longest_wait(appended["0"]) <= 2 * INTERVAL
    assert len(appended["1"]) < 7


def test_what_is_more_than_one_transaction_takes_is_written_at_the_next_interval() -> None:
    async def scenario(stage: Stage) -> None:
        runs = [stage.begin(str(number)) for number in range(100)]
        for run in runs:
            run.log.append([Text("a")] * 100)
        await asyncio.sleep(4 * INTERVAL)
        assert all(run.is_written for run in runs)

    play(scenario)


def test_the_writer_is_told_once_of_the_tokens_of_one_batch() -> None:
    async def scenario(stage: Stage) -> None:
        run = stage.begin("1")
        for _ in range(500):
            run.log.append([Text("a")])
        # Where the size was looked at it may be told again.
        assert stage.changes < 50
        await asyncio.sleep(2 * INTERVAL)
        assert run.is_written
        run.log.append([Text("a")])
        assert not run.is_written
        await asyncio.sleep(LONGEST_INTERVAL)
        assert run.is_written

    play(scenario)


def test_a_log_beyond_its_size_is_stopped_by_the_next_event_however_large_the_events() -> None:
    async def scenario(stage: Stage) -> None:
        for size in (10, 300_000):
            run = stage.begin(str(size), max_run_bytes=2**21)
            fake = cast(FakeRun, run.run)
            while not fake.stopped:
                fake.byte_count += size
                run.log.append([Text("a" * size)])
                assert run.size <= 2**21 + 16 * size
            assert run.size > 2**21

    play(scenario)


def test_an_append_stands_for_a_sign_of_life_until_the_store_must_be_told_of_readers() -> None:
    async def scenario(stage: Stage) -> None:
        run = stage.begin("1")
        now = asyncio.get_running_loop().time

        def is_due() -> bool:
            return run.needs_renewal(now(), appended_within=APPENDED_WITHIN, attended_within=ATTENDED_WITHIN)

        assert is_due()
        await pace([run], 0.1)
        assert not is_due()
        run.enter()
        assert is_due()
        run.told_readers_at = now()
        assert not is_due()
        await asyncio.sleep(2 * APPENDED_WITHIN)
        assert is_due()
        await pace([run], ATTENDED_WITHIN)
        assert is_due()

    play(scenario)
