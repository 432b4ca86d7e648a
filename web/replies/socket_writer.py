"""Writes the frames of a stream to the client's socket from the loop's thread.

The thread that serves the request has sent the headers and waits (`Bridge.divert`); it is not woken for a token. The
server's worker makes the writer, because the server knows the socket and the framing of the body
(`web/server/socket_writer_offer.py`, docs/decisions/0018-loop-writes-to-the-client-socket.md).
"""

from __future__ import annotations

import os
import socket
from typing import Protocol


class ServerResponse(Protocol):
    """The part of gunicorn's `Response` that a writer uses."""

    sock: socket.socket
    #: Whether each piece of the body is sent as a chunk (RFC 9112, section 7.1).
    chunked: bool
    #: Bytes of the body so far, for the access log.
    sent: int


class SocketWriter:
    """Writes to one client's socket.

    `send` is for the loop's thread and `flush` for the request's thread. The caller never calls both at one time.
    """

    def __init__(self, response: ServerResponse) -> None:
        """Take the response of a request.

        Args:
            response: A response on a socket without TLS. Its headers must be sent before the first `send`.
        """
        self._response = response
        # Not the socket object: with a time limit, Python's `send` waits until the socket is writable.
        self._number = response.sock.fileno()
        #: Bytes that the socket did not accept.
        self._unsent = b""

    def send(self, frames: bytes) -> bool:
        """Write frames without blocking. On the loop's thread.

        Returns:
            Whether the socket accepted all of it. If not, `flush` must be called before anything else is written.
        """
        response = self._response
        size = len(frames)
        data = b"%x\r\n%b\r\n" % (size, frames) if response.chunked else frames
        response.sent += size
        try:
            written = os.write(self._number, data)
        except OSError:
            # The socket is full or closed. `flush` writes again, and raises where it is closed.
            written = 0
        self._unsent = data[written:]
        return not self._unsent

    def flush(self) -> bool:
        """Write the bytes that `send` could not write; wait for the client if necessary. On the request's thread.

        Returns:
            Whether there were any.

        Raises:
            OSError: The client has disconnected, or did not read within the socket's time limit.
        """
        unsent, self._unsent = self._unsent, b""
        if unsent:
            self._response.sock.sendall(unsent)
        return bool(unsent)
