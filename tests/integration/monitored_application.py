"""An application with the extension, below the middlewares and instrumentations that `MONITORED_BY` names.

It prints what would be sent to Sentry and OpenTelemetry, and says when the loop begins to write a stream.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

import sentry_sdk
from flask import Flask, Response
from flask_compress import Compress  # type: ignore[import-untyped]
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from prometheus_flask_exporter import PrometheusMetrics  # type: ignore[import-untyped]
from sentry_sdk.integrations.flask import FlaskIntegration
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware

from sluice import Sluice
from sluice.web.replies.socket_reader import SocketReader

#: What the redacting middleware removes.
SECRET = "secret"


class Printer(sentry_sdk.Transport):
    """Prints what would be sent to Sentry."""

    def capture_envelope(self, envelope: Any) -> None:
        for item in envelope.items:
            event = item.payload.json or {}
            kinds = [each["type"] for each in event.get("exception", {}).get("values", [])]
            url = event.get("request", {}).get("url")
            print(f"sentry {item.type} {event.get('transaction')} {kinds} {url}", flush=True)


class SpanPrinter(SpanExporter):
    """Prints each span that has ended."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            print(f"otel {span.kind.name} {span.name} {span.status.status_code.name}", flush=True)
        return SpanExportResult.SUCCESS


def redacting(application: Any) -> Any:
    def redact(body: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in body:
            yield chunk.replace(SECRET.encode(), b"*" * len(SECRET))

    return lambda environ, start_response: redact(application(environ, start_response))


def _say_that_the_loop_writes(follow: Callable[[SocketReader], None]) -> None:
    def say(reader: SocketReader) -> None:
        print("the loop writes", flush=True)
        follow(reader)

    SocketReader.follow = say  # type: ignore[method-assign]


_say_that_the_loop_writes(SocketReader.follow)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(SpanPrinter()))
_names = os.environ["MONITORED_BY"].split(",")
if "sentry" in _names:
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Printer(),
        traces_sample_rate=1.0,
        integrations=[FlaskIntegration()],
        auto_session_tracking=False,
    )
app = Flask(__name__)
if "otel-flask" in _names:
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
if "compress" in _names:
    Compress(app)
if "prometheus" in _names:
    PrometheusMetrics(app)
sluice = Sluice(app, url_prefix="/", operations=True)


async def _rows() -> AsyncIterator[int]:
    yield 1
    raise LookupError("a defect in the source")


@app.post("/rows")
def rows() -> Response:
    return sluice.stream(_rows(), encode=json.dumps)


MIDDLEWARES: dict[str, Callable[[Any], Any]] = {
    "proxy-fix": ProxyFix,
    "shared-data": lambda wsgi: SharedDataMiddleware(wsgi, {"/files": os.path.dirname(__file__)}),
    "otel": lambda wsgi: OpenTelemetryMiddleware(wsgi, tracer_provider=provider),
    "dispatcher": lambda wsgi: DispatcherMiddleware(NotFound(), {"": wsgi}),
    "redacting": redacting,
}
for name in _names:
    if name in MIDDLEWARES:
        app.wsgi_app = MIDDLEWARES[name](app.wsgi_app)  # type: ignore[method-assign]
