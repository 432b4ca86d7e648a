"""The loop's own way to a client: writes the frames of a stream without waking the thread that serves it.

The thread has sent the headers and waits (`Bridge.divert`). Only the server knows the socket and how it frames a
body, so it is the server's worker that offers an outlet, and only for a body that reaches it as the application made
it: as with `wsgi.file_wrapper`, a middleware that wraps the body gets an ordinary iteration.
"""

from __future__ import annotations

import os
import socket
from typing import Protocol


class ServerResponse(Protocol):
    """What an outlet needs of gunicorn's `Response`."""

    sock: socket.socket
    #: Whether each piece of the body is sent as a chunk (RFC 9112, section 7.1).
    chunked: bool
    #: Bytes of the body so far, for the access log.
    sent: int


class SocketWriter:
    """Writes to one client's socket: `send` on the loop's thread, `flush` on the server's, never both at once."""

    def __init__(self, response: ServerResponse) -> None:
        """Take a response on a plain socket; its headers must be sent before the first `send`."""
        self._response = response
        # Its number and not the object: a Python socket with a time limit waits for room before it tries to write.
        self._number = response.sock.fileno()
        #: The end of a frame that the socket did not take.
        self._rest = b""

    def send(self, frames: bytes) -> bool:
        """Write without blocking.

        Returns:
            Whether it was written whole. If not, `flush` is due before anything else is written.
        """
        response = self._response
        size = len(frames)
        data = b"%x\r\n%b\r\n" % (size, frames) if response.chunked else frames
        response.sent += size
        try:
            written = os.write(self._number, data)
        except OSError:
            # Full, or gone: the server's thread tries again, and handles whichever it is.
            written = 0
        self._rest = data[written:]
        return not self._rest

    def flush(self) -> bool:
        """Write what `send` could not, and wait for the client if need be.

        Returns:
            Whether there was anything to write.

        Raises:
            OSError: The client has gone, or did not take it within its time limit.
        """
        rest, self._rest = self._rest, b""
        if rest:
            self._response.sock.sendall(rest)
        return bool(rest)
