"""Row 39: what tells a process to end, at any moment of its start, is never lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.fault_server import StartOwnServer
from tools.common.gunicorn_server import REPOSITORY, GunicornServer, extended_config
from tools.common.raw_client import fetch, stream_chat
from tools.common.scripted_model import Headers, finished, said

# When a worker is told to end: after so many calls and returns of Python functions since its fork, of which a start
# by the tests' fork server has about 500,000, nearly all of them to load the application; or at the call of a
# function behind that.
EARLY = (0, 1, 3, 10, 30, 100, 300, 600)
LOADING = (1_000, 3_000, 30_000)
LATE = ("SluiceWorker.run", "LoopThread.start", "WorkerLoads.join", "ThreadWorker.run")
MANY = (*range(0, 2_000, 50), *range(2_000, 500_000, 6_000))

# Every worker but the last is told to end, each at another moment.
TOLD_AT_A_MOMENT = """
import os, signal, sys

_ages = 0
_is_told = False

def _count_fork():
    global _ages
    _ages += 1

def _tell_at(moment):
    calls = 0
    def count(frame, event, argument):
        global _is_told
        nonlocal calls
        if moment in (calls, frame.f_code.co_qualname):
            sys.setprofile(None)
            _is_told = True
            os.kill(os.getpid(), signal.SIGTERM)
        calls += 1
    sys.setprofile(count)

def _forked():
    if _ages <= len(EARLY):
        _tell_at(EARLY[_ages - 1])

def post_worker_init(worker):
    if worker.age > len(EARLY):
        _tell_at([*LATE, None][worker.age - len(EARLY) - 1])
    elif not _is_told:  # the start had fewer calls
        os.kill(os.getpid(), signal.SIGTERM)

os.register_at_fork(before=_count_fork, after_in_child=_forked)
"""


@pytest.mark.parametrize(
    ("early", "late", "args"),
    [
        # The application is loaded once, before the fork.
        pytest.param(EARLY, LATE, ["--preload"], id="preloaded"),
        pytest.param(LOADING, (), [], id="loading"),
        pytest.param(MANY, LATE, [], id="many", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_a_worker_that_gets_sigterm_at_any_moment_of_its_start_exits(
    tmp_path: Path, early: tuple[int, ...], late: tuple[str, ...], args: list[str]
) -> None:
    """Row 39."""
    told = len(early) + len(late)
    bound = 10.0 + 2 * told
    config = extended_config(tmp_path, f"EARLY = {early}\nLATE = {late}\n{TOLD_AT_A_MOMENT}")
    with GunicornServer({"SLUICE_DRAIN_TIMEOUT": 1}, config=config, args=args, start_timeout=bound) as server:
        server.wait_for_log("Booting worker", times=told + 1, timeout=bound)
        server.wait_ready()
        assert "draining" not in server.log
    assert server.exit_code == 0
    assert not re.search(r"SIG[A-Z]+!|exited with code|Traceback|Exception", server.log), server.log


def run_to_its_end(config: Path, **env: object) -> tuple[int, str, float]:
    """Run a server that is told to end by its configuration; return its exit code, its log and how long it took."""
    variables = {name: str(value) for name, value in env.items()}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", str(config), "wsgi:app"],
        cwd=config.parent,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            "HOST": "127.0.0.1",
            "PORT": "0",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - began


SLEEPING_HOOK = """
def post_fork(server, worker):
    import os, signal, time
    os.kill(os.getppid(), signal.{signal})
    time.sleep(1)
"""

# A minute, in steps: where a signal comes between CPython's look for signals and the beginning of a system call, its
# handler runs when that call ends. In one step, one of some hundred runs on a busy machine slept on.
SLEEPING_IMPORT = """
import os, signal, time

os.kill(os.getppid(), signal.{signal})
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_a_master_that_gets_sigterm_while_a_worker_hook_blocks_exits_at_once(tmp_path: Path, name: str) -> None:
    """Row 39."""
    config = extended_config(tmp_path, SLEEPING_HOOK.format(signal=name))
    code, log, took = run_to_its_end(config, SLUICE_DRAIN_TIMEOUT=20)
    assert code == 0, log
    assert "SIGKILL" not in log
    assert took < 10, log


def test_a_master_that_gets_sigterm_while_a_worker_loads_the_application_exits_at_once(tmp_path: Path) -> None:
    """Row 39."""
    config = extended_config(tmp_path, "")
    (tmp_path / "wsgi.py").write_text(SLEEPING_IMPORT.format(signal="SIGTERM"))
    code, log, took = run_to_its_end(config, SLUICE_DRAIN_TIMEOUT=20)
    assert code == 0, log
    assert "SIGKILL" not in log
    assert took < 10, log


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_a_master_that_gets_sigterm_before_it_can_handle_signals_exits_with_0(tmp_path: Path, name: str) -> None:
    config = extended_config(tmp_path, f"import os, signal\nos.kill(os.getpid(), signal.{name})\n")
    code, log, _ = run_to_its_end(config)
    assert (code, log) == (0, "")


def test_signals_that_steer_a_master_wait_until_it_can_handle_them(tmp_path: Path) -> None:
    names = ["HUP", "USR1", "TTIN", "TTOU", "WINCH"]
    tell = "".join(f"    os.kill(os.getpid(), signal.SIG{name})\n" for name in names)
    once = "import os, signal\nif signal.getsignal(signal.SIGTERM).__module__.startswith('sluice'):\n"
    with GunicornServer({}, config=extended_config(tmp_path, once + tell)) as server:
        for name in names:
            server.wait_for_log(f"Handling signal: {name.lower()}")
    assert server.exit_code == 0


def test_a_signal_for_the_master_that_is_sent_to_all_processes_cuts_no_stream(
    start_own_server: StartOwnServer,
) -> None:
    """As by `pkill -HUP gunicorn`: the master replaces the worker, which ignores HUP and USR2."""
    running_server = start_own_server(warm=0)
    (worker,) = running_server.server.worker_pids()
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        os.kill(worker, signal.SIGUSR1)
        os.kill(worker, signal.SIGUSR2)
        assert fetch(running_server.url, "/healthz").status == 200
        os.killpg(running_server.server.pid, signal.SIGHUP)
        running_server.server.wait_for_log("draining: 1 open")
        gate.open()
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("lo", True)
    running_server.server.wait_workers(1, without=[worker])
