"""How many examples a property is tried with."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

LONG: Final = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def tried(examples: int, long: int = 10_000) -> settings:
    """Return the settings of a property.

    Args:
        examples: How many examples `make test` takes.
        long: How many the long profile takes.
    """
    return settings(
        max_examples=long if LONG else examples,
        derandomize=not LONG,
        # A busy machine is slow; that an example never hangs is bounded by the client's own time limits.
        deadline=None,
        # Rare events are worth the search for them, and the leak oracle looks around the whole test on purpose.
        suppress_health_check=[
            HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large,
            HealthCheck.function_scoped_fixture,
        ],
    )  # fmt: skip
