"""A worker leaves its threads to the system, where the operator says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.running_server import RunningServer


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_cpu_pinning_can_be_switched_off(other_server: RunningServer) -> None:
    (worker,) = other_server.server.worker_pids()
    threads = [int(thread.name) for thread in Path(f"/proc/{worker}/task").iterdir()]
    assert len(threads) > 2
    assert all(os.sched_getaffinity(thread) == os.sched_getaffinity(0) for thread in threads)
