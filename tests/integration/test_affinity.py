"""A worker leaves its threads to the system, where the operator says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.house import House


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_a_worker_can_be_left_to_the_system(contrary: House) -> None:
    (worker,) = contrary.server.worker_pids()
    threads = [int(thread.name) for thread in Path(f"/proc/{worker}/task").iterdir()]
    assert len(threads) > 2
    assert all(os.sched_getaffinity(thread) == os.sched_getaffinity(0) for thread in threads)
