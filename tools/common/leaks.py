"""The leak oracles: what a test, or a served stream, must not leave behind.

`no_leaks` watches the test process: threads, asyncio tasks, file descriptors and child processes.
`ServerBaseline` watches the workers of a running server from outside. Both wait a bounded time for things to
settle, never ask the garbage collector to help, and name what was left.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tools.common.gunicorn_server import GunicornServer, processes
from tools.common.raw_client import fetch, stream_many
from tools.common.scripted_model import ScriptedModel, finished, said

# Things settle without an event to wait for: an exiting thread, a closing socket of another process.
POLL_INTERVAL: Final = 0.01

TCP_STATES: Final = {
    "01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "06": "TIME_WAIT",
    "07": "CLOSE", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING",
}  # fmt: skip


# How long what a test has let go of may take to be gone.
SETTLE: Final = 5.0


class LeakError(AssertionError):
    """Something was left behind."""


# ------------------------------------------------------------------------------------------------ descriptors


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One line of the kernel's table of TCP sockets."""

    local_port: int
    remote_port: int
    state: str

    def __str__(self) -> str:
        return f"TCP {self.state}, local port {self.local_port}, remote port {self.remote_port}"


def open_descriptors(pid: int | None = None) -> dict[int, str]:
    """Return the open file descriptors of a process (by default this one) and what each of them is."""
    found = {}
    directory = f"/proc/{pid or 'self'}/fd"
    for entry in os.listdir(directory):
        # The descriptor of this very listing is gone by now; others may go at any moment.
        with contextlib.suppress(OSError):
            found[int(entry)] = os.readlink(f"{directory}/{entry}")
    return found


def unix_sockets(pid: int | None = None) -> set[str]:
    """Return the Unix sockets that a process could see, named the way its descriptors name them."""
    lines = Path(f"/proc/{pid or 'self'}/net/unix").read_text().splitlines()[1:]
    return {f"socket:[{line.split()[6]}]" for line in lines}


def tcp_sockets(pid: int | None = None) -> dict[str, TcpSocket]:
    """Return the TCP sockets that a process could see, keyed the way its descriptors name them."""
    found = {}
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid or 'self'}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
                found[f"socket:[{fields[9]}]"] = TcpSocket(local, remote, TCP_STATES.get(fields[3], fields[3]))
    return found


# ----------------------------------------------------------------------------------------------- test process


class Snapshot:
    """What this process holds at one moment. Taking one reads only; any thread may."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.tasks = weakref.WeakSet(pending_tasks())
        self.descriptors = open_descriptors()
        self.children = _children()

    def left_since(self) -> list[str]:
        """Return one line for each thing that is here now and was not at the moment of this snapshot."""
        return [*self._threads(), *self._tasks(), *self._descriptors(), *self._child_processes()]

    def _threads(self) -> Iterator[str]:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread not in self.threads:
                stack = traceback.format_stack(frames[thread.ident])[-2:] if thread.ident in frames else []
                yield f"thread {thread!r}, which is at\n{''.join(stack).rstrip()}"

    def _tasks(self) -> Iterator[str]:
        for task in pending_tasks():
            if task not in self.tasks:
                yield f"asyncio task {task!r}"

    def _descriptors(self) -> Iterator[str]:
        now = open_descriptors()
        new = {number: target for number, target in now.items() if self.descriptors.get(number) != target}
        sockets = tcp_sockets() if new else {}
        for number, target in sorted(new.items()):
            yield f"file descriptor {number}: {target} {sockets.get(target, '')}".rstrip()

    def _child_processes(self) -> Iterator[str]:
        for pid, name in _children().items():
            if pid not in self.children:
                yield f"child process {pid} ({name})"


def pending_tasks() -> list[asyncio.Task[Any]]:
    """Return the asyncio tasks, of any loop in any thread, that are not done."""
    # `asyncio.all_tasks` knows only one loop at a time, and the loops are in other threads, or already lost.
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), asyncio.Task)]
    return [task for task in found if not task.done()]


def wait_nothing_left(left: Callable[[], list[str]], within: float, what: str) -> None:
    """Wait until `left` names nothing; fails with what it names last, in full."""
    deadline = time.monotonic() + within
    while remaining := left():
        if time.monotonic() > deadline:
            listed = "".join(f"\n- {line}" for line in remaining)
            raise LeakError(f"{what} left behind, {within} s later:{listed}")
        time.sleep(POLL_INTERVAL)


@contextlib.contextmanager
def no_leaks(within: float = SETTLE) -> Iterator[None]:
    """Fail unless all that the block started or opened is gone soon after it.

    Args:
        within: Seconds for things to settle.
    """
    before = Snapshot()
    yield
    wait_nothing_left(before.left_since, within, "the test")


def _children() -> dict[int, str]:
    # The kernel's own lists: to look through the process table, twice for each test, took longer than most tests.
    try:
        threads = os.listdir("/proc/self/task")
        pids = {
            int(pid) for thread in threads for pid in Path(f"/proc/self/task/{thread}/children").read_text().split()
        }
    except OSError:
        # A kernel without such lists; or a thread that has ended meanwhile, whose children the table still has.
        pids = {process.pid for process in processes() if process.parent == os.getpid()}
    found = {}
    for pid in pids:
        # One that has gone meanwhile is none.
        with contextlib.suppress(OSError):
            name, _, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
            found[pid] = f"{name}, state {state[0]}"
    return found


# ----------------------------------------------------------------------------------------------------- server


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What one worker holds.

    Attributes:
        threads: How many threads it has.
        descriptors: Its file descriptors, without the connections to the model.
        connections: Those of them that are connections to clients, or that the other side has ended and this worker
            has not closed yet: it learns of such an end when its loop, or its main thread, has its next turn.
    """

    threads: int
    descriptors: dict[int, str]
    connections: dict[int, str]


class ServerBaseline:
    """What a server's workers hold at rest; captured after a warm-up, compared after a fault.

    Warm up first (`warm_up`) with as many streams at one time as the test will have: pools of threads grow
    lazily and keep what they grew. Any thread may use it; it holds nothing open.
    """

    def __init__(self, server: GunicornServer, model: ScriptedModel | None, workers: dict[int, WorkerState]) -> None:
        self.server = server
        self.model = model
        self.workers = workers

    @classmethod
    def capture(cls, server: GunicornServer, model: ScriptedModel | None = None) -> Self:
        """Wait until no stream is open and every client's connection is closed, and record what each worker holds.

        Args:
            server: A server that is ready.
            model: The model behind it; its idle connections then do not count as leaks.
        """
        baseline = cls(server, model, {})
        wait_nothing_left(baseline._streams, SETTLE, "the warm-up")
        wait_nothing_left(baseline._connections, SETTLE, "the warm-up")
        assert baseline.workers, f"{server!r} has no workers"
        return baseline

    def assert_restored(self, within: float = SETTLE, *, replaced: bool = False, threads: bool = True) -> None:
        """Fail unless the server is back at rest soon: no stream, no further thread, no further descriptor.

        Args:
            within: Seconds for things to settle.
            replaced: Whether workers may be others than before; new ones are not compared.
            threads: Whether threads are compared; a pool of them grows when first needed, and keeps what it grew.
        """
        wait_nothing_left(lambda: self._left(replaced=replaced, threads=threads), within, f"{self.server!r}")

    def _left(self, *, replaced: bool, threads: bool) -> list[str]:
        left = self._streams()
        now = _workers(self.server, self.model)
        for pid, before in self.workers.items():
            if pid not in now:
                if not replaced:
                    left.append(f"worker {pid} is no longer there; there are {list(now)}")
                continue
            after = now[pid]
            if threads and after.threads > before.threads:
                left.append(f"worker {pid}: {after.threads} threads, {before.threads} before")
            if len(after.descriptors) > len(before.descriptors):
                sockets = tcp_sockets(pid)
                new = {
                    number: f"{target} {sockets.get(target, '')}".rstrip()
                    for number, target in after.descriptors.items()
                    if before.descriptors.get(number) != target
                }
                count = f"{len(after.descriptors)} file descriptors, {len(before.descriptors)} before"
                left.append(f"worker {pid}: {count}; new are {new}")
        return left

    def _connections(self) -> list[str]:
        # Counted in, what is only about to close would excuse as many leaks.
        self.workers = _workers(self.server, self.model)
        return _open_connections(self.workers)

    def _streams(self) -> list[str]:
        left = []
        open_now = gauge(self.server, "sluice_streams_open")
        if open_now:
            left.append(f"sluice_streams_open is {open_now:g}")
        if self.model is not None:
            left.extend(f"the model still serves {exchange!r}" for exchange in self.model.in_progress)
        return left


def warm_up(server: GunicornServer, model: ScriptedModel, streams: int, *, timeout: float = 30.0) -> None:
    """Run that many streams through the server, all open at one time, and ask for its health meanwhile, so that its
    pools of threads have grown.

    Args:
        server: A server with slots enough.
        model: The model behind it, with no scripts enqueued.
        streams: How many.
        timeout: Seconds for all of it.
    """
    gate = model.gate("all are open")

    def go_on() -> None:
        fetch(server.url, "/healthz")
        gate.open()

    model.enqueue(*[(*said("warm"), gate, *finished())] * streams)
    outcomes = stream_many(server.url, streams, timeout=timeout, on_all_started=go_on)
    unwell = [outcome for outcome in outcomes if not outcome.is_done]
    assert not unwell, f"{len(unwell)} of {streams} streams did not end well, such as {unwell[0]}"


def wait_streams(server: GunicornServer, streams: int) -> None:
    """Wait until that many slots of the server are in use.

    A slot is released when its model call has been cleaned up: later than its client has all it wants, and than
    the model has done its part.
    """

    def others() -> list[str]:
        # A worker that has had no stream yet shows none.
        found = re.findall(r"^sluice_streams_open (\S+)", fetch(server.url, "/metrics").text, re.MULTILINE)
        return ["another stream"] * abs(sum(int(float(value)) for value in found) - streams)

    wait_nothing_left(others, SETTLE, "the leaving")


def gauge(server: GunicornServer, name: str) -> float:
    """Return a metric of the server, summed over its labels; fails if there is none of that name."""
    text = fetch(server.url, "/metrics").text
    values = re.findall(rf"^{re.escape(name)}(?:\{{[^}}\n]*\}})? (\S+)", text, re.MULTILINE)
    assert values, f"no metric {name!r} in\n{text}"
    return sum(float(value) for value in values)


def open_connections(server: GunicornServer, model: ScriptedModel | None = None) -> list[str]:
    """Return one line for each connection that a worker has not closed, but for those to the model."""
    return _open_connections(_workers(server, model))


def _open_connections(workers: dict[int, WorkerState]) -> list[str]:
    return [
        f"worker {pid}: file descriptor {number}: {what}"
        for pid, worker in workers.items()
        for number, what in worker.connections.items()
    ]


def _workers(server: GunicornServer, model: ScriptedModel | None) -> dict[int, WorkerState]:
    found = {}
    for pid in server.worker_pids():
        # A worker that exits while it is looked at is not there.
        with contextlib.suppress(OSError):
            threads = len(os.listdir(f"/proc/{pid}/task"))
            others, connections = {}, {}
            descriptors, local, sockets = open_descriptors(pid), unix_sockets(pid), tcp_sockets(pid)
            for number, target in descriptors.items():
                tcp = sockets.get(target)
                if tcp is not None and model is not None and tcp.remote_port == model.port:
                    continue
                others[number] = target
                if target.startswith("socket:") and target not in local and (tcp is None or tcp.state != "LISTEN"):
                    # The kernel's table no longer has a socket that was reset.
                    connections[number] = f"{target} {tcp or 'TCP, reset'}"
            found[pid] = WorkerState(threads, others, connections)
    return found
