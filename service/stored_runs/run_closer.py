"""Ends the stored runs of one process, on threads: the application's functions are called there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait

from ..observability.store_metrics import StoreMetrics
from .stored_run import StoredRun, describe_end
from .subscription import StoredSubscription


class RunCloser:
    """Ends runs whose log has ended. For the loop's thread, except `wait`."""

    def __init__(self, make_executor: Callable[[], Executor], metrics: StoreMetrics) -> None:
        """Take what makes the threads, and start none.

        Args:
            make_executor: Called for the first run that needs a thread.
            metrics: Counts the ends.
        """
        #: Runs that a thread ends.
        self.pending: set[Future[None]] = set()
        self._make_executor = make_executor
        self._executor: Executor | None = None
        self._metrics = metrics

    def close(self, stored: StoredRun, first: StoredSubscription | None) -> None:
        """End a run, once: its first place does it where that is still read, or else a thread.

        Args:
            stored: The run.
            first: The place of the request that has begun it, where that has one.
        """
        if stored.is_closing:
            return
        stored.is_closing = True
        if stored.log.end is not None:
            state, reason = describe_end(stored.log.end)
            self._metrics.ended(str(state), reason)
        # It was handed to the store, for all other readers.
        stored.run.has_delivered_end = True
        if first is not None and first.take_over_run():
            return
        if self._executor is None:
            self._executor = self._make_executor()
        ending = self._executor.submit(stored.run.close)
        self.pending.add(ending)
        ending.add_done_callback(self.pending.discard)

    def shut_down(self) -> None:
        """Let the threads go when they have ended what they were given. Do not call `close` afterwards."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def wait(self, timeout: float) -> None:
        """Wait for the threads that end runs, at most so many seconds. Any thread but the loop's may call this."""
        wait(list(self.pending), timeout)
