"""Every metric of `/metrics`: made of what a `Metrics` object exposes once all of it has been counted."""

from __future__ import annotations

from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from sluice.service.events.usage import Usage
from sluice.service.observability.instruments import Counter, Gauge, Histogram
from sluice.service.observability.metrics import Metrics

from .markdown import code, table

# Parts of a histogram, not labels of ours.
_OF_BUCKETS: Final = {"le"}


def metrics() -> str:
    """Return the table of all metrics, with their types and labels.

    Raises:
        ValueError: A metric has not been counted here, so that its labels are not known.
    """
    families = _families()
    rows = []
    for family in sorted(families, key=lambda family: family.name):
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown = ", ".join(code(label) for label in sorted(labels) if label not in _OF_BUCKETS)
        rows.append([code(name), family.type, shown, family.documentation])
    return table(["Name", "Type", "Labels", "Meaning"], rows)


def _families() -> list[Metric]:
    counted = Metrics("provider")
    counted.opened()
    counted.refused("overloaded")
    counted.retried("upstream_unavailable")
    counted.attempt_failed("provider", "upstream_unavailable")
    counted.tool_called("search", "done", 0.1)
    counted.ended(
        outcome="done",
        code="",
        source="api",
        mode="stream",
        provider="provider",
        model="model",
        duration=1.0,
        first_token=0.1,
        usage=Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2, cost=0.1),
        currency="USD",
    )
    stored = counted.stored
    stored.observe_runs(attended=1, unattended=1, readers=1, lag=0.0)
    stored.ended("completed", "stop")
    stored.resumed("local")
    stored.kept_attached("full")
    stored.observe_call("append", "ok", 0.001)
    text = counted.exposition(0.0, 0).decode()
    families: list[Metric] = list(text_string_to_metric_families(text))
    registered = [
        each
        for each in (*vars(counted).values(), *vars(stored).values())
        if isinstance(each, Counter | Gauge | Histogram)
    ]
    if len(families) != len(registered):
        raise ValueError(
            f"Metrics has {len(registered)} metrics, and only {len(families)} of them are counted: "
            "tools/reference/metrics_page.py should count all of them"
        )
    return families
