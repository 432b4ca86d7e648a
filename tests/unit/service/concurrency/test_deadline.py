"""A limit that moves: it ends the wait it is for, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from sluice.service.concurrency import deadline as deadline_module
from sluice.service.concurrency.deadline import Deadline
from tests.support.scenario import run as run_within

WITHIN = 5.0
run = partial(run_within, within=WITHIN)
SOON = 0.02


class Watched(Deadline):
    """A limit that tells when it has been looked at."""

    def __init__(self, at: float) -> None:
        self.looked_at = asyncio.Event()
        super().__init__(at)

    def _fire(self) -> None:
        super()._fire()
        self.looked_at.set()


async def waits(deadline: Deadline, future: asyncio.Future[str]) -> str:
    """Wait as the model client does."""
    try:
        deadline.waiting = True
        return await future
    except asyncio.CancelledError:
        if not deadline.passed():
            raise
        return "passed"
    finally:
        deadline.waiting = False


def now() -> float:
    return asyncio.get_running_loop().time()


def never() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


def test_a_wait_ends_at_the_limit_and_the_task_goes_on() -> None:
    async def scenario() -> None:
        began = now()
        with closing(Deadline(began + SOON)) as deadline:
            assert await waits(deadline, never()) == "passed"
        assert now() >= began + SOON
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    run(scenario)


def test_a_limit_that_was_moved_later_ends_nothing_at_its_first_moment() -> None:
    async def scenario() -> None:
        began = now()
        with closing(Deadline(began + SOON)) as deadline:
            deadline.at = began + 3 * SOON
            assert await waits(deadline, never()) == "passed"
        assert now() >= began + 3 * SOON

    run(scenario)


def test_a_limit_that_was_moved_sooner_ends_the_wait_then() -> None:
    async def scenario() -> None:
        with closing(Deadline(now() + 60)) as deadline:
            deadline.sooner(now() + SOON)
            assert await waits(deadline, never()) == "passed"

    run(scenario)


def test_time_in_which_nobody_waits_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline_module, "RECHECK", SOON)

    async def scenario() -> None:
        with closing(Watched(now())) as deadline:
            # The limit passes, and is looked at, while the task is busy elsewhere.
            await deadline.looked_at.wait()
            deadline.at = now() + 60
            answer = never()
            asyncio.get_running_loop().call_later(SOON, answer.set_result, "came")
            assert await waits(deadline, answer) == "came"

    run(scenario)


def test_a_limit_that_passed_unseen_ends_the_next_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline_module, "RECHECK", SOON)

    async def scenario() -> None:
        with closing(Watched(now())) as deadline:
            await deadline.looked_at.wait()
            assert await waits(deadline, never()) == "passed"

    run(scenario)


def test_a_cancellation_by_somebody_else_passes() -> None:
    async def scenario() -> None:
        waiting = asyncio.Event()

        async def one() -> None:
            with closing(Deadline(now() + 60)) as deadline:
                waiting.set()
                await waits(deadline, never())

        task = asyncio.create_task(one())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)


def test_a_cancellation_in_the_same_moment_as_the_limit_passes_too() -> None:
    async def scenario() -> None:
        ready = asyncio.Event()
        made: list[Deadline] = []

        async def one() -> str:
            with closing(Deadline(now() + 60)) as deadline:
                made.append(deadline)
                ready.set()
                return await waits(deadline, never())

        task = asyncio.create_task(one())
        await ready.wait()
        made[0].sooner(now())
        made[0]._fire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)


def test_a_closed_limit_ends_nothing() -> None:
    async def scenario() -> None:
        deadline = Deadline(now() + SOON)
        deadline.close()
        deadline.close()
        answer = never()
        asyncio.get_running_loop().call_later(3 * SOON, answer.set_result, "came")
        assert await waits(deadline, answer) == "came"

    run(scenario)


def test_a_limit_ends_its_wait_also_in_a_task_that_has_outlived_a_cancellation() -> None:
    async def scenario() -> None:
        async def one() -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await never()
            with closing(Deadline(now() + SOON)) as deadline:
                return await waits(deadline, never())

        task = asyncio.create_task(one())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "passed"
        assert task.cancelling() == 1

    run(scenario)


def test_a_limit_has_one_timer_which_is_set_again_only_for_an_earlier_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timers: list[asyncio.TimerHandle] = []
    call_at = asyncio.BaseEventLoop.call_at

    def recorded(loop: asyncio.BaseEventLoop, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        timers.append(call_at(loop, *arguments, **named))
        return timers[-1]

    async def scenario() -> None:
        monkeypatch.setattr(asyncio.BaseEventLoop, "call_at", recorded)
        with closing(Deadline(now() + 60)) as deadline:
            deadline.at = now() + 90
            assert len(timers) == 1
            deadline.sooner(now() + 30)
            assert [timer.cancelled() for timer in timers] == [True, False]
            deadline.at = now() + 45
            deadline.sooner(now() + 50)
            assert deadline.at < now() + 46
            assert len(timers) == 2
        assert timers[1].cancelled()

    run(scenario)


def test_a_cancelled_task_is_freed_without_the_garbage_collector_once_its_limit_is_closed() -> None:
    async def wait() -> None:
        # Named, so that the last traceback holds it with the frame.
        with closing(Deadline(now() + 60)) as deadline:
            deadline.waiting = True
            await never()

    async def scenario() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        while not task.done():
            await asyncio.sleep(0)
        freed = weakref.ref(task)
        del task
        await asyncio.sleep(0)
        assert freed() is None

    gc.disable()
    try:
        run(scenario)
    finally:
        gc.enable()
