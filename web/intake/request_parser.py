"""gunicorn's request parser, for bytes that were received without blocking."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from .body_arrival import BodyArrival
from .gunicorn_internals import Request, RequestParser, SocketUnreader, body_length, take_expectation
from .gunicorn_internals import errors as http_errors

RECEIVE_BYTES = 65536
# The most reads of `receive_now`: together more than the kernel's receive buffer holds.
RECEIVE_NOW_READS = 32


class RequestIncomplete(Exception):
    """The parser needs bytes that were not received yet."""


class RequestTooSlow(TimeoutError):
    """The client did not send a head or a body within its time limit."""


class BodyTooLarge(OSError):
    """The chunks of a body announce more bytes than its reader accepts."""


class LimitedUnreader(SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Gives the parser received bytes, and reads the socket within a time limit for all of a head or body."""

    def __init__(self, sock: socket.socket) -> None:
        """Read nothing yet."""
        super().__init__(sock)
        #: Returns the time limit on the monotonic clock; None where reading must not wait.
        self.deadline: Callable[[], float] | None = None
        #: What the log says where the time limit is exceeded.
        self.too_slow = ""
        #: The progress of the body that is being read.
        self.arrival: BodyArrival | None = None
        #: Whether the client waits for `100 Continue` before it sends the body.
        self.must_continue = False

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Read the socket, within the time limit.

        Raises:
            BodyTooLarge: The body's reader accepts fewer bytes than are announced.
            RequestIncomplete: Reading must not wait.
            RequestTooSlow: The time limit of the head or of the body is exceeded.
        """
        if self.deadline is None:
            raise RequestIncomplete
        if self.arrival is not None and self.arrival.is_too_large:
            raise BodyTooLarge(f"its chunks announce more than {self.arrival.limit} bytes")
        if self.must_continue:
            self.send_continue()
        left = self.deadline() - time.monotonic()
        if left <= 0:
            raise RequestTooSlow(self.too_slow)
        before = self.sock.gettimeout()
        self.sock.settimeout(left)
        try:
            data: bytes = super().chunk(size_hint)
        except TimeoutError:
            raise RequestTooSlow(self.too_slow) from None
        finally:
            self.sock.settimeout(before)
        if self.arrival is not None:
            self.arrival.feed(data)
        return data

    def send_continue(self) -> None:
        """Send `100 Continue`, once (RFC 9110, section 10.1.1)."""
        self.must_continue = False
        self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def add(self, data: bytes) -> None:
        """Take bytes of the body that were received elsewhere."""
        self.buf.seek(0, 2)
        self.buf.write(data)
        if self.arrival is not None:
            self.arrival.feed(data)

    def receive_now(self) -> None:
        """Take bytes of the body that the kernel has received, without waiting."""
        before = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            for _ in range(RECEIVE_NOW_READS):
                if self.arrival is None or self.arrival.is_complete:
                    return
                data = self.sock.recv(RECEIVE_BYTES)
                if not data:
                    return
                self.add(data)
        except OSError:
            # Nothing more was received; or the client has disconnected, and the write of the reply will fail.
            return
        finally:
            self.sock.settimeout(before)


class LimitedParser(RequestParser):  # type: ignore[misc]
    """Returns requests, of received bytes or read from the socket, with time limits for head and body."""

    def __init__(
        self, cfg: Any, sock: socket.socket, client: Any, *, head_timeout: float, body_timeout: float
    ) -> None:
        """Parse nothing yet.

        Args:
            cfg: gunicorn's configuration.
            sock: The client's socket.
            client: The client's address.
            head_timeout: Seconds for a whole head that `next` reads.
            body_timeout: Seconds for a whole body, plus those for received bytes (`BodyArrival`).
        """
        super().__init__(cfg, sock, client)
        self.unreader = LimitedUnreader(sock)
        self._head_timeout = head_timeout
        self._body_timeout = body_timeout
        self._prepared: Any = None
        self._failure: Exception | None = None

    def prepare(self, received: bytes) -> bool:
        """Parse received bytes, without waiting for more.

        Args:
            received: Bytes that begin with a request.

        Returns:
            Whether the head is complete. Then `next` returns the request, or raises the error in it. Otherwise the
            bytes are not kept.
        """
        self.unreader.deadline = self.unreader.arrival = None
        self.unreader.buf = BytesIO()
        self.unreader.buf.write(received)
        try:
            self._prepared = Request(self.cfg, self.unreader, self.source_addr, self.req_count + 1)
            self._begin_body(self._prepared)
        except RequestIncomplete:
            self.unreader.take_buffered()
            return False
        except MemoryError:
            raise
        except Exception as error:
            self._failure, self._prepared = error, None
        return True

    @property
    def failure(self) -> Exception | None:
        """The error that `next` will raise; None where it will return a request."""
        return self._failure

    @property
    def prepared(self) -> Any:
        """The request that `next` will return; None where it will raise an error."""
        return self._prepared

    def __next__(self) -> Any:
        """Return the prepared request, or read one from the socket."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        request, self._prepared = self._prepared, None
        if request is None:
            limit = time.monotonic() + self._head_timeout
            self.unreader.deadline = lambda: limit
            self.unreader.too_slow = f"its head was not received within {self._head_timeout:g} s"
            self.unreader.arrival = None
            request = super().__next__()
            self._begin_body(request)
        else:
            self.mesg = request
            self.req_count += 1
        self.unreader.deadline = request.arrival.deadline
        self.unreader.too_slow = f"its body was not received within {self._body_timeout:g} s and those for its size"
        return request

    next = __next__

    def _begin_body(self, request: Any) -> None:
        codings = [value.strip().lower() for name, value in request.headers if name == "TRANSFER-ENCODING"]
        if codings not in ([], ["chunked"]):
            # gunicorn accepts gzip before it, and would pass on the body as it is.
            raise http_errors.UnsupportedTransferCoding(", ".join(codings))
        arrival = BodyArrival(body_length(request), self._body_timeout)
        arrival.feed(self.unreader.buf.getvalue())
        request.arrival = self.unreader.arrival = arrival
        # Sent only when the body is read: a request that is refused needs none.
        self.unreader.must_continue = take_expectation(request) and not arrival.is_complete
