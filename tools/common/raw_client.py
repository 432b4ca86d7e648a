"""An HTTP client on a bare socket: every byte sent is the test's own, and every byte received is held to the
wire form.

`RawClient` is one connection. `ResponseReader` and `FrameReader` are the two parsers, without any I/O;
`stream_many` runs them over hundreds of sockets with one selector.
"""

from __future__ import annotations

import contextlib
import json
import re
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

RECEIVE: Final = 65536

CODES: Final = frozenset({
    "invalid_request",
    "csrf_refused",
    "user_changed",
    "sign_in_required",
    "forbidden",
    "rate_limited",
    "refused",
    "overloaded",
    "shutting_down",
    "stopped",
    "interrupted",
    "store_unavailable",
    "run_unknown",
    "run_expired",
    "key_reused",
    "call_unknown",
    "call_decided",
    "too_many_readers",
    "too_many_runs",
    "upstream_unavailable",
    "upstream_timeout",
    "upstream_rate_limited",
    "context_length_exceeded",
    "content_filtered",
    "quota_exceeded",
    "model_not_found",
    "key_refused",
    "temperature_refused",
    "upstream_rejected",
    "upstream_invalid",
    "upstream_truncated",
    "answer_too_large",
    "internal",
})  # fmt: skip


class WireViolation(AssertionError):
    """What came is not of the form that the wire promises."""


class CutShort(WireViolation):
    """The connection ended before the response did."""


# ---------------------------------------------------------------------------------------------------- parsers


class ResponseReader:
    """Turn the bytes of one HTTP/1.1 response into its head and its body. No I/O; one thread.

    Attributes:
        status: The status; 0 until the head has arrived.
        headers: The headers; names in lower case.
        complete: Whether the response has ended.
        excess: Bytes that came after the end of the response.

    Args:
        no_body: True for the answer to HEAD.
    """

    def __init__(self, *, no_body: bool = False) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.excess = b""
        self._no_body = no_body
        self._pending = bytearray()
        self._chunked = False
        self._left: int | None = None
        self._in_chunk = False

    def feed(self, data: bytes) -> bytes:
        """Take received bytes and return those of the body that they complete."""
        self._pending += data
        if not self.status and not self._read_head():
            return b""
        body = self._read_chunks() if self._chunked else self._read_plain()
        if self.complete:
            self.excess += bytes(self._pending)
            self._pending.clear()
        return body

    def end(self) -> None:
        """Take the end of the connection; fails if it cuts the response short."""
        if self.complete:
            return
        if not self.status:
            raise CutShort(f"the connection ended before the headers did: {bytes(self._pending)!r}")
        if self._chunked or self._left is not None:
            raise CutShort("the connection ended before the body did")
        self.complete = True

    def _read_head(self) -> bool:
        end = self._pending.find(b"\r\n\r\n")
        if end < 0:
            return False
        start, *lines = self._pending[:end].decode("latin-1").split("\r\n")
        del self._pending[: end + 4]
        matched = re.fullmatch(r"HTTP/1\.[01] (\d{3}) [^\r\n]*", start)
        if not matched:
            raise WireViolation(f"not a status line: {start!r}")
        self.status = int(matched[1])
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise WireViolation(f"not a header: {line!r}")
            known = self.headers.get(name.lower())
            self.headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        if self._chunked and "content-length" in self.headers:
            raise WireViolation("both Content-Length and chunked")
        if self._no_body or self.status in (204, 304):
            self._chunked = False
            self._left = 0
        elif "content-length" in self.headers:
            self._left = int(self.headers["content-length"])
        return True

    def _read_plain(self) -> bytes:
        count = len(self._pending) if self._left is None else min(self._left, len(self._pending))
        body = bytes(self._pending[:count])
        del self._pending[:count]
        if self._left is not None:
            self._left -= count
            self.complete = self._left == 0
        return body

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while not self.complete:
            if self._in_chunk:
                assert self._left is not None
                count = min(self._left, len(self._pending))
                body += self._pending[:count]
                del self._pending[:count]
                self._left -= count
                if self._left or len(self._pending) < 2:
                    break
                if self._pending[:2] != b"\r\n":
                    raise WireViolation(f"a chunk does not end where it said: {bytes(self._pending[:20])!r}")
                del self._pending[:2]
                self._in_chunk = False
            end = self._pending.find(b"\r\n")
            if end < 0:
                break
            size = self._pending[:end].decode("latin-1")
            if not re.fullmatch(r"[0-9A-Fa-f]+", size):
                raise WireViolation(f"not the size of a chunk: {size!r}")
            self._left = int(size, 16)
            if self._left == 0:
                if len(self._pending) < end + 4:
                    break
                if self._pending[end : end + 4] != b"\r\n\r\n":
                    raise WireViolation("trailers after the last chunk")
                del self._pending[: end + 4]
                self.complete = True
            else:
                del self._pending[: end + 2]
                self._in_chunk = True
        return bytes(body)


@dataclass(frozen=True, slots=True)
class Frame:
    """One block of the event stream: an event, or a comment.

    Attributes:
        id: The event's sequence number; None for a comment.
        event: The event's type; always None, as the wire names none.
        data: The event's data, undecoded; empty for a comment.
        comment: The comment's text; None for an event.
        payload: The data decoded; empty for a comment.
    """

    id: int | None = None
    event: str | None = None
    data: str = ""
    comment: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The text that the event carries."""
        return str(self.payload.get("message", ""))

    @property
    def reasoning(self) -> str:
        """The reasoning text that the event carries."""
        return str(self.payload.get("reasoning", ""))

    @property
    def is_done(self) -> bool:
        """Whether this is the terminal frame of a whole reply."""
        return self.payload.get("done") is True

    @property
    def is_error(self) -> bool:
        """Whether this is the terminal frame of a failed reply."""
        return self.payload.get("success") is False

    @property
    def is_terminal(self) -> bool:
        """Whether this frame ends the stream."""
        return self.is_done or self.is_error


class FrameReader:
    """Turn the body of an event stream into frames, and fail on anything that the wire does not promise.

    No I/O; one thread. It expects each block to end in exactly one blank line, line ends to be LF, each event to
    be one `id` line and one `data` line with ids that grow (tokens that leave together take the last one's id), each
    payload to be of a known form, and nothing but comments to follow a terminal frame.

    Attributes:
        terminal: The terminal frame, once it has arrived.
    """

    def __init__(self) -> None:
        self.terminal: Frame | None = None
        self._pending = bytearray()
        self._last_id = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes of the body and return the frames that they complete."""
        self._pending += data
        *blocks, rest = bytes(self._pending).split(b"\n\n")
        self._pending[:] = rest
        return [self._read_block(block) for block in blocks]

    def end(self, *, terminal: bool = True) -> None:
        """Take the end of the body; fails on a frame cut short and, unless told otherwise, on a missing terminal."""
        if self._pending:
            raise WireViolation(f"the stream ended inside a frame: {bytes(self._pending)!r}")
        if terminal and self.terminal is None:
            raise WireViolation(f"the stream ended without a terminal frame, after event {self._last_id}")

    def _read_block(self, block: bytes) -> Frame:
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            raise WireViolation(f"not UTF-8: {block!r}") from error
        if matched := re.fullmatch(r": ?([^\r\n]*)", text):
            return Frame(comment=matched[1])
        if self.terminal is not None:
            raise WireViolation(f"more after the terminal frame {self.terminal}: {text!r}")
        matched = re.fullmatch(r"id: ([0-9]+)\ndata: ([^\r\n]*)", text)
        if not matched:
            raise WireViolation(f"not a frame: {text!r}")
        number = int(matched[1])
        if number <= self._last_id:
            raise WireViolation(f"event {number} after event {self._last_id}")
        self._last_id = number
        frame = Frame(id=number, data=matched[2], payload=read_payload(matched[2]))
        if frame.is_terminal:
            self.terminal = frame
        return frame


def read_payload(data: str) -> dict[str, Any]:
    """Decode the data of an event and check that it is of a form that the wire promises."""
    try:
        payload = json.loads(data, parse_constant=_no_constant)
    except ValueError as error:
        raise WireViolation(f"not JSON: {data!r}") from error
    if not isinstance(payload, dict):
        raise WireViolation(f"not an object: {data!r}")
    if payload.get("success") is False:
        check_error(payload)
        return payload
    forms: dict[str, Callable[[Any], bool]] = {
        "success": lambda value: value is True,
        "message": lambda value: isinstance(value, str),
        "interaction_mode": lambda value: value == "stream",
    }
    if "done" in payload:
        forms |= {
            "done": lambda value: value is True,
            "finish_reason": lambda value: isinstance(value, str),
        }
        if "usage" in payload:
            forms["usage"] = lambda value: value is None or _is_usage(value)
    elif "reasoning" in payload:
        forms |= {
            "reasoning": lambda value: isinstance(value, str),
            "message": lambda value: value == "",
        }
    elif kind := next((name for name in _TOOL_FRAMES if name in payload), None):
        forms |= {kind: _TOOL_FRAMES[kind], "message": lambda value: value == ""}
    _check(payload, forms)
    return payload


def _has(value: object, **types: type) -> bool:
    """Return whether a value is an object with these fields, and no others, of these types."""
    if not isinstance(value, dict) or value.keys() != types.keys():
        return False
    return all(isinstance(value[name], kind) for name, kind in types.items())


def _is_call(value: Any) -> bool:
    call = {"id": str, "name": str, "arguments": str}
    return _has(value, **call) or (_has(value, **call, needs_consent=bool) and value["needs_consent"])


def _is_result(value: Any) -> bool:
    result = {"id": str, "name": str, "text": str, "is_error": bool, "seconds": float}
    return _has(value, **result) or (_has(value, **result, code=str) and value["is_error"] and bool(value["code"]))


_TOOL_FRAMES: dict[str, Callable[[Any], bool]] = {
    "tool_call": _is_call,
    "tool_result": _is_result,
    "custom": lambda value: _has(value, name=str, data=object),
}


def check_error(payload: dict[str, Any], *, field_allowed: bool = False) -> None:
    """Check that an error, of a frame or of a reply, is of the form that the wire promises."""
    forms: dict[str, Callable[[Any], bool]] = {
        "success": lambda value: value is False,
        "error": lambda value: isinstance(value, str) and bool(value),
        "code": lambda value: value in CODES,
    }
    if not field_allowed or "retryable" in payload:
        forms["retryable"] = lambda value: isinstance(value, bool)
    if not field_allowed or "request_id" in payload:
        forms["request_id"] = lambda value: isinstance(value, str) and bool(value)
    if payload.get("code") == "stopped":
        forms["reason"] = lambda value: value in ("stopped", "abandoned", "log_full")
    if field_allowed and "field" in payload:
        forms["field"] = lambda value: value is None or isinstance(value, str)
    _check(payload, forms)


def _check(payload: dict[str, Any], forms: dict[str, Callable[[Any], bool]]) -> None:
    if payload.keys() != forms.keys():
        raise WireViolation(f"expected the fields {sorted(forms)}, got {payload}")
    for name, is_right in forms.items():
        if not is_right(payload[name]):
            raise WireViolation(f"the field {name!r} is not as promised: {payload}")


def _is_usage(value: object) -> bool:
    counts = {"prompt_tokens", "completion_tokens", "total_tokens"}
    return (
        isinstance(value, dict)
        and value.keys() - {"estimated", "cost", "cached_tokens"} == counts
        and all(type(value[count]) is int for count in counts)
        and value.get("estimated", True) is True
        and isinstance(value.get("cost", 0.0), float)
        and type(value.get("cached_tokens", 0)) is int
    )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# ----------------------------------------------------------------------------------------------------- client


class RawClient:
    """One connection to an HTTP server. One thread at a time; a context manager that closes it.

    Every wait is bounded by `timeout`, or by the timeout given to the call, and ends in `TimeoutError`. A
    reset by the server is a `ConnectionResetError`.

    Args:
        url: Whom to connect to; only host and port matter.
        timeout: Seconds that a call may wait.
        receive_buffer: The kernel's receive buffer in bytes, for a reader that takes little; None leaves the
            system's.
        source: The address of this machine to connect from; None leaves it to the system.
    """

    def __init__(
        self, url: str, *, timeout: float = 10.0, receive_buffer: int | None = None, source: str | None = None
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None, f"{url!r} names no host"
        assert parts.port is not None, f"{url!r} names no port"
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET)
        self._host = parts.netloc
        self._reader = ResponseReader()
        self._frames = FrameReader()
        self._ready: list[Frame] = []
        self._body_before_asked = b""
        try:
            if receive_buffer is not None:
                # Before connecting: the window that the handshake offers is never taken back.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(timeout)
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect((parts.hostname, parts.port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise

    def __repr__(self) -> str:
        state = "closed" if self.socket.fileno() < 0 else "open"
        return f"<RawClient {state} to {self._host}, status {self._reader.status or 'not yet here'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.settimeout(self.timeout)
        self.socket.sendall(data)

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> None:
        """Send a whole request. Host, and the Content-Length of a body, are added unless given."""
        self.send(encode_request(self._host, method, path, headers, body))
        self._reader = ResponseReader(no_body=method == "HEAD")
        self._frames = FrameReader()
        self._ready = []
        self._body_before_asked = b""

    @property
    def status(self) -> int:
        """The status of the response; waits for the head."""
        self.read_head()
        return self._reader.status

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response, names in lower case; waits for the head."""
        self.read_head()
        return self._reader.headers

    @property
    def complete(self) -> bool:
        """Whether the whole response has been received."""
        return self._reader.complete

    def read_head(self, timeout: float | None = None) -> None:
        """Wait until the status and headers have arrived."""
        deadline = self._deadline(timeout)
        while not self._reader.status:
            self._body_before_asked += self._receive(deadline)

    def body(self, timeout: float | None = None) -> Iterator[bytes]:
        """Yield the bytes of the body, without their framing, as they arrive; each wait is bounded."""
        self.read_head(timeout)
        held, self._body_before_asked = self._body_before_asked, b""
        if held:
            yield held
        while not self._reader.complete:
            data = self._receive(self._deadline(timeout))
            if data:
                yield data

    def read_body(self, timeout: float | None = None) -> bytes:
        """Return the whole rest of the body."""
        deadline = self._deadline(timeout)
        self.read_head(timeout)
        parts, self._body_before_asked = [self._body_before_asked], b""
        while not self._reader.complete:
            parts.append(self._receive(deadline))
        return b"".join(parts)

    def next_frame(self, timeout: float | None = None) -> Frame | None:
        """Return the next event or comment; None at the end of the stream, which must have had a terminal frame."""
        return self._next_frame(self._deadline(timeout), terminal=True)

    def next_event(self, timeout: float | None = None) -> Frame:
        """Return the next event, passing over comments; fails at the end of the stream."""
        deadline = self._deadline(timeout)
        while (frame := self._next_frame(deadline, terminal=False)) is not None:
            if frame.comment is None:
                return frame
        raise WireViolation("the stream ended where another event was expected")

    def frames(self, timeout: float | None = None, *, terminal: bool = True) -> Iterator[Frame]:
        """Yield all further frames; each wait is bounded.

        Args:
            timeout: Seconds until each frame must have arrived.
            terminal: False allows the stream to end without a terminal frame.
        """
        while (frame := self._next_frame(self._deadline(timeout), terminal=terminal)) is not None:
            yield frame

    def read_stream(self, timeout: float | None = None) -> tuple[str, Frame]:
        """Read to the end and return the text of all further events, and the terminal frame."""
        deadline = self._deadline(timeout)
        texts: list[str] = []
        while (frame := self._next_frame(deadline, terminal=True)) is not None:
            texts.append(frame.message)
        assert self._frames.terminal is not None
        return "".join(texts), self._frames.terminal

    def wait_closed(self, timeout: float | None = None) -> bytes:
        """Wait until the server closes the connection, and return what it sent before, framing and all."""
        deadline = self._deadline(timeout)
        parts = []
        while data := self._receive_raw(deadline):
            parts.append(data)
        return b"".join(parts)

    def shutdown_write(self) -> None:
        """Say that nothing more will be sent (a half close); reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection with FIN. Closing twice is harmless."""
        if self.socket.fileno() >= 0:
            # The kernel answers the closing of a socket with unread bytes by a reset: say FIN first, then
            # take them.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                self.socket.setblocking(False)
                while self.socket.recv(RECEIVE):
                    pass
            self.socket.close()

    def reset(self) -> None:
        """Reset the connection (RST)."""
        reset_socket(self.socket)

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    def _receive_raw(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{self!r} waited in vain")
        self.socket.settimeout(left)
        return self.socket.recv(RECEIVE)

    def _receive(self, deadline: float) -> bytes:
        data = self._receive_raw(deadline)
        if not data:
            self._reader.end()
        return self._reader.feed(data) if data else b""

    def _next_frame(self, deadline: float, *, terminal: bool) -> Frame | None:
        if not self._reader.status:
            self.read_head(deadline - time.monotonic())
        check_stream_head(self._reader)
        while not self._ready:
            data, self._body_before_asked = self._body_before_asked, b""
            if not data and self._reader.complete:
                self._frames.end(terminal=terminal)
                return None
            self._ready = self._frames.feed(data or self._receive(deadline))
        return self._ready.pop(0)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body decoded as JSON; fails if it does not say that it is JSON."""
        assert self.headers.get("content-type", "").startswith("application/json"), self
        return json.loads(self.body)


def encode_request(
    host: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """Return the bytes of a request. Host, and the Content-Length of a body, are added unless given."""
    lines = {"Host": host, **(headers or {})}
    if body is not None:
        lines.setdefault("Content-Length", str(len(body)))
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", ""]
    return "\r\n".join(head).encode("latin-1") + (body or b"")


def chat_request(host: str, fields: Mapping[str, Any], *, keep_alive: bool = False) -> bytes:
    """Return the bytes of a chat request with these fields as its JSON."""
    headers = {"Content-Type": "application/json"}
    if not keep_alive:
        headers["Connection"] = "close"
    return encode_request(host, "POST", "/api/chat", headers, json.dumps(fields).encode())


def check_stream_head(response: ResponseReader) -> None:
    """Fail unless these are the headers that the wire promises for a stream."""
    promised = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
    }
    if response.status != 200:
        raise WireViolation(f"no stream but status {response.status}")
    for name, value in promised.items():
        if response.headers.get(name) != value:
            raise WireViolation(f"{name} is {response.headers.get(name)!r} and not {value!r}")
    if not response.headers.get("x-request-id"):
        raise WireViolation("no X-Request-Id")


def reset_socket(connection: socket.socket) -> None:
    """Close a socket with a reset (RST). A closed one is left alone."""
    if connection.fileno() >= 0:
        # Lingering for zero seconds is how a socket is told to reset instead of to close.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def fetch(
    url: str,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10.0,
) -> Reply:
    """Make one request over a connection of its own and return the whole response."""
    with RawClient(url, timeout=timeout) as client:
        client.request(method, path, {"Connection": "close", **(headers or {})}, body)
        data = client.read_body()
        return Reply(client.status, client.headers, data)


def post_chat(url: str, *, timeout: float = 10.0, **fields: Any) -> Reply:
    """Post these fields to the chat API and return the whole response, whatever it is."""
    body = json.dumps(fields).encode()
    headers = {"Content-Type": "application/json"}
    return fetch(url, "/api/chat", method="POST", headers=headers, body=body, timeout=timeout)


def stream_chat(url: str, *, timeout: float = 10.0, receive_buffer: int | None = None, **fields: Any) -> RawClient:
    """Ask for a streamed reply and return the connection with its head read; the caller closes it.

    The mode is `stream` and the message "Hi" unless the fields say otherwise. The status may be any.
    """
    client = RawClient(url, timeout=timeout, receive_buffer=receive_buffer)
    try:
        client.send(chat_request(client._host, {"message": "Hi", "interaction_mode": "stream", **fields}))
        client.read_head()
    except BaseException:
        client.close()
        raise
    return client


# ------------------------------------------------------------------------------------------- many at one time


@dataclass(slots=True)
class StreamOutcome:
    """What became of one of many streams. Times are of `time.monotonic`.

    Attributes:
        index: Which of them it was, from 0.
        status: The status; 0 if none came.
        text: The text of its events, joined.
        reasoning: Its reasoning text, joined.
        terminal: The terminal frame; None if none came.
        body: The body, where the status was not 200.
        headers: The headers.
        started: When its request was sent.
        arrivals: When each event with text arrived.
        ended: When it ended.
        has_disconnected: Whether it disconnected early, as it was told to.
        fault: Why it ended otherwise: a reset, a refusal, a cut, a time-out; None if it did not.
    """

    index: int
    status: int = 0
    text: str = ""
    reasoning: str = ""
    terminal: Frame | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    started: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    ended: float = 0.0
    has_disconnected: bool = False
    fault: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the whole reply came."""
        return self.terminal is not None and self.terminal.is_done


class _Stream:
    """One of many streams: its socket, its two parsers, and what became of it so far."""

    def __init__(self, index: int, request: bytes, disconnect_after: int | None, *, resetting: bool) -> None:
        self.outcome = StreamOutcome(index)
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self._unsent = request
        self._disconnect_after = disconnect_after
        self._resetting = resetting
        self._response = ResponseReader()
        self._frames = FrameReader()
        self._texts: list[str] = []

    def on_writable(self) -> bool:
        """Send what is left of the request; return whether all is sent."""
        if not self.outcome.started:
            self.outcome.started = time.monotonic()
        self._unsent = self._unsent[self.socket.send(self._unsent) :]
        return not self._unsent

    def on_readable(self) -> bool:
        """Take what has arrived; return whether the stream is over."""
        data = self.socket.recv(RECEIVE)
        body = self._response.feed(data)
        if not data:
            self._response.end()
        outcome = self.outcome
        if not outcome.status and self._response.status:
            outcome.status, outcome.headers = self._response.status, self._response.headers
            if outcome.status == 200:
                check_stream_head(self._response)
        if outcome.status == 200:
            self._take(self._frames.feed(body))
        else:
            outcome.body += body
        if self._response.complete:
            if outcome.status == 200:
                self._frames.end()
            return True
        return outcome.has_disconnected

    def finish(self, fault: str | None = None) -> StreamOutcome:
        """Close the socket and return what became of the stream."""
        self.outcome.ended = time.monotonic()
        self.outcome.text = "".join(self._texts)
        self.outcome.fault = fault
        if self.outcome.has_disconnected and self._resetting:
            reset_socket(self.socket)
        self.socket.close()
        return self.outcome

    def _take(self, frames: Iterable[Frame]) -> None:
        outcome = self.outcome
        for frame in frames:
            if frame.message:
                outcome.arrivals.append(time.monotonic())
                self._texts.append(frame.message)
            outcome.reasoning += frame.reasoning
            if frame.is_terminal:
                outcome.terminal = frame
        if self._disconnect_after is not None and len(outcome.arrivals) >= self._disconnect_after:
            outcome.has_disconnected = True


def stream_many(
    url: str,
    n: int,
    *,
    message: str | Callable[[int], str] = "Hi",
    timeout: float = 30.0,
    disconnect_after: Callable[[int], int | None] | None = None,
    resetting: bool = False,
    on_all_started: Callable[[], None] | None = None,
    **fields: Any,
) -> list[StreamOutcome]:
    """Run `n` streams at one time, with one selector in this thread, and return what became of each, in
    order.

    Args:
        url: The server.
        n: How many streams.
        message: What to say, or a function from a stream's index to that.
        timeout: Seconds for all of them; who is not over by then ends with a fault.
        disconnect_after: From a stream's index to how many text events it takes before it disconnects; None stays to
            the end.
        resetting: Whether those that disconnect reset their connection instead of closing it.
        on_all_started: Called once, in this thread, when every stream has had its first event, its status or
            its end.
        fields: Further fields of the request.

    Raises:
        WireViolation: What came on any of them is not of the form that the wire promises.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    outcomes: dict[int, StreamOutcome] = {}
    waiting_to_start = set(range(n))
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as open_sockets, selectors.DefaultSelector() as selector:
        for index in range(n):
            text = message if isinstance(message, str) else message(index)
            request = chat_request(parts.netloc, {"message": text, "interaction_mode": "stream", **fields})
            stream = _Stream(
                index, request, disconnect_after(index) if disconnect_after else None, resetting=resetting
            )
            open_sockets.callback(stream.socket.close)
            stream.socket.connect_ex((parts.hostname, parts.port))
            selector.register(stream.socket, selectors.EVENT_WRITE, stream)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                for key in list(selector.get_map().values()):
                    selector.unregister(key.fileobj)
                    outcomes[key.data.outcome.index] = key.data.finish(f"not over within {timeout} s")
                break
            for key, events in ready:
                stream = key.data
                fault: str | None = None
                over = False
                try:
                    if not events & selectors.EVENT_WRITE:
                        over = stream.on_readable()
                    elif stream.on_writable():
                        selector.modify(stream.socket, selectors.EVENT_READ, stream)
                except (OSError, CutShort) as error:
                    over, fault = True, repr(error)
                if over:
                    selector.unregister(stream.socket)
                    outcomes[stream.outcome.index] = stream.finish(fault)
                if over or stream.outcome.arrivals or stream.outcome.body:
                    waiting_to_start.discard(stream.outcome.index)
            if on_all_started is not None and not waiting_to_start:
                on_all_started()
                on_all_started = None
    return [outcomes[index] for index in range(n)]
