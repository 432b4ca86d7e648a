"""One run's events, numbered 1, 2, 3 and so on: one coroutine appends, readers follow by number."""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Protocol

from ..events.events import Event, Failed, Finished

# Events that wait for the slowest reader. Then the producer waits: a reader that is briefly late does not stop it,
# and one that has stopped does so after about a second of a fast model.
CAPACITY = 64
# Events that a reader gets at once of a log that keeps all: encoding them takes about a millisecond of the loop.
PULLED = 1000
# Seconds after the provider's 200 in which a failure can still become an HTTP status. A longer wait would delay the
# headers of every stream.
FIRST_TOKEN_GRACE = 0.02


class LogReader(Protocol):
    """What follows a log. The log calls it on the loop's thread; it must not block or raise."""

    #: The number of the last event that it has taken. Only the reader changes it.
    cursor: int
    #: Whether it has taken all events and wants the next ones by `take`. Else it gets them by `RunLog.pull`.
    is_waiting: bool

    def take(self, first_number: int, events: Sequence[Event]) -> None:
        """Take the next events, or set `is_waiting` to false and pull them later."""

    def end(self) -> None:
        """Take note that the log was closed, and that no event follows."""


class EventSink(Protocol):
    """What a producer appends events to. For the loop's thread only. `RunLog` says what each does."""

    @property
    def last_number(self) -> int:
        """How many events were appended."""

    @property
    def has_ended(self) -> bool:
        """Whether no further event can come."""

    @property
    def is_full(self) -> bool:
        """Whether the producer should wait (`wait_room`) before it appends more."""

    def accept(self) -> None:
        """Take note that the provider took the request and begins to answer."""

    def append(self, events: Sequence[Event]) -> None:
        """Number events, and hand them on. Ignored after the end."""

    async def wait_room(self) -> None:
        """Wait while it is full."""


class RunLog:
    """The events of one run. For the loop's thread only.

    `Finished` or `Failed` is the last event. Nothing is appended after it, or after `close`. The log keeps what an
    attached reader has not taken, and all events where there is none, or where it should keep all.
    """

    def __init__(
        self,
        record: Callable[[Sequence[Event]], Sequence[Event]] = lambda events: events,
        on_begin: Callable[[], None] = lambda: None,
        *,
        keeps_all: bool = False,
    ) -> None:
        """Begin an empty log.

        Args:
            record: Called with the events that are appended; returns those that readers get.
            on_begin: Called once, with the first event, or a moment (`FIRST_TOKEN_GRACE`) after `accept`.
            keeps_all: Whether to keep all events for readers that attach later. No reader then holds the producer
                back: who appends has to bound the log.
        """
        self._keeps_all = keeps_all
        self._record = record
        self._on_begin: Callable[[], None] | None = on_begin
        self._is_accepted = False
        self._readers: list[LogReader] = []
        #: The events that a reader has not taken, or all of them where there is no reader.
        self._kept: list[Event] = []
        #: What comes before these: the number of the last event of each batch, and the batch in bytes.
        self._packed: list[tuple[int, bytes]] = []
        self._unpack: Callable[[bytes], list[Event]] = lambda payload: []
        self._producer: asyncio.Future[None] | None = None
        #: Who is called back, and at which event's number.
        self._callback: Callable[[], None] | None = None
        self._called_at = 0
        #: The number of the last event; 0 where there is none.
        self.last_number = 0
        #: What readers add to the number of the last event, the end: more than 0 where events before it may have been
        #: shown that this log never got.
        self.end_gap = 0
        #: Whether no further event can come.
        self.has_ended = False
        #: Whether the last event was also kept or taken. Any thread may then read a log that has no reader.
        self.is_settled = False
        #: Whether the producer should wait (`wait_room`) before it appends more.
        self.is_full = False

    # ------------------------------------------------------------------ the producer's side

    def accept(self) -> None:
        """Take note that the provider took the request and begins to answer."""
        if not self._is_accepted:
            self._is_accepted = True
            asyncio.get_running_loop().call_later(FIRST_TOKEN_GRACE, self._begin)

    def append(self, events: Sequence[Event]) -> None:
        """Number events, and hand them to the readers. Ignored after the end.

        Args:
            events: At least one. An end is the last of them.
        """
        if self.has_ended:
            return
        events = self._record(events)
        first = self.last_number + 1
        last = self.last_number = self.last_number + len(events)
        kind = type(events[-1])
        if kind is Finished or kind is Failed:
            self.has_ended = True
        is_late = self._keeps_all or not self._readers
        for reader in self._readers:
            if reader.is_waiting:
                reader.take(first, events)
            if reader.cursor != last:
                is_late = True
        if is_late:
            self._kept.extend(events)
            self.is_full = len(self._kept) >= CAPACITY and not self._keeps_all
        self.is_settled = self.has_ended
        if self._on_begin is not None:
            self._begin()
        if self._callback is not None and (last >= self._called_at or self.has_ended):
            self._call_back(self._callback)

    async def wait_room(self) -> None:
        """Wait while the log is full. For the producer; returns at the end of the log, too."""
        while self.is_full and not self.has_ended:
            self._producer = asyncio.get_running_loop().create_future()
            try:
                await self._producer
            finally:
                self._producer = None

    def close(self) -> None:
        """End the log where it is, and release its readers: the client has disconnected. May be called twice."""
        self.has_ended = True
        self._begin()
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.end()
        if self._callback is not None:
            self._call_back(self._callback)

    # ------------------------------------------------------------------ the readers' side

    @property
    def end(self) -> Finished | Failed | None:
        """The terminal event, where it is kept; None where there is none yet, or the log was only closed."""
        last = self._kept[-1] if self.has_ended and self._kept else None
        return last if isinstance(last, Finished | Failed) else None

    def call_at(self, number: int, callback: Callable[[], None]) -> None:
        """Call once, when the log has the event with a number or no event can follow. In place of an earlier call.

        For one who need not have each event at once: all events before that one cost it nothing.
        """
        self._called_at = number
        self._callback = callback

    def attach(self, reader: LogReader) -> None:
        """Add a reader, which then pulls what has come. No further events are dropped before it took them.

        Raises:
            ValueError: Events behind its cursor were dropped, because other readers had taken them.
        """
        self._check_kept(reader.cursor)
        self._readers.append(reader)

    def detach(self, reader: LogReader) -> None:
        """Remove a reader. Ignored where it is not attached."""
        # A new list: `append` may be iterating the other one.
        self._readers = [each for each in self._readers if each is not reader]
        self._drop_taken()

    def read(self, after: int, most: int = sys.maxsize) -> list[Event]:
        """Return the events behind a number, so many at most.

        Raises:
            ValueError: Some of them were dropped, because all readers had taken them.
        """
        self._check_kept(after)
        first = after - (self.last_number - len(self._kept))
        return self._kept[first : first + most] if first >= 0 else self._read_packed(after, most)

    def pack(self, first: int, last: int, payload: bytes, unpack: Callable[[bytes], list[Event]]) -> None:
        """Keep a batch of a log that keeps all as bytes: 22 a token in batches of twelve, where events take 97.

        Ignored after the end, when other threads may read, and where events before it are not packed.

        Args:
            first: The number of the batch's first event. It may have been packed before.
            last: The number of its last event.
            payload: The batch.
            unpack: Makes its events of it; the same function for all batches.
        """
        packed = self.last_number - len(self._kept)
        if first - 1 <= packed < last and not self.has_ended:
            self._unpack = unpack
            self._packed.append((last, payload))
            del self._kept[: last - packed]

    def pull(self, reader: LogReader) -> list[Event]:
        """Return events behind a reader's cursor, and move the cursor to the last of them. There may be more."""
        events = self.read(reader.cursor, PULLED)
        reader.cursor += len(events)
        self._drop_taken()
        return events

    # ------------------------------------------------------------------ inside

    def _begin(self) -> None:
        callback, self._on_begin = self._on_begin, None
        if callback is not None:
            callback()

    def _call_back(self, callback: Callable[[], None]) -> None:
        self._callback = None
        callback()

    def _read_packed(self, after: int, most: int) -> list[Event]:
        events: list[Event] = []
        for index in range(bisect_right(self._packed, after, key=itemgetter(0)), len(self._packed)):
            if len(events) >= most:
                break
            last, payload = self._packed[index]
            events += self._unpack(payload)[after + len(events) - last :]
        # Those that are not packed follow only where all that are were read.
        return (events + self._kept[:most])[:most]

    def _check_kept(self, after: int) -> None:
        lowest = 0 if self._packed else self.last_number - len(self._kept)
        if not lowest <= after <= self.last_number:
            raise ValueError(f"events behind number {after} are not kept: {self!r}")

    def _drop_taken(self) -> None:
        """Drop what all readers have taken, and let the producer go on where there is room again."""
        if not self._readers or self._keeps_all:
            return
        waiting = self.last_number - min(reader.cursor for reader in self._readers)
        if waiting < len(self._kept):
            del self._kept[: len(self._kept) - waiting]
        self.is_full = len(self._kept) >= CAPACITY
        if not self.is_full and self._producer is not None and not self._producer.done():
            self._producer.set_result(None)

    def __repr__(self) -> str:
        state = "ended" if self.has_ended else "open"
        return f"<RunLog {state}, {self.last_number} events, {len(self._kept)} kept, {len(self._readers)} readers>"
