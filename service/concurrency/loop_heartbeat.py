"""The heartbeat of an event loop: a timer by which another thread sees that the loop is late, busy or stuck."""

from __future__ import annotations

import asyncio
import logging
import time

from .callback_activity import CallbackActivity

logger = logging.getLogger("sluice.loop")

# Seconds. A beat costs about 10 us, and the lag is known to within this time.
BEAT_INTERVAL = 0.25
# Seconds. Nothing in this project blocks the loop for even 0.1 s. Long enough for a machine under load, and short
# enough that a person still waits for the answer.
STUCK_AFTER = 3.0
# A loop counts as stuck only after this many looks in a row that found it in the callback of the look before.
LOOKS = 4
# Seconds in one callback from which the log says so.
BLOCKED_AFTER = 1.0
# A loop that works through many callbacks is busy and not stuck, until one turn takes this many times as long.
BUSY_FACTOR = 10


class LoopHeartbeat:
    """A timer that the loop should reach every ``interval`` seconds."""

    def __init__(self, activity: CallbackActivity, stuck_after: float) -> None:
        """Start the timer. On the loop's thread.

        Args:
            activity: Of the loop's thread.
            stuck_after: Seconds for which a late loop must be seen in one callback, so that it counts as stuck.
        """
        self._loop = asyncio.get_running_loop()
        self._activity = activity
        self._stuck_after = stuck_after
        #: Seconds between two beats, and between two calls of ``is_stuck``.
        self.interval = min(BEAT_INTERVAL, stuck_after / LOOKS)
        self._last_lag = 0.0
        # Of the other thread: the beat that it has last seen due, its looks since then, and those of them in a row at
        # which the loop was in the callback of the look before.
        self._seen_due = 0.0
        self._late_looks = self._same_looks = 0
        self._set_due(time.monotonic())

    def _set_due(self, now: float) -> None:
        self._due = now + self.interval
        self._loop.call_later(self.interval, self._beat)

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
        """Return whether the loop is stuck in one callback, or has been busy for far too long.

        For one thread, which calls this every ``interval`` seconds. Each call counts as one interval, however
        late it comes: what has delayed this thread has probably delayed the loop as well (a loaded machine, SIGSTOP,
        a suspended machine).
        """
        due = self._due
        if due != self._seen_due:
            blocked = self._same_looks * self.interval
            self._seen_due = due
            self._late_looks = self._same_looks = 0
            self._activity.forget()
            if blocked >= BLOCKED_AFTER:
                logger.warning(
                    "the event loop was blocked for %.1f s by one callback, such as a before_model function or a "
                    "tool that does not await; all answers waited",
                    blocked,
                )
        if time.monotonic() > due:
            self._late_looks += 1
            self._same_looks = self._same_looks + 1 if self._activity.is_unchanged() else 0
        return (
            self._same_looks * self.interval >= self._stuck_after
            or self._late_looks * self.interval > BUSY_FACTOR * self._stuck_after
        )
