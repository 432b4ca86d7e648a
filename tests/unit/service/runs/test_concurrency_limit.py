"""Never more streams than slots, never more of one client than it may have; a slot is released once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.service.errors import Overloaded
from sluice.service.runs.concurrency_limit import RETRY_AFTER, RETRY_AFTER_OWN, ConcurrencyLimiter, Slot

WITHIN = 5.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def test_as_many_slots_as_the_limit_are_given_and_the_next_request_is_refused_with_a_time() -> None:
    limiter = ConcurrencyLimiter(2)
    limiter.acquire("a")
    limiter.acquire("b")
    with pytest.raises(Overloaded, match="all 2 slots are in use") as refused:
        limiter.acquire("c")
    assert refused.value.retry_after == RETRY_AFTER
    assert refused.value.retryable
    assert limiter.in_use == 2


def test_a_released_slot_is_free_again() -> None:
    limiter = ConcurrencyLimiter(1)
    for _ in range(3):
        slot = limiter.acquire("a")
        assert limiter.in_use == 1
        slot.release()
        assert limiter.in_use == 0


def test_releasing_a_slot_twice_frees_it_once() -> None:
    limiter = ConcurrencyLimiter(2)
    first = limiter.acquire("a")
    limiter.acquire("a")
    first.release()
    first.release()
    assert limiter.in_use == 1
    limiter.acquire("a")
    with pytest.raises(Overloaded):
        limiter.acquire("a")


def test_one_client_gets_no_more_than_its_limit_and_others_still_get_slots() -> None:
    limiter = ConcurrencyLimiter(10, per_client=2)
    slots = [limiter.acquire("greedy"), limiter.acquire("greedy")]
    with pytest.raises(Overloaded) as refused:
        limiter.acquire("greedy")
    assert refused.value.public_message == "You have 2 answers open already. Please wait for one to end."
    assert refused.value.retry_after == RETRY_AFTER_OWN
    limiter.acquire("modest")
    slots[0].release()
    limiter.acquire("greedy")
    assert limiter.in_use == 3


def test_without_a_limit_for_clients_one_client_may_take_every_slot() -> None:
    limiter = ConcurrencyLimiter(5)
    for _ in range(5):
        limiter.acquire("only")
    assert limiter.in_use == 5


def test_a_refusal_takes_no_slot_and_keeps_no_client() -> None:
    limiter = ConcurrencyLimiter(1, per_client=1)
    slot = limiter.acquire("a")
    for number in range(10):
        with pytest.raises(Overloaded):
            limiter.acquire(f"client {number}")
    assert repr(limiter) == "<ConcurrencyLimiter 1 of 1 slots in use, by 1 clients>"
    slot.release()
    assert repr(limiter) == "<ConcurrencyLimiter 0 of 1 slots in use, by 0 clients>"


@pytest.fixture
def switching_threads() -> Iterator[None]:
    """Threads take turns after every few instructions, where a missing lock would show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching_threads")
def test_threads_that_acquire_at_once_never_get_more_than_the_limit(threads: ThreadPoolExecutor) -> None:
    limiter = ConcurrencyLimiter(7, per_client=3)
    together = threading.Barrier(16)

    def acquire(number: int) -> Slot | None:
        together.wait(WITHIN)
        try:
            return limiter.acquire(f"client {number % 4}")
        except Overloaded:
            return None

    for _ in range(50):
        slots = [slot for slot in threads.map(acquire, range(16)) if slot is not None]
        assert (len(slots), limiter.in_use) == (7, 7)
        # Each from two threads at once: the second is to find nothing.
        list(threads.map(Slot.release, [*slots, *slots]))
        assert limiter.in_use == 0
