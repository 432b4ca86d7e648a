"""Keep a provider's chunks as they came, for clients of its own API.

What is not a chunk is left out: pings, errors, the end, and the usage, which the end of the answer carries. What
comes in another shape than OpenAI's is written as chunks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..events.events import Chunks, Delta, Reasoning, Text
from .chunk_contents import ChunkContents
from .chunk_writer import ChunkWriter, to_json
from .json_values import decode_json

# An event's end, and the beginning of the next one's data.
SEPARATOR = b"\n\ndata: "
# They end no line of an event stream, but clients that use a library's `splitlines` would break there. Inside JSON
# they are in strings, where their escapes mean the same.
_LINE_LIKE = re.compile(b"\x7f|\xc2\x85|\xe2\x80\xa8|\xe2\x80\xa9")
_ESCAPES = {b"\x7f": b"\\u007f", b"\xc2\x85": b"\\u0085", b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029"}
_REASONING_NAMES = ("reasoning_content", "reasoning")


class ForwardedChunks:
    """The chunks of one answer that were not handed on yet."""

    def __init__(self, writer: ChunkWriter, *, both_names: bool = False) -> None:
        """Begin an answer.

        Args:
            writer: Writes what does not come as chunks.
            both_names: Whether reasoning is sent under both of its names, `reasoning_content` and `reasoning`.
        """
        self._writer = writer
        self._both_names = both_names
        self._frames: list[bytes] = []
        #: Gets a chunk with text as it came, unless it has usage, too; None where each has to be looked at.
        self.unchanged = None if both_names else self._frames
        #: Whether something was handed on. Before, a chunk that holds nothing but a role is kept back: after a
        #: failure another attempt would send it again.
        self._has_begun = False

    def add_object(self, value: dict[str, Any], data: bytes, contents: ChunkContents | None) -> None:
        """Add a chunk of any shape, unless it holds no part of the answer.

        Args:
            value: The chunk.
            data: Its JSON.
            contents: What it holds; None where it has the usual shape.
        """
        choices = value.get("choices")
        if not choices:
            return
        if contents is not None and not _is_chunk(choices):
            self._add_contents(contents)
            return
        # NaN is no JSON.
        is_changed = b"NaN" in data or b"Infinity" in data
        if isinstance(value.get("usage"), dict):
            value = {**value, "usage": None}
            is_changed = True
        if self._both_names and _name_twice(choices):
            is_changed = True
        if _leave_out_errors(choices):
            is_changed = True
        self._frames.append(to_json(value) if is_changed else data)

    @property
    def reasoning_names(self) -> tuple[str, ...]:
        """The names under which reasoning is written."""
        return _REASONING_NAMES if self._both_names else _REASONING_NAMES[:1]

    def write(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        """Add a chunk that is written here; the arguments are those of `ChunkWriter.write`."""
        self._frames.append(self._writer.write(delta, finish_reason))

    def take(self, deltas: Sequence[Delta], *, is_shown: bool) -> list[Chunks]:
        """Return the chunks that were added since, as one event, or none where there is nothing to hand on.

        Args:
            deltas: What they hold.
            is_shown: Whether the answer has a part that a reader would see, or has ended.
        """
        chunk_count = len(self._frames)
        if not chunk_count or not (self._has_begun or is_shown):
            return []
        self._has_begun = True
        # A token, nearly always: what is left out for it is a tenth of its price.
        frames = self._frames[0] if chunk_count == 1 else SEPARATOR.join(self._frames)
        if b"\r" in frames or (b"\n" in frames and frames.count(b"\n") != 2 * (chunk_count - 1)):
            # Further lines would not belong to the frame's data.
            frames = SEPARATOR.join([to_json(decode_json(data)) for data in self._frames])
        # A search for a byte takes a hundredth of that for two of them, or for the expression.
        if b"\xe2" in frames or b"\xc2" in frames or b"\x7f" in frames:
            frames = _LINE_LIKE.sub(lambda match: _ESCAPES[match[0]], frames)
        self._frames.clear()
        text = reasoning = ""
        for delta in deltas:  # one, or one of each kind
            if type(delta) is Text:
                text += delta.text
            elif type(delta) is Reasoning:
                reasoning += delta.text
        return [Chunks(frames, text, reasoning, chunk_count)]

    def drop(self) -> None:
        """Forget the chunks that were added since."""
        self._frames.clear()

    def _add_contents(self, contents: ChunkContents) -> None:
        """Write chunks for what a server sends in another shape, such as a whole message."""
        for is_reasoning, text in contents.parts:
            names = self.reasoning_names if is_reasoning else ("content",)
            self.write(dict.fromkeys(names, text))
        if contents.tool_calls:
            calls = [{"index": index, **call} for index, call in enumerate(contents.tool_calls)]
            self.write({"tool_calls": calls})
        if contents.finish_reason:
            self.write({}, contents.finish_reason)


def _is_chunk(choices: object) -> bool:
    return isinstance(choices, list) and all(
        isinstance(choice, dict) and isinstance(choice.get("delta"), dict) for choice in choices
    )


def _leave_out_errors(choices: Sequence[dict[str, Any]]) -> bool:
    """Take a provider's words about failures out of choices and deltas; return whether there were any."""
    found = [part for choice in choices for part in (choice, choice.get("delta")) if part and part.get("error")]
    for part in found:
        del part["error"]
    return bool(found)


def _name_twice(choices: Sequence[dict[str, Any]]) -> bool:
    """Put reasoning under both names; return whether anything was changed."""
    is_changed = False
    for choice in choices:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            continue
        for name, other in (_REASONING_NAMES, _REASONING_NAMES[::-1]):
            if delta.get(name) and not delta.get(other):
                delta[other] = delta[name]
                is_changed = True
    return is_changed
