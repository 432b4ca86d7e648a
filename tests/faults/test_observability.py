"""Row 38: what is only there to be looked at never takes a request, a start or a worker down."""

from __future__ import annotations

import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.fault_server import FaultServer, StartOwnServer, start_fault_server
from tools.common.leaks import SETTLE, gauge, open_descriptors, wait_nothing_left
from tools.common.raw_client import RawClient, fetch, post_chat, stream_chat

# ------------------------------------------------------------------------------------- the metrics' directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workers' metrics meet."""
    return tmp_path_factory.mktemp("observed") / "metrics"


@pytest.fixture(scope="module")
def observed_by_all(directory: Path) -> Iterator[FaultServer]:
    """A server whose metrics tests may break; its operator named a directory that was not there yet."""
    with start_fault_server(warm=1, PROMETHEUS_MULTIPROC_DIR=directory) as running_server:
        yield running_server


@pytest.fixture
def observed(observed_by_all: FaultServer) -> Iterator[FaultServer]:
    """The same server, whose metrics can be read."""
    observed_by_all.server.wait_status("/metrics", 200)
    yield observed_by_all
    observed_by_all.model.drop_idle_connections()


def goes_on(running_server: FaultServer) -> None:
    """Fail unless the server answers, refuses and starts workers as ever; a scrape may say that it cannot be done."""
    with stream_chat(running_server.url) as client:
        assert client.read_stream()[1].is_done
    assert post_chat(running_server.url, message="").status == 400
    assert fetch(running_server.url, "/metrics").status in (200, 503)
    (worker,) = running_server.server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    running_server.server.wait_workers(1, without=[worker])
    running_server.server.wait_ready()
    assert post_chat(running_server.url, message="").status == 400
    with stream_chat(running_server.url) as client:
        assert client.read_stream()[1].is_done
    assert fetch(running_server.url, "/metrics").status in (200, 503)


@contextmanager
def removed(directory: Path) -> Iterator[None]:
    """Do as a cleaner of temporary files does."""
    shutil.rmtree(directory)
    yield


@contextmanager
def replaced(directory: Path) -> Iterator[None]:
    """Have a file where the directory was: nobody, not even root, can read or make it."""
    shutil.rmtree(directory)
    directory.write_text("")
    try:
        yield
    finally:
        directory.unlink()


@contextmanager
def mounted(directory: Path, *options: str) -> Iterator[None]:
    """Put another file system over the directory."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(directory)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True, timeout=10)


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Leave no space for a single byte more."""
    with mounted(directory, "size=4k"):
        (directory / "filler").write_bytes(bytes(4096))
        yield


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Allow no writing."""
    with mounted(directory, "ro"):
        yield


BROKEN: dict[str, Callable[[Path], object]] = {
    "removed": removed,
    "replaced by a file": replaced,
    "full": full,
    "read-only": read_only,
}


@pytest.mark.parametrize("how", BROKEN)
def test_requests_starts_and_workers_go_on_without_the_directory_of_metrics(
    observed: FaultServer, directory: Path, how: str
) -> None:
    tracebacks = observed.server.log.count("Traceback")
    with BROKEN[how](directory):  # type: ignore[attr-defined]
        goes_on(observed)
    # Mended, the metrics are there again by themselves, with what was counted meanwhile.
    observed.server.wait_status("/metrics", 200)
    assert gauge(observed.server, "sluice_refused_total") >= 1
    assert gauge(observed.server, "sluice_streams_open") == 0
    assert observed.server.log.count("Traceback") == tracebacks


def test_a_worker_without_requests_writes_the_metrics_that_were_removed_again(
    observed: FaultServer, directory: Path
) -> None:
    fetch(observed.url, "/metrics")
    shutil.rmtree(directory)
    kinds = {"counter", "histogram", "gauge_livesum", "gauge_livemax"}

    def missing() -> list[str]:
        there = {path.name.rpartition("_")[0] for path in directory.glob("*.db")}
        return sorted(kinds - there)

    wait_nothing_left(missing, SETTLE, "the removal")


def test_the_first_refusal_of_a_worker_without_descriptors_is_the_refusal(observed: FaultServer) -> None:
    """What counts it is open since the start."""
    (before,) = observed.server.worker_pids()
    os.kill(before, signal.SIGTERM)
    (worker,) = observed.server.wait_workers(1, without=[before])
    with RawClient(observed.url) as client:
        client.request("GET", "/healthz")
        assert client.status == 200
        client.read_body()
        usual = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        taken = open_descriptors(worker)
        lowest_free = next(number for number in itertools.count() if number not in taken)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (lowest_free, usual[1]))
        try:
            client.request("POST", "/api/chat", {"Content-Type": "application/json"}, b'{"message": ""}')
            assert client.status == 400
            client.read_body()
            client.request("GET", "/metrics")
            assert client.status == 503
            assert b"Too many open files" in client.read_body()
        finally:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, usual)
    assert gauge(observed.server, "sluice_refused_total") >= 1


def test_a_failure_of_the_metrics_is_one_line_a_minute(observed: FaultServer, directory: Path) -> None:
    (before,) = observed.server.worker_pids()
    os.kill(before, signal.SIGTERM)
    observed.server.wait_workers(1, without=[before])
    observed.server.wait_ready()
    said = len(re.findall("metrics could not be written or read", observed.server.log))
    with replaced(directory):
        assert [fetch(observed.url, "/metrics").status for _ in range(5)] == [503] * 5
        observed.server.wait_for_log("metrics could not be written or read", times=said + 1)
    observed.server.wait_status("/metrics", 200)
    assert gauge(observed.server, "sluice_metrics_failures_total") >= 5
    assert len(re.findall("metrics could not be written or read", observed.server.log)) == said + 1


# ------------------------------------------------------------------------------------------ a log nobody reads


@pytest.fixture(scope="module")
def logged_by_all() -> Iterator[FaultServer]:
    """A server whose log tests leave unread."""
    with start_fault_server(warm=4, SLUICE_DRAIN_TIMEOUT=2) as running_server:
        yield running_server


@pytest.fixture
def logged(logged_by_all: FaultServer) -> Iterator[FaultServer]:
    """The same server, with a worker that is well."""
    logged_by_all.server.wait_ready()
    yield logged_by_all
    logged_by_all.model.drop_idle_connections()


# 220 characters each: more than a pipe of 4,096 bytes and the tests' own reader hold.
ENOUGH = 200
# More than the queue holds besides.
TOO_MUCH = 6000


def log(running_server: FaultServer, lines: int) -> None:
    """Have a worker log so many lines."""
    with RawClient(running_server.url) as client:
        client.request("POST", f"/faults/log?lines={lines}", {"Content-Length": "0"})
        assert client.status == 200
        client.read_body()


def test_chats_end_whole_although_the_log_is_not_read(logged: FaultServer) -> None:
    with logged.server.nobody_reads_the_log():
        log(logged, ENOUGH)
        for _ in range(3):
            with stream_chat(logged.url) as client:
                assert client.read_stream()[1].is_done
        request_id = client.headers["x-request-id"]
        assert post_chat(logged.url, message="").status == 400
        assert fetch(logged.url, "/healthz").status == 200
    # All of it comes, in its order, as soon as somebody reads again.
    logged.server.wait_for_log(rf"\[{request_id}\] run={request_id} .* outcome=done")
    numbers = [int(number) for number in re.findall(r"sluice.faults .* line (\d+) x", logged.server.log)]
    assert numbers[-ENOUGH:] == list(range(ENOUGH))
    logged.server.wait_for_log("^printed z+$")
    logged.server.wait_for_log("^printed y+$")


def test_log_lines_that_do_not_fit_are_dropped_counted_and_reported_later(logged: FaultServer) -> None:
    with logged.server.nobody_reads_the_log():
        log(logged, TOO_MUCH)
        with stream_chat(logged.url) as client:
            assert client.read_stream()[1].is_done
        dropped = gauge(logged.server, "sluice_log_lines_dropped_total")
        assert 0 < dropped < TOO_MUCH
    said = logged.server.wait_for_log(r"WARNING sluice.log \[-\] (\d+) lines of the log were dropped")
    assert int(said[1]) == dropped
    with stream_chat(logged.url) as client:
        assert client.read_stream()[1].is_done
    logged.server.wait_for_log(f"run={client.headers['x-request-id']} ")


def test_workers_are_replaced_and_the_server_reloads_although_the_log_is_not_read(logged: FaultServer) -> None:
    (worker,) = logged.server.worker_pids()
    with logged.server.nobody_reads_the_log():
        log(logged, ENOUGH)
        os.kill(worker, signal.SIGKILL)
        (second,) = logged.server.wait_workers(1, without=[worker])
        logged.server.wait_ready()
        log(logged, ENOUGH)
        logged.server.signal(signal.SIGHUP)
        logged.server.wait_workers(1, without=[second], timeout=20)
        with stream_chat(logged.url) as client:
            assert client.read_stream()[1].is_done
    logged.server.wait_for_log("Hang up")


def test_a_server_exits_in_time_although_the_log_is_not_read(start_own_server: StartOwnServer) -> None:
    running_server = start_own_server(warm=0, SLUICE_DRAIN_TIMEOUT=0.5)
    with running_server.server.nobody_reads_the_log():
        log(running_server, TOO_MUCH)
        running_server.server.signal(signal.SIGTERM)
        # Half a second for the drain, and one second each for the last lines of worker and master; behind
        # this bound gunicorn would kill the worker.
        assert running_server.server.wait_exit(timeout=int(0.5) + 5) == 0


def test_a_log_file_on_a_full_disk_breaks_nothing_else(start_own_server: StartOwnServer, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "logs"
    folder.mkdir()
    with mounted(folder, "size=8k"):
        running_server = start_own_server(
            warm=0, args=["--log-file", str(folder / "log"), "--access-logfile", str(folder / "access")]
        )
        (folder / "filler").write_bytes(b"")
        with suppress(OSError), (folder / "filler").open("ab", buffering=0) as filler:
            while filler.write(bytes(1024)):
                pass
        # More than the page of memory that the file has already.
        for _ in range(20):
            assert fetch(running_server.url, f"/healthz?{'x' * 500}").status == 200

        def nothing_dropped() -> list[str]:
            return [] if gauge(running_server.server, "sluice_log_lines_dropped_total") else ["all that was logged"]

        wait_nothing_left(nothing_dropped, SETTLE, "the full disk")
        # Rotation closes the files and opens them again.
        running_server.server.signal(signal.SIGUSR1)
        (worker,) = running_server.server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        running_server.server.wait_workers(1, without=[worker])
        running_server.server.wait_ready()
        with stream_chat(running_server.url) as client:
            assert client.read_stream()[1].is_done
        running_server.server.signal(signal.SIGTERM)
        assert running_server.server.wait_exit() == 0
