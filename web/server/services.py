"""The services of the application that a worker of gunicorn serves: started, drained and closed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from ...service import LoopState, Settings
    from ..extension import Sluice

# Seconds between the end of a drain and that of gunicorn's `graceful_timeout`: to send terminal frames, and to close.
CLOSING_TIME = 5.0


class Services:
    """All services of one process. Usually one; none where the application does not use Sluice.

    Made by a worker that has loaded its application, so that the master need not import Flask.
    """

    def __init__(self, sluices: Sequence[Sluice]) -> None:
        """Take what holds the services."""
        self._sluices = sluices

    @classmethod
    def of(cls, application: Any) -> Self:
        """Find an application's own; where it is wrapped in middleware, those that this process has made."""
        from ..extension import Sluice

        return cls(Sluice.found_in(application))

    def __bool__(self) -> bool:
        return bool(self._sluices)

    @property
    def places(self) -> int:
        """How many answers they may stream at once."""
        return sum(sluice.service.limiter.limit for sluice in self._sluices)

    @property
    def taken(self) -> int:
        """How many they stream."""
        return sum(sluice.service.limiter.in_use for sluice in self._sluices)

    @property
    def settings(self) -> Settings:
        """The settings that the worker itself follows: the first one's, or the defaults where there is none."""
        from ...service import Settings

        return self._sluices[0].service.settings if self._sluices else Settings()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be logged."""
        return tuple(sluice.service.settings.provider.api_key for sluice in self._sluices)

    def set_spare_thread_check(self, has_spare: Callable[[], bool]) -> None:
        """Have them ask this, on any thread, whether the worker has a thread for another request."""
        for sluice in self._sluices:
            sluice.has_spare_thread = has_spare

    def start(self, on_failure: Callable[[LoopState], None] | None = None) -> None:
        """Start them, after the fork.

        Args:
            on_failure: Called when a loop is dead or stuck, on the loop's or its watchdog's thread.

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
        """Be unready, and end open chats with a terminal event in time before gunicorn kills the worker.

        Args:
            graceful_timeout: Seconds from now until gunicorn kills it.
        """
        most = max(graceful_timeout - CLOSING_TIME, graceful_timeout / 2)
        for sluice in self._sluices:
            sluice.service.begin_drain(min(sluice.service.settings.limits.drain_timeout, most))

    def write_metrics(self) -> None:
        """Bring the files up to date in which the workers' metrics meet. Every second or so."""
        for sluice in self._sluices:
            sluice.service.metrics.write()

    def count_refused(self, code: str) -> None:
        """Count a request that was refused before the application had it, for the first one."""
        for sluice in self._sluices[:1]:
            sluice.service.metrics.refused(code)

    def close(self) -> bool:
        """End open chats with a terminal event, and all else. Returns whether it ended in time."""
        ended = [sluice.close() for sluice in self._sluices]
        return all(ended)
