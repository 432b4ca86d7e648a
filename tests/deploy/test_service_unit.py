"""The systemd unit: systemd's own opinion of it, and the commands and signals in it, run for real."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.service.settings.settings import Settings
from tests.conftest import Serve
from tools.common.gunicorn_server import REPOSITORY
from tools.common.raw_client import stream_chat
from tools.common.scripted_model import Headers, ScriptedModel, finished, said

UNIT = REPOSITORY / "deploy" / "sluice.service"


def values(name: str) -> list[str]:
    """Return all values that the unit gives a setting, in order."""
    lines = [line.partition("=") for line in UNIT.read_text().splitlines() if not line.startswith("#")]
    return [value for key, _, value in lines if key == name]


def value(name: str) -> str:
    """Return the one value that the unit gives a setting."""
    (only,) = values(name)
    return only


def systemd_analyze(*arguments: str | Path) -> str:
    """Ask systemd, and return what it says; fails where it complains."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("unchecked, because systemd-analyze is missing: sudo apt-get install systemd (Debian, Ubuntu)")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, env={**os.environ, "SYSTEMD_PAGER": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_verifies_the_unit(tmp_path: Path) -> None:
    # It looks for the program, which is elsewhere here.
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/sluice/.venv/bin/python", sys.executable))
    assert systemd_analyze("verify", "--man=no", here).strip() == ""


def test_systemd_rates_the_units_exposure_as_low() -> None:
    # From 0.0 (may do nothing) to 10.0 (unconfined); the network alone is 0.5 and more.
    said = systemd_analyze("security", "--offline=yes", "--threshold=20", UNIT)
    assert "Overall exposure level" in said


def test_the_numbers_fit_those_of_the_service() -> None:
    settings = Settings()
    # A reload's drain may have to end before that of a stop can begin.
    assert int(value("TimeoutStopSec")) > 2 * settings.limits.graceful_timeout
    assert int(value("LimitNOFILE")) > 2 * 10_000 + settings.limits.reserve_threads + 64
    assert int(value("TasksMax")) > 16 * settings.limits.threads
    assert (value("KillMode"), value("KillSignal")) == ("mixed", "SIGTERM")


def test_the_commands_start_reload_and_stop_the_real_server(
    serve: Serve, model: ScriptedModel, tmp_path: Path
) -> None:
    assert value("ExecStart") == "/opt/sluice/.venv/bin/python -m gunicorn -c gunicorn.conf.py wsgi:app"
    assert value("Type") == "notify"
    gate = model.gate()
    model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        server = serve(NOTIFY_SOCKET=tmp_path / "notify")
        assert b"READY=1" in systemd.recv(4096)
        with stream_chat(server.url) as client:
            assert client.next_event().message == "Hel"
            old = server.worker_pids()
            check, reload = (shlex.split(command) for command in values("ExecReload"))
            for command in (
                [sys.executable, *check[1:]],
                [word.replace("$MAINPID", str(server.pid)) for word in reload],
            ):
                done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=20)
                assert done.returncode == 0, done.stdout + done.stderr
            server.wait_workers(2)
            gate.open()
            assert client.read_stream()[0] == "lo"
        server.wait_workers(1, without=old)
        server.wait_ready()
        server.signal(getattr(signal, value("KillSignal")))
        assert server.wait_exit(int(value("TimeoutStopSec"))) == 0
        assert server.group() == [], "KillMode=mixed would have to kill what is left"


def test_a_reload_of_code_that_cannot_start_is_stopped_before_the_signal(tmp_path: Path) -> None:
    for name in ("service", "web", "gunicorn.conf.py"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "wsgi.py").write_text("raise RuntimeError('broken')\n")
    check, _ = (shlex.split(command) for command in values("ExecReload"))
    done = subprocess.run(
        [sys.executable, *check[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode != 0
    assert "broken" in done.stderr
