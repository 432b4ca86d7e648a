"""What streams show of the way between a deployment and a browser, at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import pairwise
from typing import Final

from .deployment import GRACE, LOST, TRIES, Arrival, Deployment, Reply, Unreachable, is_tick
from .findings import UNBUFFERED, Finding, change, note, ok

TICKS: Final = 10
PAUSE: Final = 0.1
# Seconds between two events from which they came apart, and not in one part.
APART: Final = PAUSE / 4
# Streams at once: more than the threads of a server whose default is small (waitress: 4).
CROWD: Final = 6
# Seconds until each of them has its first event.
CROWD_TIMEOUT: Final = 3.0
# Browsers open at most so many connections to one host with HTTP/1.1.
MOST_CONNECTIONS: Final = 6
_CUT = "Something on the way ends the answer early: a limit of time in a proxy, or a server that was restarted."


def check_stream(deployment: Deployment) -> Iterator[Finding]:
    """Look whether events come one by one, and what the way makes of the head.

    Raises:
        Unreachable: The application refuses the request's CSRF token.
    """
    for _ in range(TRIES):
        try:
            with deployment.stream(ticks=TICKS, pause=PAUSE) as reply:
                refusal = _describe_refusal(reply)
                if refusal is not None:
                    yield refusal
                    return
                arrivals = list(reply.arrivals(TICKS * PAUSE + GRACE))
        except LOST as error:
            yield change("streaming", f"the stream broke off: {error or type(error).__name__}", _CUT)
            return
        spacing = _judge_spacing([arrival for arrival in arrivals if is_tick(arrival)])
        if spacing.advice != UNBUFFERED:
            break
    yield spacing
    facts = [arrival.data for arrival in arrivals if arrival.data and "protocol" in arrival.data]
    yield from _check_head(reply, facts[0]["protocol"] if facts else "")


def _check_head(reply: Reply, protocol: str) -> Iterator[Finding]:
    if reply.headers.get("X-Accel-Buffering") != "no":
        yield note(
            "X-Accel-Buffering",
            "a proxy has removed it, as nginx does",
            "Only where a second nginx stands in front: `proxy_pass_header X-Accel-Buffering;` in the inner one.",
        )
    else:
        yield ok("X-Accel-Buffering", "it arrives")
    if reply.version < 11:
        yield change(
            "HTTP version",
            "the reply is HTTP/1.0: the end of an answer and the loss of one look the same",
            "The proxy should answer with HTTP/1.1.",
        )
    elif protocol == "HTTP/1.0":
        yield change(
            "HTTP version",
            "the proxy asks with HTTP/1.0: a lost answer looks like a whole one",
            "nginx: `proxy_http_version 1.1;`.",
        )
    else:
        yield ok("HTTP version", f"{protocol} at the application")


def check_compression(deployment: Deployment) -> Finding:
    """Look whether the way compresses a stream for a browser."""
    try:
        with deployment.stream(ticks=3, pause=PAUSE, accept_encoding="gzip, deflate, br, zstd") as reply:
            coding = reply.headers.get("Content-Encoding", "")
            for _ in reply.read_bytes(3 * PAUSE + GRACE):
                pass
    except LOST as error:
        return change("compression", f"the stream broke off: {error or type(error).__name__}", _CUT)
    if coding and coding != "identity":
        return change(
            "compression",
            f"the stream is compressed ({coding}), which collects events in the compressor",
            "nginx: no text/event-stream in `gzip_types` and `brotli_types`, and no `*`. Others, and WSGI "
            "middleware: leave text/event-stream and `Cache-Control: no-transform` alone.",
        )
    return ok("compression", "the stream is not compressed")


def check_crowd(deployment: Deployment) -> Finding:
    """Look whether several streams are open at once."""
    all_began, counted = threading.Event(), threading.Event()
    began: list[bool] = []  # one for each that has

    def hold_stream() -> None:
        with (
            contextlib.suppress(*LOST),
            deployment.stream(ticks=1, pause=0.0, silence=CROWD_TIMEOUT + GRACE) as reply,
        ):
            if reply.status == HTTPStatus.OK and any(map(is_tick, reply.arrivals(CROWD_TIMEOUT))):
                began.append(True)
                if len(began) == CROWD:
                    all_began.set()
                # Open until they are counted: else one thread could serve them one by one.
                counted.wait(CROWD_TIMEOUT + GRACE)

    with ThreadPoolExecutor(CROWD) as pool:
        for _ in range(CROWD):
            pool.submit(hold_stream)
        all_began.wait(CROWD_TIMEOUT)
        at_once = len(began)
        counted.set()
    if at_once == CROWD:
        return ok("streams at once", f"{CROWD} of {CROWD}")
    return change(
        "streams at once",
        f"only {at_once} of {CROWD} streams began within {CROWD_TIMEOUT:g} s",
        "The server needs a thread for each stream, and some for all else: gunicorn --threads, waitress --threads, "
        "uWSGI --threads. A limit of connections in a proxy, or SLUICE_MAX_STREAMS_PER_CLIENT, does the same.",
    )


def check_tls(deployment: Deployment) -> Iterator[Finding]:
    """Look which connections a browser makes."""
    if deployment.is_loopback:
        return
    if not deployment.is_tls:
        yield note(
            "TLS",
            f"none: a browser then opens at most {MOST_CONNECTIONS} streams of this host, over all tabs",
            "A proxy should add TLS (docs/how-to/deploy.md); then check its address (https://...).",
        )
        return
    try:
        version, protocol = deployment.describe_tls()
    except OSError as error:
        yield change("TLS", f"{error}", "The certificate should be valid for the name of this address.")
        return
    if protocol == "h2":
        yield ok("TLS", f"{version}, HTTP/2 for browsers")
    else:
        yield note(
            "TLS",
            f"{version} without HTTP/2: a browser opens at most {MOST_CONNECTIONS} streams, over all tabs",
            "nginx: `listen 443 ssl http2;`, or `http2 on;` from 1.25.1.",
        )


def _describe_refusal(reply: Reply) -> Finding | None:
    """Return the finding where the reply is no stream."""
    if reply.status == HTTPStatus.OK and reply.headers.get_content_type() == "text/event-stream":
        return None
    text = reply.read()[:200].decode(errors="replace").strip()
    if reply.status == HTTPStatus.BAD_REQUEST and ("csrf_refused" in text or "CSRF" in text):
        raise Unreachable(
            "POST /api/chat answers 400: the application checks a CSRF token. Send two headers of one session: "
            "--header 'Cookie: session=...' and --header 'X-CSRFToken: ...'. The token is in the page of a signed-in "
            'browser: `<meta name="csrf-token" content="...">`, or `data-csrf-token` of #sluice.'
        )
    return change(
        "streaming",
        f"POST /api/chat answers {reply.status} {reply.headers.get_content_type()}: {text}",
        "It should be a stream. The text and the application's log say why it was refused.",
    )


def _judge_spacing(events: list[Arrival]) -> Finding:
    """Judge whether events came one by one."""
    if len(events) < TICKS:
        return change("streaming", f"{len(events)} of {TICKS} events came", _CUT)
    parts = 1 + sum(later.at - earlier.at > APART for earlier, later in pairwise(events))
    spread = events[-1].at - events[0].at
    if parts >= TICKS - 2:
        return ok("streaming", f"{TICKS} events came one by one, over {spread:.1f} s")
    return change("streaming", f"{TICKS} events came in {parts} part{'s' if parts > 1 else ''}: buffered", UNBUFFERED)
