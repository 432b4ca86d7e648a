"""Measure the time from a client's close to the end of its model call: `python -m tests.faults.closes [closes]`.

Not a test: it prints what docs/explanation/reliability.md quotes. The model and the client share the machine with the
server.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from tests.support.disconnects import measure_abort
from tests.support.fault_server import start_fault_server
from tests.support.repeated import percentile
from tools.common.raw_client import RawClient
from tools.common.scripted_model import stalling_after


def measure(closes: int) -> list[float]:
    """Close that many streams in the middle, every second one with a reset; return the seconds that each took."""
    ways = (RawClient.close, RawClient.reset)
    with start_fault_server(warm=2) as running_server:
        running_server.model.default = stalling_after("Hello")
        before = len(running_server.model.exchanges)
        return [
            measure_abort(running_server.url, running_server.model, ways[number % 2], number=before + number + 1)
            for number in range(closes)
        ]


def main() -> None:
    """Measure and print."""
    closes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    took = [seconds * 1000 for seconds in measure(closes)]
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}: "
        f"{closes} closes, client close to model abort: p50 {percentile(took, 0.5):.1f} ms, "
        f"p99 {percentile(took, 0.99):.1f} ms, most {max(took):.1f} ms"
    )


if __name__ == "__main__":
    main()
