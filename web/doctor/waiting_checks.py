"""What a deployment does in a silence: whether a stream stays open, and whether a disconnect is noticed."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Final

from .deployment import GRACE, LOST, TRIES, Deployment, is_tick
from .findings import UNBUFFERED, Finding, change, note, ok

# Seconds in which a disconnect is noticed where the server watches the socket; before a heartbeat's write could fail.
AT_ONCE: Final = 1.0
# The longest silence that the server accepts.
MOST_SILENCE: Final = 120.0
# A first write after a disconnect succeeds, and a server with buffers takes a second one.
HEARTBEATS: Final = 3
# Questions to a deployment of several processes until one reaches the process of the stream.
MOST_QUESTIONS: Final = 40


def longest_wait(heartbeat: float) -> float:
    """Return the seconds for which these checks wait at most."""
    return min(HEARTBEATS * heartbeat + GRACE, MOST_SILENCE - GRACE)


def check_silence(deployment: Deployment, heartbeat: float) -> Finding:
    """Look whether a silent stream stays open until its heartbeat."""
    silence = min(heartbeat + GRACE, MOST_SILENCE)
    last = time.monotonic()
    is_silent = has_beaten = False
    try:
        with deployment.stream(ticks=1, pause=0.0, silence=silence) as reply:
            for arrival in reply.arrivals(silence + GRACE):
                last = arrival.at
                if is_silent and arrival.data is None:
                    has_beaten = True
                    break
                is_silent = is_silent or is_tick(arrival)
    except LOST:
        # Nothing may have come, also because a proxy holds it back: that is another finding.
        after = time.monotonic() - last
        return change(
            "silence",
            f"the connection was cut after {after:.1f} s without a byte",
            f"A limit on the way is shorter than the heartbeat of {heartbeat:g} s. nginx: `proxy_read_timeout`; "
            f"load balancers: the idle timeout. Or set SLUICE_HEARTBEAT_INTERVAL below {after:.3g}.",
        )
    if not has_beaten:
        return change("silence", f"no heartbeat came within {silence:.0f} s", UNBUFFERED)
    return ok("silence", f"a heartbeat came, and the stream stayed open (every {heartbeat:g} s)")


def check_disconnect(deployment: Deployment, heartbeat: float, *, has_client_socket: bool) -> Finding:
    """Disconnect in a silence, and ask when the server noticed."""
    at_once = min(AT_ONCE, 0.8 * heartbeat)
    for _ in range(TRIES):
        noticed = _disconnect(deployment, longest_wait(heartbeat))
        if isinstance(noticed, Finding):
            return noticed
        if noticed <= at_once:
            return ok("disconnect", f"noticed after {noticed:.2f} s")
        if not has_client_socket:
            break
    seen = f"noticed after {noticed:.2f} s"
    if has_client_socket:
        return change(
            "disconnect",
            seen,
            "A proxy keeps the connection for a while. nginx: `proxy_ignore_client_abort off;`.",
        )
    return note(
        "disconnect",
        f"{seen}, by the write of a heartbeat: this server does not show the client's socket",
        f"gunicorn does, and it is noticed at once. Here, SLUICE_HEARTBEAT_INTERVAL ({heartbeat:g}) may be lower.",
    )


def _disconnect(deployment: Deployment, limit: float) -> float | Finding:
    """Return the seconds from a disconnect until the server noticed, or why they are not known."""
    try:
        with deployment.stream(ticks=1, pause=0.0, silence=min(limit + GRACE, MOST_SILENCE)) as reply:
            name = None
            for arrival in reply.arrivals(GRACE):
                name = arrival.data["stream"] if arrival.data and "stream" in arrival.data else name
                # The next write would show the disconnect; in the silence there is none before the heartbeat.
                if is_tick(arrival):
                    break
    except LOST:
        name = None
    closed = time.monotonic()
    if name is None:
        return note("disconnect", "could not be checked: the stream did not begin")
    path = f"/api/doctor/{name}"
    misses, pause = 0, 0.02
    while time.monotonic() < closed + limit and misses < MOST_QUESTIONS:
        try:
            status, told = deployment.get_json(path)
        except LOST:
            status, told = 0, None
        if status == HTTPStatus.NOT_FOUND:
            misses += 1
        elif isinstance(told, dict) and told.get("noticed_seconds_ago") is not None:
            seconds_ago: float = told["noticed_seconds_ago"]
            return max(0.0, time.monotonic() - seconds_ago - closed)
        elif isinstance(told, dict) and not told["open"]:
            return note("disconnect", "the stream had ended before")
        time.sleep(pause)
        pause = min(0.5, pause * 1.2)
    if misses >= MOST_QUESTIONS:
        return note("disconnect", "could not be asked: requests reach other processes or machines than the stream")
    return change(
        "disconnect",
        f"it was not noticed within {limit:.0f} s: the model is paid for answers that nobody reads",
        "nginx: `proxy_ignore_client_abort off;`. A server that reads ahead or buffers, and ASGI adapters, "
        "hide it: use gunicorn.",
    )
