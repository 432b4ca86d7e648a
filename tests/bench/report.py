"""What was measured, as tables for a terminal and for Markdown, and as JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.bench.scenarios import Scenario
from tests.bench.servers import KINDS

#: Every figure is held against these, in the same run.
AGAINST = ("fastapi", "asgi", "nginx")
DIRECT = "direct"
# A paced stream has a token every 20 ms; a server that is later than this hands on several at once.
_BEHIND_MS = 10.0
TITLES = {**{name: kind.title for name, kind in KINDS.items()}, DIRECT: "nothing in between"}

# Columns beside the chief figure: heading, figure, form.
_BESIDE: dict[str, list[tuple[str, str, str]]] = {
    "fixed": [("first token p50 ms", "first_token_p50_ms", ".1f"), ("switches", "switches", ".1f")],
    "open": [
        ("/healthz p50 ms", "health_p50_ms", ".1f"),
        ("most", "health_max_ms", ".0f"),
        ("CPU us/token", "cpu_us", ".0f"),
    ],
    "delay": [("p99 ms", "delay_p99_ms", ".2f"), ("of a core", "load", ".0%")],
}
_BESIDE_TOKENS = [
    ("switches/token", "switches", ".2f"),
    ("delay p50 ms", "delay_p50_ms", ".2f"),
    ("p99", "delay_p99_ms", ".1f"),
]


@dataclass
class Turn:
    """One server's turn in one round of one scenario."""

    figures: dict[str, float]
    outcome: dict[str, Any]


@dataclass
class Results:
    """All that was measured in one run."""

    facts: dict[str, Any]
    scenarios: list[Scenario] = field(default_factory=list)
    turns: dict[str, dict[str, list[Turn]]] = field(default_factory=dict)
    #: What was not measured, and why.
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, scenario: Scenario, server: str, turn: Turn) -> None:
        """Take the result of a turn."""
        if scenario not in self.scenarios:
            self.scenarios.append(scenario)
        self.turns.setdefault(scenario.name, {}).setdefault(server, []).append(turn)

    def values(self, scenario: str, server: str, figure: str) -> list[float]:
        """Return a figure of every round."""
        turns = self.turns.get(scenario, {}).get(server, [])
        return [turn.figures[figure] for turn in turns if not math.isnan(turn.figures.get(figure, math.nan))]

    def median(self, scenario: str, server: str, figure: str) -> float:
        """Return the median of a figure over the rounds; NaN where there is none."""
        values = self.values(scenario, server, figure)
        return statistics.median(values) if values else math.nan

    def ratio(self, scenario: str, server: str, to: str, figure: str) -> float:
        """Return the ratio of two servers' medians."""
        other = self.median(scenario, to, figure)
        return self.median(scenario, server, figure) / other if other else math.nan

    def whole(self, scenario: str, server: str) -> tuple[int, int]:
        """Return how many answers arrived whole, and how many were asked for."""
        outcomes = [turn.outcome for turn in self.turns.get(scenario, {}).get(server, [])]
        return sum(outcome["whole"] for outcome in outcomes), sum(outcome["asked"] for outcome in outcomes)

    def busy(self, scenario: str, server: str, who: str) -> float:
        """Return how much of a core the `model` or the `client` used."""
        outcomes = [turn.outcome for turn in self.turns[scenario][server]]
        return float(statistics.median(outcome[f"{who}_cpu"] / outcome["wall"] for outcome in outcomes))

    def as_json(self) -> dict[str, Any]:
        """Return all of it, every round included."""
        measured = {}
        for scenario in self.scenarios:
            servers = {}
            for server, turns in self.turns[scenario.name].items():
                chief = scenario.chief
                servers[server] = {
                    "median": {name: _rounded(self.median(scenario.name, server, name)) for name in turns[0].figures},
                    "least": _rounded(min(self.values(scenario.name, server, chief), default=math.nan)),
                    "most": _rounded(max(self.values(scenario.name, server, chief), default=math.nan)),
                    "ratio": {to: _rounded(self.ratio(scenario.name, server, to, chief)) for to in AGAINST},
                    "rounds": [turn.outcome for turn in turns],
                }
            measured[scenario.name] = {"title": scenario.title, "unit": scenario.unit, "servers": servers}
        goals = [{"goal": text, "measured": _rounded(value), "met": met} for text, value, met in self.goals()]
        return {**self.facts, "missing": self.missing, "goals": goals, "scenarios": measured}

    # ------------------------------------------------------------------ tables

    def table(self, scenario: Scenario) -> list[list[str]]:
        """Return one scenario's rows, the heading first."""
        name = scenario.name
        beside = _BESIDE.get(name, _BESIDE_TOKENS)
        heading = ["", scenario.unit, "spread", *(f"/ {to}" for to in AGAINST), *(title for title, _, _ in beside)]
        rows = [[*heading, "whole", "model", "client"]]
        for server in self.turns[name]:
            values = self.values(name, server, scenario.chief)
            spread = f"{_short(min(values))}-{_short(max(values))}" if len(values) > 1 else ""
            ratios = [_ratio(self.ratio(name, server, to, scenario.chief)) for to in AGAINST]
            figures = [_formed(self.median(name, server, figure), form) for _, figure, form in beside]
            whole, asked = self.whole(name, server)
            busy = [f"{self.busy(name, server, who):.0%}" for who in ("model", "client")]
            chief = _short(self.median(name, server, scenario.chief))
            rows.append([TITLES[server], chief, spread, *ratios, *figures, f"{whole:,}/{asked:,}", *busy])
        return rows

    def goals(self) -> list[tuple[str, float, bool]]:
        """Return each goal that this run can say something of: its text, what was measured, whether it is met."""
        found = []

        def goal(text: str, value: float, met: Callable[[float], bool]) -> None:
            if not math.isnan(value):
                found.append((text, value, met(value)))

        us = "cpu_us"
        goal("paced: at most 1/4 of FastAPI", self.ratio("paced", "sluice", "fastapi", us), lambda v: v <= 0.25)
        goal("paced: at most the hand-tuned ASGI server", self.ratio("paced", "sluice", "asgi", us), lambda v: v <= 1)
        goal("flood: at most 1/35 of FastAPI", self.ratio("flood", "sluice", "fastapi", us), lambda v: v <= 1 / 35)
        goal("flood: at most twice nginx", self.ratio("flood", "sluice", "nginx", us), lambda v: v <= 2)
        goal("fixed: at most FastAPI", self.ratio("fixed", "sluice", "fastapi", us), lambda v: v <= 1)
        whole, asked = self.whole("open", "sluice")
        goal("open: all whole, as a share", whole / asked if asked else math.nan, lambda v: v == 1)
        goal(
            "open: /healthz under 100 ms, the slowest",
            self.median("open", "sluice", "health_max_ms"),
            lambda v: v < 100,
        )
        goal("open: at most 64 KB a stream", self.median("open", "sluice", "memory_kb"), lambda v: v <= 64)
        goal("delay: p50 under 2 ms", self.median("delay", "sluice", "delay_p50_ms"), lambda v: v < 2)
        goal("delay: p99 under 15 ms", self.median("delay", "sluice", "delay_p99_ms"), lambda v: v < 15)
        return found

    def complaints(self) -> list[str]:
        """Say which answers did not arrive whole, and of what else the reader should know."""
        said = []
        for scenario, servers in self.turns.items():
            for server, turns in servers.items():
                delay = self.median(scenario, server, "delay_p50_ms")
                if scenario == "paced" and delay > _BEHIND_MS:
                    said.append(
                        f"paced, {server}: fell behind (delay p50 {delay:.0f} ms), so that tokens came in batches: "
                        "its figure is lower than on a free machine"
                    )
                for turn in turns:
                    said += [f"{scenario}, {server}: {text}" for text in turn.outcome["complaints"][:2]]
        return said + [f"not measured: {what}: {why}" for what, why in self.missing.items()]

    def others(self) -> float:
        """Return how many cores were busy with other things, as the median over all turns."""
        turns = [turn for servers in self.turns.values() for found in servers.values() for turn in found]
        return statistics.median(turn.outcome["others"] for turn in turns) if turns else 0.0


def terminal_table(results: Results, scenario: Scenario) -> str:
    """Set a scenario's table for a terminal."""
    rows = results.table(scenario)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{scenario.name}: {scenario.title}"]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join([row[0].ljust(widths[0]), *cells]))
    return "\n".join(lines)


def terminal_end(results: Results) -> str:
    """Say the goals, and what there is to know."""
    lines = [f"  {'met' if met else 'NOT':>4}  {text}: {_short(value)}" for text, value, met in results.goals()]
    if lines:
        lines.insert(0, "goals, for Sluice in this run")
    lines += [f"  {text}" for text in results.complaints()]
    lines.append(f"other work on the machine meanwhile: {results.others():.1f} cores of {results.facts['cores']}")
    return "\n".join(lines)


def markdown(results: Results, with_chart: bool) -> str:
    """Write the page, which shows the chart where there is one."""
    facts = results.facts
    lines = [
        "# Sluice beside its peers",
        "",
        f"Made by `{facts['command']}` on {facts['date']}, in one run of {facts['seconds'] / 60:.1f} minutes.",
        "",
        *(["![CPU time per token and per request](bench.svg)", ""] if with_chart else []),
        f"- Machine: {facts['cores']} cores, {facts['cpu']}, {facts['memory_gb']} GB, {facts['kernel']}, "
        f"Python {facts['python']}; other work meanwhile: {results.others():.1f} cores.",
        "- CPU is what the operating system accounts to the server's processes, user and system; never wall time.",
        "- Medians over the rounds; servers take turns within each round, so that drift meets all of them.",
        "- `model` and `client`: how much of one core the model server and the load client used meanwhile.",
        "- `/ fastapi` and so on: this server's figure divided by that one's, in this run.",
        "- In `flood` and `open` all streams begin together, after each has had its first token; opening them is not "
        "counted there, but in `fixed`. How long a flood is depends on the server, so that each lasts about as long.",
        "",
    ]
    lines += [f"- {TITLES[name]}: {text}" for name, text in facts["versions"].items()]
    for scenario in results.scenarios:
        heading, *rows = results.table(scenario)
        lines += ["", f"## {scenario.name}: {scenario.title}", "", "| " + " | ".join(heading) + " |"]
        lines.append("|---" + "|---:" * (len(heading) - 1) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    goals = results.goals()
    if goals:
        lines += ["", "## Goals", "", "| goal | measured | met |", "|---|---:|---|"]
        lines += [f"| {text} | {_short(value)} | {'yes' if met else 'no'} |" for text, value, met in goals]
    notes = results.complaints()
    if notes:
        lines += ["", "## Notes", "", *(f"- {text.splitlines()[0]}" for text in notes)]
    return "\n".join(lines) + "\n"


def _formed(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _ratio(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _short(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")
