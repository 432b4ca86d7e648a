"""Events -> bytes of a `text/event-stream`, as WIRE.md and the HTML standard have it. Pure: no I/O, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from service.events import Event, Failed, Finished, Reasoning, Text

from .errors import error_fields

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


class EventEncoder:
    """Encode one run's events. An event's id is its number in the run; an id names the last event it carries."""

    def __init__(self) -> None:
        """Begin at event number 1."""
        self._position = 0

    def encode(self, batch: Iterable[Event]) -> bytes:
        """Encode events that waited together, with neighbouring texts joined, for one write."""
        frames: list[bytes] = []
        texts: list[str] = []
        kind: type[Event] | None = None

        def flush() -> None:
            if texts:
                frames.append(self._text_frame(kind, "".join(texts)))
                texts.clear()

        for event in batch:
            if type(event) is not kind:
                flush()
                kind = type(event)
            self._position += 1
            match event:
                case Text(text, _) | Reasoning(text, _):
                    texts.append(text)
                case Finished(reason, usage):
                    frames.append(
                        self._frame(
                            success=True,
                            message="",
                            interaction_mode="stream",
                            done=True,
                            finish_reason=reason,
                            usage=None if usage is None else usage.fields(),
                        )
                    )
                case Failed(error):
                    frames.append(self._frame(**error_fields(error)))
        flush()
        return b"".join(frames)

    def _text_frame(self, kind: type[Event] | None, text: str) -> bytes:
        if kind is Reasoning:
            return self._frame(success=True, message="", interaction_mode="stream", reasoning=text)
        return self._frame(success=True, message=text, interaction_mode="stream")

    def _frame(self, **fields: Any) -> bytes:
        return b"id: %d\ndata: %b\n\n" % (self._position, _json(fields))


def _json(fields: dict[str, Any]) -> bytes:
    try:
        # Chinese as it is: escaped, it would take twice the bytes.
        text = json.dumps(fields, ensure_ascii=False)
        return _LINE_LIKE.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair: the other half comes with the next token, and joined they are one character.
        return json.dumps(fields).encode()
