"""Rows 26-29 and 31: defects, drains, deploys and deaths of workers. Nobody who waits is forgotten."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.faults.test_load import admitted, wait_each_answers
from tests.support import fault_application
from tests.support.fault_server import FaultServer, StartOwnServer, start_fault_server
from tests.support.repeated import RepeatedAction, repeat_requests
from tools.common.leaks import ServerBaseline, wait_streams
from tools.common.raw_client import CutShort, RawClient, chat_request, fetch, post_chat, stream_chat
from tools.common.scripted_model import Headers, finished, said, stalling_after

# ------------------------------------------------------------------------------------- row 26: defects of ours


@pytest.mark.parametrize(
    "message",
    [fault_application.DEFECT_AT_ONCE, fault_application.DEFECT_AFTER_WORDS, fault_application.DEFECT_WHILE_ENCODING],
)
def test_an_unhandled_exception_in_the_generator_is_an_error_frame(running_server: FaultServer, message: str) -> None:
    """Row 26."""
    with stream_chat(running_server.url, message=message) as client:
        if message == fault_application.DEFECT_AT_ONCE:
            assert client.status == 500
            fields = client.read_body().decode()
        else:
            text, terminal = client.read_stream()
            assert (text, terminal.payload["code"]) == ("Hello", "internal")
            fields = terminal.data
    assert '"internal"' in fields
    assert "LookupError" not in fields
    assert "TypeError" not in fields
    running_server.server.wait_for_log("Traceback")


def chat_through(hook: str, running_server: FaultServer) -> RawClient:
    """Ask for a stream whose response such a hook takes; the head is read, and the caller closes."""
    body = json.dumps({"message": "Hi", "interaction_mode": "stream"}).encode()
    client = RawClient(running_server.url)
    try:
        client.request(
            "POST", "/api/chat", {"Content-Type": "application/json", fault_application.BEHIND_THE_VIEW: hook}, body
        )
        client.read_head()
    except BaseException:
        client.close()
        raise
    return client


@pytest.mark.parametrize("hook", fault_application.FAILING_HOOKS)
def test_an_unhandled_exception_after_the_view_ends_the_run(running_server: FaultServer, hook: str) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, running_server) as client:
        assert client.status == 500
        running_server.model.wait_for_request().wait_aborted()
        wait_streams(running_server.server, 0)


@pytest.mark.parametrize("hook", fault_application.LOSING_HOOKS)
def test_a_run_ends_if_a_hook_replaces_its_response(running_server: FaultServer, hook: str) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, running_server) as client:
        assert client.read_body() == b"another body"
        running_server.model.wait_for_request().wait_aborted()
        wait_streams(running_server.server, 0)


@pytest.mark.parametrize("hook", fault_application.PASSING_HOOKS)
def test_an_answer_goes_on_where_a_hook_passes_its_frames_on(running_server: FaultServer, hook: str) -> None:
    """The request's own end, which comes before the body is written, is not the answer's."""
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with chat_through(hook, running_server) as client:
        frame = client.next_frame()
        assert frame is not None
        assert frame.comment == "passed on"
        assert client.next_event().message == "Hel"
        wait_streams(running_server.server, 1)
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
        wait_streams(running_server.server, 0)


@pytest.mark.parametrize("hook", fault_application.PASSING_HOOKS)
def test_a_disconnect_ends_a_run_whose_frames_a_hook_forwards(running_server: FaultServer, hook: str) -> None:
    running_server.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, running_server) as client:
        assert client.next_event().message == "Hello"
    running_server.model.wait_for_request().wait_aborted()
    wait_streams(running_server.server, 0)


def test_after_generators_that_raised_sigterm_still_waits_for_an_open_stream(
    start_own_server: StartOwnServer,
) -> None:
    """Row 26: gunicorn counts a connection down twice whose generator raised after the headers."""
    running_server = start_own_server()
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        for _ in range(5):
            with RawClient(running_server.url) as unlucky:
                unlucky.request("GET", "/faults/raise", {"Connection": "close"})
                with suppress(CutShort, ConnectionResetError):
                    unlucky.read_body()
        for message in (fault_application.DEFECT_AFTER_WORDS, fault_application.DEFECT_AFTER_WORDS):
            with stream_chat(running_server.url, message=message) as unlucky:
                assert unlucky.read_stream()[1].is_error
        wait_streams(running_server.server, 1)
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_for_log("draining: 1 open")
        # A worker that counted wrong exits within a second.
        with pytest.raises(AssertionError, match="not in the log"):
            running_server.server.wait_for_log("Worker exiting", timeout=1.5)
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
    assert running_server.server.wait_exit() == 0


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


# -------------------------------------------------------------------------------------- row 28: deploys under load


def whole_stream(running_server: FaultServer) -> None:
    """Get a whole stream over a connection of its own."""
    with stream_chat(running_server.url, timeout=15) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello, world!", True)


class KeptConnection:
    """Asks again and again over one connection, and takes another when the server says that it closes it."""

    def __init__(self, running_server: FaultServer) -> None:
        self._running = running_server
        self._client: RawClient | None = None

    def ask(self) -> None:
        """Get one whole block reply."""
        if self._client is None:
            self._client = RawClient(self._running.url, timeout=15)
        try:
            closes = self._ask(self._client)
        except BaseException:
            self.close()
            raise
        if closes:
            self.close()

    def _ask(self, client: RawClient) -> bool:
        body = b'{"message": "Hi", "interaction_mode": "block"}'
        client.request("POST", "/api/chat", {"Content-Type": "application/json"}, body)
        assert client.status == 200, client.read_body()
        assert b"Hello, world!" in client.read_body()
        return client.headers.get("connection") == "close"

    def close(self) -> None:
        """Close it, if it is open."""
        if self._client is not None:
            self._client.close()
            self._client = None


class Load:
    """A load of streams, blocks over kept connections, and asks of /healthz; nothing of it may fail."""

    def __init__(self, running_server: FaultServer) -> None:
        self._stack = ExitStack()
        kept = [KeptConnection(running_server) for _ in range(2)]
        for connection in kept:
            self._stack.callback(connection.close)
        actions = [lambda: whole_stream(running_server)] * 3 + [connection.ask for connection in kept]
        self.parts = [RepeatedAction(action) for action in actions] + [
            repeat_requests(running_server.url, timeout=15)
        ]

    def __enter__(self) -> Load:
        for part in self.parts:
            self._stack.enter_context(part)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def wait_times(self, n: int) -> None:
        """Wait until each part was done that many times more."""
        for part in self.parts:
            part.wait_times(n)

    def check(self) -> int:
        """Fail unless everything went well; return how much it was."""
        failures = [repr(failure) for part in self.parts for failure in part.failures]
        assert not failures, (len(failures), failures[:5])
        assert set(self.parts[-1].results) == {200}
        return sum(part.done for part in self.parts)


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


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_hup_under_load_refuses_and_resets_nothing(start_own_server: StartOwnServer, workers: int) -> None:
    """Row 28."""
    running_server = start_own_server(workers=workers, warm=2)
    with Load(running_server) as load:
        load.wait_times(3)
        old = running_server.server.worker_pids()
        running_server.server.signal(signal.SIGHUP)
        running_server.server.wait_workers(workers, without=old, timeout=20)
        load.wait_times(5)
    print(f"HUP with {workers} worker(s): {load.check()} requests")


def test_usr2_under_load_refuses_and_resets_nothing(start_own_server: StartOwnServer) -> None:
    """Row 28: a new master beside the old one, which is then told to leave."""
    running_server = start_own_server(warm=2)
    with Load(running_server) as load:
        load.wait_times(3)
        running_server.server.signal(signal.SIGUSR2)
        running_server.server.wait_for_log("Sluice listens on", times=2)
        (new,) = (pid for pid in running_server.server.master_pids() if pid != running_server.server.pid)
        running_server.server.wait_workers(1, master=new)
        load.wait_times(5)
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_exit()
        load.wait_times(5)
        print(f"USR2: {load.check()} requests")
    load.check()


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_max_requests_under_load_refuses_and_resets_nothing(start_own_server: StartOwnServer, workers: int) -> None:
    """Row 28."""
    running_server = start_own_server(workers=workers, args=["--max-requests", "20"], warm=0)
    with Load(running_server) as load:
        running_server.server.wait_for_log("requests served: this worker is replaced", times=2, timeout=30)
        load.wait_times(5)
    print(f"max_requests of 20 with {workers} worker(s): {load.check()} requests")


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
