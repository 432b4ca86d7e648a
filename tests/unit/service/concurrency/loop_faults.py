"""What the tests of the loop and of the bridge do to a loop: block it, end its thread, wait on it for ever."""

from __future__ import annotations

import asyncio
import threading

from sluice.service.concurrency.event_loop_thread import LoopThread

WITHIN = 5.0


class Blocker:
    """A callback that blocks the loop's thread until it is let go."""

    def __init__(self, loop: LoopThread) -> None:
        self._began = threading.Event()
        self._let_go = threading.Event()
        loop.call_soon(self)
        assert self._began.wait(WITHIN)

    def __call__(self) -> None:
        self._began.set()
        assert self._let_go.wait(2 * WITHIN)

    def let_go(self) -> None:
        self._let_go.set()


def exit_the_thread() -> None:
    raise SystemExit("a callback that leaves")


async def for_ever() -> None:
    await asyncio.Event().wait()
