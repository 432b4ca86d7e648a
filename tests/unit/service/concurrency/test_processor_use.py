"""When a process counts as busy: by its own use of the processor, with two limits."""

from __future__ import annotations

import pytest

from sluice.service.concurrency import processor_use
from sluice.service.concurrency.processor_use import BUSY, INTERVAL, QUIET, ProcessorUse

#: The share of each look, and whether the process is busy after it.
LOOKS = [
    (0.0, False),
    (BUSY - 0.01, False),
    (BUSY + 0.01, True),
    (QUIET + 0.01, True),
    (1.0, True),
    (QUIET - 0.01, False),
    (BUSY - 0.01, False),
]


def test_a_process_is_busy_from_the_upper_limit_until_the_lower_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now, used = 0.0, 0.0
    monkeypatch.setattr(processor_use, "monotonic", lambda: now)
    monkeypatch.setattr(processor_use, "process_time", lambda: used)
    use = ProcessorUse()
    for share, is_busy in LOOKS:
        now += 2 * INTERVAL
        used += share * 2 * INTERVAL
        assert use.is_busy() is is_busy, share


def test_it_is_looked_at_once_in_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    looks = []
    monkeypatch.setattr(processor_use, "monotonic", lambda: now)
    monkeypatch.setattr(processor_use, "process_time", lambda: looks.append(now) or 0.0)
    use = ProcessorUse()
    for _ in range(100):
        now += INTERVAL / 50
        use.is_busy()
    assert len(looks) == 1 + 2
