"""gunicorn's own workers, with a configuration of the operator's own that installs the hooks."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.faults.test_disconnects import PROMISE
from tests.support import fault_application
from tests.support.disconnects import measure_abort
from tests.support.fault_server import StartOwnServer
from tools.common.raw_client import stream_chat
from tools.common.scripted_model import Headers, finished, said, stalling_after

CONFIG = """
import os

bind = f"{os.environ['HOST']}:{os.environ['PORT']}"
worker_class = "$worker"
threads = $threads
graceful_timeout = $graceful_timeout
control_socket_disable = True

def when_ready(server):
    server.log.info("the operator's own hook")

from sluice.web.server.gunicorn_hooks import install
install(globals())
"""


def config(folder: Path, worker: str = "gthread", threads: int = 8, graceful_timeout: int = 30) -> Path:
    """Write a configuration that knows nothing of Sluice but its hooks."""
    written = folder / "own.conf.py"
    values = {"$worker": worker, "$threads": str(threads), "$graceful_timeout": str(graceful_timeout)}
    text = CONFIG
    for name, value in values.items():
        text = text.replace(name, value)
    written.write_text(text)
    return written


@pytest.mark.parametrize(
    ("worker", "threads"), [("gthread", 8), ("sync", 1), ("sluice.web.server.worker.SluiceWorker", 8)]
)
def test_sigterm_ends_open_answers_with_a_terminal_frame_when_the_drain_is_over(
    start_own_server: StartOwnServer, tmp_path: Path, worker: str, threads: int
) -> None:
    running_server = start_own_server(config=config(tmp_path, worker, threads), SLUICE_DRAIN_TIMEOUT=0.5, warm=0)
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_for_log(
            r"INFO\].* sluice.chat \[-\] draining: 1 open streams, which have 0.5 s to end"
        )
        assert client.read_stream(timeout=5)[1].payload["code"] == "shutting_down"
    assert running_server.server.wait_exit(timeout=10) == 0
    running_server.server.wait_for_log(r"INFO\].* sluice.run \[\w+\] run=\w+ .* code=shutting_down")
    running_server.server.wait_for_log("the operator's own hook")
    assert not re.search("SIGKILL|Traceback", running_server.server.log)


@pytest.mark.parametrize(("worker", "threads"), [("gthread", 8), ("sync", 1)])
def test_a_disconnect_ends_the_model_call_at_once_under_gunicorns_own_workers(
    start_own_server: StartOwnServer, tmp_path: Path, worker: str, threads: int
) -> None:
    # No heartbeat comes within the promise, so no failed write can show the disconnect.
    running_server = start_own_server(config=config(tmp_path, worker, threads), SLUICE_HEARTBEAT_INTERVAL=5, warm=0)
    running_server.model.enqueue(stalling_after("Hello"))
    assert measure_abort(running_server.url, running_server.model) < PROMISE


def test_an_answer_that_ends_within_the_drain_is_whole(start_own_server: StartOwnServer, tmp_path: Path) -> None:
    running_server = start_own_server(config=config(tmp_path), warm=0)
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hel"
        running_server.server.signal(signal.SIGTERM)
        running_server.server.wait_for_log("draining: 1 open")
        gate.open()
        text, terminal = client.read_stream()
        assert (text, terminal.is_done) == ("lo", True)
    assert running_server.server.wait_exit(timeout=10) == 0


@pytest.mark.parametrize("worker", ["gthread", "sluice.web.server.worker.SluiceWorker"])
def test_a_drain_ends_before_gunicorns_graceful_timeout_though_it_is_set_to_be_longer(
    start_own_server: StartOwnServer, tmp_path: Path, worker: str
) -> None:
    running_server = start_own_server(
        config=config(tmp_path, worker, graceful_timeout=2), SLUICE_DRAIN_TIMEOUT=20, warm=0
    )
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        told = time.monotonic()
        running_server.server.signal(signal.SIGTERM)
        assert client.read_stream(timeout=5)[1].payload["code"] == "shutting_down"
        assert time.monotonic() - told < 2
    assert running_server.server.wait_exit(timeout=5) == 0
    assert "SIGKILL" not in running_server.server.log


@pytest.mark.parametrize("worker", ["gthread", "sluice.web.server.worker.SluiceWorker"])
def test_a_quick_end_takes_no_lock_that_the_interrupted_main_thread_holds(
    start_own_server: StartOwnServer, tmp_path: Path, worker: str
) -> None:
    running_server = start_own_server(config=config(tmp_path, worker, graceful_timeout=5), warm=0)
    (pid,) = running_server.server.worker_pids()
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        os.kill(pid, fault_application.QUIT_WHILE_POOL_IS_LOCKED)
        assert client.read_stream(timeout=3)[1].payload["code"] == "shutting_down"
    running_server.server.wait_workers(1, without=[pid])
    running_server.server.wait_for_log("the service closes: 1 open streams are stopped")
    assert "the drain's time is over" not in running_server.server.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_end_ends_open_answers_with_a_terminal_frame(
    start_own_server: StartOwnServer, tmp_path: Path, number: signal.Signals
) -> None:
    """As by Ctrl-C, which a terminal sends to all processes."""
    running_server = start_own_server(config=config(tmp_path), warm=0)
    running_server.model.enqueue(stalling_after("Hello"))
    with stream_chat(running_server.url) as client:
        assert client.next_event().message == "Hello"
        os.killpg(running_server.server.pid, number)
        assert client.read_stream(timeout=5)[1].payload["code"] == "shutting_down"
    assert running_server.server.wait_exit(timeout=5) == 0
