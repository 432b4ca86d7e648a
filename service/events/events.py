"""The events of a run: small frozen records, passed from the provider to the reader.

A run numbers its events 1, 2, 3 and so on, in their order. A batch comes with the number of its first event, so no
record carries its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..errors import ServiceError
from .usage import Usage


# One is made for each token; a frozen dataclass takes five times as long. Without `gc`, as they hold no containers.
# Encoded, they are arrays that begin with their tag: stored runs have these, and they outlive a deploy.
class Text(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A part of the answer, which the model sent in that many chunks (one for each token, with most servers)."""

    text: str
    chunk_count: int = 1


class Reasoning(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """A part of what the model thought before it answered, in that many chunks."""

    text: str
    chunk_count: int = 1


class Finished(msgspec.Struct, frozen=True):
    """The answer is complete. `reason` is the provider's: `stop`, `length`, `content_filter` and others.

    `usage` is `None` where the provider counted none; the run replaces it by an estimate.
    """

    reason: str
    usage: Usage | None


class Failed(msgspec.Struct, frozen=True):
    """The answer ended before it was complete."""

    error: ServiceError


Delta = Text | Reasoning
Event = Delta | Finished | Failed
#: The number of the first event, and the events; no events where none came for the heartbeat's time.
Batch = tuple[int, Sequence[Event]]
