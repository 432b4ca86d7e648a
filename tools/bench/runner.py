"""Starts the model server and the load client, each in a process of its own, and hands over what they say."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from dataclasses import asdict
from itertools import count
from types import TracebackType
from typing import Any, Protocol, Self

from tools.bench.load_client import Load, Outcome
from tools.bench.servers import REPOSITORY

# Beyond a load's own limit: the client's start, its probes of memory, and its judging of what came.
_GRACE = 30.0
_runs = count(1)


class Target(Protocol):
    """What can be asked: a port, and the processes behind it."""

    port: int
    pids: list[int]


class Model:
    """The model server's process. A context manager."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.port = 0
        self.pid = 0
        self.pids: list[int] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = _python("tools.common.model_server")
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        _end(self._process)


class BrokenLoad(RuntimeError):
    """The load client failed; the text is what it said."""


def begin_load(model: Model, target: Target, **fields: Any) -> tuple[subprocess.Popen[str], Load]:
    """Begin a load; `fields` are those of `Load`."""
    load = Load(port=target.port, server_pids=target.pids, model_pid=model.pid, run=next(_runs), **fields)
    process = _python("tools.bench.load_client")
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(load)) + "\n")
    process.stdin.flush()
    return process, load


def finish_load(begun: tuple[subprocess.Popen[str], Load]) -> Outcome:
    """Wait for a load's outcome; ends its process in any case."""
    process, load = begun
    assert process.stdout is not None
    try:
        said = ""
        if select.select([process.stdout], [], [], load.limit + load.repeat + _GRACE)[0]:
            said = process.stdout.readline()
        if not said:
            raise BrokenLoad("the load client ended without an outcome, or not in time")
        return Outcome(**json.loads(said))
    finally:
        _end(process)


def _python(module: str) -> subprocess.Popen[str]:
    # A session of its own: Ctrl-C is for the bench, which then ends its children in order.
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
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
