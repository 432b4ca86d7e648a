"""All stores: what watches a run is rung when another connection changes it."""

from __future__ import annotations

import asyncio

import pytest

from sluice.service.runs.stores.base import RunState
from tests.support.run_stores import SHORT, Workers


async def test_an_append_an_end_a_stop_and_a_deletion_ring_in_another_connection(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await two.store.watch(run_id)
    await one.append(run_id, 1)
    await two.wait_ring(run_id)
    await one.store.request_stop(run_id, "stopped")
    await two.wait_ring(run_id)
    await one.append(run_id, 2, end=RunState.STOPPED)
    await two.wait_ring(run_id)
    await one.store.delete(run_id)
    await two.wait_ring(run_id)


async def test_a_stop_rings_at_the_producer(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await one.store.watch(run_id)
    await two.store.request_stop(run_id, "stopped")
    await one.wait_ring(run_id)
    assert (await one.renew(run_id)).stop == "stopped"


async def test_a_producer_is_rung_by_a_stop_and_not_by_its_own_appends(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await one.store.watch(run_id, is_producer=True)
    for number in range(1, 6):
        await one.append(run_id, number)
    await two.store.request_stop(run_id, "stopped")
    await one.wait_ring(run_id)
    await two.store.delete(run_id)
    await one.wait_ring(run_id)
    assert one.count == 2


async def test_a_producer_that_reads_its_run_like_others_is_rung_by_appends_of_others(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await one.store.watch(run_id, is_producer=True)
    await one.store.watch(run_id)
    await two.append(run_id, 1)
    await one.wait_ring(run_id)
    await one.store.unwatch(run_id)
    await two.store.watch(run_id)
    await one.store.request_stop(run_id, "stopped")
    await two.wait_ring(run_id)
    assert one.rings == []


async def test_a_reaped_run_rings(workers: Workers) -> None:
    one, two = await workers.two(SHORT)
    run_id = await one.begin()
    await two.store.watch(run_id)
    await workers.advance(SHORT.lease)
    await one.store.reap(b"lost")
    await two.wait_ring(run_id)
    assert await two.state(run_id) is RunState.INTERRUPTED


async def test_each_of_several_watchers_is_rung(workers: Workers) -> None:
    connections = await workers.start(4)
    run_id = await connections[0].begin()
    for worker in connections[1:]:
        await worker.store.watch(run_id)
    await connections[0].append(run_id, 1)
    for worker in connections[1:]:
        await worker.wait_ring(run_id)


@pytest.mark.parametrize("never", [True, False], ids=["not watched", "no longer watched"])
async def test_a_run_that_is_not_watched_does_not_ring(workers: Workers, never: bool) -> None:
    one, two = await workers.two()
    watched, other = await one.begin(), await one.begin()
    await two.store.watch(watched)
    if not never:
        await two.store.watch(other)
        await two.store.unwatch(other)
        two.rings.clear()
    await one.append(other, 1)
    await one.store.request_stop(other, "stopped")
    # Rings come in order, so that none is left behind this one.
    await one.append(watched, 1)
    await two.wait_ring(watched)
    await one.append(watched, 2)
    await one.append(other, 2, end=RunState.COMPLETED)
    await one.append(watched, 3)
    await two.wait_ring(watched)
    assert other not in two.heard


async def test_a_reader_that_reads_after_each_ring_and_never_else_gets_a_whole_run(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await two.store.watch(run_id)

    async def produce() -> None:
        for number in range(1, 31):
            await one.append(run_id, number, end=RunState.COMPLETED if number == 30 else None)

    async def follow() -> int:
        last = 0
        while last < 30:
            await two.wait_ring(run_id)
            last = sum(batch.count for batch in await two.read_all(run_id))
        return last

    _, last = await asyncio.gather(produce(), follow())
    assert last == 30


async def test_no_ring_comes_after_a_run_is_no_longer_watched(workers: Workers) -> None:
    one, two, three = await workers.start(3)
    run_id = await one.begin()
    await two.store.watch(run_id)
    await three.store.watch(run_id)
    await one.append(run_id, 1)
    await two.store.unwatch(run_id)
    # A ring that was under way may have come before that; none does now.
    two.rings.clear()
    await three.wait_ring(run_id)
    assert two.rings == []


async def test_a_closed_connection_is_not_rung(workers: Workers) -> None:
    one, two, three = await workers.start(3)
    run_id = await one.begin()
    await two.store.watch(run_id)
    await three.store.watch(run_id)
    await two.store.close()
    await one.append(run_id, 1)
    await three.wait_ring(run_id)
    assert two.rings == []
