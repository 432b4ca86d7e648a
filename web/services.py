"""The services of the application that a worker serves: started, drained and closed together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from ..service.settings.records.limits import CLOSING_TIME

if TYPE_CHECKING:
    from ..service import LoopState, Settings
    from .extension_state import ExtensionState, ThreadBudget


# Seconds between two updates. What an answer changes is written with its begin and its end; these updates write what
# could not be written then.
METRICS_INTERVAL = 0.2
# Seconds between two looks at whether all answers have ended.
_POLL_INTERVAL = 0.05


class Services:
    """All services of one process: usually one; none where the application does not use Sluice.

    Made in a worker that has loaded its application, so that the master need not import Flask.
    """

    def __init__(self, sluices: Sequence[ExtensionState]) -> None:
        """Take the extensions of the applications."""
        self._sluices = sluices
        # Asked in each round of the worker's main loop.
        self._limiters = [sluice.service.limiter for sluice in sluices]
        self._metrics_at = 0.0  # on the monotonic clock
        self._drained_at = 0.0  # the same: when all open answers are stopped

    @classmethod
    def of(cls, application: Any) -> Self:
        """Return the services of an application; for a middleware, all that this process has made."""
        from .extension_state import ExtensionState

        return cls(ExtensionState.found_in(application))

    def __bool__(self) -> bool:
        return bool(self._sluices)

    @property
    def max_streams(self) -> int:
        """The most streams that may be open."""
        return sum(limiter.limit for limiter in self._limiters)

    @property
    def open_streams(self) -> int:
        """The number of open streams."""
        limiters = self._limiters
        return limiters[0].in_use if len(limiters) == 1 else sum(limiter.in_use for limiter in limiters)

    @property
    def are_full(self) -> bool:
        """Whether all slots are in use, so that a further chat would be refused."""
        for limiter in self._limiters:
            if limiter.in_use < limiter.limit:
                return False
        return bool(self._limiters)

    @property
    def settings(self) -> Settings:
        """The settings for the worker itself: those of the first service, or the defaults."""
        from ..service import Settings

        return self._sluices[0].service.settings if self._sluices else Settings()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must never be logged."""
        return tuple(secret for sluice in self._sluices for secret in sluice.service.settings.provider.secrets)

    def use_threads(self, threads: ThreadBudget) -> None:
        """Tell the applications which threads serve them."""
        for sluice in self._sluices:
            sluice.thread_budget = threads

    def limit_streams(self, most: int) -> None:
        """Lower the most streams that may be open, under a server that holds a thread for each."""
        for sluice in self._sluices:
            sluice.service.limiter.limit = min(sluice.service.limiter.limit, most)

    def set_write_limit(self, seconds: float) -> None:
        """Tell the applications that the worker limits each write of a reply to so many seconds.

        Not where one of them has another limit: it would stay set for the others' replies on the same connection.
        """
        if all(sluice.service.settings.limits.write_timeout == seconds for sluice in self._sluices):
            for sluice in self._sluices:
                sluice.write_limit = seconds

    def describe_worker(self, name: str, threads: int) -> None:
        """Tell the applications which kind of worker serves them.

        Args:
            name: Its class.
            threads: How many requests it handles at once.
        """
        for sluice in self._sluices:
            sluice.worker, sluice.threads = name, threads

    def start(self, on_failure: Callable[[LoopState], None] | None = None) -> None:
        """Start them, after the fork.

        Args:
            on_failure: Called when a loop is dead or stuck, on the thread of the loop or of its watchdog.

        Raises:
            LoopUnavailable: A loop does not run.
            ThreadsReplaced: The process is patched by gevent or eventlet.
        """
        for sluice in self._sluices:
            if on_failure is not None:
                sluice.service.loop.on_failure = on_failure
            sluice.service.start()
            sluice.disconnects.attach()
            sluice.log_warnings()

    def begin_drain(self, graceful_timeout: float) -> None:
        """Report as not ready, and end open streams with a terminal frame before gunicorn kills the worker.

        Args:
            graceful_timeout: Seconds until gunicorn kills it.
        """
        most = max(graceful_timeout - CLOSING_TIME, graceful_timeout / 2)
        self._drained_at = time.monotonic() + most
        for sluice in self._sluices:
            sluice.service.begin_drain(min(sluice.service.settings.limits.drain_timeout, most))

    def wait_for_runs(self, notify: Callable[[], None]) -> None:
        """Wait for the end of answers that no connection holds, until the drain's time is over. During the drain.

        Args:
            notify: Called again and again, so that the master sees that the process is alive.
        """
        while self.open_streams and time.monotonic() < self._drained_at:
            notify()
            time.sleep(_POLL_INTERVAL)

    def write_metrics(self) -> None:
        """Update the files through which workers share their metrics, once in `METRICS_INTERVAL`."""
        now = time.monotonic()
        if now >= self._metrics_at:
            self._metrics_at = now + METRICS_INTERVAL
            for sluice in self._sluices:
                sluice.service.metrics.write()

    def count_refused(self, code: str) -> None:
        """Count a request, in the first service, that was refused before the application received it."""
        for sluice in self._sluices[:1]:
            sluice.service.metrics.refused(code)

    def close(self) -> bool:
        """End open streams with a terminal frame, and close the services; return whether all ended in time."""
        ended = [sluice.close() for sluice in self._sluices]
        return all(ended)
