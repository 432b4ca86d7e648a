"""One run: a model's answer for one reader, with its terminal event, its log line and its metrics."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures
from types import TracebackType
from typing import Self

from ..chat import Chat, CurrentChat
from ..concurrency.event_loop_thread import LoopThread, LoopUnavailable
from ..errors import InternalError, ServiceError
from ..events.events import Failed, Finished
from ..events.usage import COST_DECIMALS
from ..observability.metrics import Metrics
from .figures import RunFigures
from .log import RunLog
from .run_end import RunEnd
from .stores.base import cut_id
from .subscription import Subscription
from .terminal_error import copy_without_traceback, to_service_error

logger = logging.getLogger("sluice.run")

# Seconds that `close` waits for the source's clean-up.
CLOSE_TIMEOUT = 5.0
# Bytes of a whole answer's text that any socket's buffer takes at once.
SHORT_ANSWER = 4096

# The outcomes of runs that failed; with every other code it is `error`.
_FAILED_OUTCOMES = {
    "shutting_down": "stopped", "interrupted": "stopped", "stopped": "stopped", "upstream_timeout": "timeout"
}  # fmt: skip


#: Appends an answer's events to a log, up to `Finished`, and raises what it failed with. Runs on the loop.
Source = Callable[[RunLog], Awaitable[None]]


class Run(Subscription):
    """One answer: a log to which its source appends, and the subscription of its one reader.

    The last event is `Finished` or `Failed`. Any thread may call `stop` and `disconnect`; any but the loop's may call
    `close`.
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
        is_stored: bool = False,
        on_close: Callable[[Run], None],
    ) -> None:
        """Start the answer's source on the loop.

        Args:
            loop: A started loop thread.
            source: Appends the answer's events; `close` cancels it.
            metrics: Counts the run.
            current: What is sent to the model, for the log line, the metrics and an estimate of the usage.
            heartbeat: Seconds without an event after which the iteration yields an empty batch.
            keeps_text: Whether `end` has the answer's text.
            is_stored: Whether the run outlives its readers, so that the log keeps all events.
            on_close: Called once, by `close`, after the source has ended.

        Raises:
            LoopUnavailable: The loop does not run.
            WrongThread: Called on the loop's own thread.
        """
        self._figures = RunFigures(current, keeps_text=keeps_text)
        #: Open as soon as `wait_accepted` need not wait. A lock, as an `Event` takes 1 KB for each open answer.
        self._gate = gate = threading.Lock()
        gate.acquire()
        log = RunLog(self._figures.record, on_begin=lambda: _open(gate), keeps_all=is_stored)
        super().__init__(loop, log, heartbeat)
        #: Whether the run outlives its readers.
        self.is_stored = is_stored
        #: The run's id in the store; empty where it is not stored.
        self.stored_id = ""
        self._metrics = metrics
        self._current = current
        self._on_close = on_close
        self._task: asyncio.Task[None] | None = None
        #: What the terminal event is made of, until it is logged.
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._duration = 0.0
        self._future = loop.submit(self._produce(source))
        # The future ends in every case, also with the loop's death.
        self._future.add_done_callback(lambda _: _open(gate))
        metrics.opened()

    def wait_accepted(self, timeout: float) -> bool:
        """Wait until the model begins to answer, fails, or the time is over. For the thread that has made the run.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether the model has begun to answer. If not, it may be called again.

        Raises:
            ServiceError: The run failed before its first token. It has ended; `close` must still be called.
        """
        has_begun = self._gate.acquire(timeout=timeout)
        if self._future.done() and (error := self._future.exception()) is not None:
            raise self.end_without_loop(error).error
        end = self._figures.end
        if isinstance(end, Failed) and self.log.last_number == 1:
            self.has_delivered_end = True
            raise copy_without_traceback(end.error)
        return has_begun

    @property
    def is_short(self) -> bool:
        """Whether it has ended with a short text: to hand it to the loop would cost more than to write it."""
        return self.is_whole and self._figures.byte_count <= SHORT_ANSWER

    def end_without_loop(self, error: BaseException | None = None) -> Failed:
        """Return the terminal event for a reader whose loop is gone, and so does not end the log. For its thread.

        Args:
            error: Why the loop is gone, where that is known.
        """
        error = self._lost_loop(error)
        self._failure = self._failure or error
        self._figures.end = event = super().end_without_loop(error)
        return event

    def stop(self, error: ServiceError) -> None:
        """End the run: its readers get the events that wait, then `error` as the terminal event.

        Does not wait. Any thread may call it. A run that has ended keeps its outcome.
        """
        self._call_soon(self._end_with, error)

    def disconnect(self) -> None:
        """End the run because its client has disconnected. Does not wait; any thread may call it."""
        self._is_left = not self.has_delivered_end
        self._call_soon(self._end_with, None)

    def close(self) -> None:
        """Cancel the source, wait for its clean-up at most 5 seconds, log and count the run, then call `on_close`.

        Any thread but the loop's may call it. Closing twice is harmless.

        Raises:
            WrongThread: Called on the loop's own thread.
        """
        self.loop.refuse_own_thread("close()")
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._is_left = self._is_left or not self.has_delivered_end
        if self._reader is not None:
            self._reader.close()
        if not self._future.done():
            self._call_soon(self._end_with, None)
        try:
            _, late = futures.wait([self._future], CLOSE_TIMEOUT)
            if late:
                logger.warning("a source did not end within %s s of its cancellation, and goes on", CLOSE_TIMEOUT)
        finally:
            self._duration = self._figures.duration
            try:
                self._log_failure()
                self._account()
            finally:
                # It gives back the run's slot, also where a filter of the log raises.
                self._on_close(self)

    def end(self) -> RunEnd:
        """Return how the run has ended. After `close`."""
        end = self._figures.end
        answer = self._figures.answer
        return RunEnd(
            chat=self.chat,
            text=answer.text,
            reasoning=answer.reasoning,
            outcome=self._outcome(),
            code=self._code,
            finish_reason=end.reason if isinstance(end, Finished) and not self._is_left else "",
            usage=self._figures.usage,
            duration=self._duration,
            tool_calls=answer.tool_calls,
        )

    @property
    def byte_count(self) -> int:
        """Bytes of the events that have come, about."""
        return self._figures.byte_count

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

    # ------------------------------------------------------------------ the loop's side

    async def _produce(self, source: Source) -> None:
        """Run the source, and make its failure the terminal event."""
        self._task = asyncio.current_task()
        failed: BaseException | None = None
        try:
            # Stopped before the first step, when there was no task to cancel.
            if not self.log.has_ended:
                await source(self.log)
        except asyncio.CancelledError:
            # Nobody has stopped the run, so its loop has ended, or was stuck.
            state = self.loop.health().state
            failed = LoopUnavailable(f"cancelled by the loop, which is {state.value}", state)
        except Exception as error:
            failed = error
        self._task = None
        try:
            self._end_log(failed or InternalError("the source ended without a terminal event"))
        finally:
            # Its traceback holds this frame.
            failed = None

    def _end_with(self, error: ServiceError | None) -> None:
        """Append a failure, or close the log; then cancel the source. Readers do not wait for its clean-up."""
        # The readers of a stored run are not its own: after its end they read what is left.
        if error is None and not (self.is_stored and self.log.has_ended):
            self.log.close()
        task, self._task = self._task, None
        # Once: a second time would cancel the clean-up.
        if task is not None:
            task.cancel()
        if error is not None:
            self._end_log(error)

    def _end_log(self, error: BaseException) -> None:
        """Append the terminal event of a failure, unless the log has ended."""
        if not self.log.has_ended:
            self._failure = error
            self.log.append([Failed(to_service_error(error))])

    # ------------------------------------------------------------------ inside

    def _call_soon(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self.loop.call_soon(function, *arguments)
        except LoopUnavailable:
            logger.debug("the loop is gone, and the source with it")

    @property
    def _code(self) -> str:
        """The error's code, where the run has failed."""
        end = self._figures.end
        return end.error.code if isinstance(end, Failed) and not self._is_left else ""

    def _outcome(self) -> str:
        if self._is_left:
            return "disconnected"
        end = self._figures.end
        if isinstance(end, Failed):
            return _FAILED_OUTCOMES.get(end.error.code, "error")
        return "open" if end is None else "done"

    def _log_failure(self) -> None:
        """Log why the run failed, and with its traceback an exception of no known kind.

        Not on the loop's thread: here Sentry knows the request.
        """
        # Its traceback holds this object.
        error, self._failure = self._failure, None
        end = self._figures.end
        if error is None or not isinstance(end, Failed):
            return
        told = end.error
        if told.code == InternalError.code and not isinstance(error, ServiceError | LoopUnavailable):
            logger.error("unhandled exception in run; the client gets the code internal", exc_info=error)
        if told.detail:
            logger.warning("%s: %s", told.code, told.detail)

    def _account(self) -> None:
        chat, usage, outcome = self.chat, self._figures.usage, self._outcome()
        first_token = self._figures.first_token
        currency = "" if self._current.price is None else self._current.price.currency
        self._metrics.ended(
            outcome=outcome,
            code=self._code,
            source=chat.source,
            mode=chat.mode,
            provider=self._current.provider,
            model=chat.model,
            duration=self._duration,
            first_token=first_token,
            usage=usage,
            currency=currency,
        )
        logger.info(
            "run=%s source=%s mode=%s model=%s provider=%s outcome=%s code=%s prompt_tokens=%d completion_tokens=%d "
            "estimated=%s cost=%s currency=%s first_token_ms=%s duration_ms=%d stored=%s",
            chat.run_id,
            chat.source,
            chat.mode,
            chat.model,
            self._current.provider or "-",
            outcome,
            self._code or "-",
            usage.prompt_tokens,
            usage.completion_tokens,
            "yes" if usage.estimated else "no",
            "-" if usage.cost is None else f"{usage.cost:.{COST_DECIMALS}f}",
            currency or "-",
            "-" if first_token is None else int(first_token * 1000),
            int(self._duration * 1000),
            cut_id(self.stored_id) if self.stored_id else "-",
        )


def _open(gate: threading.Lock) -> None:
    """Let the thread go on that waits for a lock. From any thread, and more than once."""
    if gate.locked():
        try:
            gate.release()
        except RuntimeError:
            logger.debug("two threads opened the gate of a run")
