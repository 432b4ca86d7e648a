"""Metrics of runs that outlive their connection, and of the store that keeps them.

Counting raises nothing, and writes no file: it happens on the loop's thread. `Metrics.write` comes each second.
Nothing is called for a token: the store's writer, its upkeep and the ends of runs count.
"""

from __future__ import annotations

from .instruments import Counter, Gauge, Histogram
from .metric_guard import MetricGuard
from .metric_values import MetricValues

# A local file answers within a millisecond; a store that is away ends a call after seconds.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# What providers call the end of a whole answer. Others are counted together: a label has few values.
_FINISH_REASONS = frozenset({"stop", "length", "content_filter", "tool_calls", "function_call"})


class StoreMetrics:
    """What is counted of stored runs. Any thread may call the methods."""

    def __init__(self, values: MetricValues, guard: MetricGuard) -> None:
        """Make the metrics of an owner of values; its guard takes failures."""
        self._guard = guard
        self._runs = Gauge(
            values,
            "sluice_stored_runs",
            "Answers that run now and outlive their connection: attended (a client reads them) or unattended.",
            "livesum",
            ("state",),
        )
        self._readers = Gauge(
            values,
            "sluice_stored_run_readers",
            "Clients that read an answer which outlives their connection.",
            "livesum",
        )
        self._ended = Counter(
            values,
            "sluice_stored_runs_ended",
            "Ends of stored runs: completed, stopped, failed, interrupted; with finish reason or error's code.",
            ("state", "reason"),
        )
        self._resumptions = Counter(
            values,
            "sluice_stored_run_resumptions",
            "Clients that read on from an event; from this worker's memory (local), or the store (replica).",
            ("source",),
        )
        self._attached_only = Counter(
            values,
            "sluice_stored_runs_attached_only",
            "Answers that end with their connection, though the client wanted another one, by reason.",
            ("reason",),
        )
        self._operations = Histogram(
            values,
            "sluice_store_operation_duration_seconds",
            "Duration of one call to the store, by its outcome: ok, full, unavailable, cancelled, error.",
            ("operation", "outcome"),
            _SECONDS,
        )
        self._bytes = Counter(values, "sluice_store_written_bytes", "Bytes of events that the store took.")
        self._lost_leases = Counter(
            values,
            "sluice_store_leases_lost",
            "Runs that this worker has ended as interrupted, because their own has given no sign of life.",
        )
        self._lag = Gauge(
            values,
            "sluice_store_lag_seconds",
            "Age of the oldest event that waits for the store; the highest of all workers.",
            "livemax",
        )
        self._unwritten = Counter(
            values,
            "sluice_store_unwritten_ends",
            "Ends of runs that were not written when their worker ended, because the store was away.",
        )

    def observe_runs(self, *, attended: int, unattended: int, readers: int, lag: float) -> None:
        """Take note of this worker's stored runs as they are now.

        Args:
            attended: Its runs with a reader.
            unattended: Its runs without one.
            readers: Its readers of stored runs, those of other workers' runs included.
            lag: Seconds since the oldest event that is not written.
        """
        with self._guard:
            self._runs.set(attended, "attended")
            self._runs.set(unattended, "unattended")
            self._readers.set(readers)
            self._lag.set(lag)

    def ended(self, state: str, reason: str) -> None:
        """Count the end of a stored run.

        Args:
            state: `completed`, `stopped`, `failed` or `interrupted`.
            reason: The provider's finish reason, or an error's code, or why it was stopped.
        """
        with self._guard:
            is_other = state == "completed" and reason not in _FINISH_REASONS
            self._ended.add(state, "other" if is_other else reason)

    def resumed(self, source: str) -> None:
        """Count a reader that has begun behind an event: of a run of this worker, `local`, or another, `replica`."""
        with self._guard:
            self._resumptions.add(source)

    def kept_attached(self, reason: str) -> None:
        """Count an answer that ends with its connection against its client's wish, such as `full`."""
        with self._guard:
            self._attached_only.add(reason)

    def observe_call(self, operation: str, outcome: str, seconds: float) -> None:
        """Count a call to the store, with its outcome and duration."""
        with self._guard:
            self._operations.observe(seconds, operation, outcome)

    def wrote(self, count: int) -> None:
        """Count bytes of events that the store took."""
        with self._guard:
            self._bytes.add(amount=count)

    def reaped(self, count: int) -> None:
        """Count runs whose lease was lost, and which this worker has ended."""
        with self._guard:
            self._lost_leases.add(amount=count)
            self._ended.add("interrupted", "lease_lost", amount=count)

    def left_unwritten(self, count: int) -> None:
        """Count ends of runs that are lost with this worker."""
        with self._guard:
            self._unwritten.add(amount=count)
