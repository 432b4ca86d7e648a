"""All stores: a run ends once, by its producer or by a reaper; stops and readers' leases reach its producer."""

from __future__ import annotations

import asyncio

import pytest

from sluice.service.runs.stores.base import Batch, Refusal, RunState, StoreLimits
from tests.support.run_stores import SHORT, Workers

ENDS = [RunState.COMPLETED, RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED]


@pytest.mark.parametrize("state", ENDS)
async def test_an_end_is_written_with_its_last_batch_and_says_when_the_run_expires(
    workers: Workers, state: RunState
) -> None:
    one, two = await workers.two(StoreLimits(kept=100.0))
    run_id = await one.begin()
    await one.append(run_id, 1, b"text")
    answer = await one.append(run_id, 2, b"end", end=state, reason="length")
    assert (answer.refusal, answer.next_number) == (None, 3)
    page = await two.read(run_id)
    assert page is not None
    assert page.is_last
    assert page.batches == [Batch(1, 1, b"text"), Batch(2, 1, b"end")]
    assert (page.record.state, page.record.reason, page.record.last_number) == (state, "length", 2)
    assert page.record.ended >= page.record.created
    assert page.record.expires == pytest.approx(page.record.ended + 100, abs=0.01)
    assert page.record == await one.store.find(run_id)


async def test_nothing_follows_an_end_and_an_end_that_is_repeated_is_a_duplicate(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    await worker.append(run_id, 1, b"end", end=RunState.COMPLETED, reason="stop")
    again = await worker.append(run_id, 1, b"end", end=RunState.COMPLETED, reason="stop")
    assert (again.refusal, again.next_number) == (Refusal.DUPLICATE, 2)
    for end in (None, RunState.FAILED):
        for first in (2, 3):
            answer = await worker.append(run_id, first, b"more", end=end)
            assert (answer.refusal, answer.next_number) == (Refusal.ENDED, 2)
    assert (await worker.renew(run_id)).refusal is Refusal.ENDED
    assert await worker.read_all(run_id) == [Batch(1, 1, b"end")]
    record = await worker.store.find(run_id)
    assert record is not None
    assert (record.state, record.reason) == (RunState.COMPLETED, "stop")


async def test_of_many_ends_at_the_same_time_one_is_written(workers: Workers) -> None:
    connections = await workers.start(4)
    run_id = await connections[0].begin()
    tries = [(worker, state) for worker in connections for state in ENDS]
    answers = await asyncio.gather(*(worker.append(run_id, 1, state.encode(), end=state) for worker, state in tries))
    [winner] = [state for (_, state), answer in zip(tries, answers, strict=True) if answer.refusal is None]
    assert await connections[0].read_all(run_id) == [Batch(1, 1, winner.encode())]
    assert await connections[0].state(run_id) is winner


async def test_a_lost_run_is_ended_once_by_several_reapers_behind_what_had_come(workers: Workers) -> None:
    connections = await workers.start(4, SHORT)
    run_id = await connections[0].begin()
    await connections[0].append(run_id, 1, b"partial", count=3)
    await workers.advance(SHORT.lease)
    reaped = await asyncio.gather(*(worker.store.reap(b"lost") for worker in connections for _ in range(4)))
    assert sorted(reaped, key=len)[-1] == [run_id]
    assert sum(map(len, reaped)) == 1
    page = await connections[1].read(run_id)
    assert page is not None
    assert page.batches == [Batch(1, 3, b"partial"), Batch(4, 1, b"lost")]
    assert page.is_last
    assert (page.record.state, page.record.reason) == (RunState.INTERRUPTED, "interrupted")
    assert (page.record.epoch, page.record.size) == (2, 11)
    assert page.record.expires > page.record.ended > page.record.created


async def test_a_run_without_events_that_is_lost_has_the_end_as_its_first_event(workers: Workers) -> None:
    worker = await workers.one(SHORT)
    run_id = await worker.begin()
    await workers.advance(SHORT.lease)
    assert await worker.store.reap(b"lost") == [run_id]
    assert await worker.read_all(run_id) == [Batch(1, 1, b"lost")]


async def test_a_producer_and_a_reaper_at_the_same_time_end_a_run_once(workers: Workers) -> None:
    one, two = await workers.two(SHORT)
    for _ in range(3):
        runs = [await one.begin() for _ in range(10)]
        await workers.advance(SHORT.lease)
        *answers, reaped = await asyncio.gather(
            *(one.append(run_id, 1, b"own", end=RunState.COMPLETED) for run_id in runs[:5]),
            two.store.reap(b"lost"),
            *(one.append(run_id, 1, b"own", end=RunState.COMPLETED) for run_id in runs[5:]),
            two.store.reap(b"lost"),
        )
        assert answers
        for run_id in runs:
            state = await two.state(run_id)
            assert state in (RunState.COMPLETED, RunState.INTERRUPTED)
            own = state is RunState.COMPLETED
            assert await two.read_all(run_id) == [Batch(1, 1, b"own" if own else b"lost")]
        assert isinstance(reaped, list)


async def test_an_append_and_a_renewal_keep_a_lease(workers: Workers) -> None:
    one, two = await workers.two(StoreLimits(lease=2.0))
    appended, renewed, silent = [await one.begin() for _ in range(3)]
    await workers.advance(1.2)
    await one.append(appended, 1)
    assert (await one.renew(renewed)).next_number == 1
    await workers.advance(1.2)
    assert await two.store.reap(b"lost") == [silent]
    assert [await two.state(run_id) for run_id in (appended, renewed)] == [RunState.RUNNING] * 2


async def test_a_refused_append_keeps_no_lease(workers: Workers) -> None:
    worker = await workers.one(SHORT)
    run_id = await worker.begin()
    await workers.advance(SHORT.lease)
    assert (await worker.append(run_id, 7)).refusal is Refusal.GAP
    assert await worker.store.reap(b"lost") == [run_id]


async def test_a_reaper_leaves_runs_whose_lease_is_held_and_those_that_have_ended(workers: Workers) -> None:
    worker = await workers.one(SHORT)
    ended = await worker.begin()
    await worker.append(ended, 1, b"end", end=RunState.COMPLETED)
    await workers.advance(SHORT.lease / 2)
    running = await worker.begin()
    assert await worker.store.reap(b"lost") == []
    assert await worker.state(running) is RunState.RUNNING
    assert await worker.state(ended) is RunState.COMPLETED


async def test_a_stop_comes_back_with_each_append_and_renewal_and_the_first_reason_stays(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    assert (await one.append(run_id, 1)).stop == ""
    record = await two.store.request_stop(run_id, "stopped")
    assert record is not None
    assert (record.state, record.stop) == (RunState.RUNNING, "stopped")
    again = await one.store.request_stop(run_id, "abandoned")
    assert again is not None
    assert again.stop == "stopped"
    assert (await one.renew(run_id)).stop == "stopped"
    assert (await one.append(run_id, 2)).stop == "stopped"
    assert (await one.append(run_id, 2)).stop == "stopped"
    assert (await one.append(run_id, 3, end=RunState.STOPPED)).refusal is None


async def test_a_stop_of_a_run_that_has_ended_changes_nothing(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await one.append(run_id, 1, end=RunState.COMPLETED, reason="stop")
    before = await two.store.find(run_id)
    assert await two.store.request_stop(run_id, "stopped") == before
    assert await one.store.find(run_id) == before


async def test_readers_of_all_workers_stand_for_a_run_and_the_longest_lease_counts(workers: Workers) -> None:
    one, two = await workers.two()
    run_id, other = await one.begin(), await one.begin()
    record = await one.store.find(run_id)
    assert record is not None
    start = record.created
    renewed = await one.renew(run_id, attended=20)
    assert renewed.attended_until == pytest.approx(start + 20, abs=5)
    await two.store.attend([run_id, "0" * 32], 60)
    for answer in (
        await one.renew(run_id),
        await one.renew(run_id, attended=5),
        await one.append(run_id, 1),
    ):
        assert answer.attended_until == pytest.approx(start + 60, abs=5)
    await two.store.attend([run_id], 1)
    record = await two.store.find(run_id)
    assert record is not None
    assert record.attended_until == pytest.approx(start + 60, abs=5)
    assert (await one.renew(other)).attended_until == 0


async def test_an_expired_run_is_known_without_its_events_and_later_unknown(workers: Workers) -> None:
    one, two = await workers.two(SHORT)
    run_id = await one.begin()
    await one.append(run_id, 1, b"text", end=RunState.COMPLETED, reason="stop")
    await workers.advance(SHORT.kept)
    for _ in range(2):
        page = await two.read(run_id)
        assert page is not None
        assert (list(page.batches), page.record.is_expired, page.is_last) == ([], True, True)
        assert (page.record.state, page.record.reason) == (RunState.COMPLETED, "stop")
        assert page.record.last_number == 1
        assert await one.store.find(run_id) == page.record
        assert await one.store.list_runs("ann") == []
        assert await one.store.list_runs(None) == []
        await one.store.reap(b"end")
    await workers.advance(SHORT.known)
    for _ in range(2):
        assert await two.store.find(run_id) is None
        assert await two.read(run_id) is None
        assert not await two.store.delete(run_id)
        await one.store.reap(b"end")


async def test_a_running_run_does_not_expire(workers: Workers) -> None:
    worker = await workers.one(StoreLimits(lease=30.0, kept=0.5, known=0.5))
    run_id = await worker.begin()
    await worker.append(run_id, 1, b"text")
    await workers.advance(1.5)
    assert await worker.store.reap(b"end") == []
    page = await worker.read(run_id)
    assert page is not None
    assert (len(page.batches), page.record.is_expired) == (1, False)
