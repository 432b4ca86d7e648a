"""What the bench's chart shows."""

from __future__ import annotations

from tools.bench.results import DIRECT, TITLES, Results
from tools.common.bar_chart import Panel, svg

_IN_A_ROW = 3
#: Scenario, value, and the panel's title.
_PANELS = (
    ("paced", "cpu_us", "Paced: CPU \u00b5s per token"),
    ("flood", "cpu_us", "Flood: CPU \u00b5s per token"),
    ("fixed", "cpu_us", "CPU \u00b5s per request"),
    ("open", "memory_kb", "Memory: KB per open stream"),
    ("delay", "delay_p50_ms", "Added delay: ms, p50"),
    ("delay", "delay_p99_ms", "Added delay: ms, p99"),
)


def chart(results: Results) -> str:
    """Draw what tokens, requests and open streams cost each server; "" where nothing of it was measured."""
    panels = []
    for scenario, figure, title in _PANELS:
        if servers := results.turns.get(scenario):
            values = {TITLES[name]: results.values(scenario, name, figure) for name in servers if name != DIRECT}
            panels.append(Panel(title, values))
    if not panels:
        return ""
    facts = results.facts
    machine = f"{facts['cores']} cores of {facts['cpu']}, {facts['kernel']}"
    others = f"Other work on the machine: {results.others():.1f} cores."
    return svg(
        [panels[start : start + _IN_A_ROW] for start in range(0, len(panels), _IN_A_ROW)],
        ours=TITLES["sluice"],
        title="What a token, a request and an open stream cost the server",
        explained="Less is better. Medians; thin lines are the spread over the rounds.",
        described="CPU time, memory and delay of Sluice and of its peers; less is better",
        foot=f"{facts['date'][:10]}, {machine}: {facts['command']}. {others}",
    )
