"""Split a body that is JSON, and not an event stream, into its JSON values.

A provider that does not stream answers with one object. Some proxies write one object on each line, and some write an
event stream's `data: [DONE]` after the one object.
"""

from __future__ import annotations

import json

from .event_limits import LARGE_EVENT, EventTooLarge, refuse_many_parts
from .json_values import is_json


class JsonBodyDecoder:
    """Splits one body. Not thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        """Begin a body.

        Args:
            max_bytes: The most bytes of one object, or of one line; as many are held in memory.
        """
        self._max = max_bytes
        self._held: list[bytes] = []
        self._held_size = 0
        # Whether each line is a value; None until the first line has come. Else all lines are one object.
        self._is_lines: bool | None = None
        #: Whether the whole body was one object, and all of it came.
        self.is_document = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes.

        Args:
            data: Not empty; cut anywhere.

        Returns:
            The lines that they completed, where each line is a JSON value.

        Raises:
            EventTooLarge: The object or the line is larger than the limit.
        """
        held_before = self._held_size
        self._held.append(data)
        self._held_size += len(data)
        lines: list[bytes] = []
        if self._is_lines is not False and b"\n" in data:
            block = b"".join(self._held)
            if held_before > LARGE_EVENT:
                refuse_many_parts(block, [])
            if self._is_lines is None:
                self._is_lines = is_json(block.partition(b"\n")[0])
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
            The one object and the lines after it, or the last line where its line end did not come.

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
        following = (_data_of(line.encode(errors="surrogateescape")) for line in text[end:].splitlines())
        return [text[:end].encode(errors="surrogateescape"), *(line for line in following if line)]

    def incomplete(self) -> list[bytes]:
        """Return nothing: an object that was cut off cannot be read."""
        return []


def _data_of(line: bytes) -> bytes:
    return line.strip().removeprefix(b"data:").strip()
