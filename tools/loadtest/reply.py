"""Read what a load test needs of one reply from its bytes, with little work for each token.

It counts events and does not check their form, as the tests' `FrameReader` does: that takes three times the CPU time
for each token (docs/decisions/0045-share-one-lean-model-server.md), and the client must not be the bottleneck.
"""

from __future__ import annotations

import contextlib

import msgspec

from tools.common.raw_client import ResponseReader, WireViolation


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
        headers: The head's headers; names in lower case.
        last_id: The id of the last event with text.
        last_text: The text of that event.
        duplicates: Events whose id is not above the one before. Their text does not count.
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
        self._response = ResponseReader()
        self._events = False
        self._body = b""  # received, and not yet read
        self.headers: dict[str, str] = {}
        self.last_id = 0
        self.last_text = ""
        self.duplicates = 0

    def next_connection(self) -> ReplyReader:
        """Return a reader of the rest of this reply, which comes on another connection."""
        rest = ReplyReader(self._mode)
        rest.characters, rest.pieces, rest.duplicates = self.characters, self.pieces, self.duplicates
        rest.last_id, rest.last_text = self.last_id, self.last_text
        return rest

    def feed(self, data: bytes) -> None:
        """Take received bytes; what follows the end is not looked at."""
        if self.ended:
            return
        try:
            body = self._response.feed(data)
        except WireViolation:
            self._fail("bad_response")
            return
        if not self.status:
            self._read_head()
        if body:
            self._body += body
            if self._events:
                self._read_events()
        if self._response.complete and not self._events:
            self._read_document()

    def end(self) -> None:
        """Take the end of the connection."""
        if self.ended or self._events:  # events without a terminal frame have not ended
            return
        with contextlib.suppress(WireViolation):
            self._response.end()
            self._read_document()

    def _read_head(self) -> None:
        self.status = self._response.status
        if self.status:
            self.headers = self._response.headers
            self._events = self._response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if self.status == 200 and self._events != (self._mode == "stream"):
            self._fail("bad_response")

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
                # An id counts the server's pieces, of which one event may carry several.
                count = int(number[3:]) if number[:3] == b"id:" and number[3:].strip().isdigit() else self.last_id + 1
                if count <= self.last_id:
                    self.duplicates += 1
                    continue
                self.characters += len(frame.message) + len(frame.reasoning)
                self.pieces += count - self.last_id
                self.last_id = count
                self.last_text = frame.message

    def _read_document(self) -> None:
        if self.ended:
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
