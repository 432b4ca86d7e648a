"""Work that a loop does in several turns, so that nobody else waits for it: a queue, worked on for a bounded time.

Whoever has much to do, adds a part of it, and adds the next part when that one is done: then all others who wait
have had theirs. Standard library only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

# Seconds of work in one turn. A token that comes meanwhile waits that long, half of a display's frame, and a beat of
# the loop is worth 25 of them. Shorter, and the loop's own cost for a turn (0.02 ms) begins to show.
TURN = 0.008


class TurnQueue:
    """Calls functions in order, for at most `TURN` seconds in each turn of a loop. On the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with nothing to do.

        Args:
            loop: The loop whose turns they are.
        """
        self._loop = loop
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_scheduled = False

    def add(self, part: Callable[[], object]) -> None:
        """Call this function in the next turn that has time for it.

        Args:
            part: A part of the work that takes a few milliseconds at most. What it raises goes to the loop's
                exception handler, and the others have their turn all the same.
        """
        self._waiting.append(part)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        until = monotonic() + TURN
        try:
            while self._waiting:
                self._waiting.popleft()()
                if monotonic() >= until:
                    return
        finally:
            self._is_scheduled = bool(self._waiting)
            if self._is_scheduled:
                self._loop.call_soon(self._work)
