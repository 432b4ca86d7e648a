"""Decode the body of a chat completion: bytes in, deltas out, and at the end the result or the failure.

The openai package's own stream (3.54, measured) takes all of these for a normal end: a 200 with HTML, an empty body,
an end without a finish reason. It raises errors of other classes for pings without data and for broken JSON.
docs/reference/providers.md lists what is accepted here; docs/decisions/ 8 and 38 to 40 say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import UpstreamInvalid
from ..events.events import Delta, Reasoning, Text, ToolCall
from ..failures.mapping import failure_from_event
from .answer_decoder import AnswerDecoder
from .chunk_contents import UnreadableChunk, read_chunk
from .chunk_writer import to_json
from .json_values import decode_json
from .plain_chunk import NO_CHUNK, NO_DELTA, decode_plain_chunk
from .tool_call_builder import ToolCallBuilder

# The finish reason of an answer that ended with `[DONE]`, where the provider named none.
REASON_UNKNOWN = "unknown"


class CompletionDecoder(AnswerDecoder):
    """Decodes one answer. Not thread-safe."""

    EVENT_NAME = "a chunk of a chat completion"

    # Made with the first call: most answers have none.
    _tool_calls: ToolCallBuilder | None = None
    # Whether the text came as `message` instead of `delta`.
    _is_message = False

    def _take_calls(self) -> list[ToolCall]:
        return [] if self._tool_calls is None else self._tool_calls.take()

    def _implied_reason(self) -> str | None:
        return REASON_UNKNOWN if self.state.has_text and (self._is_done or self._is_document) else None

    def _read_events(self, events: Sequence[bytes], deltas: list[Delta]) -> None:
        """Add the deltas of events, neighbours joined: to hand on a delta costs more than to join its text."""
        state = self.state
        forwarded = self._forwarded
        frames = None if forwarded is None else forwarded.unchanged
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
                # Whether the chunk has a provider's words about a failure that is not this answer's.
                has_words = False
                for choice in chunk.choices or ():
                    # One choice is requested. The text of further ones must not be mixed into it.
                    delta = choice.delta or NO_DELTA
                    has_words = has_words or choice.error or delta.error
                    if choice.index != 0:
                        continue
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
                    has_usage = type(chunk.usage) is dict
                    if has_usage:
                        self._usage = chunk.usage
                    if error:
                        state.fail(failure_from_event(error))
                    elif frames is not None and not (has_usage or has_words):
                        frames.append(data)
                    elif forwarded is not None:
                        forwarded.add_object(decode_json(data), data, None)
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
        value = self._decode(data)
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
            self._tool_calls = calls = self._tool_calls or ToolCallBuilder()
            self._char_count += sum([calls.add(part) for part in contents.tool_calls])
        self._is_message = self._is_message or contents.is_message
        # Before the finish reason, which may only repeat that there is an error.
        if contents.error or not contents.has_choices:
            state.fail(self._failure_in(value, contents.error))
        # The words of a provider's error are not for clients.
        if self._forwarded is not None and not contents.error:
            self._forwarded.add_object(value, data, contents)
        if contents.finish_reason or contents.parts or contents.tool_calls:
            state.note_reason(contents.finish_reason, with_text=bool(contents.parts or contents.tool_calls))
