"""Split a `text/event-stream` into the data of its events, bounded in size.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. Lines end in LF,
CR or CRLF and in nothing else. One byte order mark at the start is skipped. Comments and unknown fields are ignored.
An event without data is not an event. An event without the blank line after it is incomplete and dropped. The fields
`id` and `retry` are skipped: chat completions do not use them.

Three forms beyond the standard are read, in which providers send failures: the data of an `event: error`, what
follows `error:` (llama.cpp), and JSON on lines of its own without `data:`. The first two become `{"error": ...}`, the
form that errors have inside data.
"""

from __future__ import annotations

import json
import re

from .event_limits import (
    LARGE_EVENT,
    EventTooLarge,
    refuse_many_parts,
    refuse_many_parts_in_lines,
    refuse_many_used_parts,
)
from .json_values import is_json

# A run of them in one match: one match for each, 64 KiB of nothing else cost 11 ms.
_LINE_ENDS = re.compile(rb"(?:\r\n|\n|\r)+")
_BOM = b"\xef\xbb\xbf"


class EventStreamDecoder:
    """Splits one event stream. Not thread-safe."""

    def __init__(self, max_event_bytes: int) -> None:
        """Begin a stream.

        Args:
            max_event_bytes: The most bytes of one event's data, or of one unfinished line; as many are held in
                memory.
        """
        self._max = max_event_bytes
        # The unfinished line, in parts: joining it each time would cost the square of its length.
        self._line_parts: list[bytes] = []
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._names_error = False
        # Lines of JSON without a field.
        self._bare: list[bytes] = []
        # Whether any of the three above is not empty.
        self._in_event = False
        self._at_start = True

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes.

        Args:
            data: Cut anywhere.

        Returns:
            The data of every event that they completed, in order. Lines of data are joined by LF.

        Raises:
            EventTooLarge: An event is larger than the limit. No more of the stream can be read.
        """
        if not data:
            return []
        held_cr = bool(self._line_parts) and self._line_parts[-1].endswith(b"\r")
        if not (held_cr or self._at_start) and b"\n" not in data and b"\r" not in data:
            self._hold(data, [])
            return []
        block = b"".join([*self._line_parts, data]) if self._line_parts else data
        if self._at_start:
            if len(block) < len(_BOM) and _BOM.startswith(block):
                self._line_parts = [block]
                return []
            self._at_start = False
            block = block.removeprefix(_BOM)
        if self._line_size > LARGE_EVENT:
            refuse_many_parts_in_lines(block, [])
        self._line_parts = []
        self._line_size = 0
        # Whole events of one line each, and the beginning of another, are what every chat server sends. Split at once
        # they cost an eighth of what the full rules, line by line, do.
        if block.startswith(b"data: ") and not self._in_event and b"\r" not in block and len(block) <= self._max:
            last = block.rfind(b"\n\n")
            events = block[6:last].split(b"\n\ndata: ")
            # Two line ends for each event, and none inside or after them.
            if last > 0 and block.count(b"\n") == 2 * len(events):
                if last + 2 < len(block):
                    self._hold(block[last + 2 :], events)
                return events
        events = []
        # A CR at the very end may be the first half of a CRLF: wait for the next byte before ending the line.
        usable = len(block) - 1 if block.endswith(b"\r") else len(block)
        start = 0
        for ends in _LINE_ENDS.finditer(block, 0, usable):
            self._end_line(block[start : ends.start()], events)
            start = ends.end()
            # The second line end is a blank line, which ends the event; further ones mean nothing.
            if start - ends.start() > 1 and ends[0] != b"\r\n":
                self._end_line(b"", events)
        self._hold(block[start:], events)
        return events

    def finish(self) -> list[bytes]:
        """End the stream. A CR that was held back ends its line; an event without a blank line is dropped.

        An error, or JSON without a field, needs no blank line: nothing else would name the failure.

        Returns:
            The data of the events that this completed.

        Raises:
            EventTooLarge: The last of them has too many parts.
        """
        rest = b"".join(self._line_parts)
        events: list[bytes] = []
        if self._line_size > LARGE_EVENT:
            refuse_many_parts_in_lines(rest, events)
        if rest.endswith(b"\r"):
            self._line_parts = []
            self._end_line(rest[:-1], events)
        elif rest.startswith((b"{", b"[", b"error:")) or self._bare:
            self._line_parts = []
            self._end_line(rest, events)
        self._end_bare(events)
        return events

    def incomplete(self) -> list[bytes]:
        """Return the data of the event in which the stream ended, as far as it came; call it after `finish`.

        The standard drops that event. Clients of chat completions read it where it is whole.
        """
        rest = b"".join(self._line_parts)
        self._line_parts = []
        events: list[bytes] = []
        if rest:
            self._end_line(rest, events)
        self._end_event(events)
        return events

    def _hold(self, part: bytes, events: list[bytes]) -> None:
        if not part:
            return
        self._line_size += len(part)
        if self._line_size + self._data_size > self._max:
            raise EventTooLarge(self._max, events)
        self._line_parts.append(part)

    def _end_line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            self._end_event(events)
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._end_bare(events)
            self._grow(line, events)
            self._data.append(value.removeprefix(b" "))
            self._in_event = True
        elif name == b"event":
            self._end_bare(events)
            self._names_error = value.strip().lower() == b"error"
            self._in_event = self._names_error or bool(self._data)
        elif name == b"error":
            self._end_bare(events)
            events.append(_error(value))
        elif self._bare or line.startswith((b"{", b"[")):
            if not self._bare and is_json(line):
                events.append(line)
                return
            self._grow(line, events)
            self._bare.append(line)
            self._in_event = True

    def _grow(self, line: bytes, events: list[bytes]) -> None:
        self._data_size += len(line)
        if self._data_size > self._max:
            raise EventTooLarge(self._max, events)

    def _end_event(self, events: list[bytes]) -> None:
        self._end_bare(events)
        if self._data:
            data = b"\n".join(self._data) if len(self._data) > 1 else self._data[0]
            if self._data_size > LARGE_EVENT:
                (refuse_many_parts if self._names_error else refuse_many_used_parts)(data, events)
            events.append(_error(data) if self._names_error else data)
            self._data = []
        self._data_size = 0
        self._names_error = False
        self._in_event = False

    def _end_bare(self, events: list[bytes]) -> None:
        if self._bare:
            value = b"\n".join(self._bare)
            self._bare = []
            if self._data_size > LARGE_EVENT:
                refuse_many_parts(value, events)
            if is_json(value):
                events.append(value)


def _error(data: bytes) -> bytes:
    """Put a provider's error into the form that errors have inside data."""
    data = data.strip()
    if not is_json(data):
        data = json.dumps(data.decode(errors="replace")).encode()
    elif not json.loads(data):
        data = b'"an error without a description"'
    return b'{"error": ' + data + b"}"
