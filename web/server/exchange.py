"""One request and its reply in the worker, on one thread at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ..intake.gunicorn_internals import begin_response, end_body, write_body

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from ..intake.worker_connection import WorkerConnection
    from ..replies.socket_reader import SocketReader

#: What a thread returns in place of whether the connection is kept: the loop writes the rest of the reply.
DETACHED: Final = object()


# With the default limit of 30 s for each write, a client must read 4 KiB a second of a large reply. In one write, a
# file of a megabyte would need a faster client.
PIECE_BYTES = 128 * 1024


class Exchange:
    """A request and its reply, from the call of the application to the close of the body."""

    def __init__(self, request: Any, connection: WorkerConnection) -> None:
        """Take a request whose head was read.

        Args:
            request: gunicorn's request.
            connection: The connection that it came over.
        """
        self.request = request
        self.connection = connection
        #: The application and the body run in it, on each of the threads: what a middleware has set in a context
        #: variable, it resets there.
        self.context: Context = copy_context()
        self.environ: dict[str, Any] = {}
        self.response: Any = None
        #: What writes the frames on the loop; None where a thread writes the whole body.
        self.reader: SocketReader | None = None
        #: Whether the reply holds its thread until its end, and the pool has been told (`RequestThreads.hold`).
        self.holds_thread = False
        self._began = datetime.now()
        self._body: Iterable[bytes] = ()
        self._items: Iterator[bytes] = iter(())

    def begin(self) -> None:
        """Make the response and the environ."""
        self.response, self.environ = begin_response(self.request, self.connection)

    def call(self, application: WSGIApplication) -> Iterable[bytes]:
        """Call the application, and return the body, which `close` closes."""
        self._body = application(self.environ, self.response.start_response)
        return self._body

    def write_first(self) -> None:
        """Write the head and the first item of the body, in one call."""
        self._items = iter(self._body)
        for item in self._items:
            write_body(self.response, item)
            return

    def write_rest(self) -> None:
        """Write what is left of the body, and its end.

        Raises:
            OSError: The client has disconnected, or does not read.
        """
        reader = self.reader
        if reader is None:
            if isinstance(self._body, self.environ["wsgi.file_wrapper"]):
                self.response.write_file(self._body)
            else:
                for item in self._body:
                    for piece in _split(item):
                        write_body(self.response, piece)
        else:
            self.response.sent += reader.sent
            if reader.is_aborted:
                self.connection.sock.sendall(reader.unsent)
            for item in self._items:
                write_body(self.response, item)
            if reader.error is not None:
                # Behind the middlewares, which would report a disconnect as an error of the application.
                raise reader.error
        end_body(self.response)

    def close(self, log: Any) -> None:
        """Write the access log, and close the body."""
        log.access(self.response, self.request, self.environ, datetime.now() - self._began)
        close: Callable[[], None] | None = getattr(self._body, "close", None)
        # It holds the response and the request.
        self._body, self._items = (), iter(())
        if close is not None:
            close()


def _split(item: bytes) -> Iterable[bytes]:
    """Split a large item of a body, because each write has a time limit."""
    if len(item) <= PIECE_BYTES:
        return (item,)
    whole = memoryview(item)
    return (bytes(whole[start : start + PIECE_BYTES]) for start in range(0, len(item), PIECE_BYTES))
