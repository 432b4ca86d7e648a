"""A result -> one HTML file that needs nothing else: no script, no request, light or dark as its reader prefers."""

from __future__ import annotations

from html import escape

from tools.common.report_page import card, chart_card, lines, page

from .html_charts import charts, level_name
from .result import Figures, Result
from .text_report import (
    NAMES,
    busy_line,
    counts,
    deployed_lines,
    milliseconds,
    outlived_lines,
    percent,
    resumed_lines,
)

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
    about = f"{result.target} · {result.mode} mode · {when} · {result.seconds:.0f} s"
    cards = [
        _latency_card(result), _about_scenario(result), *(chart_card(chart) for chart in charts(result)),
        _outcomes_card(result), _settings_card(result), _definitions_card(),
    ]  # fmt: skip
    foot = "Sluice load test. Times are as its client saw them."
    return page(f"Load test: {result.scenario}", about, _notes(result) + _tiles(result), cards, foot)


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
    return card("How long it took", inside, wide=True)


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
        told = lines(outlived_lines(result.outlived))
        cards.append(card("How long model calls outlived their clients", told, wide=True))
    if result.resumed is not None:
        cards.append(card("Replies that were read on", lines(resumed_lines(result.resumed)), wide=True))
    if result.deployed is not None:
        cards.append(card("The deployment", lines(deployed_lines(result.deployed)), wide=True))
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
        cards.append(card("Level by level", table, wide=True))
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
    return card("How requests ended", f'<dl>{inside}</dl><h2 class="second">How busy it was</h2>{lines(busy)}')


NEVER_HIDDEN = ("success", "incomplete", "error")


def _settings_card(result: Result) -> str:
    told = "".join(
        f"<span><i>{escape(name.replace('_', ' '))}</i> {escape(str(value))}</span>"
        for name, value in result.settings.items()
    )
    return card("What was asked", f'<p class="settings">{told}</p>', wide=True)


def _definitions_card() -> str:
    inside = "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in DEFINITIONS)
    return card("What the words mean", f"<dl>{inside}</dl>", wide=True)
