"""The records that travel from a model to a reader: small, frozen, and nothing else.

A run numbers its events 1, 2, 3 and so on, in their order. A batch comes with the number of its first event, so no
record carries its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ..errors import ServiceError
from .usage import Usage


class Accepted(msgspec.Struct, frozen=True):
    """The model's server took the request and began to answer; no token has come yet."""


# Structs and not dataclasses: one of these is made for each token, and a frozen dataclass takes five times as long.
# They hold texts and numbers only, so the collector need not look at them.
class Text(msgspec.Struct, frozen=True, gc=False):
    """A part of the answer, which the model sent in that many chunks (one for each token, with most servers)."""

    text: str
    chunk_count: int = 1


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """A part of what the model thought before it answered, in that many chunks."""

    text: str
    chunk_count: int = 1


class Finished(msgspec.Struct, frozen=True):
    """The answer is whole. `reason` is the provider's word: `stop`, `length`, `content_filter`, ...

    From the model, `usage` is `None` where the provider did not say it; a run puts an estimate in its place.
    """

    reason: str
    usage: Usage | None


class Failed(msgspec.Struct, frozen=True):
    """The answer ended before it was whole."""

    error: ServiceError


Delta = Text | Reasoning
Event = Accepted | Delta | Finished | Failed
#: The number of the first event, and the events; none of them where nothing came for a heartbeat's time.
Batch = tuple[int, Sequence[Event]]
#: Takes events past an iteration that would bring them next, or says that it does not.
Offer = Callable[[Sequence[Event]], bool]
