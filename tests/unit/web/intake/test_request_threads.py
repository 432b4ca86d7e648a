"""The pool's threads: few for short requests, one more for each that is held, and right counts after a burst."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sluice.web.intake.request_threads import RequestThreads
from tests.support.polling import wait_until

WITHIN = 5.0


@pytest.fixture
def threads() -> Iterator[RequestThreads]:
    """Two threads for short requests, and two more that may be held."""
    made = RequestThreads(4)
    made.keep_reserve(2)
    yield made
    made.shutdown()


def running(threads: RequestThreads) -> int:
    return len(threads._threads)


def test_each_held_thread_lets_another_one_start_up_to_the_limit(threads: RequestThreads) -> None:
    release = threading.Event()
    held = []

    def hold() -> None:
        held.append(threads.hold())
        release.wait(WITHIN)

    for number in range(1, 4):
        threads.submit_request(hold)
        wait_until(lambda number=number: len(held) == number, WITHIN)  # type: ignore[misc]
    assert held == [True, True, False]
    # Short requests are served all the same.
    assert threads.submit_request(lambda: "served")[0].result(WITHIN) == "served"
    assert running(threads) == 4
    release.set()


def test_a_thread_that_is_released_can_be_held_again(threads: RequestThreads) -> None:
    assert threads.hold()
    assert threads.hold()
    assert not threads.has_spare(holds=True)
    threads.release()
    assert threads.has_spare(holds=True)
    assert threads.hold()


def test_after_a_burst_further_threads_are_started_where_all_are_busy(threads: RequestThreads) -> None:
    for future in [threads.submit(lambda: None) for _ in range(200)]:
        future.result(WITHIN)
    assert running(threads) <= 2
    release = threading.Event()
    for _ in range(2):
        assert threads.hold()
        threads.submit_request(release.wait, WITHIN)
    for _ in range(2):
        threads.submit_request(release.wait, WITHIN)
    wait_until(lambda: running(threads) == 4, WITHIN)
    release.set()


def test_a_call_wakes_only_the_thread_that_became_idle_last(threads: RequestThreads) -> None:
    both = threading.Barrier(2, timeout=WITHIN)
    for future in [threads.submit(both.wait) for _ in range(2)]:
        future.result(WITHIN)
    # Idle is a thread that waits: its result is there before.
    wait_until(lambda: len(threads._work_queue._idle) == 2, WITHIN)
    served = set()
    for _ in range(10):
        served.add(threads.submit(threading.get_ident).result(WITHIN))
        wait_until(lambda: len(threads._work_queue._idle) == 2, WITHIN)
    assert len(served) == 1


def test_a_call_that_a_busy_thread_takes_first_leaves_the_woken_one_idle(threads: RequestThreads) -> None:
    for _ in range(300):
        futures = [threads.submit(threading.get_ident) for _ in range(3)]
        assert len([future.result(WITHIN) for future in futures]) == 3
    wait_until(lambda: len(threads._work_queue._idle) == running(threads), WITHIN)


@pytest.mark.parametrize(("limit", "reserve"), [(1, 32), (2, 32), (8, 32), (40, 32)])
def test_however_few_threads_there_are_one_may_be_held(limit: int, reserve: int) -> None:
    threads = RequestThreads(limit)
    threads.keep_reserve(reserve)
    assert threads.hold()
    threads.shutdown()
