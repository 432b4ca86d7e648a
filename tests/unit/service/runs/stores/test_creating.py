"""All stores: runs begin once for each key, are found by their id, and are listed by their owner."""

from __future__ import annotations

import asyncio

import pytest

from sluice.service.runs.stores.base import NewRun, Refusal, RunState, StoreFull, StoreLimits
from tests.support.run_stores import SHORT, Workers, new_run


async def test_a_new_run_is_found_from_everywhere_with_what_it_began_with(workers: Workers) -> None:
    one, two = await workers.two()
    run = NewRun("0123456789abcdef" * 2, "ann", producer="host:7")
    created = await one.store.create(run)
    assert (created.run_id, created.is_new) == (run.run_id, True)
    record = await two.store.find(run.run_id)
    assert record is not None
    assert (record.run_id, record.owner, record.producer) == (run.run_id, "ann", "host:7")
    assert (record.state, record.epoch, record.last_number, record.size) == (RunState.RUNNING, 1, 0, 0)
    assert (record.reason, record.stop, record.is_expired) == ("", "", False)
    assert record.created > 1_600_000_000
    assert (record.ended, record.expires, record.attended_until) == (0, 0, 0)


async def test_an_unknown_run_is_nothing_to_any_method(workers: Workers) -> None:
    worker = await workers.one()
    assert await worker.store.find("0" * 32) is None
    assert await worker.read("0" * 32) is None
    assert await worker.store.request_stop("0" * 32, "stopped") is None
    assert not await worker.store.delete("0" * 32)
    assert (await worker.append("0" * 32, 1)).refusal is Refusal.UNKNOWN
    assert (await worker.renew("0" * 32)).refusal is Refusal.UNKNOWN
    await worker.store.attend(["0" * 32], 10)
    await worker.store.unwatch("0" * 32)
    assert await worker.store.find("0" * 32) is None


async def test_no_appends_and_no_leases_have_no_answers(workers: Workers) -> None:
    worker = await workers.one()
    assert await worker.store.append([]) == []
    assert await worker.store.renew([]) == []
    await worker.store.attend([], 10)


async def test_a_run_that_is_created_again_is_found_and_keeps_its_events(workers: Workers) -> None:
    worker = await workers.one()
    run = new_run()
    assert (await worker.store.create(run)).is_new
    await worker.append(run.run_id, 1)
    again = await worker.store.create(run)
    assert (again.run_id, again.is_new) == (run.run_id, False)
    assert len(await worker.read_all(run.run_id)) == 1


async def test_a_key_leads_its_owner_to_the_run_until_that_is_forgotten(workers: Workers) -> None:
    one, two = await workers.two()
    run = NewRun("0123456789abcdef" * 2, "ann", key="k")
    assert await one.store.find_key("ann", "k") is None
    await one.store.create(run)
    assert await two.store.find_key("ann", "k") == run.run_id
    assert await two.store.find_key("bob", "k") is None
    assert await two.store.find_key("ann", "") is None
    await one.store.delete(run.run_id)
    assert await two.store.find_key("ann", "k") is None


async def test_the_owners_key_finds_the_first_run_and_its_digest_whatever_is_asked(workers: Workers) -> None:
    one, two = await workers.two()
    first = await one.begin(key="k", digest="d1")
    for digest in ("d1", "d2"):
        created = await two.store.create(new_run(key="k", digest=digest))
        assert (created.run_id, created.is_new, created.body_digest) == (first, False, "d1")
    assert len(await two.store.list_runs("ann")) == 1


async def test_keys_of_other_owners_and_other_keys_and_no_keys_are_other_runs(workers: Workers) -> None:
    worker = await workers.one()
    runs = [
        await worker.begin(owner=owner, key=key)
        for owner, key in [("ann", "k"), ("bob", "k"), ("ann", "l"), ("ann", ""), ("ann", ""), ("annk", "")]
    ]
    assert len(set(runs)) == 6


async def test_of_many_that_use_a_key_at_the_same_time_one_begins_a_run(workers: Workers) -> None:
    connections = await workers.start(4)
    runs = [(worker, new_run(key="k", digest="d")) for worker in connections for _ in range(8)]
    created = await asyncio.gather(*(worker.store.create(run) for worker, run in runs))
    assert sum(each.is_new for each in created) == 1
    assert len({each.run_id for each in created}) == 1


async def test_a_key_is_kept_for_as_long_as_its_run_is_known(workers: Workers) -> None:
    worker = await workers.one(SHORT)
    run_id = await worker.begin(key="k")
    await worker.append(run_id, 1, end=RunState.COMPLETED)
    await workers.advance(SHORT.kept)
    assert (await worker.store.create(new_run(key="k"))).run_id == run_id
    await workers.advance(SHORT.known)
    assert (await worker.store.create(new_run(key="k"))).is_new


async def test_the_runs_of_an_owner_are_listed_by_state_the_newest_first(workers: Workers) -> None:
    one, two = await workers.two()
    ids = []
    for _ in range(3):
        ids.append(await one.begin())
        await workers.advance(0.002)
    other = await one.begin(owner="bob")
    await one.append(ids[1], 1, end=RunState.COMPLETED)

    async def listed(owner: str | None, state: RunState | None = None) -> list[str]:
        return [record.run_id for record in await two.store.list_runs(owner, state)]

    assert await listed("ann") == [ids[2], ids[1], ids[0]]
    assert await listed("ann", RunState.RUNNING) == [ids[2], ids[0]]
    assert await listed("ann", RunState.COMPLETED) == [ids[1]]
    assert await listed("ann", RunState.FAILED) == []
    assert await listed("nobody") == []
    assert set(await listed(None)) == {*ids, other}
    assert set(await listed(None, RunState.RUNNING)) == {ids[0], ids[2], other}


async def test_a_store_that_holds_as_much_as_it_may_takes_no_run_and_goes_on_with_those_it_has(
    workers: Workers,
) -> None:
    one, two = await workers.two(StoreLimits(max_bytes=1000))
    run_id = await one.begin(key="k")
    await one.append(run_id, 1, b"x" * 600)
    other = await two.begin()
    assert (await one.append(run_id, 2, b"x" * 600)).refusal is None
    with pytest.raises(StoreFull):
        await two.store.create(new_run())
    assert (await two.append(other, 1, b"x" * 600)).refusal is None
    assert not (await two.store.create(new_run(key="k"))).is_new
    assert await two.store.size() == 1800
    await two.store.delete(run_id)
    assert await one.store.size() == 600
    await one.begin()


async def test_bytes_of_a_run_are_given_back_when_it_expires(workers: Workers) -> None:
    worker = await workers.one(StoreLimits(kept=1.0, known=100.0, max_bytes=1000))
    run_id = await worker.begin()
    await worker.append(run_id, 1, b"x" * 2000, end=RunState.COMPLETED)
    await workers.advance(1.0)
    await worker.store.reap(b"end")
    assert await worker.store.size() == 0
    await worker.begin()


async def test_a_deleted_run_is_unknown_to_its_producer_and_its_key_is_free(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin(key="k")
    await one.append(run_id, 1, b"text")
    assert await two.store.delete(run_id)
    assert not await two.store.delete(run_id)
    assert (await one.append(run_id, 2)).refusal is Refusal.UNKNOWN
    assert (await one.renew(run_id)).refusal is Refusal.UNKNOWN
    assert await one.store.find(run_id) is None
    assert await one.read(run_id) is None
    assert await one.store.list_runs("ann") == []
    assert await one.store.size() == 0
    assert (await one.store.create(new_run(key="k"))).is_new


async def test_a_run_can_be_deleted_after_its_end_and_after_it_has_expired(workers: Workers) -> None:
    worker = await workers.one(SHORT)
    for seconds in (0.0, SHORT.kept):
        run_id = await worker.begin(key="k")
        await worker.append(run_id, 1, end=RunState.COMPLETED)
        await workers.advance(seconds)
        await worker.store.reap(b"end")
        assert await worker.store.delete(run_id)
        assert await worker.store.find(run_id) is None
        assert await worker.store.size() == 0


async def test_closing_twice_and_opening_again_are_harmless(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await two.store.close()
    await two.store.close()
    await two.store.open(two.ring)
    await two.store.open(two.ring)
    assert await two.state(run_id) is RunState.RUNNING
