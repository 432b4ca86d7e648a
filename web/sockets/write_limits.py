"""Time limits for what is written to a client that does not read, or has vanished.

Loaded by gunicorn's master too, so it loads nothing of the application (test_imports.py).
"""

from __future__ import annotations

import socket


def limit_writes(client: socket.socket, seconds: float) -> None:
    """Make each write fail that the client does not accept within a time limit.

    gunicorn sets the socket back to blocking before the connection's next request.

    Args:
        client: The client's socket.
        seconds: The time limit.
    """
    client.settimeout(seconds)
    limit_unacknowledged(client, seconds)


def limit_unacknowledged(client: socket.socket, seconds: float) -> None:
    """End a TCP connection whose peer acknowledges nothing for a time. Holds as long as the socket is open.

    For a peer that vanished without a FIN.

    Args:
        client: The client's socket.
        seconds: The time limit.
    """
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    if user_timeout is not None and client.family in (socket.AF_INET, socket.AF_INET6):
        client.setsockopt(socket.IPPROTO_TCP, user_timeout, int(seconds * 1000))
