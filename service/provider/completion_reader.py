"""Decode an answer where its bytes arrive, and hold it to its limits: of time, and of bytes without text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..concurrency.deadline import Deadline
from ..decoding.answer_decoder import AnswerDecoder
from ..errors import UpstreamError, UpstreamInvalid
from ..events.events import Event
from ..runs.log import EventSink
from ..settings.settings import Settings

# Seconds. After the finish reason the answer is whole, and only the usage is to come: a server that sends it does so
# at once, and one that does not must not spoil a whole answer.
USAGE_GRACE = 2.0
# What a provider may send without text, such as pings, comments and empty deltas: this many bytes beyond one event of
# the largest size, and this many more for each second since the last text. A model that hides its reasoning sends an
# empty delta for each token of it: 250 bytes, at most 200 times a second.
BYTES_WITHOUT_TEXT = 256 * 1024
BYTES_WITHOUT_TEXT_PER_SECOND = 64 * 1024


class CompletionReader:
    """Consumes one response's body (`ResponseBody.consume`). Use it on the loop's thread, in one task."""

    def __init__(
        self,
        decoder: AnswerDecoder,
        deadline: Deadline,
        settings: Settings,
        total_deadline: float,
        log: EventSink,
        is_complete: Callable[[], bool],
    ) -> None:
        """Begin an answer.

        Args:
            decoder: Decodes the answer.
            deadline: Ends the task's waits; it is moved with each token.
            settings: The limits of time and size.
            total_deadline: When the whole answer must have ended, on the loop's clock.
            log: Gets the events, and the end where it comes together with the end of the body.
            is_complete: Returns whether the end of the body has come.
        """
        self._decoder = decoder
        self._state = decoder.state
        self._deadline = deadline
        self._next_token_timeout = settings.limits.next_token_timeout
        self._total_deadline = total_deadline
        self._now = asyncio.get_running_loop().time
        self._max_without_text = BYTES_WITHOUT_TEXT + settings.limits.max_event_bytes
        #: Bytes since the last text or reasoning, and the time of that, or of the beginning.
        self._without_text = 0
        self._last_text_at = self._now()
        self._log = log
        self._is_complete = is_complete

    def consume(self, data: bytes) -> bool:
        """Decode the next bytes.

        Args:
            data: The bytes, or `b""` at the end of the body.

        Returns:
            Whether more bytes can come without the task: the answer goes on, and the log has room.

        Raises:
            UpstreamError: The bytes are not of an answer.
        """
        decoder, state = self._decoder, self._state
        events = decoder.feed(data) if data else decoder.finish()
        if state.has_progressed:
            self._without_text = 0
        elif not state.is_whole:
            events = [*events, *self._count_without_text(len(data))]
        if state.has_ended and self._is_complete():
            self._append_end(events)
        elif events:
            self._log.append(events)
        if state.is_ending or state.has_ended or self._log.is_full:
            # Else a limit that passes before the task has its turn would end what it has waited for.
            self._deadline.waiting = False
            return False
        self.move_deadline()
        return True

    def move_deadline(self) -> None:
        """Set the deadline for what is to come next, counted from now."""
        deadline = self._deadline
        if self._state.is_ending:
            deadline.sooner(self._now() + USAGE_GRACE)
        elif self._state.has_progressed:
            self._last_text_at = now = self._now()
            limit = now + self._next_token_timeout
            if limit > self._total_deadline:
                limit = self._total_deadline
            if limit < deadline.at:  # the first token: its own limit is a longer one
                deadline.sooner(limit)
            else:
                deadline.at = limit

    def finish(self) -> None:
        """Append what the decoder holds back, where no further bytes come."""
        self._append(self._decoder.finish())

    def end_with(self, error: UpstreamError) -> None:
        """End the answer with an error, behind what the decoder holds back."""
        self._append(self._decoder.end_with(error))

    def _append_end(self, events: Sequence[Event]) -> None:
        """Append the last events and the end at once: so a short answer is whole when its first event is there."""
        try:
            end = self._decoder.result()
        except UpstreamError:
            # The task raises it.
            self._append(events)
        else:
            self._log.append([*events, end])

    def _append(self, events: Sequence[Event]) -> None:
        if events:
            self._log.append(events)

    def _count_without_text(self, size: int) -> Sequence[Event]:
        """Count bytes, and end the answer where there are too many; return what the decoder held back."""
        self._without_text += size
        if self._without_text <= self._max_without_text:
            return []
        seconds = self._now() - self._last_text_at
        if self._without_text <= self._max_without_text + BYTES_WITHOUT_TEXT_PER_SECOND * seconds:
            return []
        return self._decoder.end_with(
            UpstreamInvalid(f"the provider sent {self._without_text} bytes without text in {seconds:.1f} s")
        )
