"""The SQLite store's bell: other processes hear of changes at once, and by looking where a ring was lost."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.service.runs.stores import sqlite_bell
from sluice.service.runs.stores.base import StoreLimits, StoreUnavailable
from sluice.service.runs.stores.sqlite import SqliteStore
from sluice.service.runs.stores.sqlite_bell import MAX_PATH, bell_folder
from tests.support.run_stores import WITHIN, SqliteBackend, Worker, Workers

ROOT = Path(__file__).parents[5]


class SeldomLooking(SqliteBackend):
    """Looks for changes so seldom that only rings can bring them."""

    def connect(self, limits: StoreLimits) -> SqliteStore:
        return SqliteStore(self.path, limits, poll_interval=3600.0, timeout=WITHIN)


class OftenLooking(SqliteBackend):
    """Looks for changes often."""

    def connect(self, limits: StoreLimits) -> SqliteStore:
        return SqliteStore(self.path, limits, poll_interval=0.02, timeout=WITHIN)


@pytest.fixture
def files(short_path: Path) -> SqliteBackend:
    return SeldomLooking(short_path / "store")


@pytest.fixture
def workers(files: SqliteBackend) -> Workers:
    return Workers(files)


def sockets(files: SqliteBackend) -> set[Path]:
    return set(bell_folder(files.path).iterdir())


APPENDS = """
import asyncio, sys
from pathlib import Path
from sluice.service.runs.stores.base import Append, Batch
from sluice.service.runs.stores import sqlite_bell
from sluice.service.runs.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open(lambda run_id: None)
    [answer] = await store.append([Append(sys.argv[2], 1, Batch(1, 1, b"from there"))])
    assert answer.refusal is None
    if sys.argv[3:]:
        print(flush=True)
        sys.stdin.read()
    await store.close()

asyncio.run(main())
"""


async def test_another_process_rings_at_once(workers: Workers, files: SqliteBackend) -> None:
    worker = await workers.one()
    run_id = await worker.begin()
    await worker.store.watch(run_id)
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", APPENDS, str(files.path), run_id, cwd=ROOT)
    await worker.wait_ring(run_id)
    assert [batch.payload for batch in await worker.read_all(run_id)] == [b"from there"]
    assert await done.wait() == 0
    assert len(sockets(files)) == 1


async def test_the_socket_of_a_killed_process_is_removed_by_the_next_ring(
    workers: Workers, files: SqliteBackend
) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    with subprocess.Popen(
        [sys.executable, "-c", APPENDS, str(files.path), run_id, "stay"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        assert len(sockets(files)) == 3
        process.kill()
    assert len(sockets(files)) == 3
    await two.store.watch(run_id)
    await one.append(run_id, 2)
    await two.wait_ring(run_id)
    while len(sockets(files)) > 2:
        await asyncio.sleep(0.001)


async def test_sockets_are_open_to_their_user_alone_and_are_gone_when_the_store_is_closed(
    workers: Workers, files: SqliteBackend
) -> None:
    worker = await workers.one()
    assert len(sockets(files)) == 1
    assert bell_folder(files.path).stat().st_mode & 0o777 == 0o700
    await worker.store.close()
    assert not bell_folder(files.path).exists()


async def test_a_process_that_does_not_listen_holds_nobody(workers: Workers, files: SqliteBackend) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await two.store.watch(run_id)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(bell_folder(files.path) / "1-deaf.sock"))
        for number in range(1, 1001):
            await one.append(run_id, number)
        await two.wait_ring(run_id)


async def test_a_change_can_be_read_when_it_rings(workers: Workers) -> None:
    one, two = await workers.two()
    run_id = await one.begin()
    await two.store.watch(run_id)

    async def produce() -> None:
        for number in range(1, 101):
            await one.append(run_id, number)
            await asyncio.sleep(0.001)

    async def follow() -> None:
        last = 0
        while last < 100:
            await two.wait_ring(run_id)
            page = await two.read(run_id, last)
            assert page is not None
            last = page.record.last_number

    await asyncio.gather(produce(), follow())


async def test_rings_of_thousands_of_runs_at_once_arrive(workers: Workers) -> None:
    one, two = await workers.two()
    runs = [await one.begin() for _ in range(2)]
    for run_id in runs:
        await two.store.watch(run_id)
    # As a worker with many runs rings: two of them are somewhere among the ids.
    others = [f"{number:032x}" for number in range(1500)]
    ids = [*others, runs[0], *others, runs[1]]
    bell = one.store._bell  # type: ignore[attr-defined]
    bell.ring(ids)
    for run_id in runs:
        if run_id not in two.heard:
            await two.wait_ring(run_id)


async def test_a_lost_ring_is_made_up_for_by_looking_and_what_has_not_changed_does_not_ring(short_path: Path) -> None:
    files = OftenLooking(short_path / "store")
    workers = Workers(files)
    one, two = await workers.two()
    try:
        run_id, still = await one.begin(), await one.begin()
        # The first look at a run rings, also where nothing has changed since the last look at others.
        await two.store.watch(run_id)
        await two.wait_ring(run_id)
        await two.store.watch(still)
        await two.wait_ring(still)
        for path in sockets(files):
            path.unlink()
        two.rings.clear()
        two.heard.clear()
        await one.append(run_id, 1)
        await two.wait_ring(run_id)
        await one.store.request_stop(run_id, "stopped")
        await two.wait_ring(run_id)
        await one.store.delete(run_id)
        await two.wait_ring(run_id)
        assert two.heard == {run_id}
    finally:
        await workers.close()


async def test_looking_goes_on_after_the_store_was_away(short_path: Path) -> None:
    files = OftenLooking(short_path / "store")
    workers = Workers(files)
    one, two = await workers.two()
    try:
        run_id = await one.begin()
        await two.store.watch(run_id)
        await two.wait_ring(run_id)
        files.path.parent.rename(short_path / "elsewhere")
        files.path.parent.write_text("no folder")
        with pytest.raises(StoreUnavailable):
            await two.store.find(run_id)
        await asyncio.sleep(0.05)
        files.path.parent.unlink()
        (short_path / "elsewhere").rename(files.path.parent)
        for path in sockets(files):
            path.unlink()
        await one.append(run_id, 1)
        await two.wait_ring(run_id)
    finally:
        await workers.close()


async def test_a_database_whose_path_is_too_long_for_a_socket_has_its_bell_in_the_temporary_folder(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_bell, "SHORT_FOLDER", short_path)
    files = SeldomLooking(tmp_path / ("long" * 20) / ("päth" * 20))
    workers = Workers(files)
    one, two = await workers.two()
    try:
        folder = bell_folder(files.path)
        assert folder.parent == short_path
        assert folder.stat().st_mode & 0o777 == 0o700
        assert max(len(os.fsencode(path)) for path in folder.iterdir()) <= MAX_PATH
        run_id = await one.begin()
        await two.store.watch(run_id)
        await one.append(run_id, 1)
        await two.wait_ring(run_id)
    finally:
        await workers.close()


def loose(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)


def link(folder: Path) -> None:
    folder.parent.chmod(0o700)
    folder.symlink_to(folder.parent)


def file(folder: Path) -> None:
    folder.touch()


@pytest.mark.parametrize("make", [loose, link, file])
async def test_a_folder_for_sockets_that_is_not_ours_alone_is_refused(files: SqliteBackend, make: object) -> None:
    files.path.parent.mkdir()
    make(bell_folder(files.path))  # type: ignore[operator]
    store = files.connect(StoreLimits())
    with pytest.raises(StoreUnavailable, match=r"runs\.db\.bells"):
        await store.open(Worker(store).ring)
