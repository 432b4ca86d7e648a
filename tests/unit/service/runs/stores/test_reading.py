"""All stores: a run is read by pages, from any number, without a gap and nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from sluice.service.runs.stores.base import Batch, RunState
from tests.support.run_stores import Workers


@pytest.mark.parametrize("max_bytes", [1, 25, 64, 10_000])
async def test_pages_join_to_the_whole_log_from_any_number(workers: Workers, max_bytes: int) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    log, first = [], 1
    for index in range(12):
        batch = Batch(first, index % 3 + 1, b"%02d........" % index)
        log.append(batch)
        first += batch.count
        end = RunState.COMPLETED if index == 11 else None
        assert (await one.append(run_id, batch.first, batch.payload, count=batch.count, end=end)).refusal is None
    for after in range(first):
        expected = [batch for batch in log if batch.last > after]
        assert await two.read_all(run_id, after, max_bytes) == expected
    page = await two.read(run_id, 0, max_bytes)
    assert page is not None
    assert 1 <= len(page.batches) <= -(-max_bytes // 10) + 1
    assert page.is_last == (max_bytes == 10_000)


async def test_a_batch_that_is_longer_than_a_page_comes_whole(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    await worker.append(run_id, 1, b"x" * 5000)
    await worker.append(run_id, 2, b"y")
    page = await worker.read(run_id, 0, 10)
    assert page is not None
    assert page.batches == [Batch(1, 1, b"x" * 5000)]
    assert not page.is_last


async def test_behind_the_last_event_there_is_an_empty_page_with_the_runs_state(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    for after in (0, 1, 7):
        page = await worker.read(run_id, after)
        assert page is not None
        assert (list(page.batches), page.is_last) == ([], False)
    await worker.append(run_id, 1, end=RunState.FAILED, reason="upstream_timeout")
    for after in (1, 7):
        page = await worker.read(run_id, after)
        assert page is not None
        assert (list(page.batches), page.is_last, page.record.state) == ([], True, RunState.FAILED)


async def test_readers_that_follow_a_run_while_it_is_written_get_all_of_it_once(workers: Workers) -> None:
    connections = await workers.start(3)
    producer = connections[0]
    run_id = await producer.begin()

    async def produce() -> None:
        for number in range(1, 61):
            end = RunState.COMPLETED if number == 60 else None
            await producer.append(run_id, number, b"%d" % number, end=end)

    async def follow(worker_index: int) -> list[bytes]:
        found: list[bytes] = []
        while True:
            page = await connections[worker_index].read(run_id, len(found), 40)
            assert page is not None
            # The record is of the same moment as the batches: it never knows of less than they do.
            assert not page.batches or page.batches[-1].last <= page.record.last_number
            found.extend(batch.payload for batch in page.batches)
            if page.is_last:
                return found
            await asyncio.sleep(0)

    _, *followed = await asyncio.gather(produce(), *(follow(index) for index in (0, 1, 1, 2, 2)))
    assert followed == [[b"%d" % number for number in range(1, 61)]] * 5
