"""What an answer costs: its usage with the price of the provider that was asked."""

from __future__ import annotations

import dataclasses

from ..events.usage import COST_DECIMALS, Usage
from ..settings.providers import Price


def with_cost(usage: Usage, price: Price | None) -> Usage:
    """Return a usage with its cost.

    Args:
        usage: The tokens. One that has a cost keeps it.
        price: That of the provider; None where there is none.
    """
    if price is None or usage.cost is not None:
        return usage
    cost = price.cost(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    return dataclasses.replace(usage, cost=round(cost, COST_DECIMALS))
