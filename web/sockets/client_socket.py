"""What WSGI hides: the client's socket. Learns at once that the client has gone, and limits slow writes.

gunicorn hands the socket over in `environ["gunicorn.socket"]`. Where there is none (another server, or HTTP/2,
where many requests share one), nothing is watched, and a client's leaving is noticed by the write of a heartbeat.

A client that shuts down its sending side after the request (`shutdown(SHUT_WR)`) looks the same as one that left,
and is treated so: browsers, curl and proxies do not do that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from ...service import LoopThread, LoopUnavailable

logger = logging.getLogger("sluice.web")

# epoll is Linux's. Edge-triggered and without EPOLLIN: a pipelined request wakes nobody, and an event comes once.
_GONE = getattr(select, "EPOLLRDHUP", 0) | getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)
_EDGE = getattr(select, "EPOLLET", 0)


def find_client_socket(environ: dict[str, Any]) -> socket.socket | None:
    """Find the socket that this request, and no other, uses; `None` where the server does not say."""
    if environ.get("HTTP_VERSION") == "2" or environ.get("SERVER_PROTOCOL") == "HTTP/2":
        return None
    found = environ.get("gunicorn.socket")
    return found if isinstance(found, socket.socket) else None


def has_disconnected(client: socket.socket) -> bool:
    """Say whether the client has closed, reset or half-closed its connection already. Does not wait."""
    poll = select.poll()
    poll.register(client, getattr(select, "POLLRDHUP", 0))
    return bool(poll.poll(0))


def limit_writes(client: socket.socket, seconds: float) -> None:
    """Make every write fail that the client does not accept within ``seconds``, which frees its thread.

    gunicorn sets the socket back to blocking before the connection's next request.
    """
    client.settimeout(seconds)
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    if user_timeout is not None and client.family in (socket.AF_INET, socket.AF_INET6):
        # A peer that vanished without a FIN: unacknowledged data ends the connection after this long.
        client.setsockopt(socket.IPPROTO_TCP, user_timeout, int(seconds * 1000))


class DisconnectWatcher:
    """One epoll on the service's loop for all clients of a process: no thread, under a millisecond."""

    def __init__(self, loop: LoopThread) -> None:
        """Take the loop whose thread will run the callbacks; it need not run yet."""
        self._loop = loop
        self._lock = threading.Lock()
        self._pid = 0
        self._epoll: select.epoll | None = None
        self._callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, client: socket.socket, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` on the loop's thread, once, when the client closes, resets or half-closes.

        A client that has gone already is noticed as well. Any thread but the loop's may call this, after the
        loop was started.

        Returns:
            A function that ends the watch; to be called before the socket is closed, because its number may
            then belong to another client.
        """
        if not _EDGE:
            return lambda: None
        number = client.fileno()
        with self._lock:
            epoll = self._attached()
            # An event that comes at once waits for the lock.
            epoll.register(number, _GONE | _EDGE)
            self._callbacks[number] = callback

        def unwatch() -> None:
            with self._lock:
                if self._callbacks.get(number) is callback:
                    del self._callbacks[number]
                    epoll.unregister(number)

        return unwatch

    def attach(self) -> None:
        """Open now what the first watch would: later there may be no descriptor for it.

        Raises:
            LoopUnavailable: The loop does not run.
            OSError: No descriptor is left.
        """
        if _EDGE:
            with self._lock:
                self._attached()

    def close(self) -> None:
        """End all watches."""
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
            # After a fork the parent's epoll must not be touched: both processes would share it.
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
            gone = [self._callbacks.get(number) for number, _ in self._epoll.poll(0)]
        for callback in gone:
            if callback is not None:
                callback()
