"""Rows of horizontal bars as an SVG that stands alone, legible on light and on dark pages."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_NAMES = 200
_PANEL = 224
_BAR = 14
_ROW = 24
_TOP = 44
_HEAD = 24
_FOOT = 24
# Beside the longest bar: the space for its value.
_VALUE = 58
# A bar so many times as long as the next is cut off, so that the others can be told apart.
_CUT = 5

_STYLE = """
    text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
    .title { font-size: 14px; font-weight: 600 } .quiet { fill: #57606a; font-size: 11px }
    .ours { font-weight: 600 } .panel { font-weight: 600; font-size: 11.5px }
    .bar { fill: #a8b3bf } .bar.ours { fill: #0b7a75 } .spread { stroke: #24292f; stroke-opacity: .6 }
    .axis { stroke: #d0d7de } .cut { stroke: #fff; stroke-width: 4 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .quiet { fill: #9198a1 }
      .bar { fill: #5b6672 } .bar.ours { fill: #2bb3a8 } .spread { stroke: #e6edf3 } .axis { stroke: #3d444d }
      .cut { stroke: #0d1117 }
    }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One value of everybody.

    Attributes:
        title: What is measured, and its unit.
        values: By name, what each round gave; a bar is their median. No values: it was not measured.
    """

    title: str
    values: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return a bar's value, NaN where it was not measured."""
        return statistics.median(self.values[name]) if self.values.get(name) else math.nan


def short(value: float) -> str:
    """Write a number with three figures that mean something."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def svg(rows: Sequence[Sequence[Panel]], *, ours: str, title: str, explained: str, described: str, foot: str) -> str:
    """Draw rows of panels; those of a row share their names, the longest bar of its first panel on top.

    Args:
        rows: The panels.
        ours: The name that stands out.
        title: The heading.
        explained: How to read it, below the heading.
        described: What it shows, for those who do not see it.
        foot: What stands at the end.
    """
    drawn: list[str] = []
    top = _TOP
    for row in rows:
        found = dict.fromkeys(name for panel in row for name in panel.values)
        names = sorted(found, key=lambda name: -_or_zero(row[0].median(name)))
        for number, name in enumerate(names):
            kind = ' class="ours"' if name == ours else ""
            y = top + _HEAD + number * _ROW + _BAR - 2
            drawn.append(f'<text x="{_NAMES - 12}" y="{y}" text-anchor="end"{kind}>{escape(name)}</text>')
        for column, panel in enumerate(row):
            drawn += _bars(panel, names, ours, _NAMES + column * _PANEL, top)
        top += _HEAD + _ROW * len(names) + 14
    width, height = _NAMES + _PANEL * len(rows[0]) + 8, top + _FOOT
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="t">',
        f'<title id="t">{escape(described)}</title>',
        f"<style>{_STYLE}</style>",
        f'<text x="0" y="15" class="title">{escape(title)}</text>',
        f'<text x="0" y="33" class="quiet">{escape(explained)}</text>',
        *drawn,
        f'<text x="0" y="{height - 7}" class="quiet">{escape(foot)}</text>',
        "</svg>",
        "",
    ])  # fmt: skip


def _bars(panel: Panel, names: Sequence[str], ours: str, left: int, top: int) -> list[str]:
    medians = sorted(_or_zero(panel.median(name)) for name in names)
    cut = len(medians) > 1 and medians[-1] > _CUT * medians[-2] > 0
    highest = max((value for values in panel.values.values() for value in values), default=0.0)
    most = (medians[-2] * 1.25 if cut else highest) or 1.0
    scale = (_PANEL - _VALUE - 10) / most
    first = top + _HEAD
    parts = [
        f'<text x="{left}" y="{top + 12}" class="panel">{escape(panel.title)}</text>',
        f'<line class="axis" x1="{left - 0.5}" x2="{left - 0.5}" y1="{first - 3}" '
        f'y2="{first + _ROW * len(names) - _ROW + _BAR + 3}"/>',
    ]
    for row, name in enumerate(names):
        values = panel.values.get(name)
        y = first + row * _ROW
        if not values:
            parts.append(f'<text class="quiet" x="{left + 6}" y="{y + _BAR - 2}">not measured</text>')
            continue
        median = panel.median(name)
        kind = " ours" if name == ours else ""
        end = left + max(1.5, min(median, most) * scale)
        parts.append(
            f'<rect class="bar{kind}" x="{left}" y="{y}" width="{end - left:.1f}" height="{_BAR}">'
            f"<title>{escape(name)}: {short(median)}</title></rect>"
        )
        low, high = left + min(values) * scale, left + min(max(values), most) * scale
        if median > most:
            parts.append(f'<path class="cut" d="M{end - 14:.1f} {y + _BAR + 2}l6 -{_BAR + 4}"/>')
        elif high - low > 1:
            middle = y + _BAR / 2
            parts.append(f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
            end = max(end, high)
        parts.append(f'<text class="value{kind}" x="{end + 5:.1f}" y="{y + _BAR - 2}">{short(median)}</text>')
    return parts


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
