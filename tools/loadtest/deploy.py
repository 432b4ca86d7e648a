"""A deployment in the middle of a load test: a signal to our own server, and what its clients see of it."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from .driver import Driver
from .outcome import Outcome
from .own_server import OwnServer

# Longer than the server's own limits: 25 s for open replies and 5 to close them.
WAIT_TIMEOUT = 60.0


@dataclass
class Deployment:
    """What happened. Times are seconds since the start of the test; None is what was not seen.

    Attributes:
        kind: HUP replaces the workers, TERM ends the server, which is then started again at the same address.
        at: When the signal was sent.
        old_gone: When the old workers, or the old server, had left.
        back: When the new ones answered.
        open_then: The requests that were open at the signal.
    """

    kind: Literal["HUP", "TERM"]
    at: float | None = None
    old_gone: float | None = None
    back: float | None = None
    trouble: str = ""
    open_then: list[Outcome] = field(default_factory=list, repr=False)

    async def carry_out(self, driver: Driver, own: OwnServer, after: float) -> None:
        """Wait `after` seconds, send the signal, watch what follows."""
        measurement = driver.measurement
        await asyncio.sleep(after)
        server = own.server
        workers = server.worker_pids()
        self.open_then = driver.open_outcomes()
        self.at = measurement.now()
        measurement.mark(f"SIG{self.kind}")
        server.signal(signal.Signals[f"SIG{self.kind}"])
        try:
            if self.kind == "HUP":
                await asyncio.to_thread(
                    server.wait_workers, len(workers), without=workers, timeout=WAIT_TIMEOUT
                )  # fmt: skip
                self.old_gone = self.back = measurement.now()
                measurement.mark("old workers gone")
            else:
                await asyncio.to_thread(server.wait_exit, WAIT_TIMEOUT)
                self.old_gone = measurement.now()
                measurement.mark("old server gone")
                await asyncio.to_thread(own.start_again)
                self.back = measurement.now()
                measurement.mark("new server ready")
        except AssertionError as error:
            self.trouble = str(error).partition("\n")[0]

    def fates(self) -> Counter[str]:
        """Return how the requests that were open at the signal ended."""
        return Counter(fate(outcome) for outcome in self.open_then)

    def later_failures(self, outcomes: list[Outcome]) -> Counter[str]:
        """Return the failures, by code, of requests that began after the signal."""
        later = [outcome for outcome in outcomes if self.at is not None and outcome.due >= self.at]
        return Counter(outcome.code for outcome in later if outcome.status in ("incomplete", "error"))

    def outage(self, outcomes: list[Outcome]) -> float | None:
        """Return the time from the first request that failed after the signal to the first that no failure followed.

        Zero where none failed; None where the failures did not end, or where none began.
        """
        if self.at is None:
            return None
        good = sorted(each.due for each in outcomes if each.status == "success" and each.due >= self.at)
        failed = sorted(
            each.due for each in outcomes if each.status in ("error", "incomplete") and each.due >= self.at
        )
        if not failed:
            return 0.0 if good else None
        after_last = [moment for moment in good if moment > failed[-1]]
        return after_last[0] - failed[0] if after_last else None


def fate(outcome: Outcome) -> str:
    """Return how a request ended, in one word."""
    return outcome.code or {"success": "whole"}.get(outcome.status, outcome.status)
