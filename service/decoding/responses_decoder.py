"""Decode the body of an answer of OpenAI's Responses API: bytes in, deltas out, and at the end the result or failure.

An event names its type in its data. The texts are in deltas; the last event has the whole response, with its usage.
Only `response.completed` and `response.incomplete` end an answer that is whole. A server that does not stream answers
with the response itself. docs/decisions/0090-responses-api.md says how events are mapped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ..errors import UpstreamInvalid, UpstreamUnavailable
from ..events.events import Delta, Finished, Reasoning, Text, ToolCall
from ..events.usage import usage_from
from ..failures.mapping import failure_from_event
from .answer_decoder import AnswerDecoder
from .chunk_contents import finish_reason_of
from .forwarded_chunks import ForwardedChunks
from .response_calls import ResponseCalls
from .tool_call_builder import ToolCallBuilder

# A refusal is the model's answer to the person, in other events.
_KINDS: Final[Mapping[str, type[Delta]]] = {
    "response.output_text.delta": Text,
    "response.refusal.delta": Text,
    "response.reasoning_summary_text.delta": Reasoning,
    "response.reasoning_text.delta": Reasoning,
}
# Between two messages of one answer, and between two parts of reasoning.
_BETWEEN: Final = "\n\n"
_ENDS: Final = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
# Why a response is incomplete -> the finish reason of the chat API; others keep their names.
_REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}


class _DeltaEvent(msgspec.Struct, gc=False):
    """What is read of an event with text. The parser skips other fields."""

    type: str = ""
    delta: Any = None
    output_index: Any = 0
    #: Of parts of a summary.
    summary_index: Any = 0


_NO_EVENT: Final = _DeltaEvent()
_decode_event: Final = msgspec.json.Decoder(_DeltaEvent).decode


class ResponsesDecoder(AnswerDecoder):
    """Decodes one answer. Not thread-safe."""

    EVENT_NAME = "an event of a response"

    def __init__(
        self,
        max_event_bytes: int,
        max_chars: int = sys.maxsize,
        content_type: str = "text/event-stream",
        forwarded: ForwardedChunks | None = None,
    ) -> None:
        """Begin an answer; the arguments are those of `AnswerDecoder`. What is forwarded is written as chunks."""
        super().__init__(max_event_bytes, max_chars, content_type, forwarded)
        self._tool_calls = ToolCallBuilder()
        self._calls = ResponseCalls()
        # Which part the last text and the last reasoning were of.
        self._last_parts: dict[type[Delta], tuple[Any, Any]] = {}
        # Some servers send a summary of the reasoning and the reasoning itself: the first that comes is read.
        self._reasoning_type = ""
        self._has_role = False

    def _take_calls(self) -> list[ToolCall]:
        return self._tool_calls.take()

    def _finished(self, reason: str) -> Finished:
        reported = None if self._forwarded is None else _chat_usage(self._usage)
        return Finished(reason, usage_from(self._usage), reported)

    def _read_events(self, events: Sequence[bytes], deltas: list[Delta]) -> None:
        kind: type[Delta] = Text
        texts: list[str] = []
        try:
            for data in events:
                if not data:
                    continue
                try:
                    event = _decode_event(data)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    event = _NO_EVENT
                event_kind = _KINDS.get(event.type)
                if event_kind is not None and isinstance(event.delta, str):
                    self._chunk_count += 1
                    if text := self._text_of(event, event_kind):
                        if event_kind is not kind:
                            self._deltas.add(kind, texts, deltas)
                            kind = event_kind
                        texts.append(text)
                        if self._forwarded is not None:
                            self._forward_text(kind, text)
                    continue
                self._deltas.add(kind, texts, deltas)
                self._read_other(data, deltas)
                if self.state.has_ended:
                    return
        finally:
            self._deltas.add(kind, texts, deltas)

    def _read_text(self, event: _DeltaEvent, kind: type[Delta], deltas: list[Delta]) -> None:
        """Read an event with text that came alone."""
        if not isinstance(event.delta, str):
            if event.delta:
                what = f"a {type(event.delta).__name__} instead of text"
                self.state.fail(UpstreamInvalid(f"the provider sent a broken event: {what}"))
        elif text := self._text_of(event, kind):
            self._deltas.add(kind, [text], deltas)
            if self._forwarded is not None:
                self._forward_text(kind, text)

    def _text_of(self, event: _DeltaEvent, kind: type[Delta]) -> str:
        """Return an event's text, behind a blank line where it begins another part; empty where it is not shown."""
        text: str = event.delta
        if not text:
            return ""
        if kind is Reasoning:
            self._reasoning_type = self._reasoning_type or event.type
            if event.type != self._reasoning_type:
                self.state.has_progressed = True
                return ""
        part = (event.output_index, event.summary_index)
        last = self._last_parts.get(kind)
        if part != last:
            self._last_parts[kind] = part
            if last is not None:
                return _BETWEEN + text
        return text

    def _read_other(self, data: bytes, deltas: list[Delta]) -> None:
        """Read an event without text."""
        value = self._decode(data)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                self._read_object(item, deltas)

    def _read_object(self, value: dict[str, Any], deltas: list[Delta]) -> None:
        name = value.get("type")
        name = name if isinstance(name, str) else ""
        if name in _ENDS:
            self._chunk_count += 1
            response = value.get("response")
            self._end(response if isinstance(response, dict) else {}, _ENDS[name], deltas)
        elif value.get("object") == "response":
            self._chunk_count += 1
            self._end(value, "", deltas)
        elif name in _KINDS:
            # Of a text with half of a surrogate pair, which the fast decoder refuses.
            self._chunk_count += 1
            event = _DeltaEvent(name, value.get("delta"), value.get("output_index", 0), value.get("summary_index", 0))
            self._read_text(event, _KINDS[name], deltas)
        elif name.startswith("response."):
            self._chunk_count += 1
            self._add_parts(self._calls.read_event(name, value))
        else:
            self.state.fail(self._failure_in(value, value.get("error")))

    def _add_parts(self, parts: Iterable[dict[str, Any]]) -> None:
        """Add parts of calls of tools."""
        for part in parts:
            # Arguments may take longer than the limit for one token.
            self.state.has_progressed = self.state.has_deltas = True
            self._char_count += self._tool_calls.add(part)
            if self._forwarded is not None:
                self._forward({"tool_calls": [part]})

    # ------------------------------------------------------------------ end

    def _end(self, response: dict[str, Any], end: str, deltas: list[Delta]) -> None:
        """End the answer by the whole response.

        Args:
            response: The response.
            end: What the event's type says of the end; empty where there is no event.
            deltas: Gets what did not come in deltas.
        """
        if isinstance(response.get("usage"), dict):
            self._usage = response["usage"]
        status = response.get("status")
        # A status that names a failure counts, whatever the event's type.
        if isinstance(status, str) and (not end or end == "completed"):
            end = status
        if end == "failed" or (response.get("error") and end != "completed"):
            error = response.get("error")
            missing = UpstreamUnavailable("the provider ended the response as failed, and named no error")
            self.state.fail(failure_from_event(error) if error else missing)
        self._read_output(response.get("output"), deltas)
        reason = self._reason_of(end, response)
        if reason is None:
            return
        self.state.note_reason(reason, with_text=False)
        self.state.has_ended = True
        if self._forwarded is not None:
            self._forward({}, self.state.finish_reason)

    def _reason_of(self, end: str, response: dict[str, Any]) -> str | None:
        if end == "completed":
            return "tool_calls" if self._calls else "stop"
        if end == "incomplete":
            details = response.get("incomplete_details")
            reason = finish_reason_of(details.get("reason") if isinstance(details, dict) else None)
            return None if reason is None else _REASONS.get(reason, reason)
        # `cancelled` is a failure. `queued` and `in_progress` are no ends.
        return "cancelled" if end == "cancelled" else None

    def _read_output(self, output: object, deltas: list[Delta]) -> None:
        """Read the parts of the whole response that did not come before: servers without deltas send them here."""
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        has_shown = self.state.has_text or Text in self._last_parts
        for index, item in enumerate(items):
            if item.get("type") == "function_call":
                self._add_parts(self._calls.read_item(index, item))
            elif not has_shown and item.get("type") == "reasoning" and Reasoning not in self._last_parts:
                parts = _texts(item.get("summary")) or _texts(item.get("content"))
                self._add_text(Reasoning, _BETWEEN.join(parts), deltas)
            elif not has_shown and item.get("type") == "message":
                self._add_text(Text, "".join(_texts(item.get("content"))), deltas)

    def _add_text(self, kind: type[Delta], text: str, deltas: list[Delta]) -> None:
        if not text:
            return
        if any(type(delta) is kind for delta in deltas):
            text = _BETWEEN + text
        self._deltas.add(kind, [text], deltas)
        if self._forwarded is not None:
            self._forward_text(kind, text)

    # ------------------------------------------------------------------ chunks

    def _forward_text(self, kind: type[Delta], text: str) -> None:
        assert self._forwarded is not None
        names = self._forwarded.reasoning_names if kind is Reasoning else ("content",)
        self._forward(dict.fromkeys(names, text))

    def _forward(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        assert self._forwarded is not None
        if not self._has_role:
            self._has_role = True
            delta = {"role": "assistant", **delta}
        self._forwarded.write(delta, finish_reason)


def _texts(parts: object) -> list[str]:
    """Return the texts of the parts of a message or of reasoning, refusals included."""
    found = []
    for part in parts if isinstance(parts, list) else []:
        text = (part.get("text") or part.get("refusal")) if isinstance(part, dict) else None
        if isinstance(text, str):
            found.append(text)
    return found


def _chat_usage(usage: Any) -> dict[str, Any] | None:
    """Return a usage in the form of the chat API, with its details."""
    counted = usage_from(usage)
    if counted is None:
        return None
    fields: dict[str, Any] = {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.total_tokens,
    }
    for name, ours in (("input", "prompt"), ("output", "completion")):
        if isinstance(details := usage.get(f"{name}_tokens_details"), dict):
            fields[f"{ours}_tokens_details"] = details
    return fields
