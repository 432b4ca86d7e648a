"""Closes connections without a reset: half-close, wait in the poller until the client closes, then close."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

# In seconds. RFC 9112, section 9.6: a server that closes while bytes are unread sends a reset, and the client may
# lose the end of the response. So the server waits until the client closes. gunicorn waits as long, on its main
# thread.
LINGER_TIMEOUT = 2.0
LINGER_READ = 65536


class LingeringConnections:
    """The half-closed connections of a worker. For the worker's main thread only."""

    def __init__(self, poller: selectors.BaseSelector, count: Callable[[int], None], log: logging.Logger) -> None:
        """Hold no connection yet.

        Args:
            poller: Calls the data registered for a socket, with the socket, when it is readable.
            count: Called with 1 when a connection begins to linger and with -1 when it ends. The worker must not exit
                meanwhile, which would reset the connection.
            log: Where a reset by a client is logged.
        """
        self._poller = poller
        self._count = count
        self._log = log
        self._deadlines: deque[tuple[float, socket.socket]] = deque()

    def linger(self, client: socket.socket) -> None:
        """Half-close a connection, and wait in the poller until the client closes it."""
        try:
            client.setblocking(False)
            client.shutdown(socket.SHUT_WR)
            self._poller.register(client, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError):
            client.close()  # the client has disconnected
            return
        self._count(1)
        self._deadlines.append((time.monotonic() + LINGER_TIMEOUT, client))

    def end_expired(self) -> None:
        """Close the connections that have lingered for `LINGER_TIMEOUT`."""
        now = time.monotonic()
        # A connection that its client has closed stays in the queue until it would expire.
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][1].fileno() < 0):
            self._close(self._deadlines.popleft()[1])

    def time_left(self) -> float | None:
        """Return the seconds until `end_expired` is due; None where no connection lingers."""
        return max(0.0, self._deadlines[0][0] - time.monotonic()) if self._deadlines else None

    def _drain(self, client: socket.socket) -> None:
        try:
            if client.recv(LINGER_READ):
                return
        except BlockingIOError:
            return
        except OSError:
            self._log.debug("a lingering client reset its connection")
        self._close(client)

    def _close(self, client: socket.socket) -> None:
        if client.fileno() >= 0:
            self._poller.unregister(client)
            client.close()
            self._count(-1)
