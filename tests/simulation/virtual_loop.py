"""An asyncio loop without real time and without I/O, on which the tasks of several simulated processes run.

Time jumps to the next timer when nothing is left to do. All runs in the order in which it was scheduled, so that the
same program does the same each time. A process that is killed or paused runs none of its callbacks from then on.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any

# Callbacks without an end of the simulation, after which it counts as one that hangs.
MOST_CALLBACKS = 3_000_000


class Deadlock(AssertionError):
    """Nothing is left to run, and the simulation has not ended."""


class Process:
    """A simulated process: what runs in its context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_paused = False
        #: What should have run since it was paused.
        self.held: list[asyncio.Handle] = []
        #: Those that are not done.
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.context = Context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"<Process {self.name}>"


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


def _context(context: Context | None) -> Context:
    # An empty context is false.
    return copy_context() if context is None else context


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop. Only what asyncio's tasks, futures, locks and time limits need of one."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        self._callbacks = 0
        self._is_running = False
        #: Those that are not done. Kept here, so that the collector does not run the clean-up of a dead process.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        #: What dead processes would have run.
        self._held: list[asyncio.Handle] = []
        #: What tasks have raised that nobody has awaited, and callbacks.
        self.failures: list[str] = []

    # ------------------------------------------------------------------ what asyncio calls

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, _context(context))
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, _context(context))
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are dropped when they are due."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        context = _context(context)
        process = context.get(PROCESS) or PROCESS.get(None)
        if process is not None:
            # A task with a context of its own is its process's all the same.
            context.run(PROCESS.set, process)
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[task] = None
        if process is not None:
            process.tasks[task] = None

        def forget(done: asyncio.Task[Any]) -> None:
            self._tasks.pop(done, None)
            if process is not None:
                process.tasks.pop(done, None)

        task.add_done_callback(forget, context=Context())
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    # ------------------------------------------------------------------ for the simulation

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, or to the first failure of what runs beside it."""
        asyncio._set_running_loop(self)
        self._is_running = True
        try:
            task = self.create_task(main)
            while not task.done() and not self.failures:
                self._step()
            if self.failures:
                raise AssertionError(self.failures[0])
            task.result()
        finally:
            self._is_running = False
            asyncio._set_running_loop(None)

    def pause(self, process: Process) -> None:
        process.is_paused = True

    def resume(self, process: Process) -> None:
        process.is_paused = False
        held, process.held = process.held, []
        self._ready.extend(held)

    def close(self) -> None:
        """End all tasks that are left, also those of dead processes, without running them."""
        asyncio._set_running_loop(self)
        try:
            left = list(self._tasks)
            for task in left:
                with suppress(Exception):
                    # Its `finally` clauses run; where one of them awaits, Python complains.
                    task.get_coro().close()
                task.cancel()
            for handle in [*self._ready, *self._held]:
                if getattr(handle._callback, "__self__", None) in self._tasks:
                    handle._run()
            for task in left:
                if task.done() and not task.cancelled():
                    task.exception()
            self._ready.clear()
            self._timers.clear()
            self._held.clear()
        finally:
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        if not self._ready:
            self._advance()
        handle = self._ready.popleft()
        if handle._cancelled:
            return
        self._callbacks += 1
        if self._callbacks > MOST_CALLBACKS:
            raise Deadlock(f"the simulation goes on and on at {self._now:.3f} s")
        process = handle._context.get(PROCESS)
        if process is not None:
            if process.is_dead:
                self._held.append(handle)
                return
            if process.is_paused:
                process.held.append(handle)
                return
        handle._run()

    def _advance(self) -> None:
        """Let time pass until something is to be done."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Deadlock(f"nothing is left to do at {self._now:.3f} s")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:
                self._ready.append(handle)
