"""Counts how much of a request's body was received, and until when the rest may arrive. Uses no socket."""

from __future__ import annotations

import re
import time

# Added to the time limit of a body: one second for each so many bytes received. A phone with a bad connection sends
# 8 KiB a second, so a body of 1 MiB, the default limit, is accepted. A byte every few seconds is not.
BODY_BYTES_PER_SECOND = 4096
# Of a chunk's size with its extensions, and of a trailer. gunicorn's limit for either is 8190.
LINE_LIMIT = 8192

_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?\r\n")


class BodyArrival:
    """The progress of one request's body. For one thread at a time.

    It knows when a body is complete. gunicorn's reader still checks the framing.
    """

    def __init__(self, length: int | None, timeout: float) -> None:
        """Start to wait for a body.

        Args:
            length: Its Content-Length in bytes; None for a chunked body.
            timeout: Seconds for all of it, plus one for each `BODY_BYTES_PER_SECOND` received.
        """
        self.length = length
        #: Bytes received, including the framing.
        self.received = 0
        #: Bytes that its Content-Length, or the sizes of its chunks so far, announce.
        self.announced = length or 0
        #: The most bytes that its reader accepts; None where it is unknown.
        self.limit: int | None = None
        #: Whether all of it was received.
        self.is_complete = length == 0
        #: Whether the framing of its chunks is invalid, so that its end is unknown.
        self.is_broken = False
        self._deadline = time.monotonic() + timeout
        self._line = b""
        #: Bytes of the current chunk that are to be received.
        self._chunk_left = 0
        self._is_after_data = False
        self._in_trailers = False

    def feed(self, data: bytes) -> None:
        """Count received bytes. Bytes after the end of the body belong to the next request, and are not counted."""
        if self.is_complete:
            return
        if self.length is None:
            self.received += self._scan_chunks(data)
        else:
            self.received += min(len(data), self.length - self.received)
            self.is_complete = self.received == self.length

    @property
    def is_too_large(self) -> bool:
        """Whether more bytes are announced than its reader accepts."""
        return self.limit is not None and self.announced > self.limit

    def deadline(self) -> float:
        """Return the time on the monotonic clock at which the body is too late; it grows with the received bytes."""
        return self._deadline + self.received / BODY_BYTES_PER_SECOND

    def _scan_chunks(self, data: bytes) -> int:
        """Follow the framing of RFC 9112, section 7.1. Return how many of the bytes belong to the body."""
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
            if len(self._line) > LINE_LIMIT or (self._is_after_data and not b"\r\n".startswith(self._line)):
                self.is_broken = True
            elif end:
                line, self._line = self._line, b""
                self._take_line(line)
        return position

    def _take_line(self, line: bytes) -> None:
        if self._is_after_data:
            self._is_after_data = False
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
        self.announced += self._chunk_left
        self._is_after_data = self._chunk_left > 0
        self._in_trailers = self._chunk_left == 0
