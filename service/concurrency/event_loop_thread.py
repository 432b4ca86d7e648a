"""One long-lived asyncio event loop in a daemon thread, for synchronous code that must wait on coroutines.

Of this project it needs only this folder: any Flask application may use it as it stands.

    LoopUnavailable     not started, closed, dead or stuck: the loop cannot do what was asked
    WrongThread         a call that would wait for the loop, made on the loop's own thread: a deadlock
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from .callback_activity import CallbackActivity
from .loop_heartbeat import STUCK_AFTER, LoopHeartbeat
from .replaced_threads import refuse_replaced_threads

T = TypeVar("T")

logger = logging.getLogger("sluice.loop")

# Seconds for closing connections.
_LAST_TIMEOUT = 5.0


class LoopState(enum.Enum):
    """The state of a loop thread."""

    NEW = "new"
    RUNNING = "running"
    STUCK = "stuck"
    DEAD = "dead"
    CLOSED = "closed"


class LoopUnavailable(RuntimeError):
    """The loop cannot do what was asked: it is not started, closed, dead or stuck."""

    def __init__(self, message: str, state: LoopState) -> None:
        """Take the message, and the state that is the reason."""
        self.state = state
        super().__init__(message)


class WrongThread(RuntimeError):
    """A call that waits for the loop was made on the loop's own thread, where it would wait for ever."""


@dataclass(frozen=True, slots=True)
class LoopHealth:
    """The health of a loop at one moment."""

    state: LoopState
    #: Seconds by which the loop is late for its latest beat; under a millisecond in a healthy loop.
    lag: float
    #: Submitted coroutines that have not ended.
    waiting: int


def fastest_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a function that makes a new event loop: uvloop's where it is installed, else asyncio's.

    uvloop saves about a fifth of the CPU for each token.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class LoopThread:
    """One event loop in a named daemon thread.

    Making one starts nothing, so it may be made before a fork; ``start`` belongs after the fork. In a forked child
    the object is new again, because threads do not survive a fork.

    Every waiter is released with ``LoopUnavailable`` when the loop dies, is stuck for ``stuck_after`` seconds or is
    closed. A loop is stuck while one callback blocks it. A loop that works through many callbacks is busy, up to
    ``BUSY_FACTOR`` times that long. Any thread may call the methods, except where a method says otherwise.
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
            stuck_after: Seconds for which a late loop must be seen in one callback, so that it counts as stuck.
            on_failure: Called once for each failure with ``DEAD`` or ``STUCK``, after the waiters were released: on
                the loop's thread if it dies, on the watchdog's if it is stuck. It must not block.
        """
        self.name = name
        self._loop_factory = loop_factory or fastest_loop_factory()
        self._stuck_after = stuck_after
        #: May also be set later.
        self.on_failure = on_failure
        self._forget()
        _instances.add(self)

    def _forget(self) -> None:
        """Reset all state: on creation, and in a forked child before any of its threads runs."""
        # The parent's loop must not be closed or collected here: its epoll is shared, and a descriptor that the child
        # unregisters is lost for the parent's loop.
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
        self._heartbeat: LoopHeartbeat | None = None
        # Kept here, because a loop keeps only a weak reference to a task.
        self._last: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ life

    def start(self, timeout: float = 5.0) -> None:
        """Start the thread and wait until its loop runs. A loop that runs already is left as it is.

        Args:
            timeout: Seconds to wait for the loop to run.

        Raises:
            LoopUnavailable: It was closed, has died, or did not run within ``timeout``.
            ThreadsReplaced: gevent or eventlet has patched the process.
            RuntimeError: No thread could be started. A further call may succeed.
            Exception: What the loop factory raised.
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
            # Before the loop's thread: no loop must run without a watchdog.
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
                # Only a loop factory that does not return gets here. If it returns after all, its thread ends.
                self._state = LoopState.CLOSED
                raise LoopUnavailable(f"loop {self.name!r} did not run within {timeout} s", self._state) from None
            # It began at the last moment, or the error is the loop factory's.
            ready.result()
        return thread

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel all tasks, release every waiter and end the threads. Closing twice is harmless.

        Args:
            timeout: Seconds to wait for the coroutines to end after their cancellation.

        Returns:
            Whether the loop's thread ended in time. If not, a coroutine ignores its cancellation. Its waiters are
            released all the same, and the daemon thread does not keep the process alive.

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
                # The loop died in between; its thread releases the waiters.
                logger.debug("loop %r was closed already", self.name)
        # After the join, so that waiters get the outcome of coroutines that end by their cancellation.
        ended = thread is None or self._joined(thread, timeout)
        self._release(LoopUnavailable(f"loop {self.name!r} is closed", LoopState.CLOSED))
        self._ended.set()
        if watchdog is not None:
            watchdog.join(timeout)
        return ended

    def close_soon(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a last coroutine on the loop, then end the threads. Does not wait, so a finalizer may call it.

        It takes no lock: the garbage collector may call a finalizer while this object's lock is held.

        Args:
            last: Makes the coroutine, on the loop. It has 5 seconds. Its exceptions are logged.
        """
        loop = self._loop
        if loop is None or self._pid != os.getpid():
            return

        def begin() -> None:
            self._last = loop.create_task(self._close_after(last))

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:
            logger.debug("loop %r was closed already", self.name)

    async def _close_after(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.timeout(_LAST_TIMEOUT):
                await last()
        except Exception:
            logger.exception("the last coroutine of loop %r failed", self.name)
        finally:
            with self._lock:
                self._state = LoopState.CLOSED
            assert self._stop is not None
            self._stop.set()
            self._ended.set()

    @staticmethod
    def _joined(thread: threading.Thread, timeout: float) -> bool:
        thread.join(timeout)
        return not thread.is_alive()

    # ------------------------------------------------------------------ use

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop with ``run_coroutine_threadsafe``, in a copy of the caller's context.

        Does not wait. Any thread but the loop's may call it.

        Args:
            coroutine: What to run. It is closed where it cannot be run.

        Returns:
            A future with the coroutine's result or error. Cancelling it cancels the coroutine. It ends with
            ``LoopUnavailable`` if the loop dies, is stuck or is closed first; then the coroutine is cancelled as
            soon as the loop can do so.

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
                # Under the lock, so that the stop of close() comes after this in the loop's queue.
                inner: Future[T] | None = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except BaseException:
            self._pending.discard(outer)
            coroutine.close()
            raise

        # Futures keep their callbacks, so the two would hold each other and the task's context: `inner` is reset when
        # it has ended.
        def settle_outer(ended: Future[T]) -> None:
            nonlocal inner
            _copy_outcome(ended, outer)
            inner = None

        def settle_inner(ended: Future[T]) -> None:
            self._pending.discard(ended)
            running = inner
            # Cancelled or released: nobody waits for the coroutine any more.
            if running is not None and not running.done():
                running.cancel()

        assert inner is not None
        running = inner
        outer.add_done_callback(settle_inner)
        running.add_done_callback(settle_outer)
        return outer

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Have the loop call a function, which must not block. Any thread may call this, the loop's too.

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
        """Raise ``WrongThread`` on the loop's own thread, where ``what`` would wait for ever."""
        if self._thread is threading.current_thread():
            raise WrongThread(f"{what} cannot be called from the event loop's own thread")

    def health(self) -> LoopHealth:
        """Return the loop's state and lag. Does not wait for the loop."""
        state = self._state
        if state is LoopState.RUNNING and self._thread is not None and not self._thread.is_alive():
            state = LoopState.DEAD
        heartbeat = self._heartbeat if state in (LoopState.RUNNING, LoopState.STUCK) else None
        return LoopHealth(state, 0.0 if heartbeat is None else heartbeat.lag(), len(self._pending))

    def tasks(self) -> int:
        """Count the loop's tasks that have not ended. Takes time in proportion to their number."""
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
                    # SystemExit and KeyboardInterrupt raised in a callback end a loop as well.
                    try:
                        logger.exception("loop %r died", self.name)
                    finally:
                        # Before the runner cancels the tasks: a coroutine that ignores that must not keep its
                        # waiters, and the others get the loop's death and not a cancellation.
                        self._die()
        except BaseException as error:
            if self._loop is None and ready.set_running_or_notify_cancel():
                ready.set_exception(error)
                return
            logger.exception("loop %r did not end cleanly", self.name)

    async def _serve(self, ready: Future[None]) -> None:
        if not ready.set_running_or_notify_cancel():
            # start() has given up, so nobody would close this loop.
            return
        self._loop = asyncio.get_running_loop()
        self._heartbeat = LoopHeartbeat(CallbackActivity(), self._stuck_after)
        self._stop = asyncio.Event()
        ready.set_result(None)
        await self._stop.wait()

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
        heartbeat = self._heartbeat
        if heartbeat is None:
            return  # it never ran
        while not ended.wait(heartbeat.interval):
            try:
                self._look(heartbeat)
            except Exception as error:
                # A filter of the log has raised, so that it cannot be logged; the next look is as necessary.
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))

    def _look(self, heartbeat: LoopHeartbeat) -> None:
        is_stuck, late = heartbeat.is_stuck(), heartbeat.overdue()
        if is_stuck and self._change(LoopState.RUNNING, LoopState.STUCK):
            try:
                logger.error("loop %r is stuck: no beat for %.1f s", self.name, late)
            finally:
                self._release(LoopUnavailable(f"loop {self.name!r} is stuck", LoopState.STUCK))
                self._report(LoopState.STUCK)
        elif late < heartbeat.interval and self._change(LoopState.STUCK, LoopState.RUNNING):
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
                logger.debug("a waiter of loop %r has ended already", self.name)

    def _report(self, state: LoopState) -> None:
        if self.on_failure is None:
            return
        try:
            self.on_failure(state)
        except Exception:
            # Raised here, it would end the watchdog.
            logger.exception("on_failure of loop %r failed", self.name)


def _copy_outcome(source: Future[T], target: Future[T]) -> None:
    """Give ``target`` the outcome of the ended ``source``, unless it has one already."""
    try:
        if source.cancelled():
            target.set_exception(CancelledError())
        elif (error := source.exception()) is not None:
            target.set_exception(error)
        else:
            target.set_result(source.result())
    except InvalidStateError:
        logger.debug("a released waiter's coroutine ended later")


# Weak, and one fork hook for all: a hook cannot be removed, and one for each instance would keep it alive.
_instances: weakref.WeakSet[LoopThread] = weakref.WeakSet()
# Loops of a parent process, kept so that they are not closed here. Grows by one for each fork.
_abandoned: list[asyncio.AbstractEventLoop] = []


def _forget_after_fork() -> None:
    for instance in list(_instances):
        instance._forget()


os.register_at_fork(after_in_child=_forget_after_fork)
