"""Starts the load client in a process of its own, and hands over what it says."""

from __future__ import annotations

import json
import select
import subprocess
from dataclasses import asdict
from itertools import count
from typing import Any, Protocol

from tools.bench.load_client import Load, Outcome
from tools.common.processes import ModelServer, end_module, start_module

# Beyond a load's own limit: the client's start, its probes of memory, and its judging of what came.
_GRACE = 30.0
_runs = count(1)


class Target(Protocol):
    """What can be asked: a port, and the processes behind it."""

    port: int
    pids: list[int]


class BrokenLoad(RuntimeError):
    """The load client failed; the text is what it said."""


def begin_load(model: ModelServer, target: Target, **fields: Any) -> tuple[subprocess.Popen[str], Load]:
    """Begin a load; `fields` are those of `Load`."""
    load = Load(port=target.port, server_pids=target.pids, model_pid=model.pid, run=next(_runs), **fields)
    process = start_module("tools.bench.load_client")
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
        end_module(process)
