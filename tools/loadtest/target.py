"""Where the load goes: an address that was looked up once, and whether it may be loaded at all."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec


class TargetError(ValueError):
    """The target cannot be loaded; the message says what would be right."""


@dataclass(frozen=True)
class Target:
    """One deployment of Sluice.

    Attributes:
        url: As it was given, without a password or a slash at its end.
        host: Its host, for certificates.
        family: Of its address.
        address: What to connect to.
        tls: The context of an https target.
        head: The first lines of every request, up to Content-Length's value.
    """

    url: str
    host: str
    family: socket.AddressFamily
    address: tuple[Any, ...]
    tls: ssl.SSLContext | None = None
    head: bytes = field(default=b"", repr=False)

    @classmethod
    def find(cls, url: str, *, mode: str, headers: Mapping[str, str], allow_remote: bool) -> Target:
        """Look a URL up.

        Args:
            url: The server's base URL.
            mode: `stream` or `block`, for the Accept header.
            headers: Further headers of every request.
            allow_remote: Whether machines other than this one may be loaded.

        Raises:
            TargetError: The URL is bad, cannot be resolved, or is another machine's.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        except (ValueError, KeyError):
            raise TargetError(f"--url should be such as http://127.0.0.1:8000, not {url!r}.") from None
        if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise TargetError(
                f"--url should be such as http://127.0.0.1:8000, not {url!r}; for a login, use --header."
            )
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise TargetError(f"The host {parts.hostname!r} of --url cannot be found: {error.strerror}.") from None
        outside = [str(entry[4][0]) for entry in found if not _is_loopback(str(entry[4][0]))]
        if outside and not allow_remote:
            where = outside[0] if outside[0] == parts.hostname else f"{parts.hostname} ({outside[0]})"
            raise TargetError(
                f"{where} is not this machine. A load test can put a server out of "
                "service and run up a model provider's bill; if it is yours to load, add --allow-remote."
            )
        path = parts.path.rstrip("/") + "/api/chat"
        lines = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if mode == "stream" else "application/json",
            "User-Agent": "sluice-load-test",
            "Connection": "close",
            **headers,
        }
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        family, _, _, _, address = found[0]
        return cls(url.rstrip("/"), parts.hostname, family, address, tls, f"{head}Content-Length: ".encode("latin-1"))

    def request(self, fields: Mapping[str, Any], lines: Mapping[str, str] | None = None) -> bytes:
        """Return the bytes of a chat request.

        Args:
            fields: Of its body.
            lines: Further headers.
        """
        body = msgspec.json.encode(fields)
        return b"%b%d\r\n%b\r\n%b" % (self.head, len(body), _lines(lines or {}), body)

    def follow(self, location: str, lines: Mapping[str, str]) -> bytes:
        """Return the bytes of a request for the events of a run.

        Args:
            location: The run's, as the reply that has begun it names it.
            lines: Further headers.
        """
        headers = self.head.partition(b"\r\n")[2].removesuffix(b"Content-Length: ")
        return b"GET %b/events HTTP/1.1\r\n%b%b\r\n" % (location.encode("latin-1"), headers, _lines(lines))

    def new_socket(self, receive_buffer: int | None = None) -> socket.socket:
        """Return a socket that is not connected yet.

        Args:
            receive_buffer: Bytes that the kernel takes for a reader who does not read; None is its own choice.
        """
        made = socket.socket(self.family, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        return made

    def check(self, timeout: float) -> None:
        """Connect once, to say early and clearly that nobody answers.

        Raises:
            TargetError: The connection failed.
        """
        try:
            socket.create_connection(self.address[:2], timeout).close()
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
            raise TargetError(
                f"{self.url} cannot be reached ({why}). Start a server there (`make run`), or leave --url away: "
                "then the load test starts one of its own."
            ) from None


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback
