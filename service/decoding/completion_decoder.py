"""Decode the body of a chat completion: bytes in, deltas out, and at the end the result or the failure.

The openai package's own stream (3.54, measured) takes all of these for a normal end: a 200 with HTML, an empty body,
an end without a finish reason. It raises errors of other classes for pings without data and for broken JSON.
docs/reference/providers.md lists what is accepted here; docs/decisions/ 8 and 38 to 40 say why.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import AnswerTooLarge, UpstreamError, UpstreamInvalid, UpstreamTruncated, UpstreamUnavailable
from ..events.events import Delta, Event, Finished, Reasoning, Text
from ..events.usage import usage_from
from ..failures.mapping import failure_from_event, failure_in
from .body_format import BodyDecoder, BodyFormat
from .chunk_contents import UnreadableChunk, read_chunk
from .chunk_writer import to_json
from .completion_state import CompletionState
from .delta_builder import DeltaBuilder
from .event_limits import EventTooLarge
from .forwarded_chunks import ForwardedChunks
from .json_body import JsonBodyDecoder
from .json_values import decode_json
from .plain_chunk import NO_CHUNK, NO_DELTA, decode_plain_chunk
from .tool_call_builder import ToolCallBuilder

# The finish reason of an answer that ended with `[DONE]`, where the provider named none.
REASON_UNKNOWN = "unknown"
_DONE = re.compile(rb'\s*"?\[?done\]?"?\s*', re.IGNORECASE)
# Data that is not JSON and means nothing: `ping`, `keep-alive`, a time. Broken JSON has quotes and braces.
_NOISE = re.compile(rb"[\w .:+-]{0,64}", re.ASCII)


class CompletionDecoder:
    """Decodes one answer. Not thread-safe."""

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
        self._tool_calls = ToolCallBuilder()
        self._forwarded = forwarded
        self._format = BodyFormat(max_event_bytes, content_type)
        self._body: BodyDecoder | None = None
        self._max_chars = max_chars
        self._char_count = 0
        self._byte_count = 0
        self._chunk_count = 0
        self._usage: Any = None
        # Whether the text came as `message` instead of `delta`.
        self._is_message = False
        self._is_done = self._is_at_end = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Decode the next bytes.

        Args:
            data: Not empty; cut anywhere.

        Returns:
            The events that the bytes completed. A failure after them is raised by `result`.

        Raises:
            UpstreamError: The bytes are not of a chat completion, and no event came before that.
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
            UpstreamError: It is not whole, or not a chat completion.
        """
        state = self.state
        if state.failure is not None:
            raise state.failure
        if state.finish_reason is not None:
            return self._finished(state.finish_reason)
        is_document = isinstance(self._body, JsonBodyDecoder) and self._body.is_document
        if state.has_text and (self._is_done or is_document):
            return self._finished(REASON_UNKNOWN)
        if self._chunk_count == 0:
            if self._byte_count == 0:
                raise UpstreamInvalid("the provider answered 200 with an empty body")
            came = f"{self._format.content_type}: {self._format.excerpt}"
            raise UpstreamInvalid(f"the provider answered 200 without a chunk of a chat completion, with {came}")
        raise UpstreamTruncated("the provider ended the stream without a finish reason")

    def connection_error(self, detail: str) -> UpstreamError:
        """Return the failure for a connection that broke: before the first byte another one than later."""
        return UpstreamTruncated(detail) if self._byte_count else UpstreamUnavailable(detail)

    def _finished(self, reason: str) -> Finished:
        usage = usage_from(self._usage)
        return Finished(reason, usage, None if usage is None or self._forwarded is None else self._usage)

    def _events(self, deltas: list[Delta]) -> Sequence[Event]:
        """Return the events for deltas: with the calls of tools behind the last ones, or chunks in their place."""
        state = self.state
        if self._forwarded is not None:
            return self._forwarded.take(deltas, is_shown=state.has_deltas or state.finish_reason is not None)
        if state.has_ended and state.failure is None and state.finish_reason is not None:
            return [*deltas, *self._tool_calls.take()]
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

    def _read_events(self, events: Sequence[bytes], deltas: list[Delta]) -> None:
        """Add the deltas of events, neighbours joined: to hand on a delta costs more than to join its text."""
        state = self.state
        forwarded = self._forwarded
        kind: type[Delta] = Text
        texts: list[str] = []
        try:
            for data in events:
                if not data:
                    continue
                try:
                    chunk = decode_plain_chunk(data)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    chunk = NO_CHUNK
                is_plain = False
                error = chunk.error
                for choice in chunk.choices or ():
                    # One choice is requested. The text of further ones must not be mixed into it.
                    if choice.index != 0:
                        continue
                    delta = choice.delta or NO_DELTA
                    if delta.tool_calls:
                        is_plain = False
                        break
                    if reasoning := delta.reasoning_content or delta.reasoning:
                        is_plain = True
                        if kind is Text:
                            self._deltas.add(kind, texts, deltas)
                            kind = Reasoning
                        texts.append(reasoning)
                    if text := delta.content or delta.refusal:
                        is_plain = True
                        if kind is Reasoning:
                            self._deltas.add(kind, texts, deltas)
                            kind = Text
                        texts.append(text)
                    if is_plain and (choice.finish_reason or state.finish_reason is not None or choice.error):
                        error = error or choice.error
                        state.note_reason(None if error else choice.finish_reason, with_text=True)
                if is_plain:
                    self._chunk_count += 1
                    if type(chunk.usage) is dict:
                        self._usage = chunk.usage
                    if error:
                        state.fail(failure_from_event(error))
                    elif forwarded is not None:
                        forwarded.add(data, has_usage=type(chunk.usage) is dict)
                else:
                    # Of a common provider only the first and the last chunks of an answer.
                    self._deltas.add(kind, texts, deltas)
                    self._read_other(data, deltas)
                    if state.has_ended:
                        return
        finally:
            self._deltas.add(kind, texts, deltas)

    def _read_other(self, data: bytes, deltas: list[Delta]) -> None:
        """Read an event that is not a plain chunk with text."""
        if data == b"[DONE]":  # nearly every answer's last event, on which two JSON decoders would fail
            self._is_done = self.state.has_ended = True
            return
        try:
            value = decode_json(data)
        except (ValueError, RecursionError) as error:
            if _DONE.fullmatch(data) or data.startswith(b"[DONE]"):
                self._is_done = self.state.has_ended = True
            elif data[:5].lower() == b"error":
                self.state.fail(failure_from_event(data.decode(errors="replace")))
            elif not (self._is_at_end or _NOISE.fullmatch(data)):
                self.state.fail(UpstreamInvalid(f"the provider sent a broken event: {type(error).__name__}: {error}"))
            return
        if isinstance(value, str) and _DONE.fullmatch(data):
            self._is_done = self.state.has_ended = True
        # Other values than objects mean nothing: `null`, a number, a string.
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                self._read_object(item, data if item is value else to_json(item), deltas)

    def _read_object(self, value: dict[str, Any], data: bytes, deltas: list[Delta]) -> None:
        state = self.state
        try:
            contents = read_chunk(value, may_be_message=self._is_message or not state.has_deltas)
        except UnreadableChunk as error:
            state.fail(UpstreamInvalid(f"the provider sent a broken event: {error}"))
            return
        self._chunk_count += contents.has_choices
        if isinstance(contents.usage, dict):
            self._usage = contents.usage
        for is_reasoning, text in contents.parts:
            self._deltas.add(Reasoning if is_reasoning else Text, [text], deltas)
        if contents.tool_calls:
            # Arguments may take longer than the limit for one token.
            state.has_progressed = state.has_deltas = True
            self._char_count += sum([self._tool_calls.add(part) for part in contents.tool_calls])
        self._is_message = self._is_message or contents.is_message
        # Before the finish reason, which may only repeat that there is an error.
        if contents.error or not contents.has_choices:
            state.fail(self._failure_in(value, contents.error))
        # The words of a provider's error are not for clients.
        if self._forwarded is not None and not contents.error:
            self._forwarded.add_object(value, data, contents)
        if contents.finish_reason or contents.parts or contents.tool_calls:
            state.note_reason(contents.finish_reason, with_text=bool(contents.parts or contents.tool_calls))

    def _failure_in(self, value: dict[str, Any], error: Any) -> UpstreamError | None:
        """Find the failure in an object that has an error, or no choices."""
        if not isinstance(self._body, JsonBodyDecoder):
            return failure_in(value) or (failure_from_event(error) if error else None)
        where = f"in a 200 with {self._format.content_type} instead of an event stream"
        failure = failure_in(value, where) or (failure_from_event(error, where) if error else None)
        # An object that names no known failure, and comes before any text, is not an answer.
        is_unknown = type(failure) is UpstreamUnavailable and not self.state.has_deltas
        return UpstreamInvalid(failure.detail) if failure is not None and is_unknown else failure
