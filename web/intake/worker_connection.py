"""A client's connection in the worker."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

from .gunicorn_internals import TConn, get_parser, is_http2_negotiated, prior_knowledge_allowed, ssl_wrap_socket
from .request_parser import LimitedParser


class WorkerConnection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection with time limits for the head and the body of a request, whose graceful close does not block."""

    def __init__(
        self,
        cfg: Any,
        sock: socket.socket,
        client: Any,
        server: Any,
        *,
        linger: Callable[[socket.socket], None],
        head_timeout: float,
        body_timeout: float,
    ) -> None:
        """Take an accepted connection.

        Args:
            cfg: gunicorn's configuration.
            sock: The client's socket.
            client: The client's address.
            server: The address of the server's socket.
            linger: Closes a socket without a reset. Called on the main thread.
            head_timeout: Seconds for a whole head.
            body_timeout: Seconds for a whole body, plus those for received bytes (`BodyArrival`).
        """
        self.sock: socket.socket
        super().__init__(cfg, sock, client, server)
        self._linger = linger
        self._head_timeout = head_timeout
        self._body_timeout = body_timeout
        #: Bytes of an incomplete head.
        self.received = bytearray()
        #: Whether the last request that was received is a HEAD, also one that is not valid.
        self.is_head = False
        #: How many bytes of empty lines came before its head.
        self.skipped = 0
        #: How many bytes of its request are in memory before a thread serves it.
        self.held = 0
        #: Whether requests are received without a thread: not with TLS, and not in other protocols.
        self.is_gathered = (
            not cfg.is_ssl and getattr(cfg, "protocol", "http") == "http" and not prior_knowledge_allowed(cfg, client)
        )
        if self.is_gathered:
            self.parser = self._new_parser()
            self.initialized = self.data_ready = True
        elif not cfg.is_ssl:
            # A thread reads the head. Without a limit, a client that sends half of it would keep the thread.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(head_timeout) or 1, 0))

    def init(self) -> None:
        """Set up the connection, with TLS within the time limit of a head. On the thread of its first request."""
        if self.initialized or not self.cfg.is_ssl:
            super().init()
            return
        self.initialized = True
        # gunicorn's handshake has a time limit that each byte renews.
        self.sock.settimeout(self._head_timeout)
        encrypted: ssl.SSLSocket = ssl_wrap_socket(self.sock, self.cfg)
        self.sock = encrypted
        if not self.cfg.do_handshake_on_connect:
            encrypted.do_handshake()
        if is_http2_negotiated(self.sock):
            self.sock.settimeout(None)
            self.is_http2 = True
            self.parser = get_parser(self.cfg, self.sock, self.client, http2_connection=True)
            self.parser.initiate_connection()
        else:
            self.parser = self._new_parser()

    def close(self, graceful: bool = False) -> None:
        """Close now; or half-close and linger, if `graceful`."""
        if graceful:
            self._linger(self.sock)
        else:
            super().close()

    def _new_parser(self) -> LimitedParser:
        return LimitedParser(
            self.cfg, self.sock, self.client, head_timeout=self._head_timeout, body_timeout=self._body_timeout
        )
