"""One run: a model's answer for one reader, with its terminal event, its log line and its metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from copy import copy
from enum import StrEnum
from types import TracebackType
from typing import Self

from ..chat import Chat, CurrentChat
from ..concurrency.bridge import Bridge, SourceCancelled
from ..concurrency.event_loop_thread import LoopState, LoopThread, LoopUnavailable
from ..errors import InternalError, Overloaded, ServiceError, ShuttingDown
from ..events.events import Accepted, Batch, Event, Failed, Finished, Offer, Reasoning, Text
from ..events.usage import Usage, estimate_usage
from ..observability.metrics import Metrics
from ..observability.resources import exhausted_by
from .run_end import RunEnd

logger = logging.getLogger("sluice.run")

# Seconds after the model's 200 in which a failure can still become an HTTP status. A longer wait would delay the
# headers of every stream.
FIRST_TOKEN_GRACE = 0.02

# The outcomes of runs that failed; with every other code it is `error`.
_FAILED_OUTCOMES = {"shutting_down": "stopped", "upstream_timeout": "timeout"}


def _copy_without_traceback(error: ServiceError) -> ServiceError:
    """Return a copy of an error, without traceback and causes; take them from the error as well.

    A traceback holds frames, these the run, and that the error: 200 objects that only the cycle collector frees.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return copy(error)


def _to_service_error(error: Exception) -> ServiceError:
    """Return the error for the terminal event. An exception of no known kind is logged with its traceback."""
    if isinstance(error, ServiceError):
        return _copy_without_traceback(error)
    # Only the loop's closing cancels a source that nobody stopped.
    if isinstance(error, SourceCancelled) or (isinstance(error, LoopUnavailable) and error.state is LoopState.CLOSED):
        return ShuttingDown(str(error))
    if isinstance(error, LoopUnavailable):
        return InternalError(str(error))
    if (lacking := exhausted_by(error)) is not None:
        return Overloaded(f"{lacking}: {type(error).__name__}: {error}")
    logger.error("unhandled exception in run; the client gets the code internal", exc_info=error)
    return InternalError(f"{type(error).__name__}: {error}")


#: Makes the iterator of an answer's events. Its argument is `Bridge.offer`. `Accepted` may come first, in a batch of
#: its own, and not again: the outlet gets no such event.
Source = Callable[[Offer], AsyncIterable[Sequence[Event]]]


class _State(StrEnum):
    """Whether a run goes on, or how it ended. The values are outcomes in the log and the metrics."""

    OPEN = "open"
    #: Its last event is `Finished`.
    DONE = "done"
    #: Its last event is `Failed`.
    FAILED = "failed"
    #: Its client disconnected, or it was closed, before its last event.
    DISCONNECTED = "disconnected"


class Run:
    """An iterator of numbered batches of events. The last event is `Finished` or `Failed`.

    Events are numbered 1, 2, 3 and so on; `Accepted` has no number. A batch without events means that nothing came
    for the heartbeat's time. Iterating raises no failure of the model or of the service: that is the `Failed` event.
    After `disconnect` and `close` the iteration ends without an event.

    One thread iterates. Any thread may call `stop` and `disconnect`; any but the loop's may call `close`.
    """

    def __init__(
        self,
        loop: LoopThread,
        source: Source,
        metrics: Metrics,
        *,
        current: CurrentChat,
        heartbeat: float,
        keeps_text: bool = False,
        on_close: Callable[[Run], None],
    ) -> None:
        """Start the answer's source on the loop.

        Args:
            loop: A started loop thread.
            source: Makes the iterator of the answer's events; `close` closes it.
            metrics: Counts the run.
            current: What is sent to the model, for the log line, the metrics and an estimate of the usage.
            heartbeat: Seconds without an event after which the iteration yields an empty batch.
            keeps_text: Whether `end` has the answer's text.
            on_close: Called once, by `close`, after the source has been closed.

        Raises:
            LoopUnavailable: The loop does not run.
            WrongThread: Called on the loop's own thread.
        """
        self._metrics = metrics
        self._current = current
        self._heartbeat = heartbeat
        self._on_close = on_close
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._first_token: float | None = None
        self._chunk_count = 0
        self._bytes = 0
        self._usage: Usage | None = None
        self._finish_reason = ""
        self._duration = 0.0
        self._texts: list[Text | Reasoning] | None = [] if keeps_text else None
        self._state = _State.OPEN
        #: The error's code, where the run has failed.
        self._code = ""
        self._closed = False
        self._early: Sequence[Event] = ()
        #: When the reader's thread learned that the model began to answer; `None` before.
        self._accepted_at: float | None = None
        #: Whether the reader's thread has received the first events.
        self._has_begun = False
        self._outlet: Callable[[int, Sequence[Event]], bool] | None = None
        #: The number of the next event.
        self.next_number = 1
        self._bridge = Bridge(loop, source)
        metrics.opened()

    def wait_accepted(self, timeout: float) -> None:
        """Wait until the model begins to answer, fails, or the time is over. For the reader's thread.

        Events that come meanwhile are part of the iteration, and are counted there.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            ServiceError: The run failed before its first token. It has ended; `close` must still be called.
        """
        deadline = time.monotonic() + timeout
        events: Sequence[Event] | None = ()
        while events is not None and not events and (remaining := deadline - time.monotonic()) > 0.0:
            events = self._receive(remaining)
            if self._accepted_at is not None:
                deadline = min(deadline, self._accepted_at + FIRST_TOKEN_GRACE)
        self._early = events or ()
        if self._early and isinstance(self._early[0], Failed):
            self._end_with(self._early[0])
            raise _copy_without_traceback(self._early[0].error)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        tick_at = time.monotonic() + self._heartbeat
        while self._state is _State.OPEN:
            if self._early:
                early, self._early = self._early, ()
                return self._hand_out(early)
            accepted_at = self._accepted_at
            events = self._receive(max(0.0, tick_at - time.monotonic()))
            if events is None:
                break
            # The client sees nothing of `Accepted`, so it does not start the heartbeat's time again.
            if events or self._accepted_at == accepted_at:
                return self._hand_out(events)
        raise StopIteration

    def divert(self, outlet: Callable[[int, Sequence[Event]], bool]) -> None:
        """Have the loop's thread pass events to `outlet` while the reader's thread waits in the iteration.

        The iteration then yields only the other events: the first ones, and those that came while the reader did not
        wait. For the reader's thread, between two steps of the iteration.

        Args:
            outlet: Called with the number of the first event and the events. It must not block. It returns whether it
                is done with them. If not, the iteration yields an empty batch, so that the reader does the rest.
        """
        self._outlet = outlet
        if self._has_begun:
            self._bridge.divert(self._write)

    def _write(self, batch: Sequence[Event]) -> Sequence[Event] | None:
        """Hand a batch to the outlet. On the loop's thread, while the reader waits."""
        outlet = self._outlet
        assert outlet is not None
        # As in `_hand_out`, without its call for each token.
        first = self.next_number
        self.next_number += len(batch)
        events = self._record(batch)
        is_written = outlet(first, events)
        if type(events[-1]) is Finished:
            # Only now: a failure of the outlet is the end of the run in place of this one.
            self._end_with(events[-1])
        return None if is_written else ()

    def stop(self, error: ServiceError) -> None:
        """End the run: the reader gets the events that wait, then `error` as the terminal event.

        Does not wait. Any thread may call it. A run that has ended keeps its outcome.
        """
        self._bridge.stop(error)

    def disconnect(self) -> None:
        """End the run because its client has disconnected. Does not wait; any thread may call it."""
        self._end(_State.DISCONNECTED)
        self._bridge.stop()

    def close(self) -> None:
        """Cancel the source, wait for its clean-up at most 5 seconds, log and count the run, then call `on_close`.

        Any thread but the loop's may call it. Closing twice is harmless.

        Raises:
            WrongThread: Called on the loop's own thread.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._end(_State.DISCONNECTED)
        try:
            self._bridge.close()
        finally:
            # It holds the reader, which holds this object.
            self._outlet = None
            self._duration = time.monotonic() - self._began
            try:
                self._account()
            finally:
                # It gives back the run's slot, also where a filter of the log raises.
                self._on_close(self)

    def end(self) -> RunEnd:
        """Return how the run has ended. After `close`."""
        texts = self._texts or ()
        return RunEnd(
            chat=self.chat,
            text="".join([each.text for each in texts if type(each) is Text]),
            reasoning="".join([each.text for each in texts if type(each) is Reasoning]),
            outcome=self._outcome(),
            code=self._code,
            finish_reason=self._finish_reason if self._state is _State.DONE else "",
            usage=self._final_usage(),
            duration=self._duration,
        )

    @property
    def chat(self) -> Chat:
        """What is sent to the model."""
        return self._current.chat

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Run {self.chat.run_id} {self._outcome()}>"

    # ------------------------------------------------------------------ inside

    def _receive(self, timeout: float) -> Sequence[Event] | None:
        """Take the events that wait from the bridge; a failure becomes an event.

        Returns:
            The events that have numbers; none where the time is over, the model began to answer, or the outlet is
            not done; `None` at the end.
        """
        try:
            batches = self._bridge.take(timeout)
        except Exception as error:
            # Nothing may follow an end that the outlet has written.
            return None if self._state is _State.DONE else [Failed(_to_service_error(error))]
        if batches is None:
            if self._state is not _State.OPEN:
                return None
            return [Failed(InternalError("the source ended without a terminal event"))]
        taken = [event for batch in batches for event in batch]
        numbered = [event for event in taken if type(event) is not Accepted]
        if len(numbered) < len(taken):
            self._accepted_at = time.monotonic()
        if taken and not self._has_begun:
            self._has_begun = True
            if self._outlet is not None:
                self._bridge.divert(self._write)
        return numbered

    def _hand_out(self, events: Sequence[Event]) -> Batch:
        """Record events and number them, for the reader."""
        first = self.next_number
        self.next_number += len(events)
        events = self._record(events)
        if events:
            self._end_with(events[-1])
        return first, events

    def _record(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Record events that are handed out, and put the usage into the last one.

        Called on the reader's thread or the loop's, never on both at once.
        """
        for event in batch:
            # Not `isinstance`, which costs more, once for each token. There are no subclasses.
            if type(event) is Text or type(event) is Reasoning:
                text = event.text
                self._chunk_count += event.chunk_count
                # `isascii` reads a flag of the string, and encodes nothing.
                self._bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))
                if self._first_token is None:
                    self._first_token = time.monotonic() - self._began
                if self._texts is not None:
                    self._texts.append(event)
            elif type(event) is Finished:
                self._usage = event.usage
                self._finish_reason = event.reason
                return [*batch[:-1], Finished(event.reason, self._final_usage())]
        return batch

    def _end(self, state: _State) -> None:
        """Record how the run ended. A disconnect does not change how it ended before."""
        with self._lock:
            if self._state is _State.OPEN or state is not _State.DISCONNECTED:
                self._state = state

    def _end_with(self, event: Event) -> None:
        """Record how the run ended, if this event is its end."""
        if isinstance(event, Finished):
            self._end(_State.DONE)
        elif isinstance(event, Failed):
            self._code = event.error.code
            self._end(_State.FAILED)
            if event.error.detail:
                logger.warning("%s: %s", event.error.code, event.error.detail)

    def _final_usage(self) -> Usage:
        if self._usage is None:
            prompts = [message["content"] for message in self.chat.prompt]
            self._usage = estimate_usage(prompts, self._chunk_count, self._bytes)
        return self._usage

    def _outcome(self) -> str:
        if self._state is _State.FAILED:
            return _FAILED_OUTCOMES.get(self._code, "error")
        return self._state.value

    def _account(self) -> None:
        chat, usage, outcome = self.chat, self._final_usage(), self._outcome()
        self._metrics.ended(
            outcome=outcome,
            code=self._code,
            source=chat.source,
            mode=chat.mode,
            model=chat.model,
            duration=self._duration,
            first_token=self._first_token,
            usage=usage,
        )
        logger.info(
            "run=%s source=%s mode=%s model=%s outcome=%s code=%s prompt_tokens=%d completion_tokens=%d estimated=%s "
            "first_token_ms=%s duration_ms=%d",
            chat.run_id,
            chat.source,
            chat.mode,
            chat.model,
            outcome,
            self._code or "-",
            usage.prompt_tokens,
            usage.completion_tokens,
            "yes" if usage.estimated else "no",
            "-" if self._first_token is None else int(self._first_token * 1000),
            int(self._duration * 1000),
        )
