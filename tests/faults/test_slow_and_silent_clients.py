"""Rows 7, 8 and 25: clients that read slowly, vanish without a sign, linger, or never finish what they ask."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol, TypeVar

import pytest

from tests.support.fault_server import FaultServer, StartOwnServer, start_fault_server
from tests.support.memory import forget_peak, resident_peak
from tests.support.repeated import repeat_requests
from tools.common.leaks import open_descriptors, tcp_sockets
from tools.common.raw_client import RawClient, chat_request, encode_request, fetch, stream_chat
from tools.common.scripted_model import Exchange, finished, reply, said, stalling_after

T = TypeVar("T")

WRITE_TIMEOUT = 2.0
SERVER_SETTINGS = {
    "SLUICE_WRITE_TIMEOUT": WRITE_TIMEOUT,
    "SLUICE_NEXT_TOKEN_TIMEOUT": 20,
    "SLUICE_TOTAL_TIMEOUT": 40,
    # Answers here are longer than buffers, and so than any real one.
    "SLUICE_MAX_ANSWER_CHARS": 2**30,
    "send_buffer": 4096,
    "warm": 8,
}

# ------------------------------------------------------------------------------------------- row 7: slow readers

# Far more than all buffers between the model and a client: 320 MB, in tokens of 16 KiB.
ENDLESS = 20_000


def test_a_client_that_reads_nothing_holds_the_model_back_and_is_cut_off(running_server: FaultServer) -> None:
    """Row 7: the queue is bounded, so the model is held back, and the client is cut after the write limit."""
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    running_server.model.enqueue(reply(*("." * 16384,) * ENDLESS))
    with stream_chat(running_server.url, receive_buffer=2048):
        exchange = running_server.model.wait_for_request()
        running_server.model.enqueue(reply(*(" word",) * 40, delay=0.01))
        with stream_chat(running_server.url) as other:
            arrived = [time.monotonic() for _ in other.frames()]
        aborted = exchange.wait_aborted()
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrived)]
    print(
        f"slow reader: {exchange.tokens_sent} tokens sent, cut after {aborted - exchange.opened:.2f} s, "
        f"memory +{(resident_peak(worker) - before) / 2**20:.1f} MiB, the other's longest gap {max(gaps):.3f} s"
    )
    assert WRITE_TIMEOUT <= aborted - exchange.opened < WRITE_TIMEOUT + 3
    # What the kernels hold, about 4 MB. Without a bound on the queue it is several times that, and grows.
    assert exchange.tokens_sent < 1000
    assert resident_peak(worker) - before < 24 * 2**20
    assert max(gaps) < 0.5
    running_server.server.wait_for_log("the client 127.* was too slow, .*: it did not read its reply within ")


def test_a_client_that_reads_on_in_time_gets_everything(start_own_server: StartOwnServer) -> None:
    """Row 7: held back, but not cut off: nothing is lost."""
    # A limit that a busy machine, on which this client stands still for longer, does not come near.
    running_server = start_own_server(**{**SERVER_SETTINGS, "SLUICE_WRITE_TIMEOUT": 20, "warm": 0})
    # 16 MB: more than the kernel holds for a connection, so that the model is held back.
    words = tuple(f" {number}" + "." * 4096 for number in range(4000))
    running_server.model.enqueue(reply(*words))
    with stream_chat(running_server.url, receive_buffer=32768, timeout=30) as client:
        exchange = running_server.model.wait_for_request()
        wait_held_back(exchange)
        assert exchange.tokens_sent < len(words)
        text, terminal = client.read_stream()
    assert terminal.is_done
    assert text == "".join(words)


def wait_held_back(exchange: Exchange) -> None:
    """Wait until the model has sent nothing for a fifth of a second."""
    exchange.wait_tokens(1)
    deadline = time.monotonic() + 10
    seen = -1
    while seen != exchange.tokens_sent:
        assert time.monotonic() < deadline, f"{exchange!r} is not held back"
        seen = exchange.tokens_sent
        with suppress(AssertionError):
            exchange.wait_tokens(seen + 1, timeout=0.2)


# -------------------------------------------------------------------------------- row 8: vanishing without a FIN

CLONE_NEWNET = 0x40000000


class Inside(Protocol):
    """Runs something inside a network namespace. Sockets and processes made there belong to it for good."""

    def __call__(self, action: Callable[[], T]) -> T:
        """Run it and return what it returns."""


@contextmanager
def two_networks() -> Iterator[tuple[Inside, Inside, Callable[[], None]]]:
    """Make two network namespaces with a cable between them, 10.93.0.1 and 10.93.0.2.

    Yields:
        The first network, the second, and a function that cuts the cable.
    """
    with ExitStack() as stack:
        one, _ = stack.enter_context(_network())
        two, two_id = stack.enter_context(_network())

        def ip(*words: str) -> None:
            subprocess.run(["ip", *words], check=True, capture_output=True)

        one(lambda: ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(two_id)))
        for inside, address in ((one, "10.93.0.1/24"), (two, "10.93.0.2/24")):
            inside(lambda: ip("link", "set", "lo", "up"))
            inside(lambda address=address: ip("address", "add", address, "dev", "cable"))  # type: ignore[misc]
            inside(lambda: ip("link", "set", "cable", "up"))
        yield one, two, lambda: two(lambda: ip("link", "set", "cable", "down"))


@contextmanager
def _network() -> Iterator[tuple[Inside, int]]:
    """Keep a thread that lives in a network namespace of its own; yield how to run things there, and its id."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> int:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return threading.get_native_id()

    with ThreadPoolExecutor(1) as thread:
        try:
            number = thread.submit(enter).result(5)
        except PermissionError:
            pytest.skip("this user may make no network namespace: a peer that vanishes cannot be shown")
        yield lambda action: thread.submit(action).result(60), number


def test_a_peer_that_vanishes_without_a_fin_is_noticed() -> None:
    """Row 8: the cable is cut. A heartbeat is written, nobody acknowledges it, and TCP_USER_TIMEOUT ends it."""
    with two_networks() as (servers, clients, cut), ExitStack() as stack:
        settings = {"HOST": "0.0.0.0", "SLUICE_HEARTBEAT_INTERVAL": 0.3, "SLUICE_WRITE_TIMEOUT": WRITE_TIMEOUT}
        # Everything that asks the server is in its network, but for the client.
        running_server: FaultServer = servers(lambda: stack.enter_context(start_fault_server(**settings)))
        servers(lambda: stack.enter_context(running_server.without_leaks()))
        running_server.model.enqueue(stalling_after("Hello"))
        asked = len(running_server.model.exchanges)
        client = clients(lambda: stream_chat(f"http://10.93.0.1:{running_server.server.port}"))
        try:
            exchange = running_server.model.wait_for_request(asked + 1)
            assert client.next_event().message == "Hello"
            vanished = time.monotonic()
            cut()
            noticed = exchange.wait_aborted(15) - vanished
        finally:
            client.socket.close()
        print(f"a peer that vanished was noticed after {noticed:.2f} s")
        # The heartbeat, the limit, and the kernel's next retransmission, at which it looks at the limit.
        assert noticed < 0.3 + WRITE_TIMEOUT + 2.5
        servers(stack.close)


def test_a_streams_socket_has_a_limit_for_writes_and_one_for_acknowledgements(running_server: FaultServer) -> None:
    """Rows 7 and 8: on the worker's own socket, as either limit alone cuts off who reads nothing."""
    (worker,) = running_server.server.worker_pids()
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        client.next_event()
        port = client.socket.getsockname()[1]
        sockets = tcp_sockets(worker)
        (number,) = (
            number
            for number, target in open_descriptors(worker).items()
            if target in sockets and sockets[target].remote_port == port
        )
        with _borrowed(worker, number) as theirs:
            # Python's own limit is a socket that does not block. Where this one is a Unix socket, it is the only one.
            blocks = os.get_blocking(theirs.fileno())
            limit = theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert not blocks
    assert limit == WRITE_TIMEOUT * 1000


@contextmanager
def _borrowed(pid: int, number: int) -> Iterator[socket.socket]:
    """Duplicate a socket of another process with pidfd_getfd(2)."""
    process = os.pidfd_open(pid)
    try:
        taken = ctypes.CDLL(None, use_errno=True).syscall(438, process, number, 0)
    finally:
        os.close(process)
    if taken < 0:
        pytest.skip(f"pidfd_getfd is not allowed here: {os.strerror(ctypes.get_errno())}")
    with socket.socket(fileno=taken) as theirs:
        yield theirs


# ------------------------------------------------------- row 25: lingering, half-sent and silent clients, 20 each

GET = encode_request("localhost", "GET", "/healthz", {"Connection": "close"})
POST = chat_request("localhost", {"message": "Hi", "interaction_mode": "stream"})


def lingering(client: RawClient) -> None:
    """Read the whole reply, and keep the connection open."""
    client.send(GET)
    assert client.status == 200
    client.read_body()


def lingering_after_a_stream(client: RawClient) -> None:
    client.send(POST)
    assert client.read_stream()[1].is_done


def half_a_head(client: RawClient) -> None:
    client.send(GET[:-10])


def half_a_body(client: RawClient) -> None:
    client.send(POST[:-10])


def silent(client: RawClient) -> None:
    """Connect, and no more."""


HOLDING = (lingering, lingering_after_a_stream, half_a_head, half_a_body, silent)


@pytest.fixture(scope="module")
def impatient() -> Iterator[FaultServer]:
    """A server whose workers are killed when their main thread says nothing for 2 s; with the usual threads."""
    with start_fault_server(args=["--timeout", "2"], warm=32) as running_server:
        yield running_server


@pytest.mark.parametrize("hold", HOLDING, ids=lambda hold: hold.__name__.replace("_", " "))
def test_twenty_clients_that_keep_their_connections_delay_no_other_client(
    impatient: FaultServer, hold: Callable[[RawClient], None]
) -> None:
    """Row 25: others are answered within 1 s, for longer than gunicorn would wait for a stuck main thread."""
    running_server = impatient
    workers = running_server.server.worker_pids()
    running_server.model.clear()
    with running_server.without_leaks(), ExitStack() as open_clients:
        for _ in range(20):
            hold(open_clients.enter_context(RawClient(running_server.url)))
        with repeat_requests(running_server.url, timeout=5) as health:
            # Longer than the time limit of the main thread, where it is what might be held.
            until = time.monotonic() + (3 if hold in (lingering, lingering_after_a_stream) else 1)
            while time.monotonic() < until:
                health.wait_times(10)
                with stream_chat(running_server.url) as client:
                    assert client.read_stream()[1].is_done
        assert not health.failures
        assert max(health.took) < 1.0
    assert running_server.server.worker_pids() == workers
    assert "WORKER TIMEOUT" not in running_server.server.log


@pytest.mark.long
def test_a_request_that_stays_half_sent_holds_no_thread(start_own_server: StartOwnServer) -> None:
    """Row 25: with two threads, two such clients hold neither of them."""
    running_server = start_own_server(SLUICE_MAX_STREAMS=1, SLUICE_RESERVE_THREADS=1, warm=1)
    with ExitStack() as open_clients:
        for _ in range(2):
            half_a_head(open_clients.enter_context(RawClient(running_server.url)))
        assert fetch(running_server.url, "/healthz", timeout=1).status == 200


# -------------------------------------------------------------------------- more connections than descriptors


def test_a_worker_without_descriptors_keeps_whom_it_has_and_takes_others_later(running_server: FaultServer) -> None:
    (worker,) = running_server.server.worker_pids()
    others_came = running_server.model.gate("until the others have come")
    running_server.model.enqueue((*said("Hel"), others_came, *said("lo"), *finished()))
    usual = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    with ExitStack() as stack, stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        taken = open_descriptors(worker)
        lowest_free = next(number for number in itertools.count() if number not in taken)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (lowest_free, usual[1]))
        stack.callback(resource.prlimit, worker, resource.RLIMIT_NOFILE, usual)
        others = [stack.enter_context(RawClient(running_server.url)) for _ in range(3)]
        running_server.server.wait_for_log("no file descriptor is left for another connection")
        others_came.open()
        assert client.read_stream()[0] == "lo"
        resource.prlimit(worker, resource.RLIMIT_NOFILE, usual)
        for other in others:
            other.send(GET)
            assert other.status == 200
            other.read_body()
    assert running_server.server.worker_pids() == [worker]
