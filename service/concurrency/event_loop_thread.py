"""One long-lived asyncio event loop in a daemon thread, for synchronous code that must wait on coroutines.

Standard library only, and nothing of this project: any Flask application may use it as it stands.

    LoopUnavailable     not started, closed, dead or stuck: the loop cannot do what was asked
    WrongThread         a call that would wait for the loop, made on the loop's own thread: a deadlock
    ThreadsReplaced     gevent or eventlet has put its own threads or sockets in place of the system's
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import select
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("sluice.loop")

# A beat costs about 10 us, four a second are nothing, and the lag is known to within a quarter of a second.
BEAT_INTERVAL = 0.25
# Nothing in this project blocks the loop for even 0.1 s. Three seconds is late enough that a starved
# machine is not taken for a defect, and early enough that a person still waits for the answer.
STUCK_AFTER = 3.0
# A loop that works through many callbacks is busy and not stuck; but where one turn takes this many times as long,
# nobody who waits for it is served, and another loop may have less to do.
BUSY_FACTOR = 10
# Less processor time than this between two looks, in seconds, is none: the thread has waited.
CPU_NOISE = 0.001


class LoopState(enum.Enum):
    """What a loop thread is doing."""

    NEW = "new"
    RUNNING = "running"
    STUCK = "stuck"
    DEAD = "dead"
    CLOSED = "closed"


class LoopUnavailable(RuntimeError):
    """The loop cannot do what was asked: it is not started, closed, dead or stuck."""

    def __init__(self, message: str, state: LoopState) -> None:
        """Take the sentence, and the state that is the reason."""
        self.state = state
        super().__init__(message)


class WrongThread(RuntimeError):
    """A call that waits for the loop was made on the loop's own thread, where it would wait for ever."""


class ThreadsReplaced(RuntimeError):
    """gevent or eventlet has put its own threads or sockets in place of the system's."""

    #: The message says all that an operator needs; a traceback would add nothing.
    explains_itself = True


def refuse_replaced_threads() -> None:
    """Refuse to run where no loop thread can: its waiters would wait for a thread that never has its turn.

    Raises:
        ThreadsReplaced: `monkey.patch_all()` of gevent or `monkey_patch()` of eventlet was called in this process.
    """
    for name, value in (("threading", threading.Lock), ("socket", socket.socket), ("select", select.select)):
        library = (getattr(value, "__module__", None) or "").partition(".")[0]
        if library in ("gevent", "eventlet"):
            raise ThreadsReplaced(
                f"{library} has replaced Python's {name} module in this process, so that the event loop's thread "
                f"would never run; nothing should call {library}'s monkey patching, and the server's worker class "
                "should be one with threads, such as gunicorn's gthread"
            )


@dataclass(frozen=True, slots=True)
class LoopHealth:
    """What is known of a loop at one moment."""

    state: LoopState
    #: Seconds by which the loop is late for its latest beat; under a millisecond when it is well.
    lag: float
    #: Submitted coroutines that have not ended.
    waiting: int


def fastest_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Choose uvloop where it is installed, else asyncio's own loop.

    Returns:
        A function that makes a new event loop. uvloop saves about a fifth of the CPU for each token.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class LoopThread:
    """One event loop in a named daemon thread.

    It is made without starting anything, so it may be made before a fork; ``start`` belongs after it. A
    process that forks with a running loop gets, in the child, an object that is new again: threads do not
    survive a fork, and ``loop.is_running()`` would still say that they had.

    Every waiter is released with ``LoopUnavailable`` when the loop dies, is stuck for ``stuck_after`` seconds
    or is closed. Stuck is a loop that one callback blocks. One that is late because it works through many of them is
    busy, up to ``BUSY_FACTOR`` times that long. All methods may be called from any thread, except where a method
    says otherwise.
    """

    def __init__(
        self,
        name: str = "sluice-loop",
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        stuck_after: float = STUCK_AFTER,
        on_failure: Callable[[LoopState], None] | None = None,
    ) -> None:
        """Prepare a loop thread; start nothing.

        Args:
            name: The thread's name; the watchdog's is this with ``-watchdog`` behind it.
            loop_factory: Makes the event loop, on its thread. Default: ``fastest_loop_factory()``.
            stuck_after: Seconds without a beat, in one callback, after which the loop counts as stuck.
            on_failure: Called once for each failure, with ``DEAD`` or ``STUCK``, after the waiters were
                released; on the loop's thread when it dies and on the watchdog's when it is stuck. It must
                not block.
        """
        self.name = name
        self._loop_factory = loop_factory or fastest_loop_factory()
        self._stuck_after = stuck_after
        #: May also be set later, by whoever replaces a process whose loop has failed.
        self.on_failure = on_failure
        self._forget()
        _instances.add(self)

    def _forget(self) -> None:
        """Be as new; run on creation, and in a forked child before any of its threads."""
        # The parent's loop must be neither closed nor collected here: its epoll is shared with the parent,
        # and unregistering descriptors from it in the child would deafen the parent's loop.
        loop: asyncio.AbstractEventLoop | None = getattr(self, "_loop", None)
        if loop is not None:
            _abandoned.append(loop)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._state = LoopState.NEW
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._watchdog: threading.Thread | None = None
        self._ended = threading.Event()
        self._stop: asyncio.Event | None = None
        self._pending: set[Future[Any]] = set()
        self._due = 0.0
        self._lag = 0.0
        self._activity: _Activity | None = None

    # ------------------------------------------------------------------ life

    def start(self, timeout: float = 5.0) -> None:
        """Start the thread and wait until its loop runs; do nothing if it runs already.

        Args:
            timeout: Seconds to wait for the loop to run.

        Raises:
            LoopUnavailable: It was closed, has died, or did not run within ``timeout``.
            refuse_replaced_threads()
            RuntimeError: No thread could be started. It may be tried again.
            Exception: Whatever the loop factory raised, in the caller and not in a lost thread.
        """
        with self._lock:
            if self._state in (LoopState.RUNNING, LoopState.STUCK):
                return
            if self._state is not LoopState.NEW:
                raise LoopUnavailable(
                    f"loop {self.name!r} is {self._state.value} and cannot be started again", self._state
                )
            refuse_replaced_threads()
            begun = threading.Event()
            arguments = (begun, self._ended)
            watchdog = threading.Thread(target=self._watch, args=arguments, name=f"{self.name}-watchdog", daemon=True)
            # Before the loop: where only one thread can be started, no loop must run without a watchdog.
            watchdog.start()
            try:
                self._thread = self._start_loop(timeout)
                self._state = LoopState.RUNNING
                self._watchdog = watchdog
            except BaseException:
                self._ended.set()
                self._ended = threading.Event()
                raise
            finally:
                begun.set()

    def _start_loop(self, timeout: float) -> threading.Thread:
        ready: Future[None] = Future()
        thread = threading.Thread(target=self._main, args=(ready,), name=self.name, daemon=True)
        thread.start()
        try:
            ready.result(timeout)
        except TimeoutError:
            if ready.cancel():
                # Only an unending loop factory gets here. Should it end after all, its thread ends with it.
                self._state = LoopState.CLOSED
                raise LoopUnavailable(f"loop {self.name!r} did not run within {timeout} s", self._state) from None
            # At the last moment it did run, or the error is the loop factory's own.
            ready.result()
        return thread

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel all that runs, release every waiter, and end the threads. Closing twice is harmless.

        Args:
            timeout: Seconds to wait for the coroutines to end after their cancellation.

        Returns:
            Whether the loop's thread ended in time. If not, a coroutine ignores its cancellation; its waiters
            are released all the same, and the daemon thread does not keep the process alive.

        Raises:
            WrongThread: Called on the loop's own thread.
        """
        self.refuse_own_thread("close()")
        with self._lock:
            was = self._state
            if was is not LoopState.DEAD:
                self._state = LoopState.CLOSED
            loop, stop, thread, watchdog = self._loop, self._stop, self._thread, self._watchdog
        if loop is not None and stop is not None and was in (LoopState.RUNNING, LoopState.STUCK):
            try:
                loop.call_soon_threadsafe(stop.set)
            except RuntimeError:
                # The loop died and was closed in between; its thread releases the waiters.
                logger.debug("loop %r was closed already", self.name)
        # First the cancelled coroutines may end by themselves, so that waiters learn the true outcome.
        ended = thread is None or self._joined(thread, timeout)
        self._release(LoopUnavailable(f"loop {self.name!r} is closed", LoopState.CLOSED))
        self._ended.set()
        if watchdog is not None:
            watchdog.join(timeout)
        return ended

    @staticmethod
    def _joined(thread: threading.Thread, timeout: float) -> bool:
        thread.join(timeout)
        return not thread.is_alive()

    # ------------------------------------------------------------------ use

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop with ``run_coroutine_threadsafe``.

        The caller's context variables are visible in the coroutine.

        Args:
            coroutine: What to run. It is closed, never left un-awaited, when it cannot be run.

        Returns:
            A future with the coroutine's result or error. Cancelling it cancels the coroutine. It ends with
            ``LoopUnavailable`` if the loop dies, is stuck or is closed first; the coroutine is then cancelled
            as soon as the loop can do so.

        Raises:
            LoopUnavailable: The loop does not run.
            WrongThread: Called on the loop's own thread: waiting for the future there would never end.
        """
        outer: Future[T] = Future()
        try:
            self.refuse_own_thread("submit()")
            with self._lock:
                loop = self._require_running()
                self._pending.add(outer)
                # Under the lock, so that close(), which takes it first, comes after this in the loop's queue.
                inner: Future[T] | None = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except BaseException:
            self._pending.discard(outer)
            coroutine.close()
            raise

        # Futures keep their callbacks for good, so each would hold the other, and all that the task's context holds,
        # until the collector comes by: `inner` is let go of when it has ended.
        def settle_outer(ended: Future[T]) -> None:
            nonlocal inner
            _copy_outcome(ended, outer)
            inner = None

        def settle_inner(ended: Future[T]) -> None:
            self._pending.discard(ended)
            running = inner
            # Cancelled, or released: either way nobody waits any more, so nothing should go on working for it.
            if running is not None and not running.done():
                running.cancel()

        assert inner is not None
        running = inner
        outer.add_done_callback(settle_inner)
        running.add_done_callback(settle_outer)
        return outer

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Call a function on the loop's thread, soon. It must not block. Any thread may ask, the loop's too.

        Raises:
            LoopUnavailable: The loop does not run.
        """
        with self._lock:
            loop = self._require_running()
        try:
            loop.call_soon_threadsafe(callback, *args)
        except RuntimeError as error:  # closed in between
            raise LoopUnavailable(f"loop {self.name!r} is closed", LoopState.CLOSED) from error

    def refuse_own_thread(self, what: str) -> None:
        """Raise ``WrongThread`` where ``what``, which waits for the loop, is called on the loop's own thread."""
        if self._thread is threading.current_thread():
            raise WrongThread(f"{what} cannot be called from the event loop's own thread")

    def health(self) -> LoopHealth:
        """Say how the loop is, without asking it: this never waits."""
        state = self._state
        if state is LoopState.RUNNING and self._thread is not None and not self._thread.is_alive():
            state = LoopState.DEAD
        late = time.monotonic() - self._due if state in (LoopState.RUNNING, LoopState.STUCK) else 0.0
        return LoopHealth(state, max(self._lag, late, 0.0), len(self._pending))

    def tasks(self) -> int:
        """Count the tasks that have not ended, submitted coroutines and their own tasks alike. For any thread.

        Looks through all of them, so it is for somebody who asks once in a while.
        """
        loop = self._loop
        return 0 if loop is None or loop.is_closed() else len(asyncio.all_tasks(loop))

    def __repr__(self) -> str:
        health = self.health()
        return (
            f"<LoopThread {self.name!r} {health.state.value}, pid {self._pid}, "
            f"lag {health.lag * 1000:.1f} ms, {health.waiting} waiting>"
        )

    # ------------------------------------------------------------------ inside

    def _require_running(self) -> asyncio.AbstractEventLoop:
        if self._state is LoopState.NEW:
            raise LoopUnavailable(f"loop {self.name!r} is not started: call start() first", self._state)
        if self._state is not LoopState.RUNNING or self._loop is None:
            raise LoopUnavailable(f"loop {self.name!r} is {self._state.value}", self._state)
        return self._loop

    def _main(self, ready: Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                try:
                    runner.run(self._serve(ready))
                except BaseException:
                    # SystemExit and KeyboardInterrupt raised in a callback end a loop as well; whatever it was,
                    # nobody above this frame could handle it.
                    logger.exception("loop %r died", self.name)
                    # Before the runner cancels what is left: a coroutine that ignores that must not keep the
                    # waiters, and the others are to be told of the death and not of a cancellation.
                    self._die()
        except BaseException as error:
            if self._loop is None and ready.set_running_or_notify_cancel():
                ready.set_exception(error)
                return
            logger.exception("loop %r did not end cleanly", self.name)

    async def _serve(self, ready: Future[None]) -> None:
        if not ready.set_running_or_notify_cancel():
            # start() has given up, and nobody would ever close this loop.
            return
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._activity = _Activity()
        self._stop = asyncio.Event()
        self._due = time.monotonic() + BEAT_INTERVAL
        loop.call_later(BEAT_INTERVAL, self._beat, loop)
        ready.set_result(None)
        await self._stop.wait()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        self._lag = max(now - self._due, 0.0)
        self._due = now + BEAT_INTERVAL
        loop.call_later(BEAT_INTERVAL, self._beat, loop)

    def _die(self) -> None:
        with self._lock:
            if self._state not in (LoopState.RUNNING, LoopState.STUCK):
                return
            self._state = LoopState.DEAD
        self._ended.set()
        self._release(LoopUnavailable(f"loop {self.name!r} died", LoopState.DEAD))
        self._report(LoopState.DEAD)

    def _watch(self, begun: threading.Event, ended: threading.Event) -> None:
        begun.wait()
        activity = self._activity
        if activity is None:
            return  # it never ran
        while True:
            asked_at = time.monotonic()
            if ended.wait(BEAT_INTERVAL):
                return
            now = time.monotonic()
            # A paused process (SIGSTOP, a suspended machine) is not a stuck loop: give it a beat to show that.
            if now - asked_at > BEAT_INTERVAL + self._stuck_after / 2:
                continue
            late = now - self._due
            unchanged = 0.0
            if late > 0:
                unchanged = activity.unchanged_for(now, self._due)
            else:
                activity.forget()
            is_stuck = unchanged > self._stuck_after or late > BUSY_FACTOR * self._stuck_after
            if is_stuck and self._change(LoopState.RUNNING, LoopState.STUCK):
                logger.error("loop %r is stuck: no beat for %.1f s", self.name, late)
                self._release(LoopUnavailable(f"loop {self.name!r} is stuck", LoopState.STUCK))
                self._report(LoopState.STUCK)
            elif late < BEAT_INTERVAL and self._change(LoopState.STUCK, LoopState.RUNNING):
                logger.warning("loop %r runs again", self.name)

    def _change(self, before: LoopState, after: LoopState) -> bool:
        with self._lock:
            if self._state is not before:
                return False
            self._state = after
            return True

    def _release(self, error: LoopUnavailable) -> None:
        for future in list(self._pending):
            try:
                future.set_exception(error)
            except InvalidStateError:
                logger.debug("a waiter of loop %r ended by itself", self.name)

    def _report(self, state: LoopState) -> None:
        if self.on_failure is None:
            return
        try:
            self.on_failure(state)
        except Exception:
            # It must not end the watchdog, which is still to see the loop run again.
            logger.exception("on_failure of loop %r failed", self.name)


def _stack(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and all that have called it, the outermost first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


class _Activity:
    """What a loop's thread does, looked at from another thread: the same as before, or something else.

    Between two beats of a loop no callback runs twice. So a callback's frame that is there at two looks is one call,
    and another frame is another callback: the loop goes on.
    """

    def __init__(self) -> None:
        """Begin on the loop's thread, in a callback or the first step of a task."""
        self._ident = threading.get_ident()
        # Without this function's frame and its caller's.
        self._depth = len(_stack(sys._getframe())) - 2
        get_clock: Callable[[int], int] | None = getattr(time, "pthread_getcpuclockid", None)
        # None on macOS. There a thread that is in no Python callback counts as one that waits.
        self._clock = None if get_clock is None else get_clock(self._ident)
        self._callback: FrameType | None = None
        self._cpu = 0.0
        self._since: float | None = None

    def unchanged_for(self, now: float, due: float) -> float:
        """Look, and say for how long the thread has been in one callback, or has waited in none.

        For one other thread, while the loop's lives.

        Args:
            now: The time, in seconds of the monotonic clock.
            due: When the last beat was due: what was before that does not count.

        Returns:
            Seconds. At the first look it is taken to have been so ever since ``due``.
        """
        stack = _stack(sys._current_frames().get(self._ident))
        callback = stack[self._depth] if len(stack) > self._depth else None
        # uvloop gives the interpreter away between callbacks, so that one finds a busy one there more often than not;
        # and a callback written in C, such as `time.sleep`, has no frame.
        cpu = self._cpu_seconds()
        has_worked = cpu - self._cpu > CPU_NOISE
        is_same = callback is self._callback and (callback is not None or not has_worked)
        if self._since is None:
            self._since = due
        elif not is_same:
            self._since = now
        self._callback, self._cpu = callback, cpu
        return now - max(self._since, due)

    def _cpu_seconds(self) -> float:
        try:
            return 0.0 if self._clock is None else time.clock_gettime(self._clock)
        except OSError:
            # The thread has ended in this moment, and will be reported as dead.
            return self._cpu

    def forget(self) -> None:
        """Let go of the callback, whose frame holds all that it has."""
        self._callback = None
        self._since = None


def _copy_outcome(source: Future[T], target: Future[T]) -> None:
    """Give ``target`` the outcome of the ended ``source``, unless it has one: a released waiter keeps its error."""
    try:
        if source.cancelled():
            target.set_exception(CancelledError())
        elif (error := source.exception()) is not None:
            target.set_exception(error)
        else:
            target.set_result(source.result())
    except InvalidStateError:
        logger.debug("a released waiter's coroutine ended later")


# Weak, so that a loop thread that nobody holds can go. The one fork hook serves all of them, because a hook
# cannot be taken back: one for each instance would keep every instance alive for ever.
_instances: weakref.WeakSet[LoopThread] = weakref.WeakSet()
# Loops of a parent process, kept so that the collector does not close them here. Grows by one for each fork.
_abandoned: list[asyncio.AbstractEventLoop] = []


def _forget_after_fork() -> None:
    for instance in list(_instances):
        instance._forget()


os.register_at_fork(after_in_child=_forget_after_fork)
