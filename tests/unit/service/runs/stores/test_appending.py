"""All stores: batches are appended in order, from one epoch, each once."""

from __future__ import annotations

import asyncio

import pytest

from sluice.service.runs.stores.base import Answer, Append, Batch, Refusal, RunState
from tests.support.run_stores import PAYLOADS, SHORT, Worker, Workers


async def test_batches_are_appended_in_order_and_each_answer_says_the_next_number(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    answers = [await one.append(run_id, 1, b"a"), await one.append(run_id, 2, b"bcd", count=3)]
    assert [(each.refusal, each.next_number) for each in answers] == [(None, 2), (None, 5)]
    assert await two.read_all(run_id) == [Batch(1, 1, b"a"), Batch(2, 3, b"bcd")]
    record = await two.store.find(run_id)
    assert record is not None
    assert (record.last_number, record.size, record.state) == (4, 4, RunState.RUNNING)


async def test_a_batch_that_was_appended_in_whole_or_in_part_is_a_duplicate_and_says_where_to_go_on(
    workers: Workers,
) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    await worker.append(run_id, 1, b"abc", count=3)
    for first, count in [(1, 3), (1, 1), (2, 1), (3, 1), (2, 5), (1, 9)]:
        answer = await worker.append(run_id, first, b"no", count=count)
        assert (answer.refusal, answer.next_number) == (Refusal.DUPLICATE, 4)
    assert await worker.read_all(run_id) == [Batch(1, 3, b"abc")]
    assert (await worker.append(run_id, 4)).refusal is None


async def test_a_batch_behind_the_next_number_is_a_gap_and_says_where_to_go_on(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    answer = await worker.append(run_id, 2)
    assert (answer.refusal, answer.next_number) == (Refusal.GAP, 1)
    await worker.append(run_id, 1)
    answer = await worker.append(run_id, 5, end=RunState.COMPLETED)
    assert (answer.refusal, answer.next_number) == (Refusal.GAP, 2)
    assert await worker.state(run_id) is RunState.RUNNING


async def test_batches_of_several_runs_are_appended_at_once_each_with_its_own_answer(workers: Workers) -> None:
    worker = await workers.one()
    runs = [await worker.begin() for _ in range(3)]
    answers = await worker.store.append(
        [
            Append(runs[0], 1, Batch(1, 1, b"a")),
            Append("0" * 32, 1, Batch(1, 1, b"no")),
            Append(runs[1], 1, Batch(2, 1, b"no")),
            Append(runs[0], 1, Batch(2, 2, b"bc")),
            Append(runs[2], 2, Batch(1, 1, b"no")),
            Append(runs[0], 1, Batch(2, 2, b"no")),
            Append(runs[1], 1, Batch(1, 1, b"d"), RunState.COMPLETED, "stop"),
            Append(runs[1], 1, Batch(2, 1, b"no")),
        ]
    )
    assert [(each.refusal, each.next_number) for each in answers] == [
        (None, 2),
        (Refusal.UNKNOWN, 0),
        (Refusal.GAP, 1),
        (None, 4),
        (Refusal.ENDED, 1),
        (Refusal.DUPLICATE, 4),
        (None, 2),
        (Refusal.ENDED, 2),
    ]
    assert await worker.read_all(runs[0]) == [Batch(1, 1, b"a"), Batch(2, 2, b"bc")]
    assert await worker.read_all(runs[1]) == [Batch(1, 1, b"d")]
    assert await worker.read_all(runs[2]) == []
    assert await worker.store.size() == 4


async def test_payloads_come_back_byte_for_byte(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    for number, payload in enumerate(PAYLOADS, 1):
        assert (await one.append(run_id, number, payload)).refusal is None
    assert [batch.payload for batch in await two.read_all(run_id)] == PAYLOADS
    assert await two.store.size() == sum(map(len, PAYLOADS))


async def test_a_batch_of_a_whole_log_is_kept(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    payload = b"\x00\xff" * 2**20
    assert (await one.append(run_id, 1, payload, count=50_000)).next_number == 50_001
    assert await two.read_all(run_id) == [Batch(1, 50_000, payload)]


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_an_append_of_an_older_epoch_is_refused_whatever_its_number(workers: Workers, number: int) -> None:
    one, two = await workers.two(SHORT)
    run_id = await one.begin()
    await one.append(run_id, 1, b"text")
    await workers.advance(SHORT.lease)
    assert await two.store.reap(b"end") == [run_id]
    answer = await one.append(run_id, number, b"zombie")
    assert (answer.refusal, answer.next_number) == (Refusal.ENDED, 3)
    assert (await one.append(run_id, number, b"zombie", end=RunState.COMPLETED)).refusal is Refusal.ENDED
    assert (await one.renew(run_id)).refusal is Refusal.ENDED
    assert await one.read_all(run_id) == [Batch(1, 1, b"text"), Batch(2, 1, b"end")]
    assert await one.state(run_id) is RunState.INTERRUPTED


async def test_an_append_and_a_renewal_of_an_epoch_that_is_not_the_runs_are_refused(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    for epoch in (0, 2):
        assert (await worker.append(run_id, 1, epoch=epoch)).refusal is Refusal.ENDED
        assert (await worker.renew(run_id, epoch=epoch, attended=9)).refusal is Refusal.ENDED
    assert (await worker.append(run_id, 1)) == Answer(None, 2)


async def test_of_many_that_append_the_same_number_one_is_taken(workers: Workers) -> None:
    connections = await workers.start(4)
    run_id = await connections[0].begin()

    async def append_all(worker: Worker) -> int:
        taken = 0
        for number in range(1, 26):
            answer = await worker.append(run_id, number, b"%d" % number)
            assert answer.refusal in (None, Refusal.DUPLICATE, Refusal.GAP)
            taken += answer.refusal is None
        return taken

    taken = await asyncio.gather(*map(append_all, connections))
    log = await connections[0].read_all(run_id)
    assert [batch.payload for batch in log] == [b"%d" % number for number in range(1, 26)]
    assert sum(taken) == 25


async def test_many_appenders_on_several_connections_never_mix_their_runs(workers: Workers) -> None:
    connections = await workers.start(4)
    runs = [(worker, await worker.begin()) for worker in connections for _ in range(10)]

    async def produce(worker: Worker, run_id: str) -> None:
        for number in range(1, 16):
            answer = await worker.append(run_id, number, f"{run_id}:{number}".encode())
            assert (answer.refusal, answer.next_number) == (None, number + 1)

    await asyncio.gather(*(produce(worker, run_id) for worker, run_id in runs))
    for _, run_id in runs:
        log = await connections[0].read_all(run_id)
        assert [batch.payload for batch in log] == [f"{run_id}:{number}".encode() for number in range(1, 16)]
