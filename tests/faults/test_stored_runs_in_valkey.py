"""When hosts, and a Valkey server between them, fail while answers outlive their connection.

Two servers with instance names of their own stand for two hosts. What does not depend on the store is in
`test_stored_runs.py`. The waits for lost leases are one wait.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from sluice.service.runs.stores.base import cut_id
from tests.faults.test_stored_runs import LOST_WITHIN, begin_held, check_same_text, wait_stored
from tests.support.polling import wait_until
from tests.support.run_client import Followed, RunClient, read_all, run_id_of
from tests.support.running_server import RunningServer, start_server
from tests.support.valkey import ValkeyServer
from tools.common.raw_client import RawClient
from tools.common.scripted_model import Chunk, Headers, finished, reply


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as running:
        yield running


@pytest.fixture(scope="module")
def hosts(valkey: ValkeyServer) -> Iterator[tuple[RunningServer, RunningServer]]:
    """Two hosts with one store."""
    with ExitStack() as running:
        one, two = (
            running.enter_context(
                start_server(SLUICE_STORE=valkey.url, SLUICE_INSTANCE=name, SLUICE_RUN_MAX_READERS=50)
            )
            for name in ("host-one", "host-two")
        )
        yield one, two


@pytest.fixture
def one(hosts: tuple[RunningServer, RunningServer]) -> Iterator[RunningServer]:
    """The host that has the runs."""
    hosts[0].model.clear()
    yield hosts[0]
    hosts[0].model.drop_idle_connections()


@pytest.fixture
def two(hosts: tuple[RunningServer, RunningServer]) -> RunningServer:
    """The other host, which only reads."""
    return hosts[1]


def test_readers_on_two_hosts_and_from_any_event_get_the_same_text(one: RunningServer, two: RunningServer) -> None:
    check_same_text(one, two)


def test_a_stop_on_another_host_closes_the_provider_within_a_second(one: RunningServer, two: RunningServer) -> None:
    browser = RunClient(one.url)
    run_id, _, last = begin_held(one, browser)
    wait_stored(browser, run_id, last, two.url)
    asked = time.monotonic()
    stopped = browser.stop(run_id, url=two.url)
    assert (stopped.status, stopped.json()["state"]) == (200, "stopped")
    assert one.model.exchanges[-1].wait_aborted(2.0) - asked < 1.0
    assert browser.read(run_id, url=two.url)[2]["code"] == "stopped"


def test_of_hosts_that_are_killed_frozen_and_reloaded_each_reader_gets_the_end(
    valkey: ValkeyServer, two: RunningServer
) -> None:
    with ExitStack() as stack:
        killed, frozen = (
            stack.enter_context(start_server(SLUICE_STORE=valkey.url, SLUICE_INSTANCE=name))
            for name in ("killed", "frozen")
        )
        browser = RunClient(two.url)
        begun = {server.url: begin_held(server, browser_of(browser, server)) for server in (killed, frozen)}
        for run_id, _, last in begun.values():
            wait_stored(browser, run_id, last, two.url)
        readers = [stack.enter_context(browser.follow(run_id, url=two.url)) for run_id, _, _ in begun.values()]
        threads = stack.enter_context(ThreadPoolExecutor(len(readers)))
        # Read from now on: what follows may take longer than the end of a lost run.
        reads = [threads.submit(read_with_time, reader) for reader in readers]
        worker = frozen.server.worker_pids()[0]
        os.kill(killed.server.worker_pids()[0], signal.SIGKILL)
        os.kill(worker, signal.SIGSTOP)
        lost_at = time.monotonic()
        stack.callback(thaw, worker)

        # Meanwhile another one is reloaded, and ends.
        leaving = stack.enter_context(
            start_server(SLUICE_STORE=valkey.url, SLUICE_INSTANCE="leaving", SLUICE_DRAIN_TIMEOUT=20)
        )
        own = browser_of(browser, leaving)
        run_id, gate, last = begin_held(leaving, own)
        wait_stored(browser, run_id, last, two.url)
        attached = stack.enter_context(own.follow(run_id, last))
        before = set(leaving.server.worker_pids())
        leaving.server.signal(signal.SIGHUP)
        leaving.server.wait_for_log("draining: 1 open streams")
        wait_until(lambda: set(leaving.server.worker_pids()) - before, 10.0, "the new worker")
        with own.follow(run_id) as late:
            gate.open()
            assert read_all(late)[0] == "one two three four"
        assert read_all(attached)[0] == "three four"
        assert browser.read(run_id, url=two.url)[0] == "one two three four"
        leaving.server.signal(signal.SIGTERM)
        assert leaving.server.wait_exit() == 0

        for read in reads:
            (text, _, end), ended_at = read.result(LOST_WITHIN)
            assert (text, end["code"], end["retryable"]) == ("one two ", "interrupted", True)
            assert ended_at - lost_at < LOST_WITHIN
        killed.model.exchanges[-1].wait_aborted(1.0)
        run_id, gate, last = begun[frozen.url]
        thaw(worker)
        frozen.model.exchanges[-1].wait_aborted(3.0)
        gate.open()
        # The end of a reaper has a number above all that its readers can have seen.
        for seen in (last, last + 7):
            text, ids, end = browser.read(run_id, seen, url=two.url)
            assert (text, end["code"]) == ("", "interrupted")
            assert ids[0] > seen


def read_with_time(client: RawClient) -> tuple[Followed, float]:
    """Read a stream to its end; return it and when that was."""
    return read_all(client), time.monotonic()


def thaw(worker: int) -> None:
    """Let a process go on, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGCONT)


def browser_of(browser: RunClient, server: RunningServer) -> RunClient:
    """Return the same browser, with another host as its first."""
    other = RunClient(server.url)
    other.cookie = browser.cookie
    return other


def test_an_answer_whose_valkey_was_emptied_is_whole_for_its_reader_and_the_next_is_kept(
    valkey: ValkeyServer, one: RunningServer, two: RunningServer
) -> None:
    browser = RunClient(one.url)
    with losing(one, browser) as lost:
        wait_stored(browser, lost, 1, two.url)
        valkey.command("FLUSHALL")
    assert browser.fetch("GET", f"/api/runs/{lost}", url=two.url).status == 404
    one.model.enqueue(reply("again"))
    with browser.begin() as client:
        kept = run_id_of(client)
        assert read_all(client)[0] == "again"
    assert browser.read(kept, url=two.url)[0] == "again"


def test_an_answer_whose_valkey_was_killed_is_whole_for_its_reader_and_the_next_is_kept_when_it_is_back() -> None:
    with ValkeyServer() as valkey, start_server(SLUICE_STORE=valkey.url) as server:
        browser = RunClient(server.url)
        with losing(server, browser) as lost:
            wait_stored(browser, lost, 1, server.url)
            valkey.kill()
            valkey.start()
        server.model.enqueue(reply("again"))
        with browser.begin() as client:
            kept = run_id_of(client)
            assert read_all(client)[0] == "again"
        assert browser.read(kept)[0] == "again"


@contextmanager
def losing(server: RunningServer, browser: RunClient) -> Iterator[str]:
    """Begin an answer, whose store is lost in the block; check that it goes on for its reader."""
    gate = server.model.gate()
    server.model.enqueue((Headers(), Chunk("one "), gate, Chunk("two"), *finished()))
    with browser.begin() as client:
        assert client.next_event().message == "one "
        run_id = run_id_of(client)
        yield run_id
        server.server.wait_for_log(f"the store has lost run {cut_id(run_id)}")
        gate.open()
        text, _, end = read_all(client)
        assert (text, end["done"]) == ("two", True)


# The last one: for a second after its return the store may count as away, by a call that had begun before.
def test_while_valkey_hangs_attached_readers_go_on_and_the_rest_is_written_later(
    valkey: ValkeyServer, one: RunningServer, two: RunningServer
) -> None:
    browser = RunClient(one.url)
    run_id, gate, last = begin_held(one, browser)
    wait_stored(browser, run_id, last, two.url)
    with browser.follow(run_id, last) as attached, valkey.stopped():
        gate.open()
        assert read_all(attached)[0] == "three four"
        one.server.wait_for_log("the store is away")
        with browser.begin() as refused:
            assert refused.status == 503
        one.model.enqueue(reply("Hi"))
        with browser.begin(on_disconnect="cancel") as answered:
            assert read_all(answered)[0] == "Hi"

    def is_completed() -> bool:
        # 503 while the store counts as away.
        shown = browser.fetch("GET", f"/api/runs/{run_id}", url=two.url)
        return shown.status == 200 and shown.json()["state"] == "completed"

    wait_until(is_completed, 10.0, "the rest to be written")
    assert browser.read(run_id, url=two.url)[0] == "one two three four"
