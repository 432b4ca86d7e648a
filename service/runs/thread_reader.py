"""Hands a run's events to one thread, under any WSGI server: loop -> janus queue -> thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context

import janus

from ..concurrency.event_loop_thread import LoopThread
from ..events.events import Batch, Event
from .log import CAPACITY, RunLog


class ThreadReader:
    """Follows a log for one thread, which calls `read` and `close`.

    Events go into the queue where they are appended. Where the queue is full, a task of the reader's waits for room;
    then the reader is behind, and a full log holds the producer back.
    """

    def __init__(self, loop: LoopThread, log: RunLog, after: int = 0) -> None:
        """Follow a log.

        Args:
            loop: The loop thread that the log belongs to.
            log: The log.
            after: The number of the event behind which to begin.

        Raises:
            LoopUnavailable: The loop does not run.
            WrongThread: Called on the loop's own thread.
        """
        self._log = log
        # janus 2 needs no running loop here.
        queue: janus.Queue[tuple[int, Sequence[Event]]] = janus.Queue(CAPACITY)
        self._queue = queue
        # The queue and its two ends hold each other: the cycle collector frees them (docs/decisions/0060).
        self._taking, self._putting = queue.sync_q, queue.async_q
        self._woken: asyncio.Future[None] | None = None
        #: Of the loop's side (`LogReader`).
        self.cursor = after
        self.is_waiting = False
        #: The number of the last event that the thread has read.
        self.last_number = after
        # Not in a copy of the caller's context, which would keep its web request.
        self._future = Context().run(loop.submit, self._follow())
        # The future ends in every case, also with the loop's death: so the thread never waits for ever. The callback
        # holds the queue and not this object, which holds the future: no cycle.
        self._future.add_done_callback(lambda _: queue.shutdown())

    # ------------------------------------------------------------------ the thread's side

    def read(self, timeout: float) -> Batch | None:
        """Wait for events, and return all that wait together.

        Args:
            timeout: Seconds to wait.

        Returns:
            The number of the first event and the events; no events where none came within the time; `None` where no
            further events come: after the terminal event, after the log was closed, or as `failure` says.
        """
        try:
            first, taken = self._taking.get(timeout=timeout)
        except janus.SyncQueueEmpty:
            return self.last_number + 1, ()
        except janus.SyncQueueShutDown:
            return None
        events = list(taken)
        # Bounded: a source that is faster than its reader would keep this loop busy without end. Where the queue is
        # shut down in here, the next call meets the end.
        with suppress(janus.SyncQueueEmpty, janus.SyncQueueShutDown):
            for _ in range(CAPACITY - 1):
                events += self._taking.get_nowait()[1]
        self.last_number += len(events)
        return first, events

    def failure(self) -> BaseException | None:
        """Return why the loop ended before the log did. After `read` has returned `None`, when this does not wait."""
        return self._future.exception()

    def close(self) -> None:
        """Drop what waits, and follow the log no more. Does not wait; any thread may call it."""
        self._queue.close()

    # ------------------------------------------------------------------ the loop's side

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        """Put events into the queue; where it is full, have the task do it (`LogReader`)."""
        try:
            self._putting.put_nowait((first_number, events))
            self.cursor += len(events)
            if not self._log.has_ended:
                return
        except (janus.AsyncQueueFull, janus.AsyncQueueShutDown):
            self.is_waiting = False
        self._wake()

    def end(self) -> None:
        """Release the thread (`LogReader`)."""
        self._queue.close()
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _follow(self) -> None:
        """Put what the queue had no room for. Ends with the log, or where the thread has closed the reader."""
        log = self._log
        log.attach(self)
        try:
            while not log.has_ended or self.cursor < log.last_number:
                first = self.cursor + 1
                if events := log.pull(self):
                    await self._putting.put((first, events))
                    continue
                self._woken = asyncio.get_running_loop().create_future()
                self.is_waiting = True
                await self._woken
        except janus.AsyncQueueShutDown:
            return
        finally:
            self.is_waiting = False
            log.detach(self)
