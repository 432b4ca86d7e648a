"""How much of a request's body has come, and until when the rest may come. Bytes and numbers only: no socket."""

from __future__ import annotations

import re
import time

# Beside the time that every body gets, one second for each so many bytes that have come. A phone at the edge of a
# cell sends 8 KiB a second, so a body of 1 MiB, the usual limit, goes through; a byte every few seconds does not.
BODY_BYTES_PER_SECOND = 4096
# A chunk's size and its extensions, or one trailer: gunicorn's own limit for either is 8190.
LINE_LIMIT = 8192

_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")


class BodyArrival:
    """What has come of one request's body. One thread at a time.

    It says when a body is whole, and reads nothing of it: gunicorn's reader stays the judge of its framing.
    """

    def __init__(self, length: int | None, timeout: float) -> None:
        """Begin to wait for a body.

        Args:
            length: Its Content-Length in bytes; `None` for a chunked body.
            timeout: Seconds for all of it, beside those for what has come.
        """
        self.length = length
        #: Raw bytes of it that have come, framing included.
        self.received = 0
        #: Whether all of it has come.
        self.is_complete = length == 0
        #: Whether its chunks broke, so that nobody can say where it ends.
        self.is_broken = False
        self._deadline = time.monotonic() + timeout
        self._line = b""
        #: Bytes of the current chunk's data that are to come.
        self._chunk_left = 0
        self._is_behind_data = False
        self._in_trailers = False

    def feed(self, data: bytes) -> None:
        """Take note of bytes that have come; those behind the body's end are another request's, and left out."""
        if self.is_complete:
            return
        if self.length is None:
            self.received += self._scan_chunks(data)
        else:
            self.received += min(len(data), self.length - self.received)
            self.is_complete = self.received == self.length

    def deadline(self) -> float:
        """Return when the next bytes must have come, on the monotonic clock: it moves with what comes."""
        return self._deadline + self.received / BODY_BYTES_PER_SECOND

    def _scan_chunks(self, data: bytes) -> int:
        """Follow the framing of RFC 9112, section 7.1; return how many of the bytes are the body's."""
        position = 0
        while position < len(data) and not (self.is_complete or self.is_broken):
            if self._chunk_left:
                step = min(self._chunk_left, len(data) - position)
                self._chunk_left -= step
                position += step
                continue
            end = data.find(b"\n", position) + 1
            self._line += data[position : end or None]
            position = end or len(data)
            if len(self._line) > LINE_LIMIT or (self._is_behind_data and not b"\r\n".startswith(self._line)):
                self.is_broken = True
            elif end:
                line, self._line = self._line, b""
                self._take_line(line)
        return position

    def _take_line(self, line: bytes) -> None:
        if self._is_behind_data:
            self._is_behind_data = False
            return
        if self._in_trailers:
            self.is_complete = line == b"\r\n"
            self.is_broken = not line.endswith(b"\r\n")
            return
        matched = _CHUNK_SIZE.fullmatch(line)
        if matched is None:
            self.is_broken = True
            return
        self._chunk_left = int(matched[1], 16)
        self._is_behind_data = self._chunk_left > 0
        self._in_trailers = self._chunk_left == 0
