"""Receives requests in the worker's poller, so that a slow client uses no thread.

A head is always received here. A body is received here where a route will read it and it is not large. Head and body
each have one time limit, so a client that sends a byte at a time is refused.
See docs/decisions/0046-gather-requests-in-the-poller.md.
"""

from __future__ import annotations

import re
import selectors
import time
from typing import Any, Protocol

from .body_arrival import BODY_BYTES_PER_SECOND
from .gunicorn_internals import ParseException
from .parser_refusals import NO_REQUEST, refuse_parser_error
from .refusals import (
    BROKEN_CHUNKS,
    OVERLOADED,
    Refusal,
    make_large_body_refusal,
    make_large_head_refusal,
    make_slow_body_refusal,
    make_slow_head_refusal,
)
from .worker_connection import WorkerConnection

RECEIVE_BYTES = 65536
# nginx accepts 4 lines of 8 KiB, Node.js 16 KiB, gunicorn 100 lines of 8 KiB. A thousand incomplete heads may be in
# memory at one time.
HEAD_LIMIT = 65536
# Larger bodies, where the operator allows them, are read by a thread. The default limit is 1 MiB.
BODY_LIMIT = 4 * 2**20
# Bytes of all incomplete requests together, so that they cannot fill the memory.
TOTAL_LIMIT = 64 * 2**20
# Seconds between two checks of the time limits. A check of a thousand connections takes 0.1 ms.
SCAN_INTERVAL = 0.1

_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
# No line end, which the parser refuses. A client that begins with TLS sends none, and would wait for the time limit.
_NO_METHOD = re.compile(rb"[^!-~\r\n]")
# The end of a head, or a line end that gunicorn refuses at once.
_HEAD_ENDS = re.compile(rb"\r\n\r\n|(?<!\r)\n")


class IntakeOwner(Protocol):
    """The worker, to which the intake reports. All methods are called on the main thread."""

    def reads_body(self, request: Any) -> bool:
        """Return whether a route will read the request's body."""

    def request_ready(self, connection: WorkerConnection) -> None:
        """Serve a request that was received."""

    def request_refused(self, connection: WorkerConnection, refusal: Refusal, cause: str = "") -> None:
        """Reply, and close the connection.

        Args:
            connection: The connection, whose parser has the request where its head was received.
            refusal: The reply.
            cause: What the log should say besides the reply's message.
        """

    def connection_ended(self, connection: WorkerConnection) -> None:
        """Close a connection whose client has disconnected, or whose descriptor is needed."""


class RequestIntake:
    """The connections whose next request is incomplete, without idle ones. For the main thread only."""

    def __init__(
        self,
        poller: selectors.BaseSelector,
        owner: IntakeOwner,
        *,
        head_timeout: float,
        body_timeout: float,
        body_limit: int,
    ) -> None:
        """Hold no connection yet.

        Args:
            poller: Calls the data registered for a socket, with the socket, when it is readable.
            owner: The worker.
            head_timeout: Seconds for a whole head.
            body_timeout: Seconds for a whole body, as the parser has it; for the text of the refusal.
            body_limit: The largest body that the application accepts, in bytes.
        """
        self._poller = poller
        self._owner = owner
        self._head_timeout = head_timeout
        self._head_too_slow = make_slow_head_refusal(head_timeout)
        self._body_limit = min(body_limit, BODY_LIMIT)
        self._most_announced = body_limit
        self._body_too_large = make_large_body_refusal(body_limit)
        self._body_too_slow = make_slow_body_refusal(body_timeout, BODY_BYTES_PER_SECOND)
        #: Each connection with the time limit of its head on the monotonic clock; the oldest first.
        self._waiting: dict[WorkerConnection, float] = {}
        self._held = 0
        self._next_scan = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, connection: WorkerConnection, received: bytes = b"") -> None:
        """Start to receive a connection's next request.

        Args:
            connection: A connection that is in no poller.
            received: Bytes of the request that were read after the previous one.

        Raises:
            OSError: The poller accepts no further socket.
        """
        connection.sock.setblocking(False)
        self._poller.register(connection.sock, selectors.EVENT_READ, lambda _: self._receive(connection))
        self._waiting[connection] = time.monotonic() + self._head_timeout
        if received:
            self._take(connection, received)

    def resume(self, connection: WorkerConnection) -> None:
        """Receive the next request of an idle connection, whose socket is in the poller and is readable."""
        self._poller.modify(connection.sock, selectors.EVENT_READ, lambda _: self._receive(connection))
        self._waiting[connection] = time.monotonic() + self._head_timeout
        self._receive(connection)

    def end_expired(self) -> None:
        """Refuse requests that exceeded a time limit. Called in each turn of the main thread."""
        now = time.monotonic()
        if now < self._next_scan:
            return
        self._next_scan = now + SCAN_INTERVAL
        for connection, head_deadline in list(self._waiting.items()):
            request = connection.parser.prepared
            if request is None and head_deadline <= now:
                # No reply where nothing was sent: browsers open connections in advance.
                self._refuse(connection, self._head_too_slow if connection.received else None)
            elif request is not None and request.arrival.deadline() <= now:
                self._refuse(connection, self._body_too_slow)

    def end_oldest(self) -> bool:
        """End the connection that has waited longest for its request; return whether there was one.

        Without a reply, which would need the descriptor for longer.
        """
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            self._refuse(oldest, None)
        return oldest is not None

    def time_left(self) -> float | None:
        """Return the seconds until `end_expired` is due; None where no request is incomplete."""
        return max(0.0, self._next_scan - time.monotonic()) if self._waiting else None

    def _receive(self, connection: WorkerConnection) -> None:
        try:
            self._receive_piece(connection)
        except MemoryError:
            if connection in self._waiting:
                self._refuse(connection, OVERLOADED)

    def _receive_piece(self, connection: WorkerConnection) -> None:
        try:
            data = connection.sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._refuse(connection, None)
            return
        if data:
            self._take(connection, data)
        elif connection.parser.prepared is not None:
            # The body ended early. The application reports it.
            self._hand_over(connection)
        else:
            self._refuse(connection, None)

    def _take(self, connection: WorkerConnection, data: bytes) -> None:
        self._held += len(data)
        connection.held += len(data)
        request = connection.parser.prepared
        if request is None:
            self._take_head(connection, data)
        else:
            connection.parser.unreader.add(data)
            self._continue_request(connection, request)

    def _take_head(self, connection: WorkerConnection, data: bytes) -> None:
        received = connection.received
        seen = len(received)
        received += data
        # A head of the PROXY protocol has line ends of its own, so only the parser knows where the head ends.
        is_behind_proxy = connection.cfg.proxy_protocol != "off" and connection.parser.req_count == 0
        if not is_behind_proxy and (empty := _EMPTY_LINES.match(received)):
            # Some clients send an empty line behind a body (RFC 9112, section 2.2).
            connection.skipped += empty.end()
            del received[: empty.end()]
            seen = 0
        if not is_behind_proxy and _NO_METHOD.match(received):
            self._refuse(connection, NO_REQUEST, repr(bytes(received[:10])))
            return
        end = None if is_behind_proxy else _HEAD_ENDS.search(received, max(0, seen - 3))
        is_too_large = connection.skipped + (end.end() if end else len(received)) > HEAD_LIMIT
        may_be_complete = received and (end or is_behind_proxy or is_too_large)
        if may_be_complete and connection.parser.prepare(bytes(received)):
            failure = connection.parser.failure
            request = connection.parser.prepared
            if isinstance(failure, ParseException):
                self._refuse(connection, refuse_parser_error(failure, connection.cfg), str(failure))
            elif request is None:
                self._hand_over(connection)
            elif end and is_too_large:
                self._refuse(connection, make_large_head_refusal(HEAD_LIMIT))
            else:
                self._continue_request(connection, request)
        elif is_too_large:
            self._refuse(connection, make_large_head_refusal(HEAD_LIMIT))
        elif self._held > TOTAL_LIMIT:
            self._refuse(connection, OVERLOADED)

    def _continue_request(self, connection: WorkerConnection, request: Any) -> None:
        """Hand over a request whose head was received, or wait for its body."""
        arrival = request.arrival
        # Half of a chunked body may be framing.
        size = arrival.received // 2 if arrival.length is None else arrival.length
        if arrival.length is None and arrival.announced > self._most_announced and self._is_awaited(request):
            # Not by a thread, which would wait for the announced bytes.
            self._refuse(connection, self._body_too_large)
        elif arrival.is_complete or size > self._body_limit or not self._is_awaited(request):
            self._hand_over(connection)
        elif arrival.is_broken:
            # Not by a thread: gunicorn's reader would wait for the end of the broken line.
            self._refuse(connection, BROKEN_CHUNKS)
        elif self._held > TOTAL_LIMIT:
            self._refuse(connection, OVERLOADED)
        elif connection.parser.unreader.must_continue:
            try:
                connection.parser.unreader.send_continue()
            except OSError:
                self._refuse(connection, None)

    def _is_awaited(self, request: Any) -> bool:
        # Asked once for each request: this is called for each piece of its body.
        if not hasattr(request, "is_awaited"):
            request.is_awaited = self._owner.reads_body(request)
        return bool(request.is_awaited)

    def _hand_over(self, connection: WorkerConnection) -> None:
        self._release(connection)
        self._owner.request_ready(connection)

    def _refuse(self, connection: WorkerConnection, refusal: Refusal | None, cause: str = "") -> None:
        self._release(connection)
        if refusal is None:
            self._owner.connection_ended(connection)
        else:
            self._owner.request_refused(connection, refusal, cause)

    def _release(self, connection: WorkerConnection) -> None:
        del self._waiting[connection]
        self._poller.unregister(connection.sock)
        self._held -= connection.held
        connection.held = connection.skipped = 0
        connection.is_head = connection.received.startswith(b"HEAD ")
        connection.received.clear()
