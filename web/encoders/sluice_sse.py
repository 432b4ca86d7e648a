"""Events -> bytes of a `text/event-stream`, as docs/reference/wire.md has it. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from ...service.events.events import Event, Failed, Finished, Reasoning, Text
from .error_fields import describe_error
from .json_line import ODD, encode_plain, json_line, text_line

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
        else:  # the end, which comes alone
            frames.append(_OTHER % (last, json_line(_end_fields(neighbours[-1], request_id))))
    return b"".join(frames)


def _joined(events: Iterable[Event]) -> str:
    return "".join([event.text for event in events if isinstance(event, Text | Reasoning)])


def _end_fields(event: Event, request_id: str) -> dict[str, Any]:
    if isinstance(event, Failed):
        return describe_error(event.error, request_id)
    assert isinstance(event, Finished)
    return {
        "success": True,
        "message": "",
        "interaction_mode": "stream",
        "done": True,
        "finish_reason": event.reason,
        "usage": None if event.usage is None else event.usage.fields(),
    }
