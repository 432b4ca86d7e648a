"""What Sluice should reach beside its peers, and whether a run shows that it does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.bench.results import Results

#: The streams that the goals of a scenario speak of; what a run with fewer shows is less.
MANY: Final = {"open": 1000, "open10k": 10_000, "burst": 1000}


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal.

    Attributes:
        scenario: In which scenario it is measured.
        text: What is asked of Sluice.
        limit: The bound; see `below`.
        figure: What was measured, of a run; NaN where it says nothing of it.
        form: How a value is written.
        below: Whether the value must stay below the limit, instead of at most reaching it.
        rounds: The same of each round, for the spread.
    """

    scenario: str
    text: str
    limit: float
    figure: Callable[[Results], float]
    form: str = "{:.3f}"
    below: bool = False
    rounds: Callable[[Results], list[float]] = lambda results: []


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run says of one goal. `met` is None where it says nothing."""

    goal: Goal
    value: float
    met: bool | None
    spread: tuple[float, float] | None = None
    remark: str = ""

    @property
    def wanted(self) -> str:
        """The limit in words."""
        limit = self.goal.form.format(self.goal.limit)
        return f"below {limit}" if self.goal.below else f"at most {limit}"

    @property
    def measured(self) -> str:
        """The value in words."""
        if math.isnan(self.value):
            return "-"
        beside = [self.remark] if self.remark else []
        if self.spread is not None:
            beside.insert(0, " to ".join(self.goal.form.format(value) for value in self.spread))
        return self.goal.form.format(self.value) + (f" ({', '.join(beside)})" if beside else "")

    @property
    def word(self) -> str:
        """Whether it is met."""
        return "not shown" if self.met is None else "met" if self.met else "not met"


def _ratio(scenario: str, to: str, text: str, limit: float, form: str = "{:.3f}") -> Goal:
    return Goal(
        scenario,
        text,
        limit,
        lambda results: results.ratio(scenario, "sluice", to, "cpu_us"),
        form,
        rounds=lambda results: results.ratios(scenario, "sluice", to, "cpu_us"),
    )


def _kept(server: str, text: str, limit: float) -> Goal:
    return Goal(
        "continue",
        text,
        limit,
        lambda results: results.ratio("continue", server, "sluice", "cpu_us"),
        rounds=lambda results: results.ratios("continue", server, "sluice", "cpu_us"),
    )


def _encoded(scenario: str, to: str, text: str, limit: float) -> Goal:
    return Goal(
        scenario,
        text,
        limit,
        lambda results: results.ratio(scenario, "sluice-openai", to, "cpu_us"),
        rounds=lambda results: results.ratios(scenario, "sluice-openai", to, "cpu_us"),
    )


def _median(scenario: str, figure: str, text: str, limit: float, form: str, *, below: bool = False) -> Goal:
    return Goal(
        scenario,
        text,
        limit,
        lambda results: results.median(scenario, "sluice", figure),
        form,
        below,
        lambda results: results.values(scenario, "sluice", figure),
    )


def _lost(scenario: str, text: str) -> Goal:
    def lost(results: Results) -> float:
        whole, asked = results.whole(scenario, "sluice")
        return asked - whole if asked else math.nan

    return Goal(scenario, text, 0, lost, "{:.0f}")


def _slowest_health(results: Results) -> float:
    return results.worst("open", "sluice", "health_max_ms")


def _refusal(results: Results) -> float:
    request = results.median("fixed", "sluice", "cpu_us")
    return results.median("refusals", "sluice", "cpu_us") / request if request else math.nan


def _lost_of_readers(results: Results) -> float:
    whole, asked = results.whole("readers", "sluice-sqlite")
    return asked - whole if asked else math.nan


GOALS: Final = (
    _ratio("paced", "fastapi", "CPU per token, as a share of FastAPI's", 1 / 4),
    _ratio("paced", "asgi", "CPU per token, as a share of the hand-tuned ASGI server's", 1),
    _ratio("flood", "fastapi", "CPU per token, as a share of FastAPI's", 1 / 35, "{:.4f}"),
    _ratio("flood", "nginx", "CPU per token, as a multiple of nginx's", 2),
    _ratio("fixed", "fastapi", "CPU per request, as a share of FastAPI's", 1),
    _lost("open", "1,000 streams on one worker: answers that are not whole"),
    Goal("open", "1,000 streams on one worker: the slowest /healthz", 100, _slowest_health, "{:.1f} ms", below=True),
    _median("open", "memory_kb", "1,000 streams on one worker: memory of each", 64, "{:.1f} KB"),
    _lost("open10k", "10,000 streams on one worker: answers that are not whole"),
    _median("open10k", "memory_kb", "10,000 streams on one worker: memory of each", 30, "{:.1f} KB"),
    _median("open10k", "health_p99_ms", "10,000 streams on one worker: /healthz, p99", 50, "{:.1f} ms", below=True),
    _median("burst", "first_token_p50_ms", "1,000 chats at once: first token, p50", 1000, "{:.0f} ms", below=True),
    Goal("refusals", "CPU per refusal, as a share of a request's", 1 / 3, _refusal),
    _kept("sluice-sqlite", "CPU per token with SQLite, as a multiple of one that is not kept", 1.15),
    _kept("sluice-valkey", "CPU per token with Valkey, as a multiple of one that is not kept", 1.2),
    _encoded("encodings", "sluice", "CPU per token of OpenAI's API, as a multiple of one of /api/chat", 1),
    _encoded("encodings-flood", "nginx", "CPU per token of OpenAI's API, as a multiple of nginx's", 1.5),
    Goal("readers", "100 readers of one answer: answers that are not whole", 0, _lost_of_readers, "{:.0f}"),
    _median("delay", "delay_p50_ms", "added delay at half load, p50", 2, "{:.2f} ms", below=True),
    _median("delay", "delay_p99_ms", "added delay at half load, p99", 15, "{:.2f} ms", below=True),
)


def verdicts(results: Results) -> list[Verdict]:
    """Judge a run by every goal, in their order."""
    found = []
    for goal in GOALS:
        value = goal.figure(results)
        met = None if math.isnan(value) else value < goal.limit if goal.below else value <= goal.limit
        rounds = goal.rounds(results)
        spread = (min(rounds), max(rounds)) if len(rounds) > 1 else None
        streams = results.streams(goal.scenario)
        if 0 < streams < MANY.get(goal.scenario, 0):
            found.append(Verdict(goal, value, None, spread, f"with {streams:,} streams only"))
        else:
            found.append(Verdict(goal, value, met, spread))
    return found
