"""When a late loop counts as stuck: what the looks at it show, and not how late they come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
import uvloop

from sluice.service.concurrency.callback_activity import CallbackActivity
from sluice.service.concurrency.loop_heartbeat import BLOCKED_AFTER, LOOKS, LoopHeartbeat
from tests.support.polling import wait_until
from tests.unit.service.concurrency.loop_faults import WITHIN

STUCK_AFTER = 0.2


class WatchedLoop:
    """An event loop on a thread of its own, whose heartbeat the test looks at itself."""

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._loop_factory = loop_factory
        self._started: Future[LoopHeartbeat] = Future()
        self._thread = threading.Thread(target=self._run, name="watched-loop")
        self._thread.start()
        self.heartbeat = self._started.result(WITHIN)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._started.set_result(LoopHeartbeat(CallbackActivity(), STUCK_AFTER))
        await self._end.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(WITHIN)

    def run_in_turn(self, callbacks: list[Callable[[], object]]) -> None:
        """Run all of these in one turn."""

        def schedule() -> None:
            for callback in callbacks:
                self._loop.call_soon(callback)

        self._loop.call_soon_threadsafe(schedule)

    def wait_overdue(self, seconds: float) -> None:
        """Wait until the next beat is late by so many seconds."""
        wait_until(lambda: self.heartbeat.overdue() > seconds, WITHIN)


class Held:
    """A callback that blocks its loop until it is released."""

    def __init__(self) -> None:
        self._began, self._released = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._began.set()
        assert self._released.wait(2 * WITHIN)

    def wait_began(self) -> None:
        assert self._began.wait(WITHIN)

    def release(self) -> None:
        self._released.set()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def watched(request: pytest.FixtureRequest) -> Iterator[WatchedLoop]:
    loop = WatchedLoop(request.param)
    yield loop
    loop.close()


def test_the_first_look_at_a_late_loop_does_not_show_that_it_is_stuck_however_late_it_comes(
    watched: WatchedLoop,
) -> None:
    held = Held()
    watched.run_in_turn([held])
    watched.wait_overdue(2 * STUCK_AFTER)
    looks = [watched.heartbeat.is_stuck() for _ in range(LOOKS + 1)]
    held.release()
    assert looks == [False] * LOOKS + [True]


def test_a_pause_of_the_thread_that_looks_counts_as_one_interval(watched: WatchedLoop) -> None:
    held = Held()
    watched.run_in_turn([held])
    watched.wait_overdue(0.0)
    first = watched.heartbeat.is_stuck()
    watched.wait_overdue(2 * STUCK_AFTER)
    second = watched.heartbeat.is_stuck()
    held.release()
    assert (first, second) == (False, False)


def test_a_loop_that_is_in_another_callback_before_long_is_not_stuck(watched: WatchedLoop) -> None:
    callbacks = [Held() for _ in range(4)]
    watched.run_in_turn([*callbacks])
    callbacks[0].wait_began()
    watched.wait_overdue(0.0)
    looks = []
    for callback in callbacks:
        callback.wait_began()
        looks += [watched.heartbeat.is_stuck() for _ in range(LOOKS)]
        callback.release()
    assert not any(looks)


def test_a_beat_makes_the_looks_start_again(watched: WatchedLoop) -> None:
    for _ in range(2):
        held = Held()
        watched.run_in_turn([held])
        held.wait_began()
        watched.wait_overdue(0.0)
        looks = [watched.heartbeat.is_stuck() for _ in range(LOOKS)]
        held.release()
        assert not any(looks)
        wait_until(lambda: watched.heartbeat.overdue() < 0, WITHIN)


def test_a_callback_that_blocked_the_loop_is_named_in_the_log_once_it_has_ended(
    watched: WatchedLoop, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held()
    watched.run_in_turn([held])
    held.wait_began()
    watched.wait_overdue(0.0)
    for _ in range(round(BLOCKED_AFTER / watched.heartbeat.interval) + 1):
        watched.heartbeat.is_stuck()
    assert caplog.text == ""
    held.release()
    wait_until(lambda: watched.heartbeat.overdue() < 0, WITHIN)
    for _ in range(2):
        watched.heartbeat.is_stuck()
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "sluice.loop")
    assert record.getMessage().startswith("the event loop was blocked for 1.0 s by one callback")
