"""`gunicorn -c python:sluice.gunicorn`: an installed Sluice is served as one in its own folder is."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import fetch

COMMAND = ("gunicorn", "-c", "python:sluice.gunicorn", "sluice:create_app()")
OWN = """
from sluice.gunicorn import *

keepalive = 7

def on_starting(server):
    server.log.info("the hook of my own")

install(globals())
"""


def test_it_serves_at_host_and_port_only_and_follows_dotenv_at_the_start_and_at_hup(tmp_path: Path) -> None:
    """gunicorn itself takes PORT for a port of all addresses, and does not read `.env`."""
    (tmp_path / ".env").write_text("WEB_CONCURRENCY=2\nSLUICE_MAX_HISTORY=50\n")
    environment = {"PYTHONPATH": REPOSITORY}
    with GunicornServer(environment, command=COMMAND, start_in=tmp_path) as server:
        workers = server.wait_workers(2)
        assert fetch(server.url, "/api/config").json()["max_history"] == 50
        assert listening(server.port) == ["0100007F"]
        assert "WARNING gunicorn.error" not in server.log
        assert "ontrol socket" not in server.log
        (tmp_path / ".env").write_text("WEB_CONCURRENCY=1\nSLUICE_MAX_HISTORY=60\n")
        server.signal(signal.SIGHUP)
        server.wait_workers(1, without=workers)
        server.wait_ready()
        assert fetch(server.url, "/api/config").json()["max_history"] == 60
        # gunicorn keeps modules that a configuration has imported.
        server.wait_for_log("Answers come from", times=2)
    assert server.exit_code == 0
    assert "Traceback" not in server.log


def listening(port: int) -> list[str]:
    """Return the IPv4 and IPv6 addresses at which somebody listens on a port, in the kernel's notation."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    found = [line[1] for line in lines if line[3] == "0A" and int(line[1].partition(":")[2], 16) == port]
    return [address.partition(":")[0] for address in found]


def printed(folder: Path, *options: str) -> dict[str, str]:
    """Return gunicorn's settings, by their names."""
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", *options, "--print-config", "wsgi:app"],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PORT": "8123", "WEB_CONCURRENCY": "3"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    settings = dict(re.findall(r"^(\w+) += (.*)$", done.stdout, re.MULTILINE))
    # Where they are in memory.
    return {name: re.sub(r" at 0x\w+", "", text) for name, text in settings.items()}


def test_its_values_are_those_of_the_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "wsgi.py").write_text("app = print\n")
    as_module = printed(tmp_path, "-c", "python:sluice.gunicorn")
    as_file = printed(tmp_path, "-c", str(REPOSITORY / "gunicorn.conf.py"))
    assert as_module["bind"] == "['127.0.0.1:8123']"
    assert len(as_module) > 50
    different = {name for name in as_module if as_module[name] != as_file[name]}
    assert different == {"config", "wsgi_app"}


def test_a_configuration_of_ones_own_can_begin_with_it(tmp_path: Path) -> None:
    (tmp_path / "own.conf.py").write_text(OWN)
    (tmp_path / "wsgi.py").write_text("app = print\n")
    command = ("gunicorn", "-c", "own.conf.py", "sluice:create_app()")
    with GunicornServer({"PYTHONPATH": REPOSITORY}, command=command, start_in=tmp_path) as server:
        server.wait_for_log("the hook of my own")
        server.wait_for_log("Sluice listens on")
    assert printed(tmp_path, "-c", "own.conf.py")["keepalive"] == "7"
    assert server.exit_code == 0
    assert "Traceback" not in server.log


def test_hooks_that_are_added_twice_run_once(tmp_path: Path) -> None:
    script = (
        "from sluice.gunicorn import *\n"
        "before = dict(globals())\n"
        "install(globals())\n"
        "print([name for name, value in before.items() if globals()[name] is not value])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("worker", ["sluice.web.server.worker.SluiceWorker", "gthread"])
def test_a_configuration_with_nothing_but_the_hooks_warns_that_port_means_all_addresses(
    tmp_path: Path, worker: str
) -> None:
    own = f"from sluice.web.server.gunicorn_hooks import install\nworker_class = {worker!r}\ninstall(globals())\n"
    (tmp_path / "own.conf.py").write_text(own + "control_socket_disable = True\n")
    command = ("gunicorn", "-c", "own.conf.py", "sluice:create_app()")
    with GunicornServer({"PYTHONPATH": REPOSITORY}, command=command, start_in=tmp_path) as server:
        server.wait_for_log(
            r"WARNING\W.*listens at all addresses of this machine, because PORT is set and `bind` is not"
        )
        assert "heartbeat" not in server.log
