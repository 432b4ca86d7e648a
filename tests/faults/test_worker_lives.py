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

from tests.faults import saboteur
from tests.faults.conftest import Build, House, Repeated, a_house, asking
from tests.faults.test_load import admitted, wait_each_answers
from tools.common.leaks import wait_streams
from tools.common.raw_client import CutShort, RawClient, chat_request, fetch, post_chat, stream_chat
from tools.common.scripted_model import Headers, finished, said, stalling_after

# ------------------------------------------------------------------------------------- row 26: defects of ours


@pytest.mark.parametrize(
    "message",
    [saboteur.DEFECT_AT_ONCE, saboteur.DEFECT_AFTER_WORDS, saboteur.DEFECT_WHILE_ENCODING],
)
def test_a_defect_inside_the_generator_is_an_error_frame(house: House, message: str) -> None:
    """Row 26."""
    with stream_chat(house.url, message=message) as client:
        if message == saboteur.DEFECT_AT_ONCE:
            assert client.status == 500
            fields = client.read_body().decode()
        else:
            text, terminal = client.read_stream()
            assert (text, terminal.payload["code"]) == ("Hello", "internal")
            fields = terminal.data
    assert '"internal"' in fields
    assert "LookupError" not in fields
    assert "TypeError" not in fields
    house.server.wait_for_log("Traceback")


def chat_through(hook: str, house: House) -> RawClient:
    """Ask for a stream whose response such a hook takes; the head is read, and the caller closes."""
    body = json.dumps({"message": "Hi", "interaction_mode": "stream"}).encode()
    client = RawClient(house.url)
    try:
        client.request(
            "POST", "/api/chat", {"Content-Type": "application/json", saboteur.BEHIND_THE_VIEW: hook}, body
        )
        client.read_head()
    except BaseException:
        client.close()
        raise
    return client


@pytest.mark.parametrize("hook", saboteur.FAILING_HOOKS)
def test_a_defect_behind_the_view_ends_the_answer_that_nobody_gets(house: House, hook: str) -> None:
    house.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, house) as client:
        assert client.status == 500
        house.model.wait_for_request().wait_aborted()
        wait_streams(house.server, 0)


@pytest.mark.parametrize("hook", saboteur.LOSING_HOOKS)
def test_an_answer_ends_where_a_hook_puts_another_in_its_place(house: House, hook: str) -> None:
    house.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, house) as client:
        assert client.read_body() == b"another body"
        house.model.wait_for_request().wait_aborted()
        wait_streams(house.server, 0)


@pytest.mark.parametrize("hook", saboteur.PASSING_HOOKS)
def test_an_answer_goes_on_where_a_hook_passes_its_frames_on(house: House, hook: str) -> None:
    """The request's own end, which comes before the body is written, is not the answer's."""
    gate = house.model.gate()
    house.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with chat_through(hook, house) as client:
        frame = client.next_frame()
        assert frame is not None
        assert frame.comment == "passed on"
        assert client.next_event().message == "Hel"
        wait_streams(house.server, 1)
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
        wait_streams(house.server, 0)


@pytest.mark.parametrize("hook", saboteur.PASSING_HOOKS)
def test_a_client_that_leaves_ends_an_answer_whose_frames_a_hook_passes_on(house: House, hook: str) -> None:
    house.model.enqueue(stalling_after("Hello"))
    with chat_through(hook, house) as client:
        assert client.next_event().message == "Hello"
    house.model.wait_for_request().wait_aborted()
    wait_streams(house.server, 0)


def test_after_generators_that_raised_sigterm_still_waits_for_an_open_stream(build: Build) -> None:
    """Row 26: gunicorn counts a connection down twice whose generator raised after the headers."""
    house = build()
    gate = house.model.gate()
    house.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(house.url) as client:
        assert client.next_event().message == "Hel"
        for _ in range(5):
            with RawClient(house.url) as unlucky:
                unlucky.request("GET", "/sabotage/raise", {"Connection": "close"})
                with suppress(CutShort, ConnectionResetError):
                    unlucky.read_body()
        for message in (saboteur.DEFECT_AFTER_WORDS, saboteur.DEFECT_AFTER_WORDS):
            with stream_chat(house.url, message=message) as unlucky:
                assert unlucky.read_stream()[1].is_error
        wait_streams(house.server, 1)
        house.server.signal(signal.SIGTERM)
        house.server.wait_for_log("draining: 1 open")
        # A worker that counted wrong exits within a second.
        with pytest.raises(AssertionError, match="not in the log"):
            house.server.wait_for_log("Worker exiting", timeout=1.5)
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
    assert house.server.wait_exit() == 0


# --------------------------------------------------------------------------------------- clients that were lost


def test_a_client_that_cannot_be_accepted_costs_nobody_else_their_answer(build: Build) -> None:
    house = build()
    (worker,) = house.server.worker_pids()
    another_came = house.model.gate()
    house.model.enqueue((Headers(), *said("Hel"), another_came, *said("lo"), *finished()))
    with stream_chat(house.url) as client:
        assert client.next_event().message == "Hel"
        os.kill(worker, saboteur.FAIL_ACCEPT)
        assert fetch(house.url, "/healthz").status == 200
        another_came.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
    assert house.server.worker_pids() == [worker]
    said_of = re.findall(r"a client (?:was lost|cannot be accepted).*: (.*)", house.server.log)
    assert said_of == [os.strerror(number) for number in saboteur.ACCEPT_ERRORS]


def test_a_worker_whose_listening_socket_is_unusable_is_replaced(build: Build) -> None:
    house = build(warm=0)
    (worker,) = house.server.worker_pids()
    os.kill(worker, saboteur.BREAK_LISTENER)
    with RawClient(house.url) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.status == 200
    assert worker not in house.server.worker_pids()


# ---------------------------------------------------------------------------------------- row 27: SIGTERM, drain


def test_fifty_open_streams_end_whole_or_with_a_terminal_frame_when_the_server_is_told_to_leave(build: Build) -> None:
    """Row 27: forty end in time, ten would not."""
    drain = 1.5
    house = build(SLUICE_DRAIN_TIMEOUT=drain, warm=0)
    gate = house.model.gate()
    whole = (Headers(), *said("Hel"), gate, *said("lo", delay=0.2), *finished())
    house.model.enqueue(*[whole] * 40, *[stalling_after("Hel")] * 10)
    with ExitStack() as clients:
        streams = [clients.enter_context(stream_chat(house.url, timeout=20)) for _ in range(50)]
        for client in streams:
            assert client.next_event().message == "Hel"
        told = time.monotonic()
        house.server.signal(signal.SIGTERM)
        house.server.wait_for_log("draining: 50 open")
        gate.open()
        for client in streams[:40]:
            text, terminal = client.read_stream()
            assert (text, terminal.is_done) == ("lo", True)
        assert time.monotonic() - told < drain
        for client in streams[40:]:
            _, terminal = client.read_stream()
            assert (terminal.payload["code"], terminal.payload["retryable"]) == ("shutting_down", True)
        assert house.server.wait_exit() == 0
    took = time.monotonic() - told
    print(f"left {took:.2f} s after SIGTERM with a drain of {drain} s")
    assert took < int(drain) + 5  # gunicorn's graceful_timeout
    assert "SIGKILL" not in house.server.log
    assert "WORKER TIMEOUT" not in house.server.log
    house.model.wait_no_connections()


def test_ctrl_c_ends_a_stream_with_a_terminal_frame_though_the_worker_is_told_twice(build: Build) -> None:
    """A terminal sends SIGINT to all processes, and the master its workers SIGQUIT besides, a moment later."""
    house = build(warm=0)
    (worker,) = house.server.worker_pids()
    os.kill(worker, saboteur.QUIT_TWICE)
    house.model.enqueue(stalling_after("Hello"))
    with stream_chat(house.url) as client:
        assert client.next_event().message == "Hello"
        os.killpg(house.server.pid, signal.SIGINT)
        assert client.read_stream(timeout=5)[1].payload["code"] == "shutting_down"
        assert house.server.wait_exit(timeout=5) == 0


@pytest.fixture(scope="module")
def mended_by_all() -> Iterator[House]:
    """A house whose worker tests may break: each of them sees that another one takes its place."""
    with a_house(warm=4) as house:
        yield house


@pytest.fixture
def mended(mended_by_all: House) -> Iterator[House]:
    """The same house, with a worker that is well, and a model with nothing left to say."""
    mended_by_all.model.clear()
    mended_by_all.server.wait_ready()
    yield mended_by_all
    mended_by_all.model.drop_idle_connections()


# -------------------------------------------------------------------------------------- row 28: deploys under load


def whole_stream(house: House) -> None:
    """Get a whole stream over a connection of its own."""
    with stream_chat(house.url, timeout=15) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello, world!", True)


class KeptConnection:
    """Asks again and again over one connection, and takes another when the server says that it closes it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._client: RawClient | None = None

    def ask(self) -> None:
        """Get one whole block reply."""
        if self._client is None:
            self._client = RawClient(self._house.url, timeout=15)
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

    def __init__(self, house: House) -> None:
        self._stack = ExitStack()
        kept = [KeptConnection(house) for _ in range(2)]
        for connection in kept:
            self._stack.callback(connection.close)
        actions = [lambda: whole_stream(house)] * 3 + [connection.ask for connection in kept]
        self.parts = [Repeated(action) for action in actions] + [asking(house.url, timeout=15)]

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


def test_who_connects_in_the_moment_in_which_a_worker_is_told_to_leave_is_answered(mended: House) -> None:
    """Row 28: the worker learns of both at once, of the signal first."""
    house = mended
    defects = house.server.log.count("Traceback")
    (worker,) = house.server.worker_pids()
    os.kill(worker, saboteur.HOLD_MAIN_THREAD)
    house.server.wait_for_log("the main thread is held")
    os.kill(worker, signal.SIGTERM)
    house.server.wait_for_log("the main thread is told")
    whole_stream(house)
    house.server.wait_workers(1, without=[worker])
    assert house.server.log.count("Traceback") == defects


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_hup_under_load_refuses_and_resets_nothing(build: Build, workers: int) -> None:
    """Row 28."""
    house = build(workers=workers, warm=2)
    with Load(house) as load:
        load.wait_times(3)
        old = house.server.worker_pids()
        house.server.signal(signal.SIGHUP)
        house.server.wait_workers(workers, without=old, timeout=20)
        load.wait_times(5)
    print(f"HUP with {workers} worker(s): {load.check()} requests")


def test_usr2_under_load_refuses_and_resets_nothing(build: Build) -> None:
    """Row 28: a new master beside the old one, which is then told to leave."""
    house = build(warm=2)
    with Load(house) as load:
        load.wait_times(3)
        house.server.signal(signal.SIGUSR2)
        house.server.wait_for_log("Sluice listens on", times=2)
        (new,) = (pid for pid in house.server.master_pids() if pid != house.server.pid)
        house.server.wait_workers(1, master=new)
        load.wait_times(5)
        house.server.signal(signal.SIGTERM)
        house.server.wait_exit()
        load.wait_times(5)
        print(f"USR2: {load.check()} requests")
    load.check()


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_max_requests_under_load_refuses_and_resets_nothing(build: Build, workers: int) -> None:
    """Row 28."""
    house = build(workers=workers, args=["--max-requests", "20"], warm=0)
    with Load(house) as load:
        house.server.wait_for_log("requests served: this worker is replaced", times=2, timeout=30)
        load.wait_times(5)
    print(f"max_requests of 20 with {workers} worker(s): {load.check()} requests")


# --------------------------------------------------------------------------------------- row 29: dead and stuck


def test_a_killed_worker_is_replaced_and_its_clients_do_not_wait(build: Build) -> None:
    """Row 29: the kernel ends what nobody else can; streams of the other worker go on."""
    house = build(workers=2, SLUICE_MAX_STREAMS=2, SLUICE_RESERVE_THREADS=2, warm=0)
    gate = house.model.gate()
    house.model.default = (Headers(), *said("Hel"), gate, *said("lo"), *finished())
    with ExitStack() as clients:
        streams = [clients.enter_context(stream_chat(house.url)) for _ in range(2)]
        for client in streams:
            assert client.next_event().message == "Hel"
        workers = house.server.worker_pids()
        os.kill(workers[0], signal.SIGKILL)
        house.server.wait_workers(2, without=workers[:1])
        gate.open()
        ends = []
        for client in streams:
            try:
                ends.append(client.read_stream(timeout=1)[0])
            except (CutShort, ConnectionResetError):
                ends.append("cut")
        assert set(ends) <= {"lo", "cut"}
        house.server.wait_status("/readyz", 200, 2)
        whole_again(house)


def whole_again(house: House) -> None:
    """Chat once more, in both modes."""
    house.model.clear()
    whole_stream(house)
    assert post_chat(house.url, message="Hi", interaction_mode="block").json()["message"] == "Hello, world!"


def test_a_loop_that_dies_releases_all_who_wait_and_the_worker_is_replaced(mended: House) -> None:
    """Row 29: SystemExit on the loop's thread."""
    house = mended
    (old,) = house.server.worker_pids()
    house.model.enqueue(stalling_after("Hello"), stalling_after("Hello"))
    before = len(house.model.exchanges)
    with stream_chat(house.url) as client, RawClient(house.url) as block:
        assert client.next_event().message == "Hello"
        block.send(chat_request("localhost", {"message": "Hi", "interaction_mode": "block"}))
        house.model.wait_for_request(before + 2).wait_tokens(1)
        died = time.monotonic()
        fetch(house.url, "/sabotage/kill-loop", method="POST", body=b"")
        _, terminal = client.read_stream()
        assert terminal.payload["code"] == "internal"
        assert block.status == 500
        assert b'"internal"' in block.read_body()
        answered = time.monotonic() - died
        house.server.wait_workers(1, without=[old])
    house.server.wait_ready()
    print(f"a dead loop: answered within {answered:.2f} s, ready again after {time.monotonic() - died:.2f} s")
    assert answered < 1
    assert "died" in house.server.log
    house.model.wait_idle()
    whole_again(house)


def test_a_loop_that_is_blocked_is_not_ready_within_two_seconds_and_its_worker_is_replaced(mended: House) -> None:
    """Row 29: blocked for 5 s."""
    house = mended
    (old,) = house.server.worker_pids()
    house.model.enqueue(stalling_after("Hello"))
    with stream_chat(house.url) as client:
        assert client.next_event().message == "Hello"
        blocked = time.monotonic()
        fetch(house.url, "/sabotage/block-loop?seconds=5", method="POST", body=b"")
        house.server.wait_status("/readyz", 503, 2)
        unready = time.monotonic() - blocked
        _, terminal = client.read_stream()
        answered = time.monotonic() - blocked
        assert terminal.payload["code"] == "internal"
        house.server.wait_workers(1, without=[old], timeout=15)
    house.server.wait_ready()
    print(
        f"a blocked loop: not ready after {unready:.2f} s, waiting client answered after {answered:.2f} s, "
        f"ready again after {time.monotonic() - blocked:.2f} s"
    )
    assert unready < 2
    assert answered < 4.5
    assert re.search("loop .* is stuck", house.server.log)
    house.model.wait_idle()
    whole_again(house)


# ------------------------------------------------------------------------------------------- row 31: fork, respawn


@pytest.mark.parametrize("preload", [pytest.param(False, marks=pytest.mark.long), True])
def test_streams_work_in_every_child_and_in_its_successor(build: Build, preload: bool) -> None:
    """Row 31: `preload_app`, then fork into four workers; one is killed and respawned from the same parent."""
    args = ["--preload"] if preload else []
    house = build(workers=4, args=args, SLUICE_MAX_STREAMS=2, SLUICE_RESERVE_THREADS=4, warm=0)
    every_child_streams(house)
    old = house.server.worker_pids()[1]
    os.kill(old, signal.SIGKILL)
    house.server.wait_workers(4, without=[old])
    every_child_streams(house)


def every_child_streams(house: House) -> None:
    """Hold two streams in each of four workers at one time: eight places, and none is left over."""
    wait_each_answers(house, house.server.wait_workers(4))
    house.model.default = stalling_after("Hello")
    with ExitStack() as clients:
        for _ in range(8):
            admitted(house, clients)
    wait_streams(house.server, 0)
