"""What the decoders of all APIs of providers have in common: limits, ends, and what is held back.

A subclass reads the events of its API.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from ..errors import AnswerTooLarge, UpstreamError, UpstreamInvalid, UpstreamTruncated, UpstreamUnavailable
from ..events.events import Delta, Event, Finished, ToolCall
from ..events.usage import usage_from
from ..failures.mapping import failure_from_event, failure_in
from .body_format import BodyDecoder, BodyFormat
from .completion_state import CompletionState
from .delta_builder import DeltaBuilder
from .event_limits import EventTooLarge
from .forwarded_chunks import ForwardedChunks
from .json_body import JsonBodyDecoder
from .json_values import decode_json

_DONE = re.compile(rb'\s*"?\[?done\]?"?\s*', re.IGNORECASE)
# Data that is not JSON and means nothing: `ping`, `keep-alive`, a time. Broken JSON has quotes and braces.
_NOISE = re.compile(rb"[\w .:+-]{0,64}", re.ASCII)


class AnswerDecoder:
    """Decodes one answer. Not thread-safe."""

    #: What an event of the API is called, for the log.
    EVENT_NAME = "an event"

    def __init__(
        self,
        max_event_bytes: int,
        max_chars: int = sys.maxsize,
        content_type: str = "text/event-stream",
        forwarded: ForwardedChunks | None = None,
    ) -> None:
        """Begin an answer.

        Args:
            max_event_bytes: The most bytes of a single event, or of a whole answer that is one JSON object.
            max_chars: The most characters of text and reasoning together; a longer answer is cut there and fails.
            content_type: The response's content type, for the log. Some providers send a wrong one.
            forwarded: Gets the chunks; then their events come in place of the texts and calls that they hold.
        """
        #: How far the answer has come; for reading only.
        self.state = CompletionState()
        self._deltas = DeltaBuilder(self.state)
        self._forwarded = forwarded
        self._format = BodyFormat(max_event_bytes, content_type)
        self._body: BodyDecoder | None = None
        self._max_chars = max_chars
        self._char_count = 0
        self._byte_count = 0
        #: How many events of the API have come.
        self._chunk_count = 0
        self._usage: Any = None
        self._is_done = self._is_at_end = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Decode the next bytes.

        Args:
            data: Not empty; cut anywhere.

        Returns:
            The events that the bytes completed. A failure after them is raised by `result`.

        Raises:
            UpstreamError: The bytes are not of an answer, and no event came before that.
        """
        state = self.state
        self._byte_count += len(data)
        state.has_progressed = False
        failure: UpstreamError | None = None
        deltas: list[Delta] = []
        try:
            if self._body is None:
                self._body, data = self._format.detect(data)
            events = self._body.feed(data) if self._body is not None else []
        except EventTooLarge as error:
            events, failure = error.complete, UpstreamInvalid(str(error))
        try:
            self._read_events(events, deltas)
        except UpstreamError as error:
            failure = error
        if failure is not None:
            state.end(failure)
        if state.has_ended:
            self._deltas.finish(deltas)
        for delta in deltas:
            self._char_count += len(delta.text)
        if self._char_count > self._max_chars:
            self._cut(deltas)
        made = deltas if self._forwarded is None and not state.has_ended else self._events(deltas)
        if state.failure is not None and not made:
            raise state.failure
        return made

    def finish(self) -> Sequence[Event]:
        """Decode what the end of the bytes completes. Again, it returns nothing.

        A last event without its blank line is read where it is whole, as openai's client for Node does: a gateway
        that forgets the line is more common than one that breaks off exactly there.

        Returns:
            The last events, with what was held back. A failure is raised by `result`.
        """
        deltas: list[Delta] = []
        if self.state.has_ended:
            return deltas
        self._is_at_end = True
        failure: UpstreamError | None = None
        try:
            if self._body is not None:
                self._read_events(self._body.finish(), deltas)
                if not self.state.has_ended:
                    self._read_events(self._body.incomplete(), deltas)
        except EventTooLarge as error:
            failure = UpstreamInvalid(str(error))
        except UpstreamError as error:
            failure = error
        self.state.end(failure)
        self._deltas.finish(deltas)
        self._char_count += sum(len(delta.text) for delta in deltas)
        if self._char_count > self._max_chars:
            self._cut(deltas)
        return self._events(deltas)

    def end_with(self, failure: UpstreamError) -> Sequence[Event]:
        """End the answer where it stands.

        Args:
            failure: What `result` raises, unless the answer is whole.

        Returns:
            The events that were held back.
        """
        deltas: list[Delta] = []
        self.state.end(failure)
        self._deltas.finish(deltas)
        return self._events(deltas)

    def result(self) -> Finished:
        """Return how the answer ended; call it when it has ended.

        Raises:
            UpstreamError: It is not whole, or not an answer of the API.
        """
        state = self.state
        if state.failure is not None:
            raise state.failure
        reason = state.finish_reason or self._implied_reason()
        if reason is not None:
            return self._finished(reason)
        if self._chunk_count == 0:
            if self._byte_count == 0:
                raise UpstreamInvalid("the provider answered 200 with an empty body")
            came = f"{self._format.content_type}: {self._format.excerpt}"
            raise UpstreamInvalid(f"the provider answered 200 without {self.EVENT_NAME}, with {came}")
        raise UpstreamTruncated("the provider ended the stream without a finish reason")

    def connection_error(self, detail: str) -> UpstreamError:
        """Return the failure for a connection that broke: before the first byte another one than later."""
        return UpstreamTruncated(detail) if self._byte_count else UpstreamUnavailable(detail)

    def _read_events(self, events: Sequence[bytes], deltas: list[Delta]) -> None:
        """Read the data of events, and add the deltas that they hold, neighbours joined.

        Raises:
            UpstreamError: They are a failure, or broken.
        """
        raise NotImplementedError

    def _take_calls(self) -> list[ToolCall]:
        """Return the calls of tools of an answer that is whole."""
        raise NotImplementedError

    def _implied_reason(self) -> str | None:
        """Return the finish reason of an answer that is whole though none came; None where it is not whole."""
        return None

    @property
    def _is_document(self) -> bool:
        """Whether the whole body was one JSON object."""
        return isinstance(self._body, JsonBodyDecoder) and self._body.is_document

    def _finished(self, reason: str) -> Finished:
        usage = usage_from(self._usage)
        return Finished(reason, usage, None if usage is None or self._forwarded is None else self._usage)

    def _events(self, deltas: list[Delta]) -> Sequence[Event]:
        """Return the events for deltas: with the calls of tools behind the last ones, or chunks in their place."""
        state = self.state
        if self._forwarded is not None:
            return self._forwarded.take(deltas, is_shown=state.has_deltas or state.finish_reason is not None)
        if state.has_ended and state.failure is None and state.finish_reason is not None:
            return [*deltas, *self._take_calls()]
        return deltas

    def _cut(self, deltas: list[Delta]) -> None:
        """Remove the characters beyond the limit from the last deltas, and end the answer."""
        excess = self._char_count - self._max_chars
        while deltas and excess > 0:
            delta = deltas.pop()
            if len(delta.text) > excess:
                deltas.append(type(delta)(delta.text[:-excess], delta.chunk_count))
            excess -= len(delta.text)
        if self._forwarded is not None:
            self._forwarded.drop()
        self._char_count = self._max_chars
        self.state.failure = AnswerTooLarge(f"the answer has more than {self._max_chars} characters")
        self.state.has_ended = True

    def _decode(self, data: bytes) -> Any:
        """Decode the JSON of an event; None for the end of the stream, which is noted, and for what means nothing.

        Raises:
            UpstreamError: It is a failure, or broken.
        """
        if data == b"[DONE]":  # nearly every answer's last event, on which two JSON decoders would fail
            self._is_done = self.state.has_ended = True
            return None
        try:
            value = decode_json(data)
        except (ValueError, RecursionError) as error:
            if _DONE.fullmatch(data) or data.startswith(b"[DONE]"):
                self._is_done = self.state.has_ended = True
            elif data[:5].lower() == b"error":
                self.state.fail(failure_from_event(data.decode(errors="replace")))
            elif not (self._is_at_end or _NOISE.fullmatch(data)):
                self.state.fail(UpstreamInvalid(f"the provider sent a broken event: {type(error).__name__}: {error}"))
            return None
        if isinstance(value, str) and _DONE.fullmatch(data):
            self._is_done = self.state.has_ended = True
        return value

    def _failure_in(self, value: dict[str, Any], error: Any) -> UpstreamError | None:
        """Find the failure in an object that has an error, or is no part of an answer."""
        if not isinstance(self._body, JsonBodyDecoder):
            return failure_in(value) or (failure_from_event(error) if error else None)
        where = f"in a 200 with {self._format.content_type} instead of an event stream"
        failure = failure_in(value, where) or (failure_from_event(error, where) if error else None)
        # An object that names no known failure, and comes before any text, is not an answer.
        is_unknown = type(failure) is UpstreamUnavailable and not self.state.has_deltas
        return UpstreamInvalid(failure.detail) if failure is not None and is_unknown else failure
