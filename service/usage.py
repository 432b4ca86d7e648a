"""What an answer cost, in tokens: as the provider counted, or else as well as can be estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# OpenAI's own rule of thumb for English (https://help.openai.com/en/articles/4936856): a token is about 4 characters.
# Chinese is nearer to one token a character, which is how many bytes of UTF-8 (3) this rule makes of it, about.
BYTES_PER_TOKEN = 4
# Role and delimiters of each message, as in OpenAI's cookbook on counting tokens.
TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    #: Whether we estimated it, because the provider did not say or the answer was cut off before it could.
    estimated: bool = False

    def fields(self) -> dict[str, Any]:
        """Return it as the wire has it: `estimated` only where it is true."""
        fields: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }
        return {**fields, "estimated": True} if self.estimated else fields


def estimate_usage(prompts: Sequence[str], pieces: int, completion_bytes: int) -> Usage:
    """Estimate what an answer cost.

    Args:
        prompts: The texts of all messages that were sent.
        pieces: How many pieces of text the model sent. Most servers send a token in each, so there were at least
            that many.
        completion_bytes: The size of those pieces together.
    """
    prompt = sum(TOKENS_PER_MESSAGE + len(text.encode(errors="replace")) // BYTES_PER_TOKEN for text in prompts)
    completion = max(pieces, completion_bytes // BYTES_PER_TOKEN)
    return Usage(prompt, completion, prompt + completion, estimated=True)
