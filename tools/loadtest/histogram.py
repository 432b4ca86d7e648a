"""Many durations in little memory: counts in buckets that each span one per cent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

LEAST: Final = 1e-6
GROWTH: Final = 1.01
_SCALE: Final = 1 / math.log(GROWTH)
_LAST: Final = int(math.log(1e5 / LEAST) * _SCALE)


class Histogram:
    """Durations in seconds, from a microsecond to a day. Quantiles are right to half a per cent, the mean exactly."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.most = 0.0
        self._buckets = [0] * (_LAST + 1)

    def __repr__(self) -> str:
        return f"<Histogram of {self.count} durations>"

    def record(self, seconds: float) -> None:
        """Count one duration."""
        self.count += 1
        self.total += seconds
        if seconds > self.most:
            self.most = seconds
        if seconds < self.least:
            self.least = seconds
        self._buckets[min(_LAST, int(math.log(seconds / LEAST) * _SCALE)) if seconds > LEAST else 0] += 1

    @property
    def mean(self) -> float:
        """The arithmetic mean; NaN of nothing."""
        return self.total / self.count if self.count else math.nan

    def quantile(self, share: float) -> float:
        """Return the duration that this share of all durations does not exceed; NaN of nothing."""
        if not self.count:
            return math.nan
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                middle: float = LEAST * GROWTH ** (index + 0.5)
                return min(max(middle, self.least), self.most)
        return self.most

    def merge(self, others: Iterable[Histogram]) -> Histogram:
        """Add the counts of others to this one, and return it."""
        for other in others:
            self.count += other.count
            self.total += other.total
            self.least = min(self.least, other.least)
            self.most = max(self.most, other.most)
            self._buckets = [mine + theirs for mine, theirs in zip(self._buckets, other._buckets, strict=True)]
        return self


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, between neighbours by linear interpolation; NaN of nothing."""
    if not ordered:
        return math.nan
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
