"""What a bridge says of itself in its `repr`, for tests that wait until its threads have come to a point."""

from __future__ import annotations

import re
from typing import Any

from sluice.service.concurrency.bridge import Bridge


def has_open_outlet(bridge: Bridge[Any]) -> bool:
    """Say whether the reader waits, so that the next item goes to the outlet."""
    return "outlet open" in repr(bridge)


def queued_items(bridge: Bridge[Any]) -> int:
    """Return how many items wait for the reader."""
    found = re.search(r"(\d+) of \d+ waiting", repr(bridge))
    assert found
    return int(found[1])
