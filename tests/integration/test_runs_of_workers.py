"""Stored runs of a server with two workers, as its operator sees them: metrics, the log, and `sluice runs`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.polling import wait_until
from tests.support.run_client import RunClient, read_all, run_id_of
from tests.support.running_server import RunningServer, cleared_model, start_server
from tools.common.raw_client import fetch
from tools.common.scripted_model import Chunk, Exchange, Headers, finished, reply

WITHIN = 5.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "runs.db"


@pytest.fixture(scope="module")
def two_workers(store: Path) -> Iterator[RunningServer]:
    with start_server(WEB_CONCURRENCY=2, SLUICE_STORE=f"sqlite:{store}") as server:
        server.server.wait_workers(2)
        yield server


@pytest.fixture
def server(two_workers: RunningServer) -> Iterator[RunningServer]:
    with cleared_model(two_workers, keeps_answers=True) as shared:
        yield shared


def samples(server: RunningServer) -> list[Sample]:
    """Return the metrics of all workers, of one moment."""
    text = fetch(server.url, "/metrics").body.decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def metric(server: RunningServer, name: str, **labels: str) -> float:
    """Return a metric of all workers, summed over the labels that are not given."""
    return sum(
        sample.value for sample in samples(server) if sample.name == name and labels.items() <= sample.labels.items()
    )


def wait_metric(server: RunningServer, number: float, name: str, **labels: str) -> None:
    """Wait until a metric has a number: workers show what runs each 0.7 s, and share it each second."""
    wait_until(lambda: metric(server, name, **labels) == number, WITHIN, f"{name} {labels} {number}", pause=0.05)


def test_the_metrics_of_all_workers_tell_what_runs_how_it_ended_and_what_the_store_does(
    server: RunningServer,
) -> None:
    browser, gate = RunClient(server.url), server.model.gate()
    before = {
        name: metric(server, name)
        for name in ("sluice_stored_run_resumptions_total", "sluice_store_written_bytes_total")
    }
    server.model.enqueue((Headers(), Chunk("one "), gate, Chunk("two"), *finished()))
    with browser.begin() as client:
        run_id, first = run_id_of(client), client.next_event()
        assert first.id is not None
        wait_metric(server, 1, "sluice_stored_runs", state="attended")
        wait_metric(server, 1, "sluice_stored_run_readers")
    wait_metric(server, 1, "sluice_stored_runs", state="unattended")
    # Several connections reach both workers.
    readers = [browser.follow(run_id, first.id) for _ in range(6)]
    gate.open()
    for reader in readers:
        with reader:
            assert read_all(reader)[0] == "two"
    ends = "sluice_stored_runs_ended_total"
    wait_metric(server, 1, ends, state="completed", reason="stop")
    resumptions = "sluice_stored_run_resumptions_total"
    wait_metric(server, before[resumptions] + 6, resumptions)
    wait_metric(server, 0, "sluice_stored_runs")
    assert metric(server, "sluice_store_written_bytes_total") > before["sluice_store_written_bytes_total"]
    calls = "sluice_store_operation_duration_seconds_count"
    for operation in ("open", "create", "append", "renew", "reap"):
        assert metric(server, calls, operation=operation, outcome="ok") > 0
    # The workers call it all the time.
    assert {sample.labels["outcome"] for sample in samples(server) if sample.name == calls and sample.value} == {"ok"}
    assert metric(server, "sluice_store_lag_seconds") < 1.0


def test_the_line_of_a_run_names_it_in_the_store_by_the_beginning_of_its_id(server: RunningServer) -> None:
    browser = RunClient(server.url)
    server.model.enqueue(reply("Hi"))
    with browser.begin() as client:
        run_id, request_id = run_id_of(client), client.headers["x-request-id"]
        read_all(client)
    server.server.wait_for_log(rf"run={request_id} [^\n]* stored={run_id[:14]}\n")
    assert run_id not in server.server.log


# ---------------------------------------------------------------------------------------------- the command


@pytest.fixture
def command(server: RunningServer, store: Path) -> Callable[..., str]:
    """Runs `sluice runs` in a process of its own, as the server's operator does; returns what it prints."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sluice", "runs", *arguments],
            env={**os.environ, "SLUICE_STORE": f"sqlite:{store}"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def begin_held(server: RunningServer) -> tuple[RunClient, str, Exchange]:
    """Begin an answer whose model goes on for long, and leave it."""
    browser = RunClient(server.url)
    server.model.enqueue((Headers(), Chunk("a secret "), server.model.gate(), *finished()))
    with browser.begin() as client:
        run_id = run_id_of(client)
        client.next_event()
    return browser, run_id, server.model.exchanges[-1]


def wait_asked_to_stop(store: Path, run_id: str) -> float:
    """Wait until the store has the request to stop a run; return when that was."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        query = "SELECT stop FROM runs WHERE id = ?"
        wait_until(lambda: bool(connection.execute(query, (run_id,)).fetchone()[0]), 10.0, "the stop", pause=0.005)
    return time.monotonic()


def test_the_command_stops_an_answer_on_whichever_worker_it_is_within_a_second(
    server: RunningServer, store: Path, command: Callable[..., str]
) -> None:
    browser, run_id, exchange = begin_held(server)
    running = json.loads(command("list", "--json", "--state", "running"))["runs"]
    assert [each["id"] for each in running] == [run_id]
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(command, "stop", run_id[:14])
        asked_at = wait_asked_to_stop(store, run_id)
        exchange.wait_aborted(1.0)
        assert time.monotonic() - asked_at < 1.0
        assert stopping.result() == f"{run_id[:14]} stopped\n"
    assert browser.show(run_id)["state"] == "stopped"
    assert "secret" not in command("show", run_id[:14])
    assert command("show", run_id[:14], "--text").endswith("\n\na secret \n")


def test_the_command_forgets_all_answers_and_stops_those_that_run(
    server: RunningServer, command: Callable[..., str]
) -> None:
    browser, run_id, exchange = begin_held(server)
    command("purge", "--all")
    exchange.wait_aborted(1.0)
    assert command("list") == "no answers\n"
    assert browser.fetch("GET", f"/api/runs/{run_id}").status == 404
