"""A queue of work on a loop, done for a bounded time in each turn. Standard library only.

A caller with much to do adds one part, and the next one when that is done. So the parts of all callers alternate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

# Seconds of work in one turn: half of a display's frame, which a token that comes meanwhile waits. A turn of the loop
# itself costs 0.02 ms, which a much shorter time would show.
TURN = 0.008


class TurnQueue:
    """Calls functions in order, for about `TURN` seconds in each turn of a loop. For the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start with an empty queue.

        Args:
            loop: The loop that calls the functions.
        """
        self._loop = loop
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_scheduled = False

    def add(self, part: Callable[[], object]) -> None:
        """Call a function in the next turn that has time for it.

        Args:
            part: A part of the work that takes a few milliseconds at most. An error that it raises goes to the loop's
                exception handler; the other functions are called all the same.
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
