"""Rows 27, 29 and 31: drains, deaths and forks of workers. Nobody who waits is forgotten."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.test_load import admitted, wait_each_answers
from tests.support import fault_application
from tests.support.fault_server import FaultServer, StartOwnServer, start_fault_server, whole_stream
from tools.common.leaks import ServerBaseline, wait_streams
from tools.common.raw_client import CutShort, RawClient, chat_request, fetch, post_chat, stream_chat
from tools.common.scripted_model import Headers, finished, said, stalling_after

# --------------------------------------------------------------------------------------- clients that were lost


def test_a_failed_accept_affects_no_other_client(start_own_server: StartOwnServer) -> None:
    running_server = start_own_server()
    (worker,) = running_server.server.worker_pids()
    another_came = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), another_came, *said("lo"), *finished()))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        os.kill(worker, fault_application.FAIL_ACCEPT)
        assert fetch(running_server.url, "/healthz").status == 200
        another_came.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
    assert running_server.server.worker_pids() == [worker]
    pattern = r"a connection (?:was aborted|cannot be accepted)[^:]*: ([^;\n]*)"
    said_of = re.findall(pattern, running_server.server.log)
    assert said_of == [os.strerror(number) for number in fault_application.ACCEPT_ERRORS]


def test_a_worker_whose_listening_socket_is_unusable_is_replaced(start_own_server: StartOwnServer) -> None:
    running_server = start_own_server(warm=0)
    (worker,) = running_server.server.worker_pids()
    os.kill(worker, fault_application.BREAK_LISTENER)
    with RawClient(running_server.url) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.status == 200
    assert worker not in running_server.server.worker_pids()


# ---------------------------------------------------------------------------------------- row 27: SIGTERM, drain


def test_fifty_open_streams_end_whole_or_with_a_terminal_frame_after_sigterm(
    start_own_server: StartOwnServer,
) -> None:
    """Row 27: forty end in time, ten would not."""
    drain = 1.5
    running_server = start_own_server(SLUICE_DRAIN_TIMEOUT=drain, warm=0)
    gate = running_server.model.gate()
    whole = (Headers(), *said("Hel"), gate, *said("lo", delay=0.2), *finished())
    running_server.model.enqueue(*[whole] * 40, *[stalling_after("Hel")] * 10)
    with ExitStack() as clients:
        streams = [clients.enter_context(stream_chat(running_server.url, timeout=20)) for _ in range(50)]
        for client in streams:
            assert client.next_event().message == "Hel"
        told = time.monotonic()
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_for_log("draining: 50 open")
        gate.open()
        for client in streams[:40]:
            text, terminal = client.read_stream()
            assert (text, terminal.is_done) == ("lo", True)
        assert time.monotonic() - told < drain
        for client in streams[40:]:
            _, terminal = client.read_stream()
            assert (terminal.payload["code"], terminal.payload["retryable"]) == ("shutting_down", True)
        assert running_server.server.wait_exit() == 0
    took = time.monotonic() - told
    print(f"left {took:.2f} s after SIGTERM with a drain of {drain} s")
    assert took < int(drain) + 5  # gunicorn's graceful_timeout
    assert "SIGKILL" not in running_server.server.log
    assert "WORKER TIMEOUT" not in running_server.server.log
    running_server.model.wait_no_connections()


def test_ctrl_c_ends_a_stream_with_a_terminal_frame_although_the_worker_gets_two_signals(
    start_own_server: StartOwnServer,
) -> None:
    """A terminal sends SIGINT to all processes, and the master its workers SIGQUIT besides, a moment later."""
    running_server = start_own_server(warm=0)
    (worker,) = running_server.server.worker_pids()
    os.kill(worker, fault_application.QUIT_TWICE)
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        os.killpg(running_server.server.pid, signal.SIGINT)
        assert client.read_stream(timeout=5)[1].payload["code"] == "shutting_down"
        assert running_server.server.wait_exit(timeout=5) == 0


@pytest.fixture(scope="module")
def mended_by_all() -> Iterator[FaultServer]:
    """A server whose worker tests may break: each of them sees that another one takes its place."""
    with start_fault_server(warm=4) as running_server:
        yield running_server


@pytest.fixture
def mended(mended_by_all: FaultServer) -> Iterator[FaultServer]:
    """The same server, with a worker that is well, and a model with nothing left to say."""
    mended_by_all.model.clear()
    mended_by_all.server.wait_ready()
    yield mended_by_all
    mended_by_all.model.drop_idle_connections()


def test_a_client_that_connects_while_its_worker_gets_sigterm_is_answered(mended: FaultServer) -> None:
    """Row 28: the worker learns of both at once, of the signal first."""
    running_server = mended
    defects = running_server.server.log.count("Traceback")
    (worker,) = running_server.server.worker_pids()
    os.kill(worker, fault_application.HOLD_MAIN_THREAD)
    running_server.server.wait_for_log("the main thread is held")
    os.kill(worker, signal.SIGTERM)
    running_server.server.wait_for_log("the main thread is told")
    whole_stream(running_server)
    running_server.server.wait_workers(1, without=[worker])
    assert running_server.server.log.count("Traceback") == defects


def test_a_connection_that_waits_while_an_idle_server_is_stopped_is_answered(
    start_own_server: StartOwnServer,
) -> None:
    running_server = start_own_server(warm=0)
    # Waits until no connection is open.
    (worker,) = ServerBaseline.capture(running_server.server, running_server.model).workers
    os.kill(worker, fault_application.HOLD_MAIN_THREAD)
    running_server.server.wait_for_log("the main thread is held")
    with RawClient(running_server.url) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        running_server.server.signal(signal.SIGTERM)
        assert client.status == 200
    assert running_server.server.wait_exit() == 0


# --------------------------------------------------------------------------------------- row 29: dead and stuck


def test_a_killed_worker_is_replaced_and_its_clients_do_not_wait(start_own_server: StartOwnServer) -> None:
    """Row 29: the kernel ends what nobody else can; streams of the other worker go on."""
    # One stream in each worker: a full one leaves connections to the other.
    running_server = start_own_server(workers=2, SLUICE_MAX_STREAMS=1, SLUICE_RESERVE_THREADS=2, warm=0)
    workers = running_server.server.wait_workers(2)
    wait_each_answers(running_server, workers)
    gate = running_server.model.gate()
    running_server.model.default = (Headers(), *said("Hel"), gate, *said("lo"), *finished())
    with ExitStack() as clients:
        streams = [clients.enter_context(stream_chat(running_server.url)) for _ in range(2)]
        for client in streams:
            assert client.next_event().message == "Hel"
        os.kill(workers[0], signal.SIGKILL)
        running_server.server.wait_workers(2, without=workers[:1])
        gate.open()
        ends = []
        for client in streams:
            try:
                ends.append(client.read_stream()[0])
            except (CutShort, ConnectionResetError):
                ends.append("cut")
        assert sorted(ends) == ["cut", "lo"]
        running_server.server.wait_ready()
        whole_again(running_server)


def whole_again(running_server: FaultServer) -> None:
    """Chat once more, in both modes."""
    running_server.model.clear()
    whole_stream(running_server)
    assert post_chat(running_server.url, message="Hi", interaction_mode="block").json()["message"] == "Hello, world!"


def test_a_dead_loop_releases_all_waiting_requests_and_the_worker_is_replaced(mended: FaultServer) -> None:
    """Row 29: SystemExit on the loop's thread."""
    running_server = mended
    (old,) = running_server.server.worker_pids()
    running_server.model.enqueue(stalling_after("Hello"), stalling_after("Hello"))
    before = len(running_server.model.exchanges)
    with stream_chat(running_server.url) as client, RawClient(running_server.url) as block:
        assert client.next_event().message == "Hello"
        block.send(chat_request("localhost", {"message": "Hi", "interaction_mode": "block"}))
        running_server.model.wait_for_request(before + 2).wait_tokens(1)
        died = time.monotonic()
        fetch(running_server.url, "/faults/kill-loop", method="POST", body=b"")
        _, terminal = client.read_stream()
        assert terminal.payload["code"] == "internal"
        assert block.status == 500
        assert b'"internal"' in block.read_body()
        answered = time.monotonic() - died
        running_server.server.wait_workers(1, without=[old])
    running_server.server.wait_ready()
    print(f"a dead loop: answered within {answered:.2f} s, ready again after {time.monotonic() - died:.2f} s")
    assert answered < 1
    running_server.server.wait_for_log("died")
    running_server.model.wait_idle()
    whole_again(running_server)


def test_a_connection_that_waits_while_the_loop_dies_is_answered_by_the_next_worker(mended: FaultServer) -> None:
    """Row 29: the dead loop's worker would answer it with 500."""
    running_server = mended
    (old,) = running_server.server.worker_pids()
    held, told = (running_server.server.log.count(f"the main thread is {state}") for state in ("held", "told"))
    running_server.model.enqueue(stalling_after("Hello"))
    # The open stream keeps the worker until its main thread has seen the connection that waits.
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        os.kill(old, fault_application.HOLD_MAIN_THREAD)
        running_server.server.wait_for_log("the main thread is held", times=held + 1)
        os.kill(old, fault_application.KILL_LOOP)
        running_server.server.wait_for_log("the main thread is told", times=told + 1)
        whole_stream(running_server)
    running_server.server.wait_workers(1, without=[old])


def test_a_loop_that_is_blocked_is_not_ready_within_two_seconds_and_its_worker_is_replaced(
    mended: FaultServer,
) -> None:
    """Row 29: blocked for 5 s."""
    running_server = mended
    (old,) = running_server.server.worker_pids()
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        blocked = time.monotonic()
        fetch(running_server.url, "/faults/block-loop?seconds=5", method="POST", body=b"")
        running_server.server.wait_status("/readyz", 503, 2)
        unready = time.monotonic() - blocked
        _, terminal = client.read_stream()
        answered = time.monotonic() - blocked
        assert terminal.payload["code"] == "internal"
        running_server.server.wait_workers(1, without=[old], timeout=15)
    running_server.server.wait_ready()
    print(
        f"a blocked loop: not ready after {unready:.2f} s, waiting client answered after {answered:.2f} s, "
        f"ready again after {time.monotonic() - blocked:.2f} s"
    )
    assert unready < 2
    assert answered < 4.5
    running_server.server.wait_for_log("loop .* is stuck")
    running_server.model.wait_idle()
    whole_again(running_server)


# ------------------------------------------------------------------------------------------- row 31: fork, respawn


@pytest.mark.parametrize("preload", [pytest.param(False, marks=pytest.mark.long), True])
def test_streams_work_in_every_child_and_in_its_successor(start_own_server: StartOwnServer, preload: bool) -> None:
    """Row 31: `preload_app`, then fork into four workers; one is killed and respawned from the same parent."""
    args = ["--preload"] if preload else []
    running_server = start_own_server(workers=4, args=args, SLUICE_MAX_STREAMS=2, SLUICE_RESERVE_THREADS=4, warm=0)
    every_child_streams(running_server)
    old = running_server.server.worker_pids()[1]
    os.kill(old, signal.SIGKILL)
    running_server.server.wait_workers(4, without=[old])
    every_child_streams(running_server)


def every_child_streams(running_server: FaultServer) -> None:
    """Hold two streams in each of four workers at one time: eight slots, all in use."""
    wait_each_answers(running_server, running_server.server.wait_workers(4))
    running_server.model.default = stalling_after("Hello")
    with ExitStack() as clients:
        for _ in range(8):
            admitted(running_server, clients)
    wait_streams(running_server.server, 0)
