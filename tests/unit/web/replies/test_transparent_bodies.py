"""The loop writes below Sentry's and OpenTelemetry's middleware, and below no other that wraps bodies."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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

from sluice.service.chat import Chat, CurrentChat
from sluice.service.concurrency.event_loop_thread import LoopThread
from sluice.service.events.events import Event, Finished, Text
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs.log import RunLog
from sluice.service.runs.run import Run
from sluice.web.replies import transparent_bodies
from sluice.web.replies.stream_body import StreamBody
from sluice.web.replies.transparent_bodies import _WRAPPERS, TransparentBodies
from sluice.web.server import unknown_bodies
from sluice.web.server.detaching_worker import DetachingWorker
from sluice.web.server.exchange import Exchange

WITHIN = 5.0
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Middleware = Callable[[Application], Application]


class Request:
    method = "POST"


class Response:
    """What a gunicorn response is to an exchange."""

    response_length = None
    headers_sent = True

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.chunked = True
        self.sent = 0
        self.req = Request()
        self.headers: list[tuple[str, str]] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[..., object]:
        self.headers = headers
        return lambda data: None

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def close(self) -> None:
        self.sock.sendall(b"the end of the body")


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock


class Log:
    def access(self, *of_a_request: object) -> None:
        """Log nothing."""


class Threads:
    def hold(self) -> bool:
        return True


class Worker(DetachingWorker):
    """A worker without sockets and threads of its own."""

    def __init__(self) -> None:
        self.tpool: Any = Threads()


class Served:
    """A stream that a worker serves, with middlewares around it. The test speaks for its source."""

    def __init__(self, loop: LoopThread, sock: socket.socket, *middlewares: Middleware) -> None:
        self._loop = loop
        self._steps: asyncio.Queue[list[Event]] = asyncio.Queue()
        chat = CurrentChat(Chat([Message(role="user", content="Hi")], "m", run_id="1"))
        self.closed = 0
        self.run = Run(loop, self._source, Metrics("m"), current=chat, heartbeat=60.0, on_close=self._close)
        self.stream = StreamBody(self.run, "1")
        self.stream.on_close(self.run.close)
        self.is_written = threading.Event()
        self.exchange = Exchange(Request(), Connection(sock))  # type: ignore[arg-type]
        self.exchange.response = Response(sock)
        self.exchange.environ = {
            "gunicorn.socket": sock,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/chat",
            "wsgi.url_scheme": "http",
            "wsgi.file_wrapper": _FileWrapper,
        }

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["sluice.stream"] = (self.stream, self.run.close)
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return self.stream

        wrapped: Application = application
        for middleware in middlewares:
            wrapped = middleware(wrapped)
        self._wsgi: Any = wrapped
        self.exchange.context.run(self._begin)

    async def _source(self, log: RunLog) -> None:
        while not log.has_ended:
            log.append(await self._steps.get())

    def _close(self, run: Run) -> None:
        self.closed += 1

    def _begin(self) -> None:
        """Do on the first thread what the worker does."""
        body = self.exchange.call(self._wsgi)
        self.is_detached = Worker()._find_stream(self.exchange, body) is not None
        if self.is_detached:
            self.exchange.write_first()
            self.stream.detach(
                self.exchange.connection.sock, is_chunked=True, write_timeout=WITHIN, on_done=self.is_written.set
            )
            self.exchange.reader = self.stream.socket_reader

    def follow(self) -> None:
        """Let the loop write."""
        assert self.stream.socket_reader is not None
        self.stream.socket_reader.follow()

    def say(self, *events: Event) -> None:
        """Append events."""
        self._loop.call_soon(self._steps.put_nowait, list(events))

    def end(self) -> None:
        """Do on another thread what the worker does when the loop has written all."""
        with ThreadPoolExecutor(1) as threads:
            threads.submit(self.exchange.context.run, self._end).result(WITHIN)

    def _end(self) -> None:
        try:
            self.exchange.write_rest()
        finally:
            self.exchange.close(Log())


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("bodies-loop")
    thread.start()
    yield thread
    assert thread.close()


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
    monkeypatch.setattr(transparent_bodies, "bodies", bodies)
    unknown_bodies._warn.cache_clear()


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
    loop: LoopThread,
    sockets: tuple[socket.socket, socket.socket],
    events: list[Any],
    otel: Middleware,
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
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
        spans.clear()
        served = Served(loop, sockets[0], *order)
        assert served.is_detached, order
        assert sockets[1].recv(1000) == b": ok\n\n"
        served.follow()
        served.say(Text("Hello"))
        assert b"Hello" in sockets[1].recv(1000)
        assert spans.get_finished_spans() == ()
        served.say(Finished("stop", None))
        assert served.is_written.wait(WITHIN)
        assert b'"done": true' in sockets[1].recv(1000)
        assert served.closed == 0
        # On another thread, where the spans end and the context variables are reset.
        served.end()
        assert sockets[1].recv(1000) == b"the end of the body"
        assert served.closed == 1, order
        ended = spans.get_finished_spans()
        assert [span.status.status_code for span in ended] == [StatusCode.UNSET] * order.count(otel)
    assert set(kinds(events)) == {"transaction"}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


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
    loop: LoopThread,
    sockets: tuple[socket.socket, socket.socket],
    events: list[Any],
    order: tuple[Middleware, ...],
) -> None:
    served = Served(loop, sockets[0], *order)
    assert not served.is_detached
    assert served.exchange.holds_thread
    served.say(Text("a secret"), Finished("stop", None))
    served.end()
    received = sockets[1].recv(10_000)
    assert (b"******" in received) is (redacting in order)
    assert received.endswith(b"the end of the body")
    assert served.closed == 1


def test_a_body_of_an_unknown_kind_is_logged_once_with_its_name(
    loop: LoopThread,
    sockets: tuple[socket.socket, socket.socket],
    events: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):
        served = Served(loop, sockets[0], redacting, sentry)
        served.exchange.close(Log())
        served.run.close()
    served = Served(loop, sockets[0], lambda app: lambda *given: [app(*given)][:0])  # type: ignore[list-item]
    served.run.close()
    logged = [record.getMessage() for record in caplog.records if "wraps streams in" in record.getMessage()]
    assert len(logged) == 2
    assert "a generator of redacting.<locals>.redact (" in logged[0]
    assert "an object of builtins.list" in logged[1]


def test_a_client_that_has_disconnected_is_no_error_of_the_application(
    loop: LoopThread, events: list[Any], otel: Middleware, spans: InMemorySpanExporter
) -> None:
    for order in ([sentry, otel], [otel, sentry]):
        server, client = socket.socketpair()
        with server:
            served = Served(loop, server, *order)
            served.follow()
            client.close()
            served.say(Text("Hello"))
            assert served.is_written.wait(WITHIN)
            # As where no middleware is: gunicorn counts on it.
            with pytest.raises(BrokenPipeError):
                served.end()
            assert served.closed == 1
    assert [span.status.status_code for span in spans.get_finished_spans()] == [StatusCode.UNSET] * 2
    assert "event" not in kinds(events)


@pytest.mark.parametrize("change", ["chunks", "attribute", "batches", "close"])
@pytest.mark.parametrize("library", ["sentry-sdk", "opentelemetry-instrumentation-wsgi"])
def test_another_version_that_wraps_otherwise_is_not_looked_below_and_the_log_says_so(
    loop: LoopThread,
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
        served = Served(loop, sockets[0], middleware)
        assert not served.is_detached
        served.run.close()
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
    loop: LoopThread,
    sockets: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for wrapper in _WRAPPERS[1:]:
        monkeypatch.delitem(sys.modules, wrapper.module)
    served = Served(loop, sockets[0], closing)
    assert served.is_detached
    served.run.close()
    assert not [name for name in sys.modules if name in [wrapper.module for wrapper in _WRAPPERS[1:]]]
    assert caplog.records == []
