"""A measurement -> the figures of a report, as docs/reference/load-test.md defines them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .deploy import Deployment
from .goodput import Limits
from .histogram import Histogram, quantile
from .knee import Stage
from .measurement import Measurement
from .outcome import Outcome
from .result import (
    SLOW_BY_INTENTION,
    Busy,
    Deployed,
    Figures,
    Goodput,
    Outlived,
    Reply,
    Requests,
    Swept,
    Throughput,
    TimeBin,
)

PERCENTS: Final = range(101)
#: Of more replies than this, only so many are told one by one, evenly chosen; of failures likewise.
TOLD_ONE_BY_ONE: Final = 1000

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


def replies(measurement: Measurement) -> list[Reply]:
    """Tell of single requests, in the order in which they were due."""
    outcomes = measurement.outcomes
    failed = [each for each in outcomes if each.status in ("incomplete", "error")]
    other = [each for each in outcomes if each.status not in ("incomplete", "error")]
    chosen = sorted([*_thinned(failed), *_thinned(other)], key=lambda outcome: outcome.due)
    return [
        Reply(
            round(each.due, 4),
            each.counted,
            each.status,
            each.code,
            each.group,
            _milliseconds(each.ttft),
            _milliseconds(each.mean_gap),
            _milliseconds(each.lasted),
            each.tokens,
        )
        for each in chosen
    ]


def _thinned(outcomes: list[Outcome]) -> list[Outcome]:
    step = max(1.0, len(outcomes) / TOLD_ONE_BY_ONE)
    return [outcomes[int(index * step)] for index in range(min(len(outcomes), TOLD_ONE_BY_ONE))]


def _milliseconds(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(seconds * 1000, 3)


def busy(measurement: Measurement) -> Busy:
    """Return how busy everybody was until the window closed, and how late the client."""
    shares = {name: seconds / max(measurement.window[1], 1e-6) for name, seconds in measurement.cpu.items()}
    late = figures([outcome.late for outcome in measurement.outcomes])
    return Busy(
        shares.get("client", 0.0),
        measurement.loop_late.quantile(0.99) * 1000 if measurement.loop_late.count else 0.0,
        late.p99 if late else None,
        shares.get("model"),
        shares.get("server"),
    )


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
        counted.success / counted.judged if counted.judged else math.nan,
        goodput(measurement, limits).share if counted.judged else math.nan,
        bool(limits),
    )


def swept(stage: Stage, measurement: Measurement, knee: Stage | None) -> Swept:
    """Describe one level of a sweep."""
    found = latencies([each for each in measurement.outcomes if each.counted], measurement.all_gaps())
    ttft, e2e, itl = found.get("ttft"), found.get("e2e"), found.get("itl")
    cpu = busy(measurement)
    return Swept(
        stage.level,
        stage.throughput,
        throughput(measurement).tokens_per_second,
        stage.whole_share if stage.says_something else None,
        stage.good_share if stage.says_something else None,
        ttft.p50 if ttft else None,
        ttft.p99 if ttft else None,
        e2e.mean if e2e else None,
        itl.p99 if itl else None,
        {code: count for codes in count_codes(measurement.outcomes).values() for code, count in codes.items()},
        cpu.client_cpu,
        cpu.server_cpu,
        knee is not None and stage.level == knee.level,
    )
