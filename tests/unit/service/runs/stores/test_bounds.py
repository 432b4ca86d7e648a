"""Stores in Python keep a bounded number of runs, however small, and of records without events."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sluice.service.runs.stores import memory, sqlite_runs
from sluice.service.runs.stores.base import RunState, StoreFull, StoreLimits
from tests.support.run_stores import Backend, MemoryBackend, SqliteBackend, Worker, Workers

LIMITS = StoreLimits(kept=1.0, known=100.0)


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    for module in (memory, sqlite_runs):
        monkeypatch.setattr(module, "MAX_RUNS", 3)
        monkeypatch.setattr(module, "MAX_EXPIRED", 2)
        monkeypatch.setattr(module, "LISTED", 2)
    return MemoryBackend() if request.param == "memory" else SqliteBackend(short_path)


async def begin_and_end(worker: Worker) -> str:
    run_id = await worker.begin()
    await worker.append(run_id, 1, end=RunState.COMPLETED)
    return run_id


async def test_a_store_with_as_many_runs_as_it_may_hold_takes_no_more_until_some_expire(workers: Workers) -> None:
    worker = await workers.one(LIMITS)
    runs = [await begin_and_end(worker), await worker.begin(), await worker.begin()]
    with pytest.raises(StoreFull):
        await worker.begin()
    await worker.store.delete(runs[1])
    await worker.begin()
    with pytest.raises(StoreFull):
        await worker.begin()
    await workers.advance(LIMITS.kept)
    await worker.store.reap(b"end")
    await worker.begin()
    assert await worker.state(runs[0]) is RunState.COMPLETED


async def test_of_too_many_expired_runs_the_oldest_are_forgotten(workers: Workers) -> None:
    worker = await workers.one(LIMITS)
    runs = []
    for _ in range(4):
        runs.append(await begin_and_end(worker))
        await workers.advance(LIMITS.kept)
        await worker.store.reap(b"end")
    found = [run_id for run_id in runs if await worker.store.find(run_id) is not None]
    assert found == runs[2:]


async def test_a_list_has_a_bound_and_the_newest_runs(workers: Workers) -> None:
    worker = await workers.one(LIMITS)
    runs = [await worker.begin() for _ in range(3)]
    assert [record.run_id for record in await worker.store.list_runs("ann")] == [runs[2], runs[1]]


async def test_what_is_no_longer_known_is_in_no_table_of_the_file(short_path: Path) -> None:
    files = SqliteBackend(short_path)
    workers = Workers(files)
    worker = await workers.one(LIMITS)
    try:
        await begin_and_end(worker)
        running = await worker.begin()
        await workers.advance(LIMITS.kept + LIMITS.known)
        await worker.renew(running)
        await worker.store.reap(b"end")
        with closing(sqlite3.connect(files.path)) as other:
            assert other.execute("SELECT id FROM runs").fetchall() == [(running,)]
            assert other.execute("SELECT count(*) FROM batches").fetchall() == [(0,)]
            assert other.execute("SELECT bytes, runs FROM totals").fetchall() == [(0, 1)]
    finally:
        await workers.close()


async def test_the_memory_of_events_is_free_once_they_have_expired_or_are_deleted() -> None:
    files = MemoryBackend()
    workers = Workers(files)
    worker = await workers.one(LIMITS)
    payload = bytes(range(250)) * 4
    before = sys.getrefcount(payload)
    expired, deleted = await worker.begin(), await worker.begin()
    await worker.append(expired, 1, payload, end=RunState.COMPLETED)
    await worker.append(deleted, 1, payload)
    assert sys.getrefcount(payload) == before + 2
    await worker.store.delete(deleted)
    await workers.advance(LIMITS.kept)
    await worker.store.reap(b"end")
    assert await worker.state(expired) is RunState.COMPLETED
    assert sys.getrefcount(payload) == before
