"""Requests that are repeated while a test does something else, and how long they took."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tools.common.raw_client import fetch


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


class RepeatedAction:
    """Do something again and again in its own thread while the block runs; keep times and failures.

    Args:
        action: What to do; its exceptions are kept in `failures`.
        pause: Seconds between two times.
    """

    def __init__(self, action: Callable[[], object], *, pause: float = 0.01) -> None:
        self.took: list[float] = []
        self.results: list[object] = []
        self.failures: list[BaseException] = []
        self._action = action
        self._pause = pause
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="repeated", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "a repeated action did not end"

    def wait_times(self, n: int, timeout: float = 20.0) -> None:
        """Wait until it was done that many times more than now."""
        with self._changed:
            goal = self.done + n
            assert self._changed.wait_for(lambda: self.done >= goal, timeout), f"{self.done} of {goal} times"

    @property
    def done(self) -> int:
        """How often it was done, failures included."""
        return len(self.took) + len(self.failures)

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            began = time.monotonic()
            try:
                result = self._action()
            except Exception as error:
                with self._changed:
                    self.failures.append(error)
                    self._changed.notify_all()
            else:
                with self._changed:
                    self.took.append(time.monotonic() - began)
                    self.results.append(result)
                    self._changed.notify_all()


def repeat_requests(url: str, path: str = "/healthz", timeout: float = 5.0) -> RepeatedAction:
    """Request a path again and again; a result is the status."""
    return RepeatedAction(lambda: fetch(url, path, timeout=timeout).status)
