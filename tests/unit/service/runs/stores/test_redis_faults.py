"""A Redis server that is away, stuck, emptied, full or of another kind: what a store raises, and when it works."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from sluice.service.runs.stores.base import Refusal, RunState, StoreFull, StoreUnavailable
from sluice.service.runs.stores.redis import RedisStore
from tests.support.redis_stores import open_worker
from tests.support.run_stores import WITHIN, Worker, new_run
from tests.support.valkey import ValkeyServer, free_ports
from tools.common.gunicorn_server import REPOSITORY

# Seconds that a call may take in these tests, and what it may take longer on a busy machine.
TIMEOUT = 0.3
SLACK = 1.0


@pytest.fixture(scope="module")
def running() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def server(running: ValkeyServer) -> ValkeyServer:
    """A server with nothing in it."""
    running.command("FLUSHALL")
    return running


def url_of(server: ValkeyServer) -> str:
    return f"{server.url}?socket_timeout={TIMEOUT}"


async def until_it_works(call: Callable[[], Awaitable[object]]) -> float:
    """Repeat a call until the store is available; return the seconds that it took."""
    start = time.monotonic()
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                await call()
                return time.monotonic() - start
            except StoreUnavailable:
                await asyncio.sleep(0.01)


async def test_a_stuck_server_holds_no_call_up_and_is_used_again_when_it_goes_on(server: ValkeyServer) -> None:
    async with open_worker(url_of(server)) as worker:
        run_id = await worker.begin()
        with server.stopped():
            calls = [
                worker.append(run_id, 1),
                worker.renew(run_id),
                worker.store.find(run_id),
                worker.read(run_id),
                worker.store.create(new_run()),
                worker.store.reap(b"end"),
                worker.store.list_runs("ann"),
                worker.store.delete("0" * 32),
                *(worker.store.find(run_id) for _ in range(40)),
            ]
            start = time.monotonic()
            failures = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - start < TIMEOUT + SLACK
            assert {type(failure).__base__ for failure in failures} == {StoreUnavailable}
            assert f"127.0.0.1:{server.port} did not answer within {TIMEOUT} s" in str(failures[0])
        assert await until_it_works(lambda: worker.store.find(run_id)) < SLACK


async def test_an_append_without_an_answer_is_a_duplicate_when_it_is_repeated(server: ValkeyServer) -> None:
    async with open_worker(url_of(server)) as worker:
        run_id = await worker.begin()
        # The server's socket takes it, and the server reads it when it goes on.
        with server.stopped(), pytest.raises(StoreUnavailable):
            await worker.append(run_id, 1, b"abc", count=3)
        answers = []

        async def repeat() -> None:
            answers.append(await worker.append(run_id, 1, b"abc", count=3))

        await until_it_works(repeat)
        assert [(answer.refusal, answer.next_number) for answer in answers] == [(Refusal.DUPLICATE, 4)]
        assert [batch.payload for batch in await worker.read_all(run_id)] == [b"abc"]


async def test_a_server_that_comes_back_empty_is_used_again_and_producers_learn_that_their_run_is_lost() -> None:
    with ValkeyServer() as server:
        async with open_worker(url_of(server)) as worker:
            run_id = await worker.begin()
            await worker.store.watch(run_id)
            server.kill()
            with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{server.port} cannot be reached"):
                await worker.append(run_id, 1)
            server.start()
            assert await until_it_works(lambda: worker.store.find(run_id)) < SLACK
            assert (await worker.append(run_id, 1)).refusal is Refusal.UNKNOWN
            assert (await worker.renew(run_id)).refusal is Refusal.UNKNOWN
            assert await worker.begin()


async def test_a_store_that_is_away_when_it_is_opened_can_be_opened_later() -> None:
    with ValkeyServer() as server:
        server.kill()
        worker = Worker(RedisStore(url_of(server)))
        try:
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="cannot be reached"):
                    await worker.store.open(worker.ring)
            server.start()
            await until_it_works(lambda: worker.store.open(worker.ring))
            run_id = await worker.begin()
            await worker.store.watch(run_id)
            await worker.append(run_id, 1)
            await worker.wait_ring(run_id)
        finally:
            await worker.store.close()


async def test_a_server_that_is_away_is_asked_a_few_times_a_second_however_many_calls_there_are() -> None:
    tries = 0

    def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        writer.close()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    worker = Worker(RedisStore(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"))
    try:
        end = time.monotonic() + 1.0
        calls = 0
        while time.monotonic() < end:
            with pytest.raises(StoreUnavailable):
                await worker.store.open(worker.ring)
            calls += 1
            await asyncio.sleep(0.001)
    finally:
        await worker.store.close()
        listening.close()
        await listening.wait_closed()
    assert calls > 30
    # 50 ms, 100, 200, 400, 500 after each other.
    assert 2 <= tries <= 6


async def test_a_server_without_memory_takes_no_run_and_no_batch_and_works_again_with_memory(
    server: ValkeyServer,
) -> None:
    async with open_worker(url_of(server)) as worker:
        run_id = await worker.begin()
        await worker.append(run_id, 1, b"text")
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.command("CONFIG", "SET", "maxmemory", "100000")
        try:
            with pytest.raises(StoreFull, match="has reached its maxmemory"):
                await worker.store.create(new_run())
            for end in (None, RunState.COMPLETED):
                with pytest.raises(StoreUnavailable, match="has reached its maxmemory"):
                    await worker.append(run_id, 2, b"more", end=end)
            with pytest.raises(StoreUnavailable, match="has reached its maxmemory"):
                await worker.renew(run_id)
            # What reads, and what makes room, goes on.
            assert [batch.payload for batch in await worker.read_all(run_id)] == [b"text"]
            other = await worker.store.find(run_id)
            assert other is not None
            assert other.state is RunState.RUNNING
        finally:
            server.command("CONFIG", "SET", "maxmemory", "0")
        assert (await worker.append(run_id, 2, b"more", end=RunState.COMPLETED)).refusal is None
        server.command("CONFIG", "SET", "maxmemory", "100000")
        try:
            assert await worker.store.delete(run_id)
        finally:
            server.command("CONFIG", "SET", "maxmemory", "0")
        assert await worker.store.size() == 0


async def test_a_lost_connection_for_messages_is_made_again_and_rings_for_all_that_is_watched(
    server: ValkeyServer,
) -> None:
    async with open_worker(url_of(server)) as worker:
        runs = [await worker.begin() for _ in range(3)]
        for run_id in runs:
            await worker.store.watch(run_id)
        for _ in range(2):
            worker.rings.clear()
            assert server.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
            for run_id in runs:
                async with asyncio.timeout(WITHIN):
                    while run_id not in worker.rings:
                        await asyncio.sleep(0.005)
        worker.rings.clear()
        await worker.append(runs[1], 1)
        await worker.wait_ring(runs[1])
        await worker.store.unwatch(runs[0])
        run_id = await worker.begin()
        await worker.store.watch(run_id)
        await worker.append(run_id, 1)
        await worker.wait_ring(run_id)


async def test_a_watched_run_rings_when_a_stuck_server_goes_on(server: ValkeyServer) -> None:
    async with open_worker(url_of(server)) as worker:
        run_id = await worker.begin()
        with server.stopped():
            await worker.store.watch(run_id)
        await until_it_works(lambda: worker.append(run_id, 1))
        await worker.wait_ring(run_id)


async def test_scripts_that_a_server_has_forgotten_are_loaded_again(server: ValkeyServer) -> None:
    async with open_worker(url_of(server)) as worker:
        run_id = await worker.begin()
        server.command("SCRIPT", "FLUSH")
        assert (await worker.append(run_id, 1)).refusal is None
        server.command("SCRIPT", "FLUSH")
        assert (await worker.renew(run_id)).next_number == 2
        assert len(await worker.read_all(run_id)) == 1


async def test_a_store_of_which_calls_are_cancelled_goes_on(server: ValkeyServer) -> None:
    async with open_worker(f"{url_of(server)}&max_connections=2") as worker:
        runs = [await worker.begin() for _ in range(3)]
        for delay in range(30):
            tasks = [asyncio.create_task(worker.append(run_id, delay + 1)) for run_id in runs]
            await asyncio.sleep(delay / 20_000)
            for task in tasks[:2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for run_id in runs:
                # Each gets its own reply, and not one that another call has left on the connection.
                record = await worker.store.find(run_id)
                assert record is not None
                assert record.run_id == run_id
                await worker.append(run_id, record.last_number + 1)
                assert (await worker.renew(run_id)).next_number == record.last_number + 2


@pytest.mark.parametrize("user", ["", "ann"])
async def test_a_wrong_password_is_refused_with_a_sentence_that_does_not_have_it(
    user: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ValkeyServer("--requirepass", "right") as server:
        url = f"redis://{user}:hunter2@127.0.0.1:{server.port}"
        store = RedisStore(url)
        with pytest.raises(StoreUnavailable, match="refused the user or the password of its URL") as refused:
            await store.open(lambda run_id: None)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__
        assert "hunter2" not in f"{refused.value!r} {store!r} {caplog.text}"
        async with open_worker(f"redis://:right@127.0.0.1:{server.port}") as worker:
            await worker.begin()
        with pytest.raises(StoreUnavailable, match="refused"):
            await RedisStore(server.url).open(lambda run_id: None)


async def test_a_user_without_a_right_is_told_so(server: ValkeyServer) -> None:
    server.command(
        "ACL", "SETUSER", "ann", "on", ">secret", "~sluice:*", "&sluice:*", "+@all", "-@admin", "-@dangerous"
    )
    server.command("ACL", "SETUSER", "bob", "on", ">secret", "~other:*", "&sluice:*", "+@all")
    async with open_worker(f"redis://ann:secret@127.0.0.1:{server.port}") as worker:
        run_id = await worker.begin(key="k")
        await worker.store.watch(run_id)
        await worker.append(run_id, 1)
        await worker.wait_ring(run_id)
        assert await worker.store.reap(b"end") == []
        assert await worker.store.delete(run_id)
    async with open_worker(f"redis://bob:secret@127.0.0.1:{server.port}") as worker:
        with pytest.raises(StoreUnavailable, match=r"forbids its user .* \(NOPERM\)"):
            await worker.begin()


async def test_a_text_that_a_server_repeats_in_its_refusal_is_in_no_sentence(server: ValkeyServer) -> None:
    async with open_worker(url_of(server)) as worker:
        run_id = await worker.begin()
        # Not a stream, which the append refuses.
        [record] = server.command("KEYS", f"*{run_id}")  # type: ignore[misc]
        server.command("SET", f"{record.decode()}:log", "x")
        with pytest.raises(StoreUnavailable, match=r"refused a command \(WRONGTYPE\)$"):
            await worker.append(run_id, 1, b"a text of a user")


async def test_a_name_that_leads_nowhere_and_a_closed_port_are_refused_with_the_reason() -> None:
    [port] = free_ports(1)
    for place, reason in ((f"127.0.0.1:{port}", "refused"), ("sluice.invalid:6379", "sluice.invalid")):
        with pytest.raises(StoreUnavailable, match=f"{place} cannot be reached .*{reason}"):
            await RedisStore(f"redis://:hunter2@{place}").open(lambda run_id: None)


async def test_a_server_that_takes_connections_and_says_nothing_is_bounded_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        for scheme in ("redis", "redis+cluster"):
            start = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer within"):
                await RedisStore(f"{scheme}://{place}?socket_timeout={TIMEOUT}").open(lambda run_id: None)
            assert time.monotonic() - start < TIMEOUT + SLACK


async def test_a_plain_server_is_no_cluster(server: ValkeyServer) -> None:
    with pytest.raises(StoreUnavailable, match="Cluster mode is not enabled"):
        await RedisStore(f"redis+cluster://127.0.0.1:{server.port}").open(lambda run_id: None)


async def test_a_store_that_is_closed_while_it_connects_is_closed(server: ValkeyServer) -> None:
    for delay in range(40):
        async with asyncio.timeout(WITHIN), open_worker(url_of(server)) as worker:
            await asyncio.sleep(delay / 10_000)
            await worker.store.watch("0" * 32)


async def test_a_closed_store_says_so(server: ValkeyServer) -> None:
    async with open_worker(url_of(server)) as worker:
        await worker.store.close()
        with pytest.raises(StoreUnavailable, match="is closed"):
            await worker.store.find("0" * 32)
        await worker.store.watch("0" * 32)


def printed(script: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_a_missing_package_is_named_with_how_to_install_it() -> None:
    text = printed(
        "import sys; sys.modules['redis'] = None\n"
        "from sluice.service.runs.stores.base import StoreUnavailable\n"
        "try:\n    import sluice.service.runs.stores.redis\n"
        "except StoreUnavailable as error:\n    print(error)"
    )
    assert text == "a store in Redis or Valkey needs the package redis: pip install 'sluice[redis]'\n"


@pytest.mark.parametrize(
    ("store", "is_loaded"),
    [
        ("memory:", False),
        ("sqlite:", False),
        *((f"{scheme}://one/main", True) for scheme in ("redis+sentinel", "valkeys+sentinel")),
    ],
)
def test_the_package_is_loaded_where_a_url_of_redis_is_set_and_nowhere_else(store: str, is_loaded: bool) -> None:
    text = printed(
        "import sys\n"
        "from sluice.service.runs.stores.open import make_store\n"
        "from sluice.service.settings.records.storage import StorageSettings\n"
        f"print(type(make_store(StorageSettings(store={store!r}))).__name__, 'redis' in sys.modules)"
    )
    assert text.endswith(f"{is_loaded}\n")
    assert text.startswith("RedisStore") == is_loaded
