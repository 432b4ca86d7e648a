"""Waits for what other threads or processes do, where they offer nothing to wait on."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], bool], within: float, what: str = "the condition", *, pause: float = 0.001
) -> None:
    """Wait until a condition holds.

    Args:
        condition: What to wait for.
        within: Seconds after which the test fails.
        what: Names the condition where it does not hold in time.
        pause: Seconds between two checks.
    """
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(pause)
