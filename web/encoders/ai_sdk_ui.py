"""Events -> bytes of the AI SDK's UI message stream, version 1, for `useChat`. No I/O, no clock.

Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, and `uiMessageChunkSchema` of `ai` 5 and 7. Only keys that
the first version knew: it refuses others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ...service.decoding.json_values import decode_json
from ...service.events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from .json_line import json_line, text_line

#: Says which protocol it is; the client does without it, and other tools look at it.
PROTOCOL_HEADER = ("x-vercel-ai-ui-message-stream", "v1")

_DELTA = b'data: {"type":"%b-delta","id":%b,"delta":%b}\n\n'
_KINDS = {Text: b"text", Reasoning: b"reasoning"}


class UIMessageEncoder:
    """Encodes one reader's stream from its beginning. It remembers which part of the message is open."""

    def __init__(self, message_id: str) -> None:
        """Begin a message.

        Args:
            message_id: The message's id: the same for all readers of a run.
        """
        self._message_id = message_id
        self._has_begun = False
        #: What the open part is of; None where none is open.
        self._kind: type[Event] | None = None
        self._part_count = 0
        self._part_id = b""
        #: Whether a tool has answered, so that what comes next is another step of the model.
        self._is_behind_step = False

    def __call__(self, events: Sequence[Event], first_number: int, request_id: str) -> bytes:
        """Encode events.

        Args:
            events: A run's events, in their order.
            first_number: Unused: a reader that comes back gets all from the beginning.
            request_id: Unused: an error's text has it where it helps.
        """
        if len(events) == 1 and type(events[0]) is self._kind:  # a token of an open part, nearly always
            return self._delta(events[0])
        frames: list[bytes] = []
        if not self._has_begun:
            self._has_begun = True
            frames += [_frame("start", messageId=self._message_id), _frame("start-step")]
        for event in events:
            frames += self._frames(event)
        return b"".join(frames)

    def _frames(self, event: Event) -> Iterator[bytes]:
        kind = type(event)
        if kind is not self._kind:
            yield from self._end_part()
        if self._is_behind_step and kind is not ToolResult and kind is not Custom:
            self._is_behind_step = False
            yield from (_frame("finish-step"), _frame("start-step"))
        if kind is Text or kind is Reasoning:
            if self._kind is None:
                self._kind = kind
                self._part_count += 1
                self._part_id = b'"%d"' % self._part_count
                yield b'data: {"type":"%b-start","id":%b}\n\n' % (_KINDS[kind], self._part_id)
            yield self._delta(event)
        elif isinstance(event, ToolCall):
            yield _frame("tool-input-start", toolCallId=event.call_id, toolName=event.name, providerExecuted=True)
            yield _frame(
                "tool-input-available", toolCallId=event.call_id, toolName=event.name,
                input=_arguments(event.arguments), providerExecuted=True,
            )  # fmt: skip
        elif isinstance(event, ToolResult):
            self._is_behind_step = True
            if event.is_error:
                yield _frame(
                    "tool-output-error", toolCallId=event.call_id, errorText=event.text, providerExecuted=True
                )
            else:
                yield _frame(
                    "tool-output-available", toolCallId=event.call_id, output=event.text, providerExecuted=True
                )
        elif isinstance(event, Custom):
            yield _frame(f"data-{event.name}", data=decode_json(event.data))
        elif isinstance(event, Finished):
            usage = None if event.usage is None else event.usage.fields()
            yield _frame("finish-step")
            yield _frame("finish", messageMetadata={"finish_reason": event.reason, "usage": usage})
            yield b"data: [DONE]\n\n"
        elif isinstance(event, Failed):
            yield _frame("error", errorText=event.error.public_message)

    def _delta(self, event: Event) -> bytes:
        assert isinstance(event, Text | Reasoning)
        return _DELTA % (_KINDS[type(event)], self._part_id, text_line(event.text))

    def _end_part(self) -> Iterator[bytes]:
        if self._kind is Text or self._kind is Reasoning:
            yield b'data: {"type":"%b-end","id":%b}\n\n' % (_KINDS[self._kind], self._part_id)
        self._kind = None


def _frame(kind: str, **fields: Any) -> bytes:
    return b"data: " + json_line({"type": kind, **fields}) + b"\n\n"


def _arguments(text: str) -> Any:
    """Return the arguments of a call; as a text where the model has not written JSON, such as NaN."""
    try:
        value = decode_json(text.encode())
        # It accepts numbers that JSON cannot express, and the client's reader does not.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value
