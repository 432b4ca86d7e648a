"""The chart: a few horizontal bars as an SVG, written by hand, legible on light and on dark pages."""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

from tests.bench.report import TITLES, Results, _short

_NAMES = 200
_PANEL = 224
_BAR = 14
_ROW = 26
_TOP = 58
_VALUE = 58
_CUT = 5

_STYLE = """
    text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
    .title { font-weight: 600 } .quiet { fill: #57606a; font-size: 11px } .sluice { font-weight: 600 }
    .bar { fill: #a8b3bf } .bar.sluice { fill: #0b7a75 } .spread { stroke: #24292f; stroke-opacity: .6 }
    .axis { stroke: #d0d7de } .cut { stroke: #fff; stroke-width: 4 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .quiet { fill: #9198a1 }
      .bar { fill: #5b6672 } .bar.sluice { fill: #2bb3a8 } .spread { stroke: #e6edf3 } .axis { stroke: #3d444d }
      .cut { stroke: #0d1117 }
    }
"""
_PANELS = (
    ("paced", "Paced: CPU \u00b5s per token"),
    ("flood", "Flood: CPU \u00b5s per token"),
    ("fixed", "CPU \u00b5s per request"),
)


def chart(results: Results) -> str:
    """Draw what one token costs paced and in a flood, and what one request costs; "" where none was measured."""
    panels = [(name, title) for name, title in _PANELS if name in results.turns]
    if not panels:
        return ""
    servers = list(dict.fromkeys(server for name, _ in panels for server in results.turns[name]))
    # The dearest first, Sluice where it belongs among them.
    first = panels[0][0]
    servers.sort(key=lambda server: -_or_zero(results.median(first, server, "cpu_us")))
    width = _NAMES + _PANEL * len(panels) + 12
    height = _TOP + _ROW * len(servers) + 30
    facts = results.facts
    about = f"{facts['date'][:10]}, {facts['cores']} cores of {facts['cpu']}, {facts['kernel']}: {facts['command']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="t">',
        '<title id="t">CPU time of Sluice and of its peers, less is better</title>',
        f"<style>{_STYLE}</style>",
        '<text x="0" y="16" class="title">What a token costs the server</text>',
        '<text x="0" y="33" class="quiet">CPU time, less is better; thin lines: the spread over the rounds</text>',
        f'<text x="0" y="{height - 6}" class="quiet">{escape(about)}</text>',
    ]
    for row, server in enumerate(servers):
        kind = ' class="sluice"' if server == "sluice" else ""
        baseline = _TOP + row * _ROW + _BAR - 2
        parts.append(
            f'<text x="{_NAMES - 12}" y="{baseline}" text-anchor="end"{kind}>{escape(TITLES[server])}</text>'
        )
    for column, (name, title) in enumerate(panels):
        parts += _panel(results, name, title, servers, _NAMES + column * _PANEL)
    return "\n".join([*parts, "</svg>", ""])


def _panel(results: Results, name: str, title: str, servers: list[str], left: int) -> list[str]:
    medians = sorted(_or_zero(results.median(name, server, "cpu_us")) for server in servers)
    # One that is far beyond all others is cut off, so that the others can be told apart.
    cut = len(medians) > 1 and medians[-1] > _CUT * medians[-2]
    most = (medians[-2] * 1.25 if cut else medians[-1]) or 1.0
    scale = (_PANEL - _VALUE - 10) / most
    bottom = _TOP + _ROW * len(servers) - 6
    parts = [
        f'<text x="{left}" y="{_TOP - 8}" class="quiet">{escape(title)}</text>',
        f'<line class="axis" x1="{left - 0.5}" x2="{left - 0.5}" y1="{_TOP - 2}" y2="{bottom}"/>',
    ]
    for row, server in enumerate(servers):
        values = results.values(name, server, "cpu_us")
        if not values:
            continue
        top = _TOP + row * _ROW
        median = results.median(name, server, "cpu_us")
        kind = " sluice" if server == "sluice" else ""
        length = max(1.5, min(median, most) * scale)
        parts.append(f'<rect class="bar{kind}" x="{left}" y="{top}" width="{length:.1f}" height="{_BAR}"/>')
        end = left + length
        low, high = left + min(values) * scale, left + max(values) * scale
        if median > most:
            x = end - 14
            parts.append(f'<path class="cut" d="M{x:.1f} {top + _BAR + 2}l6 -{_BAR + 4}"/>')
        elif high - low > 1:
            middle = top + _BAR / 2
            parts.append(f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
            end = max(end, high)
        parts.append(f'<text class="value{kind}" x="{end + 5:.1f}" y="{top + _BAR - 2}">{_short(median)}</text>')
    return parts


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
