"""Limits the time of each write of a reply, so that a client that does not read cannot keep a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..sockets.client_socket import find_client_socket
from .stream_body import StreamBody
from .transparent_bodies import bodies

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# With the default limit of 30 s for each write, a client must read 4 KiB a second of a large reply. In one write, a
# file of a megabyte would need a faster client.
PIECE_BYTES = 128 * 1024


class ReplyPieces:
    """A WSGI body whose large items are split, because the server writes each item at once."""

    def __init__(self, body: Iterable[bytes]) -> None:
        """Take a WSGI body."""
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for item in self._body:
            if len(item) <= PIECE_BYTES:
                yield item
                continue
            whole = memoryview(item)
            for start in range(0, len(item), PIECE_BYTES):
                yield bytes(whole[start : start + PIECE_BYTES])

    def close(self) -> None:
        """Close the body, if it can be closed."""
        close: Callable[[], None] | None = getattr(self._body, "close", None)
        if close is not None:
            close()


def limit_reply_writes(application: WSGIApplication, seconds: float) -> WSGIApplication:
    """Return the application with a time limit for each write of its replies.

    gunicorn sets a socket back to blocking before the connection's next request. The limit for a peer that has
    vanished (`limit_unacknowledged`) is set once, when the connection is accepted.

    Args:
        application: A WSGI application.
        seconds: The time limit of one write.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        client = find_client_socket(environ)
        if client is not None:
            client.settimeout(seconds)
        body = application(environ, start_response)
        # The server sends a file in pieces itself, and a stream is small frames.
        if isinstance(body, environ["wsgi.file_wrapper"]) or isinstance(bodies.innermost(body), StreamBody):
            return body
        return ReplyPieces(body)

    return serve
