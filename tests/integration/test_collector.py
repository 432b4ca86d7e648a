"""When a worker's garbage collector runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import fetch

APPLICATION = """
import gc

from wsgi import app

while_loading = gc.isenabled()


@app.get("/collector")
def collector():
    return [while_loading, gc.isenabled()]
"""


@pytest.mark.parametrize("worker", ["sluice.web.server.worker.SluiceWorker", "gthread"])
def test_a_worker_collects_no_garbage_while_it_loads_the_application_and_then_does(
    tmp_path: Path, worker: str
) -> None:
    (tmp_path / "collected.py").write_text(APPLICATION)
    args = ["--worker-class", worker, "--pythonpath", str(tmp_path)]
    with GunicornServer(app="collected:app", args=args) as server:
        assert fetch(server.url, "/collector").json() == [False, True]
