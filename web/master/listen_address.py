"""Addresses to listen on: whether one is available, and its text for the log."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path


class AddressUnavailable(Exception):
    """The server cannot listen on an address. The text has the reason, and what would be right."""


def refuse_unavailable(address: object) -> None:
    """Check whether the server can listen on an address. gunicorn would try for five seconds.

    Args:
        address: Host and port, or the path of a unix socket. Other addresses are not checked.

    Raises:
        AddressUnavailable: The server cannot listen on it.
    """
    if isinstance(address, tuple):
        _refuse_unavailable_port(*address[:2])
    elif isinstance(address, str) and not address.startswith("\0"):
        _refuse_unavailable_path(Path(address))


def _refuse_unavailable_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            free = _find_free_port(host, port)
            should = {
                errno.EADDRINUSE: "something listens there already, perhaps another Sluice; end it, or choose a free "
                f"port: PORT={free} before the command, as in `PORT={free} make run`, or in .env",
                errno.EACCES: "this user may not use it; PORT should be 1024 or more",
                errno.EADDRNOTAVAIL: "this machine has no such address; HOST should be one of its own",
            }.get(error.errno or 0, error.strerror or str(error))
            raise AddressUnavailable(f"HOST is {host!r} and PORT is {port}, but {should}.") from None


def _find_free_port(host: str, port: int) -> int:
    """Return a port near the given one on which nothing listens; 0, which lets the system choose, where none is."""
    for candidate in range(port + 1, min(port + 100, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, candidate))
                return candidate
    return 0


def _refuse_unavailable_path(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not os.access(path.parent, os.W_OK):
            raise AddressUnavailable(
                f"The address is unix:{path}, but this user cannot write into {path.parent}; it should be a path in "
                "a folder that is there and can be written."
            ) from None
        return
    except OSError as error:
        raise AddressUnavailable(f"The address is unix:{path}, but {error.strerror}.") from None
    if not stat.S_ISSOCK(mode):
        raise AddressUnavailable(f"The address is unix:{path}, but another file is there; it should be a free path.")


def format_address(name: tuple[str, int] | str | bytes, *, is_tls: bool) -> str:
    """Return the text for a listening socket.

    Args:
        name: What its `getsockname` has returned.
        is_tls: Whether it expects TLS.
    """
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"{'https' if is_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    return f"unix:{os.fsdecode(name)}"
