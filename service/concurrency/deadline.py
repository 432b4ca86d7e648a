"""A time limit for the waits of one task, which may be moved with each token: one timer for a whole answer."""

from __future__ import annotations

import asyncio

# Seconds after which a limit that passed while the task did not wait is looked at again. So it may be this late.
RECHECK = 0.25


class Deadline:
    """Cancels a task's wait at a moment that can be moved by an assignment to `at`.

    ``asyncio.timeout_at`` makes, sets and cancels a timer for each wait, which was a tenth of a token's cost. Here
    the timer that is set already finds the limit moved, and is set again.

    For the task that makes it, which must close it. The limit ends no time in which the task does not wait.
    """

    def __init__(self, at: float) -> None:
        """Set the limit, in seconds of the loop's clock."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        #: Whether the task waits. The task sets it before each wait, and resets it after.
        self.waiting = False
        self._expired = False
        #: The limit, on the loop's clock. A later moment may be assigned; `sooner` sets an earlier one.
        self.at = at
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._fire)

    def sooner(self, at: float) -> None:
        """Move the limit to ``at``, in seconds of the loop's clock, if that is earlier."""
        self.at = min(self.at, at)
        if self.at < self._timer_at:
            self._set(self.at)

    def passed(self) -> bool:
        """Return whether this limit cancelled the wait; if so, take the cancellation back.

        Call it once, where ``CancelledError`` is caught. If it returns false, the error must be raised again.
        """
        # As in asyncio.timeout.
        return self._expired and self._task is not None and self._task.uncancel() <= self._cancelling

    def close(self) -> None:
        """Cancel the timer. Closing twice is harmless."""
        self._timer.cancel()
        # A cancelled task keeps its last traceback, whose frame holds this object: a cycle.
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
