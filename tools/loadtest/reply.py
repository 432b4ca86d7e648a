"""Bytes of one reply -> what a load test wants to know of it. No I/O, no clock, and as little work as will do.

It trusts the server's framing: `tests/raw_client.py` is the reader that checks it.
"""

from __future__ import annotations

import msgspec


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None


class _Frame(msgspec.Struct):
    success: bool = True
    message: str = ""
    reasoning: str = ""
    done: bool = False
    code: str = ""
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Frame)


class ReplyReader:
    """Read one reply.

    Attributes:
        status: The HTTP status; 0 until the head has arrived.
        characters: Characters of text so far, reasoning included.
        pieces: Pieces of text so far, as the events' ids count them.
        ended: Whether the reply has said all it will: a terminal frame, or the whole body.
        whole: Whether it ended well.
        code: Why it did not, where it says so.
        billed: The `completion_tokens` of its usage, -1 if it has none.
    """

    def __init__(self, mode: str) -> None:
        self.status = 0
        self.characters = 0
        self.pieces = 0
        self.ended = False
        self.whole = False
        self.code = ""
        self.billed = -1
        self._mode = mode
        self._wire = b""  # received, and not yet understood
        self._left = -1  # bytes of this chunk or body still to come; -1 is not known
        self._chunked = False
        self._over = False  # whether the last chunk has come
        self._events = False
        self._body = b""
        self._last_id = 0

    def feed(self, data: bytes) -> None:
        """Take received bytes; what follows the end is not looked at."""
        if self.ended:
            return
        if self._wire:
            data = self._wire + data
            self._wire = b""
        if not self.status:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._wire = data
                return
            self._read_head(data[:end])
            data = data[end + 4 :]
        if self._chunked:
            self._read_chunks(data)
        elif data or not self._left:
            self._body += data
            if self._events:
                self._read_events()
            if self._left >= 0:
                self._left -= len(data)
                if self._left <= 0:
                    self._read_document()

    def end(self) -> None:
        """Take the end of the connection."""
        if not self.ended and self.status and not self._chunked and self._left < 0 and not self._events:
            self._read_document()

    def _read_head(self, head: bytes) -> None:
        start, *lines = head.split(b"\r\n")
        words = start.split(None, 2)
        if len(words) < 2 or not start.startswith(b"HTTP/1.") or not words[1].isdigit():
            self._fail("bad_response")
            return
        self.status = int(words[1])
        for line in lines:
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip().lower()
            if name == b"transfer-encoding":
                self._chunked = value == b"chunked"
            elif name == b"content-length" and value.isdigit():
                self._left = int(value)
            elif name == b"content-type":
                self._events = value.startswith(b"text/event-stream")
        if self.status == 200 and self._events != (self._mode == "stream"):
            self._fail("bad_response")

    def _read_chunks(self, data: bytes) -> None:
        at = 0
        parts = []
        last = self._over
        while at < len(data) and not last:
            if self._left < 0:
                line = data.find(b"\r\n", at)
                if line < 0:
                    break
                try:
                    self._left = int(data[at:line].partition(b";")[0], 16)
                except ValueError:
                    self._fail("bad_response")
                    return
                at = line + 2
                if not self._left:
                    self._over = last = True
                    break
                self._left += 2  # the line end that follows
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            # Of the two bytes that follow a chunk, one or both may be in this piece.
            parts.append(piece[: len(piece) - max(0, 2 - self._left)] if self._left < 2 else piece)
            if not self._left:
                self._left = -1
        self._wire = data[at:]
        if parts:
            self._body += b"".join(parts)
            if self._events:
                self._read_events()
        if last and not self._events:
            self._read_document()

    def _read_events(self) -> None:
        *blocks, self._body = self._body.split(b"\n\n")
        for block in blocks:
            if not block or block[0] == 58 or self.ended:  # a colon: a comment
                continue
            number, _, data = block.partition(b"\ndata:")
            if not data:
                number, data = b"", block.removeprefix(b"data:")
            try:
                frame = _decoder.decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._fail("bad_response")
                return
            if not frame.success:
                self._fail(frame.code or "unknown")
            elif frame.done:
                self.ended = self.whole = True
                self._bill(frame.usage)
            if frame.message or frame.reasoning:
                self.characters += len(frame.message) + len(frame.reasoning)
                # An id counts the server's pieces, of which one event may carry several.
                count = (
                    int(number[3:]) if number[:3] == b"id:" and number[3:].strip().isdigit() else self._last_id + 1
                )
                self.pieces += count - self._last_id
                self._last_id = count

    def _read_document(self) -> None:
        if self.ended:
            return
        if self._events:  # it ended without a terminal frame
            return
        try:
            document = _decoder.decode(self._body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._fail("bad_response" if self.status == 200 else f"http_{self.status}")
            return
        if self.status == 200 and document.success:
            self.ended = self.whole = True
            self._bill(document.usage)
            self.characters = len(document.message) + len(document.reasoning)
        else:
            self._fail(document.code or f"http_{self.status}")

    def _bill(self, usage: _Usage | None) -> None:
        if usage is not None and usage.completion_tokens is not None:
            self.billed = usage.completion_tokens

    def _fail(self, code: str) -> None:
        self.ended = True
        self.code = code
