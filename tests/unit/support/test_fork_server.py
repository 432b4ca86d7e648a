"""A server that was forked is as one that was started: its arguments, variables, folder, output, session and end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fork_server import ForkedProcess, ForkServer
from tools.common.gunicorn_server import ServerProcess, bare_environment, start_python

WITHIN = 10.0
TELL = """
import json, os, sys
kept = {name: value for name, value in os.environ.items() if name != "LC_CTYPE"}
descriptors = [int(number) for number in os.listdir("/proc/self/fd")]
print(json.dumps({
    "arguments": sys.argv[1:], "file": os.path.basename(sys.argv[0]), "name": __name__, "environment": kept,
    "folder": os.getcwd(), "path": sys.path[:2], "leads": os.getsid(0) == os.getpid(),
    "input": sys.stdin.read(), "descriptors": sorted(number for number in descriptors if number <= 3),
}), flush=True)
print("to stderr", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer() as running:
        yield running


def output(process: ServerProcess) -> str:
    assert process.stdout is not None
    with process.stdout as stdout:
        return stdout.read()


def test_a_forked_process_is_as_one_that_was_started(fork_server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(TELL)
    environment = {**bare_environment(), "PYTHONPATH": "/nowhere", "NAME": "Grüße"}
    told = []
    for start in (start_python, fork_server.start):
        process = start(["-m", "tell", "-c", "a b"], tmp_path, environment)
        lines = output(process).splitlines()
        assert process.wait(WITHIN) == process.poll() == 7
        assert lines[1:] == ["to stderr"]
        told.append(json.loads(lines[0]))
    assert isinstance(process, ForkedProcess)
    assert told[0] == told[1]
    assert told[0]["environment"]["NAME"] == "Grüße"


@pytest.mark.parametrize("name", ["OPENAI_LOG", "PYTHONUTF8", "MALLOC_ARENA_MAX"])
def test_a_variable_that_counts_before_the_fork_leads_to_a_start(
    fork_server: ForkServer, tmp_path: Path, name: str
) -> None:
    (tmp_path / "tell.py").write_text(TELL)
    process = fork_server.start(["-m", "tell"], tmp_path, {**bare_environment(), name: "1"})
    assert json.loads(output(process).splitlines()[0])["environment"][name] == "1"
    assert process.wait(WITHIN) == 7
    assert not isinstance(process, ForkedProcess)


def test_a_thread_that_hands_down_something_else_starts_its_own(fork_server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text("import os\nprint(len(os.sched_getaffinity(0)))\n")
    usual = os.sched_getaffinity(0)
    forked = []
    for wanted in (usual, {min(usual)}, usual):
        os.sched_setaffinity(0, wanted)
        try:
            process = fork_server.start(["-m", "tell"], tmp_path, bare_environment())
        finally:
            os.sched_setaffinity(0, usual)
        assert output(process) == f"{len(wanted)}\n"
        assert process.wait(WITHIN) == 0
        forked.append(isinstance(process, ForkedProcess))
    assert forked == [True, len(usual) == 1, True]


def test_a_signal_that_ended_a_process_is_its_exit_code(fork_server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "wait.py").write_text("import signal\nprint('here', flush=True)\nsignal.pause()\n")
    first, second = (fork_server.start(["-m", "wait"], tmp_path, bare_environment()) for _ in range(2))
    for process in (second, first):
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        assert output(process) == ""
        assert process.wait(WITHIN) == -signal.SIGKILL


def test_what_still_runs_ends_with_the_fork_server(tmp_path: Path) -> None:
    (tmp_path / "wait.py").write_text("import signal\nprint('here', flush=True)\nsignal.pause()\n")
    with ForkServer() as running:
        process = running.start(["-m", "wait"], tmp_path, bare_environment())
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    # The pipe ends with the last process that holds it.
    assert output(process) == ""
