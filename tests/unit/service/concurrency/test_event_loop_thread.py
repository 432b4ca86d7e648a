"""The loop thread: it starts or says why not, and nobody who waits for it waits for ever."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from queue import Queue

import pytest
import uvloop

from sluice.service.concurrency import loop_heartbeat
from sluice.service.concurrency.event_loop_thread import (
    LoopState,
    LoopThread,
    LoopUnavailable,
    WrongThread,
    fastest_loop_factory,
)
from tests.support.polling import wait_until
from tests.unit.service.concurrency.loop_faults import WITHIN, Blocker, exit_the_thread, for_ever

# So that a stuck loop is known soon.
STUCK_AFTER = 0.3
ROOT = Path(__file__).parents[4]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    return request.param


@pytest.fixture
def failures() -> Queue[LoopState]:
    """What `on_failure` was told."""
    return Queue()


@pytest.fixture
def loop(loop_factory: LoopFactory, failures: Queue[LoopState]) -> Iterator[LoopThread]:
    thread = LoopThread("test-loop", loop_factory=loop_factory, on_failure=failures.put)
    thread.start()
    yield thread
    thread.close(WITHIN)


@pytest.fixture
def impatient(loop_factory: LoopFactory, failures: Queue[LoopState]) -> Iterator[LoopThread]:
    """A loop that counts as stuck soon."""
    thread = LoopThread("impatient", loop_factory=loop_factory, stuck_after=STUCK_AFTER, on_failure=failures.put)
    thread.start()
    yield thread
    thread.close(WITHIN)


async def answer() -> int:
    return 42


class Watched:
    """A coroutine that waits for ever and shows how far it came."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.cancelled = threading.Event()

    async def run(self) -> None:
        self.began.set()
        try:
            await for_ever()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Deaf:
    """A coroutine that ignores its cancellation until it is told to end."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.cancelled = threading.Event()

    async def run(self) -> str:
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self.began.set()
        while not self._told.is_set():
            try:
                await self._told.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
        return "at last"

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._told.set)


async def exit_inside_a_coroutine() -> None:
    raise SystemExit("a coroutine that leaves")


def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()


def cancel_the_tasks_of_others() -> None:
    for task in asyncio.all_tasks():
        if task.get_coro().__qualname__ != Watched.run.__qualname__:
            task.cancel()


def start_a_leaving_coroutine() -> None:
    # Kept by the loop's own list of tasks until it ends, which is at once.
    asyncio.ensure_future(exit_inside_a_coroutine())  # noqa: RUF006


DEATHS = [exit_the_thread, stop_the_loop, cancel_the_tasks_of_others, start_a_leaving_coroutine]


# ------------------------------------------------------------------ starting


def test_making_one_starts_nothing() -> None:
    before = threading.active_count()
    loop = LoopThread()
    assert threading.active_count() == before
    assert loop.health().state is LoopState.NEW


def test_the_loop_and_its_watchdog_run_in_named_daemon_threads(loop: LoopThread) -> None:
    threads = {thread.name: thread for thread in threading.enumerate()}
    assert threads["test-loop"].daemon
    assert threads["test-loop-watchdog"].daemon

    async def name_of_thread() -> str:
        return threading.current_thread().name

    assert loop.submit(name_of_thread()).result(WITHIN) == "test-loop"


def test_the_given_loop_factory_makes_the_loop(loop: LoopThread, loop_factory: LoopFactory) -> None:
    async def is_uvloop() -> bool:
        return isinstance(asyncio.get_running_loop(), uvloop.Loop)

    assert loop.submit(is_uvloop()).result(WITHIN) == (loop_factory is uvloop.new_event_loop)


def test_uvloop_is_chosen_where_it_is_installed_and_asyncio_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest_loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert fastest_loop_factory() is asyncio.new_event_loop


def test_what_the_loop_factory_raises_surfaces_in_the_caller_and_a_later_start_may_succeed() -> None:
    error = OSError("no epoll today")
    attempts: list[LoopFactory] = [asyncio.new_event_loop]

    def factory() -> asyncio.AbstractEventLoop:
        if len(attempts) == 1:
            attempts.append(asyncio.new_event_loop)
            raise error
        return asyncio.new_event_loop()

    loop = LoopThread(loop_factory=factory)
    with pytest.raises(OSError, match="no epoll today") as caught:
        loop.start(WITHIN)
    assert caught.value is error
    assert loop.health().state is LoopState.NEW
    loop.start(WITHIN)
    assert loop.submit(answer()).result(WITHIN) == 42
    assert loop.close()


def test_a_time_out_of_the_factory_itself_is_not_taken_for_our_own() -> None:
    def factory() -> asyncio.AbstractEventLoop:
        raise TimeoutError("the factory's own")

    loop = LoopThread(loop_factory=factory)
    with pytest.raises(TimeoutError, match="the factory's own"):
        loop.start(WITHIN)
    assert loop.health().state is LoopState.NEW


def test_a_factory_that_never_returns_is_given_up_and_its_late_loop_ends_unused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    may_return = threading.Event()
    made: Queue[asyncio.AbstractEventLoop] = Queue()

    def factory() -> asyncio.AbstractEventLoop:
        assert may_return.wait(2 * WITHIN)
        made.put(asyncio.new_event_loop())
        return made.queue[0]

    loop = LoopThread("late", loop_factory=factory)
    with pytest.raises(LoopUnavailable, match=r"loop 'late' did not run within 0\.05 s") as caught:
        loop.start(0.05)
    assert caught.value.state is LoopState.CLOSED
    late = next(thread for thread in threading.enumerate() if thread.name == "late")
    may_return.set()
    late.join(WITHIN)
    assert not late.is_alive()
    assert made.get_nowait().is_closed()
    assert caplog.messages == []


def test_a_factory_that_fails_after_it_was_given_up_ends_its_thread() -> None:
    may_return = threading.Event()

    def factory() -> asyncio.AbstractEventLoop:
        assert may_return.wait(2 * WITHIN)
        raise OSError("too late to matter")

    loop = LoopThread(loop_factory=factory)
    with pytest.raises(LoopUnavailable):
        loop.start(0.05)
    may_return.set()


def test_starting_twice_is_harmless(loop: LoopThread) -> None:
    before = threading.active_count()
    loop.start()
    assert threading.active_count() == before
    assert loop.submit(answer()).result(WITHIN) == 42


def test_many_threads_that_start_at_once_get_one_loop(loop_factory: LoopFactory) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    together = threading.Barrier(16)

    def factory() -> asyncio.AbstractEventLoop:
        made.append(loop_factory())
        return made[-1]

    loop = LoopThread(loop_factory=factory)

    def start_and_ask() -> int:
        together.wait(WITHIN)
        loop.start()
        return loop.submit(answer()).result(WITHIN)

    with ThreadPoolExecutor(16) as threads:
        answers = [future.result(WITHIN) for future in [threads.submit(start_and_ask) for _ in range(16)]]
    assert answers == [42] * 16
    assert len(made) == 1
    assert loop.close()


def test_a_closed_loop_is_not_started_again(loop: LoopThread) -> None:
    loop.close()
    with pytest.raises(LoopUnavailable, match="'test-loop' is closed and cannot be started again") as caught:
        loop.start()
    assert caught.value.state is LoopState.CLOSED


# ------------------------------------------------------------------ guards


@pytest.mark.parametrize("closed", [False, True], ids=["before start", "after close"])
def test_a_loop_that_does_not_run_refuses_work_and_leaves_no_coroutine_unawaited(closed: bool) -> None:
    loop = LoopThread("idle")
    if closed:
        loop.start()
        loop.close()
    coroutine = answer()
    says = "'idle' is closed" if closed else r"'idle' is not started: call start\(\) first"
    state = LoopState.CLOSED if closed else LoopState.NEW
    with pytest.raises(LoopUnavailable, match=says) as caught:
        loop.submit(coroutine)
    assert caught.value.state is state
    # A coroutine that was left un-awaited would warn when it is collected, and warnings are errors here.
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    with pytest.raises(LoopUnavailable, match=says):
        loop.call_soon(print)
    assert loop.health().waiting == 0


def test_waiting_for_the_loop_on_its_own_thread_is_an_error_and_not_a_deadlock(loop: LoopThread) -> None:
    async def wait_for_itself() -> str:
        coroutine = answer()
        with pytest.raises(WrongThread, match=r"submit\(\) cannot be called from the event loop's own thread"):
            loop.submit(coroutine)
        assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
        with pytest.raises(WrongThread, match=r"close\(\) cannot be called from the event loop's own thread"):
            loop.close()
        return "still here"

    assert loop.submit(wait_for_itself()).result(WITHIN) == "still here"
    assert loop.health().state is LoopState.RUNNING


def test_the_loops_own_thread_may_call_soon_and_start(loop: LoopThread) -> None:
    called = threading.Event()

    async def inside() -> None:
        loop.start()
        loop.call_soon(called.set)

    loop.submit(inside()).result(WITHIN)
    assert called.wait(WITHIN)


# ------------------------------------------------------------------ use


def test_a_future_has_the_coroutines_result_or_its_error(loop: LoopThread) -> None:
    async def fail() -> None:
        raise KeyError("what it raised")

    assert loop.submit(answer()).result(WITHIN) == 42
    with pytest.raises(KeyError, match="what it raised"):
        loop.submit(fail()).result(WITHIN)
    assert loop.health().waiting == 0


def test_cancelling_the_future_cancels_the_coroutine(loop: LoopThread) -> None:
    watched = Watched()
    future = loop.submit(watched.run())
    assert watched.began.wait(WITHIN)
    assert loop.health().waiting == 1
    assert future.cancel()
    assert watched.cancelled.wait(WITHIN)
    assert loop.health().waiting == 0


def test_a_coroutine_that_cancels_itself_is_cancelled_for_its_waiter(loop: LoopThread) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(CancelledError):
        loop.submit(give_up()).result(WITHIN)


def test_the_coroutine_inherits_the_callers_context_variables(loop: LoopThread) -> None:
    who: ContextVar[str] = ContextVar("who")

    async def who_is_it() -> str:
        return who.get()

    def ask(name: str) -> str:
        who.set(name)
        return loop.submit(who_is_it()).result(WITHIN)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(ask, ["first", "second", "third"])) == ["first", "second", "third"]


def test_health_and_repr_count_what_waits(loop: LoopThread) -> None:
    assert loop.submit(answer()).result(WITHIN) == 42
    futures = [loop.submit(for_ever()) for _ in range(3)]
    assert loop.health().waiting == 3
    assert repr(loop).startswith("<LoopThread 'test-loop' running, pid ")
    assert repr(loop).endswith(" ms, 3 waiting>")
    for future in futures:
        future.cancel()
    assert repr(loop).endswith(" 0 waiting>")
    loop.close()
    assert "'test-loop' closed," in repr(loop)
    assert "'other' new," in repr(LoopThread("other"))


def test_a_loop_that_nothing_holds_is_freed() -> None:
    gone = weakref.ref(LoopThread())
    assert gone() is None


# ------------------------------------------------------------------ closing


def test_close_cancels_what_runs_and_tells_its_waiters(loop: LoopThread) -> None:
    watched = Watched()
    future = loop.submit(watched.run())
    assert watched.began.wait(WITHIN)
    assert loop.close(WITHIN)
    assert watched.cancelled.is_set()
    with pytest.raises(CancelledError):
        future.result(0)


def test_close_lets_a_coroutine_finish_its_clean_up(loop: LoopThread) -> None:
    began = threading.Event()

    async def tidy() -> str:
        began.set()
        try:
            await for_ever()
        except asyncio.CancelledError:
            for _ in range(10):
                await asyncio.sleep(0)
        return "tidied"

    future = loop.submit(tidy())
    assert began.wait(WITHIN)
    assert loop.close(WITHIN)
    assert future.result(0) == "tidied"


def test_close_runs_to_their_end_coroutines_that_had_not_begun(loop: LoopThread) -> None:
    blocker = Blocker(loop)
    future = loop.submit(for_ever())
    with ThreadPoolExecutor(1) as elsewhere:
        closing = elsewhere.submit(loop.close, WITHIN)
        blocker.let_go()
        assert closing.result(WITHIN)
    with pytest.raises(CancelledError):
        future.result(0)


def test_close_is_bounded_and_releases_waiters_where_a_coroutine_ignores_its_cancellation(loop: LoopThread) -> None:
    deaf = Deaf()
    future = loop.submit(deaf.run())
    assert deaf.began.wait(WITHIN)
    try:
        assert not loop.close(0.05)
        with pytest.raises(LoopUnavailable, match="'test-loop' is closed") as caught:
            future.result(0)
        assert caught.value.state is LoopState.CLOSED
        assert loop.health().waiting == 0
    finally:
        deaf.end()
    assert loop.close(WITHIN)


def test_closing_twice_or_before_start_is_harmless(loop: LoopThread) -> None:
    assert loop.close()
    assert loop.close()
    new = LoopThread()
    assert new.close()
    assert new.health().state is LoopState.CLOSED


@pytest.mark.parametrize("fails", [False, True])
def test_close_soon_runs_a_last_coroutine_and_ends_the_threads_without_waiting_or_a_lock(
    loop: LoopThread, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    ran = threading.Event()

    async def last() -> None:
        ran.set()
        if fails:
            raise LookupError("the last one failed")

    # A finalizer runs wherever the collector does: on the loop's own thread, and where the lock is held.
    def finalize() -> None:
        with loop._lock:
            loop.close_soon(last)

    loop.call_soon(finalize)
    assert ran.wait(WITHIN)
    wait_until(
        lambda: not {"test-loop", "test-loop-watchdog"} & {each.name for each in threading.enumerate()}, WITHIN
    )
    assert loop.health().state is LoopState.CLOSED
    assert ("the last one failed" in caplog.text) == fails
    loop.close_soon(last)
    LoopThread("never-started").close_soon(last)


def test_close_ends_a_blocked_loop_as_soon_as_it_is_unblocked(loop: LoopThread) -> None:
    blocker = Blocker(loop)
    future = loop.submit(for_ever())
    assert not loop.close(0.05)
    with pytest.raises(LoopUnavailable):
        future.result(0)
    blocker.let_go()
    assert loop.close(WITHIN)


def test_whatever_is_submitted_while_it_closes_is_either_refused_or_ends(loop: LoopThread) -> None:
    futures: list[Future[None]] = []
    under_way = threading.Semaphore(0)

    def submit_until_refused() -> None:
        while True:
            try:
                futures.append(loop.submit(for_ever()))
            except LoopUnavailable:
                return
            under_way.release()

    with ThreadPoolExecutor(4) as threads:
        submitting = [threads.submit(submit_until_refused) for _ in range(4)]
        for _ in range(100):
            assert under_way.acquire(timeout=WITHIN)
        assert loop.close(2 * WITHIN)
        for thread in submitting:
            thread.result(WITHIN)
    assert len(futures) >= 100
    assert all(future.done() for future in futures)
    assert loop.health().waiting == 0


# ------------------------------------------------------------------ death


@pytest.mark.parametrize("die", DEATHS)
def test_a_death_releases_every_waiter_is_told_once_and_is_final(
    die: Callable[[], None], loop: LoopThread, failures: Queue[LoopState]
) -> None:
    watched = Watched()
    future = loop.submit(watched.run())
    assert watched.began.wait(WITHIN)
    loop.call_soon(die)
    with pytest.raises(LoopUnavailable, match="'test-loop' died") as caught:
        future.result(WITHIN)
    assert caught.value.state is LoopState.DEAD
    assert failures.get(timeout=WITHIN) is LoopState.DEAD
    assert watched.cancelled.wait(WITHIN)
    assert loop.health().state is LoopState.DEAD
    assert "'test-loop' dead," in repr(loop)
    with pytest.raises(LoopUnavailable, match="'test-loop' is dead"):
        loop.submit(answer())
    with pytest.raises(LoopUnavailable, match="is dead and cannot be started again"):
        loop.start()
    assert loop.close(WITHIN)
    assert loop.health().state is LoopState.DEAD
    assert failures.empty()


def test_a_death_releases_waiters_even_while_a_coroutine_ignores_its_cancellation(
    loop: LoopThread, failures: Queue[LoopState]
) -> None:
    deaf, watched = Deaf(), Watched()
    futures: list[Future[object]] = [loop.submit(deaf.run()), loop.submit(watched.run())]
    assert deaf.began.wait(WITHIN)
    try:
        loop.call_soon(exit_the_thread)
        for future in futures:
            with pytest.raises(LoopUnavailable, match="died"):
                future.result(WITHIN)
        assert failures.get(timeout=WITHIN) is LoopState.DEAD
        assert deaf.cancelled.wait(WITHIN)
        with pytest.raises(LoopUnavailable, match="dead"):
            loop.submit(answer())
    finally:
        deaf.end()
    assert loop.close(WITHIN)


def test_what_was_submitted_and_had_not_begun_when_the_loop_died_ends_too(loop: LoopThread) -> None:
    blocker = Blocker(loop)
    loop.call_soon(exit_the_thread)
    future = loop.submit(for_ever())
    blocker.let_go()
    with pytest.raises(LoopUnavailable, match="died"):
        future.result(WITHIN)
    assert loop.close(WITHIN)
    # The leak oracle finds the task, and the warnings the coroutine, if they were left.
    gc.collect()


# ------------------------------------------------------------------ stuck


class RunsAgain(logging.Handler):
    """Sets its event when the log says that a loop runs again."""

    def __init__(self) -> None:
        super().__init__()
        self.said = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "runs again" in record.getMessage():
            self.said.set()


@pytest.fixture
def runs_again() -> Iterator[threading.Event]:
    handler = RunsAgain()
    logger = logging.getLogger("sluice.loop")
    logger.addHandler(handler)
    yield handler.said
    logger.removeHandler(handler)


def test_a_blocked_loop_is_stuck_and_not_dead_and_runs_again_afterwards(
    impatient: LoopThread, failures: Queue[LoopState], runs_again: threading.Event
) -> None:
    watched = Watched()
    future = impatient.submit(watched.run())
    assert watched.began.wait(WITHIN)
    blocker = Blocker(impatient)
    with pytest.raises(LoopUnavailable, match="'impatient' is stuck") as caught:
        future.result(WITHIN)
    assert caught.value.state is LoopState.STUCK
    assert failures.get(timeout=WITHIN) is LoopState.STUCK
    health = impatient.health()
    assert (health.state, health.waiting) == (LoopState.STUCK, 0)
    assert health.lag > STUCK_AFTER
    assert "'impatient' stuck," in repr(impatient)
    with pytest.raises(LoopUnavailable, match="is stuck"):
        impatient.submit(answer())
    impatient.start()  # Nothing to do: it is not gone.
    assert not watched.cancelled.is_set()
    blocker.let_go()
    # Its waiter was told that it failed: it must not go on working for nobody.
    assert watched.cancelled.wait(WITHIN)
    assert runs_again.wait(WITHIN)
    assert impatient.health().state is LoopState.RUNNING
    assert impatient.submit(answer()).result(WITHIN) == 42
    assert failures.empty()


def test_a_loop_that_dies_while_it_is_stuck_is_dead(impatient: LoopThread, failures: Queue[LoopState]) -> None:
    impatient.call_soon(asyncio.new_event_loop().close)  # A callback that ends at once is no failure.
    blocker = Blocker(impatient)
    impatient.call_soon(exit_the_thread)
    assert failures.get(timeout=WITHIN) is LoopState.STUCK
    blocker.let_go()
    assert failures.get(timeout=WITHIN) is LoopState.DEAD
    assert impatient.health().state is LoopState.DEAD


def test_a_stuck_loop_can_be_closed(impatient: LoopThread, failures: Queue[LoopState]) -> None:
    blocker = Blocker(impatient)
    assert failures.get(timeout=WITHIN) is LoopState.STUCK
    assert not impatient.close(0.05)
    assert impatient.health().state is LoopState.CLOSED
    blocker.let_go()
    assert impatient.close(WITHIN)


def test_an_on_failure_that_fails_does_not_end_the_watchdog(
    runs_again: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    told = threading.Event()

    def fail(state: LoopState) -> None:
        told.set()
        raise RuntimeError("cannot even complain")

    loop = LoopThread("unlucky", stuck_after=STUCK_AFTER, on_failure=fail)
    loop.start()
    blocker = Blocker(loop)
    assert told.wait(WITHIN)
    blocker.let_go()
    assert runs_again.wait(WITHIN)
    assert loop.submit(answer()).result(WITHIN) == 42
    assert loop.close(WITHIN)
    assert "on_failure of loop 'unlucky' failed" in caplog.text


def spin(seconds: float) -> None:
    """Use the processor for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def spin_in_a_task(seconds: float) -> None:
    spin(seconds)


def wait_a_while(seconds: float) -> None:
    """Wait without the processor, in a frame of its own."""
    time.sleep(seconds)


@pytest.mark.parametrize("callback", [spin, wait_a_while])
def test_a_loop_that_works_through_many_callbacks_is_busy_and_not_stuck(
    impatient: LoopThread, failures: Queue[LoopState], callback: Callable[[float], None]
) -> None:
    worked = threading.Event()

    def many() -> None:
        loop = asyncio.get_running_loop()
        # All of them in the next turn, which takes four times as long as a callback may.
        for _ in range(60):
            loop.call_soon(callback, 4 * STUCK_AFTER / 60)
        loop.call_soon(worked.set)

    impatient.call_soon(many)
    future = impatient.submit(answer())
    assert worked.wait(2 * WITHIN)
    assert future.result(WITHIN) == 42
    assert impatient.health().state is LoopState.RUNNING
    assert failures.empty()


def test_a_loop_that_steps_many_tasks_in_one_turn_is_busy_and_not_stuck(
    impatient: LoopThread, failures: Queue[LoopState]
) -> None:
    async def many() -> int:
        await asyncio.gather(*[spin_in_a_task(4 * STUCK_AFTER / 60) for _ in range(60)])
        return 42

    assert impatient.submit(many()).result(2 * WITHIN) == 42
    assert failures.empty()


@pytest.mark.parametrize("callback", [spin, wait_a_while, time.sleep])
def test_one_callback_that_takes_too_long_makes_the_loop_stuck_whatever_it_does(
    impatient: LoopThread, failures: Queue[LoopState], runs_again: threading.Event, callback: Callable[[float], None]
) -> None:
    began = time.monotonic()
    impatient.call_soon(callback, 5 * STUCK_AFTER)
    assert failures.get(timeout=WITHIN) is LoopState.STUCK
    assert time.monotonic() - began < 5 * STUCK_AFTER
    assert runs_again.wait(WITHIN)


def test_one_step_of_a_task_that_takes_too_long_makes_the_loop_stuck(
    impatient: LoopThread, failures: Queue[LoopState], runs_again: threading.Event
) -> None:
    with pytest.raises(LoopUnavailable, match="is stuck"):
        impatient.submit(spin_in_a_task(5 * STUCK_AFTER)).result(WITHIN)
    assert failures.get(timeout=WITHIN) is LoopState.STUCK
    assert runs_again.wait(WITHIN)


def test_a_turn_without_end_is_not_taken_for_a_busy_loop_for_ever(
    impatient: LoopThread, failures: Queue[LoopState], monkeypatch: pytest.MonkeyPatch, runs_again: threading.Event
) -> None:
    monkeypatch.setattr(loop_heartbeat, "BUSY_FACTOR", 3)

    def many() -> None:
        for _ in range(100):
            asyncio.get_running_loop().call_soon(spin, 6 * STUCK_AFTER / 100)

    impatient.call_soon(many)
    assert failures.get(timeout=WITHIN) is LoopState.STUCK
    assert impatient.health().lag > 3 * STUCK_AFTER
    assert runs_again.wait(WITHIN)


# ------------------------------------------------------------------ fork

# In a process of its own: pytest's threads have no place in a fork.
FORK = """
import asyncio, gc, os, sys, threading
import uvloop
from sluice.service.concurrency.event_loop_thread import LoopThread

async def answer():
    await asyncio.sleep(0.001)
    return 42

async def for_ever():
    await asyncio.Event().wait()

def in_a_child(report):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, report().encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        told = lines.read()
    os.waitpid(pid, 0)
    return told

"""

STARTED_BEFORE_THE_FORK = (
    FORK
    + """
loop = LoopThread(loop_factory=getattr({"asyncio": asyncio, "uvloop": uvloop}[sys.argv[1]], "new_event_loop"))
loop.start()
waiting = loop.submit(for_ever())

def child():
    health = loop.health()
    before = f"{health.state.value} {health.waiting}"
    gc.collect()
    loop.start()
    first = loop.submit(answer()).result(5)
    grandchild = in_a_child(lambda: loop.health().state.value)
    return f"{before} {first} {grandchild} {loop.submit(answer()).result(5)} {loop.close()}"

for _ in range(3):
    print("child:", in_a_child(child))
    print("parent:", loop.health().state.value, loop.submit(answer()).result(5), waiting.done())
print("closed:", loop.close(), waiting.done())
"""
)

FORKED_WHILE_ANOTHER_THREAD_STARTS_IT = (
    FORK
    + """
starting, go_on = threading.Event(), threading.Event()
parent = os.getpid()

def factory():
    if os.getpid() == parent:
        starting.set()
        assert go_on.wait(5)
    return asyncio.new_event_loop()

loop = LoopThread(loop_factory=factory)
starter = threading.Thread(target=loop.start)
starter.start()
assert starting.wait(5)

def child():
    loop.start()
    return f"{loop.submit(answer()).result(5)} {loop.close()}"

print("child:", in_a_child(child))
go_on.set()
starter.join()
print("parent:", loop.submit(answer()).result(5), loop.close())
"""
)


def run_script(script: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_forked_child_has_a_new_loop_and_the_parents_goes_on(kind: str) -> None:
    child, parent = "child: new 0 42 new 42 True", "parent: running 42 False"
    assert run_script(STARTED_BEFORE_THE_FORK, kind) == [*[child, parent] * 3, "closed: True True"]


def test_a_fork_while_another_thread_starts_the_loop_does_not_lock_the_child() -> None:
    assert run_script(FORKED_WHILE_ANOTHER_THREAD_STARTS_IT) == ["child: 42 True", "parent: 42 True"]
