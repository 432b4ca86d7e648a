"""Counters and gauges of the streams. No HTTP: `web/ops.py` shows them.

Names follow the OpenTelemetry conventions for GenAI clients where one fits
(https://github.com/open-telemetry/semantic-conventions-genai, `docs/gen-ai/gen-ai-metrics.md`), in Prometheus
form: dots become underscores and the unit stands behind. The others begin with `sluice_`.

Under gunicorn the values live in files under `PROMETHEUS_MULTIPROC_DIR`, which gunicorn.conf.py sets before any
worker imports this; one worker then answers for all (`metric_files.py`).
"""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from .metric_files import MetricFiles
from .usage import Usage

# The boundaries that the conventions ask for.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_CHUNK_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_MODEL_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")

_registry = CollectorRegistry()

_open = Gauge("sluice_streams_open", "Streams that run now.", multiprocess_mode="livesum", registry=_registry)
_ended = Counter(
    "sluice_streams",
    "Streams that ended: done, left (by the client), stopped (by us), timeout, error; with the error's code.",
    ("outcome", "code", "source", "mode"),
    registry=_registry,
)
_tokens = Counter(
    "sluice_tokens",
    "Tokens of all streams, by how the stream ended; estimated where the provider could not count them.",
    ("outcome", "gen_ai_token_type", "estimated"),
    registry=_registry,
)
_refused = Counter(
    "sluice_refused", "Requests refused before a stream began, by code.", ("code",), registry=_registry
)
_retries = Counter(
    "sluice_retries", "Further attempts at the model, by the failure's code.", ("code",), registry=_registry
)
_lag = Gauge(
    "sluice_loop_lag_seconds",
    "How late the event loop is; the latest of all workers.",
    multiprocess_mode="livemax",
    registry=_registry,
)
_tasks = Gauge(
    "sluice_loop_tasks",
    "Tasks on the event loops that have not ended; each worker's as it was when it was last asked.",
    multiprocess_mode="livesum",
    registry=_registry,
)
_duration = Histogram(
    "gen_ai_client_operation_duration_seconds",
    "Duration of a whole answer.",
    (*_MODEL_LABELS, "error_type"),
    buckets=_SECONDS,
    registry=_registry,
)
_first = Histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "Time from the request to the first word.",
    _MODEL_LABELS,
    buckets=_CHUNK_SECONDS,
    registry=_registry,
)
_usage = Histogram(
    "gen_ai_client_token_usage",
    "Tokens of an answer, as the provider counted them.",
    (*_MODEL_LABELS, "gen_ai_token_type"),
    buckets=_TOKENS,
    registry=_registry,
)


class Metrics:
    """What is counted of one service's streams. All methods may be called from any thread."""

    def __init__(self, provider: str) -> None:
        """Name the provider for the labels."""
        self._provider = provider
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._files = MetricFiles(directory) if directory else None

    def opened(self) -> None:
        """Count a stream that begins."""
        _open.inc()

    def ended(
        self,
        *,
        outcome: str,
        code: str,
        source: str,
        mode: str,
        model: str,
        duration: float,
        first_word: float | None,
        usage: Usage,
    ) -> None:
        """Count a stream that ended.

        Args:
            outcome: `done`, `left`, `stopped`, `timeout` or `error`.
            code: The error's code; empty where there was none.
            source: The request's label.
            mode: `stream` or `block`.
            model: One of the models that the operator allows, so that labels stay few.
            duration: Seconds from beginning to end.
            first_word: Seconds until the first word; `None` if none came.
            usage: What it cost.
        """
        _open.dec()
        _ended.labels(outcome, code, source, mode).inc()
        labels = ("chat", self._provider, model)
        _duration.labels(*labels, code).observe(duration)
        if first_word is not None:
            _first.labels(*labels).observe(first_word)
        for kind, count in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            _tokens.labels(outcome, kind, str(usage.estimated).lower()).inc(count)
            # The conventions want no estimates there.
            if not usage.estimated:
                _usage.labels(*labels, kind).observe(count)

    def refused(self, code: str) -> None:
        """Count a request that was refused before its stream began."""
        _refused.labels(code).inc()

    def retried(self, code: str) -> None:
        """Count a further attempt."""
        _retries.labels(code).inc()

    def exposition(self, loop_lag: float, loop_tasks: int) -> bytes:
        """Write all metrics in Prometheus' text format, those of all workers where there are several.

        Args:
            loop_lag: Seconds by which this worker's loop is late now.
            loop_tasks: Tasks on this worker's loop.
        """
        _lag.set(loop_lag)
        _tasks.set(loop_tasks)
        if self._files is None:
            return generate_latest(_registry)
        summed = CollectorRegistry()
        summed.register(self._files)
        return generate_latest(summed)
