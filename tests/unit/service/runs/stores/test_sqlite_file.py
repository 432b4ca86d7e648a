"""The SQLite store's file: who may read it, how it begins, and what happens where it is deleted or corrupt."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sluice.service.runs.stores.base import NewRun, Refusal, RunState, StoreLimits, StoreUnavailable
from sluice.service.runs.stores.sqlite import SqliteStore
from sluice.service.runs.stores.sqlite_file import DatabaseFile
from tests.support.run_stores import WITHIN, SqliteBackend, Worker, Workers, new_run

ROOT = Path(__file__).parents[5]
GARBAGE = b"\x13\x37garbage" * 4000


@pytest.fixture
def files(short_path: Path) -> SqliteBackend:
    return SqliteBackend(short_path / "new" / "store")


@pytest.fixture
def workers(files: SqliteBackend) -> Workers:
    return Workers(files)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "sluice.store"]


def delete(path: Path) -> None:
    for each in path.parent.glob("runs.db*"):
        if each.is_file():
            each.unlink()


def delete_only_the_database(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


def put_another_there(path: Path) -> None:
    new = path.with_name("new")
    new.touch()
    new.rename(path)


async def test_a_store_that_is_not_open_has_made_nothing_and_says_so(files: SqliteBackend) -> None:
    threads = threading.active_count()
    store = SqliteStore(files.path)
    with pytest.raises(StoreUnavailable, match="is not open"):
        await store.find("0" * 32)
    assert not files.path.parent.exists()
    assert threading.active_count() == threads
    await store.close()


async def test_only_its_user_can_read_the_files_whatever_the_umask(workers: Workers, files: SqliteBackend) -> None:
    before = os.umask(0)
    try:
        worker = await workers.one()
        await worker.begin()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in files.path.parent.iterdir()}
    assert modes.pop("runs.db.bells") == 0o700
    assert modes == dict.fromkeys(["runs.db", "runs.db-wal", "runs.db-shm", "runs.db.lock"], 0o600)
    assert files.path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_file_that_others_can_read_is_closed_to_them(workers: Workers, files: SqliteBackend) -> None:
    await (await workers.one()).store.close()
    files.path.chmod(0o644)
    await workers.one()
    assert files.path.stat().st_mode & 0o777 == 0o600


async def test_runs_outlive_the_process(workers: Workers) -> None:
    worker = await workers.one()
    run_id = await worker.begin(key="k", digest="d")
    await worker.append(run_id, 1, b"text")
    await worker.store.close()
    worker = await workers.one()
    assert [batch.payload for batch in await worker.read_all(run_id)] == [b"text"]
    assert (await worker.store.create(new_run(key="k"))).body_digest == "d"
    assert (await worker.append(run_id, 2)).refusal is None


@pytest.mark.parametrize("remove", [delete, delete_only_the_database, empty, put_another_there])
async def test_a_file_that_is_taken_away_is_made_again_and_both_workers_use_the_new_one(
    workers: Workers,
    files: SqliteBackend,
    remove: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = await workers.two()
    lost = await one.begin(key="k")
    await two.append(lost, 1, b"text")
    remove(files.path)
    assert (await one.append(lost, 2)).refusal is Refusal.UNKNOWN
    run_id = await one.begin(key="k")
    await two.append(run_id, 1, b"new")
    for worker in (one, two):
        assert await worker.store.find(lost) is None
        assert [batch.payload for batch in await worker.read_all(run_id)] == [b"new"]
    # Closing the connections to the old file has not touched the new one's log.
    await one.store.close()
    await two.store.close()
    [again] = await workers.start()
    assert [batch.payload for batch in await again.read_all(run_id)] == [b"new"]
    assert any("was deleted, emptied or replaced" in each for each in warnings(caplog))


async def test_a_file_that_becomes_corrupt_is_moved_aside_once_and_both_workers_use_a_new_one(
    workers: Workers, files: SqliteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await workers.two()
    lost = await one.begin()
    for number in range(1, 40):
        await one.append(lost, number, b"x" * 4000)
    # What is in the log is read from there; so it goes into the file first.
    with closing(sqlite3.connect(files.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    files.path.write_bytes(GARBAGE)
    run_id = await one.begin()
    await two.append(run_id, 1, b"new")
    for worker in (one, two):
        assert await worker.store.find(lost) is None
        assert [batch.payload for batch in await worker.read_all(run_id)] == [b"new"]
    [aside] = files.path.parent.glob("runs.db.corrupt-*[0-9]")
    assert aside.read_bytes()[: len(GARBAGE)].startswith(GARBAGE[:1000])
    assert len([each for each in warnings(caplog) if "is corrupt" in each]) == 1


async def test_a_store_that_became_corrupt_while_it_was_closed_is_moved_aside(
    workers: Workers, files: SqliteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    await (await workers.one()).store.close()
    files.path.write_bytes(GARBAGE)
    worker = await workers.one()
    await worker.begin()
    [aside] = files.path.parent.glob("runs.db.corrupt-*")
    assert aside.read_bytes() == GARBAGE
    assert len(warnings(caplog)) == 1


def a_letter(path: Path) -> None:
    path.write_bytes(GARBAGE)


def a_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE customers (name)")


def another_format(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE t (x); PRAGMA application_id = 0x534C5549; PRAGMA user_version = 99;")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (a_letter, "file is not a database"),
        (a_database, "is a database of another program; name another file"),
        (another_format, "has format 99, and this version of Sluice reads format 1; move it away"),
    ],
)
async def test_a_file_that_is_no_store_of_ours_is_refused_and_left_as_it_is(
    workers: Workers, files: SqliteBackend, make: Callable[[Path], None], sentence: str
) -> None:
    files.path.parent.mkdir(parents=True)
    make(files.path)
    files.path.chmod(0o640)
    before = files.path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=sentence):
            await workers.one()
    assert files.path.read_bytes() == before
    assert files.path.stat().st_mode & 0o777 == 0o640
    assert not list(files.path.parent.glob("*.corrupt-*"))


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


@pytest.mark.parametrize("make", [Path.mkdir, a_pipe, a_link_to_a_pipe])
async def test_what_is_no_file_is_neither_replaced_nor_joined_by_a_lock(
    workers: Workers, files: SqliteBackend, make: Callable[[Path], None]
) -> None:
    files.path.parent.mkdir(parents=True)
    make(files.path)
    before = {path.name: path.lstat() for path in files.path.parent.iterdir()}
    with pytest.raises(StoreUnavailable, match="is a folder, a device or the like; name a file"):
        await workers.one()
    after = {path.name: path.lstat() for path in files.path.parent.iterdir()}
    assert {name: (each.st_ino, each.st_mode) for name, each in after.items()} == {
        name: (each.st_ino, each.st_mode) for name, each in before.items()
    }


async def test_a_file_whose_making_was_cut_off_is_made(workers: Workers, files: SqliteBackend) -> None:
    files.path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(files.path)) as other:
        other.execute("PRAGMA auto_vacuum = INCREMENTAL")
        other.execute("PRAGMA journal_mode = WAL")
    assert files.path.stat().st_size
    await (await workers.one()).begin()


async def test_many_workers_that_begin_at_once_make_one_store(workers: Workers) -> None:
    connections = await asyncio.gather(*(workers.one() for _ in range(6)))
    runs = [await worker.begin() for worker in connections]
    assert len(await connections[0].store.list_runs("ann")) == len(runs)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize(("owner", "mode"), [(65534, 0o700), (0, 0o777)])
async def test_a_folder_that_another_user_may_have_made_in_a_shared_folder_is_refused(
    tmp_path: Path, owner: int, mode: int
) -> None:
    shared = tmp_path / "shared"
    (shared / "store").mkdir(parents=True)
    shared.chmod(0o1777)
    (shared / "store").chmod(mode)
    os.chown(shared / "store", owner, 0)
    store = SqliteStore(shared / "store" / "runs.db")
    with pytest.raises(StoreUnavailable, match="only this user can write into"):
        await store.open(lambda run_id: None)


APPENDS_UNTIL_IT_IS_KILLED = """
import asyncio, sys
from pathlib import Path
from sluice.service.runs.stores.base import Append, Batch, NewRun
from sluice.service.runs.stores.sqlite import SqliteStore
from sluice.service.runs.stores.sqlite_file import DatabaseFile

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open(lambda run_id: None)
    await store.create(NewRun("a" * 32, "ann"))
    number = 1
    while True:
        [answer] = await store.append([Append("a" * 32, 1, Batch(number, 1, b"%d" % number * 200))])
        assert answer.refusal is None
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_a_process_that_is_killed_amid_appends_leaves_a_prefix_with_all_it_was_told_of(
    workers: Workers, files: SqliteBackend
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", APPENDS_UNTIL_IT_IS_KILLED, str(files.path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(60)][-1]
        process.send_signal(signal.SIGKILL)
        told = max([told, *map(int, process.stdout.read().split())])
    worker = await workers.one()
    log = await worker.read_all("a" * 32)
    assert [batch.payload for batch in log] == [b"%d" % number * 200 for number in range(1, log[-1].last + 1)]
    assert told <= log[-1].last <= told + 1
    record = await worker.store.find("a" * 32)
    assert record is not None
    assert (record.last_number, record.state) == (log[-1].last, RunState.RUNNING)
    assert (await worker.append("a" * 32, log[-1].last + 1)).refusal is None


APPENDS_TO_ITS_RUNS = """
import asyncio, sys
from pathlib import Path
from sluice.service.runs.stores.base import Append, Batch, NewRun
from sluice.service.runs.stores.sqlite import SqliteStore
from sluice.service.runs.stores.sqlite_file import DatabaseFile

async def main():
    store = SqliteStore(Path(sys.argv[1]), timeout=30.0)
    await store.open(lambda run_id: None)
    await store.create(NewRun(sys.argv[2] * 32, "ann", key="k"))
    runs = [sys.argv[2] * 31 + "%x" % index for index in range(5)]
    for run_id in runs:
        await store.create(NewRun(run_id, "ann"))
    for number in range(1, 61):
        batches = [Append(run_id, 1, Batch(number, 1, b"%s:%d" % (run_id.encode(), number))) for run_id in runs]
        assert [answer.next_number for answer in await store.append(batches)] == [number + 1] * 5
    await store.close()

asyncio.run(main())
"""


async def test_processes_that_begin_and_append_at_the_same_time_share_one_file_without_loss(
    workers: Workers, files: SqliteBackend
) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", APPENDS_TO_ITS_RUNS, str(files.path), name, cwd=ROOT
        )
        for name in "abcd"
    ]
    assert [await process.wait() for process in processes] == [0] * 4
    worker = await workers.one()
    runs = [name * 31 + f"{index:x}" for name in "abcd" for index in range(5)]
    for run_id in runs:
        log = await worker.read_all(run_id)
        assert [batch.payload for batch in log] == [b"%s:%d" % (run_id.encode(), number) for number in range(1, 61)]
    # Of four that used one key at the same time, one has begun a run with it.
    with_key = {record.run_id for record in await worker.store.list_runs("ann")} - set(runs)
    assert len(with_key & {name * 32 for name in "abcd"}) + len(set(runs) & {name * 32 for name in "abcd"}) == 1


async def write_and_expire(worker: Worker, workers: Workers, limits: StoreLimits) -> None:
    """Write 24 MiB, and let them expire."""
    for _ in range(12):
        run_id = await worker.begin()
        await worker.append(run_id, 1, b"x" * 2**21, end=RunState.COMPLETED)
    await workers.advance(limits.kept)
    while await worker.store.size():
        await worker.store.reap(b"end")


async def test_the_files_size_is_bounded_by_what_is_kept_and_not_by_what_was_written(
    workers: Workers, files: SqliteBackend
) -> None:
    limits = StoreLimits(kept=1.0, known=1.0)
    worker = await workers.one(limits)
    sizes = []
    for _ in range(3):
        await write_and_expire(worker, workers, limits)
        for _ in range(4):
            await worker.store.reap(b"end")
        with closing(sqlite3.connect(files.path, timeout=WITHIN)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        sizes.append(files.path.stat().st_size)
    assert max(sizes) < 6 * 2**20
    assert await worker.store.find(await new_id(worker)) is not None


async def new_id(worker: Worker) -> str:
    run = NewRun("b" * 32, "ann")
    return (await worker.store.create(run)).run_id


def test_of_two_that_find_a_file_corrupt_the_second_leaves_the_new_one(short_path: Path) -> None:
    file = DatabaseFile(short_path / "runs.db", busy_timeout=WITHIN, max_bytes=2**20)
    one, two = file.connect(), file.connect(reads_only=True)
    error = sqlite3.DatabaseError("database disk image is malformed")
    new = file.reconnect(one, error)
    again = file.reconnect(two, error, reads_only=True)
    assert new.identity == again.identity
    assert len(list(short_path.glob("*.corrupt-*[0-9]"))) == 1
    new.close()
    again.close()


STAYS_OPEN = """
import asyncio, sys
from pathlib import Path
from sluice.service.runs.stores.base import Append, Batch, NewRun
from sluice.service.runs.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open(lambda run_id: None)
    await store.create(NewRun("a" * 32, "ann"))
    await store.append([Append("a" * 32, 1, Batch(1, 1, b"x" * 50_000))])
    print(flush=True)
    sys.stdin.readline()
    record = await store.find("b" * 32)
    print(record.last_number if record else None, await store.find("a" * 32), flush=True)
    await store.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("remove", [delete_only_the_database, empty])
async def test_a_new_file_does_not_share_the_log_of_the_one_that_another_process_still_has_open(
    workers: Workers, files: SqliteBackend, remove: Callable[[Path], None]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STAYS_OPEN, str(files.path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        remove(files.path)
        worker = await workers.one()
        await worker.store.create(NewRun("b" * 32, "ann"))
        for number in range(1, 11):
            assert (await worker.append("b" * 32, number, b"y" * 20_000)).refusal is None
        assert len(await worker.read_all("b" * 32)) == 10
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert await asyncio.to_thread(process.stdout.readline) == b"10 None\n"
    await worker.store.close()
    [again] = await workers.start()
    assert len(await again.read_all("b" * 32)) == 10
