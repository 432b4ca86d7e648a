"""Tells whether an event loop's thread is still in the same callback, seen from another thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

# Seconds. A thread with less processor time than this between two looks has waited.
CPU_NOISE = 0.001


def _stack(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and all that have called it, the outermost first."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


class CallbackActivity:
    """Tells from another thread whether a loop's thread is still in the same callback.

    No callback runs twice between two beats. So the same frame at two looks is one call, and another frame is another
    callback.
    """

    def __init__(self) -> None:
        """Take the current thread as the loop's. For a callback, or the first step of a task."""
        self._ident = threading.get_ident()
        # Without this function's frame and its caller's.
        self._depth = len(_stack(sys._getframe())) - 2
        get_clock: Callable[[int], int] | None = getattr(time, "pthread_getcpuclockid", None)
        # None on macOS, where a thread in no Python callback counts as one that waits.
        self._clock = None if get_clock is None else get_clock(self._ident)
        self._callback: FrameType | None = None
        self._cpu = 0.0
        self._has_looked = False

    def is_unchanged(self) -> bool:
        """Return whether the thread is in the same callback as at the last call, or has waited in none since then.

        False at the first call, and at the first after `forget`: one look does not show for how long the thread has
        been in its callback. For one other thread, while the loop's thread lives.
        """
        stack = _stack(sys._current_frames().get(self._ident))
        callback = stack[self._depth] if len(stack) > self._depth else None
        # uvloop releases the interpreter's lock between callbacks, so a busy loop is mostly seen there. And a
        # callback written in C, such as `time.sleep`, has no frame.
        cpu = self._cpu_seconds()
        has_worked = cpu - self._cpu > CPU_NOISE
        is_same = self._has_looked and callback is self._callback and (callback is not None or not has_worked)
        self._callback, self._cpu, self._has_looked = callback, cpu, True
        return is_same

    def _cpu_seconds(self) -> float:
        try:
            return 0.0 if self._clock is None else time.clock_gettime(self._clock)
        except OSError:
            # The thread has just ended, and will be reported as dead.
            return self._cpu

    def forget(self) -> None:
        """Drop the callback's frame, which holds all its variables."""
        self._callback = None
        self._has_looked = False
