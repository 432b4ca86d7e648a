"""The SQLite store where the file system or another process fails it: it says so in time, and recovers."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sluice.service.runs.stores.base import Batch, RunState, StoreFull, StoreLimits, StoreUnavailable
from sluice.service.runs.stores.sqlite import SqliteStore
from tests.support.run_stores import WITHIN, Clock, SqliteBackend, Worker, Workers, new_run

ROOT = Path(__file__).parents[5]
# Seconds: the timeout of the stores here, and how much later than that a loaded machine may be.
TIMEOUT, LATE = 0.4, 2.0


@pytest.fixture
def files(short_path: Path) -> SqliteBackend:
    return SqliteBackend(short_path / "store")


@pytest.fixture
def workers(files: SqliteBackend) -> Workers:
    return Workers(files)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of those that write."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_store_that_is_locked_for_too_long_says_so_in_time_and_reads_meanwhile(
    files: SqliteBackend,
) -> None:
    # The usual timeout: a busy machine may be late by the half second that is left behind the wait for the lock.
    store = SqliteStore(files.path)
    worker = Worker(store)
    await store.open(worker.ring)
    run_id = await worker.begin()
    await worker.append(run_id, 1, b"text")
    with locked(files.path):
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"was locked by another process for longer than 1\.5 s"):
            await worker.append(run_id, 2)
        assert await worker.read_all(run_id) == [Batch(1, 1, b"text")]
        assert 1 < time.monotonic() - start < 2 + LATE
    assert (await worker.append(run_id, 2)).refusal is None
    await store.close()


async def test_a_store_that_is_locked_when_it_is_opened_says_so_and_can_be_opened_later(
    workers: Workers, files: SqliteBackend
) -> None:
    await (await workers.one()).begin()
    other = SqliteStore(files.path)
    with locked(files.path), pytest.raises(StoreUnavailable, match="locked"):
        await other.open(lambda run_id: None)
    await other.open(lambda run_id: None)
    assert len(await other.list_runs("ann")) == 1
    await other.close()


class HeldClock(Clock):
    """Holds the store's writer in the middle of its next transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = False
        self._holds = threading.Event()
        self.goes_on = threading.Event()

    def __call__(self) -> float:
        if self.is_held and threading.current_thread().name == "sluice-store-writer":
            self._holds.set()
            assert self.goes_on.wait(30)
        return self.now

    async def wait(self) -> None:
        """Wait until the writer is held."""
        assert await asyncio.to_thread(self._holds.wait, 30)


async def test_a_thread_that_is_stuck_is_not_waited_for_and_does_not_do_later_what_was_given_up(
    short_path: Path,
) -> None:
    clock = HeldClock()
    store = SqliteStore(short_path / "runs.db", timeout=TIMEOUT, clock=clock)
    await store.open(lambda run_id: None)
    clock.is_held = True
    begun, *others = [new_run() for _ in range(4)]
    start = time.monotonic()
    first = asyncio.create_task(store.create(begun))
    await clock.wait()
    results = await asyncio.gather(first, *(store.create(run) for run in others), return_exceptions=True)
    assert [str(each).partition(": ")[2] for each in results] == [f"did not answer within {TIMEOUT} s"] * 4
    assert TIMEOUT * 0.9 < time.monotonic() - start < 2 * TIMEOUT + LATE
    assert await store.find(begun.run_id) is None
    clock.goes_on.set()
    last = new_run()
    while True:
        try:
            await store.create(last)
            break
        except StoreUnavailable:
            continue  # a busy machine
    # The first was being done when it was given up.
    assert {record.run_id for record in await store.list_runs("ann")} == {begun.run_id, last.run_id}
    await store.close()


async def test_what_its_caller_gives_up_before_its_turn_is_not_done(short_path: Path) -> None:
    clock = HeldClock()
    store = SqliteStore(short_path / "runs.db", timeout=WITHIN, clock=clock)
    await store.open(lambda run_id: None)
    clock.is_held = True
    first = asyncio.create_task(store.create(new_run()))
    await clock.wait()
    queued = [asyncio.create_task(store.create(new_run(owner="bob"))) for _ in range(3)]
    await asyncio.sleep(0)
    for each in queued:
        each.cancel()
    await asyncio.wait(queued)
    clock.goes_on.set()
    assert (await first).is_new
    assert await store.list_runs("bob") == []
    await store.close()


async def test_a_store_is_closed_though_its_writer_is_stuck(
    short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HeldClock()
    store = SqliteStore(short_path / "runs.db", timeout=TIMEOUT, clock=clock)
    await store.open(lambda run_id: None)
    clock.is_held = True
    first = asyncio.create_task(store.create(new_run()))
    await clock.wait()
    start = time.monotonic()
    await store.close()
    assert time.monotonic() - start < TIMEOUT + LATE
    assert "was not closed within 0.4 s" in caplog.text
    with pytest.raises(StoreUnavailable):
        await first
    clock.goes_on.set()


async def test_a_file_without_room_says_so_and_a_deletion_makes_room(files: SqliteBackend) -> None:
    store = SqliteStore(files.path, StoreLimits(max_bytes=2**20), timeout=WITHIN)
    worker = Worker(store)
    await store.open(worker.ring)
    full, other, small = [await worker.begin() for _ in range(3)]
    await worker.append(small, 1, b"text")
    await worker.append(full, 1, b"x" * 7 * 2**20)
    with pytest.raises(StoreUnavailable, match="no space left"):
        await worker.append(other, 1, b"y" * 7 * 2**20)
    with pytest.raises(StoreFull):
        await worker.begin()
    assert await worker.read_all(small) == [Batch(1, 1, b"text")]
    assert (await worker.append(small, 2, b"more")).refusal is None
    # In one group with an append that still has no room, the deletion is done all the same.
    results = await asyncio.gather(
        worker.append(other, 1, b"y" * 9 * 2**20),
        worker.store.delete(full),
        worker.renew(small),
        return_exceptions=True,
    )
    assert results[1] is True
    assert (await worker.append(other, 1, b"y" * 7 * 2**20)).refusal is None
    assert await worker.store.size() == 8 + 7 * 2**20
    await store.close()


async def test_an_operation_that_fails_by_a_defect_fails_alone(short_path: Path) -> None:
    clock = HeldClock()
    store = SqliteStore(short_path / "runs.db", timeout=WITHIN, clock=clock)
    worker = Worker(store)
    await store.open(worker.ring)
    run_id = await worker.begin()
    clock.is_held = True
    first = asyncio.create_task(worker.renew(run_id))
    await clock.wait()
    # They wait together, and are one transaction.
    wrong = asyncio.create_task(worker.append(run_id, 1, None))  # type: ignore[arg-type]
    right = asyncio.create_task(worker.append(run_id, 1, b"text"))
    await asyncio.sleep(0)
    clock.goes_on.set()
    assert (await first).refusal is None
    with pytest.raises(TypeError):
        await wrong
    assert (await right).refusal is None
    assert await worker.read_all(run_id) == [Batch(1, 1, b"text")]
    await store.close()


async def test_reads_do_not_wait_for_a_long_write(short_path: Path) -> None:
    clock = HeldClock()
    store = SqliteStore(short_path / "runs.db", timeout=WITHIN, clock=clock)
    worker = Worker(store)
    await store.open(worker.ring)
    run_id = await worker.begin()
    clock.is_held = True
    write = asyncio.create_task(worker.append(run_id, 1))
    await clock.wait()
    assert await worker.state(run_id) is RunState.RUNNING
    assert await worker.read_all(run_id) == []
    assert not write.done()
    clock.goes_on.set()
    assert (await write).refusal is None
    await store.close()


async def test_a_folder_that_cannot_be_made_says_so() -> None:
    store = SqliteStore(Path("/proc/sluice/runs.db"), timeout=TIMEOUT)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"/proc/sluice/runs\.db: cannot be opened: No such file"):
            await store.open(lambda run_id: None)


OPENS_AS_A_USER = """
import asyncio, os, sys
from pathlib import Path
from sluice.service.runs.stores.base import StoreUnavailable
from sluice.service.runs.stores.sqlite import SqliteStore

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

async def main():
    try:
        await SqliteStore(Path(sys.argv[1])).open(lambda run_id: None)
    except StoreUnavailable as error:
        print(error)

asyncio.run(main())
"""


@pytest.mark.parametrize("exists", [False, True])
async def test_a_folder_that_may_not_be_written_says_so(short_path: Path, exists: bool) -> None:
    folder = short_path / "above" / "store"
    folder.mkdir(parents=True)
    path = folder / "runs.db"
    if exists:
        store = SqliteStore(path)
        await store.open(lambda run_id: None)
        await store.close()
    for each in folder.iterdir():
        each.chmod(0o444)
    folder.chmod(0o555)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", OPENS_AS_A_USER, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    folder.chmod(0o755)
    assert done.stderr == ""
    assert done.stdout == f"SQLite store {path}: cannot be opened: Permission denied\n"


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from sluice.service.runs.stores.base import Append, Batch, NewRun, StoreUnavailable
from sluice.service.runs.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open(lambda run_id: None)
    await store.create(NewRun("a" * 32, "ann"))
    number = 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
    try:
        while True:
            await store.append([Append("a" * 32, 1, Batch(number, 1, b"x" * 10_000))])
            number += 1
    except StoreUnavailable as error:
        print(error)
    print(number, len((await store.read("a" * 32, 0, 10**9)).batches))
    await store.close()

asyncio.run(main())
"""


async def test_a_write_that_the_system_refuses_says_so_and_what_was_written_can_be_read(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LIMITED, str(tmp_path / "store" / "runs.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    error, numbers = done.stdout.splitlines()
    assert "disk I/O error" in error or "no space left" in error
    number, batches = map(int, numbers.split())
    assert number > 5
    assert batches == number - 1
    assert os.path.exists(tmp_path / "store" / "runs.db")
