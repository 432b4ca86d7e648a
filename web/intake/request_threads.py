"""The threads that serve requests: as many as are needed, up to a limit, as long as the system has any left."""

from __future__ import annotations

import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Where no further thread can be started, a request waits so long for one of those that are there. Replies that are no
# streams take milliseconds, so health checks pass; a client that waits longer is better off with a 503.
THREAD_WAIT = 0.5

# The private parts of the standard library's pool that are used here.
_USED = ("_adjust_thread_count", "_idle_semaphore", "_threads")
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


class RequestThreads(ThreadPoolExecutor):
    """A pool of threads that goes on with those it has where no further one can be started.

    `has_spare` is for any thread, all else for one thread: the server's main one.
    """

    def __init__(self, most: int) -> None:
        """Start none yet.

        Args:
            most: How many there may be.
        """
        super().__init__(max_workers=most)
        self._most = most
        self._waiting: deque[tuple[float, Future[Any]]] = deque()
        self._start_errors = threading.local()

    def submit_request(self, serve: Callable[..., Any], *args: Any) -> tuple[Future[Any], Exception | None]:
        """Have a request served.

        Returns:
            The future of its result; and why no thread could be started for it, or `None`. In that case it waits for
            `THREAD_WAIT` seconds for another request's thread, and is cancelled by `end_expired` if it gets none.
        """
        future, error = self._submit(serve, *args)
        if error is not None:
            self._waiting.append((time.monotonic() + (THREAD_WAIT if self._threads else 0.0), future))
        return future, error

    def has_spare(self) -> bool:
        """Say whether a thread is left for others while the caller's is held for long; starts one if need be.

        Where all threads that there may be are running, the limit of streams has left some of them to others.
        """
        if self._idle_semaphore._value > 0 or len(self._threads) >= self._most:
            return True
        future, error = self._submit(_do_nothing)
        if error is not None:
            future.cancel()
        return error is None

    def end_expired(self) -> None:
        """Cancel the requests that have waited too long for a thread."""
        now = time.monotonic()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].done()):
            self._waiting.popleft()[1].cancel()

    def time_left(self) -> float | None:
        """Return the seconds until `end_expired` is due, or `None` where none waits."""
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def _submit(self, call: Callable[..., Any], *args: Any) -> tuple[Future[Any], Exception | None]:
        self._start_errors.last = None
        return self.submit(call, *args), self._start_errors.last

    def _adjust_thread_count(self) -> None:
        # Private. By now the call is in the queue, where any thread may take it: an error must not pass for its not
        # being made.
        try:
            super()._adjust_thread_count()
        except (RuntimeError, MemoryError) as error:
            self._start_errors.last = error


def _do_nothing() -> None:
    """Have a thread started."""
