"""What `SLUICE_PROVIDERS` names: providers, the models that each of them serves, and what their tokens cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: What a provider is asked by: `/chat/completions` or `/responses`.
Api = Literal["chat", "responses"]
# Prices are for so many tokens, as providers print them.
PRICED_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost, in money for a million of them."""

    input: float
    output: float
    #: The price of input that the provider had in its cache; None where it costs as much as other input.
    cached_input: float | None
    #: The code of ISO 4217, such as `USD`.
    currency: str

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Return what an answer costs, in money.

        Args:
            prompt_tokens: Tokens of the input, with the cached ones.
            completion_tokens: Tokens of the output, with reasoning.
            cached_tokens: How many of the input's tokens came from the provider's cache.
        """
        cached = min(cached_tokens, prompt_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        money = (prompt_tokens - cached) * self.input + cached * cached_price + completion_tokens * self.output
        return money / PRICED_TOKENS


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a provider serves."""

    #: The name that requests have.
    name: str
    #: The name that the provider knows.
    id: str
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider."""

    #: Its name in metrics and logs.
    name: str
    #: The URL of its API, up to and with `/v1`.
    base_url: str
    #: Its key; empty for none.
    key: str = field(default="", repr=False)
    #: What it serves; none where it is asked for any model.
    models: tuple[ServedModel, ...] = ()
    api: Api = "chat"


@dataclass(frozen=True, slots=True)
class Catalog:
    """All providers of the file, in its order; none where there is no file."""

    providers: tuple[Provider, ...] = ()
    #: The currency of the prices; empty where there are none.
    currency: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models, each once, in the order of the file."""
        return tuple(dict.fromkeys(model.name for provider in self.providers for model in provider.models))
