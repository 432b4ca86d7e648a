"""The deployment that `doctor` checks: its address, and requests of the kind that a browser makes."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ...service.settings.parsers import is_loopback

#: What a request can fail with.
LOST: Final = (OSError, http.client.HTTPException)
# Seconds beyond a heartbeat's time, for the way and a busy server.
GRACE: Final = 3.0
# Seconds for the head of a reply.
TIMEOUT = 20.0
# A fault of the way is there each time, a delay of a busy machine now and then: looks at what can be either.
TRIES: Final = 3


class Unreachable(RuntimeError):
    """The deployment cannot be checked. The text says why, and what to change."""


@dataclass(frozen=True)
class Arrival:
    """One part of a stream: an event's data, or None for a comment; and when it came, on the monotonic clock."""

    data: dict[str, Any] | None
    at: float


def is_tick(arrival: Arrival) -> bool:
    """Return whether it is one of the paced events."""
    return arrival.data is not None and "tick" in arrival.data


class Reply:
    """The open reply to one request. A context manager: leaving it closes the connection."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        """Take a reply whose head has come."""
        self._connection = connection
        self._response = response
        self.status = response.status
        self.headers = response.headers
        #: 10 or 11.
        self.version = response.version

    def read(self) -> bytes:
        """Read the rest."""
        return self._response.read()

    def read_bytes(self, seconds: float) -> Iterator[bytes]:
        """Yield what comes, as it comes; end with the reply.

        Args:
            seconds: The longest time without anything.

        Raises:
            OSError: The connection was lost, or nothing came for that time.
            http.client.HTTPException: The connection ended before the reply.
        """
        connected = self._connection.sock
        if connected is not None:
            connected.settimeout(seconds)
        while part := self._response.read1(65536):
            yield part

    def arrivals(self, seconds: float) -> Iterator[Arrival]:
        """Yield events and comments. Arguments and errors are those of `read_bytes`."""
        waiting = b""
        for part in self.read_bytes(seconds):
            now = time.monotonic()
            waiting += part
            *blocks, waiting = waiting.split(b"\n\n")
            for block in blocks:
                data = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
                yield Arrival(json.loads(b"\n".join(data)) if data else None, now)

    def close(self) -> None:
        """Close the connection at once. Closing twice is harmless."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Deployment:
    """Makes requests to one deployment, each on a connection of its own. Any thread may use it."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Take the address of the page.

        Args:
            url: Such as `https://chat.example.com/assistant`.
            headers: Sent with each request, such as a cookie.

        Raises:
            Unreachable: It is no address.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"{url!r} should be the address of the page, such as https://example.com/assistant.")
        #: Whether it is on this machine, so that no network lies between.
        self.is_loopback = is_loopback(parts.hostname)
        self.is_tls = parts.scheme == "https"
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._host = parts.hostname
        self._port = parts.port or (443 if self.is_tls else 80)
        self._path = parts.path.rstrip("/")
        self._headers = dict(headers)

    def open(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, accept_encoding: str = "identity"
    ) -> Reply:
        """Make a request, and wait for the head of its reply.

        Args:
            method: The HTTP method.
            path: Below the page, such as `/api/chat`.
            body: JSON.
            accept_encoding: The header of this name.

        Raises:
            OSError: The connection failed, or no reply came in time.
            http.client.HTTPException: What came is no HTTP.
        """
        kind = http.client.HTTPSConnection if self.is_tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=TIMEOUT)
        headers = {"Accept-Encoding": accept_encoding, "User-Agent": "sluice-doctor", **self._headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(
                method, f"{self._path}{path}", None if body is None else json.dumps(dict(body)), headers
            )
            return Reply(connection, connection.getresponse())
        except BaseException:
            connection.close()
            raise

    def stream(self, *, ticks: int, pause: float, silence: float = 0.0, accept_encoding: str = "identity") -> Reply:
        """Open a paced stream on the path of the chat. Errors are those of `open`."""
        body = {"ticks": ticks, "pause": pause, "silence": silence}
        return self.open("POST", "/api/chat?doctor", body, accept_encoding=accept_encoding)

    def get_json(self, path: str) -> tuple[int, Any]:
        """Return the status of a GET, and its JSON; None where it is none. Errors are those of `open`."""
        with self.open("GET", path) as reply:
            try:
                return reply.status, json.loads(reply.read())
            except ValueError:
                return reply.status, None

    def describe_tls(self) -> tuple[str, str | None]:
        """Return the version of TLS, and the protocol that the server chooses for a browser. Errors: `OSError`."""
        context = ssl.create_default_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection((self._host, self._port), timeout=TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=self._host) as secured,
        ):
            return secured.version() or "TLS", secured.selected_alpn_protocol()
