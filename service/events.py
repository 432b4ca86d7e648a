"""The records that travel from a model to a reader: small, frozen, and nothing else.

A run's events are numbered from 1 in the order in which they crossed; the number of an event is its position,
which is why no record carries it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ServiceError
from .usage import Usage


@dataclass(frozen=True, slots=True)
class Accepted:
    """The model's server took the request and began to answer; no word has come yet."""


@dataclass(frozen=True, slots=True)
class Text:
    """A part of the answer, which the model sent in that many pieces (tokens, with most servers)."""

    text: str
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A part of what the model thought before it answered, in that many pieces."""

    text: str
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole. `reason` is the provider's word: `stop`, `length`, `content_filter`, ...

    From the model, `usage` is `None` where the provider did not say it; a run puts an estimate in its place.
    """

    reason: str
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer ended before it was whole."""

    error: ServiceError


Event = Accepted | Text | Reasoning | Finished | Failed
