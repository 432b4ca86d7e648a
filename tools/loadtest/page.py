"""A result -> one HTML file that needs nothing else: no script, no request, light or dark as its reader prefers."""

from __future__ import annotations

from html import escape

from tools.common.line_chart import Chart, svg

from .page_charts import charts, level_name
from .report import NAMES, busy_line, counts, deployed_lines, milliseconds, outlived_lines, percent
from .result import Figures, Result

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

DEFINITIONS = (
    ("success", "a 200 whose reply ended with the frame that says it is whole; in block mode, the whole JSON"),
    ("incomplete", "a reply that began and was cut off or ran out of time, with no terminal frame"),
    ("error", "every other failure: a refusal, an error frame, no connection"),
    ("time to first token", "from when the request was due until the first text arrived, connecting included"),
    ("inter-token latency", "between two arrivals of text in one reply; tokens that arrive together are one arrival"),
    ("time per output token", "of each whole reply: (end to end - time to first token) / (tokens - 1)"),
    ("end to end", "from when the request was due until the terminal frame"),
    ("throughput", "what arrived in the window between the warm-up and the end of the load, by its length"),
    ("goodput", "whole replies that kept every limit"),
)


def html_report(result: Result) -> str:
    """Return the report as a page."""
    when = result.began.replace("T", " ").replace("+00:00", " UTC")
    return "".join([
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Load test: {escape(result.scenario)}</title><style>{STYLE}</style></head><body>",
        f'<header><h1>Load test: {escape(result.scenario)}</h1><p class="dim">{escape(result.target)} &middot; '
        f"{escape(result.mode)} mode &middot; {escape(when)} &middot; {result.seconds:.0f} s</p></header>",
        _notes(result),
        _tiles(result),
        '<main class="cards">',
        _latency_card(result), _about_scenario(result), *(_chart_card(chart) for chart in charts(result)),
        _outcomes_card(result), _settings_card(result), _definitions_card(),
        "</main><footer>Sluice load test. Times are as its client saw them.</footer></body></html>\n",
    ])  # fmt: skip


# ------------------------------------------------------------------------------------------------------ figures


def _notes(result: Result) -> str:
    if not result.notes:
        return ""
    kind = "notes" if result.busy.too_busy or result.interrupted or result.codes else "notes plain"
    return f'<ul class="{kind}">' + "".join(f"<li>{escape(note)}</li>" for note in result.notes) + "</ul>"


def _tiles(result: Result) -> str:
    requests, latency = result.requests, result.latency_ms
    judged = requests.judged
    share = requests.success / judged if judged else None
    tiles = [
        (
            percent(share),
            "success",
            f"of {judged:,} requests",
            "" if share is None else "good" if share == 1 else "bad",
        ),
        (f"{result.throughput.requests_per_second:.2f}", "whole replies a second", "", ""),
        (f"{result.throughput.tokens_per_second:,.0f}", "tokens a second", "", ""),
    ]
    for name in ("ttft", "itl", "e2e"):
        if (found := latency.get(name)) is not None:
            beside = f"p50; p99 {milliseconds(found.p99)}"
            tiles.append((milliseconds(found.p50), NAMES[name], beside, ""))
    if result.goodput.limits:
        limits = ", ".join(f"{name} {limit:g} ms" for name, limit in result.goodput.limits.items())
        tiles.append((percent(result.goodput.share), "goodput", limits, "good" if result.goodput.share == 1 else ""))
    return '<section class="tiles">' + "".join(
        f'<div class="tile"><b class="{kind}">{escape(value)}</b><span>{escape(label)}</span>'
        f"<small>{escape(beside)}</small></div>"
        for value, label, beside, kind in tiles
    ) + "</section>"  # fmt: skip


def _latency_card(result: Result) -> str:
    tables = [("", result.latency_ms)] if not result.groups else []
    tables += [(f"{name}: {counts(group['requests'])}", group["latency_ms"]) for name, group in result.groups.items()]
    inside = "".join(
        (f"<h3>{escape(title)}</h3>" if title else "") + _latency_table(table) for title, table in tables
    )
    return _card("How long it took", inside, wide=True)


def _latency_table(latency: dict[str, Figures]) -> str:
    if not latency:
        return '<p class="dim">No whole reply.</p>'
    rows = []
    for name, label in NAMES.items():
        if (found := latency.get(name)) is not None:
            values = (found.mean, found.p50, found.p90, found.p99, found.least, found.most)
            cells = "".join(f"<td>{milliseconds(value)}</td>" for value in values)
            rows.append(f"<tr><th>{label}</th>{cells}<td>{found.count:,}</td></tr>")
    heads = "".join(f"<th>{head}</th>" for head in ("mean", "p50", "p90", "p99", "least", "most", "count"))
    return f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _about_scenario(result: Result) -> str:
    cards = []
    if result.outlived is not None:
        lines = outlived_lines(result.outlived)
        cards.append(_card("How long model calls outlived their clients", _lines(lines), wide=True))
    if result.deployed is not None:
        cards.append(_card("The deployment", _lines(deployed_lines(result.deployed)), wide=True))
    if result.swept:
        rows = "".join(
            f"<tr{' class=knee' if each.knee else ''}><td>{each.level:g}{' (knee)' if each.knee else ''}</td>"
            f"<td>{each.requests_per_second:.2f}</td><td>{each.tokens_per_second:,.0f}</td>"
            f"<td>{percent(each.whole_share)}</td><td>{percent(each.good_share)}</td>"
            f"<td>{milliseconds(each.ttft_p50)}</td><td>{milliseconds(each.ttft_p99)}</td>"
            f"<td>{milliseconds(each.itl_p99)}</td><td>{milliseconds(each.e2e_mean)}</td>"
            f"<td>{percent(each.client_cpu)}</td><td>{percent(each.server_cpu)}</td></tr>"
            for each in result.swept
        )
        heads = (level_name(result), "replies/s", "tokens/s", "whole", "good", "TTFT p50", "TTFT p99", "ITL p99",
                 "end to end, mean", "client CPU", "server CPU")  # fmt: skip
        head = "".join(f"<th>{name}</th>" for name in heads)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        cards.append(_card("Level by level", table, wide=True))
    return "".join(cards)


def _outcomes_card(result: Result) -> str:
    requests = result.requests
    rows = [("success", requests.success), ("incomplete", requests.incomplete), ("error", requests.error)]
    rows += [("left on purpose", requests.left), ("cut off by the end of the test", requests.unfinished)]
    rows += [("in the warm-up, not counted", requests.in_warm_up), ("due, but never sent", requests.never_sent)]
    inside = "".join(f"<dt>{name}</dt><dd>{count:,}</dd>" for name, count in rows if count or name in NEVER_HIDDEN)
    for status, codes in result.codes.items():
        inside += f'<dt>{status} by code</dt><dd class="bad">{escape(counts(codes))}</dd>'
    busy = [busy_line(result).capitalize(), f"Tokens per arrival of text: {result.throughput.tokens_per_arrival:.2f}"]
    if not result.throughput.tokens_from_usage:
        busy.append("Tokens are counted by the server's events: replies had no usage.")
    return _card("How requests ended", f'<dl>{inside}</dl><h2 class="second">How busy it was</h2>{_lines(busy)}')


NEVER_HIDDEN = ("success", "incomplete", "error")


def _settings_card(result: Result) -> str:
    told = "".join(
        f"<span><i>{escape(name.replace('_', ' '))}</i> {escape(str(value))}</span>"
        for name, value in result.settings.items()
    )
    return _card("What was asked", f'<p class="settings">{told}</p>', wide=True)


def _definitions_card() -> str:
    inside = "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in DEFINITIONS)
    return _card("What the words mean", f"<dl>{inside}</dl>", wide=True)


def _lines(lines: list[str]) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _card(title: str, inside: str, *, wide: bool = False) -> str:
    return f'<section class="card{" wide" if wide else ""}"><h2>{escape(title)}</h2>{inside}</section>'


def _chart_card(chart: Chart) -> str:
    legend = "".join(
        f'<span><i style="background:var({series.colour})"></i>{escape(series.name)}</span>'
        for series in chart.series
        if any(y for _, y in series.points)
    )
    # One line alone is named by its axis.
    return _card(chart.title, (f'<p class="legend">{legend}</p>' if len(chart.series) > 1 else "") + svg(chart))
