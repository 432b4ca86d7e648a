"""The threads that serve requests: started as needed, up to a limit, as long as the system allows it."""

from __future__ import annotations

import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty
from typing import Any

# Seconds that a request waits for a running thread where no further one can be started. Replies that are no streams
# take milliseconds, so health checks are answered. Other requests are refused with 503 afterwards.
THREAD_WAIT = 0.5

# The private parts of the standard library's pool that are used here.
_USED = ("_adjust_thread_count", "_idle_semaphore", "_max_workers", "_threads", "_work_queue")
_missing = [
    name
    for name in _USED
    if not hasattr(ThreadPoolExecutor, name) and name not in ThreadPoolExecutor.__init__.__code__.co_names
]
if _missing:
    raise ImportError(
        f"the ThreadPoolExecutor of Python {platform.python_version()} has no {' and no '.join(_missing)}, which is "
        "needed; use an older Python, or gunicorn's own worker (-k gthread)"
    )


class _Calls:
    """The calls that wait for a thread. Each wakes one thread: that which became idle last, whose caches are warm.

    In Python 3.11 each call that a thread takes from a `SimpleQueue` wakes the next idle thread, too, for nothing.
    Methods have the names of the standard library's queues. `put` may interrupt any of them on its own thread, as in
    a callback of the garbage collector; so nothing is allocated while the lock is held.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._calls: deque[Any] = deque()
        self._idle: list[threading.Lock] = []

    def put(self, call: Any) -> None:
        """Add a call, and wake a thread for it. Does not wait."""
        with self._lock:
            self._calls.append(call)
            woken = self._idle.pop() if self._idle else None
        if woken is not None:
            woken.release()

    def get(self, block: bool = True) -> Any:
        """Take the oldest call; wait for one, if `block`."""
        while True:
            mine = threading.Lock()
            mine.acquire()
            with self._lock:
                if self._calls:
                    return self._calls.popleft()
                if block:
                    self._idle.append(mine)
            if not block:
                raise Empty
            mine.acquire()

    def get_nowait(self) -> Any:
        """Take the oldest call."""
        return self.get(block=False)


class _NoneIdle:
    """In place of the semaphore by which the pool counts idle threads.

    It counts a thread as idle for each call that had to wait for one, so that after a burst it starts no further
    threads. `RequestThreads` counts calls.
    """

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Return that no thread is idle."""
        return False

    def release(self) -> None:
        """Do nothing."""


class RequestThreads(ThreadPoolExecutor):
    """A pool of threads that continues with its running threads where no further one can be started.

    A few threads serve short requests. Each request that holds its thread for long adds one, up to a limit.

    `has_spare`, `hold` and `release` are for any thread, all other methods are for the server's main thread.
    """

    def __init__(self, limit: int) -> None:
        """Start no thread yet.

        Args:
            limit: The most threads.
        """
        super().__init__(max_workers=limit)
        self._work_queue: Any = _Calls()
        self._idle_semaphore: Any = _NoneIdle()
        self._limit = limit
        self._count_lock = threading.Lock()
        #: Calls that were submitted and have not ended.
        self._unfinished = 0
        self._waiting: deque[tuple[float, Future[Any]]] = deque()
        self._start_errors = threading.local()

    def submit_request(self, serve: Callable[..., Any], *args: Any) -> tuple[Future[Any], Exception | None]:
        """Call a function on a thread.

        Returns:
            The future of its result; and the error where no thread could be started. Then the call waits
            `THREAD_WAIT` seconds for a running thread. `end_expired` then cancels it.
        """
        future, error = self._submit(serve, *args)
        if error is not None:
            self._waiting.append((time.monotonic() + (THREAD_WAIT if self._threads else 0.0), future))
        return future, error

    def keep_reserve(self, threads: int) -> None:
        """Serve short requests with so many threads; the others up to the limit may be held.

        Args:
            threads: With half of the limit, if the limit is not more.
        """
        self._max_workers = threads if threads < self._limit else max(1, self._limit // 2)

    def hold(self) -> bool:
        """Take note that the caller's thread is busy for long, so that another one may serve short requests.

        Returns:
            Whether it may be. If not, as many are held as may be, or no further thread can be started.
        """
        with self._count_lock:
            if self._max_workers >= self._limit > 1:
                return False
            self._max_workers += 1
        if self.has_spare(holds=False):
            return True
        self.release()
        return False

    def release(self) -> None:
        """Take note that a thread is free that was held. One too many stays idle."""
        with self._count_lock:
            self._max_workers -= 1

    def has_spare(self, *, holds: bool) -> bool:
        """Return whether a thread is left for other requests while the caller's is busy; start one if needed.

        Where all threads that may run are running, those that are not held serve short requests only.

        Args:
            holds: Whether the caller's thread will be held.
        """
        if holds and self._max_workers >= self._limit > 1:
            return False
        if self._unfinished < len(self._threads) or len(self._threads) >= self._max_workers:
            return True
        future, error = self._submit(_do_nothing)
        if error is not None:
            future.cancel()
        return error is None

    def end_expired(self) -> None:
        """Cancel the requests that have waited for a thread for longer than `THREAD_WAIT`."""
        now = time.monotonic()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].done()):
            self._waiting.popleft()[1].cancel()

    def time_left(self) -> float | None:
        """Return the seconds until `end_expired` is due; None where no request waits."""
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def submit(self, call: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Call a function on a thread, as the standard library's pool. For any thread."""
        with self._count_lock:
            self._unfinished += 1
        try:
            future = super().submit(call, *args, **named)
        except BaseException:
            self._count_ended()
            raise
        future.add_done_callback(self._count_ended)
        return future

    def _count_ended(self, future: object = None) -> None:
        with self._count_lock:
            self._unfinished -= 1

    def _submit(self, call: Callable[..., Any], *args: Any) -> tuple[Future[Any], Exception | None]:
        self._start_errors.last = None
        return self.submit(call, *args), self._start_errors.last

    def _adjust_thread_count(self) -> None:
        # `submit` calls it after it has put the call into the queue, where any thread may take it. So the caller of
        # `submit` must not get an error.
        if self._unfinished <= len(self._threads):
            return
        try:
            super()._adjust_thread_count()
        except (RuntimeError, MemoryError) as error:
            self._start_errors.last = error


def _do_nothing() -> None:
    """Let the pool start a thread."""
