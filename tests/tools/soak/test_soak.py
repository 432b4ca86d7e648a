"""A short soak, which runs with every other test; and what its verdict rests on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tools.soak.plans import CODES, FAULTS, MANNERS, plan_of
from tools.soak.run import Soak, defects
from tools.soak.samples import TOLERANCES, Sample, WorkerSample, growth, theil_sen

# Each manner and each fault comes up about ten times, and what a visit leaves behind shows. What grows slowly takes
# `make soak`.
SECONDS = 20.0


def test_disconnects_and_model_failures_leak_nothing(tmp_path: Path) -> None:
    soak = Soak(SECONDS, seed=1, directory=tmp_path, interval=0.25, kills_wanted=1)
    assert soak.run(), "\n".join(soak.complaints)
    assert soak.outcomes["done"] > 100
    assert soak.outcomes["left"] > 30
    assert len(soak.kills) == 1
    report = (tmp_path / "report.html").read_text()
    assert report.count("<svg") == 8
    assert "<dt>Seed</dt><dd>1</dd>" in report
    seen = json.loads((tmp_path / "figures.json").read_text())["samples"]
    assert seen["visits"] == [sample.visits for sample in soak.samples]
    # The worker that was killed, its successor, and the one that lived throughout.
    assert [len(memory) for memory in seen["memory"].values()] == [len(seen["at"])] * 3
    assert sum(None not in memory for memory in seen["memory"].values()) == 1


def test_a_run_that_is_stopped_early_still_reports(tmp_path: Path) -> None:
    soak = Soak(60.0, seed=2, directory=tmp_path)
    soak.stop.set()
    assert soak.run(), "\n".join(soak.complaints)
    assert (tmp_path / "report.html").exists()


def test_an_exception_in_the_log_is_reported_whole_with_the_lines_before_it() -> None:
    well = "2026-11-25 16:00:00.000 INFO sluice.run [a] run=a outcome=disconnected code=-\n"
    why = "2026-11-25 16:00:01.000 WARNING sluice.run [b] internal: ValueError: no\n"
    account = "2026-11-25 16:00:01.001 INFO sluice.run [b] run=b outcome=error code=internal\n"
    traced = (
        "2026-11-25 16:00:02.000 ERROR sluice.web [c] unhandled exception in a stream\n"
        '    Traceback (most recent call last):\n      File "web/stream.py", line 1, in f\n    ValueError: no\n'
    )
    assert defects(well + well) == []
    assert defects(well + why + account + well + traced + well) == [(why + account).strip(), traced.strip()]


def test_a_plan_is_reproducible_and_a_fifth_of_its_clients_disconnect() -> None:
    plans = [plan_of(7, index) for index in range(2000)]
    assert plans == [plan_of(7, index) for index in range(2000)]
    assert plans[:50] != [plan_of(8, index) for index in range(50)]
    share = sum(plan.manner == "disconnects" for plan in plans) / len(plans)
    assert 0.17 < share < 0.23
    assert {plan.fault for plan in plans} == set(FAULTS) == set(CODES)
    assert {plan.manner for plan in plans} == set(MANNERS)


def samples(memory_per_minute: float, *, noise: float) -> list[Sample]:
    """Return ten minutes of a worker that grows, under noise and with wild peaks."""
    draw = random.Random(3)
    found = []
    for second in range(600):
        peak = 80.0 if draw.random() < 0.1 else 0.0
        memory = 80.0 + memory_per_minute * second / 60 + draw.uniform(-noise, noise) + peak
        found.append(
            Sample(float(second), {1: WorkerSample(memory, 30, 25, draw.randint(0, 24), draw.randint(0, 24))})
        )
    return found


def test_the_slope_finds_a_leak_under_noise_and_ignores_a_single_peak() -> None:
    limit = TOLERANCES[0]
    assert limit.figure == "memory"
    assert all(found.good for found in growth(samples(0.0, noise=10.0), 150.0))
    leaking = {found.tolerance.figure: found for found in growth(samples(3.0, noise=10.0), 150.0)}
    assert not leaking["memory"].good
    assert leaking["memory"].grown == pytest.approx(3.0 * 450 / 60, rel=0.2)
    assert leaking["descriptors"].good


def test_a_late_worker_gets_time_to_settle() -> None:
    seen = samples(0.0, noise=1.0)
    for sample in seen[300:]:
        filling = min(50.0, sample.at - 300.0)
        sample.workers[2] = WorkerSample(40.0 + filling, 30, 25, 0, 0)
    judged = growth(seen, 150.0)
    assert {found.worker for found in judged} == {1, 2}
    assert all(found.good for found in judged)
    assert {found.worker for found in growth(seen[:310], 150.0)} == {1}


def test_theil_sen_ignores_a_quarter_of_wild_points() -> None:
    line = [(float(x), 2.0 * x + (1000.0 if x % 4 == 0 else 0.0)) for x in range(100)]
    assert theil_sen(line) == pytest.approx(2.0, abs=0.5)
