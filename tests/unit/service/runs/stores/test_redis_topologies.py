"""Stores behind sentinels, in a cluster whose slots move, and over TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from sluice.service.runs.stores.base import RunState, StoreUnavailable
from sluice.service.runs.stores.redis import RedisStore
from sluice.service.runs.stores.redis_keys import SHARDS, Shard, shard_of
from tests.support.polling import wait_until
from tests.support.redis_stores import open_worker
from tests.support.run_stores import WITHIN, new_run
from tests.support.valkey import ValkeyCluster, ValkeyServer, free_ports

# ----------------------------------------------------------------------------------------------------- sentinels


@pytest.fixture(scope="module")
def primary() -> Iterator[ValkeyServer]:
    with ValkeyServer("--requirepass", "pass", "--masterauth", "pass") as server:
        yield server


def sentinel_of(primary: ValkeyServer) -> ValkeyServer:
    """Return a sentinel that takes a primary for lost soon, but not one that is only slow on a busy machine."""
    config = "\n".join(
        (
            f"sentinel monitor main 127.0.0.1 {primary.port} 1",
            "sentinel auth-pass main pass",
            "sentinel down-after-milliseconds main 2000",
            "sentinel failover-timeout main 3000",
            "requirepass watch",
        )
    )
    return ValkeyServer("--sentinel", config=config)


async def test_a_store_follows_the_primary_that_sentinels_name() -> None:
    options = ("--requirepass", "pass", "--masterauth", "pass", "--repl-diskless-sync-delay", "0")
    with ValkeyServer(*options) as first, ValkeyServer(*options) as second:
        second.command("REPLICAOF", "127.0.0.1", first.port, password="pass")
        wait_until(
            lambda: "'online'" in str(first.command("INFO", "replication", password="pass")), WITHIN, "a replica"
        )
        # A sentinel looks for replicas when it starts, and then every 10 s.
        with sentinel_of(first) as sentinel:
            wait_until(
                lambda: bool(sentinel.command("SENTINEL", "REPLICAS", "main", password="watch")),
                WITHIN,
                "a known replica",
            )
            await follow(first, sentinel)


async def follow(primary: ValkeyServer, sentinel: ValkeyServer) -> None:
    """Kill the primary in the middle of a run."""
    [closed] = free_ports(1)
    url = (
        f"redis+sentinel://:pass@127.0.0.1:{closed},127.0.0.1:{sentinel.port}/main/0"
        "?sentinel_password=watch&socket_timeout=1"
    )
    async with open_worker(url) as worker:
        run_id = await worker.begin()
        await worker.append(run_id, 1, b"text")
        with primary.client(password="pass") as client:
            # The replica has this write, and so all that was written before.
            client.set("written", "last", px=60_000)
            assert client.wait(1, 5000) == 1
        await worker.store.watch(run_id)
        primary.kill()
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    answer = await worker.append(run_id, 2, b"more", end=RunState.COMPLETED)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.02)
        assert (answer.refusal, answer.next_number) == (None, 3)
        assert [batch.payload for batch in await worker.read_all(run_id)] == [b"text", b"more"]
        # The connection for messages has followed, too.
        await worker.wait_ring(run_id)


async def test_a_service_that_sentinels_do_not_know_and_a_wrong_password_are_told(primary: ValkeyServer) -> None:
    with sentinel_of(primary) as sentinel:
        place = f"127.0.0.1:{sentinel.port}"
        for url, reason in (
            (
                f"redis+sentinel://:pass@{place}/other?sentinel_password=watch",
                "no primary is known of the service other of the sentinels .*[0-9]$",
            ),
            (f"redis+sentinel://:hunter2@{place}/main?sentinel_password=watch", "refused the user or the password"),
            (f"redis+sentinel://:pass@{place}/main?sentinel_password=hunter2", "one refused its user or password"),
        ):
            with pytest.raises(StoreUnavailable, match=reason) as refused:
                await RedisStore(url).open(lambda run_id: None)
            assert "hunter2" not in str(refused.value)


# ------------------------------------------------------------------------------------------------------- cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[ValkeyCluster]:
    with ValkeyCluster() as cluster:
        yield cluster


def has_slot(server: ValkeyServer, slot: int) -> bool:
    with server.client() as client:
        ranges = client.execute_command("CLUSTER", "SLOTS")
    return any(start <= slot <= end and node[1] == server.port for start, end, node, *_ in ranges)


async def test_a_shard_that_moves_to_another_node_is_followed(cluster: ValkeyCluster) -> None:
    async with open_worker(cluster.url) as worker:
        runs = [new_run() for _ in range(60)]
        shard = SHARDS[5]
        slot = slot_of(shard)
        await asyncio.gather(*(worker.store.create(run) for run in runs if shard_of(run.run_id) is not shard))
        source = next(server for server in cluster.servers if has_slot(server, slot))
        target = next(server for server in cluster.servers if server is not source)
        for server in (target, source):
            server.command("CLUSTER", "SETSLOT", slot, "NODE", node_name(target))
        for run in runs:
            if shard_of(run.run_id) is shard:
                assert (await worker.store.create(run)).is_new
        for number in (1, 2):
            for run in runs:
                answer = await worker.append(run.run_id, number, run.run_id.encode())
                assert (answer.refusal, answer.next_number) == (None, number + 1)
        for run in runs:
            assert [batch.payload for batch in await worker.read_all(run.run_id)] == [run.run_id.encode()] * 2


async def test_of_a_cluster_with_a_stuck_node_the_other_runs_go_on_and_the_node_is_used_again(
    cluster: ValkeyCluster,
) -> None:
    async with open_worker(f"{cluster.url}?socket_timeout=2") as worker:
        runs = [await worker.begin() for _ in range(30)]
        stuck = cluster.servers[1]
        on_it = [run_id for run_id in runs if has_slot(stuck, slot_of(shard_of(run_id)))]
        others = [run_id for run_id in runs if run_id not in on_it]
        assert on_it
        assert others

        async def append(run_id: str) -> None:
            async with asyncio.timeout(WITHIN):
                while True:
                    try:
                        assert (await worker.append(run_id, 1)).next_number == 2
                        return
                    except StoreUnavailable:
                        await asyncio.sleep(0.02)

        with stuck.stopped():
            with pytest.raises(StoreUnavailable, match="did not answer"):
                await worker.append(on_it[0], 1)
            await append(others[0])
        for run_id in (*on_it, *others):
            await append(run_id)


async def test_a_shard_that_another_node_has_taken_over_from_a_dead_one_is_followed(cluster: ValkeyCluster) -> None:
    async with open_worker(f"{cluster.url}?socket_timeout=2") as worker:
        dead = cluster.servers[2]
        shard = next(shard for shard in SHARDS if has_slot(dead, slot_of(shard)))
        run = new_run()
        while shard_of(run.run_id) is not shard:
            run = new_run()
        dead_name, heir_name = (node_name(server) for server in (dead, cluster.servers[0]))
        try:
            with dead.stopped():
                for server in cluster.servers[:2]:
                    server.command("CLUSTER", "SETSLOT", slot_of(shard), "NODE", heir_name)
                # Without asking the others again it would ask the dead one for ever.
                async with asyncio.timeout(WITHIN):
                    while not (await became_available(worker.append(run.run_id, 1))):
                        await asyncio.sleep(0.02)
        finally:
            for server in cluster.servers:
                server.command("CLUSTER", "SETSLOT", slot_of(shard), "NODE", dead_name)


async def became_available(call: Awaitable[object]) -> bool:
    try:
        await call
    except StoreUnavailable:
        return False
    return True


def slot_of(shard: Shard) -> int:
    slot: int = redis.cluster.key_slot(shard.leases)
    return slot


def node_name(server: ValkeyServer) -> str:
    name = server.command("CLUSTER", "MYID")
    assert isinstance(name, bytes)
    return name.decode()


async def test_a_url_of_one_server_that_leads_to_a_cluster_is_told(cluster: ValkeyCluster) -> None:
    store = RedisStore(cluster.servers[0].url)
    try:
        await store.open(lambda run_id: None)
        # It asks each of the shards.
        with pytest.raises(StoreUnavailable, match=r"part of a cluster: its URL begins with redis\+cluster://"):
            await store.size()
    finally:
        await store.close()


# ----------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a certificate of 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
        ],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return both


@asynccontextmanager
async def tls_before(server: ValkeyServer, certificate: Path) -> AsyncIterator[int]:
    """Speak TLS for a server that does not; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, back_writer), copy(back_reader, writer))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_a_store_is_reached_over_tls_and_its_certificate_is_checked(
    scheme: str, primary: ValkeyServer, certificate: Path
) -> None:
    async with tls_before(primary, certificate) as port:
        base = f"{scheme}://:pass@127.0.0.1:{port}"
        async with open_worker(f"{base}?ssl_ca_certs={certificate}") as worker:
            run_id = await worker.begin()
            await worker.store.watch(run_id)
            await worker.append(run_id, 1, b"text")
            await worker.wait_ring(run_id)
            assert [batch.payload for batch in await worker.read_all(run_id)] == [b"text"]
        async with open_worker(f"{base}?ssl_cert_reqs=none&ssl_check_hostname=no") as worker:
            assert await worker.begin()
        with pytest.raises(StoreUnavailable, match="certificate"):
            await RedisStore(base).open(lambda run_id: None)
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await RedisStore(f"{base}?ssl_ca_certs=/nowhere.pem").open(lambda run_id: None)
