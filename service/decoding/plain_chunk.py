"""Decode a chunk of the shape that most tokens of most providers have; `chunk_contents.py` reads all others."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec


# msgspec skips all other fields without making objects of them. `gc=False`: what is decoded from JSON has no
# reference cycles, so the collector need not track these objects.
class PlainDelta(msgspec.Struct, gc=False):
    """The text of one choice."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    #: A refusal is the model's answer to the person, in another field.
    refusal: str | None = None
    tool_calls: Any = None
    error: Any = None


class PlainChoice(msgspec.Struct, gc=False):
    """One choice of a chunk."""

    index: int = 0
    delta: PlainDelta | None = None
    finish_reason: str | None = None
    error: Any = None


class PlainChunk(msgspec.Struct, gc=False):
    """A chunk."""

    choices: list[PlainChoice] | None = None
    usage: Any = None
    error: Any = None


#: Used where a choice has no delta.
NO_DELTA = PlainDelta()
#: Used where data is not a chunk of this shape.
NO_CHUNK = PlainChunk()
#: Decodes a chunk. Raises `msgspec.MsgspecError`, `UnicodeDecodeError` or `RecursionError` for anything else.
decode_plain_chunk = msgspec.json.Decoder(PlainChunk).decode

# Only one choice is requested, but some providers send more.
_MOST_CHOICES = 16


class _ScannedChoice(msgspec.Struct, gc=False):
    """A `PlainChoice` whose parts of any size are only delimited."""

    index: int = 0
    delta: PlainDelta | None = None
    error: msgspec.Raw = msgspec.Raw()


class _ScannedChunk(msgspec.Struct, gc=False):
    """A `PlainChunk` whose parts of any size are only delimited."""

    choices: Annotated[list[_ScannedChoice], msgspec.Meta(max_length=_MOST_CHOICES)] = []
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_scan = msgspec.json.Decoder(_ScannedChunk).decode


def find_used_parts(data: bytes) -> list[bytes] | None:
    """Return the JSON of the fields that `decode_plain_chunk` decodes whatever they contain.

    Takes about a millisecond for a megabyte of fields that are not used, such as `logprobs`, and at most 15 ms.

    Args:
        data: The data of an event.

    Returns:
        The fields' JSON; None where the data is not a plain chunk with text.
    """
    try:
        chunk = _scan(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    deltas = [choice.delta or NO_DELTA for choice in chunk.choices if choice.index == 0]
    if not any(delta.content or delta.reasoning_content or delta.reasoning or delta.refusal for delta in deltas):
        return None
    return [bytes(field) for field in (chunk.usage, chunk.error, *(choice.error for choice in chunk.choices))]
