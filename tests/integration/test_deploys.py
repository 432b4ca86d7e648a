"""New code on disk, a running server, HUP."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.raw_client import fetch


def test_hup_deploys_the_code_that_is_on_disk(tmp_path: Path) -> None:
    for name in ("sluice", "service", "web"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    for name in ("wsgi.py", "gunicorn.conf.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    with GunicornServer({}, cwd=tmp_path) as server:
        assert fetch(server.url, "/api/config").json()["version"] == "0.1.0"
        root = tmp_path / "sluice/__init__.py"
        root.write_text(root.read_text().replace('__version__ = "0.1.0"', '__version__ = "new"'))
        old = server.worker_pids()
        server.signal(signal.SIGHUP)
        server.wait_workers(1, without=old)
        server.wait_ready()
        assert fetch(server.url, "/api/config").json()["version"] == "new"
