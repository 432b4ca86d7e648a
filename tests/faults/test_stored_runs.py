"""When readers, workers, hosts and stores of answers fail that outlive their connection.

Two servers with one store stand for two workers or hosts, so that a test knows which of them has the run.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.run_client import RunClient, read_all, run_id_of
from tests.support.running_server import RunningServer, start_server
from tools.common.raw_client import CutShort, RawClient, WireViolation, fetch
from tools.common.scripted_model import Chunk, Gate, Headers, finished, reply

# Seconds until readers of a producer that was killed have the end: its lease, and two looks for it.
LOST_WITHIN = 10.0
WORDS = ("one ", "two ", "three ", "four")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:{tmp_path_factory.mktemp('store') / 'runs.db'}"


@pytest.fixture(scope="module")
def other(store: str) -> Iterator[RunningServer]:
    """The server that only reads."""
    with start_server(SLUICE_STORE=store, SLUICE_RUN_MAX_READERS=50) as server:
        yield server


@pytest.fixture(scope="module")
def shared_producer(store: str) -> Iterator[RunningServer]:
    with start_server(SLUICE_STORE=store, SLUICE_RUN_MAX_READERS=50) as server:
        yield server


@pytest.fixture
def producer(shared_producer: RunningServer) -> Iterator[RunningServer]:
    """The server that has the runs."""
    shared_producer.model.clear()
    yield shared_producer
    shared_producer.model.drop_idle_connections()


@contextmanager
def own_producer(store: str, **env: object) -> Iterator[RunningServer]:
    with start_server(SLUICE_STORE=store, **env) as server:
        yield server


def begin_held(server: RunningServer, browser: RunClient) -> tuple[str, Gate, int]:
    """Begin an answer whose model waits behind two words; leave it; return its id, the gate and the last number."""
    gate = server.model.gate()
    server.model.enqueue((Headers(), Chunk("one "), Chunk("two "), gate, Chunk("three "), Chunk("four"), *finished()))
    with browser.begin(url=server.url) as client:
        run_id, text, last = run_id_of(client), "", 0
        while text != "one two ":
            frame = client.next_event()
            text += frame.message
            last = frame.id or 0
    return run_id, gate, last


def wait_stored(browser: RunClient, run_id: str, last: int, url: str) -> None:
    """Wait until another server knows an event of a run."""
    wait_until(lambda: browser.show(run_id, url=url)["last_event"] >= last, 5.0, "the store to have the events")


# ---------------------------------------------------------------------------------------------- readers


def test_readers_that_are_ahead_of_the_store_leave_threads_for_other_requests(tmp_path: Path) -> None:
    few = {"SLUICE_RESERVE_THREADS": 3, "SLUICE_MAX_HELD_THREADS": 4, "SLUICE_RUN_MAX_READERS": 50}
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", **few) as server, ExitStack() as stack:
        browser = RunClient(server.url)
        run_id, gate, _ = begin_held(server, browser)
        ahead = [stack.enter_context(RawClient(server.url)) for _ in range(12)]
        for reader in ahead:
            reader.request("GET", f"/api/runs/{run_id}/events?after=999", {"Cookie": browser.cookie})
        began = time.monotonic()
        assert fetch(server.url, "/healthz").status == 200
        assert time.monotonic() - began < 1.0
        # As many wait as threads may be held; the others are refused at once.
        sockets = [reader.socket for reader in ahead]
        wait_until(lambda: len(select.select(sockets, [], [], 0)[0]) == 8, 5.0, "the refusals")
        gate.open()
        # Those that waited have all of it; the others may try again.
        assert sorted(reader.status for reader in ahead) == [204] * 4 + [503] * 8


def check_same_text(producer: RunningServer, other: RunningServer) -> None:
    """Have 48 readers of one answer, on two servers and from two of its events; check what each has got."""
    browser = RunClient(producer.url)
    run_id, gate, last = begin_held(producer, browser)
    with ExitStack() as stack:
        readers = [
            (after, stack.enter_context(browser.follow(run_id, after, url=url)))
            for after in (0, last)
            for url in (producer.url, other.url)
            for _ in range(12)
        ]
        gate.open()
        for after, reader in readers:
            text, ids, end = read_all(reader)
            assert text == ("three four" if after else "one two three four")
            assert ids == sorted(set(ids))
            assert min(ids) > after
            assert end["done"] is True


def test_readers_on_two_servers_and_from_any_event_get_the_same_text(
    producer: RunningServer, other: RunningServer
) -> None:
    check_same_text(producer, other)


def test_a_stop_on_another_server_closes_the_provider_within_a_second(
    producer: RunningServer, other: RunningServer
) -> None:
    browser = RunClient(producer.url)
    run_id, _, last = begin_held(producer, browser)
    wait_stored(browser, run_id, last, other.url)
    asked = time.monotonic()
    stopped = browser.stop(run_id, url=other.url)
    assert (stopped.status, stopped.json()["state"]) == (200, "stopped")
    aborted = producer.model.exchanges[-1].wait_aborted(2.0)
    assert aborted - asked < 1.0
    assert browser.read(run_id, url=other.url)[2]["code"] == "stopped"


def test_a_client_that_wants_no_more_ends_its_answer_as_before(producer: RunningServer) -> None:
    gate = producer.model.gate()
    producer.model.enqueue((Headers(), Chunk("one "), gate, *finished()))
    with RunClient(producer.url).begin(on_disconnect="cancel") as client:
        assert client.next_event().message == "one "
    producer.model.exchanges[-1].wait_aborted(1.0)


# ---------------------------------------------------------------------------------------------- the producer


def test_readers_of_a_killed_worker_get_its_text_and_that_it_was_interrupted(
    store: str, other: RunningServer
) -> None:
    with own_producer(store) as killed:
        browser = RunClient(killed.url)
        run_id, _, last = begin_held(killed, browser)
        wait_stored(browser, run_id, last, other.url)
        with browser.follow(run_id, url=other.url) as reader:
            os.kill(killed.server.worker_pids()[0], signal.SIGKILL)
            at = time.monotonic()
            text, _, end = read_all(reader)
            assert (text, end["code"], end["retryable"]) == ("one two ", "interrupted", True)
            assert time.monotonic() - at < LOST_WITHIN
        # Who has seen events that never reached the store gets the end too, with a number above all that it can have.
        for seen in (last, last + 1, last + 7):
            text, ids, end = browser.read(run_id, seen, url=other.url)
            assert (text, end["code"]) == ("", "interrupted")
            assert ids[0] > seen
        shown = browser.show(run_id, url=other.url)
        assert (shown["state"], shown["last_event"]) == ("interrupted", ids[0])
        assert browser.fetch("GET", f"/api/runs/{run_id}/events?after={ids[0]}", url=other.url).status == 204
        killed.model.exchanges[-1].wait_aborted(1.0)


def test_a_server_that_drains_lets_an_unread_answer_end_and_keeps_it(store: str, other: RunningServer) -> None:
    with own_producer(store, SLUICE_DRAIN_TIMEOUT=20) as leaving:
        browser = RunClient(leaving.url)
        run_id, gate, _ = begin_held(leaving, browser)
        leaving.server.signal(signal.SIGTERM)
        leaving.server.wait_for_log("draining: 1 open streams")
        gate.open()
        assert browser.read(run_id, url=other.url)[0] == "one two three four"
        assert leaving.server.wait_exit() == 0


def test_an_unread_answer_that_outlasts_the_drain_is_interrupted_in_the_store(
    store: str, other: RunningServer
) -> None:
    with own_producer(store, SLUICE_DRAIN_TIMEOUT=0.5) as leaving:
        browser = RunClient(leaving.url)
        run_id, _, _ = begin_held(leaving, browser)
        leaving.server.signal(signal.SIGTERM)
        assert leaving.server.wait_exit() == 0
        # Not by a reaper: the lease has not ended yet.
        assert browser.show(run_id, url=other.url)["state"] == "interrupted"
        text, _, end = browser.read(run_id, url=other.url)
        assert (text, end["code"]) == ("one two ", "interrupted")


def test_a_reload_takes_an_answer_neither_from_its_reader_nor_from_those_who_come_later(store: str) -> None:
    with own_producer(store) as reloaded:
        browser = RunClient(reloaded.url)
        run_id, gate, last = begin_held(reloaded, browser)
        before = reloaded.server.worker_pids()
        with browser.follow(run_id, last) as attached:
            reloaded.server.signal(signal.SIGHUP)
            reloaded.server.wait_for_log("draining")
            wait_until(lambda: set(reloaded.server.worker_pids()) - set(before), 10.0, "the new worker")
            with browser.follow(run_id) as late:
                gate.open()
                assert read_all(late)[0] == "one two three four"
            assert read_all(attached)[0] == "three four"


def test_readers_of_another_server_are_let_go_at_once_when_theirs_drains(store: str, producer: RunningServer) -> None:
    browser = RunClient(producer.url)
    run_id, gate, last = begin_held(producer, browser)
    with own_producer(store) as leaving:
        wait_stored(browser, run_id, last, leaving.url)
        with browser.follow(run_id, url=leaving.url) as reader:
            assert reader.next_event().message
            leaving.server.signal(signal.SIGTERM)
            with pytest.raises((WireViolation, CutShort)):
                read_all(reader, 5.0)
        assert leaving.server.wait_exit() == 0
    gate.open()
    assert browser.read(run_id, last)[0] == "three four"


def test_a_worker_that_returns_after_its_lease_was_lost_cancels_its_provider_call(
    store: str, other: RunningServer
) -> None:
    with own_producer(store) as frozen:
        browser = RunClient(frozen.url)
        run_id, gate, last = begin_held(frozen, browser)
        wait_stored(browser, run_id, last, other.url)
        worker = frozen.server.worker_pids()[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            assert browser.read(run_id, url=other.url)[2]["code"] == "interrupted"
        finally:
            os.kill(worker, signal.SIGCONT)
        frozen.model.exchanges[-1].wait_aborted(3.0)
        gate.open()
        text, _, end = browser.read(run_id, url=frozen.url)
        assert (text, end["code"]) == ("one two ", "interrupted")


# ---------------------------------------------------------------------------------------------- limits


def test_an_answer_that_nobody_reads_is_stopped_and_what_came_is_kept(tmp_path: Path) -> None:
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", SLUICE_RUN_ABANDONED_AFTER=0.5) as server:
        browser = RunClient(server.url)
        with browser.begin() as client:
            assert client.status
        run_id, _, _ = begin_held(server, browser)
        server.model.exchanges[-1].wait_aborted(10.0)
        text, _, end = browser.read(run_id)
        assert (text, end["code"], end["reason"]) == ("one two ", "stopped", "abandoned")
        # No line of a process's upkeep belongs to the request that came first.
        server.server.wait_for_log(rf"\[-\] run {run_id[:8]}\S* is stopped: nobody has read it")


def test_an_answer_too_long_to_keep_is_stopped_and_says_so(tmp_path: Path) -> None:
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", SLUICE_RUN_MAX_BYTES=1000) as server:
        gate = server.model.gate()
        server.model.enqueue((Headers(), *(Chunk("x" * 100) for _ in range(20)), gate, *finished()))
        with RunClient(server.url).begin() as client:
            text, _, end = read_all(client)
        assert len(text) >= 900
        assert (end["code"], end["reason"]) == ("stopped", "log_full")
        server.model.exchanges[-1].wait_aborted(1.0)


def test_of_more_unread_answers_than_allowed_the_one_left_first_is_stopped(tmp_path: Path) -> None:
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", SLUICE_RUN_MAX_UNATTENDED=1) as server:
        browser = RunClient(server.url)
        first, _, _ = begin_held(server, browser)
        second, gate, _ = begin_held(server, browser)
        server.model.exchanges[0].wait_aborted(15.0)
        assert browser.read(first)[2]["reason"] == "abandoned"
        gate.open()
        assert browser.read(second)[0] == "one two three four"


def test_an_ended_answer_expires_and_is_then_known_to_be_gone(tmp_path: Path) -> None:
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", SLUICE_RUN_KEPT=1) as server:
        browser = RunClient(server.url)
        server.model.enqueue(reply(*WORDS))
        with browser.begin() as client:
            run_id = run_id_of(client)
            read_all(client)
        wait_until(lambda: browser.fetch("GET", f"/api/runs/{run_id}").status == 410, 10.0, "the answer to expire")
        gone = browser.fetch("GET", f"/api/runs/{run_id}/events")
        assert (gone.status, gone.json()["code"]) == (410, "run_expired")


# ---------------------------------------------------------------------------------------------- the store


def test_without_its_store_a_server_refuses_to_go_on_and_still_answers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with own_producer(f"sqlite:{tmp_path / 'file' / 'runs.db'}") as server:
        browser = RunClient(server.url)
        for fields in ({}, {"background": True}):
            with browser.begin(**fields) as refused:
                assert refused.status == 503
                assert refused.headers["retry-after"]
                assert json.loads(refused.read_body())["code"] == "store_unavailable"
        server.model.enqueue(reply("Hi"))
        with browser.begin(on_disconnect="cancel") as answered:
            assert read_all(answered)[0] == "Hi"
        assert browser.fetch("GET", "/api/runs/" + "0" * 38).status == 503
        assert server.server.status("/readyz") == 200


def test_while_the_store_is_locked_attached_readers_go_on_and_the_rest_is_written_later(
    producer: RunningServer, other: RunningServer, store: str
) -> None:
    browser = RunClient(producer.url)
    run_id, gate, last = begin_held(producer, browser)
    wait_stored(browser, run_id, last, other.url)
    with closing(sqlite3.connect(store.removeprefix("sqlite:"), isolation_level=None)) as locked:
        locked.execute("BEGIN EXCLUSIVE")
        with browser.follow(run_id, last) as attached:
            gate.open()
            assert read_all(attached)[0] == "three four"
        producer.server.wait_for_log("the store is away")
        with browser.begin() as refused:
            assert refused.status == 503
        locked.execute("ROLLBACK")
    wait_until(lambda: browser.show(run_id, url=other.url)["state"] == "completed", 10.0, "the rest to be written")
    assert browser.read(run_id, url=other.url)[0] == "one two three four"


def test_an_answer_whose_store_was_emptied_is_whole_for_its_reader(tmp_path: Path) -> None:
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}") as server:
        browser = RunClient(server.url)
        gate = server.model.gate()
        server.model.enqueue((Headers(), Chunk("one "), gate, Chunk("two"), *finished()))
        with browser.begin() as client:
            assert client.next_event().message == "one "
            for file in tmp_path.glob("runs.db*"):
                if file.is_file():
                    file.unlink()
            server.server.wait_for_log("the store has lost run")
            gate.open()
            text, _, end = read_all(client)
        assert (text, end["done"]) == ("two", True)
        server.model.enqueue(reply("again"))
        with browser.begin() as client:
            assert read_all(client)[0] == "again"


def test_a_full_store_takes_no_further_answer_which_then_ends_with_its_connection(tmp_path: Path) -> None:
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", SLUICE_STORE_MAX_BYTES=100_000) as server:
        browser = RunClient(server.url)
        server.model.enqueue(reply("x" * 110_000))
        with browser.begin() as client:
            assert "sluice-resumable" not in client.headers
            read_all(client)
        with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
            wait_until(
                lambda: database.execute("SELECT state FROM runs").fetchone() == ("completed",),
                5.0,
                "the first answer to be written",
            )
        server.model.enqueue(reply("Hi"))
        with browser.begin() as client:
            assert client.headers["sluice-resumable"] == "no"
            assert "sluice-run" not in client.headers
            assert read_all(client)[0] == "Hi"
        with browser.begin(background=True) as refused:
            assert refused.status == 503


def test_a_run_of_a_host_with_another_store_is_not_found_and_the_log_names_the_setting(
    producer: RunningServer, tmp_path: Path
) -> None:
    browser = RunClient(producer.url)
    producer.model.enqueue(reply("Hi"))
    with browser.begin() as client:
        run_id = run_id_of(client)
        read_all(client)
    with own_producer(f"sqlite:{tmp_path / 'runs.db'}", SLUICE_INSTANCE="another-host") as elsewhere:
        assert browser.fetch("GET", f"/api/runs/{run_id}", url=elsewhere.url).status == 404
        elsewhere.server.wait_for_log(r"begun on another host.*SLUICE_STORE")


def test_with_the_store_off_nothing_is_kept_and_a_client_that_wants_it_is_told(tmp_path: Path) -> None:
    with start_server(SLUICE_STORE="off") as server:
        config = fetch(server.url, "/api/config")
        assert config.json()["resumable"] is False
        assert "set-cookie" not in config.headers
        body = {"message": "Hi", "on_disconnect": "continue"}
        with RawClient(server.url) as client:
            client.request("POST", "/api/chat", {"Content-Type": "application/json"}, json.dumps(body).encode())
            assert client.status == 400
            assert "SLUICE_STORE" in json.loads(client.read_body())["error"]
        assert fetch(server.url, "/api/runs").status == 404


def test_the_memory_store_says_at_start_that_a_restart_forgets(tmp_path: Path) -> None:
    with start_server(SLUICE_STORE="memory:") as server:
        server.server.wait_for_log("SLUICE_STORE=memory: .*a restart forgets")
        browser = RunClient(server.url)
        server.model.enqueue(reply("Hi"))
        with browser.begin() as client:
            run_id = run_id_of(client)
            read_all(client)
        assert browser.read(run_id)[0] == "Hi"
