"""The heartbeat of an event loop: a timer by which another thread sees that the loop is late, busy or stuck."""

from __future__ import annotations

import asyncio
import time

from .callback_activity import CallbackActivity

# Seconds. A beat costs about 10 us, and the lag is known to within this time.
BEAT_INTERVAL = 0.25
# Seconds. Nothing in this project blocks the loop for even 0.1 s. Long enough for a machine under load, and short
# enough that a person still waits for the answer.
STUCK_AFTER = 3.0
# A loop that works through many callbacks is busy and not stuck, until one turn takes this many times as long.
BUSY_FACTOR = 10


class LoopHeartbeat:
    """A timer that the loop should reach every ``BEAT_INTERVAL`` seconds."""

    def __init__(self, activity: CallbackActivity, stuck_after: float) -> None:
        """Start the timer. On the loop's thread.

        Args:
            activity: Of the loop's thread.
            stuck_after: Seconds without a beat, in one callback, after which the loop counts as stuck.
        """
        self._loop = asyncio.get_running_loop()
        self._activity = activity
        self._stuck_after = stuck_after
        self._last_lag = 0.0
        self._set_due(time.monotonic())

    def _set_due(self, now: float) -> None:
        self._due = now + BEAT_INTERVAL
        self._loop.call_later(BEAT_INTERVAL, self._beat)

    def _beat(self) -> None:
        now = time.monotonic()
        self._last_lag = max(now - self._due, 0.0)
        self._set_due(now)

    def lag(self) -> float:
        """Return the seconds by which the latest beat was late, or by which the next one is. For any thread."""
        return max(self._last_lag, self.overdue())

    def overdue(self) -> float:
        """Return the seconds since the next beat was due; negative before. For any thread."""
        return time.monotonic() - self._due

    def is_stuck(self) -> bool:
        """Return whether the loop is stuck in one callback, or has been busy for far too long. For one thread."""
        now = time.monotonic()
        late = now - self._due
        unchanged = 0.0
        if late > 0:
            unchanged = self._activity.unchanged_for(now, self._due)
        else:
            self._activity.forget()
        return unchanged > self._stuck_after or late > BUSY_FACTOR * self._stuck_after
