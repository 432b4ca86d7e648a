"""Events -> bytes of a `text/event-stream`, as docs/reference/wire.md has it. Pure: no I/O, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from ...service.runs.events import Event, Failed, Finished, Reasoning, Text
from .error_fields import error_fields

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform: a compressing proxy would gather tokens in its compressor.
    "Cache-Control": "no-store, no-transform",
    # nginx buffers replies unless told not to.
    "X-Accel-Buffering": "no",
}
#: Goes out at once, so that the headers reach the client before the first word.
OPENING = b": ok\n\n"
HEARTBEAT = b":\n\n"

# They end no line of an event stream, but readers built on «split lines» of some library break there.
_LINE_LIKE = re.compile("[\x7f\x85\u2028\u2029]")
# These, and halves of a surrogate pair, which are alone in a model's text now and then, and have no UTF-8.
_ODD = re.compile("[\x7f\x85\u2028\u2029\ud800-\udfff]")

# What is the same in every token's frame is made once.
_TEXT = b'id: %d\ndata: {"success": true, "message": %b, "interaction_mode": "stream"}\n\n'
_REASONING = b'id: %d\ndata: {"success": true, "message": "", "interaction_mode": "stream", "reasoning": %b}\n\n'
_OTHER = b"id: %d\ndata: %b\n\n"

_encode = msgspec.json.Encoder().encode


class EventEncoder:
    """Encode one run's events. An event's id is its number in the run; an id names the last event it carries."""

    def __init__(self) -> None:
        """Begin at event number 1."""
        self._position = 0

    def encode(self, batch: Sequence[Event]) -> bytes:
        """Encode events that waited together, with neighbouring texts joined, for one write."""
        if len(batch) == 1 and type(batch[0]) is Text:  # a token, nearly always
            self._position += 1
            text = batch[0].text
            # As `_json_text` has it: a call for each token is worth a line.
            return _TEXT % (self._position, _json(text) if _ODD.search(text) else _encode(text))
        frames: list[bytes] = []
        for kind, group in groupby(batch, type):
            events = list(group)
            self._position += len(events)
            if kind is Text:
                frames.append(_TEXT % (self._position, _json_text(_joined(events))))
            elif kind is Reasoning:
                frames.append(_REASONING % (self._position, _json_text(_joined(events))))
            else:  # the end, which comes alone
                frames.append(_OTHER % (self._position, _json(_end_fields(events[-1]))))
        return b"".join(frames)


def _joined(events: Iterable[Event]) -> str:
    return "".join([event.text for event in events if isinstance(event, Text | Reasoning)])


def _end_fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Failed):
        return error_fields(event.error)
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
    # A tenth of the cost of `json.dumps`. It escapes quotes, backslashes and all characters below space.
    return _json(text) if _ODD.search(text) else _encode(text)


def _json(value: object) -> bytes:
    """Write JSON on one line. Chinese as it is: escaped, it would take twice the bytes."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        return _LINE_LIKE.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()
