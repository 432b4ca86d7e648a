"""Events -> bytes of a `text/event-stream`, as docs/reference/wire.md has it. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from ...service.events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from ...service.events.tool_uses import ToolUse
from .error_fields import describe_error
from .json_line import ODD, encode_plain, json_line, raw_json_line, text_line

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform: a compressing proxy would gather tokens in its compressor.
    "Cache-Control": "no-store, no-transform",
    # nginx buffers replies unless told not to.
    "X-Accel-Buffering": "no",
}
#: Sent at once, so that the headers reach the client before the first token.
OPENING = b": ok\n\n"
HEARTBEAT = b":\n\n"

# The constant parts of a frame.
_TEXT = b'id: %d\ndata: {"success": true, "message": %b, "interaction_mode": "stream"}\n\n'
_REASONING = b'id: %d\ndata: {"success": true, "message": "", "interaction_mode": "stream", "reasoning": %b}\n\n'
_CUSTOM = (
    b'id: %d\ndata: {"success": true, "message": "", "interaction_mode": "stream", '
    b'"custom": {"name": %b, "data": %b}}\n\n'
)
_OTHER = b"id: %d\ndata: %b\n\n"


def encode_events(events: Sequence[Event], first_number: int, request_id: str) -> bytes:
    """Encode events that wait together, with neighbouring texts joined, for one write.

    A frame's id is the number of the last event in it.

    Args:
        events: A run's events, in their order.
        first_number: The number of the first one in its run; the others have those that follow.
        request_id: The id of the request, for an error's frame.
    """
    if len(events) == 1 and type(events[0]) is Text:  # a token, nearly always
        text = events[0].text
        # `text_line` without its call, once for each token.
        return _TEXT % (first_number, json_line(text) if ODD.search(text) else encode_plain(text))
    frames: list[bytes] = []
    last = first_number - 1
    for kind, group in groupby(events, type):
        neighbours = list(group)
        last += len(neighbours)
        if kind is Text:
            frames.append(_TEXT % (last, text_line(_joined(neighbours))))
        elif kind is Reasoning:
            frames.append(_REASONING % (last, text_line(_joined(neighbours))))
        else:
            first = last - len(neighbours) + 1
            frames += [_encode_other(event, number, request_id) for number, event in enumerate(neighbours, first)]
    return b"".join(frames)


def _joined(events: Iterable[Event]) -> str:
    return "".join([event.text for event in events if isinstance(event, Text | Reasoning)])


def _encode_other(event: Event, number: int, request_id: str) -> bytes:
    """Encode an event that is neither a text nor reasoning, as a frame of its own."""
    if isinstance(event, Custom):
        return _CUSTOM % (number, text_line(event.name), raw_json_line(event.data))
    if isinstance(event, ToolCall):
        call = _call_fields(event)
        if event.needs_consent:
            call["needs_consent"] = True
        return _OTHER % (number, json_line(_begin_frame() | {"tool_call": call}))
    if isinstance(event, ToolResult):
        result = {"id": event.call_id, "name": event.name, **_result_fields(event)}
        return _OTHER % (number, json_line(_begin_frame() | {"tool_result": result}))
    return _OTHER % (number, json_line(_end_fields(event, request_id)))


def _begin_frame() -> dict[str, Any]:
    return {"success": True, "message": "", "interaction_mode": "stream"}


def describe_tool_use(use: ToolUse) -> dict[str, Any]:
    """Return the fields of a call of a tool for a whole reply: with its result where it has one."""
    return {**_call_fields(use.call), **({} if use.result is None else _result_fields(use.result))}


def _call_fields(call: ToolCall) -> dict[str, Any]:
    return {"id": call.call_id, "name": call.name, "arguments": call.arguments}


def _result_fields(result: ToolResult) -> dict[str, Any]:
    fields: dict[str, Any] = {"text": result.text, "is_error": result.is_error, "seconds": round(result.seconds, 3)}
    return fields | {"code": result.code} if result.code else fields


def _end_fields(event: Event, request_id: str) -> dict[str, Any]:
    if isinstance(event, Failed):
        return describe_error(event.error, request_id)
    assert isinstance(event, Finished)
    return {
        **_begin_frame(),
        "done": True,
        "finish_reason": event.reason,
        "usage": None if event.usage is None else event.usage.fields(),
    }
