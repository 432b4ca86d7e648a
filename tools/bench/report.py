"""What was measured, as tables for a terminal and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tools.bench.goals import Verdict, verdicts
from tools.bench.results import TITLES, Results
from tools.bench.scenarios import Scenario
from tools.common.bar_chart import short

# Columns beside the chief figure: heading, figure, form.
_FULL = ("tokens/s/core", "tokens_per_core", ",.0f")
_SWITCHES = ("switches/token", "switches", ".2f")
_STORE = ("store us/token", "store_us", ".1f")
_DELAY = [("delay p50 ms", "delay_p50_ms", ".2f"), ("p99", "delay_p99_ms", ".1f")]
_OPEN = [
    ("/healthz p50 ms", "health_p50_ms", ".1f"),
    ("p99", "health_p99_ms", ".1f"),
    ("slowest", "health_max_ms", ".0f"),
    ("CPU us/token", "cpu_us", ".0f"),
]
_BESIDE: dict[str, list[tuple[str, str, str]]] = {
    # How long a token of a flood is on its way depends on the buffers between, not on the server.
    "flood": [_SWITCHES, _FULL],
    "fixed": [("first token p50 ms", "first_token_p50_ms", ".1f"), ("switches", "switches", ".1f")],
    "open": _OPEN,
    "open10k": _OPEN,
    "burst": [("p99", "first_token_p99_ms", ".0f"), ("CPU us/chat", "cpu_us", ".0f")],
    "continue": [_STORE, _SWITCHES, *_DELAY],
    "readers": [_STORE, _SWITCHES, *_DELAY],
    "refusals": [("switches", "switches", ".1f"), ("refusals/s", "requests_per_second", ",.0f")],
    "delay": [("p99 ms", "delay_p99_ms", ".2f"), ("of a core", "load", ".0%")],
}
_BESIDE_TOKENS = [_SWITCHES, *_DELAY, _FULL]


def table(results: Results, scenario: Scenario) -> list[list[str]]:
    """Return one scenario's rows, the heading first."""
    name = scenario.name
    beside = _BESIDE.get(name, _BESIDE_TOKENS)
    ratios_to = [f"/ {to}" for to in scenario.against]
    heading = ["", scenario.unit, "spread", *ratios_to, *(title for title, _, _ in beside)]
    rows = [[*heading, "whole", "model", "client"]]
    for server in results.turns[name]:
        values = results.values(name, server, scenario.chief)
        spread = f"{short(min(values))}-{short(max(values))}" if len(values) > 1 else ""
        ratios = [_ratio(results.ratio(name, server, to, scenario.chief)) for to in scenario.against]
        figures = []
        for _, figure, form in beside:
            value = (results.worst if "max" in figure else results.median)(name, server, figure)
            figures.append("" if math.isnan(value) else format(value, form))
        whole, asked = results.whole(name, server)
        busy = [f"{results.busy(name, server, who):.0%}" for who in ("model", "client")]
        chief = short(results.median(name, server, scenario.chief))
        rows.append([TITLES[server], chief, spread, *ratios, *figures, f"{whole:,}/{asked:,}", *busy])
    return rows


def terminal_table(results: Results, scenario: Scenario) -> str:
    """Set a scenario's table for a terminal."""
    rows = table(results, scenario)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{scenario.name}: {scenario.title}"]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join([row[0].ljust(widths[0]), *cells]))
    return "\n".join(lines)


def terminal_end(results: Results) -> str:
    """Say which goals this run shows to be met, and what there is to know."""
    judged = verdicts(results)
    lines = [f"goals, for Sluice in this run: {tally(judged)}"]
    lines += [
        f"  {each.word:<12}  {each.goal.scenario}: {each.goal.text}: {each.measured}, {each.wanted}"
        for each in judged
        if not math.isnan(each.value)
    ]
    lines += [f"  {text}" for text in results.complaints()]
    return "\n".join([*lines, _busiest(results)])


def tally(judged: Sequence[Verdict]) -> str:
    """Count the goals that are met."""
    unknown = sum(each.met is None for each in judged)
    beside = f", {unknown} not shown by this run" if unknown else ""
    return f"{sum(each.met is True for each in judged)} of {len(judged)} met{beside}"


def machine(results: Results) -> str:
    """Name the machine."""
    facts = results.facts
    return f"{facts['cores']} cores, {facts['cpu']}, {facts['memory_gb']} GB, {facts['kernel']}"


def markdown(results: Results, with_chart: bool) -> str:
    """Write the page, which shows the chart where there is one."""
    facts = results.facts
    commit = f" of commit {facts['commit']}" if facts.get("commit") else ""
    lines = [
        "# Sluice beside its peers",
        "",
        f"Made by `{facts['command']}`{commit} on {facts['date']}, "
        f"in one run of {facts['seconds'] / 60:.1f} minutes.",
        "",
        *(["![CPU time, memory and delay of Sluice and its peers](bench.svg)", ""] if with_chart else []),
    ]
    judged = verdicts(results)
    lines += [f"## Goals: {tally(judged)}", "", "| | goal | limit | measured (spread of the rounds) | |"]
    lines += ["|---|---|---:|---:|---|"]
    lines += [
        f"| {each.goal.scenario} | {each.goal.text} | {each.wanted} | {each.measured} | {_marked(each)} |"
        for each in judged
    ]
    lines += [
        "",
        "## How it was measured",
        "",
        f"- Machine: {machine(results)}, Python {facts['python']}.",
        f"- {_busiest(results)}.",
        "- CPU is what the operating system accounts to the server's processes, user and system; never wall time.",
        "- Medians over the rounds; servers take turns within each round, so that drift meets all of them.",
        "- `model` and `client`: how much of one core the model server and the load client used meanwhile.",
        "- `/ fastapi` and so on: this server's figure divided by that one's, in this run.",
        "- `tokens/s/core`: what one full core would send, a second of CPU time divided by that of a token.",
        "- Delay: from the stamp in a token, written as the model sends it, until the client has read it.",
        "- In `flood`, `open` and `open10k` all streams begin together, after each has had its first token; opening "
        "them is not counted there, but in `fixed` and `burst`. How long a flood is depends on the server, so that "
        "each lasts about as long.",
        "",
        "| | made of |",
        "|---|---|",
    ]
    lines += [f"| {TITLES[name]} | {text} |" for name, text in facts["versions"].items()]
    for scenario in results.scenarios:
        lines += ["", f"## {scenario.name}: {scenario.title}", "", *markdown_table(table(results, scenario))]
    notes = results.complaints()
    if notes:
        lines += ["", "## Notes", "", *(f"- {text.splitlines()[0]}" for text in notes)]
    return "\n".join(lines) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows, the heading first, as a table whose first column has the names."""
    heading, *rest = ("| " + " | ".join(row) + " |" for row in rows)
    return [heading, "|---" + "|---:" * (len(rows[0]) - 1) + "|", *rest]


def _busiest(results: Results) -> str:
    said = []
    for who, title in (("model", "model server"), ("client", "load client")):
        share, scenario, server = results.busiest(who)
        where = f" ({scenario}, {server})" if scenario else ""
        said.append(f"the {title} used at most {share:.0%} of a core{where}")
    others = f"{results.others():.1f} of {results.facts['cores']} cores"
    return f"How busy it was: {', '.join(said)}; other work on the machine took {others}"


def _marked(verdict: Verdict) -> str:
    return f"**{verdict.word}**" if verdict.met is False else verdict.word


def _ratio(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
