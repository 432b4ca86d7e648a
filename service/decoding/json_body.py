"""Bytes of a body that is JSON and no event stream -> the JSON values in it. Bounded in size, no I/O.

A provider that does not stream answers with one object; some proxies write one object a line, and some write an event
stream's `data: [DONE]` behind the one object.
"""

from __future__ import annotations

import json

from .sse_decoder import LARGE_EVENT, EventTooLarge, refuse_many_parts


class JsonBodyDecoder:
    """Decode a body that arrives in arbitrary pieces. Not thread-safe; one for each body."""

    def __init__(self, max_bytes: int) -> None:
        """Begin a body, of which at most that many bytes are held: one object, or one line."""
        self._max = max_bytes
        self._held: list[bytes] = []
        self._held_size = 0
        # None until the first line has come: an object that is a line, or the first of many lines of one object.
        self._is_lines: bool | None = None
        #: Whether all of the body was one object, which came whole.
        self.is_document = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes.

        Returns:
            The lines that they completed, where each is a JSON value.

        Raises:
            EventTooLarge: The object or the line passed the size limit.
        """
        held_before = self._held_size
        self._held.append(piece)
        self._held_size += len(piece)
        lines: list[bytes] = []
        if self._is_lines is not False and b"\n" in piece:
            block = b"".join(self._held)
            if held_before > LARGE_EVENT:
                refuse_many_parts(block, [])
            if self._is_lines is None:
                self._is_lines = _is_json(block.partition(b"\n")[0])
            if self._is_lines:
                *complete, rest = block.split(b"\n")
                lines = [line for line in map(_data_of, complete) if line]
                block = rest
            self._held, self._held_size = [block], len(block)
        if self._held_size > self._max:
            raise EventTooLarge(self._max, lines)
        return lines

    def finish(self) -> list[bytes]:
        """End the body.

        Returns:
            Its one object, and the lines behind it; or the last line, where its end did not come.

        Raises:
            EventTooLarge: It has too many parts.
        """
        block = b"".join(self._held)
        self._held = []
        if len(block) > LARGE_EVENT:
            refuse_many_parts(block, [])
        if self._is_lines:
            return [line] if (line := _data_of(block)) else []
        text = block.decode(errors="surrogateescape")
        try:
            end = json.JSONDecoder().raw_decode(text)[1]
        except (ValueError, RecursionError):
            return []
        self.is_document = True
        behind = (_data_of(line.encode(errors="surrogateescape")) for line in text[end:].splitlines())
        return [text[:end].encode(errors="surrogateescape"), *(line for line in behind if line)]

    def incomplete(self) -> list[bytes]:
        """Return what the end left incomplete: nothing, as an object that was cut off cannot be read."""
        return []


def _data_of(line: bytes) -> bytes:
    return line.strip().removeprefix(b"data:").strip()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
