"""Closing connections gently: half-close, wait for the client's own close in the poller, then close."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable

# RFC 9112, section 9.6: after the last response, the client's own close is awaited, so that unread bytes do not turn
# the close into a reset that loses the end of the response. gunicorn waits as long, but on its main thread.
LINGER_TIMEOUT = 2.0
LINGER_READ = 65536


class LingeringConnections:
    """The half-closed connections of a worker. All methods are for the worker's main thread."""

    def __init__(self, poller: selectors.BaseSelector, count: Callable[[int], None], log: logging.Logger) -> None:
        """Take what waits for the clients.

        Args:
            poller: Calls what is registered with each socket, with the socket, when it is readable.
            count: Called with 1 for each connection that begins to linger and with -1 for each that ends: a worker
                that exits would reset them.
            log: Where a reset is noted.
        """
        self._poller = poller
        self._count = count
        self._log = log
        self._deadlines: deque[tuple[float, socket.socket]] = deque()

    def linger(self, client: socket.socket) -> None:
        """Half-close a connection and wait for the client's own close in the poller.

        gunicorn waits on its main thread, up to 2 s for each client, in which nobody else is served.
        """
        try:
            client.setblocking(False)
            client.shutdown(socket.SHUT_WR)
            self._poller.register(client, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError):
            client.close()  # it has gone already
            return
        self._count(1)
        self._deadlines.append((time.monotonic() + LINGER_TIMEOUT, client))

    def end_expired(self) -> None:
        """Close those whose time is up."""
        now = time.monotonic()
        # Those that left by themselves are closed, and are taken out when their turn comes.
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][1].fileno() < 0):
            self._close(self._deadlines.popleft()[1])

    def time_left(self) -> float | None:
        """Return the seconds until `end_expired` is due, or `None` where nobody lingers."""
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
