"""The events of a run: small frozen records, passed from the provider to the reader.

A run numbers its events 1, 2, 3 and so on, in their order. A batch comes with the number of its first event, so no
record carries its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


class ToolCall(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """The model calls a tool. All of the call has come."""

    call_id: str
    name: str
    #: JSON, as the model wrote it: perhaps broken.
    arguments: str
    #: Whether the tool runs only after a person has allowed it.
    needs_consent: bool = False
    #: JSON of the provider's own, to be sent back with the call; empty for none. No reader gets it.
    extra_content: str = ""


class ToolResult(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """What a tool of the application has returned to the model."""

    call_id: str
    name: str
    text: str
    #: Whether the text is about a failure.
    is_error: bool = False
    #: How long the tool took.
    seconds: float = 0.0
    #: How the call failed, where Sluice has written the text (`docs/reference/wire.md`); otherwise empty.
    code: str = ""


class Custom(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=7):
    """An event of the application, such as a citation or the progress of its work."""

    name: str
    #: JSON.
    data: bytes


class Chunks(msgspec.Struct, frozen=True, gc=False):
    """Chunks as the provider sent them, for a client of its API; and what they hold."""

    #: One or more JSON objects on a line each, with an event's end and `data: ` between them.
    frames: bytes
    text: str = ""
    reasoning: str = ""
    chunk_count: int = 1


class Finished(msgspec.Struct, frozen=True):
    """The answer is complete. `reason` is the provider's: `stop`, `length`, `content_filter` and others.

    `usage` is `None` where the provider counted none; the run replaces it by an estimate.
    """

    reason: str
    usage: Usage | None
    #: The provider's usage with all of its details, where it has sent one.
    reported: Mapping[str, Any] | None = None


class Failed(msgspec.Struct, frozen=True):
    """The answer ended before it was complete."""

    error: ServiceError


Delta = Text | Reasoning
Event = Delta | Chunks | ToolCall | ToolResult | Custom | Finished | Failed
#: The number of the first event, and the events; no events where none came for the heartbeat's time.
Batch = tuple[int, Sequence[Event]]
