"""The chart: rows of horizontal bars as an SVG, written by hand, legible on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tools.bench.report import short
from tools.bench.results import DIRECT, TITLES, Results

_NAMES = 200
_PANEL = 224
_BAR = 14
_ROW = 24
_TOP = 44
_HEAD = 24
_FOOT = 24
_IN_A_ROW = 3
# Beside the longest bar: the room for its value.
_VALUE = 58
# A bar so many times as long as the next is cut off, so that the others can be told apart.
_CUT = 5

_STYLE = """
    text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
    .title { font-size: 14px; font-weight: 600 } .quiet { fill: #57606a; font-size: 11px }
    .sluice { font-weight: 600 } .panel { font-weight: 600; font-size: 11.5px }
    .bar { fill: #a8b3bf } .bar.sluice { fill: #0b7a75 } .spread { stroke: #24292f; stroke-opacity: .6 }
    .axis { stroke: #d0d7de } .cut { stroke: #fff; stroke-width: 4 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .quiet { fill: #9198a1 }
      .bar { fill: #5b6672 } .bar.sluice { fill: #2bb3a8 } .spread { stroke: #e6edf3 } .axis { stroke: #3d444d }
      .cut { stroke: #0d1117 }
    }
"""


@dataclass(frozen=True, slots=True)
class _Panel:
    scenario: str
    figure: str
    title: str


_PANELS = (
    _Panel("paced", "cpu_us", "Paced: CPU \u00b5s per token"),
    _Panel("flood", "cpu_us", "Flood: CPU \u00b5s per token"),
    _Panel("fixed", "cpu_us", "CPU \u00b5s per request"),
    _Panel("open", "memory_kb", "Memory: KB per open stream"),
    _Panel("delay", "delay_p50_ms", "Added delay: ms, p50"),
    _Panel("delay", "delay_p99_ms", "Added delay: ms, p99"),
)


def chart(results: Results) -> str:
    """Draw what tokens, requests and open streams cost each server; "" where nothing of it was measured."""
    panels = [panel for panel in _PANELS if panel.scenario in results.turns]
    if not panels:
        return ""
    rows = [panels[start : start + _IN_A_ROW] for start in range(0, len(panels), _IN_A_ROW)]
    drawn: list[str] = []
    top = _TOP
    for row in rows:
        servers = _servers(results, row)
        drawn += _names(servers, top + _HEAD)
        for column, panel in enumerate(row):
            drawn += _bars(results, panel, servers, _NAMES + column * _PANEL, top)
        top += _HEAD + _ROW * len(servers) + 14
    width, height = _NAMES + _PANEL * len(rows[0]) + 8, top + _FOOT
    facts = results.facts
    about = (
        f"{facts['date'][:10]}, {facts['cores']} cores of {facts['cpu']}, {facts['kernel']}: {facts['command']}. "
        f"Other work on the machine: {results.others():.1f} cores."
    )
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="t">',
        '<title id="t">CPU time, memory and delay of Sluice and of its peers; less is better</title>',
        f"<style>{_STYLE}</style>",
        '<text x="0" y="15" class="title">What a token, a request and an open stream cost the server</text>',
        '<text x="0" y="33" class="quiet">Less is better. Medians; thin lines are the spread over the rounds.</text>',
        *drawn,
        f'<text x="0" y="{height - 7}" class="quiet">{escape(about)}</text>',
        "</svg>",
        "",
    ])  # fmt: skip


def _servers(results: Results, row: Sequence[_Panel]) -> list[str]:
    """Return who was measured in any panel of a row, the dearest of its first panel first."""
    found = dict.fromkeys(server for panel in row for server in results.turns[panel.scenario] if server != DIRECT)
    return sorted(found, key=lambda server: -_or_zero(results.median(row[0].scenario, server, row[0].figure)))


def _names(servers: Sequence[str], top: int) -> list[str]:
    parts = []
    for row, server in enumerate(servers):
        kind = ' class="sluice"' if server == "sluice" else ""
        parts.append(
            f'<text x="{_NAMES - 12}" y="{top + row * _ROW + _BAR - 2}" text-anchor="end"{kind}>'
            f"{escape(TITLES[server])}</text>"
        )
    return parts


def _bars(results: Results, panel: _Panel, servers: Sequence[str], left: int, top: int) -> list[str]:
    name, figure = panel.scenario, panel.figure
    medians = sorted(_or_zero(results.median(name, server, figure)) for server in servers)
    cut = len(medians) > 1 and medians[-1] > _CUT * medians[-2] > 0
    highest = max((value for server in servers for value in results.values(name, server, figure)), default=0.0)
    most = (medians[-2] * 1.25 if cut else highest) or 1.0
    scale = (_PANEL - _VALUE - 10) / most
    first = top + _HEAD
    parts = [
        f'<text x="{left}" y="{top + 12}" class="panel">{escape(panel.title)}</text>',
        f'<line class="axis" x1="{left - 0.5}" x2="{left - 0.5}" y1="{first - 3}" '
        f'y2="{first + _ROW * len(servers) - _ROW + _BAR + 3}"/>',
    ]
    for row, server in enumerate(servers):
        values = results.values(name, server, figure)
        y = first + row * _ROW
        if not values:
            parts.append(f'<text class="quiet" x="{left + 6}" y="{y + _BAR - 2}">not measured</text>')
            continue
        median = results.median(name, server, figure)
        kind = " sluice" if server == "sluice" else ""
        end = left + max(1.5, min(median, most) * scale)
        parts.append(
            f'<rect class="bar{kind}" x="{left}" y="{y}" width="{end - left:.1f}" height="{_BAR}">'
            f"<title>{escape(TITLES[server])}: {short(median)}</title></rect>"
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
