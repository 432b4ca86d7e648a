"""Each call to a store is counted with its duration and outcome, and otherwise as it was."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluice.service.observability.metrics import Metrics
from sluice.service.runs.stores.base import Answer, Append, Batch, Refusal, RunStore, StoreFull, StoreUnavailable
from sluice.service.stored_runs.measured_store import MeasuredStore

OPERATIONS = [name for name, member in vars(RunStore).items() if inspect.iscoroutinefunction(member)]
# What each is called with, and answers.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    name: tuple(range(len(inspect.signature(getattr(RunStore, name)).parameters) - 1)) for name in OPERATIONS
} | {"append": ([],)}
ANSWERS: dict[str, Any] = {"append": [], "reap": []}


class Recording:
    """Answers each call by what a test has set."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.error: BaseException | None = None
        self.answers: dict[str, Any] = dict(ANSWERS)

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            if self.error is not None:
                raise self.error
            return self.answers.get(name, f"the answer of {name}")

        return call


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Return how often each operation had each outcome."""
    families = text_string_to_metric_families(metrics.exposition(0.0, 0).decode())
    return {
        (sample.labels["operation"], sample.labels["outcome"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "sluice_store_operation_duration_seconds_count"
    }


def number(metrics: Metrics, name: str) -> float:
    families = text_string_to_metric_families(metrics.exposition(0.0, 0).decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_call_is_passed_on_with_its_arguments_and_answer_and_counted(operation: str) -> None:
    store, metrics = Recording(), Metrics("provider")
    measured = MeasuredStore(store, metrics.stored)  # type: ignore[arg-type]
    arguments = ARGUMENTS[operation]
    answer = asyncio.run(getattr(measured, operation)(*arguments))
    assert store.calls == [(operation, arguments)]
    # What returns nothing returns nothing.
    assert answer in (None, store.answers.get(operation, f"the answer of {operation}"))
    assert counted(metrics) == {(operation, "ok"): 1}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StoreUnavailable("away"), "unavailable"),
        (StoreFull("full"), "full"),
        (asyncio.CancelledError(), "cancelled"),
        (RuntimeError("a defect"), "error"),
    ],
)
def test_a_failed_call_raises_what_the_store_raised_and_is_counted_as_that(
    error: BaseException, outcome: str
) -> None:
    store, metrics = Recording(), Metrics("provider")
    store.error = error
    measured = MeasuredStore(store, metrics.stored)  # type: ignore[arg-type]
    for operation in OPERATIONS:
        with pytest.raises(type(error)):
            asyncio.run(getattr(measured, operation)(*ARGUMENTS[operation]))
    assert counted(metrics) == {(operation, outcome): 1 for operation in OPERATIONS}


def test_bytes_count_where_the_store_took_them_and_lost_leases_where_this_process_ended_the_run() -> None:
    store, metrics = Recording(), Metrics("provider")
    measured = MeasuredStore(store, metrics.stored)  # type: ignore[arg-type]
    appends = [Append(f"run {size}", 1, Batch(1, 1, b"x" * size)) for size in (10, 200, 3000)]
    store.answers["append"] = [Answer(None, 2), Answer(Refusal.ENDED, 2), Answer(None, 2)]
    asyncio.run(measured.append(appends))
    store.answers["reap"] = ["one", "two"]
    asyncio.run(measured.reap(b"end"))
    assert number(metrics, "sluice_store_written_bytes_total") == 3010
    assert number(metrics, "sluice_store_leases_lost_total") == 2
    assert number(metrics, "sluice_stored_runs_ended_total") == 2
