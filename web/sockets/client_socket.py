"""The client's socket: notices at once that the client has disconnected.

gunicorn and Werkzeug pass the socket in the environ, and uWSGI its number. Other servers do not, and in HTTP/2
requests share one. There nothing is watched, and the write of a heartbeat fails after a disconnect.

A client may shut down its sending side after the request (`shutdown(SHUT_WR)`). That looks like a disconnect, and is
treated as one (docs/decisions/0011-half-closed-clients-have-disconnected.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ...service import LoopThread, LoopUnavailable

logger = logging.getLogger("sluice.web")

# Linux only. Edge-triggered, so that an event comes once; without EPOLLIN, so that a pipelined request is no event.
_DISCONNECTED = getattr(select, "EPOLLRDHUP", 0) | getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)
_EDGE = getattr(select, "EPOLLET", 0)


def find_client_socket(environ: dict[str, Any]) -> socket.socket | None:
    """Return the socket that only this request uses; None where the server does not pass it."""
    if environ.get("HTTP_VERSION") == "2" or environ.get("SERVER_PROTOCOL") == "HTTP/2":
        return None
    found = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return found if isinstance(found, socket.socket) else None


class Connection(Protocol):
    """A client's connection: a socket, or only its number."""

    def fileno(self) -> int:
        """Return the descriptor's number."""


class _Descriptor(NamedTuple):
    number: int

    def fileno(self) -> int:
        return self.number


def find_connection(environ: dict[str, Any]) -> Connection | None:
    """Return what shows that a request's client disconnects; None where the server passes nothing.

    For the request's thread. Behind uWSGI's router or a proxy, it is the connection of these.
    """
    found = find_client_socket(environ)
    # uWSGI's own module is there in its processes only, and belongs to one request for each thread.
    if found is None and "uwsgi.version" in environ and "uwsgi" in sys.modules:
        number = sys.modules["uwsgi"].connection_fd()
        return _Descriptor(number) if number >= 0 else None
    return found


def has_disconnected(client: Connection) -> bool:
    """Return whether the client has closed, reset or half-closed its connection. Does not wait."""
    poll = select.poll()
    poll.register(client, getattr(select, "POLLRDHUP", 0))
    return bool(poll.poll(0))


class DisconnectWatcher:
    """Watches all clients of an application by one epoll on the service's loop. Reports a disconnect within 1 ms."""

    def __init__(self, loop: LoopThread) -> None:
        """Take the loop whose thread will call the callbacks. It need not run yet."""
        self._loop = loop
        self._lock = threading.Lock()
        self._pid = 0
        self._epoll: select.epoll | None = None
        self._callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, client: Connection, callback: Callable[[], None]) -> Callable[[], None]:
        """Call a function once when the client closes, resets or half-closes its connection.

        A client that has disconnected before is reported as well. Any thread but the loop's may call this, after the
        loop has started.

        Args:
            client: The client's connection.
            callback: Called on the loop's thread.

        Returns:
            A function that ends the watch. It must be called before the socket is closed, because another client's
            socket may then get its number.
        """
        if not _EDGE:
            return lambda: None
        number = client.fileno()
        with self._lock:
            epoll = self._attached()
            # An event that comes at once waits for the lock.
            epoll.register(number, _DISCONNECTED | _EDGE)
            self._callbacks[number] = callback

        def unwatch() -> None:
            with self._lock:
                if self._callbacks.get(number) is callback:
                    del self._callbacks[number]
                    epoll.unregister(number)

        return unwatch

    def attach(self) -> None:
        """Open the epoll now and not with the first watch, when no descriptor may be left.

        Raises:
            LoopUnavailable: The loop does not run.
            OSError: No descriptor is left.
        """
        if _EDGE:
            with self._lock:
                self._attached()

    def close(self) -> None:
        """End all watches. Waits up to 1 s for the loop. Any thread but the loop's."""
        with self._lock:
            epoll, self._epoll = self._epoll, None
            self._callbacks.clear()
        if epoll is None or self._pid != os.getpid():
            return
        removed = threading.Event()

        def detach() -> None:
            asyncio.get_running_loop().remove_reader(epoll.fileno())
            removed.set()

        try:
            self._loop.call_soon(detach)
            removed.wait(1.0)
        except LoopUnavailable:
            logger.debug("the event loop has ended, and the watch with it")
        epoll.close()

    def _attached(self) -> select.epoll:
        if self._epoll is None or self._pid != os.getpid():
            # After a fork: the epoll is shared with the parent, and must not be changed.
            epoll = select.epoll()
            try:
                self._loop.call_soon(lambda: asyncio.get_running_loop().add_reader(epoll.fileno(), self._on_ready))
            except LoopUnavailable:
                epoll.close()
                raise
            self._epoll = epoll
            self._pid = os.getpid()
            self._callbacks = {}
        return self._epoll

    def _on_ready(self) -> None:
        with self._lock:
            if self._epoll is None:
                return
            callbacks = [self._callbacks.get(number) for number, _ in self._epoll.poll(0)]
        for callback in callbacks:
            if callback is not None:
                callback()
