"""Waits for what other threads or processes do, where they offer nothing to wait on."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], within: float, *, pause: float = 0.001) -> None:
    """Wait until a condition holds; fail after ``within`` seconds. It is looked at every ``pause`` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(pause)
