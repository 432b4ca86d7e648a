"""Events -> bytes of a `text/event-stream`, as docs/reference/wire.md has it. No I/O, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from ...service.events.events import Event, Failed, Finished, Reasoning, Text
from .error_fields import describe_error

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

# They end no line of an event stream, but clients that use a library's `splitlines` would break there.
_LINE_LIKE = re.compile("[\x7f\x85\u2028\u2029]")
# These, and halves of surrogate pairs, which occur alone in a model's text and have no UTF-8.
_ODD = re.compile("[\x7f\x85\u2028\u2029\ud800-\udfff]")

# The constant parts of a frame.
_TEXT = b'id: %d\ndata: {"success": true, "message": %b, "interaction_mode": "stream"}\n\n'
_REASONING = b'id: %d\ndata: {"success": true, "message": "", "interaction_mode": "stream", "reasoning": %b}\n\n'
_OTHER = b"id: %d\ndata: %b\n\n"

_encode = msgspec.json.Encoder().encode


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
        # `_json_text` without its call, once for each token.
        return _TEXT % (first_number, _json(text) if _ODD.search(text) else _encode(text))
    frames: list[bytes] = []
    last = first_number - 1
    for kind, group in groupby(events, type):
        neighbours = list(group)
        last += len(neighbours)
        if kind is Text:
            frames.append(_TEXT % (last, _json_text(_joined(neighbours))))
        elif kind is Reasoning:
            frames.append(_REASONING % (last, _json_text(_joined(neighbours))))
        else:  # the end, which comes alone
            frames.append(_OTHER % (last, _json(_end_fields(neighbours[-1], request_id))))
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


def _json_text(text: str) -> bytes:
    # A tenth of the cost of `json.dumps`. It escapes quotes, backslashes and all control characters below space.
    return _json(text) if _ODD.search(text) else _encode(text)


def _json(value: object) -> bytes:
    """Return JSON on one line. Chinese is not escaped, which would double its bytes."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        return _LINE_LIKE.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()
