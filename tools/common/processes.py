"""The tools' own programs as processes, so that what they do takes nothing from who measures."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tools.common.gunicorn_server import REPOSITORY


def start_module(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `python -m module`, which ends when its standard input does, so that it cannot outlive this process."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        # A session of its own: Ctrl-C is for this process, which then ends its children in order.
        start_new_session=True,
    )


def end_module(process: subprocess.Popen[str]) -> None:
    """End its standard input, and kill it if that does not end it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    process.stdout.close()


class ModelServer:
    """`tools/common/model_server.py` as a process; a context manager.

    Args:
        arguments: Its arguments.

    Attributes:
        port: Where it listens on 127.0.0.1.
        pid: Its process.
        pids: Empty: where it is asked directly there is no server whose CPU time counts.
    """

    def __init__(self, *arguments: str) -> None:
        self.port = 0
        self.pid = 0
        self.pids: list[int] = []
        self._arguments = arguments
        self._process: subprocess.Popen[str]

    def __repr__(self) -> str:
        return f"<ModelServer on port {self.port}>"

    def __enter__(self) -> Self:
        self._process = start_module("tools.common.model_server", *self._arguments)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            end_module(self._process)
            raise RuntimeError(f"the model server did not start: it printed {line!r}")
        self.port = int(line)
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_module(self._process)

    def records(self) -> dict[str, Any]:
        """Return what it tells of its answers: how many are `open`; of each that ended, in `calls`, the request's
        number, when it began and ended by `time.monotonic`, and whether it was whole."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/records")
            records: dict[str, Any] = json.loads(connection.getresponse().read())
        return records
