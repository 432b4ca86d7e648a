"""One reader's place at a run: what a reply iterates on a thread, or has written by the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent import futures

from ..concurrency.event_loop_thread import LoopThread, LoopUnavailable
from ..errors import ServiceError
from ..events.events import Batch, Failed, Finished
from .log import LogReader, RunLog
from .terminal_error import to_service_error
from .thread_reader import ThreadReader


class Subscription(ABC):
    """An iterator of the numbered batches of a log, from a cursor to the terminal event.

    A batch without events means that nothing came for the heartbeat's time. Iterating raises no failure of the model
    or of the service: that is the `Failed` event. After `disconnect` and `close` the iteration ends without an event.

    One thread iterates, or something on the loop's thread follows `log` from the number `after`.
    """

    def __init__(self, loop: LoopThread, log: RunLog, heartbeat: float, after: int = 0) -> None:
        """Take a log, of which nothing is read before the iteration.

        Args:
            loop: The loop thread that the log belongs to.
            log: The log.
            heartbeat: Seconds without an event after which the iteration yields an empty batch.
            after: The number of the event behind which to begin.
        """
        self.loop = loop
        #: For the loop's thread.
        self.log = log
        self.heartbeat = heartbeat
        self.after = after
        self._reader: ThreadReader | None = None
        #: Whether the client has disconnected, or this was closed, before the terminal event was handed out.
        self._is_left = False
        #: Whether the terminal event has been handed out. Set by what follows the log.
        self.has_delivered_end = False

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._is_left or self.has_delivered_end:
            raise StopIteration
        if self._reader is None and self.is_whole:
            self.has_delivered_end = True
            return self.after + 1, self.log.read(self.after)
        try:
            if self._reader is None:
                self._reader = ThreadReader(self.loop, self.log, self.after)
            batch = self._reader.read(self.heartbeat)
            if self._is_left:
                raise StopIteration
            if batch is None:
                batch = (self.next_number, [self.end_without_loop(self._reader.failure())])
        except LoopUnavailable as error:
            batch = (self.next_number, [self.end_without_loop(error)])
        if batch[1]:
            self.has_delivered_end = isinstance(batch[1][-1], Finished | Failed)
        return batch

    @property
    def is_whole(self) -> bool:
        """Whether the log has all events, so that the iteration need not wait for the loop."""
        return self.log.is_settled

    @property
    def is_short(self) -> bool:
        """Whether it has ended with a short text: to hand it to the loop would cost more than to write it."""
        return False

    @property
    def next_number(self) -> int:
        """The number of the event behind those that the iteration has yielded."""
        return self.after + 1 if self._reader is None else self._reader.last_number + 1

    def end_without_loop(self, error: BaseException | None = None) -> Failed:
        """Return the terminal event for a reader whose loop is gone, and so does not end the log. For its thread.

        Args:
            error: Why the loop is gone, where that is known.
        """
        self.has_delivered_end = True
        return Failed(to_service_error(self._lost_loop(error)))

    def _lost_loop(self, error: BaseException | None) -> BaseException:
        if error is not None and not isinstance(error, futures.CancelledError):
            return error
        state = self.loop.health().state
        return LoopUnavailable(f"the loop is {state.value}", state)

    def attach(self, reader: LogReader) -> None:
        """Have a reader follow the log. On the loop's thread.

        Raises:
            ValueError: As `RunLog.attach`.
        """
        self.log.attach(reader)

    @abstractmethod
    def stop(self, error: ServiceError) -> None:
        """Stop what is read, where it is this reader's alone. Any thread may call it."""

    @abstractmethod
    def disconnect(self) -> None:
        """Take note that the client has disconnected. Does not wait; any thread may call it."""

    @abstractmethod
    def close(self) -> None:
        """Give up the place. Any thread but the loop's may call it. Closing twice is harmless."""
