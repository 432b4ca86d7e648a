"""Waits until a log has what its reader has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..events.events import Event
from ..runs.log import RunLog
from ..runs.stores.base import StoreUnavailable

# Seconds for the events that a reader has seen to arrive in the store: a lost producer is found by then.
CATCH_UP_TIMEOUT = 15.0


class _Waiter:
    """Waits for a log to reach a number (`LogReader`)."""

    def __init__(self, log: RunLog, number: int) -> None:
        self._log = log
        self._number = number
        self.reached = asyncio.Event()
        self.cursor = log.last_number
        self.is_waiting = True

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        self.cursor = self._log.last_number
        if self.cursor >= self._number or self._log.has_ended:
            self.reached.set()

    def end(self) -> None:
        self.reached.set()


async def wait_for_number(log: RunLog, number: int) -> None:
    """Wait until a log has a number, or has ended.

    Raises:
        StoreUnavailable: Neither happened in time.
    """
    if log.last_number >= number or log.has_ended:
        return
    waiter = _Waiter(log, number)
    log.attach(waiter)
    try:
        async with asyncio.timeout(CATCH_UP_TIMEOUT):
            await waiter.reached.wait()
    except TimeoutError:
        raise StoreUnavailable("the store is behind what the reader has seen") from None
    finally:
        log.detach(waiter)
