"""Decode a chunk of the shape that most tokens of most providers have; `chunk_contents.py` reads all others."""

from __future__ import annotations

from typing import Any

import msgspec


# msgspec skips all other fields without making objects of them. `gc=False`: what is decoded from JSON has no circles,
# and the collector would look through a million of these in vain.
class PlainDelta(msgspec.Struct, gc=False):
    """The text of one choice."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    #: A refusal is the model's answer to the person, in another field.
    refusal: str | None = None


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
