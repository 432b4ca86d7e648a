"""Stored runs under generated faults: kills, pauses, cuts, a slow store, lost and doubled answers, other clocks.

One seed is one simulation of several processes. `python -m tests.simulation -v SEED` repeats it and prints what
happened; `0:1000` tries many.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tools.common.gunicorn_server import REPOSITORY

from .world import World

#: Seeds of `make test`, of which one takes about 25 ms, and of the long form.
FEW, MANY = 300, 10_000
#: Seeds whose traces are compared.
COMPARED = range(40)


def try_seed(seed: int) -> None:
    try:
        World(seed).run()
    except Exception as error:
        pytest.fail(f"seed {seed}: {error}\nRepeat it: .venv/bin/python -m tests.simulation -v {seed}")


def traces() -> str:
    """Return what happens with some seeds."""
    lines = []
    for seed in COMPARED:
        world = World(seed)
        world.run()
        lines += world.traces
    return "\n".join(lines)


@pytest.mark.timeout(600)  # 8 s of a core; a busy machine may give it a fifteenth of one
def test_no_event_is_lost_and_each_reader_has_one_end_whatever_happens() -> None:
    for seed in range(FEW):
        try_seed(seed)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_event_is_lost_and_each_reader_has_one_end_with_ten_thousand_seeds() -> None:
    for seed in range(MANY):
        try_seed(seed)


def test_a_seed_does_the_same_each_time_and_in_each_process() -> None:
    here = traces()
    assert here == traces()
    program = "import sys; from tests.simulation.test_simulation import traces; sys.stdout.write(traces())"
    there = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "17"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert there.stdout == here
