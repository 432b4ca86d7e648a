"""A measurement -> the figures of a report, as docs/load-testing.md defines them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from .deploy import Deployment
from .goodput import Limits
from .histogram import Histogram, quantile
from .knee import Stage
from .measurement import Measurement
from .outcome import Outcome

#: Groups whose clients are slow by intention; their times are told apart.
SLOW_BY_INTENTION: Final = frozenset({"slow"})
#: A client busier or later than this measures itself.
BUSY: Final = 0.85
LATE_MS: Final = 50.0

PERCENTS: Final = range(101)


class Figures(msgspec.Struct):
    """One distribution, in milliseconds.

    `quantiles` are those of 0 to 100 per cent.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    least: float
    most: float
    quantiles: list[float] = []


class Requests(msgspec.Struct):
    """How the requests that were due after the warm-up ended."""

    counted: int = 0
    success: int = 0
    incomplete: int = 0
    error: int = 0
    left: int = 0
    unfinished: int = 0
    in_warm_up: int = 0
    never_sent: int = 0

    @property
    def judged(self) -> int:
        """Those that speak for or against the server."""
        return self.success + self.incomplete + self.error


class Throughput(msgspec.Struct):
    """What came within the window."""

    requests_per_second: float
    tokens_per_second: float
    tokens: int
    tokens_per_arrival: float
    tokens_from_usage: bool


class Goodput(msgspec.Struct):
    """Whole replies that kept the limits."""

    limits: dict[str, float]
    good: int
    share: float
    requests_per_second: float


class Busy(msgspec.Struct):
    """Shares of one core, and by how many milliseconds the client's own timers and requests were late."""

    client_cpu: float
    timers_late_p99: float
    requests_late_p99: float | None
    model_cpu: float | None = None
    server_cpu: float | None = None

    @property
    def too_busy(self) -> bool:
        """Whether the client was the bottleneck."""
        return self.client_cpu > BUSY

    @property
    def too_late(self) -> bool:
        """Whether the client had to wait for a core."""
        return self.timers_late_p99 > LATE_MS


class TimeBin(msgspec.Struct):
    """A span of the timeline; `at` is its begin."""

    at: float
    started: int
    success: int
    failed: int
    open: int
    tokens_per_second: float
    ttft_p50: float | None
    ttft_p90: float | None


class Outlived(msgspec.Struct):
    """How long model calls went on after their client had left."""

    left: int
    never_called: int
    ended_before: int
    ended_whole: int
    milliseconds: Figures | None


class Deployed(msgspec.Struct):
    """What clients saw of a deployment; seconds."""

    kind: str
    at: float | None
    old_gone_after: float | None
    back_after: float | None
    open_then: dict[str, int]
    later_failures: dict[str, int]
    outage: float | None
    trouble: str


class Swept(msgspec.Struct):
    """One level of a sweep."""

    level: float
    requests_per_second: float
    tokens_per_second: float
    whole_share: float
    good_share: float
    ttft_p50: float | None
    ttft_p99: float | None
    e2e_mean: float | None
    itl_p99: float | None
    codes: dict[str, int]
    knee: bool = False


class Result(msgspec.Struct, kw_only=True):
    """Everything that a report says."""

    sluice_load_test: int = 1
    scenario: str
    target: str
    began: str
    mode: str
    settings: dict[str, Any]
    seconds: float
    warm_up_seconds: float
    window_seconds: float
    interrupted: bool
    requests: Requests
    codes: dict[str, dict[str, int]]
    throughput: Throughput
    latency_ms: dict[str, Figures]
    groups: dict[str, dict[str, Any]] = {}
    goodput: Goodput
    busy: Busy
    timeline: list[TimeBin] = []
    bin_seconds: float = 1.0
    marks: list[tuple[float, str]] = []
    outlived: Outlived | None = None
    deployed: Deployed | None = None
    swept: list[Swept] = []
    notes: list[str] = []


#: What is told of each reply, and where it is found.
_FIGURES: Final[Mapping[str, Callable[[Outcome], float]]] = {
    "connect": lambda outcome: outcome.connected,
    "headers": lambda outcome: outcome.headers,
    "ttft": lambda outcome: outcome.ttft,
    "tpot": lambda outcome: outcome.tpot,
    "e2e": lambda outcome: outcome.e2e,
}


def figures(seconds: Sequence[float]) -> Figures | None:
    """Describe durations; None of none. NaN is left out."""
    ordered = sorted(value * 1000 for value in seconds if not math.isnan(value))
    if not ordered:
        return None
    return Figures(
        len(ordered),
        math.fsum(ordered) / len(ordered),
        quantile(ordered, 0.5),
        quantile(ordered, 0.9),
        quantile(ordered, 0.99),
        ordered[0],
        ordered[-1],
        [quantile(ordered, percent / 100) for percent in PERCENTS],
    )


def figures_of(histogram: Histogram) -> Figures | None:
    """Describe the durations of a histogram; None of none."""
    if not histogram.count:
        return None
    return Figures(
        histogram.count,
        histogram.mean * 1000,
        histogram.quantile(0.5) * 1000,
        histogram.quantile(0.9) * 1000,
        histogram.quantile(0.99) * 1000,
        histogram.least * 1000,
        histogram.most * 1000,
        [histogram.quantile(percent / 100) * 1000 for percent in PERCENTS],
    )


def latencies(outcomes: Sequence[Outcome], gaps: Histogram) -> dict[str, Figures]:
    """Describe the whole replies among the outcomes; the gaps are those of all replies."""
    whole = [outcome for outcome in outcomes if outcome.status == "success"]
    found: dict[str, Figures | None] = {}
    for name, figure in _FIGURES.items():
        if name == "tpot":
            found["itl"] = figures_of(gaps)
        found[name] = figures([figure(outcome) for outcome in whole])
    return {name: value for name, value in found.items() if value is not None}


def count_requests(measurement: Measurement) -> Requests:
    """Count the outcomes by status."""
    statuses: Counter[str] = Counter(outcome.status for outcome in measurement.outcomes if outcome.counted)
    return Requests(
        counted=statuses.total(),
        **{status: statuses[status] for status in ("success", "incomplete", "error", "left", "unfinished")},
        in_warm_up=len(measurement.outcomes) - statuses.total(),
        never_sent=measurement.waiting,
    )


def count_codes(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Count what went wrong: by status, then by code."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        if outcome.counted and outcome.status in ("incomplete", "error"):
            found.setdefault(outcome.status, Counter())[outcome.code] += 1
    return {status: dict(codes.most_common()) for status, codes in found.items()}


def throughput(measurement: Measurement) -> Throughput:
    """Return what came within the window."""
    seconds = window_seconds(measurement)
    arrivals = sum(outcome.arrivals for outcome in measurement.outcomes)
    characters = sum(outcome.characters for outcome in measurement.outcomes)
    tokens = measurement.window_characters * measurement.tokens_per_character
    return Throughput(
        requests_per_second=len(ended_in_window(measurement)) / seconds,
        tokens_per_second=tokens / seconds,
        tokens=round(tokens),
        tokens_per_arrival=characters * measurement.tokens_per_character / arrivals if arrivals else 0.0,
        tokens_from_usage=all(outcome.has_usage for outcome in measurement.outcomes if outcome.status == "success"),
    )


def ended_in_window(measurement: Measurement) -> list[Outcome]:
    """Return the whole replies that ended within the window."""
    begin, end = measurement.window
    whole = (outcome for outcome in measurement.outcomes if outcome.status == "success")
    return [outcome for outcome in whole if begin <= outcome.due + outcome.lasted <= end]


def window_seconds(measurement: Measurement) -> float:
    """Return the window's length, never zero."""
    return max(1e-6, measurement.window[1] - measurement.window[0])


def goodput(measurement: Measurement, limits: Limits) -> Goodput:
    """Count the replies that kept the limits, among those that were to be judged."""
    judged = [each for each in measurement.outcomes if each.counted and each.status not in ("left", "unfinished")]
    good = sum(limits.are_kept(outcome) for outcome in judged)
    rate = sum(limits.are_kept(outcome) for outcome in ended_in_window(measurement)) / window_seconds(measurement)
    return Goodput(limits.milliseconds, good, good / len(judged) if judged else 0.0, rate)


def timeline(measurement: Measurement) -> list[TimeBin]:
    """Return the timeline, with each bin's time to first token by when its requests were due."""
    width = measurement.bin_seconds
    firsts: dict[int, list[float]] = {}
    for outcome in measurement.outcomes:
        if not math.isnan(outcome.ttft) and outcome.group not in SLOW_BY_INTENTION:
            firsts.setdefault(int(outcome.due / width), []).append(outcome.ttft * 1000)
    made = []
    for index, bin_ in enumerate(measurement.bins):
        ordered = sorted(firsts.get(index, ()))
        made.append(
            TimeBin(
                index * width,
                bin_.started,
                bin_.success,
                bin_.failed,
                bin_.open_most,
                bin_.characters * measurement.tokens_per_character / width,
                quantile(ordered, 0.5) if ordered else None,
                quantile(ordered, 0.9) if ordered else None,
            )
        )
    return made


def groups(measurement: Measurement) -> dict[str, dict[str, Any]]:
    """Describe each group of clients, where there are several."""
    names = sorted({outcome.group for outcome in measurement.outcomes if outcome.counted})
    if names in ([], [""]):
        return {}
    described = {}
    for name in names:
        members = [outcome for outcome in measurement.outcomes if outcome.counted and outcome.group == name]
        described[name or "others"] = {
            "requests": dict(Counter(outcome.status for outcome in members)),
            "latency_ms": latencies(members, measurement.gaps(name)),
        }
    return described


def outlived(left: Mapping[int, float], calls: Sequence[Sequence[Any]]) -> Outlived:
    """Match the clients that left with the model's records.

    Args:
        left: When each left, by request number.
        calls: Of each call: request number, when it began and ended, whether it was whole.
    """
    by_number: dict[int, tuple[float, bool]] = {}
    for number, _, ended, whole in calls:
        # After a retry there are two calls; the later end is what counts.
        by_number[number] = max(by_number.get(number, (0.0, False)), (ended, whole))
    after = {number: (by_number[number][0] - moment, by_number[number][1])
             for number, moment in left.items() if number in by_number}  # fmt: skip
    longer = [(seconds, whole) for seconds, whole in after.values() if seconds > 0]
    return Outlived(
        left=len(left),
        never_called=len(left) - len(after),
        ended_before=len(after) - len(longer),
        ended_whole=sum(whole for _, whole in longer),
        milliseconds=figures([seconds for seconds, _ in longer]),
    )


def deployed(deployment: Deployment, outcomes: list[Outcome]) -> Deployed:
    """Describe a deployment."""

    def after(moment: float | None) -> float | None:
        return None if moment is None or deployment.at is None else moment - deployment.at

    return Deployed(
        deployment.kind,
        deployment.at,
        after(deployment.old_gone),
        after(deployment.back),
        dict(deployment.fates().most_common()),
        dict(deployment.later_failures(outcomes).most_common()),
        deployment.outage(outcomes),
        deployment.trouble,
    )


def stage_of(level: float, measurement: Measurement, limits: Limits) -> Stage:
    """Judge one level of a sweep."""
    counted = count_requests(measurement)
    whole = [each.e2e for each in measurement.outcomes if each.counted and each.status == "success"]
    return Stage(
        level,
        throughput(measurement).requests_per_second,
        math.fsum(whole) / len(whole) if whole else math.inf,
        counted.success / counted.judged if counted.judged else 0.0,
        goodput(measurement, limits).share,
        bool(limits),
    )


def swept(stage: Stage, measurement: Measurement, knee: Stage | None) -> Swept:
    """Describe one level of a sweep."""
    found = latencies([each for each in measurement.outcomes if each.counted], measurement.all_gaps())
    ttft, e2e, itl = found.get("ttft"), found.get("e2e"), found.get("itl")
    return Swept(
        stage.level,
        stage.throughput,
        throughput(measurement).tokens_per_second,
        stage.whole_share,
        stage.good_share,
        ttft.p50 if ttft else None,
        ttft.p99 if ttft else None,
        e2e.mean if e2e else None,
        itl.p99 if itl else None,
        {code: count for codes in count_codes(measurement.outcomes).values() for code, count in codes.items()},
        knee is not None and stage.level == knee.level,
    )
