"""Bytes of a `text/event-stream` -> the data of its events, bounded in size.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation: lines end in
LF, CR or CRLF and in nothing else; one BOM at the start is skipped; comments and unknown fields are ignored;
an event without data is not an event; an event without the blank line behind it is incomplete and dropped. The
fields `id` and `retry` are read past: chat completions do not use them.

Beyond the standard, what providers send when they fail is not lost. The data of an `event: error`, what follows
`error:` (llama.cpp), and JSON that stands on lines of its own without `data:` become events too; the first two in
the form that errors have inside data, `{"error": ...}`.
"""

from __future__ import annotations

import json
import re

# One and all behind it: line by line, 64 KiB of nothing else cost 11 ms.
_LINE_ENDS = re.compile(rb"(?:\r\n|\n|\r)+")
_BOM = b"\xef\xbb\xbf"


# An event is decoded in one go, in which the loop does nothing else. A part of its JSON costs up to 0.7 us: a
# mebibyte of small ones took 130 ms, and this many take 20 to 40. A whole answer in one JSON has a part in 30 bytes.
MOST_PARTS = 50_000
# Smaller ones are not counted: they have no time to be that costly.
LARGE_EVENT = 64 * 1024


class EventTooLarge(ValueError):
    """One event, or one line, is longer than the limit. `complete` holds the data of those that came before it."""

    def __init__(self, limit: int, complete: list[bytes], unit: str = "bytes") -> None:
        """Take the limit, what the same piece had completed, and what the limit counts."""
        self.complete = complete
        super().__init__(f"an event is larger than {limit} {unit}")


def refuse_many_parts(data: bytes, complete: list[bytes]) -> None:
    """Refuse JSON of which decoding would take too long.

    Args:
        data: The event.
        complete: What came before it.

    Raises:
        EventTooLarge: It has too many parts.
    """
    if data.count(b",") + data.count(b"{") + data.count(b"[") > MOST_PARTS:
        raise EventTooLarge(MOST_PARTS, complete, "parts")


class EventStreamDecoder:
    """Decode an event stream that arrives in arbitrary pieces. Not thread-safe; one for each stream."""

    def __init__(self, max_event_bytes: int) -> None:
        """Begin a stream.

        Args:
            max_event_bytes: The most bytes that one event's data, or one unfinished line, may take. It bounds
                the memory that a faulty or hostile server can make us hold.
        """
        self._max = max_event_bytes
        # The unfinished line, in pieces: joining it anew for each piece would cost the square of its length.
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

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes.

        Returns:
            The data of every event that they completed, in order. Lines of data are joined by LF.

        Raises:
            EventTooLarge: An event passed the size limit. The stream cannot be read on.
        """
        if not piece:
            return []
        held_cr = bool(self._line_parts) and self._line_parts[-1].endswith(b"\r")
        if not (held_cr or self._at_start) and b"\n" not in piece and b"\r" not in piece:
            self._hold(piece, [])
            return []
        block = b"".join([*self._line_parts, piece]) if self._line_parts else piece
        if self._at_start:
            if len(block) < len(_BOM) and _BOM.startswith(block):
                self._line_parts = [block]
                return []
            self._at_start = False
            block = block.removeprefix(_BOM)
        if self._line_size > LARGE_EVENT:
            refuse_many_parts(block, [])
        self._line_parts = []
        self._line_size = 0
        # Whole events of one line each, and the beginning of another, are what every chat server sends. Taken as
        # such they cost an eighth of what the full rules, line by line, do.
        if block.startswith(b"data: ") and not self._in_event and b"\r" not in block and len(block) <= self._max:
            last = block.rfind(b"\n\n")
            events = block[6:last].split(b"\n\ndata: ")
            # Two line ends for each, and none in what they say or behind them.
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
            # Behind the first a blank line ends the event, and further ones say nothing.
            if start - ends.start() > 1 and ends[0] != b"\r\n":
                self._end_line(b"", events)
        self._hold(block[start:], events)
        return events

    def finish(self) -> list[bytes]:
        """End the stream: a CR that was held back still ends its line; what has no blank line is dropped.

        An error, or JSON without a field, needs no blank line: nothing else would say what went wrong.

        Returns:
            The data of the events that this completed.

        Raises:
            EventTooLarge: The last of them has too many parts.
        """
        rest = b"".join(self._line_parts)
        events: list[bytes] = []
        if self._line_size > LARGE_EVENT:
            refuse_many_parts(rest, events)
        if rest.endswith(b"\r"):
            self._line_parts = []
            self._end_line(rest[:-1], events)
        elif rest.startswith((b"{", b"[", b"error:")) or self._bare:
            self._line_parts = []
            self._end_line(rest, events)
        self._end_bare(events)
        return events

    def incomplete(self) -> list[bytes]:
        """Return, behind `finish`, the data of the event that the stream ended in, as far as it came.

        The standard drops it; clients of chat completions read it where it is whole.
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
            if not self._bare and _is_json(line):
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
                refuse_many_parts(data, events)
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
            if _is_json(value):
                events.append(value)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _error(said: bytes) -> bytes:
    """Put what a provider said of a failure into the form that errors have inside data."""
    said = said.strip()
    if not _is_json(said):
        said = json.dumps(said.decode(errors="replace")).encode()
    elif not json.loads(said):
        said = b'"an error without a word"'
    return b'{"error": ' + said + b"}"
