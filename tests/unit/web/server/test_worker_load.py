"""The memory in which workers report how busy they are."""

from __future__ import annotations

import os

import pytest

from sluice.web.server import worker_load
from sluice.web.server.worker_load import Load, WorkerLoads

IDLE = Load(0, 0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    clock = [1000.0]
    monkeypatch.setattr(worker_load.time, "monotonic", lambda: clock[0])
    return clock


def make_loads(count: int) -> list[WorkerLoads]:
    """Return the same loads as that many workers have them: one memory, a slot for each."""
    first = WorkerLoads()
    found = [first]
    for _ in range(count - 1):
        other = WorkerLoads()
        other._memory.close()
        other._memory = first._memory
        found.append(other)
    for pid, loads in enumerate(found, start=1):
        loads.join(pid, pid)
        loads.report(IDLE)
    return found


def test_each_worker_sees_what_the_others_have_to_do_and_not_itself() -> None:
    one, two, three = make_loads(3)
    one.report(Load(5, 2))
    two.report(Load(7, 7))
    assert list(one.others()) == [Load(7, 7), IDLE]
    assert list(two.others()) == [Load(5, 2), IDLE]
    assert list(three.others()) == [Load(5, 2), Load(7, 7)]


def test_a_worker_that_has_ended_is_not_seen_and_its_slot_is_free() -> None:
    one, two = make_loads(2)
    one.leave()
    assert list(two.others()) == []
    one.report(Load(1, 1))  # it has no slot any more
    assert list(two.others()) == []
    one.join(9, 9)
    one.report(Load(3, 3))
    assert list(two.others()) == [Load(3, 3)]


def test_a_worker_that_is_silent_is_not_seen(now: list[float]) -> None:
    one, two = make_loads(2)
    one.report(Load(1, 1))
    now[0] += worker_load.SILENCE
    assert list(two.others()) == [Load(1, 1)]
    now[0] += 0.1
    assert list(two.others()) == []
    one.report(Load(1, 1))
    assert list(two.others()) == [Load(1, 1)]


def test_workers_that_start_at_once_have_slots_of_their_own() -> None:
    first, *others = make_loads(50)
    assert len({loads._slot for loads in (first, *others)}) == 50
    assert len(list(first.others())) == 49


def test_a_worker_that_has_died_is_forgotten_by_its_master() -> None:
    one, two, three = make_loads(3)
    one.forget(2)
    assert list(three.others()) == [IDLE]
    assert list(two.others()) == [IDLE, IDLE]


def test_slots_are_taken_again_by_later_workers(now: list[float]) -> None:
    one, two = make_loads(2)
    two.report(Load(2, 2))
    now[0] += worker_load.SILENCE + 0.1
    one.report(IDLE)
    two.join(300, 2 + worker_load.SLOTS)
    two.report(Load(4, 4))
    assert list(one.others()) == [Load(4, 4)]


def test_the_memory_is_shared_across_a_fork() -> None:
    loads = WorkerLoads()
    loads.join(1, 1)
    loads.report(IDLE)
    child = os.fork()
    if not child:
        loads.join(2, 2)
        loads.report(Load(6, 5))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(loads.others()) == [Load(6, 5)]
