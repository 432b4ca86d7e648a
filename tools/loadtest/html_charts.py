"""Which charts a result has, and what each shows."""

from __future__ import annotations

from collections.abc import Callable

from tools.common.line_chart import Chart, Series

from .result import SLOW_BY_INTENTION, Result, Swept
from .text_report import NAMES


def charts(result: Result) -> list[Chart]:
    """Return the charts that say something about this result."""
    found = [*_sweep_charts(result), *_timeline_charts(result), _distribution(result)]
    return [chart for chart in found if any(series.points for series in chart.series)]


def level_name(result: Result) -> str:
    """Say what the levels of a sweep count."""
    return "requests a second" if "rate" in result.settings else "clients"


def _sweep_charts(result: Result) -> list[Chart]:
    swept, name = result.swept, level_name(result)
    if not swept:
        return []
    marks = [(each.level, "knee") for each in swept if each.knee]

    def chart(title: str, unit: str, *lines: tuple[str, str, Callable[[Swept], float | None]]) -> Chart:
        series = [
            Series(label, colour, [(each.level, figure(each)) for each in swept], "dotted")
            for label, colour, figure in lines
        ]
        return Chart(f"{title} by load", name, unit, series, marks=marks, log_x=True)

    return [
        chart("Throughput", "tokens/s", ("tokens/s", "--blue", lambda each: each.tokens_per_second)),
        chart(
            "Time to first token", "milliseconds",
            ("p50", "--teal", lambda each: each.ttft_p50), ("p99", "--amber", lambda each: each.ttft_p99),
        ),
        chart("End to end", "milliseconds", ("mean", "--amber", lambda each: each.e2e_mean)),
        chart(
            "CPU", "per cent of one core",
            ("client", "--grey", lambda each: each.client_cpu * 100),
            ("server", "--blue", lambda each: None if each.server_cpu is None else each.server_cpu * 100),
        ),
    ]  # fmt: skip


def _timeline_charts(result: Result) -> list[Chart]:
    bins, width = result.timeline, result.bin_seconds
    if not bins:
        return []
    end = max([bins[-1].at + width, *(at for at, _ in result.marks)])
    ended = result.warm_up_seconds + result.window_seconds
    shaded = [(0.0, result.warm_up_seconds, "warm-up"), (ended, end, "ending")]
    middle = [each.at + width / 2 for each in bins]

    def series(name: str, colour: str, values: list[float | None]) -> Series:
        return Series(name, colour, list(zip(middle, values, strict=True)))

    return [
        Chart(
            "Tokens", "seconds", "tokens/s",
            [series("tokens/s", "--blue", [each.tokens_per_second for each in bins])],
            shaded=shaded, marks=result.marks, end=end,
        ),
        Chart(
            "Open requests", "seconds", "requests", [series("open", "--grey", [each.open for each in bins])],
            shaded=shaded, marks=result.marks, end=end,
        ),
        Chart(
            "Requests that ended", "seconds", "requests/s",
            [
                series("success", "--teal", [each.success / width for each in bins]),
                series("failed", "--red", [each.failed / width for each in bins]),
            ],
            stacked=True, shaded=shaded, marks=result.marks, end=end,
        ),
        Chart(
            "Time to first token, by when it was asked", "seconds", "milliseconds", _replies(result),
            shaded=shaded, marks=result.marks, end=end,
            limits=[(limit, "limit") for name, limit in result.goodput.limits.items() if name == "ttft"],
        ),
    ]  # fmt: skip


def _replies(result: Result) -> list[Series]:
    """One dot for each reply, and for each failure at the time that it took."""
    slow = [each for each in result.replies if each.group in SLOW_BY_INTENTION]
    other = [each for each in result.replies if each.group not in SLOW_BY_INTENTION]
    return [
        Series("slow readers", "--grey", [(each.at, each.ttft_ms) for each in slow], "dots"),
        Series("first token", "--teal", [(each.at, each.ttft_ms) for each in other], "dots"),
        Series("failed (after so long)", "--red", [(each.at, each.lasted_ms) for each in other if each.code], "dots"),
    ]


def _distribution(result: Result) -> Chart:
    """The share of replies, or gaps, that took no longer than so many milliseconds."""
    colours = {"ttft": "--teal", "itl": "--blue", "e2e": "--amber"}
    lines = []
    for name, colour in colours.items():
        if (found := result.latency_ms.get(name)) is not None:
            points = [(max(value, 0.01), float(percent)) for percent, value in enumerate(found.quantiles)]
            lines.append(Series(NAMES[name], colour, points))
    return Chart("Distribution", "milliseconds, or less", "per cent", lines, log_x=True, top=100.0)
