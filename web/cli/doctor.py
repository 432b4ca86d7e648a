"""`doctor`: checks a running deployment by streams that are paced by the server and ask no model."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Final

from .deployment import Arrival, Deployment, Reply, Unreachable
from .findings import Finding, Verdict, change, note, ok

#: What a request can fail with.
LOST: Final = (OSError, http.client.HTTPException)
TICKS: Final = 10
PAUSE: Final = 0.1
# Seconds between two events from which they came apart, and not in one part.
APART: Final = PAUSE / 4
# Streams at once: more than the threads of a server whose default is small (waitress: 4).
CROWD: Final = 6
# Seconds until each of them has its first event.
CROWD_TIMEOUT: Final = 3.0
# Seconds beyond a heartbeat's time, for the way and a busy server.
GRACE: Final = 3.0
# Seconds in which a disconnect is noticed where the server watches the socket; before a heartbeat's write could fail.
AT_ONCE: Final = 1.0
# Questions to a deployment of several processes until one reaches the process of the stream.
MOST_QUESTIONS: Final = 40
# Browsers open at most so many connections to one host with HTTP/1.1.
MOST_CONNECTIONS: Final = 6
_UNBUFFERED = (
    "A proxy collects the answer. nginx: remove `proxy_ignore_headers X-Accel-Buffering`, or set "
    "`proxy_buffering off;` for "
    "/api/chat. Others: switch response buffering off for text/event-stream. A WSGI middleware that reads whole "
    "replies "
    "does the same."
)

_CUT = "Something on the way ends the answer early: a limit of time in a proxy, or a server that was restarted."


class Doctor:
    """Checks one deployment. `check` yields each finding as soon as it is there."""

    def __init__(self, deployment: Deployment, progress: Callable[[str], None]) -> None:
        """Take what to check.

        Args:
            deployment: The deployment.
            progress: Takes a line that says what is being done.
        """
        self._deployment = deployment
        self._progress = progress
        self._facts: dict[str, Any] = {}

    def check(self) -> Iterator[Finding]:
        """Check everything. Takes a little more than two heartbeats.

        Raises:
            Unreachable: Nothing can be checked.
        """
        self._progress("asking which server this is")
        self._facts = self._read_facts()
        yield self._check_server()
        yield from self._check_threads()
        self._progress(f"reading {TICKS} events that are {PAUSE:g} s apart")
        is_streaming = True
        for finding in self._check_stream():
            is_streaming = is_streaming and (finding.subject, finding.verdict) != ("streaming", Verdict.CHANGE)
            yield finding
        yield from self._check_connection()
        if not is_streaming:
            yield note("compression, threads, silence and disconnects", "not checked until events come one by one")
            return
        yield self._check_compression()
        self._progress(f"opening {CROWD} streams at once")
        yield self._check_crowd()
        yield from self._check_silence_and_disconnect()

    # ------------------------------------------------------------------ what the server says

    def _read_facts(self) -> dict[str, Any]:
        url = self._deployment.url
        try:
            status, facts = self._deployment.get_json("/api/doctor")
        except LOST as error:
            raise Unreachable(f"{url} cannot be reached: {error or type(error).__name__}.") from None
        if status == HTTPStatus.OK and isinstance(facts, dict) and "max_streams" in facts:
            return facts
        if 300 <= status < 400:
            raise Unreachable(f"{url} answers with a redirect ({status}); use the address where it leads.")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Unreachable(
                f"{url} answers {status}: only signed-in users may check it. Copy the cookie from a signed-in "
                f"browser: "
                "--header 'Cookie: session=...'."
            )
        raise Unreachable(
            f"{url}/api/doctor answers {status}. The address should be that of the page, such as "
            "https://example.com/assistant; the deployment should have this version, and SLUICE_DOCTOR should be on."
        )

    def _check_server(self) -> Finding:
        facts = self._facts
        server, worker = facts["server"] or "an unknown server", facts["worker"]
        if "SluiceWorker" in worker:
            return ok("server", f"{server} with Sluice's worker")
        if not facts["has_threads"]:
            return change(
                "server",
                f"{server} handles one request at a time in each process",
                'gunicorn: `worker_class = "gthread"` and `threads`, or Sluice\'s worker by `-c '
                "python:sluice.gunicorn`. "
                "uWSGI: `--threads`.",
            )
        seen = f"{server}{f' with the worker {worker}' if worker else ''}; each stream holds a thread"
        if "werkzeug" in server.lower():
            return change(
                "server", f"{seen}; it is for development", "Serve it with gunicorn -c python:sluice.gunicorn."
            )
        advice = "gunicorn -c python:sluice.gunicorn has a worker in which a token wakes no thread."
        return note("server", seen, advice if "gunicorn" in server.lower() else "")

    def _check_threads(self) -> Iterator[Finding]:
        threads, streams = self._facts["threads"], self._facts["max_streams"]
        if threads is None:
            yield note(
                "threads",
                "their number is not known",
                f"It should be larger than SLUICE_MAX_STREAMS ({streams}): waitress: --threads; uWSGI: "
                f"--threads; plain "
                "gunicorn: --threads.",
            )
        elif threads <= streams:
            yield change(
                "threads",
                f"{threads} threads for {streams} streams: when all stream, nothing else is answered",
                f"Set `threads` to {streams + 16} or more, or SLUICE_MAX_STREAMS below {threads}.",
            )
        else:
            yield ok("threads", f"{threads} threads for {streams} streams")

    # ------------------------------------------------------------------ what is seen

    def _check_stream(self) -> Iterator[Finding]:
        try:
            with self._deployment.stream(ticks=TICKS, pause=PAUSE) as reply:
                refusal = _describe_refusal(reply)
                if refusal is not None:
                    yield refusal
                    return
                arrivals = list(reply.arrivals(TICKS * PAUSE + GRACE))
        except LOST as error:
            yield change("streaming", f"the stream broke off: {error or type(error).__name__}", _CUT)
            return
        yield _judge_spacing([arrival for arrival in arrivals if _is_tick(arrival)])
        facts = [arrival.data for arrival in arrivals if arrival.data and "protocol" in arrival.data]
        yield from self._check_head(reply, facts[0]["protocol"] if facts else "")

    def _check_head(self, reply: Reply, protocol: str) -> Iterator[Finding]:
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

    def _check_compression(self) -> Finding:
        try:
            with self._deployment.stream(ticks=3, pause=PAUSE, accept_encoding="gzip, deflate, br, zstd") as reply:
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
                "middleware: leave "
                "text/event-stream and `Cache-Control: no-transform` alone.",
            )
        return ok("compression", "the stream is not compressed")

    def _check_crowd(self) -> Finding:
        all_began = threading.Event()
        began: list[bool] = []  # one for each that has

        def hold_stream() -> None:
            with (
                contextlib.suppress(*LOST),
                self._deployment.stream(ticks=1, pause=0.0, silence=CROWD_TIMEOUT) as reply,
            ):
                if reply.status == HTTPStatus.OK and any(map(_is_tick, reply.arrivals(CROWD_TIMEOUT))):
                    began.append(True)
                    if len(began) == CROWD:
                        all_began.set()
                    # Open until all have begun: else one thread could serve them one by one.
                    all_began.wait(max(0.0, deadline - time.monotonic()))

        deadline = time.monotonic() + CROWD_TIMEOUT
        with ThreadPoolExecutor(CROWD) as pool:
            for _ in range(CROWD):
                pool.submit(hold_stream)
            all_began.wait(CROWD_TIMEOUT)
            at_once = len(began)
            all_began.set()
        if at_once == CROWD:
            return ok("streams at once", f"{CROWD} of {CROWD}")
        return change(
            "streams at once",
            f"only {at_once} of {CROWD} streams began within {CROWD_TIMEOUT:g} s",
            "The server needs a thread for each stream, and some for all else: gunicorn --threads, waitress "
            "--threads, uWSGI "
            "--threads. A limit of connections in a proxy, or SLUICE_MAX_STREAMS_PER_CLIENT, does the same.",
        )

    def _check_connection(self) -> Iterator[Finding]:
        if self._deployment.is_loopback:
            return
        if not self._deployment.is_tls:
            yield note(
                "TLS",
                f"none: a browser then opens at most {MOST_CONNECTIONS} streams of this host, over all tabs",
                "A proxy should add TLS (docs/how-to/deploy.md); then check its address (https://...).",
            )
            return
        try:
            version, protocol = self._deployment.describe_tls()
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

    # ------------------------------------------------------------------ what takes time

    def _check_silence_and_disconnect(self) -> Iterator[Finding]:
        heartbeat = self._facts["heartbeat"]
        self._progress(
            f"waiting for a heartbeat, and for a disconnect to be noticed: up to {2 * heartbeat + GRACE:.0f} s"
        )
        with ThreadPoolExecutor(2) as pool:
            silence = pool.submit(self._check_silence, heartbeat)
            disconnect = pool.submit(self._check_disconnect, heartbeat)
            began = time.monotonic()
            for each in (silence, disconnect):
                while True:
                    try:
                        found = each.result(5.0)
                        break
                    except TimeoutError:
                        self._progress(f"  {time.monotonic() - began:.0f} s")
                yield found

    def _check_silence(self, heartbeat: float) -> Finding:
        """Look whether a silent stream stays open until its heartbeat."""
        silence = min(heartbeat + GRACE, 120.0)
        last = time.monotonic()
        is_silent = has_beaten = False
        try:
            with self._deployment.stream(ticks=1, pause=0.0, silence=silence) as reply:
                for arrival in reply.arrivals(silence + GRACE):
                    last = arrival.at
                    if is_silent and arrival.data is None:
                        has_beaten = True
                        break
                    is_silent = is_silent or _is_tick(arrival)
        except LOST:
            # Nothing may have come, also because a proxy holds it back: that is another finding.
            after = time.monotonic() - last
            return change(
                "silence",
                f"the connection was cut after {after:.1f} s without a byte",
                f"A limit on the way is shorter than the heartbeat of {heartbeat:g} s. nginx: "
                f"`proxy_read_timeout`; load "
                f"balancers: the idle timeout. Or set SLUICE_HEARTBEAT_INTERVAL below {after:.3g}.",
            )
        if not has_beaten:
            return change("silence", f"no heartbeat came within {silence:.0f} s", _UNBUFFERED)
        return ok("silence", f"a heartbeat came, and the stream stayed open (every {heartbeat:g} s)")

    def _check_disconnect(self, heartbeat: float) -> Finding:
        """Disconnect in a silence, and ask when the server noticed."""
        limit = 2 * heartbeat + GRACE
        try:
            with self._deployment.stream(ticks=1, pause=0.0, silence=min(limit + GRACE, 120.0)) as reply:
                first = next((each for each in reply.arrivals(GRACE) if each.data and "stream" in each.data), None)
        except LOST:
            first = None
        closed = time.monotonic()
        if first is None or first.data is None:
            return note("disconnect", "could not be checked: the stream did not begin")
        path = f"/api/doctor/{first.data['stream']}"
        misses, pause = 0, 0.02
        while time.monotonic() < closed + limit and misses < MOST_QUESTIONS:
            try:
                status, told = self._deployment.get_json(path)
            except LOST:
                status, told = 0, None
            if status == HTTPStatus.NOT_FOUND:
                misses += 1
            elif isinstance(told, dict) and told.get("noticed_seconds_ago") is not None:
                return self._judge_disconnect(time.monotonic() - told["noticed_seconds_ago"] - closed, heartbeat)
            elif isinstance(told, dict) and not told["open"]:
                return note("disconnect", "the stream had ended before")
            time.sleep(pause)
            pause = min(0.5, pause * 1.2)
        if misses >= MOST_QUESTIONS:
            return note(
                "disconnect", "could not be asked: requests reach other processes or machines than the stream"
            )
        return change(
            "disconnect",
            f"it was not noticed within {limit:.0f} s: the model is paid for answers that nobody reads",
            "nginx: `proxy_ignore_client_abort off;`. A server that reads ahead or buffers, and ASGI adapters, "
            "hide it: use gunicorn.",
        )

    def _judge_disconnect(self, seconds: float, heartbeat: float) -> Finding:
        seen = f"noticed after {max(0.0, seconds):.2f} s"
        if seconds <= min(AT_ONCE, 0.8 * heartbeat):
            return ok("disconnect", seen)
        if self._facts["has_client_socket"]:
            return change(
                "disconnect",
                seen,
                "A proxy keeps the connection for a while. nginx: `proxy_ignore_client_abort off;`.",
            )
        return note(
            "disconnect",
            f"{seen}, by the write of a heartbeat: this server does not show the client's socket",
            f"gunicorn does, and it is noticed at once. Here, SLUICE_HEARTBEAT_INTERVAL ({heartbeat:g}) may be "
            f"lower.",
        )


def _is_tick(arrival: Arrival) -> bool:
    return arrival.data is not None and "tick" in arrival.data


def _until(reply: Reply, seconds: float) -> Iterator[Arrival]:
    """Yield what comes within a time."""
    deadline = time.monotonic() + seconds
    for arrival in reply.arrivals(seconds):
        if time.monotonic() > deadline:
            return
        yield arrival


def _describe_refusal(reply: Reply) -> Finding | None:
    """Return the finding where the reply is no stream."""
    if reply.status == HTTPStatus.OK and reply.headers.get_content_type() == "text/event-stream":
        return None
    text = reply.read()[:200].decode(errors="replace").strip()
    return change(
        "streaming",
        f"POST /api/chat answers {reply.status} {reply.headers.get_content_type()}: {text}",
        "Where the application checks a CSRF token, send it: --header 'X-CSRFToken: ...'.",
    )


def _judge_spacing(events: list[Arrival]) -> Finding:
    """Judge whether events came one by one."""
    if len(events) < TICKS:
        return change("streaming", f"{len(events)} of {TICKS} events came", _CUT)
    parts = 1 + sum(later.at - earlier.at > APART for earlier, later in pairwise(events))
    spread = events[-1].at - events[0].at
    if parts >= TICKS - 2:
        return ok("streaming", f"{TICKS} events came one by one, over {spread:.1f} s")
    return change(
        "streaming", f"{TICKS} events came in {parts} part{'s' if parts > 1 else ''}: buffered", _UNBUFFERED
    )
