"""Stored runs of several processes over one store, at the moments in which a simulation has found faults.

The processes, their clock and the way to the store are those of `tests/simulation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sluice.service.errors import StoreAway
from sluice.service.events.events import Failed, Finished, Text
from sluice.service.runs.stores.base import Append, Batch, NewRun, RunRecord, RunState
from sluice.service.stored_runs import stored_runs
from sluice.service.stored_runs.event_codec import encode_events
from sluice.service.stored_runs.registry import CursorAtEnd
from sluice.service.stored_runs.replica import UNSEEN
from tests.simulation.client import Reader
from tests.simulation.connection import Connection
from tests.simulation.ledger import text_of
from tests.simulation.network import Rings
from tests.simulation.plan import Plan, ReaderPlan, RunPlan
from tests.simulation.worker import RUN_ID, SimulatedRun, Worker
from tests.simulation.world import World

STAYS = ReaderPlan(at=0.0, visits=(), gives_up=False, silence=30.0, goodbye=0.02)
# Begins at once, and is then silent for a minute.
SILENT = ((0.01, 1), (60.0, 1))


HEARD = Rings()


def plan_of(workers: int, rings: Rings) -> Plan:
    return Plan(
        workers=workers, skews=(0.0,) * workers, runs=(), faults=(), rings=rings, abandoned_after=30.0,
        max_unattended=100, kept=600.0, max_readers=8, max_run_bytes=2**21,
    )  # fmt: skip


def play(
    scenario: Callable[[World, list[Worker]], Coroutine[Any, Any, None]], *, workers: int = 2, rings: Rings = HEARD
) -> None:
    """Run a scenario with some workers and one store."""
    world = World(0, plan_of(workers, rings))

    async def begin() -> None:
        await scenario(world, world.start())

    world.play(begin())


async def begin(worker: Worker, steps: tuple[tuple[float, int], ...] = SILENT, key: str = "") -> Connection:
    """Begin a run; return the connection of its first reader."""
    plan = RunPlan(
        at=0.0, owner="ann", has_key=bool(key), is_attended=True, steps=steps, fails=False, readers=(), stop_at=None,
        delete_at=None,
    )  # fmt: skip
    connection = Connection(worker.loop)

    def handle() -> str:
        subscription = worker.runs.begin(
            "ann",
            lambda: SimulatedRun(worker, RUN_ID.get(), plan),  # type: ignore[arg-type, return-value]
            key=key,
            body_digest="digest",
        )
        return worker.serve(subscription, connection)

    await worker.ask(handle)
    return connection


def run_of(connection: Connection) -> str:
    assert connection.stream is not None
    return connection.stream.subscription.run_id


async def put_run(world: World, texts: int, end: RunState | None = None) -> str:
    """Put a run into the store that no process produces."""
    run_id, store = "0" * 32, world.ledger.store
    await store.create(NewRun(run_id, "ann"))
    events = [Text(text_of(run_id, number), 1) for number in range(1, texts + 1)]
    batch = Batch(1, texts, encode_events(events))
    await store.append([Append(run_id, 1, batch)])
    if end is not None:
        finished = Batch(texts + 1, 1, encode_events([Finished("stop", None)]))
        await store.append([Append(run_id, 1, finished, end, "stop")])
    return run_id


@pytest.mark.parametrize("after", [2, 3, 4, 5, 9])
def test_a_reader_gets_the_terminal_event_of_a_lost_run_whatever_its_cursor_is(after: int) -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        run_id = await put_run(world, texts=3)
        for worker in workers:
            await worker.ask(lambda worker=worker: worker.runs.list_runs("ann"))  # type: ignore[misc]
        await asyncio.sleep(10.0)
        reader = Reader(world, run_id, "ann", STAYS, "reader")
        reader.cursor = after
        await reader.read()
        assert isinstance(reader.end, Failed)
        assert reader.cursor > UNSEEN
        with pytest.raises(CursorAtEnd):
            await workers[0].ask(lambda: workers[0].runs.subscribe(run_id, "ann", reader.cursor))

    play(scenario)


def test_a_reader_that_has_the_producers_own_end_gets_nothing_more() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        run_id = await put_run(world, texts=3, end=RunState.COMPLETED)
        with pytest.raises(CursorAtEnd):
            await workers[0].ask(lambda: workers[0].runs.subscribe(run_id, "ann", 4))

    play(scenario)


def test_a_reader_does_not_get_to_a_log_that_was_closed_for_a_deploy() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        run_id = run_of(await begin(workers[0]))
        other = workers[1]
        reading = asyncio.ensure_future(Reader(world, run_id, "ann", STAYS, "reader").read())
        # Its thread is busy, and does not give up the place when the connection has ended.
        place = await other.ask(lambda: other.runs.subscribe(run_id, "ann"))
        await asyncio.sleep(0.5)
        other.runs.release_readers()
        await asyncio.sleep(0.0)
        connection = Connection(world.loop)
        await other.ask(lambda: other.serve(other.runs.subscribe(run_id, "ann", 1), connection))
        assert not connection.received
        await workers[0].ask(lambda: workers[0].runs.stop(run_id, "ann"))
        await reading
        await asyncio.sleep(0.1)
        place.close()
        [(number, [event]), _] = connection.received  # type: ignore[misc]
        assert number == 2
        assert isinstance(event, Failed)

    play(scenario)


def test_a_create_that_the_connection_has_repeated_begins_a_run() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        world.network.link(workers[0].process).twice = 1.0
        run_id = run_of(await begin(workers[0]))
        assert run_id in world.ledger.calls

    play(scenario)


def test_a_key_is_free_again_after_a_create_whose_answer_was_lost() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        await workers[0].ask(lambda: workers[0].runs.list_runs("ann"))
        link = world.network.link(workers[0].process)
        link.lost_answers = 1.0
        with pytest.raises(StoreAway):
            await begin(workers[0], key="key")
        link.lost_answers = 0.0
        await asyncio.sleep(0.5)
        run_id = run_of(await begin(workers[1], key="key"))
        assert run_id in world.ledger.calls

    play(scenario)


def test_a_killed_process_is_seen_within_ten_seconds_where_no_ring_arrives() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        longest = 0.0
        for number in range(40):
            run_id = run_of(await begin(workers[0]))
            reader = Reader(world, run_id, "ann", STAYS, "reader")
            world._workers = [workers[1]]
            reading = asyncio.ensure_future(reader.read())
            await asyncio.sleep(1.0 + number * 0.037)
            workers[0].kill(keeps_sent=False)
            killed = world.loop.time()
            await reading
            longest = max(longest, world.loop.time() - killed)
            workers[0] = world._start_worker(0)
        assert 8.0 < longest < 10.0

    play(scenario, rings=Rings(lost=1.0))


def test_rings_do_not_put_off_the_leases_of_other_runs() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        rung, silent = run_of(await begin(workers[0])), run_of(await begin(workers[0]))
        await workers[1].ask(lambda: workers[1].runs.list_runs("ann"))
        for _ in range(150):
            workers[0].runs.registry._ring(rung)
            await asyncio.sleep(0.1)
        assert world.ledger.histories[silent].end is None

    play(scenario)


def test_a_run_that_the_store_has_lost_ends_when_its_last_reader_leaves() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        connection = await begin(workers[0])
        run_id = run_of(connection)
        await asyncio.sleep(0.1)
        world.ledger.deleted.add(run_id)
        await world.ledger.store.delete(run_id)
        await asyncio.sleep(3.0)
        [call] = world.ledger.calls[run_id]
        assert call.closed is None
        connection.leave()
        await asyncio.sleep(1.0)
        assert call.closed is not None

    play(scenario)


def test_a_place_that_comes_too_late_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        run_id = run_of(await begin(workers[0]))
        other = workers[1]
        await other.ask(lambda: other.runs.list_runs("ann"))
        world.network.link(other.process).latency = (0.2, 0.2)
        monkeypatch.setattr(stored_runs, "CALL_TIMEOUT", 0.1)
        monkeypatch.setattr(stored_runs, "CATCH_UP_TIMEOUT", 0.1)
        with pytest.raises(StoreAway):
            await other.ask(lambda: other.runs.subscribe(run_id, "ann"))
        await asyncio.sleep(1.0)
        assert not other.runs.registry.replicas

    play(scenario)


def test_a_run_that_begins_while_its_process_ends_is_refused_and_opens_no_store() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        worker = workers[0]
        await worker.ask(lambda: worker.runs.list_runs("ann"))
        world.network.link(worker.process).latency = (0.1, 0.1)
        beginning = asyncio.ensure_future(begin(worker))
        await asyncio.sleep(0.15)
        await worker.loop.create_task(worker.runs.aclose(), context=worker.process.context.copy())
        with pytest.raises(StoreAway):
            await beginning
        with pytest.raises(StoreAway):
            await worker.ask(lambda: worker.runs.list_runs("ann"))
        await asyncio.sleep(3.0)
        assert not worker.process.tasks

    play(scenario)


class Broken(Exception):
    """What no store should raise."""


async def fail(*_: object) -> None:
    raise Broken


def test_events_are_written_after_the_store_has_raised_what_nobody_expects(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        await workers[0].ask(lambda: workers[0].runs.list_runs("ann"))
        store = workers[0].runs.registry.store.inner
        store.append = fail  # type: ignore[method-assign, union-attr, assignment]
        run_id = run_of(await begin(workers[0], ((0.5, 1), (0.5, 1))))
        await asyncio.sleep(1.0)
        del store.append  # type: ignore[union-attr]
        await asyncio.sleep(4.0)
        assert world.ledger.histories[run_id].end == (RunState.COMPLETED, "stop", 3)

    with pytest.raises(AssertionError, match="an error was logged: unhandled exception in the writer"):
        play(scenario)


def test_readers_are_released_where_following_a_run_raises_what_nobody_expects() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        run_id = run_of(await begin(workers[0]))
        other = workers[1]
        await other.ask(lambda: other.runs.list_runs("ann"))
        other.runs.registry.store.inner.read = fail  # type: ignore[method-assign, union-attr, assignment]
        connection = Connection(world.loop)
        await other.ask(lambda: other.serve(other.runs.subscribe(run_id, "ann"), connection))
        await asyncio.sleep(0.1)
        assert connection.received == [None]
        assert not other.runs.registry.replicas

    with pytest.raises(AssertionError, match="an error was logged: unhandled exception where run"):
        play(scenario)


def test_a_run_that_ends_while_the_store_lists_it_is_not_listed_as_running() -> None:
    async def scenario(world: World, workers: list[Worker]) -> None:
        worker = workers[0]
        run_id = run_of(await begin(worker, ((0.5, 1),)))
        registry = worker.runs.registry
        assert registry.store.inner is not None
        list_runs = registry.store.inner.list_runs

        async def list_late(owner: str | None) -> list[RunRecord]:
            listed = await list_runs(owner)
            while run_id in registry.runs:
                await asyncio.sleep(0.05)
            assert listed[0].state is RunState.RUNNING
            return listed

        registry.store.inner.list_runs = list_late  # type: ignore[method-assign]
        (record,) = await worker.ask(lambda: worker.runs.list_runs("ann"))
        assert record.state is RunState.COMPLETED
        del registry.store.inner.list_runs  # type: ignore[method-assign]

    play(scenario)
