"""Reads a run's log in a test that is a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sluice.service.events.events import Event
from sluice.service.runs.log import RunLog


class CollectingReader:
    """Takes all events of a log where they are appended. On the loop's thread."""

    def __init__(self, log: RunLog, on_events: Callable[[Sequence[Event]], None] = lambda events: None) -> None:
        """Follow a log; `on_events` is called with each batch."""
        self.events: list[Event] = []
        self.cursor = 0
        self.is_waiting = False
        self.has_been_released = False
        self._log = log
        self._on_events = on_events
        self._came = asyncio.Event()
        log.attach(self)
        self.catch_up()

    def catch_up(self) -> None:
        """Take what the log has kept, and want the next events."""
        first = self.cursor + 1
        if events := self._log.pull(self):
            self._take(first, events)
        self.is_waiting = True

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        """Take the next events."""
        self.cursor += len(events)
        self._take(first_number, events)

    def _take(self, first_number: int, events: Sequence[Event]) -> None:
        assert first_number == len(self.events) + 1
        self.events += events
        self._on_events(events)
        self._came.set()

    def end(self) -> None:
        """Take note of the end."""
        self.has_been_released = True
        self._came.set()

    async def next(self) -> Event:
        """Wait for the next event, and return the last one that has come."""
        self._came.clear()
        await self._came.wait()
        return self.events[-1]


async def collect(source: Callable[[RunLog], Awaitable[None]]) -> list[Event]:
    """Run a source to its end, and return its events."""
    log = RunLog()
    reader = CollectingReader(log)
    await source(log)
    return reader.events
