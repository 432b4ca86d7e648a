"""A limit for each write of every reply, so that a client that reads nothing frees its thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ..sockets.client_socket import find_client_socket, limit_writes
from .stream_body import StreamBody

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# The limit is for each write, and the usual one 30 s: so a client has to read 4 KiB a second of a large reply. Below
# it, one on a slow line would be cut off in a file of a megabyte.
PIECE_BYTES = 128 * 1024


class ReplyPieces:
    """A reply's body whose large items are cut, because an item is one write."""

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
    """Limit the writes of all replies of an application.

    Args:
        application: A WSGI application.
        seconds: How long a client may take to accept one write.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        client = find_client_socket(environ)
        if client is not None:
            limit_writes(client, seconds)
        body = application(environ, start_response)
        # The server sends a file by itself, in pieces; and events are written past their iteration.
        if isinstance(body, StreamBody | environ["wsgi.file_wrapper"]):
            return body
        return ReplyPieces(body)

    return serve
