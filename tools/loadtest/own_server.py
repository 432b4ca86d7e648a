"""Real gunicorn with a scripted model behind it, started for one load test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tools.common.accounting import cpu_seconds
from tools.common.gunicorn_server import GunicornServer
from tools.common.processes import ModelServer

from .target import TargetError

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class OwnServer:
    """A model and a server that asks it; a context manager.

    Args:
        workers: gunicorn's workers.
        env: Further settings of the server.
        tokens, rate, delay: Of the model; see there.
    """

    def __init__(
        self, workers: int, env: Mapping[str, str], *, tokens: int = 100, rate: float = 50.0, delay: float = 0.2
    ) -> None:
        self.model = ModelServer(f"--tokens={tokens}", f"--rate={rate}", f"--delay={delay}")
        self.server: GunicornServer
        self._workers = workers
        self._given = dict(env)
        self._running = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<OwnServer with {self.model!r}>"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as running:
            running.enter_context(self.model)
            self.server = GunicornServer(self._env())
            running.callback(lambda: self.server.stop())
            try:
                self.server.start()
            except AssertionError as error:
                raise TargetError(f"Our own server did not start (is a --server-env wrong?): {error}") from None
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def url(self) -> str:
        """The server's address."""
        return self.server.url

    def start_again(self) -> None:
        """Start a new server where the old one, which has left, was."""
        port = self.server.port
        self.server.stop()
        self.server = GunicornServer(self._env(), port=port)
        self.server.start()

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds so far of the model and of the server, workers that are gone included.

        Empty where the operating system does not tell (it takes /proc).
        """
        if not Path("/proc/self/stat").exists():
            return {}
        # Of the master, whose children may end, theirs too.
        workers = sum(_cpu_seconds(process.pid) for process in self.server.group() if process.pid != self.server.pid)
        return {
            "model": cpu_seconds([self.model.pid]),
            "server": workers + _cpu_seconds(self.server.pid, children=True),
        }

    def _env(self) -> dict[str, object]:
        return {
            "OPENAI_API_KEY": "load-test",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.model.port}/v1",
            "OPENAI_MODEL": "scripted",
            "SLUICE_LOG_LEVEL": "warning",
            "WEB_CONCURRENCY": self._workers,
            **self._given,
        }


def _cpu_seconds(pid: int, *, children: bool = False) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime and stime, and the same of children that have ended
    return sum(map(int, fields[11 : 15 if children else 13])) / _TICKS
