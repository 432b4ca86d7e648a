"""Counters, gauges and histograms over the values of one owner (`metric_values.py`), in memory.

prometheus_client's own would put all of a process's values into one set of files, chosen when it is imported.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client.utils import floatToGoString

from .metric_values import MetricValues, Value


class Counter:
    """Counts up, for each combination of its labels."""

    def __init__(self, values: MetricValues, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        """Take the values' owner, the name without `_total`, what it counts, and the names of its labels."""
        self._values = values
        self._name = name
        self._help = help_text
        self._labels = tuple(labels)
        self._of: dict[tuple[str, ...], Value] = {}
        values.use("counter")
        if not labels:
            self._value(())

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Add to the count of these labels' values, given in the order of their names."""
        self._values.add((self._value(labels), amount))

    def set(self, count: float) -> None:
        """Set the count of a counter without labels, where it is counted elsewhere."""
        self._values.set(self._value(()), count)

    def _value(self, labels: tuple[str, ...]) -> Value:
        value = self._of.get(labels)
        if value is None:
            named = dict(zip(self._labels, labels, strict=True))
            # Where two threads come at once, the value of one of them stays 0 and is not used.
            value = self._values.new("counter", self._name, f"{self._name}_total", named, self._help)
            value = self._of.setdefault(labels, value)
        return value


class Gauge:
    """Goes up and down, and ends with its process."""

    def __init__(
        self, values: MetricValues, name: str, help_text: str, mode: str, labels: Sequence[str] = ()
    ) -> None:
        """Take the values' owner, the name, the description, and how the workers' values are combined.

        Args:
            values: The owner of its value.
            name: The metric's name.
            help_text: The description.
            mode: `livesum` or `livemax` (prometheus_client's multiprocess modes).
            labels: The names of its labels.
        """
        self._values = values
        self._kind = f"gauge_{mode}"
        self._name = name
        self._help = help_text
        self._labels = tuple(labels)
        self._of: dict[tuple[str, ...], Value] = {}
        values.use(self._kind)
        # Kept, as some are set with each request.
        self._plain = None if labels else self._value(())

    def add(self, amount: float, *labels: str) -> None:
        """Add to it, for these labels' values in the order of their names; a negative amount takes from it."""
        self._values.add((self._plain or self._value(labels), amount))

    def set(self, number: float, *labels: str) -> None:
        """Set it, for these labels' values in the order of their names."""
        self._values.set(self._plain or self._value(labels), number)

    def _value(self, labels: tuple[str, ...]) -> Value:
        value = self._of.get(labels)
        if value is None:
            named = dict(zip(self._labels, labels, strict=True))
            # As in `Counter`: of two threads that come at once, one value is used.
            value = self._of.setdefault(
                labels, self._values.new(self._kind, self._name, self._name, named, self._help)
            )
        return value


class Histogram:
    """Counts observations by their size, for each combination of its labels."""

    def __init__(
        self, values: MetricValues, name: str, help_text: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        """Take the values' owner, the name, what is observed, the names of the labels, and the buckets' bounds."""
        self._values = values
        self._name = name
        self._help = help_text
        self._labels = tuple(labels)
        self._bounds = (*bounds, float("inf"))
        self._of: dict[tuple[str, ...], tuple[Value, list[Value]]] = {}
        values.use("histogram")

    def observe(self, size: float, *labels: str) -> None:
        """Count an observation under these labels' values, given in the order of their names."""
        total, buckets = self._of.get(labels) or self._new(labels)
        self._values.add((total, size), (buckets[bisect_left(self._bounds, size)], 1.0))

    def _new(self, labels: tuple[str, ...]) -> tuple[Value, list[Value]]:
        named = dict(zip(self._labels, labels, strict=True))
        total = self._values.new("histogram", self._name, f"{self._name}_sum", named, self._help)
        buckets = []
        for bound in self._bounds:
            le = {"le": floatToGoString(bound)}  # type: ignore[no-untyped-call]
            buckets.append(self._values.new("histogram", self._name, f"{self._name}_bucket", named | le, self._help))
        return self._of.setdefault(labels, (total, buckets))
