"""What was measured in one run: every turn of every server, and the figures that follow from them."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

from tools.bench.goals import verdicts
from tools.bench.scenarios import Scenario
from tools.bench.servers import KINDS

DIRECT = "direct"
TITLES = {**{name: kind.title for name, kind in KINDS.items()}, DIRECT: "nothing in between"}
# A paced stream has a token every 20 ms; a server that is later than this hands on several at once.
_BEHIND_MS = 10.0
# A model server or load client beyond this share of a core may itself have held a server up.
_BUSY = 0.85


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

    def worst(self, scenario: str, server: str, figure: str) -> float:
        """Return the most of a figure over the rounds; NaN where there is none."""
        return max(self.values(scenario, server, figure), default=math.nan)

    def ratio(self, scenario: str, server: str, to: str, figure: str) -> float:
        """Return the ratio of two servers' medians."""
        other = self.median(scenario, to, figure)
        return self.median(scenario, server, figure) / other if other else math.nan

    def ratios(self, scenario: str, server: str, to: str, figure: str) -> list[float]:
        """Return the ratio of each round, whose turns were close to each other in time."""
        pairs = zip(self.values(scenario, server, figure), self.values(scenario, to, figure), strict=False)
        return [ours / theirs for ours, theirs in pairs if theirs]

    def whole(self, scenario: str, server: str) -> tuple[int, int]:
        """Return how many answers arrived whole, and how many were asked for."""
        outcomes = [turn.outcome for turn in self.turns.get(scenario, {}).get(server, [])]
        return sum(outcome["whole"] for outcome in outcomes), sum(outcome["asked"] for outcome in outcomes)

    def streams(self, scenario: str) -> int:
        """Return how many streams each server had open in this scenario; 0 where it was not measured."""
        return max((each.streams for each in self.scenarios if each.name == scenario), default=0)

    def busy(self, scenario: str, server: str, who: str) -> float:
        """Return how much of a core the `model` or the `client` used."""
        outcomes = [turn.outcome for turn in self.turns[scenario][server]]
        return float(statistics.median(outcome[f"{who}_cpu"] / outcome["wall"] for outcome in outcomes))

    def busiest(self, who: str) -> tuple[float, str, str]:
        """Return the most that the `model` or the `client` used of a core, in which scenario, for which server."""
        found = ((self.busy(name, server, who), name, server) for name in self.turns for server in self.turns[name])
        return max(found, default=(0.0, "", ""))

    def others(self) -> float:
        """Return how many cores were busy with other things, as the median over all turns."""
        turns = [turn for servers in self.turns.values() for found in servers.values() for turn in found]
        return statistics.median(turn.outcome["others"] for turn in turns) if turns else 0.0

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
                said += [
                    f"{scenario}, {server}: the {who} used {busy:.0%} of a core and may have been the bottleneck; "
                    "CPU figures hold, times and rates may not"
                    for who in ("model", "client")
                    if (busy := self.busy(scenario, server, who)) > _BUSY
                ]
                for turn in turns:
                    said += [f"{scenario}, {server}: {text}" for text in turn.outcome["complaints"][:2]]
        return said + [f"not measured: {what}: {why}" for what, why in self.missing.items()]

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
                    "ratio": {to: _rounded(self.ratio(scenario.name, server, to, chief)) for to in scenario.against},
                    "rounds": [turn.outcome for turn in turns],
                }
            measured[scenario.name] = {"title": scenario.title, "unit": scenario.unit, "servers": servers}
        goals = [
            {
                "goal": f"{each.goal.scenario}: {each.goal.text}",
                "limit": each.goal.limit,
                "measured": _rounded(each.value),
                "met": each.met,
                "remark": each.remark,
            }
            for each in verdicts(self)
        ]
        return {**self.facts, "missing": self.missing, "goals": goals, "scenarios": measured}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")
