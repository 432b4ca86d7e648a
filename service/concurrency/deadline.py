"""A time limit for the waits of one task that is moved often: one timer for a whole answer, not one for each wait."""

from __future__ import annotations

import asyncio

# A limit that passes while nobody waits is looked at again this much later, in seconds: its lateness, once somebody
# waits again, and a reason for four wake-ups a second at the most.
RECHECK = 0.25


class Deadline:
    """Ends a task's waits at a moment that may be moved for nothing.

    ``asyncio.timeout_at`` makes, sets and cancels a timer for each wait, which was a tenth of a token's cost. Here
    moving the limit later is an assignment to `at`: the timer that is set already finds it moved, and is set anew.

    Make it in the task that waits, use it there only, and close it. The time in which the task does not wait, because
    a slow reader holds it back, ends nothing.
    """

    def __init__(self, at: float) -> None:
        """Set the limit: a moment on the loop's clock, in seconds."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        #: Whether the task waits: to be set before each wait, and to be taken back after it.
        self.waiting = False
        self._expired = False
        #: The limit, on the loop's clock. May be assigned a later moment; for a sooner one there is `sooner`.
        self.at = at
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._fire)

    def sooner(self, at: float) -> None:
        """Move the limit to ``at``, on the loop's clock, if that is sooner."""
        self.at = min(self.at, at)
        if self.at < self._timer_at:
            self._set(self.at)

    def passed(self) -> bool:
        """Say whether the wait that was just cancelled was cancelled by this limit, and take the cancellation back.

        To be asked once, where ``CancelledError`` is caught. If not, the error is somebody else's, and is to be
        raised.
        """
        # As in asyncio.timeout.
        return self._expired and self._task is not None and self._task.uncancel() <= self._cancelling

    def close(self) -> None:
        """Take the timer back. Closing twice is harmless."""
        self._timer.cancel()
        # A cancelled task keeps its last traceback, whose frame holds this: a circle for the collector.
        self._task = None

    def _set(self, at: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_at(at, self._fire)
        self._timer_at = at

    def _fire(self) -> None:
        now = self._loop.time()
        if now < self.at:
            self._set(self.at)
        elif not self.waiting:
            self._set(now + RECHECK)
        elif self._task is not None:
            self._expired = True
            self._task.cancel()
