"""Gathers requests in the worker's poller, so that none holds a thread before all that a thread needs is there.

A head is gathered always, a body where a route will read it and it is not large. Each has one limit for all of it: a
client that sends a byte at a time costs a few bytes of memory, and its connection ends.
"""

from __future__ import annotations

import re
import selectors
import time
from typing import Any, Protocol

from .body_arrival import BODY_BYTES_PER_SECOND
from .refusals import BROKEN_CHUNKS, OVERLOADED, Refusal, refuse_large_head, refuse_slow_body, refuse_slow_head
from .worker_connection import WorkerConnection

RECEIVE_BYTES = 65536
# nginx takes 4 lines of 8 KiB and Node.js 16 KiB in all; gunicorn would take 100 lines of 8 KiB. Here a head waits in
# memory, and up to a thousand of them do at one time.
HEAD_LIMIT = 65536
# No larger bodies are gathered, whatever an operator allows: they are read by a thread. The usual limit is 1 MiB.
BODY_LIMIT = 4 * 2**20
# All that is gathered at one time, so that unfinished requests cannot fill the memory.
TOTAL_LIMIT = 64 * 2**20
# How often limits are looked at. A scan of a thousand connections takes 0.1 ms.
SCAN_INTERVAL = 0.1

# The end of a head; or a line end that gunicorn refuses at once, and so need not wait for more.
_HEAD_ENDS = re.compile(rb"\r\n\r\n|(?<!\r)\n")


class IntakeOwner(Protocol):
    """What the worker does with requests. All of it is called on the main thread."""

    def reads_body(self, request: Any) -> bool:
        """Say whether a route will read the request's body, so that it is worth waiting for."""

    def request_ready(self, connection: WorkerConnection) -> None:
        """Serve a request that has come."""

    def request_refused(self, connection: WorkerConnection, refusal: Refusal) -> None:
        """Reply, and close the connection."""

    def connection_ended(self, connection: WorkerConnection) -> None:
        """Close a connection whose client has gone, or that is to make room."""


class RequestIntake:
    """The connections whose next request has not come yet, but for those that are idle. For the main thread only."""

    def __init__(
        self,
        poller: selectors.BaseSelector,
        owner: IntakeOwner,
        *,
        head_timeout: float,
        body_timeout: float,
        body_limit: int,
    ) -> None:
        """Begin with none.

        Args:
            poller: Calls what is registered with each socket, with the socket, when it is readable.
            owner: Takes what has come.
            head_timeout: Seconds for a whole head.
            body_timeout: Seconds for a whole body, beside those for what has come: the parser's, for the reply.
            body_limit: The largest body that the application takes, in bytes.
        """
        self._poller = poller
        self._owner = owner
        self._head_timeout = head_timeout
        self._head_too_slow = refuse_slow_head(head_timeout)
        self._body_limit = min(body_limit, BODY_LIMIT)
        self._body_too_slow = refuse_slow_body(body_timeout, BODY_BYTES_PER_SECOND)
        #: Each with the end of its head's time; the oldest first.
        self._waiting: dict[WorkerConnection, float] = {}
        self._held = 0
        self._next_scan = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, connection: WorkerConnection, received: bytes = b"") -> None:
        """Wait for a connection's next request.

        Args:
            connection: A connection that gathers its requests, registered with no poller.
            received: Bytes of the request that were read behind the last one.

        Raises:
            OSError: The poller cannot take another one.
        """
        connection.sock.setblocking(False)
        self._poller.register(connection.sock, selectors.EVENT_READ, lambda _: self._receive(connection))
        self._waiting[connection] = time.monotonic() + self._head_timeout
        if received:
            self._take(connection, received)

    def resume(self, connection: WorkerConnection) -> None:
        """Receive the next request of a connection that was kept, whose socket the poller has and calls readable."""
        self._poller.modify(connection.sock, selectors.EVENT_READ, lambda _: self._receive(connection))
        self._waiting[connection] = time.monotonic() + self._head_timeout
        self._receive(connection)

    def end_expired(self) -> None:
        """Refuse what was too slow. Called in each turn of the main thread."""
        now = time.monotonic()
        if now < self._next_scan:
            return
        self._next_scan = now + SCAN_INTERVAL
        for connection, head_deadline in list(self._waiting.items()):
            request = connection.parser.prepared
            if request is None and head_deadline <= now:
                # A client that has sent nothing has asked for nothing: browsers open connections in advance.
                self._refuse(connection, self._head_too_slow if connection.received else None)
            elif request is not None and request.arrival.deadline() <= now:
                self._refuse(connection, self._body_too_slow)

    def end_oldest(self) -> bool:
        """End the connection whose request has been awaited longest, to make room; say whether there was one.

        Without a reply: lingering for it would take the room.
        """
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            self._refuse(oldest, None)
        return oldest is not None

    def time_left(self) -> float | None:
        """Return the seconds until `end_expired` is due, or `None` where nothing is waited for."""
        return max(0.0, self._next_scan - time.monotonic()) if self._waiting else None

    # ------------------------------------------------------------------ inside

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
            # The body has broken off, which is the application's to say.
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
        ends = _HEAD_ENDS.search(received, max(0, seen - 3)) is not None
        # A head of the PROXY protocol holds line ends of its own: then only the parser can tell.
        ends = ends or (connection.cfg.proxy_protocol != "off" and connection.parser.req_count == 0)
        if (ends or len(received) > HEAD_LIMIT) and connection.parser.prepare(bytes(received)):
            request = connection.parser.prepared
            if request is None:
                self._hand_over(connection)
            else:
                self._continue_request(connection, request)
        elif len(received) > HEAD_LIMIT:
            self._refuse(connection, refuse_large_head(HEAD_LIMIT))
        elif self._held > TOTAL_LIMIT:
            self._refuse(connection, OVERLOADED)

    def _continue_request(self, connection: WorkerConnection, request: Any) -> None:
        """Hand a request over whose head is there, or wait for its body."""
        arrival = request.arrival
        # Of chunks, half may be framing.
        size = arrival.received // 2 if arrival.length is None else arrival.length
        if arrival.is_complete or size > self._body_limit or not self._is_awaited(request):
            self._hand_over(connection)
        elif arrival.is_broken:
            # Not for a thread to find out: gunicorn's reader would wait there for the end of the broken line.
            self._refuse(connection, BROKEN_CHUNKS)
        elif self._held > TOTAL_LIMIT:
            self._refuse(connection, OVERLOADED)
        elif connection.parser.unreader.must_continue:
            try:
                connection.parser.unreader.send_continue()
            except OSError:
                self._refuse(connection, None)

    def _is_awaited(self, request: Any) -> bool:
        # Asked once for a request, as each of its pieces comes here.
        if not hasattr(request, "is_awaited"):
            request.is_awaited = self._owner.reads_body(request)
        return bool(request.is_awaited)

    def _hand_over(self, connection: WorkerConnection) -> None:
        self._release(connection)
        self._owner.request_ready(connection)

    def _refuse(self, connection: WorkerConnection, refusal: Refusal | None) -> None:
        self._release(connection)
        if refusal is None:
            self._owner.connection_ended(connection)
        else:
            self._owner.request_refused(connection, refusal)

    def _release(self, connection: WorkerConnection) -> None:
        del self._waiting[connection]
        self._poller.unregister(connection.sock)
        self._held -= connection.held
        connection.held = 0
        connection.received.clear()
