"""The metrics of stored runs: few labels, and no failure of theirs reaches the code that counts."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.service.observability.metric_values import MetricValues
from sluice.service.observability.metrics import Metrics


def shown(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return the numbers of `/metrics` by their name and the values of their labels."""
    families = text_string_to_metric_families(metrics.exposition(0.0, 0).decode())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_what_runs_now_is_shown_as_it_is_and_not_added_up() -> None:
    metrics = Metrics("provider")
    for attended, unattended, readers, lag in ((3, 2, 5, 0.5), (1, 0, 1, 0.0)):
        metrics.stored.observe_runs(attended=attended, unattended=unattended, readers=readers, lag=lag)
        numbers = shown(metrics)
        assert numbers["sluice_stored_runs", "attended"] == attended
        assert numbers["sluice_stored_runs", "unattended"] == unattended
        assert numbers["sluice_stored_run_readers",] == readers
        assert numbers["sluice_store_lag_seconds",] == lag


def test_a_finish_reason_that_no_provider_should_have_gets_no_label_of_its_own() -> None:
    metrics = Metrics("provider")
    for number in range(50):
        metrics.stored.ended("completed", f"reason {number}")
    metrics.stored.ended("completed", "stop")
    metrics.stored.ended("stopped", "abandoned")
    ended = {key[1:]: count for key, count in shown(metrics).items() if key[0] == "sluice_stored_runs_ended_total"}
    assert {frozenset(labels): count for labels, count in ended.items()} == {
        frozenset({"completed", "other"}): 50,
        frozenset({"completed", "stop"}): 1,
        frozenset({"stopped", "abandoned"}): 1,
    }


def test_a_failure_to_count_stored_runs_reaches_nobody_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics("provider")
    stored = metrics.stored

    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        for name in ("add", "set"):
            patch.setattr(MetricValues, name, fail)
        stored.observe_runs(attended=1, unattended=1, readers=1, lag=1.0)
        stored.ended("completed", "stop")
        stored.resumed("local")
        stored.kept_attached("full")
        stored.observe_call("append", "ok", 0.1)
        stored.wrote(1)
        stored.reaped(1)
        stored.left_unwritten(1)
    assert shown(metrics)["sluice_metrics_failures_total",] == 8
