"""What an answer cost: as the provider counted the tokens, or else as well as they can be estimated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# OpenAI's own rule of thumb for English (https://help.openai.com/en/articles/4936856): a token is about 4 characters.
# Chinese is nearer to one token a character, which is how many bytes of UTF-8 (3) this rule makes of it, about.
BYTES_PER_TOKEN = 4
# Counts above it are no counts: the metrics' floats could not hold them.
MOST_TOKENS = 2**53
# Decimals of a cost. One token of the cheapest models costs 2e-8; what is behind that is the floats' own.
COST_DECIMALS = 10
# Role and delimiters of each message, as in OpenAI's cookbook on counting tokens.
TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost: in tokens, and in money where prices are set."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    #: Whether we estimated it, because the provider reported none or the answer was cut off before its usage.
    estimated: bool = False
    #: Money, in the currency of the prices; `None` where no price is set.
    cost: float | None = None
    #: How many tokens of the prompt came from the provider's cache, as far as it says.
    cached_tokens: int = 0

    def fields(self) -> dict[str, Any]:
        """Return it as the wire has it: `estimated`, `cost` and `cached_tokens` only where they say something."""
        fields: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }
        if self.cached_tokens:
            fields["cached_tokens"] = self.cached_tokens
        if self.estimated:
            fields["estimated"] = True
        if self.cost is not None:
            fields["cost"] = self.cost
        return fields


def sum_usages(usages: Sequence[Usage | None]) -> Usage | None:
    """Return what several answers cost together; `None` where one of them was not counted.

    They cost money where at least one of them does.
    """
    counted = [usage for usage in usages if usage is not None]
    if len(counted) < len(usages):
        return None
    costs = [usage.cost for usage in counted if usage.cost is not None]
    return Usage(
        sum(usage.prompt_tokens for usage in counted),
        sum(usage.completion_tokens for usage in counted),
        sum(usage.total_tokens for usage in counted),
        estimated=any(usage.estimated for usage in counted),
        cost=round(sum(costs), COST_DECIMALS) if costs else None,
        cached_tokens=sum(usage.cached_tokens for usage in counted),
    )


def usage_from(reported: object) -> Usage | None:
    """Read the usage that a provider reports, whatever its shape.

    Args:
        reported: The value of `usage`: an object with the names of OpenAI, or of Anthropic and DashScope. Its counts
            may be integers, floats or texts.

    Returns:
        The counts, or `None` where the value has none. An answer with an unreadable usage is still a whole answer.
    """
    if not isinstance(reported, dict):
        return None
    prompt = _first_count(reported, "prompt_tokens", "input_tokens")
    completion = _first_count(reported, "completion_tokens", "output_tokens")
    total = _count(reported.get("total_tokens"))
    if total is not None:
        if prompt is None and completion is not None:
            prompt = max(0, total - completion)
        elif completion is None and prompt is not None:
            completion = max(0, total - prompt)
    if prompt is None or completion is None:
        return None
    return Usage(
        prompt, completion, prompt + completion if total is None else total, cached_tokens=_cached_count(reported)
    )


def _cached_count(reported: dict[str, Any]) -> int:
    """Return how many tokens of the prompt came from the provider's cache; 0 where it does not say."""
    for name in ("prompt_tokens_details", "input_tokens_details"):  # OpenAI's two APIs
        details = reported.get(name)
        if isinstance(details, dict) and (count := _count(details.get("cached_tokens"))) is not None:
            return count
    # DeepSeek; Moonshot.
    return _first_count(reported, "prompt_cache_hit_tokens", "cached_tokens") or 0


def _first_count(reported: dict[str, Any], *names: str) -> int | None:
    for name in names:
        if (count := _count(reported.get(name))) is not None:
            return count
    return None


def _count(reported: object) -> int | None:
    if type(reported) is int and 0 <= reported <= MOST_TOKENS:  # what providers send
        return reported
    if isinstance(reported, bool) or not isinstance(reported, int | float | str):
        return None
    try:
        number = float(reported) if isinstance(reported, str) else reported
    except ValueError:
        return None
    # Written so that NaN is none.
    return math.floor(number) if 0 <= number <= MOST_TOKENS else None


def estimate_usage(prompts: Sequence[str], chunk_count: int, completion_bytes: int) -> Usage:
    """Estimate what an answer cost.

    Args:
        prompts: The texts of all messages that were sent. Images count for nothing.
        chunk_count: How many chunks of text the model sent. Most servers send a token in each, so there were at least
            that many.
        completion_bytes: The size of their text together.
    """
    prompt = sum(TOKENS_PER_MESSAGE + len(text.encode(errors="replace")) // BYTES_PER_TOKEN for text in prompts)
    completion = max(chunk_count, completion_bytes // BYTES_PER_TOKEN)
    return Usage(prompt, completion, prompt + completion, estimated=True)
