"""Never more streams than places, never more of one client than it may have; a place is given back once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.service.errors import Overloaded
from sluice.service.runs.concurrency_limit import RETRY_AFTER, RETRY_AFTER_OWN, Admission, Place

WITHIN = 5.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def test_as_many_may_enter_as_there_are_places_and_the_next_is_told_to_come_again() -> None:
    admission = Admission(2)
    admission.enter("a")
    admission.enter("b")
    with pytest.raises(Overloaded, match="all 2 places are taken") as refused:
        admission.enter("c")
    assert refused.value.retry_after == RETRY_AFTER
    assert refused.value.retryable
    assert admission.taken == 2


def test_a_place_that_was_given_back_is_free_again() -> None:
    admission = Admission(1)
    for _ in range(3):
        place = admission.enter("a")
        assert admission.taken == 1
        place.leave()
        assert admission.taken == 0


def test_giving_a_place_back_twice_frees_it_once() -> None:
    admission = Admission(2)
    first = admission.enter("a")
    admission.enter("a")
    first.leave()
    first.leave()
    assert admission.taken == 1
    admission.enter("a")
    with pytest.raises(Overloaded):
        admission.enter("a")


def test_one_client_gets_no_more_than_its_own_and_the_others_still_get_theirs() -> None:
    admission = Admission(10, per_client=2)
    places = [admission.enter("greedy"), admission.enter("greedy")]
    with pytest.raises(Overloaded) as refused:
        admission.enter("greedy")
    assert refused.value.safe_message == "You have 2 answers open already. Please wait for one to end."
    assert refused.value.retry_after == RETRY_AFTER_OWN
    admission.enter("modest")
    places[0].leave()
    admission.enter("greedy")
    assert admission.taken == 3


def test_without_a_limit_one_client_may_take_every_place() -> None:
    admission = Admission(5)
    for _ in range(5):
        admission.enter("only")
    assert admission.taken == 5


def test_a_refusal_takes_nothing_and_remembers_nobody() -> None:
    admission = Admission(1, per_client=1)
    place = admission.enter("a")
    for number in range(10):
        with pytest.raises(Overloaded):
            admission.enter(f"client {number}")
    assert repr(admission) == "<Admission 1 of 1 places taken, by 1 clients>"
    place.leave()
    assert repr(admission) == "<Admission 0 of 1 places taken, by 0 clients>"


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns after every few instructions, where a missing lock would show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_threads_that_rush_in_together_never_get_more_than_there_is(threads: ThreadPoolExecutor) -> None:
    admission = Admission(7, per_client=3)
    together = threading.Barrier(16)

    def rush(number: int) -> Place | None:
        together.wait(WITHIN)
        try:
            return admission.enter(f"client {number % 4}")
        except Overloaded:
            return None

    for _ in range(50):
        places = [place for place in threads.map(rush, range(16)) if place is not None]
        assert (len(places), admission.taken) == (7, 7)
        # Each from two threads at once: the second is to find nothing.
        list(threads.map(Place.leave, [*places, *places]))
        assert admission.taken == 0
