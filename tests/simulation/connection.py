"""A client's connection to a simulated worker, and what the worker writes to it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context
from typing import TYPE_CHECKING

from sluice.service.events.events import Event
from sluice.service.stored_runs.subscription import StoredSubscription

from .ledger import is_end
from .virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from .worker import Worker

# Seconds that a frame needs to a client, and that a client's goodbye needs to the worker.
LATENCY = 0.02


class Connection:
    """What a client receives on one connection."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        #: Frames that have arrived: the number of the first event, and the events. None behind the last one.
        self.received: list[tuple[int, Sequence[Event]] | None] = []
        self.came = asyncio.Event()
        #: Whether nothing arrives any more.
        self.is_cut = False
        self.stream: Stream | None = None

    def send(self, frame: tuple[int, Sequence[Event]] | None) -> None:
        """Have a frame arrive. For the worker."""
        self._loop.call_later(LATENCY, self._arrive, frame, context=Context())

    def break_off(self, keeps_sent: bool) -> None:
        """End with the worker's process."""
        if keeps_sent:
            self.send(None)
        else:
            self._arrive(None)
            self.is_cut = True

    def leave(self, after: float = LATENCY) -> None:
        """End it on the client's side; the worker sees that so many seconds later."""
        self.is_cut = True
        stream = self.stream
        if stream is not None:
            context = stream.worker.process.context.copy()
            self._loop.call_later(after, stream.disconnect, context=context)

    def _arrive(self, frame: tuple[int, Sequence[Event]] | None) -> None:
        if not self.is_cut:
            self.received.append(frame)
            self.came.set()


class Stream:
    """Writes one run to one client (`LogReader`), as `SocketReader` does."""

    def __init__(self, subscription: StoredSubscription, connection: Connection, worker: Worker) -> None:
        self.subscription = subscription
        self.connection = connection
        self.worker = worker
        self.cursor = subscription.after
        self.is_waiting = False
        self.begun = worker.loop.time()
        self._is_done = False
        connection.stream = self

    def follow(self) -> None:
        """Begin to write. On the loop's thread."""
        if self._is_done:
            return
        if self.connection.is_cut:
            self.disconnect()
            return
        self.subscription.attach(self)
        if self._is_done:
            return
        first = self.cursor + 1
        if events := self.subscription.log.pull(self):
            self.take(first, events)
        self.is_waiting = not self._is_done
        if self.subscription.log.has_ended:
            self._finish()

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        if self._is_done:
            return
        self.cursor = self.subscription.log.last_number
        log = self.subscription.log
        if log.end_gap and is_end(events[-1]):
            # As the encoder of stored runs does.
            if events[:-1]:
                self.connection.send((first_number, events[:-1]))
            self.connection.send((log.last_number + log.end_gap, events[-1:]))
        else:
            self.connection.send((first_number, events))
        if self.subscription.log.has_ended:
            self._finish()

    def end(self) -> None:
        self._finish()

    def disconnect(self) -> None:
        """Take note that the client has left."""
        if not self._is_done:
            self.subscription.disconnect()
            self._finish()

    def _finish(self) -> None:
        if self._is_done:
            return
        self._is_done = True
        self.is_waiting = False
        log = self.subscription.log
        if log.has_ended and self.cursor == log.last_number:
            self.subscription.has_delivered_end = True
        log.detach(self)
        self.connection.send(None)
        self.worker.forget(self)
        # A thread of the server closes the body.
        self.worker.thread.call_soon(self.subscription.close)
