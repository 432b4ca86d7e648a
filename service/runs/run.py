"""One run: a model's answer on its way to one reader, with its terminal event and its account."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..concurrency.bridge import Bridge, SourceCancelled
from ..concurrency.event_loop_thread import LoopState, LoopThread, LoopUnavailable
from ..errors import InternalError, Overloaded, ServiceError, ShuttingDown
from ..observability.metrics import Metrics
from ..observability.resources import exhausted_by
from .events import Accepted, Batch, Event, Failed, Finished, Offer, Reasoning, Text
from .usage import Usage, estimate_usage

logger = logging.getLogger("sluice.run")

# Once the model has answered with 200, a failure in the same instant can still be said with a status; after
# this long the reader is better served by a sign of life.
FIRST_TOKEN_GRACE = 0.02

# How a run can end besides `done` and `disconnected`; every other code is an `error`.
_OUTCOMES = {"shutting_down": "stopped", "upstream_timeout": "timeout"}


def _bare_copy(error: ServiceError) -> ServiceError:
    """Copy an error, and take traceback and causes from both.

    Else its traceback holds frames, these hold the run, and the run holds the error: a circle of some 200 objects
    for each failed answer, which only the collector could free.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return copy(error)


def _failure(error: Exception) -> ServiceError:
    """Say as the terminal event has it what ended a source."""
    if isinstance(error, ServiceError):
        return _bare_copy(error)
    # Only the loop's closing cancels a source that nobody stopped.
    if isinstance(error, SourceCancelled) or (isinstance(error, LoopUnavailable) and error.state is LoopState.CLOSED):
        return ShuttingDown(str(error), retry_after=1.0)
    if isinstance(error, LoopUnavailable):
        return InternalError(str(error))
    if (lacking := exhausted_by(error)) is not None:
        return Overloaded(f"{lacking}: {type(error).__name__}: {error}")
    logger.error("a defect ended a run", exc_info=error)
    return InternalError(f"{type(error).__name__}: {error}")


#: Makes an answer, given a way past its own iteration (`Bridge.offer`).
Source = Callable[[Offer], AsyncIterable[Sequence[Event]]]


@dataclass(frozen=True, slots=True)
class RunLabels:
    """What the log and the metrics say of a run."""

    request_id: str
    source: str
    mode: str
    model: str


class Run:
    """An iterator of numbered batches of events, of which the last one of all is `Finished` or `Failed`.

    Events are numbered from 1 and growing by one; `Accepted` is none of them. A batch without events is a tick:
    nothing came for a heartbeat's time. Iterating never raises a failure of the model or of the service; it is the
    `Failed` event. After `disconnect` and `close` iteration just ends.

    One thread iterates; `stop`, `disconnect` and `close` may be called from any.
    """

    def __init__(
        self,
        loop: LoopThread,
        source: Source,
        labels: RunLabels,
        metrics: Metrics,
        *,
        prompts: Sequence[str],
        heartbeat: float,
        on_close: Callable[[Run], None],
    ) -> None:
        """Begin to read an answer.

        Args:
            loop: A started loop thread.
            source: Makes the answer's events, read by read; `close` closes it.
            labels: What the log and the metrics say.
            metrics: Where the run is counted.
            prompts: The texts that were sent to the model, for an estimate of their cost.
            heartbeat: Seconds of silence after which iteration yields an empty batch.
            on_close: Called once, when the source is closed.

        Raises:
            LoopUnavailable: The loop does not run.
        """
        self.labels = labels
        self._metrics = metrics
        self._prompts = prompts
        self._heartbeat = heartbeat
        self._on_close = on_close
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._first_token: float | None = None
        self._chunk_count = 0
        self._bytes = 0
        self._usage: Usage | None = None
        self._finished = False
        self._code = ""
        self._disconnected = False
        self._closed = False
        self._early: list[Event] = []
        #: The number of the next event that is handed out.
        self.next_number = 1
        self._bridge = Bridge(loop, source)
        metrics.opened()

    def wait_accepted(self, timeout: float) -> None:
        """Wait until the model begins to answer, or fails, or `timeout` seconds went by.

        Returns:
            Nothing; what came meanwhile is part of the iteration.

        Raises:
            ServiceError: It failed before its first word, early enough to be said with an HTTP status. The
                run is over then; `close` is still due.
        """
        deadline = time.monotonic() + timeout
        while not self._early:
            batch = self._take(max(0.0, deadline - time.monotonic()))
            if not batch:
                return
            accepted = isinstance(batch[0], Accepted)
            self._early = [event for event in batch if not isinstance(event, Accepted)]
            if accepted:
                deadline = min(deadline, time.monotonic() + FIRST_TOKEN_GRACE)
        if isinstance(self._early[0], Failed):
            raise _bare_copy(self._early[0].error)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._early:
            batch, self._early = self._early, []
            return self._numbered(batch)
        tick_at = time.monotonic() + self._heartbeat
        while not (self._finished or self._code or self._disconnected):
            taken = self._take(max(0.0, tick_at - time.monotonic()))
            if taken is None:
                break
            batch = [event for event in taken if not isinstance(event, Accepted)]
            # That the model accepted is nothing to tell the reader: the silence goes on, and only a tick ends it.
            if batch or not taken:
                return self._numbered(batch)
        raise StopIteration

    def _numbered(self, events: Sequence[Event]) -> Batch:
        first = self.next_number
        self.next_number += len(events)
        return first, events

    def divert(self, outlet: Callable[[int, Sequence[Event]], bool]) -> None:
        """Hand events to `outlet` on the loop's thread while the reader only waits for them (`Bridge.divert`).

        For the reader's thread, between two steps of the iteration.

        Args:
            outlet: Takes the number of the first event and the events, without blocking, and returns whether it is
                done with them. If not, the iteration goes on with an empty batch, for the reader to do the rest.
        """

        def take(batch: Sequence[Event]) -> Sequence[Event] | None:
            if type(batch[0]) is Accepted:  # it comes alone, and writes nothing
                return batch
            # `_numbered` without its call, once for each token.
            first = self.next_number
            self.next_number += len(batch)
            try:
                return None if outlet(first, self._noted(batch)) else ()
            except Exception:
                # It handed nothing on, so the end that was noted is still owed: it will be the failure.
                self._finished = False
                raise

        self._bridge.divert(take)

    def stop(self, error: ServiceError) -> None:
        """End the run: the reader gets what has crossed, then `error` as the terminal event."""
        self._bridge.stop(error)

    def disconnect(self) -> None:
        """End the run because nobody reads it any more. Does not wait; the loop's thread may call it."""
        self._disconnected = True
        self._bridge.stop()

    def close(self) -> None:
        """Cancel what still runs, wait for its clean-up, and account for the run, once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._bridge.close()
        finally:
            self._on_close(self)
            self._account()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Run {self.labels.request_id} {self._outcome()}>"

    # ------------------------------------------------------------------ inside

    def _take(self, timeout: float) -> Sequence[Event] | None:
        """Take a batch and take note of what it says; a failure becomes the last event."""
        try:
            batches = self._bridge.take(timeout)
        except Exception as error:
            # Where the loop has handed the end on already, nothing may follow it.
            return None if self._finished else [self._fail(_failure(error))]
        if batches is None:
            expected = self._finished or self._disconnected or self._closed
            return None if expected else [self._fail(InternalError("a run without an end"))]
        return self._noted([event for events in batches for event in events])

    def _noted(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Take note of what is handed on, and say in the end what it cost.

        The reader's or the loop's thread, never both at once: it is whoever hands the batch on.
        """
        for event in batch:
            # Compared and not `isinstance`: this is once for each token, and there are no subclasses.
            if type(event) is Text or type(event) is Reasoning:
                text = event.text
                self._chunk_count += event.chunk_count
                # Most text is ASCII, and Python knows that without looking.
                self._bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))
                if self._first_token is None:
                    self._first_token = time.monotonic() - self._began
            elif type(event) is Finished:
                self._finished = True
                self._usage = event.usage
                return [*batch[:-1], Finished(event.reason, self._cost())]
        return batch

    def _fail(self, error: ServiceError) -> Failed:
        self._code = error.code
        if error.detail:
            logger.warning("%s: %s", error.code, error.detail)
        return Failed(error)

    def _cost(self) -> Usage:
        if self._usage is None:
            self._usage = estimate_usage(self._prompts, self._chunk_count, self._bytes)
        return self._usage

    def _outcome(self) -> str:
        if self._finished:
            return "done"
        if self._code:
            return _OUTCOMES.get(self._code, "error")
        return "disconnected" if self._disconnected or self._closed else "open"

    def _account(self) -> None:
        duration = time.monotonic() - self._began
        labels, usage = self.labels, self._cost()
        self._metrics.ended(
            outcome=self._outcome(),
            code=self._code,
            source=labels.source,
            mode=labels.mode,
            model=labels.model,
            duration=duration,
            first_token=self._first_token,
            usage=usage,
        )
        logger.info(
            "run=%s source=%s mode=%s model=%s outcome=%s code=%s prompt_tokens=%d completion_tokens=%d estimated=%s "
            "first_token_ms=%s duration_ms=%d",
            labels.request_id,
            labels.source,
            labels.mode,
            labels.model,
            self._outcome(),
            self._code or "-",
            usage.prompt_tokens,
            usage.completion_tokens,
            "yes" if usage.estimated else "no",
            "-" if self._first_token is None else int(self._first_token * 1000),
            int(duration * 1000),
        )
