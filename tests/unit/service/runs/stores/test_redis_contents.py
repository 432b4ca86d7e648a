"""What a store leaves in a Redis server: keys that expire, nothing of a run that is deleted, records without end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
import redis

from sluice.service.runs.stores import redis as redis_store
from sluice.service.runs.stores import redis_scripts
from sluice.service.runs.stores.base import Append, Batch, Refusal, RunState, StoreFull, StoreLimits, StoreUnavailable
from sluice.service.runs.stores.redis_keys import SHARDS, shard_of
from tests.support.redis_stores import open_worker
from tests.support.run_stores import new_run
from tests.support.valkey import ValkeyServer

SLOTS = 16384


@pytest.fixture(scope="module")
def running() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def server(running: ValkeyServer) -> ValkeyServer:
    """A server with nothing in it."""
    running.command("FLUSHALL")
    return running


@pytest.fixture
def client(server: ValkeyServer) -> Iterator[redis.Redis]:
    with contextlib.closing(redis.Redis(port=server.port, decode_responses=True)) as client:
        yield client


def keys_without_ttl(client: redis.Redis) -> list[str]:
    """Return what would stay for ever, and check that there is anything at all."""
    keys = client.keys("*")
    assert isinstance(keys, list)
    assert keys
    return [key for key in keys if client.pttl(key) == -1]


async def test_every_key_expires_by_itself_from_its_first_write(server: ValkeyServer, client: redis.Redis) -> None:
    limits = StoreLimits(lease=0.3, kept=0.3, known=60.0)
    async with open_worker(server.url, limits) as worker:
        run_id = await worker.begin(key="k", digest="d")
        assert keys_without_ttl(client) == []
        await worker.append(run_id, 1)
        assert keys_without_ttl(client) == []
        await worker.renew(run_id, attended=5)
        await worker.store.attend([run_id], 60)
        await worker.store.request_stop(run_id, "stopped")
        assert keys_without_ttl(client) == []
        await worker.append(run_id, 2, end=RunState.STOPPED)
        assert keys_without_ttl(client) == []
        lost = await worker.begin()
        await asyncio.sleep(0.35)
        assert await worker.store.reap(b"end") == [lost]
        assert keys_without_ttl(client) == []
        await worker.store.attend([run_id, lost, "0" * 32], 60)
        await worker.append(run_id, 3)
        await asyncio.sleep(0.35)
        await worker.store.reap(b"end")
        assert keys_without_ttl(client) == []
        await worker.store.request_stop(run_id, "stopped")
        assert keys_without_ttl(client) == []


async def test_a_log_is_gone_with_its_time_even_where_nobody_reaps(server: ValkeyServer, client: redis.Redis) -> None:
    async with open_worker(server.url, StoreLimits(kept=0.1, known=60.0)) as worker:
        run_id = await worker.begin()
        await worker.append(run_id, 1, end=RunState.COMPLETED)
        async with asyncio.timeout(5):
            while client.keys("*:log"):
                await asyncio.sleep(0.02)


async def test_a_deleted_run_leaves_nothing(server: ValkeyServer, client: redis.Redis) -> None:
    async with open_worker(server.url, StoreLimits(kept=0.05, known=60.0)) as worker:
        running = await worker.begin(key="k")
        await worker.append(running, 1)
        ended = await worker.begin(key="l")
        await worker.append(ended, 1, end=RunState.COMPLETED)
        expired = await worker.begin(key="m")
        await worker.append(expired, 1, end=RunState.COMPLETED)
        await asyncio.sleep(0.1)
        await worker.store.reap(b"end")
        without_events = await worker.begin()
        for run_id in (running, ended, expired, without_events):
            assert await worker.store.delete(run_id)
        assert client.keys("*") == []


async def test_the_run_that_loses_a_race_for_a_key_leaves_nothing(server: ValkeyServer, client: redis.Redis) -> None:
    async with open_worker(server.url) as worker:
        runs = [new_run(key="k") for _ in range(8)]
        created = await asyncio.gather(*(worker.store.create(run) for run in runs))
        [winner] = {each.run_id for each in created}
        await worker.store.delete(winner)
        assert client.keys("*") == []


async def test_a_store_with_as_many_runs_as_it_may_hold_takes_no_more_until_one_is_deleted(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "MAX_RUNS", 3)
    async with open_worker(server.url) as worker:
        runs = [await worker.begin(key=f"{number}") for number in range(3)]
        await worker.append(runs[0], 1, end=RunState.COMPLETED)
        with pytest.raises(StoreFull, match="of 3 runs"):
            await worker.begin()
        assert not (await worker.store.create(new_run(key="1"))).is_new
        await worker.store.delete(runs[0])
        await worker.begin()


async def test_an_empty_store_is_not_asked_for_its_size_again_for_each_run(server: ValkeyServer) -> None:
    async with open_worker(server.url) as worker:
        await worker.begin()
        server.command("CONFIG", "RESETSTAT")
        for _ in range(5):
            await worker.begin()
        with server.client() as client:
            calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        # Each run's record, and its place in its owner's list.
        assert calls == 10


async def test_an_owners_list_has_a_bound_and_the_newest_runs(
    server: ValkeyServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (redis_store, redis_scripts):
        monkeypatch.setattr(module, "LISTED", 2)
    async with open_worker(server.url) as worker:
        runs = [await worker.begin() for _ in range(3)]
        for owner in ("ann", None):
            assert [record.run_id for record in await worker.store.list_runs(owner)] == [runs[2], runs[1]]
        assert client.zcard("sluice:{owner:ann}:runs") == 2


async def test_records_of_expired_runs_are_bounded_and_the_oldest_go_first(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_scripts, "MAX_EXPIRED", len(SHARDS))
    async with open_worker(server.url, StoreLimits(kept=0.02, known=60.0)) as worker:
        runs = []
        for _ in range(3):
            # One shard, so that one of them may stay.
            run = new_run()
            while shard_of(run.run_id) is not SHARDS[3]:
                run = new_run()
            await worker.store.create(run)
            await worker.append(run.run_id, 1, end=RunState.COMPLETED)
            runs.append(run.run_id)
            await asyncio.sleep(0.03)
        for _ in range(2):
            await worker.store.reap(b"end")
        assert [await worker.state(run_id) for run_id in runs] == [None, None, RunState.COMPLETED]


async def test_events_that_a_server_has_evicted_are_not_passed_over(
    server: ValkeyServer, client: redis.Redis
) -> None:
    async with open_worker(server.url) as worker:
        run_id = await worker.begin()
        await worker.append(run_id, 1)
        await worker.append(run_id, 2)
        [log] = client.keys("*:log")
        client.xdel(log, "1-0")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"lost events of run .{14}; .*noeviction"):
                await worker.read(run_id)
            client.delete(log)
        assert (await worker.append(run_id, 3)).refusal is None
        with pytest.raises(StoreUnavailable, match="lost events"):
            await worker.read(run_id)


async def test_an_index_without_its_run_is_tidied_up_and_its_bytes_are_given_back(
    server: ValkeyServer, client: redis.Redis
) -> None:
    async with open_worker(server.url, StoreLimits(lease=0.02, kept=0.02)) as worker:
        run_id = await worker.begin()
        await worker.append(run_id, 1, b"x" * 100)
        client.delete(*client.keys(f"*{run_id}*"))
        assert await worker.store.size() == 100
        assert await worker.store.list_runs(None) == []
        await asyncio.sleep(0.05)
        assert await worker.store.reap(b"end") == []
        assert await worker.store.size() == 0
        assert (await worker.append(run_id, 2)).refusal is Refusal.UNKNOWN


def test_the_shards_of_a_cluster_are_spread_evenly_over_its_slots(client: redis.Redis) -> None:
    slots = sorted(redis.cluster.key_slot(shard.leases) for shard in SHARDS)
    for nodes in (2, 3, 4, 5, 8, 16):
        counts = [sum(slot * nodes // SLOTS == node for slot in slots) for node in range(nodes)]
        assert max(counts) - min(counts) <= 1, counts


async def test_runs_are_spread_over_the_shards(server: ValkeyServer) -> None:
    counts = dict.fromkeys(SHARDS, 0)
    for _ in range(1600):
        counts[shard_of(new_run().run_id)] += 1
    assert min(counts.values()) > 50


async def test_a_batch_of_many_runs_is_one_round_trip(server: ValkeyServer, client: redis.Redis) -> None:
    async with open_worker(server.url) as worker:
        runs = [await worker.begin() for _ in range(50)]
        await worker.store.append([Append(run_id, 1, Batch(1, 1, b"x")) for run_id in runs])
        client.config_resetstat()
        await worker.store.append([Append(run_id, 1, Batch(2, 1, b"x")) for run_id in runs])
        reads = client.info("stats")["total_reads_processed"]
        stats = client.info("commandstats")
        assert isinstance(stats, dict)
        assert stats["cmdstat_evalsha"]["calls"] == 50
        # 10 KB come in a few pieces; 50 calls after each other would be 50.
        assert reads < 10
        # Nothing asks whether scripts are there, and no further connection was made.
        assert (
            not {"cmdstat_script|exists", "cmdstat_script|load", "cmdstat_client|setinfo", "cmdstat_eval"}
            & stats.keys()
        )
