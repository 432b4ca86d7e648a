"""The real server, run as operators run it: `python -m gunicorn` in a process of its own, its log kept for tests."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Final, Protocol, Self, TypeAlias

REPOSITORY: Final = Path(__file__).resolve().parents[2]

# How often an external process is looked at: it offers nothing to wait on.
POLL_INTERVAL: Final = 0.02

# With this in front of the configuration nothing in the workers is freed by the cycle collector: what a
# stream leaves behind in a reference cycle stays, and the leak oracle sees it.
COLLECTOR_OFF: Final = "import gc\ngc.disable()\n"


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table."""

    pid: int
    name: str
    state: str
    parent: int
    group: int


def processes() -> list[Process]:
    """Return all processes that are there now, zombies included."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "stat").read_text()
        except OSError:
            continue
        # The name may itself hold spaces and brackets: only the last bracket ends it.
        head, _, tail = line.rpartition(")")
        fields = tail.split()
        name = head.partition("(")[2]
        found.append(Process(int(entry.name), name, fields[0], int(fields[1]), int(fields[2])))
    return found


class ServerProcess(Protocol):
    """What a server needs of its process: a part of `subprocess.Popen`."""

    pid: int
    stdout: IO[str] | None

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the exit code, or raise `subprocess.TimeoutExpired` after so many seconds."""


def start_python(arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> ServerProcess:
    """Start this Python in a session of its own, with its output in one pipe.

    Args:
        arguments: Its arguments.
        cwd: Where.
        environment: Its variables.
    """
    return start_program([sys.executable, *arguments], cwd, environment)


def start_program(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> ServerProcess:
    """Start a program, as `start_python` does."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )


def bare_environment() -> dict[str, str]:
    """Return what a server is given of this process's environment."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


StartPython: TypeAlias = Callable[[Sequence[str], Path, Mapping[str, str]], ServerProcess]


def extended_config(folder: Path, source: str, config: Path = REPOSITORY / "gunicorn.conf.py") -> Path:
    """Write a configuration into a folder: the given one, with more source behind it; return its path."""
    path = str(config)
    written = folder / "gunicorn.conf.py"
    written.write_text(f"{_executing(path)}{source}")
    return written


def _executing(path: str) -> str:
    return f"__file__ = {path!r}\nexec(compile(open(__file__, 'rb').read(), __file__, 'exec'))\n"


class GunicornServer:
    """Run gunicorn on a free port of loopback and wait until it is ready.

    A context manager; `start` and `stop` do the same by hand. All methods may be called by any thread.
    Stopping sends SIGTERM, kills what has not left in time and then fails, and fails too if the process group
    is not empty.

    Args:
        env: The server's environment, beside PATH, HOME, HOST and PORT. Values are made strings.
        config: The configuration file.
        app: The application, as gunicorn names it.
        args: Further arguments of gunicorn, such as ``--preload``.
        command: What is typed, in place of configuration, arguments and application: a program of Python's folder,
            such as ``gunicorn``, and its arguments, in which ``{port}`` stands for the port.
        start_in: Where the server is started. Default: a folder of its own, so that a developer's .env is not there.
        workers: How many workers, as WEB_CONCURRENCY; None leaves it to the environment.
        port: Where on 127.0.0.1; 0 is any free one.
        collector: False switches the cycle collector off in every process of the server.
        cwd: Where the application and its configuration are.
        launcher: What runs the command, such as ``unshare`` with its arguments; it must become it (exec).
        ready_path: The path that answers 200 when it is ready.
        start_timeout: Seconds until it must be ready.
        stop_timeout: Seconds that it has after SIGTERM.
    """

    #: How this Python is started. Tests have a quicker way.
    start_python: ClassVar[StartPython] = staticmethod(start_python)

    def __init__(
        self,
        env: Mapping[str, object] | None = None,
        *,
        config: str | Path = "gunicorn.conf.py",
        app: str = "wsgi:app",
        args: Sequence[str] = (),
        command: Sequence[str] | None = None,
        start_in: Path | None = None,
        workers: int | None = None,
        port: int = 0,
        collector: bool = True,
        cwd: Path = REPOSITORY,
        launcher: Sequence[str] = (),
        ready_path: str = "/readyz",
        start_timeout: float = 20.0,
        stop_timeout: float = 20.0,
    ) -> None:
        self.port = port
        self.exit_code: int | None = None
        self._env = {name: str(value) for name, value in (env or {}).items()}
        if workers is not None:
            self._env["WEB_CONCURRENCY"] = str(workers)
        self._config = cwd / config
        self._app = app
        self._args = list(args)
        self._command = command
        self._start_in = start_in
        self._collector = collector
        self._cwd = cwd
        self._launcher = launcher
        self._ready_path = ready_path
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._process: ServerProcess | None = None
        self._held_port: socket.socket | None = None
        self._folder: Path | None = None
        self._log: list[str] = []
        self._log_grew = threading.Condition()
        self._reader: threading.Thread | None = None
        self._reads = threading.Event()
        self._reads.set()

    def __repr__(self) -> str:
        if self._process is None:
            return "<GunicornServer not started>"
        state = "running" if self.exit_code is None else f"exited with {self.exit_code}"
        return f"<GunicornServer {self._app} {state}, pid {self.pid}, port {self.port}, {len(self._log)} log lines>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the master; also the id of the process group."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the server has written to stdout and stderr so far."""
        with self._log_grew:
            return "".join(self._log)

    def start(self) -> Self:
        """Start the server and wait until it is ready; on failure nothing is left behind."""
        assert self._process is None, "a server starts once"
        self.port = self._hold_port(self.port)
        environment = bare_environment()
        self._folder = Path(tempfile.mkdtemp(prefix="sluice-tests-"))
        # A store of its own, which goes with the folder.
        environment["SLUICE_STORE"] = f"sqlite:{self._folder / 'runs.db'}"
        environment |= {"HOST": "127.0.0.1", "PORT": str(self.port), **self._env}
        where = self._start_in or self._folder
        if self._command is None:
            environment = {"PYTHONPATH": str(self._cwd), **environment}
            arguments = ["-m", "gunicorn", "-c", str(self._config_file()), *self._args, self._app]
            if self._launcher:
                self._process = start_program([*self._launcher, sys.executable, *arguments], where, environment)
            else:
                self._process = type(self).start_python(arguments, where, environment)
        else:
            program, *others = (part.replace("{port}", str(self.port)) for part in self._command)
            command = [*self._launcher, str(Path(sys.executable).parent / program), *others]
            self._process = start_program(command, where, environment)
        self._reader = threading.Thread(target=self._read_log, name=f"gunicorn-log-{self.pid}", daemon=True)
        self._reader.start()
        try:
            self.wait_ready(self._start_timeout)
        except BaseException:
            self._kill_group()
            self._clean_up()
            raise
        return self

    def stop(self) -> None:
        """Ask the server to leave (SIGTERM), wait, check that nothing of it remains. Stopping twice is harmless."""
        if self._process is None or self._reader is None:
            return
        complaint = None
        self._process.poll()
        masters = self.master_pids()
        for pid in masters:
            os.kill(pid, signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(self._stop_timeout)
        except subprocess.TimeoutExpired:
            complaint = f"was still there {self._stop_timeout} s after SIGTERM"
        # A master that USR2 started is no child of ours: that it has gone shows only in the process table.
        settle = 2.0 if masters in ([], [self.pid]) else self._stop_timeout
        if complaint is None and not self._group_is_empty(within=settle):
            complaint = f"left processes behind: {self.group()}"
        self._kill_group()
        self._clean_up()
        assert complaint is None, f"{self!r} {complaint}\n{self._log_tail()}"

    def signal(self, number: int) -> None:
        """Send a signal to the master."""
        os.kill(self.pid, number)

    def wait_exit(self, timeout: float = 20.0) -> int:
        """Wait until the master has exited and return its exit code (negative for a signal)."""
        assert self._process is not None, "the server was not started"
        try:
            self.exit_code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self!r} did not exit within {timeout} s\n{self._log_tail()}") from None
        self._read_log_to_its_end()
        return self.exit_code

    def group(self) -> list[Process]:
        """Return the processes of the server's group, zombies excluded; after USR2 both masters are among them."""
        return [process for process in processes() if process.group == self.pid and process.state != "Z"]

    def master_pids(self) -> list[int]:
        """Return the masters: the one that was started, while it is there, and those that USR2 started."""
        group = {process.pid: process for process in self.group()}
        return sorted(pid for pid, process in group.items() if pid == self.pid or _is_new_master(process, group))

    def worker_pids(self, master: int | None = None) -> list[int]:
        """Return the workers of a master, by default the one that was started, lowest id first."""
        group = {process.pid: process for process in self.group()}
        children = [process for process in group.values() if process.parent == (master or self.pid)]
        return sorted(process.pid for process in children if not _is_new_master(process, group))

    def wait_workers(
        self, n: int, *, without: Sequence[int] = (), master: int | None = None, timeout: float = 20.0
    ) -> list[int]:
        """Wait until a master has `n` workers, none of them among `without`, and return them.

        Old workers of a reload leave when new ones have started, so the time is that of a start.
        """
        deadline = time.monotonic() + timeout
        while True:
            workers = self.worker_pids(master)
            if len(workers) == n and not set(workers) & set(without):
                return workers
            assert time.monotonic() < deadline, (
                f"{self!r} has workers {workers}, not {n} new ones\n{self._log_tail()}"
            )
            time.sleep(POLL_INTERVAL)

    def wait_for_log(self, pattern: str, timeout: float = 30.0, *, times: int = 1) -> re.Match[str]:
        """Wait until the log has `times` matches of a regular expression (multi-line) and return the last of them.

        The time is that of a reload on a busy machine: two starts, before old workers write that they drain.
        """
        compiled = re.compile(pattern, re.MULTILINE)
        matches: list[re.Match[str]] = []

        def found() -> bool:
            matches[:] = compiled.finditer("".join(self._log))
            return len(matches) >= times

        with self._log_grew:
            if not self._log_grew.wait_for(found, timeout):
                raise AssertionError(f"{self!r}: {pattern!r} not in the log within {timeout} s\n{self._log_tail()}")
        return matches[times - 1]

    @contextlib.contextmanager
    def nobody_reads_the_log(self) -> Iterator[None]:
        """Leave the server's stdout and stderr unread during the block, in a pipe that is as small as can be."""
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        usual = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        self._reads.clear()
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
            yield
        finally:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, usual)
            self._reads.set()

    def status(self, path: str, timeout: float = 2.0) -> int:
        """Return the status of GET `path`, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Wait until the server says that it is ready; fails at once if it has exited."""
        self.wait_status(self._ready_path, 200, timeout)

    def wait_status(self, path: str, status: int, timeout: float = 5.0) -> None:
        """Wait until GET `path` answers with this status; fails at once if the server has exited."""
        assert self._process is not None, "the server was not started"
        deadline = time.monotonic() + timeout
        seen: object = None
        while True:
            try:
                seen = self.status(path, timeout=max(0.1, deadline - time.monotonic()))
            except (OSError, http.client.HTTPException) as error:
                seen = error
            if seen == status:
                return
            exit_code = self._process.poll()
            if exit_code is not None:
                self._read_log_to_its_end()
                raise AssertionError(f"the server exited with {exit_code}\n{self._log_tail()}")
            assert time.monotonic() < deadline, (
                f"{self!r}: GET {path} gave {seen!r}, not {status}, for {timeout} s\n{self._log_tail()}"
            )
            time.sleep(POLL_INTERVAL)

    def _hold_port(self, wanted: int) -> int:
        # Bound but not listening, this socket keeps the port from all that ask for a free one, while
        # gunicorn, which sets SO_REUSEADDR too, may still bind and listen on it.
        self._held_port = socket.socket()
        self._held_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held_port.bind(("127.0.0.1", wanted))
        port: int = self._held_port.getsockname()[1]
        return port

    def _config_file(self) -> Path:
        assert self._folder is not None
        if self._collector:
            return self._config
        # A file and not an option, because gunicorn reads it again on HUP and USR2.
        path = str(self._config)
        made = self._folder / "gunicorn.conf.py"
        made.write_text(f"{COLLECTOR_OFF}{_executing(path)}")
        return made

    def _read_log(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._reads.wait()
            with self._log_grew:
                self._log.append(line)
                self._log_grew.notify_all()

    def _read_log_to_its_end(self) -> None:
        # A process may be gone before its last lines have been read: they are what explains its end. A process of
        # the server that outlived it may hold the pipe open: what that one writes is not waited for.
        if self._reader is not None:
            self._reader.join(1)

    def _log_tail(self) -> str:
        with self._log_grew:
            return "".join(["--- the end of its log ---\n", *self._log[-80:]])

    def _group_is_empty(self, within: float) -> bool:
        deadline = time.monotonic() + within
        while self.group():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_INTERVAL)
        return True

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        # A killed process is gone only some moments later.
        self._group_is_empty(within=2.0)

    def _clean_up(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._reader is not None
        self._reads.set()
        self.exit_code = self._process.wait(5)
        self._reader.join(5)
        assert not self._reader.is_alive(), f"somebody still holds the log pipe of {self!r} open"
        self._process.stdout.close()
        if self._held_port is not None:
            self._held_port.close()
        if self._folder is not None:
            shutil.rmtree(self._folder)
        self._reader = None


def _is_new_master(process: Process, group: Mapping[int, Process]) -> bool:
    """Whether gunicorn started this process by USR2.

    It then finds the old master's id in its environment. Its workers inherit the same variable, but with a parent
    that is another process, and there.
    """
    try:
        variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    old = [variable.partition(b"=")[2] for variable in variables if variable.startswith(b"GUNICORN_PID=")]
    return bool(old) and (int(old[0]) == process.parent or process.parent not in group)
