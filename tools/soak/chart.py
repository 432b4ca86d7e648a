"""Lines over time as an SVG, by hand: all that is needed of a plotting library is in these ninety lines.

matplotlib would bring numpy, pillow and seven more packages into every `make test`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 560, 230
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 46, 30
# Okabe and Ito's palette, which people with any kind of colour vision can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:14px}.axis{stroke:#ddd}"
    ".mark{stroke:#b00;stroke-dasharray:3 3}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}"
)


@dataclass(frozen=True)
class Panel:
    """One chart: a title, and lines of points by their names."""

    title: str
    lines: dict[str, list[tuple[float, float]]]
    #: Whether the axis begins at zero; where it does not, small changes of a large figure show.
    from_zero: bool = True
    #: Where something happened that explains a step, in seconds.
    marks: Sequence[float] = field(default=())


def svg(panels: Sequence[Panel], *, columns: int = 2) -> str:
    """Draw panels side by side, on one white sheet."""
    rows = math.ceil(len(panels) / columns)
    size = f'width="{WIDTH * columns}" height="{HEIGHT * rows}" viewBox="0 0 {WIDTH * columns} {HEIGHT * rows}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>']
    parts.append('<rect width="100%" height="100%" fill="#fff"/>')
    end = max((x for panel in panels for line in panel.lines.values() for x, _ in line), default=0.0) or 1.0
    for number, panel in enumerate(panels):
        x, y = number % columns * WIDTH, number // columns * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel, end)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, end: float) -> str:
    values = [y for line in panel.lines.values() for _, y in line] or [0.0]
    low, high, step = _scale(values, from_zero=panel.from_zero)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + x / end * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(down, 1)

    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(panel.title)}</text>']
    for count in range(round((high - low) / step) + 1):
        value = low + count * step
        _, y = at(0, value)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.4g}</text>')
    for quarter in range(5):
        x, _ = at(end * quarter / 4, low)
        anchor = "end" if quarter == 4 else "middle"
        parts.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}">{_time(end * quarter / 4)}</text>')
    for mark in panel.marks:
        x, _ = at(mark, low)
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    across = LEFT
    for (name, line), colour in zip(panel.lines.items(), COLOURS * 9, strict=False):
        path = " ".join(f"{x},{y}" for x, y in (at(*point) for point in line))
        parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        parts.append(f'<rect x="{across}" y="27" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{across + 19}" y="33">{escape(name)}</text>')
        across += 34 + 7 * len(name)
    return "".join(parts)


def _scale(values: Sequence[float], *, from_zero: bool) -> tuple[float, float, float]:
    """Choose a round step and the ends of an axis that holds all values, with two to five lines."""
    low, high = (0.0 if from_zero else min(values)), max(values)
    rough = max(high - low, abs(high) * 0.02, 1e-9) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    bottom = math.floor(low / step) * step
    return bottom, max(math.ceil(high / step) * step, bottom + step), step


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
