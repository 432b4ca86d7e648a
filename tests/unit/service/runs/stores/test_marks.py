"""All stores: a mark of a run changes where it has the expected value, from any worker, and ends with its run."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from sluice.service.runs.stores.base import RunState
from sluice.service.runs.stores.sqlite import SqliteStore
from tests.support.run_stores import SHORT, Backend, SqliteBackend, Workers


async def test_a_mark_is_set_by_one_worker_and_found_by_another(workers: Workers) -> None:
    one, two = await workers.two()
    run_id, other = await one.begin(), await one.begin()
    assert await two.store.find_mark(run_id, "call_1") == ""
    assert await one.store.mark(run_id, "call_1", "", "asked") == ""
    assert await two.store.find_mark(run_id, "call_1") == "asked"
    assert await two.store.mark(run_id, "call_1", "asked", "allowed") == "asked"
    assert await one.store.find_mark(run_id, "call_1") == "allowed"
    for name in ("call_2", "stop", "state"):
        assert await one.store.find_mark(run_id, name) == ""
    assert await one.store.find_mark(other, "call_1") == ""
    record = await one.store.find(run_id)
    assert record is not None
    assert (record.state, record.stop, record.last_number) == (RunState.RUNNING, "", 0)


async def test_a_mark_with_another_value_than_the_expected_one_stays(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    assert await worker.store.mark(run_id, "c", "asked", "allowed") == ""
    assert await worker.store.find_mark(run_id, "c") == ""
    await worker.store.mark(run_id, "c", "", "asked")
    await worker.store.mark(run_id, "c", "asked", "denied")
    assert await worker.store.mark(run_id, "c", "asked", "allowed") == "denied"
    assert await worker.store.find_mark(run_id, "c") == "denied"


async def test_of_many_decisions_at_the_same_time_one_is_taken(workers: Workers) -> None:
    connections = await workers.start(4)
    run_id = await connections[0].begin()
    await connections[0].store.mark(run_id, "c", "", "asked")
    values = [f"value {number}" for number in range(12)]
    tries = zip(connections * 3, values, strict=True)
    found = await asyncio.gather(*(worker.store.mark(run_id, "c", "asked", value) for worker, value in tries))
    assert found.count("asked") == 1
    winner = values[found.index("asked")]
    assert await connections[1].store.find_mark(run_id, "c") == winner
    assert set(found) == {"asked", winner}


async def test_a_run_that_has_ended_or_is_unknown_gets_no_mark(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    await worker.store.mark(run_id, "c", "", "asked")
    await worker.append(run_id, 1, b"end", end=RunState.COMPLETED)
    assert await worker.store.mark(run_id, "c", "asked", "allowed") is None
    assert await worker.store.mark("0" * 32, "c", "", "asked") is None
    assert await worker.store.find_mark("0" * 32, "c") == ""
    assert await worker.store.delete(run_id)
    assert await worker.store.find_mark(run_id, "c") == ""


async def test_marks_are_forgotten_with_the_events_of_their_run(workers: Workers, backend: Backend) -> None:
    worker = await workers.one(SHORT)
    run_id = await worker.begin()
    await worker.store.mark(run_id, "c", "", "asked")
    await worker.append(run_id, 1, b"end", end=RunState.COMPLETED)
    await backend.advance(SHORT.kept)
    await worker.store.reap(b"end")
    await backend.advance(SHORT.known)
    await worker.store.reap(b"end")
    assert await worker.store.find_mark(run_id, "c") == ""
    if isinstance(backend, SqliteBackend):
        with sqlite3.connect(backend.path) as connection:
            assert connection.execute("SELECT count(*) FROM marks").fetchone() == (0,)
        connection.close()


async def test_a_file_of_a_version_without_marks_gets_them(short_path: Path) -> None:
    file = short_path / "store" / "runs.db"
    first = SqliteStore(file, SHORT, timeout=5.0)
    await first.open(lambda _: None)
    await first.close()
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE marks")
    connection.close()
    second = SqliteStore(file, SHORT, timeout=5.0)
    await second.open(lambda _: None)
    try:
        assert await second.mark("0" * 32, "c", "", "asked") is None
    finally:
        await second.close()
