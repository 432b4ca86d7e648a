"""The runner of real servers, with an application of a few lines in place of the service."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.common.gunicorn_server import GunicornServer
from tools.common.leaks import LeakError, ServerBaseline, gauge
from tools.common.raw_client import fetch

CONFIG = """
import os
bind = os.environ["HOST"] + ":" + os.environ["PORT"]
worker_class = "gthread"
threads = 1  # a pool that grows under the oracle would look like a leak
graceful_timeout = 1
control_socket_disable = True
"""

APP = """
import gc, os, signal, subprocess, sys
held = []
paths = {
    "/readyz": lambda: "ready",
    "/metrics": lambda: 'sluice_streams_open{pid="1"} 0.0\\nsluice_streams_open{pid="2"} ' + str(len(held) // 2),
    "/collector": lambda: str(gc.isenabled()),
    "/environment": lambda: " ".join(sorted(os.environ)),
    "/leak": lambda: str(held.extend(os.pipe())),
    "/settle": lambda: str([os.close(held.pop()) for _ in list(held)]),
    "/child": lambda: str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid),
}
def app(environ, start_response):
    say = paths.get(environ["PATH_INFO"])
    start_response("200 OK" if say else "404 Not Found", [("Content-Type", "text/plain")])
    return [(say() if say else "no").encode()]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "small.conf.py").write_text(CONFIG)
    (tmp_path / "small.py").write_text(APP)
    return tmp_path


def small(place: Path, env: dict[str, object] | None = None, **options: Any) -> GunicornServer:
    options.setdefault("config", "small.conf.py")
    return GunicornServer(env, app="small:app", cwd=place, **options)


@pytest.fixture
def server(place: Path) -> Iterator[GunicornServer]:
    with small(place) as running:
        yield running


def test_the_server_is_ready_inside_the_block_and_gone_after_it(place: Path) -> None:
    with small(place, {"WORD": 7}, workers=2) as server:
        assert server.status("/readyz") == 200
        assert len(server.wait_workers(2)) == 2
        names = fetch(server.url, "/environment").text.split()
        assert {"WORD", "PORT", "HOST", "PATH", "WEB_CONCURRENCY"} <= set(names)
        assert not [name for name in names if name.startswith("PYTEST")]
    assert server.exit_code == 0
    assert server.group() == []
    assert "Shutting down" in server.log


def test_its_log_can_be_waited_for(server: GunicornServer) -> None:
    (worker,) = server.worker_pids()
    assert server.wait_for_log(r"Booting worker with pid: (\d+)")[1] == str(worker)
    with pytest.raises(AssertionError, match=r"'no such line' not in the log(?s:.*)Booting worker"):
        server.wait_for_log("no such line", timeout=0.05)
    os.kill(worker, signal.SIGKILL)
    server.wait_for_log("Booting worker", times=2)
    assert server.wait_workers(1, without=[worker]) != [worker]


def test_a_signal_ends_it_and_stopping_it_again_is_harmless(place: Path) -> None:
    server = small(place).start()
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    server.stop()
    server.stop()


def test_a_server_that_cannot_start_reports_why(place: Path) -> None:
    (place / "small.py").write_text("raise LookupError('the app is broken')")
    with pytest.raises(AssertionError, match=r"(?s)the server exited with 3.*the app is broken"):
        small(place).start()


def test_what_a_server_wrote_last_is_reported_though_it_is_read_only_after_its_exit(place: Path) -> None:
    later = "import subprocess, sys; subprocess.Popen(['sh', '-c', 'sleep 0.3; echo what was wrong']); sys.exit(3)"
    command = ["python", "-W", "ignore", "-c", later]
    with pytest.raises(AssertionError, match=r"(?s)the server exited with 3.*what was wrong"):
        small(place, command=command).start()


def test_a_server_that_never_gets_ready_reports_its_last_answer(place: Path) -> None:
    with pytest.raises(AssertionError, match=r"GET /absent gave 404, not 200, for 1.0 s"):
        small(place, ready_path="/absent", start_timeout=1.0).start()


def test_a_process_left_behind_is_an_error_and_is_killed(place: Path) -> None:
    server = small(place).start()
    child = int(fetch(server.url, "/child").text)
    with pytest.raises(AssertionError, match=rf"left processes behind: \[Process\(pid={child}"):
        server.stop()
    assert server.group() == []


def test_a_server_that_ignores_sigterm_is_an_error_and_is_killed(place: Path) -> None:
    server = small(place, stop_timeout=0.3).start()
    server.signal(signal.SIGSTOP)
    with pytest.raises(AssertionError, match=r"was still there 0\.3 s after SIGTERM"):
        server.stop()
    assert server.exit_code == -signal.SIGKILL


@pytest.mark.parametrize("collector", [True, False])
def test_the_collector_can_be_switched_off(place: Path, collector: bool) -> None:
    with small(place, collector=collector) as server:
        assert fetch(server.url, "/collector").text == str(collector)


def test_a_new_master_is_no_worker(server: GunicornServer) -> None:
    old = server.worker_pids()
    server.signal(signal.SIGUSR2)
    server.wait_for_log("Booting worker", times=2)
    assert server.worker_pids() == old
    first, second = server.master_pids()
    assert first == server.pid
    (new,) = server.wait_workers(1, master=second)
    assert {process.pid for process in server.group()} == {first, second, *old, new}
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert server.master_pids() == [second]
    assert server.status("/readyz") == 200


def test_the_server_side_oracle_sees_a_leak_and_its_end(server: GunicornServer) -> None:
    baseline = ServerBaseline.capture(server)
    baseline.assert_restored()
    fetch(server.url, "/leak")
    assert gauge(server, "sluice_streams_open") == 1
    with pytest.raises(LeakError, match=r"(?s)sluice_streams_open is 1.*file descriptors.*new are .*pipe"):
        baseline.assert_restored(within=0.1)
    fetch(server.url, "/settle")
    baseline.assert_restored()


def test_the_server_side_oracle_misses_a_worker_that_died(server: GunicornServer) -> None:
    baseline = ServerBaseline.capture(server)
    (worker,) = server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    server.wait_workers(1, without=[worker])
    with pytest.raises(LeakError, match=rf"worker {worker} is no longer there"):
        baseline.assert_restored(within=0.1)
    baseline.assert_restored(replaced=True)
