"""All threads of a worker take memory from one heap, unless the operator chose otherwise."""

from __future__ import annotations

import platform
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.running_server import RunningServer
from tools.common.raw_client import stream_many
from tools.common.scripted_model import reply

# What glibc reserves for each heap beside the first, and where it begins: at a multiple of it.
RESERVED = 64 * 2**20
STREAMS = 6

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")


def heaps(pid: int) -> int:
    """Count the heaps of a process beside its first: the used beginning of the reserve, and what is left of it."""
    lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    areas = [(*(int(end, 16) for end in line[0].split("-")), line[1]) for line in lines if len(line) == 5]
    return sum(
        used[0] % RESERVED == 0
        and rest[1] - used[0] == RESERVED
        and used[1] == rest[0]
        and (used[2], rest[2]) == ("rw-p", "---p")
        for used, rest in pairwise(areas)
    )


def test_the_threads_of_a_worker_share_one_heap(running_server: RunningServer) -> None:
    running_server.model.enqueue(*[reply("word ", "word ", delay=0.05)] * STREAMS)
    assert all(outcome.is_done for outcome in stream_many(running_server.url, STREAMS))
    assert [heaps(pid) for pid in running_server.server.worker_pids()] == [0]


def test_an_operator_can_give_each_thread_its_own_heap(other_server: RunningServer) -> None:
    other_server.model.enqueue(*[reply("word ", "word ", delay=0.05)] * STREAMS)
    assert all(outcome.is_done for outcome in stream_many(other_server.url, STREAMS))
    assert [heaps(pid) > 0 for pid in other_server.server.worker_pids()] == [True]
