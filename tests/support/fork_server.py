"""Starts servers by a fork of a process that has imported their packages: two thirds of a start are imports.

It is the same `python -m gunicorn`, with the same files and variables, but without the start of an interpreter. What
imports read of the environment has to be the same, and what the starting thread hands down, such as a namespace or a
limit. Where it is not, or a variable is for the interpreter itself, the server is started as an operator does it.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from tools.common.gunicorn_server import POLL_INTERVAL, ServerProcess, bare_environment, start_python

_PROGRAM: Final = Path(__file__).with_name("fork_server_main.py")
# Variables that are read before Python's first line, by the interpreter, the linker and the C library.
_EARLY: Final = ("PYTHON", "LD_", "MALLOC_", "GLIBC_")
_HANDED_DOWN: Final = re.compile(
    r"^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|Cap\w+|NoNewPrivs|Seccomp|Cpus_allowed):.*", re.MULTILINE
)


def _handed_down() -> tuple[object, ...]:
    """Return what a process has of the thread that starts it, which is the caller's."""
    namespaces = [os.readlink(path) for path in sorted(Path("/proc/thread-self/ns").iterdir())]
    lines = [found[0] for found in _HANDED_DOWN.finditer(Path("/proc/thread-self/status").read_text())]
    return namespaces, lines, Path("/proc/thread-self/limits").read_text(), os.getpriority(os.PRIO_PROCESS, 0)


class ForkServer:
    """A process that forks servers; a context manager. Any thread may call the methods."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes]
        self._connection: socket.socket
        self._handed_down = _handed_down()
        self._lock = threading.RLock()
        #: What imports have read of the environment, once it is known.
        self._read: dict[str, str | None] | None = None
        self._exit_codes: dict[int, int] = {}
        self._started: list[int] = []

    def __enter__(self) -> Self:
        self._connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), str(other.fileno())],
                stdin=subprocess.DEVNULL,
                env=bare_environment(),
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()

    def start(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> ServerProcess:
        """Do what `start_python` does."""
        if not self._suits(arguments, environment):
            return start_python(arguments, cwd, environment)
        ours, theirs = os.pipe()
        asked = {"arguments": arguments[1:], "cwd": str(cwd), "environment": dict(environment)}
        with self._lock:
            socket.send_fds(self._connection, [json.dumps(asked).encode()], [theirs])
            os.close(theirs)
            while not self._started:
                self._receive(None)
            pid = self._started.pop()
        return ForkedProcess(self, pid, open(ours, encoding="utf-8", errors="backslashreplace"))

    def _suits(self, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
        if arguments[0] != "-m" or any(name.startswith(_EARLY) for name in environment if name != "PYTHONPATH"):
            return False
        if _handed_down() != self._handed_down:
            return False
        with self._lock:
            if self._read is None:
                self._read = json.loads(self._connection.recv(1 << 20))
        return all(environment.get(name) == value for name, value in self._read.items())

    def exit_code(self, pid: int, timeout: float) -> int | None:
        """Return the exit code of a process, negative for a signal; None where it runs on for so many seconds."""
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                while pid not in self._exit_codes and self._receive(0.0):
                    pass
                if pid in self._exit_codes:
                    return self._exit_codes[pid]
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            # Without the lock, as other threads start and wait for servers; one of them may receive the message.
            select.select([self._connection], [], [], min(left, POLL_INTERVAL))

    def _receive(self, timeout: float | None) -> bool:
        if not select.select([self._connection], [], [], timeout)[0]:
            return False
        message: Any = json.loads(self._connection.recv(4096))
        pid, code = message
        if code is None:
            self._started.append(pid)
        else:
            self._exit_codes[pid] = code
        return True


class ForkedProcess:
    """A process that a fork server has made, with the methods of `subprocess.Popen` that servers need."""

    def __init__(self, owner: ForkServer, pid: int, stdout: IO[str]) -> None:
        self.pid = pid
        self.stdout: IO[str] | None = stdout
        self._owner = owner

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._owner.exit_code(self.pid, 0.0)

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It runs still after so many seconds.
        """
        code = self._owner.exit_code(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code
