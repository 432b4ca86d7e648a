"""The board on which workers say how busy they are."""

from __future__ import annotations

import os

import pytest

from sluice.web.server import worker_load as occupancy
from sluice.web.server.worker_load import Load, Occupancy

IDLE = Load(0, 0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    clock = [1000.0]
    monkeypatch.setattr(occupancy.time, "monotonic", lambda: clock[0])
    return clock


def boards(count: int) -> list[Occupancy]:
    """The same board as that many workers have it: one memory, a slot for each."""
    first = Occupancy()
    found = [first]
    for _ in range(count - 1):
        other = Occupancy()
        other._memory.close()
        other._memory = first._memory
        found.append(other)
    for pid, board in enumerate(found, start=1):
        board.join(pid, pid)
        board.say(IDLE)
    return found


def test_each_worker_sees_what_the_others_have_to_do_and_not_itself() -> None:
    one, two, three = boards(3)
    one.say(Load(5, 2))
    two.say(Load(7, 7))
    assert list(one.others()) == [Load(7, 7), IDLE]
    assert list(two.others()) == [Load(5, 2), IDLE]
    assert list(three.others()) == [Load(5, 2), Load(7, 7)]


def test_a_worker_that_has_left_is_not_seen_and_its_slot_is_free() -> None:
    one, two = boards(2)
    one.leave()
    assert list(two.others()) == []
    one.say(Load(1, 1))  # it has no slot any more
    assert list(two.others()) == []
    one.join(9, 9)
    one.say(Load(3, 3))
    assert list(two.others()) == [Load(3, 3)]


def test_a_worker_that_is_silent_is_not_seen(now: list[float]) -> None:
    one, two = boards(2)
    one.say(Load(1, 1))
    now[0] += occupancy.SILENCE
    assert list(two.others()) == [Load(1, 1)]
    now[0] += 0.1
    assert list(two.others()) == []
    one.say(Load(1, 1))
    assert list(two.others()) == [Load(1, 1)]


def test_workers_that_start_at_once_have_slots_of_their_own() -> None:
    first, *others = boards(50)
    assert len({board._slot for board in (first, *others)}) == 50
    assert len(list(first.others())) == 49


def test_a_worker_that_has_died_is_forgotten_by_its_master() -> None:
    one, two, three = boards(3)
    one.forget(2)
    assert list(three.others()) == [IDLE]
    assert list(two.others()) == [IDLE, IDLE]


def test_slots_are_taken_again_by_later_workers(now: list[float]) -> None:
    one, two = boards(2)
    two.say(Load(2, 2))
    now[0] += occupancy.SILENCE + 0.1
    one.say(IDLE)
    two.join(300, 2 + occupancy.SLOTS)
    two.say(Load(4, 4))
    assert list(one.others()) == [Load(4, 4)]


def test_the_memory_is_shared_across_a_fork() -> None:
    board = Occupancy()
    board.join(1, 1)
    board.say(IDLE)
    child = os.fork()
    if not child:
        board.join(2, 2)
        board.say(Load(6, 5))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(board.others()) == [Load(6, 5)]
