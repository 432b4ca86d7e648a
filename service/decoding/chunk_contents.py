"""Read a chunk, or a whole answer, from a JSON object of any shape that providers send.

`plain_chunk.py` decodes the shape of most tokens. This reads all others: a list of parts as content, `message` or
`text` instead of `delta`, reasoning under its many names. Who sends what is in docs/reference/providers.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# The first that has text is read: some providers send the same reasoning under two of these names.
_REASONING_NAMES = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "thinking_content",
    "reasoning_details",
)
# Fields of a part of reasoning that may hold its text. Encrypted reasoning (`data`) is for the provider only.
_REASONING_FIELDS = ("text", "thinking", "reasoning", "content", "summary")
_REASONING_TYPES = ("thinking", "reasoning", "thought")
# Parts are nested two deep at Mistral.
_DEEPEST = 6
# Characters of a finish reason; longer ones are cut.
_MOST_REASON = 64

Part = tuple[bool, str]


class UnreadableChunk(ValueError):
    """The chunk has text in a form that cannot be read."""


@dataclass(slots=True)
class ChunkContents:
    """What one chunk holds."""

    #: Whether it is a part of an answer, and not only an error, a ping or usage.
    has_choices: bool = False
    #: Whether a part is reasoning, and its text; in order, never empty.
    parts: list[Part] = field(default_factory=list)
    #: Whether the parts came as `message` or `text`. Where text comes as `delta`, such a field repeats it.
    is_message: bool = False
    #: The parts of calls of tools, as they came.
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Any = None
    #: The field `error` of the chunk or of the choice.
    error: Any = None


def read_chunk(value: dict[str, Any], *, may_be_message: bool) -> ChunkContents:
    """Read a chunk of any shape.

    Args:
        value: The JSON object.
        may_be_message: Whether `message` and `text` are read. Not where text has come as `delta`: Perplexity's chunks
            have both, and `message` has all text so far.

    Returns:
        Its contents.

    Raises:
        UnreadableChunk: There is text that cannot be read, a number in its place for example.
    """
    contents = ChunkContents(usage=value.get("usage"), error=value.get("error"))
    if not contents.usage and isinstance(groq := value.get("x_groq"), dict):
        contents.usage = groq.get("usage")
    choices = value.get("choices")
    if choices is None:
        return contents
    if not isinstance(choices, list | dict):
        raise UnreadableChunk("`choices` is not a list")
    contents.has_choices = True
    for choice in choices if isinstance(choices, list) else [choices]:
        # One choice is requested. The text of further ones must not be mixed into it.
        if isinstance(choice, dict) and choice and is_first(choice.get("index")):
            _read_choice(choice, contents, may_be_message=may_be_message)
    return contents


def finish_reason_of(value: object) -> str | None:
    """Read a finish reason.

    Args:
        value: The field's value. DashScope and others write "null" while the answer goes on, Ollama an empty string.

    Returns:
        The reason, or `None` where there is none.
    """
    if isinstance(value, dict):  # SGLang: {"type": "stop", "matched": ...}
        value = value.get("type")
    if not isinstance(value, str):
        return None
    reason = value.strip()[:_MOST_REASON]
    return None if reason.lower() in ("", "null", "none") else reason


def is_first(index: object) -> bool:
    """Return whether a choice with this index is the one that was asked for."""
    return index in (None, 0, "0", "")


def _read_choice(choice: dict[str, Any], contents: ChunkContents, *, may_be_message: bool) -> None:
    parts = list(_message_parts(choice.get("delta")))
    if not parts and may_be_message:
        parts = list(_message_parts(choice.get("message"))) or list(_parts(choice.get("text")))
        contents.is_message = bool(parts)
    for message in (choice.get("delta"), choice.get("message") if may_be_message else None):
        if isinstance(message, dict) and isinstance(calls := message.get("tool_calls"), list):
            contents.tool_calls += [call for call in calls if isinstance(call, dict)]
            break
    contents.parts += parts
    contents.finish_reason = (
        finish_reason_of(choice.get("finish_reason"))
        or finish_reason_of(choice.get("finishReason"))
        or contents.finish_reason
    )
    contents.usage = contents.usage or choice.get("usage")
    contents.error = contents.error or choice.get("error")


def _message_parts(message: object) -> Iterator[Part]:
    if not isinstance(message, dict):
        yield from _parts(message)
        return
    for name in _REASONING_NAMES:
        if (value := message.get(name)) and (reasoning := list(_parts(value, is_reasoning=True))):
            yield from reasoning
            break
    # A refusal is the model's answer to the person, in another field.
    for name in ("content", "refusal", "text"):
        if (value := message.get(name)) and (texts := list(_parts(value))):
            yield from texts
            break


def _parts(value: object, *, is_reasoning: bool = False, depth: int = 0) -> Iterator[Part]:
    """Yield the parts of a string, of a part, or of a list of them."""
    if not value or depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield is_reasoning, value
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part, is_reasoning=is_reasoning, depth=depth + 1)
    elif isinstance(value, dict):
        kind = value.get("type")
        is_reasoning = (
            is_reasoning
            or (isinstance(kind, str) and kind.partition(".")[0] in _REASONING_TYPES)
            or value.get("thought") is True
        )
        for name in _REASONING_FIELDS if is_reasoning else ("text", "content", "value", "refusal", "parts"):
            if texts := list(_parts(value.get(name), is_reasoning=is_reasoning, depth=depth + 1)):
                yield from texts
                break
    else:
        raise UnreadableChunk(f"a {type(value).__name__} instead of text")
