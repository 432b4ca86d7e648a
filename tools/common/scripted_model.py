"""A model server that does exactly what a test tells it to, byte by byte, and remembers what it saw.

It is a real HTTP/1.1 server on loopback, on its own event loop in its own thread, and it speaks the OpenAI
chat-completions protocol at ``POST /v1/chat/completions`` (and ``GET /v1/models``). Scripts are also played at
``POST /v1/responses``, where those of `responses_scripts.py` fit. A test writes scripts::

    with ScriptedModel() as model:
        gate = model.gate("before the second word")
        model.enqueue((*said("Hel"), gate, *said("lo"), *finished()))
        ...                                   # make the code under test ask the model
        exchange = model.wait_for_request()   # what was asked: exchange.body, exchange.headers
        gate.open()
        exchange.wait_finished()

A script is a sequence of steps (`model_steps.py`); the usual ones are there already (`model_scripts.py`). One that
does not begin with `Headers` gets those of an event stream, and one that runs out of steps ends its response
properly. Each request takes one enqueued script, or else `model.default`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from tools.common.model_scripts import (
    byte_by_byte,
    calling,
    document,
    finished,
    flood,
    flood_text,
    raw,
    refused,
    reply,
    reply_bytes,
    resetting_after,
    said,
    stalling,
    stalling_after,
    usage_of,
)
from tools.common.model_steps import (
    DONE,
    EVENT_STREAM,
    MODEL_NAME,
    ByteByByte,
    CallTools,
    Chunk,
    Close,
    End,
    Flood,
    Headers,
    Pause,
    Reset,
    Script,
    Send,
    SendOnWire,
    Stall,
    Step,
)

# Tests take all that they need for a script from here.
__all__ = [
    "DEFAULT",
    "DONE",
    "EVENT_STREAM",
    "MODEL_NAME",
    "ByteByByte",
    "CallTools",
    "Chunk",
    "Close",
    "End",
    "Exchange",
    "Flood",
    "Gate",
    "Headers",
    "Pause",
    "Reset",
    "Script",
    "ScriptedModel",
    "Send",
    "SendOnWire",
    "Stall",
    "Step",
    "Wire",
    "byte_by_byte",
    "calling",
    "document",
    "finished",
    "flood",
    "flood_text",
    "raw",
    "refused",
    "refusing_base_url",
    "reply",
    "reply_bytes",
    "resetting_after",
    "said",
    "stalling",
    "stalling_after",
    "unanswering_base_url",
    "usage_of",
]

CHAT_PATH: Final = "/v1/chat/completions"
RESPONSES_PATH: Final = "/v1/responses"
MODELS_PATH: Final = "/v1/models"

# Larger than any request that the service may send: its own limit for a body is 1 MiB.
MAX_REQUEST: Final = 16 * 1024 * 1024


class Gate:
    """A step that waits until the test opens it; made by `ScriptedModel.gate`. Once open it stays open.

    Methods other than `play` may be called by any thread.
    """

    def __init__(self, model: ScriptedModel, name: str) -> None:
        self.name = name
        self._model = model
        self._opened = asyncio.Event()
        self._is_open = False
        self._reached = 0

    def __repr__(self) -> str:
        return f"<Gate {self.name!r} {'open' if self._is_open else 'shut'}, reached {self._reached}>"

    async def play(self, wire: Wire) -> None:
        with self._model.changed:
            self._reached += 1
            self._model.changed.notify_all()
        await self._opened.wait()

    def open(self) -> None:
        """Let every script that waits here, or comes here later, go on."""
        self._is_open = True
        self._model.call_on_loop(self._opened.set)

    def wait_reached(self, times: int = 1, timeout: float = 5.0) -> None:
        """Wait until scripts have come to this gate that many times."""
        self._model.wait_until(lambda: self._reached >= times, timeout, f"{self!r} to be reached {times} time(s)")


# --------------------------------------------------------------------------------------------------- exchange


class Exchange:
    """One chat request and what became of it. Made by the model; any thread may read it and wait on it.

    Times are of `time.monotonic`.

    Attributes:
        number: 1 for the model's first request.
        path: Where it came, without a query.
        headers: The request's headers; names in lower case.
        body: The request's JSON.
        opened: When the whole request had arrived.
        first_byte_sent: When the first byte of the response was sent; None before.
        tokens_sent: Chunks with text or reasoning sent so far.
        aborted: When the client disconnected before its response had ended; None if it has not.
        finished: When the script had sent its end (or its reset or close); None if it has not.
        ended_by: ``"end"``, ``"reset"``, ``"close"``, ``"abort"``, ``"model closed"`` or ``"broken script"``;
            None while in progress.
    """

    def __init__(
        self, model: ScriptedModel, number: int, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> None:
        self.number = number
        self.path = path
        self.headers = headers
        self.body = body
        self.opened = time.monotonic()
        self.first_byte_sent: float | None = None
        self.tokens_sent = 0
        self.aborted: float | None = None
        self.finished: float | None = None
        self.ended_by: str | None = None
        self._model = model

    def __repr__(self) -> str:
        return f"<Exchange {self.number} {self.ended_by or 'in progress'}, {self.tokens_sent} tokens sent>"

    @property
    def in_progress(self) -> bool:
        """Whether the response has neither ended nor been abandoned."""
        return self.ended_by is None

    def wait_tokens(self, n: int, timeout: float = 5.0) -> None:
        """Wait until at least `n` tokens are sent."""
        self._model.wait_until(lambda: self.tokens_sent >= n, timeout, f"{self!r} to send {n} tokens")

    def wait_aborted(self, timeout: float = 5.0) -> float:
        """Wait until the client disconnects before the end of the response, and return when it did."""
        self._model.wait_until(lambda: not self.in_progress, timeout, f"the client of {self!r} to disconnect")
        assert self.aborted is not None, f"{self!r} came to its own end; its client did not disconnect early"
        return self.aborted

    def wait_finished(self, timeout: float = 5.0) -> float:
        """Wait until the script has come to its end, and return when it did."""
        self._model.wait_until(lambda: not self.in_progress, timeout, f"{self!r} to finish")
        assert self.finished is not None, f"{self!r} did not come to its own end"
        return self.finished

    def _end(self, how: str) -> None:
        with self._model.changed:
            if self.ended_by is not None:
                return
            self.ended_by = how
            if how == "abort":
                self.aborted = time.monotonic()
            elif how in ("end", "reset", "close"):
                self.finished = time.monotonic()
            self._model.changed.notify_all()

    def _sent(self, tokens: int) -> None:
        with self._model.changed:
            if self.first_byte_sent is None:
                self.first_byte_sent = time.monotonic()
            self.tokens_sent += tokens
            self._model.changed.notify_all()


# ------------------------------------------------------------------------------------------------------- wire


class Wire:
    """What a step may do to its response. Lives on the model's loop only."""

    def __init__(self, connection: _Connection, exchange: Exchange, *, keep_alive: bool) -> None:
        self.exchange = exchange
        self.over = False
        self._connection = connection
        self._keep_alive = keep_alive
        self._head_sent = False
        self._chunked = False

    async def send_headers(self, status: int, fields: Iterable[tuple[str, str]], *, chunked: bool) -> None:
        """Send the status line and headers, with those that the framing needs."""
        lines = [f"HTTP/1.1 {status} Scripted"]
        names = set()
        for name, value in fields:
            names.add(name.lower())
            lines.append(f"{name}: {value}")
        self._head_sent = True
        self._chunked = chunked
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif "content-length" not in names:
            self._keep_alive = False
        if not self._keep_alive and "connection" not in names:
            lines.append("Connection: close")
        await self._write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def send_body(self, data: bytes, *, tokens: int = 0) -> None:
        """Send bytes of the body in its framing; wait while the client does not take them."""
        await self._need_head()
        if data:
            framed = b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
            await self._write(framed, tokens)

    async def send_byte_by_byte(self, data: bytes, pause: float) -> None:
        """Send bytes of the body each with a write of its own."""
        await self._need_head()
        if self._chunked and data:
            await self._write(b"%x\r\n" % len(data))
        for position in range(len(data)):
            await self._write(data[position : position + 1])
            await asyncio.sleep(pause)
        if self._chunked and data:
            await self._write(b"\r\n")

    async def send_on_wire(self, data: bytes) -> None:
        """Send bytes as they are. What follows no `send_headers` is not framed, and the connection then closes."""
        if not self._head_sent:
            self._head_sent = True
            self._keep_alive = False
        await self._write(data)

    async def end(self) -> None:
        """End the response, and the connection too where it may not be kept."""
        await self._need_head()
        self._connection.ending = True
        await self._write(b"0\r\n\r\n" if self._chunked else b"")
        self.over = True
        self.exchange._end("end")
        if not self._keep_alive:
            self._connection.drop()

    async def close(self) -> None:
        """Close the connection at once, after what was written."""
        self._connection.ending = True
        await self._connection.drained()
        self.over = True
        self.exchange._end("close")
        self._connection.drop()

    def reset(self) -> None:
        """Reset the connection at once."""
        self.over = True
        self.exchange._end("reset")
        self._connection.drop(reset=True)

    async def _need_head(self) -> None:
        if not self._head_sent:
            await self.send_headers(200, EVENT_STREAM, chunked=True)

    async def _write(self, data: bytes, tokens: int = 0) -> None:
        if data:
            self._connection.write(data)
            self.exchange._sent(tokens)
        await self._connection.drained()


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


class _Connection(asyncio.Protocol):
    """One client's connection. A protocol and not a pair of streams, so that a disconnect is noticed
    by the same task-free callback whether the script is sending, pausing or stalling."""

    def __init__(self, model: ScriptedModel) -> None:
        self.ending = False
        self._model = model
        self._inbox = bytearray()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Without a buffer of our own, "sent" means that the kernel has it, and a slow reader holds the script
        # back.
        transport.set_write_buffer_limits(high=0)
        self._model._connected(self)

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        self._advance()

    def eof_received(self) -> None:
        self._left()
        # Not close(): that would first wait for a reader who has gone to take what is still unsent.
        self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        if self._writable is not None and not self._writable.done():
            self._writable.cancel()
        self._model._disconnected(self)

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        assert self._transport is not None
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the kernel has taken all that was written."""
        assert self._transport is not None
        if self._transport.is_closing():
            # Let the loop turn, and tell us that the client has disconnected: a script that never waits would not.
            await asyncio.sleep(0)
        elif self._writable is not None:
            await self._writable

    def drop(self, *, reset: bool = False) -> None:
        """Close the socket now, with FIN or RST. Dropping twice is harmless."""
        if self._transport is None or self._transport.is_closing():
            return
        if reset:
            # Lingering for zero seconds is how a socket is told to reset instead of to close.
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self._transport.abort()

    async def shut(self) -> None:
        """Stop the script in progress and close the socket."""
        if self._exchange is not None:
            self._exchange._end("model closed")
        self.drop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _left(self) -> None:
        if self._exchange is not None and self._transport is not None:
            # The client may hang up as soon as it has read the end, before the task that sent it runs again.
            all_sent = self.ending and self._transport.get_write_buffer_size() == 0
            self._exchange._end("end" if all_sent else "abort")
        if self._task is not None:
            self._task.cancel()

    def _advance(self) -> None:
        while self._task is None and self._transport is not None and not self._transport.is_closing():
            try:
                request = _take_request(self._inbox)
            except ValueError as error:
                self._answer(400, {"error": {"message": str(error)}})
                self.drop()
                return
            if request is None:
                return
            self._route(request)

    def _route(self, request: _Request) -> None:
        path = request.path.partition("?")[0]
        if request.method == "GET" and path == MODELS_PATH:
            listed = {"id": MODEL_NAME, "object": "model", "created": 0, "owned_by": "tests"}
            self._answer(200, {"object": "list", "data": [listed]})
        elif request.method == "POST" and path in (CHAT_PATH, RESPONSES_PATH):
            try:
                body = json.loads(request.body)
            except ValueError as error:
                self._answer(400, {"error": {"message": f"the body is not JSON: {error}"}})
            else:
                exchange, script = self._model._open(path, request.headers, body)
                self._exchange = exchange
                self.ending = False
                wire = Wire(self, exchange, keep_alive=request.keep_alive)
                self._task = asyncio.get_running_loop().create_task(self._play(wire, script))
                self._task.add_done_callback(self._played)
                return
        else:
            self._answer(404, {"error": {"message": f"no such thing here: {request.method} {path}"}})
        if not request.keep_alive:
            self.drop()

    def _answer(self, status: int, payload: Mapping[str, Any]) -> None:
        data = json.dumps(payload).encode()
        head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.write(head.encode() + data)

    async def _play(self, wire: Wire, script: Script) -> None:
        for step in script:
            await step.play(wire)
            if wire.over:
                return
        await wire.end()

    def _played(self, task: asyncio.Task[None]) -> None:
        exchange, self._exchange, self._task = self._exchange, None, None
        # The code that cancels a script has already recorded how its exchange ended.
        error = None if task.cancelled() else task.exception()
        if error is not None and exchange is not None:
            self._model._broken(error)
            exchange._end("broken script")
            self.drop()
        self._advance()


def _take_request(inbox: bytearray) -> _Request | None:
    """Remove one whole request from the front of `inbox`; None while it has not all arrived."""
    if len(inbox) > MAX_REQUEST:
        raise ValueError("the request is too large")
    head_end = inbox.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    start, *lines = inbox[:head_end].decode("latin-1").split("\r\n")
    words = start.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise ValueError(f"not a request line: {start!r}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise ValueError("a request body must have a Content-Length here")
    body_end = head_end + 4 + int(headers.get("content-length", "0"))
    if len(inbox) < body_end:
        return None
    body = bytes(inbox[head_end + 4 : body_end])
    del inbox[:body_end]
    keep_alive = words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return _Request(words[0], words[1], headers, body, keep_alive)


# ------------------------------------------------------------------------------------------------------ model


DEFAULT: Final = reply("Hello", ", ", "world", "!")


class ScriptedModel:
    """Serve scripts to requests for a chat completion; see the module's page for how to use it.

    All methods and attributes may be used by any thread, while the model is entered as a context manager.
    Leaving it closes every socket, ends every script, joins the thread, and raises the first error that a
    script of the test's own making ran into.

    Args:
        default: The script of requests for which none was enqueued.
        send_buffer: The kernel's send buffer in bytes per connection. A small one makes a slow reader hold
            the script back sooner; None leaves the system's own.

    Attributes:
        exchanges: Every chat request so far, oldest first.
        base_url: What to give to an OpenAI client.
        changed: The condition that guards all state and is notified of every change of it.
    """

    def __init__(self, default: Script | None = None, *, send_buffer: int | None = None) -> None:
        self.default: Script = default if default is not None else DEFAULT
        self.exchanges: list[Exchange] = []
        self.changed = threading.Condition()
        self.port = 0
        self._send_buffer = send_buffer
        self._queue: deque[Script] = deque()
        self._connections: set[_Connection] = set()
        self._connections_accepted = 0
        self._failures: list[BaseException] = []
        self._gates = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        busy = sum(exchange.in_progress for exchange in self.exchanges)
        where = f"on port {self.port}" if self._loop is not None else "not running"
        return (
            f"<ScriptedModel {where}: {len(self.exchanges)} requests, {busy} in progress, "
            f"{len(self._connections)} connections, {len(self._queue)} scripts enqueued>"
        )

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="scripted-model", daemon=True)
        self._thread.start()
        started.result(timeout=5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stop is not None
        assert self._thread is not None
        self.call_on_loop(self._stop.set)
        self._thread.join(timeout=5)
        assert not self._thread.is_alive(), f"{self!r} did not stop"
        if self._failures and kind is None:
            raise self._failures[0]

    @property
    def base_url(self) -> str:
        """The URL to give to an OpenAI client."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """How many sockets clients hold open, idle ones kept for reuse included."""
        return len(self._connections)

    @property
    def connections_accepted(self) -> int:
        """How many connections were ever accepted."""
        return self._connections_accepted

    @property
    def in_progress(self) -> list[Exchange]:
        """The exchanges that have neither ended nor been abandoned."""
        with self.changed:
            return [exchange for exchange in self.exchanges if exchange.in_progress]

    def enqueue(self, *scripts: Script) -> None:
        """Add scripts for the requests to come, one each, in their order."""
        with self.changed:
            self._queue.extend(scripts)

    def clear(self) -> None:
        """Be as new: no enqueued scripts, no exchanges, the usual default. For idle models that tests share."""
        with self.changed:
            self._queue.clear()
            self.exchanges.clear()
            self.default = DEFAULT

    def drop_idle_connections(self, timeout: float = 5.0) -> None:
        """Close the connections that a client's pool keeps, once no exchange is in progress."""
        self.wait_idle(timeout)
        self.call_on_loop(self._drop_all)
        self.wait_no_connections(timeout)

    def drop_connections(self, timeout: float = 5.0) -> None:
        """Break off all exchanges, and close the connections. An answer that a server keeps outlives its page."""
        self.call_on_loop(self._drop_all)
        self.drop_idle_connections(timeout)

    def gate(self, name: str | None = None) -> Gate:
        """Return a new gate, shut, to put into scripts as a step."""
        self._gates += 1
        return Gate(self, name or f"gate {self._gates}")

    def wait_for_request(self, n: int = 1, timeout: float = 5.0) -> Exchange:
        """Wait until the model has been asked `n` times in all, and return the n-th exchange."""
        self.wait_until(lambda: len(self.exchanges) >= n, timeout, f"request {n} to arrive")
        return self.exchanges[n - 1]

    def wait_idle(self, timeout: float = 5.0) -> None:
        """Wait until no exchange is in progress."""
        self.wait_until(
            lambda: not any(exchange.in_progress for exchange in self.exchanges),
            timeout,
            "no exchange to be in progress",
        )

    def wait_no_connections(self, timeout: float = 5.0) -> None:
        """Wait until clients have closed every socket, idle ones too."""
        self.wait_until(lambda: not self._connections, timeout, "every connection to be closed")

    def wait_until(self, holds: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until `holds` does; `what` completes the sentence "waited for ..." of the failure."""
        with self.changed:
            if not self.changed.wait_for(holds, timeout):
                raise AssertionError(f"waited {timeout} s in vain for {what}: {self!r} {self.exchanges[-10:]}")

    def call_on_loop(self, function: Callable[[], object]) -> None:
        """Call a function soon on the model's loop. After the model has closed this does nothing."""
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    def _run(self, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[None]) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        if self._send_buffer is not None:
            # Accepted sockets inherit it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        self.port = listener.getsockname()[1]
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(lambda: _Connection(self), sock=listener, backlog=1024)
        started.set_result(None)
        await self._stop.wait()
        server.close()
        await asyncio.gather(*(connection.shut() for connection in list(self._connections)))
        while self._connections:
            await asyncio.sleep(0)
        self._loop = None

    def _connected(self, connection: _Connection) -> None:
        with self.changed:
            self._connections.add(connection)
            self._connections_accepted += 1
            self.changed.notify_all()

    def _disconnected(self, connection: _Connection) -> None:
        with self.changed:
            self._connections.discard(connection)
            self.changed.notify_all()

    def _drop_all(self) -> None:
        for connection in list(self._connections):
            connection.drop()

    def _open(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[Exchange, Script]:
        with self.changed:
            exchange = Exchange(self, len(self.exchanges) + 1, path, headers, body)
            self.exchanges.append(exchange)
            script = self._queue.popleft() if self._queue else self.default
            self.changed.notify_all()
        return exchange, script

    def _broken(self, error: BaseException) -> None:
        with self.changed:
            self._failures.append(error)


# ------------------------------------------------------------------------------------------- models not there


@contextlib.contextmanager
def refusing_base_url() -> Iterator[str]:
    """Hold a port on which every connection is refused, and yield the base URL of the model that is not there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


@contextlib.contextmanager
def unanswering_base_url() -> Iterator[str]:
    """Hold a port on which no connection is completed, as behind a firewall that drops, and yield its base URL."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        # With a backlog of zero Linux completes one connection and ignores clients that come while it is not
        # accepted.
        listener.listen(0)
        held.enter_context(socket.create_connection(listener.getsockname(), timeout=5))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
