"""Reports as one HTML file that needs nothing else: no script, no request, light or dark as its reader prefers."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .line_chart import Chart, svg

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #ffffff; --ink: #16191d; --dim: #5b6470; --line: #dde1e7;
  --blue: #2158d4; --teal: #0b8a7c; --amber: #b86e00; --red: #cc2a36; --grey: #8a94a1; --shade: #eceff4; }
@media (prefers-color-scheme: dark) { :root { --back: #0f1216; --card: #181c22; --ink: #e8ebef; --dim: #9aa4b1;
  --line: #2b323b; --blue: #6ea0ff; --teal: #3fcab8; --amber: #f0b04a; --red: #ff7b82; --grey: #76818f;
  --shade: #222831; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 40px; max-width: 1180px; background: var(--back); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 24px; line-height: 1.25; } h2 { margin: 0 0 8px; font-size: 15px; }
h3 { margin: 18px 0 2px; font-size: 13.5px; } h2 + h3 { margin-top: 0; }
p { margin: 4px 0; } .dim { color: var(--dim); }
.notes { margin: 14px 0 0; padding: 8px 14px 8px 30px; border-left: 3px solid var(--amber); background: var(--card);
  border-radius: 4px; } .notes.plain { border-color: var(--line); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 20px 0 12px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.tile small { display: block; color: var(--dim); font-size: 12.5px; font-variant-numeric: tabular-nums; }
.tile b { display: block; font-size: 22px; line-height: 1.35; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--dim); font-size: 12.5px; } .bad { color: var(--red); } .good { color: var(--teal); }
.tile { padding: 12px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 12px; }
.wide { grid-column: 1 / -1; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { color: var(--dim); font-weight: 500; font-size: 12.5px; } tbody th { color: var(--ink); font-size: 14px; }
td, th { text-align: right; padding: 5px 0 5px 14px; border-top: 1px solid var(--line); white-space: nowrap; }
thead td, thead th { border-top: 0; } td:first-child, th:first-child { text-align: left; padding-left: 0; }
.second { margin-top: 18px; } .settings { display: flex; flex-wrap: wrap; gap: 2px 24px; }
.settings i { font-style: normal; color: var(--dim); } .knee td { font-weight: 700; color: var(--teal); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 4px; color: var(--dim); font-size: 12.5px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
svg { display: block; width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--dim); }
.grid { stroke: var(--line); } .axis { stroke: var(--grey); } .shade { fill: var(--shade); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; } .area { opacity: .8; }
.dots { fill: none; stroke-width: 5; stroke-linecap: round; opacity: .6; }
.mark { stroke: var(--red); stroke-dasharray: 4 3; } svg .marked { fill: var(--red); font-weight: 600; }
.limit { stroke: var(--ink); stroke-dasharray: 2 4; opacity: .7; } svg .limited { fill: var(--ink); }
footer { margin-top: 18px; color: var(--dim); font-size: 12.5px; }
@media (max-width: 560px) { body { padding: 18px 12px 28px; } svg text { font-size: 13px; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } td, th { padding-left: 10px; } }
@media print { body { background: none; } .card, .tile { break-inside: avoid; } }
"""


def page(title: str, about: str, before: str, cards: Iterable[str], foot: str) -> str:
    """Return a whole page.

    Args:
        title: Its title and heading, as text.
        about: What stands below the heading, as text.
        before: HTML that stands before the cards.
        cards: The cards, as HTML; see `card`.
        foot: What stands at the end, as text.
    """
    return "".join([
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f'<header><h1>{escape(title)}</h1><p class="dim">{escape(about)}</p></header>',
        before, '<main class="cards">', *cards, f"</main><footer>{escape(foot)}</footer></body></html>\n",
    ])  # fmt: skip


def lines(texts: Iterable[str]) -> str:
    """Return texts as paragraphs."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def card(title: str, inside: str, *, wide: bool = False) -> str:
    """Return a card: a heading, as text, and HTML below it."""
    return f'<section class="card{" wide" if wide else ""}"><h2>{escape(title)}</h2>{inside}</section>'


def chart_card(chart: Chart) -> str:
    """Return a chart with its legend as a card."""
    legend = "".join(
        f'<span><i style="background:var({series.colour})"></i>{escape(series.name)}</span>'
        for series in chart.series
        if any(y for _, y in series.points)
    )
    # One line alone is named by its axis.
    return card(chart.title, (f'<p class="legend">{legend}</p>' if len(chart.series) > 1 else "") + svg(chart))
