"""The board on which workers say how busy they are."""

from __future__ import annotations

import os

import pytest

from web import occupancy
from web.occupancy import Load, Occupancy

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
        board.join(pid)
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
    one.join(9)
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


def test_the_slot_of_a_killed_worker_is_taken_by_another_once_it_is_silent(now: list[float]) -> None:
    one, two = boards(2)
    two.say(Load(2, 2))
    now[0] += occupancy.SILENCE + 0.1
    one.say(Load(1, 1))
    successor = Occupancy()
    successor._memory.close()
    successor._memory = one._memory
    successor.join(3)
    successor.say(Load(4, 4))
    assert successor._slot == two._slot
    assert list(one.others()) == [Load(4, 4)]


def test_two_that_chose_the_same_slot_at_once_part_again() -> None:
    one, two = boards(2)
    two.leave()
    two._pid, two._slot = 2, one._slot  # as if both had looked before either wrote
    two.say(Load(2, 2))
    one.say(Load(1, 1))
    two.say(Load(2, 2))
    assert one._slot != two._slot
    assert (list(one.others()), list(two.others())) == ([Load(2, 2)], [Load(1, 1)])


def test_a_worker_without_a_slot_neither_sees_to_others_nor_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupancy, "SLOTS", 2)
    one, two, three = boards(3)
    three.say(Load(9, 9))
    assert three._slot is None
    assert list(one.others()) == [IDLE]
    assert list(two.others()) == [IDLE]


def test_all_who_share_a_board_learn_that_others_have_taken_over() -> None:
    one, two = boards(2)
    assert not one.retired
    two.retire()
    assert one.retired
    assert not Occupancy().retired


def test_the_memory_is_shared_across_a_fork() -> None:
    board = Occupancy()
    board.join(1)
    board.say(IDLE)
    child = os.fork()
    if not child:
        board._slot = None
        board.join(2)
        board.say(Load(6, 5))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(board.others()) == [Load(6, 5)]
