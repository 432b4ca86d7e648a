"""How much of a processor this process uses. Standard library only."""

from __future__ import annotations

from time import monotonic, process_time

# Seconds of one look.
INTERVAL = 0.05
# Shares of one processor. The lower limit is far below the other one, as what is done in a busy process makes it use
# less.
BUSY = 0.6
QUIET = 0.2


class ProcessorUse:
    """Says whether the process is busy. Python runs one of its threads at a time, so one processor is all it can use.

    For one thread.
    """

    def __init__(self) -> None:
        """Begin a look."""
        self._at, self._used = monotonic(), process_time()
        self._is_busy = False

    def is_busy(self) -> bool:
        """Return whether it was busy lately: from more than `BUSY` until less than `QUIET`."""
        now = monotonic()
        if now - self._at >= INTERVAL:
            used = process_time()
            share = (used - self._used) / (now - self._at)
            self._at, self._used = now, used
            self._is_busy = share > (QUIET if self._is_busy else BUSY)
        return self._is_busy
