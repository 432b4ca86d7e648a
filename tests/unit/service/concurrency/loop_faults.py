"""What the tests of the loop and of the bridge do to a loop: let it work, block it, end its thread, wait on it."""

from __future__ import annotations

import asyncio
import threading

from sluice.service.concurrency.event_loop_thread import LoopThread

WITHIN = 5.0


def settle(loop: LoopThread) -> None:
    """Let the loop do all that it can do now."""

    async def turns() -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    loop.submit(turns()).result(WITHIN)


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
