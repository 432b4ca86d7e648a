"""The loop writes below Sentry's and OpenTelemetry's middleware, and below no other that wraps bodies."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import opentelemetry.instrumentation.wsgi as otel_wsgi
import pytest
import sentry_sdk
import sentry_sdk.integrations.wsgi as sentry_wsgi
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from werkzeug.wsgi import ClosingIterator

from sluice.service.events.events import Event, Finished, Text
from sluice.web.replies import limited_replies, transparent_bodies
from sluice.web.replies.limited_replies import limit_reply_writes
from sluice.web.replies.stream_body import StreamBody
from sluice.web.replies.transparent_bodies import _WRAPPERS, TransparentBodies
from sluice.web.server import socket_writer_offer
from sluice.web.server.socket_writer_offer import UnknownBodies, offer_socket_writers

WITHIN = 5.0
LARGE = "x" * 8_000_000
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Middleware = Callable[[Application], Application]


class ScriptedRun:
    """Yields batches that it is given; the test calls the outlet."""

    def __init__(self, *batches: list[Event]) -> None:
        self._batches = enumerate(batches, start=1)
        self.outlet: Callable[[int, list[Event]], bool] | None = None
        self.closed = 0

    def divert(self, outlet: Callable[[int, list[Event]], bool]) -> None:
        self.outlet = outlet

    def close(self) -> None:
        self.closed += 1

    def __next__(self) -> tuple[int, list[Event]]:
        return next(self._batches)


class Request:
    method = "POST"


class Response:
    """What a gunicorn response is to the writer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.chunked = True
        self.sent = 0
        self.req = Request()
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., object]:
        self.headers = headers
        return lambda data: None


class Served:
    """A stream that a worker serves, with middlewares around it."""

    def __init__(self, sock: socket.socket, run: ScriptedRun, *middlewares: Middleware) -> None:
        self.run = run
        self.environ = {
            "gunicorn.socket": sock,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/chat",
            "wsgi.url_scheme": "http",
            "wsgi.file_wrapper": _FileWrapper,
        }
        self.stream = StreamBody(run, "1")  # type: ignore[arg-type]
        self.stream.on_close(run.close)

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["sluice.stream"] = (self.stream, run.close)
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return self.stream

        wrapped: Application = application
        for middleware in middlewares:
            wrapped = middleware(wrapped)
        served = limit_reply_writes(offer_socket_writers(wrapped), 5)  # type: ignore[arg-type]
        self.body: Any = served(self.environ, Response(sock).start)  # type: ignore[arg-type]


class _FileWrapper:
    pass


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    server, client = socket.socketpair()
    with server, client:
        server.settimeout(WITHIN)
        client.settimeout(WITHIN)
        yield server, client


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a new process does, in which nothing was tried and nothing logged."""
    bodies = TransparentBodies()
    for module in (transparent_bodies, limited_replies, socket_writer_offer):
        monkeypatch.setattr(module, "bodies", bodies)
    monkeypatch.setattr(socket_writer_offer, "unknown_bodies", UnknownBodies())


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def otel(spans: InMemorySpanExporter) -> Middleware:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return lambda app: OpenTelemetryMiddleware(app, tracer_provider=provider)  # type: ignore[arg-type,return-value]


class Transport(sentry_sdk.Transport):
    """Keeps what would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.sent.append(envelope)


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What would be sent to Sentry."""
    transport = Transport()
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1",
            transport=transport,
            traces_sample_rate=1.0,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,  # it is a thread
        )
        yield transport.sent
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.get_global_scope().set_client(None)


def kinds(envelopes: list[Any]) -> list[str]:
    return [item.type for envelope in envelopes for item in envelope.items]


def sentry(app: Application) -> Application:
    return SentryWsgiMiddleware(app)


def redacting(app: Application) -> Application:
    def redact(body: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in body:
            yield chunk.replace(b"secret", b"******")

    return lambda environ, start_response: redact(app(environ, start_response))


def closing(app: Application) -> Application:
    return lambda environ, start_response: ClosingIterator(app(environ, start_response), lambda: None)


def peeking(app: Application) -> Application:
    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begun = iter(app(environ, start_response))
        next(begun)
        return begun

    return serve


def test_the_loop_writes_below_sentry_and_opentelemetry_in_any_order(
    sockets: tuple[socket.socket, socket.socket], events: list[Any], otel: Middleware, spans: InMemorySpanExporter
) -> None:
    orders: list[tuple[Middleware, ...]] = [
        (sentry,),
        (otel,),
        (closing,),
        (sentry, closing),
        (otel, closing),
        (otel, sentry),
        (closing, sentry, closing, otel, closing),
    ]
    for order in orders:
        run = ScriptedRun([], [Finished("stop", None)])
        spans.clear()
        served = Served(sockets[0], run, *order)
        assert run.outlet is not None, order
        frames = iter(served.body)
        assert next(frames) == b": ok\n\n"
        assert run.outlet(1, [Text("Hello")])
        assert b"Hello" in sockets[1].recv(1000)
        assert spans.get_finished_spans() == ()
        list(frames)
        served.body.close()
        assert run.closed == 1, order
        ended = spans.get_finished_spans()
        assert [span.status.status_code for span in ended] == [StatusCode.UNSET] * order.count(otel)
    assert set(kinds(events)) == {"transaction"}


@pytest.mark.parametrize(
    "order",
    [
        (redacting,),
        (redacting, sentry),
        (sentry, redacting),
        (sentry, redacting, sentry),
        (closing, redacting, closing),
        (sentry, peeking),
    ],
)
def test_every_chunk_passes_a_middleware_that_is_not_known_wherever_it_is(
    sockets: tuple[socket.socket, socket.socket], events: list[Any], order: tuple[Middleware, ...]
) -> None:
    run = ScriptedRun([Text("a secret")])
    served = Served(sockets[0], run, *order)
    assert run.outlet is None
    assert (b"******" in b"".join(served.body)) is (redacting in order)
    served.body.close()


def test_a_body_of_an_unknown_kind_is_logged_once_with_its_name(
    sockets: tuple[socket.socket, socket.socket], events: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        Served(sockets[0], ScriptedRun(), redacting, sentry).body.close()
    Served(sockets[0], ScriptedRun(), lambda app: lambda *given: list(app(*given)))
    logged = [record.getMessage() for record in caplog.records if "wraps streams in" in record.getMessage()]
    assert len(logged) == 2
    assert "a generator of redacting.<locals>.redact (" in logged[0]
    assert "an object of builtins.list" in logged[1]


def test_a_client_that_has_disconnected_is_no_error_of_the_application(
    sockets: tuple[socket.socket, socket.socket], events: list[Any], otel: Middleware, spans: InMemorySpanExporter
) -> None:
    for order in ([sentry, otel], [otel, sentry]):
        server, client = socket.socketpair()
        with server:
            run = ScriptedRun([], [])
            served = Served(server, run, *order)
            frames = iter(served.body)
            next(frames)
            client.close()
            assert run.outlet is not None
            assert not run.outlet(1, [Text("Hello")])
            # As where no middleware is: gunicorn counts on it.
            with pytest.raises(BrokenPipeError):
                next(frames)
            served.body.close()
            assert run.closed == 1
    assert [span.status.status_code for span in spans.get_finished_spans()] == [StatusCode.UNSET] * 2
    assert "event" not in kinds(events)


def test_what_the_socket_did_not_accept_is_written_before_the_next_frame(
    sockets: tuple[socket.socket, socket.socket], events: list[Any], otel: Middleware
) -> None:
    run = ScriptedRun([], [Text("after")])
    frames = iter(Served(sockets[0], run, otel, sentry).body)
    next(frames)
    assert run.outlet is not None
    assert not run.outlet(1, [Text(LARGE)])
    received = bytearray()

    def read() -> None:
        while not received.endswith(b"\n\n\r\n"):
            received.extend(sockets[1].recv(1 << 20))

    reading = threading.Thread(target=read)
    reading.start()
    assert b"after" in next(frames)
    reading.join(WITHIN)
    assert LARGE.encode() in received


@pytest.mark.parametrize("change", ["chunks", "attribute", "batches", "close"])
@pytest.mark.parametrize("library", ["sentry-sdk", "opentelemetry-instrumentation-wsgi"])
def test_another_version_that_wraps_otherwise_is_not_looked_below_and_the_log_says_so(
    sockets: tuple[socket.socket, socket.socket],
    events: list[Any],
    otel: Middleware,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    library: str,
    change: str,
) -> None:
    _change(monkeypatch, library, change)
    middleware = sentry if library == "sentry-sdk" else otel
    for _ in range(2):
        run = ScriptedRun([Text("Hello")])
        served = Served(sockets[0], run, middleware)
        assert run.outlet is None
        list(served.body)
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in logged if f"{library} " in text and "does not know" in text]) == 1


def _change(monkeypatch: pytest.MonkeyPatch, library: str, change: str) -> None:
    """Give a library another wrapper, as a later version might have."""

    class Scoped:
        def __init__(self, scope: object, response: Any) -> None:
            self._response = response
            if change == "attribute":
                self._body = self.__dict__.pop("_response")

        def __iter__(self) -> Iterator[bytes]:
            inner = self._body if change == "attribute" else self._response
            yield from _changed(inner, change)

        def close(self) -> None:
            if change != "close":
                (self._body if change == "attribute" else self._response).close()

    def end_span(iterable: Any, span: Any, token: object) -> Iterator[bytes]:
        if change == "attribute":
            body, iterable = iterable, None
            yield from body
        else:
            yield from _changed(iterable, change)
        if change not in ("close", "attribute"):
            iterable.close()

    def end_span_renamed(body: Any, span: Any, token: object) -> Iterator[bytes]:
        yield from body

    if library == "sentry-sdk":
        monkeypatch.setattr(sentry_wsgi, "_ScopedResponse", Scoped)
    else:
        other = end_span_renamed if change == "attribute" else end_span
        monkeypatch.setattr(otel_wsgi, "_end_span_after_iterating", other)


def _changed(body: Any, change: str) -> Iterator[bytes]:
    if change == "chunks":
        yield from (bytes(bytearray(chunk)) for chunk in body)
    elif change == "batches":
        yield from list(body)
    else:
        yield from body


def test_every_known_wrapper_of_the_installed_versions_passes_its_trial() -> None:
    for wrapper in _WRAPPERS:
        assert transparent_bodies._passes_trial(wrapper, sys.modules[wrapper.module]), wrapper.package


def test_nothing_is_logged_or_imported_where_a_library_is_not_used(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for wrapper in _WRAPPERS[1:]:
        monkeypatch.delitem(sys.modules, wrapper.module)
    run = ScriptedRun()
    Served(sockets[0], run, closing)
    assert run.outlet is not None
    assert not [name for name in sys.modules if name in [wrapper.module for wrapper in _WRAPPERS[1:]]]
    assert caplog.records == []
