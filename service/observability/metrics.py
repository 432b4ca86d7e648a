"""Counters and gauges of the streams. No HTTP: `web/api/operations.py` shows them.

Names follow the OpenTelemetry conventions for GenAI clients where one fits
(https://github.com/open-telemetry/semantic-conventions-genai, `docs/gen-ai/gen-ai-metrics.md`), in Prometheus
form: dots become underscores, and the unit is the last part. The others begin with `sluice_`.

Each object counts for itself, so a process may have several. With a directory, the setting
`PROMETHEUS_MULTIPROC_DIR`, one worker answers for all (`metric_values.py`, `multiprocess_metrics.py`).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from ..events.usage import Usage
from .instruments import Counter, Gauge, Histogram
from .log_queue import dropped_lines
from .metric_guard import MetricGuard
from .metric_values import MetricValues
from .multiprocess_metrics import MetricFiles
from .store_metrics import StoreMetrics

# The boundaries that the conventions ask for.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_CHUNK_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_MODEL_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class MetricsUnavailable(Exception):
    """The metrics of all workers cannot be read now. The text says why, without a path."""


class Metrics:
    """The metrics of one service. Any thread may call the methods.

    Counting raises nothing: failures are counted in `sluice_metrics_failures_total`, and logged once a minute.
    """

    def __init__(self, provider: str, directory: str | None = None) -> None:
        """Make the metrics. No file is opened.

        Args:
            provider: The provider's name, the label of streams for which none was asked.
            directory: Where the workers' files are; it need not exist. Without one, only this process is counted.
        """
        self._provider = provider
        self._values = values = MetricValues(directory)
        self._files = MetricFiles(directory, values)
        self._guard = MetricGuard()
        self._open = Gauge(values, "sluice_streams_open", "Streams that run now.", "livesum")
        self._ended = Counter(
            values,
            "sluice_streams",
            "Streams that ended: done, disconnected, stopped (by us), timeout, error; with the error's code.",
            ("outcome", "code", "source", "mode"),
        )
        self._tokens = Counter(
            values,
            "sluice_tokens",
            "Tokens of all streams, by how the stream ended; estimated where the provider could not count them.",
            ("outcome", "gen_ai_token_type", "estimated"),
        )
        self._cost = Counter(
            values,
            "sluice_cost",
            "Money that answers cost, by the prices of SLUICE_PROVIDERS; estimated where the tokens are.",
            ("gen_ai_provider_name", "gen_ai_request_model", "currency", "estimated"),
        )
        self._refused = Counter(
            values, "sluice_refused", "Requests refused before a stream began, by code.", ("code",)
        )
        self._retries = Counter(
            values, "sluice_retries", "Further attempts at the model, by the failure's code.", ("code",)
        )
        self._provider_failures = Counter(
            values,
            "sluice_provider_failures",
            "Attempts at a provider that failed, by the failure's code.",
            ("gen_ai_provider_name", "code"),
        )
        self._tool_calls = Counter(
            values,
            "sluice_tool_calls",
            "Calls of tools that ended: done, error, invalid (arguments), unknown, denied, timeout, cancelled.",
            ("tool", "outcome"),
        )
        self._tool_duration = Histogram(
            values, "sluice_tool_call_duration_seconds", "Duration of a call of a tool.", ("tool",), _SECONDS
        )
        self._failures = Counter(
            values, "sluice_metrics_failures", "Failures to write or read metrics; see the log for the latest."
        )
        self._dropped = Counter(
            values, "sluice_log_lines_dropped", "Lines of the log that were dropped, because nobody read them."
        )
        self._lag = Gauge(
            values, "sluice_loop_lag_seconds", "How late the event loop is; the latest of all workers.", "livemax"
        )
        self._tasks = Gauge(
            values,
            "sluice_loop_tasks",
            "Tasks on the event loops that have not ended; each worker's as it was when it was last asked.",
            "livesum",
        )
        self._duration = Histogram(
            values,
            "gen_ai_client_operation_duration_seconds",
            "Duration of a whole answer.",
            (*_MODEL_LABELS, "error_type"),
            _SECONDS,
        )
        self._first = Histogram(
            values,
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time from the request to the first token.",
            _MODEL_LABELS,
            _CHUNK_SECONDS,
        )
        self._usage = Histogram(
            values,
            "gen_ai_client_token_usage",
            "Tokens of an answer, as the provider counted them.",
            (*_MODEL_LABELS, "gen_ai_token_type"),
            _TOKENS,
        )
        #: What is counted of runs that outlive their connection.
        self.stored = StoreMetrics(values, self._guard)

    def write(self) -> None:
        """Write the files that the other workers read, and make those that are missing.

        Call it at the start, while there are descriptors, and every second or so: an idle worker would not notice
        that its files were removed.
        """
        with self._guard:
            self._failures.set(self._guard.failures)
            self._dropped.set(dropped_lines())
            if self._values.write():
                self._guard.note("files of metrics were removed while the server ran, and are written again")

    def close(self) -> None:
        """Write the latest values and close the files. Closing twice is harmless."""
        with self._guard:
            self._values.write()
            self._values.close()

    def opened(self) -> None:
        """Count a stream that begins."""
        with self._guard:
            self._open.add(1)
            self._values.write()

    def ended(
        self,
        *,
        outcome: str,
        code: str,
        source: str,
        mode: str,
        provider: str,
        model: str,
        duration: float,
        first_token: float | None,
        usage: Usage,
        currency: str,
    ) -> None:
        """Count a stream that ended.

        Args:
            outcome: `done`, `disconnected`, `stopped`, `timeout` or `error`.
            code: The error's code; empty where there was none.
            source: The request's `source`.
            mode: `stream` or `block`.
            provider: The provider that was asked last; empty for none.
            model: One of the models that the operator allows, so that labels stay few.
            duration: Seconds from beginning to end.
            first_token: Seconds until the first token; `None` if none came.
            usage: Its tokens and its cost.
            currency: That of the cost; empty for none.
        """
        with self._guard:
            self._open.add(-1)
            self._ended.add(outcome, code, source, mode)
            labels = ("chat", provider or self._provider, model)
            self._duration.observe(duration, *labels, code)
            if first_token is not None:
                self._first.observe(first_token, *labels)
            if usage.cost is not None:
                self._cost.add(provider, model, currency, str(usage.estimated).lower(), amount=usage.cost)
            for kind, count in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
                self._tokens.add(outcome, kind, str(usage.estimated).lower(), amount=count)
                # The conventions allow no estimates here.
                if not usage.estimated:
                    self._usage.observe(count, *labels, kind)
            self._values.write()

    def refused(self, code: str) -> None:
        """Count a request that was refused before its stream began."""
        with self._guard:
            self._refused.add(code)
            self._values.write()

    def retried(self, code: str) -> None:
        """Count a further attempt."""
        with self._guard:
            self._retries.add(code)
            self._values.write()

    def attempt_failed(self, provider: str, code: str) -> None:
        """Count an attempt at a provider that failed with this code."""
        with self._guard:
            self._provider_failures.add(provider, code)
            self._values.write()

    def tool_called(self, tool: str, outcome: str, duration: float) -> None:
        """Count a call of a tool that ended.

        Args:
            tool: One of the application's; empty where the model named another, so that labels stay few.
            outcome: `done`, `error`, `invalid`, `unknown`, `denied`, `timeout` or `cancelled`.
            duration: Seconds.
        """
        with self._guard:
            self._tool_calls.add(tool, outcome)
            self._tool_duration.observe(duration, tool)
            self._values.write()

    def exposition(self, loop_lag: float, loop_tasks: int) -> bytes:
        """Return the metrics of all workers in Prometheus' text format.

        Args:
            loop_lag: Seconds by which this worker's loop is late now.
            loop_tasks: Tasks on this worker's loop.

        Raises:
            MetricsUnavailable: The other workers' files cannot be read now.
        """
        with self._guard:
            self._lag.set(loop_lag)
            self._tasks.set(loop_tasks)
        self.write()
        try:
            together = CollectorRegistry()
            together.register(self._files)
            return generate_latest(together)
        except Exception as error:
            # Any exception: the library does not check what it reads from files.
            self._guard.failed(error)
            reason = error.strerror if isinstance(error, OSError) else None
            raise MetricsUnavailable(reason or type(error).__name__) from error
