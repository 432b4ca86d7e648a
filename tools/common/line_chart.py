"""Line charts as inline SVG. They take the colours of the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

WIDTH: Final = 560
HEIGHT: Final = 230
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 34
# A row of words above the curves, which they must not cross.
WORDS: Final = 14


@dataclass(frozen=True)
class Series:
    """One line, or one layer of areas.

    Attributes:
        name: For the legend.
        colour: The name of a CSS variable of the page.
        points: From left to right; None where there is no value.
        style: A line; a line on which each point is a dot with its values as its title; or nothing but dots.
    """

    name: str
    colour: str
    points: Sequence[tuple[float, float | None]]
    style: Literal["line", "dotted", "dots"] = "line"


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        title: What it shows.
        x: What the horizontal axis measures.
        y: What the vertical axis measures.
        series: Drawn in this order.
        stacked: Whether the series are layers of areas on top of each other.
        shaded: Spans of x to be shaded, with the word for each.
        marks: Vertical lines, with the word for each.
        limits: Horizontal lines, with the word for each.
        log_x: Whether x is logarithmic.
        end: The end of the x axis; None lets the values decide.
        top: The end of the y axis, likewise.
        from_zero: Whether the y axis begins at zero; where it does not, small changes of a large value show.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    stacked: bool = False
    shaded: Sequence[tuple[float, float, str]] = ()
    marks: Sequence[tuple[float, str]] = ()
    limits: Sequence[tuple[float, str]] = ()
    log_x: bool = False
    end: float | None = None
    top: float | None = None
    from_zero: bool = True


def ticks(most: float, about: int = 5) -> list[float]:
    """Return round numbers from 0 to at least `most`, about so many of them."""
    if not 0 < most < math.inf:
        return [0.0, 1.0]
    raw = most / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


def log_ticks(least: float, most: float) -> list[float]:
    """Return round numbers (1, 2, 5 and their tens) from at most `least` to at least `most`."""
    least, most = max(least, 1e-9), max(most, least * 1.01, 1e-9)
    rounds = [factor * 10.0**power for power in range(-9, 13) for factor in (1, 2, 5)]
    first = max((index for index, value in enumerate(rounds) if value <= least * 1.0001), default=0)
    last = next((index for index, value in enumerate(rounds) if value >= most * 0.9999), len(rounds) - 1)
    return rounds[first : max(last, first + 1) + 1]


def number(value: float) -> str:
    """Write a number for an axis."""
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:g}"


def svg(chart: Chart) -> str:
    """Return the chart as an SVG element."""
    points = [(x, y) for series in chart.series for x, y in series.points if y is not None]
    if not points:
        return '<p class="nothing">Nothing to show.</p>'
    drawing = _Drawing(chart, points)
    words = f"{chart.title}: {chart.y} by {chart.x}"
    return "".join([
        f'<svg viewBox="0 0 {WIDTH} {drawing.height}" role="img" aria-label="{escape(words)}">',
        *drawing.shade(), *drawing.axes(), *drawing.limits(), *drawing.curves(), *drawing.marks(),
        "</svg>",
    ])  # fmt: skip


class _Drawing:
    def __init__(self, chart: Chart, points: Sequence[tuple[float, float]]) -> None:
        self.chart = chart
        # Also where there is no value, so that charts of the same levels have the same axis.
        xs = [x for series in chart.series for x, _ in series.points]
        if chart.log_x:
            self.x_ticks = log_ticks(min(xs), max(xs))
            self.x_least, self.x_most = self.x_ticks[0], self.x_ticks[-1]
            if len(self.x_ticks) > 9:  # leave the 2s and 5s away
                self.x_ticks = [tick for tick in self.x_ticks if f"{tick:e}".startswith("1.0")]
        else:
            self.x_least, self.x_most = 0.0, max(chart.end or max(xs), 1e-9)
            self.x_ticks = ticks(self.x_most, 8)
            self.x_ticks = [tick for tick in self.x_ticks if tick <= self.x_most * 1.0001]
        if chart.stacked:
            sums: dict[float, float] = {}
            for x, y in points:
                sums[x] = sums.get(x, 0.0) + y
            most = max(sums.values())
        else:
            most = max(y for _, y in points)
        most = max([most, *(at * 1.02 for at, _ in chart.limits)])
        self.y_ticks = ticks(chart.top or most)
        if not chart.from_zero:
            least = min(y for _, y in points)
            # Not finer than the numbers beside the axis.
            step = ticks(max(most - least, most * 0.02))[1]
            first = math.floor(least / step)
            self.y_ticks = [step * number for number in range(first, max(math.ceil(most / step), first + 1) + 1)]
        self.y_least, self.y_most = self.y_ticks[0], chart.top or self.y_ticks[-1]
        self.words = self._place_words()
        rows = max((row for *_, row in self.words), default=-1) + 1
        self.top = TOP + WORDS * rows
        self.height = HEIGHT + WORDS * rows
        self.base = self.height - BOTTOM

    def x(self, value: float) -> float:
        span = WIDTH - LEFT - RIGHT
        if self.chart.log_x:
            value = max(value, self.x_least)
            share = math.log(value / self.x_least) / math.log(self.x_most / self.x_least)
        else:
            share = (value - self.x_least) / (self.x_most - self.x_least)
        return round(LEFT + span * min(1.0, share), 1)

    def y(self, value: float) -> float:
        share = (min(value, self.y_most) - self.y_least) / (self.y_most - self.y_least)
        return round(self.base - (self.base - self.top) * share, 1)

    def axes(self) -> list[str]:
        parts = []
        for tick in self.y_ticks:
            if tick > self.y_most * 1.0001:
                continue
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(tick)}" y2="{self.y(tick)}"/>'
            )
            parts.append(
                f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{self.y(tick) + 3.5}">{number(tick)}</text>'
            )
        base = self.base
        for tick in self.x_ticks:
            parts.append(f'<line class="axis" x1="{self.x(tick)}" x2="{self.x(tick)}" y1="{base}" y2="{base + 4}"/>')
            parts.append(
                f'<text class="tick" text-anchor="middle" x="{self.x(tick)}" y="{base + 15}">{number(tick)}</text>'
            )
        middle = (self.top + base) / 2
        return [
            *parts,
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>',
            f'<text class="label" text-anchor="middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{self.height - 4}">'
            f"{escape(self.chart.x)}</text>",
            f'<text class="label" text-anchor="middle" transform="translate(13 {middle}) rotate(-90)">'
            f"{escape(self.chart.y)}</text>",
        ]

    def curves(self) -> list[str]:
        return (
            self._layers()
            if self.chart.stacked
            else [part for each in self.chart.series for part in self._line(each)]
        )

    def limits(self) -> list[str]:
        parts = []
        for at, text in self.chart.limits:
            y = self.y(at)
            parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(
                f'<text class="limited" text-anchor="end" x="{WIDTH - RIGHT}" y="{y - 4}">{escape(text)}</text>'
            )
        return parts

    def marks(self) -> list[str]:
        parts = []
        for x, anchor, text, kind, row in self.words:
            y = TOP - 1 + WORDS * row
            if kind == "marked":
                parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{y - 8}" y2="{self.base}"/>')
            offset = {"start": 4, "end": -4, "middle": 0}[anchor]
            parts.append(
                f'<text class="{kind}" text-anchor="{anchor}" x="{x + offset}" y="{y}">{escape(text)}</text>'
            )
        return parts

    def shade(self) -> list[str]:
        parts = []
        for begin, end, _ in self.chart.shaded:
            left, right = self.x(begin), self.x(min(end, self.x_most))
            if (width := round(right - left, 1)) >= 1:
                height = self.base - self.top
                parts.append(f'<rect class="shade" x="{left}" y="{self.top}" width="{width}" height="{height}"/>')
        return parts

    def _place_words(self) -> list[tuple[float, str, str, str, int]]:
        """Return the words above the curves: where, from which end, what, of which kind, and in which row."""
        wanted = []
        for begin, end, word in self.chart.shaded:
            left, right = self.x(begin), self.x(min(end, self.x_most))
            if right - left > 12:
                wanted.append(((left + right) / 2, "middle", word, "tick"))
        for at, text in self.chart.marks:
            x = self.x(at)
            wanted.append((x, "end" if x + 6.4 * len(text) + 8 > WIDTH - RIGHT else "start", text, "marked"))
        placed = []
        rows: list[list[tuple[float, float]]] = []  # the spans that are taken
        for x, anchor, text, kind in wanted:
            length = 6.4 * len(text) + 8
            begin = x - {"start": 0.0, "end": length, "middle": length / 2}[anchor]
            span = (begin, begin + length)
            row = next((at for at, spans in enumerate(rows) if all(_apart(span, each) for each in spans)), len(rows))
            if row == len(rows):
                rows.append([])
            rows[row].append(span)
            placed.append((x, anchor, text, kind, row))
        return placed

    def _line(self, series: Series) -> list[str]:
        if series.style == "dots":
            dots = "".join(f"M{self.x(x)} {self.y(y)}h0" for x, y in series.points if y is not None)
            return [f'<path class="dots" stroke="var({series.colour})" d="{dots}"/>'] if dots else []
        parts, path, pen = [], [], "M"
        for x, y in series.points:
            if y is None:
                pen = "M"
                continue
            # `h0` draws a dot where no line follows.
            path.append(f"{pen}{self.x(x)} {self.y(y)}{'h0' if pen == 'M' else ''}")
            pen = "L"
            if series.style == "dotted":
                title = escape(f"{series.name}: {y:.4g} at {x:g}")
                parts.append(f'<circle cx="{self.x(x)}" cy="{self.y(y)}" r="3.2" fill="var({series.colour})">'
                             f"<title>{title}</title></circle>")  # fmt: skip
        return [f'<path class="line" stroke="var({series.colour})" d="{"".join(path)}"/>', *parts]

    def _layers(self) -> list[str]:
        parts = []
        below: dict[float, float] = {}
        for series in self.chart.series:
            points = [(x, y or 0.0) for x, y in series.points]
            if not any(y for _, y in points):
                continue
            upper = [f"{self.x(x)} {self.y(below.get(x, 0.0) + y)}" for x, y in points]
            lower = [f"{self.x(x)} {self.y(below.get(x, 0.0))}" for x, _ in reversed(points)]
            parts.append(
                f'<path class="area" fill="var({series.colour})" d="M{"L".join(upper)}L{"L".join(lower)}Z"/>'
            )
            for x, y in points:
                below[x] = below.get(x, 0.0) + y
        return parts


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]
