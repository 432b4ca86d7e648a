"""Any JSON object that a provider sends as a chunk, or as a whole answer -> what it says. No I/O.

The plain shape is decoded in `answer.py`, by msgspec. This reads all others, which few tokens need: a list of parts
as content, `message` or `text` in place of `delta`, reasoning under its many names. docs/reference/providers.md says
who sends what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# In this order: some providers send the same reasoning under two of these names.
_REASONING_NAMES = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "thinking_content",
    "reasoning_details",
)
# What a part or an object of reasoning may hold its text in. Encrypted reasoning (`data`) is for the provider alone.
_REASONING_FIELDS = ("text", "thinking", "reasoning", "content", "summary")
_REASONING_TYPES = ("thinking", "reasoning", "thought")
# Parts lie in parts two deep (Mistral); more is no text.
_DEEPEST = 6
# Of a provider's word for why it stopped; longer ones are cut.
_MOST_REASON = 64

Part = tuple[bool, str]


class UnreadableChunk(ValueError):
    """The chunk has text in a form that nobody can read."""


@dataclass(slots=True)
class ChunkContents:
    """What one chunk says."""

    #: Whether it is a part of an answer, and not an error, a ping or usage alone.
    has_choices: bool = False
    #: Whether a part is reasoning, and its text; in order, never empty.
    parts: list[Part] = field(default_factory=list)
    #: Whether the parts came as `message` or `text`: where text comes as `delta`, such a field repeats it.
    is_message: bool = False
    finish_reason: str | None = None
    usage: Any = None
    #: What stands in `error`, of the chunk or of the choice.
    error: Any = None


def read_chunk(value: dict[str, Any], *, may_be_message: bool) -> ChunkContents:
    """Read a chunk of any shape.

    Args:
        value: The JSON object.
        may_be_message: Whether `message` and `text` are read. Not where text has come as `delta`: Perplexity's chunks
            have both, and the one of `message` is all that was said so far.

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
        raise UnreadableChunk("`choices` is no list")
    contents.has_choices = True
    for choice in choices if isinstance(choices, list) else [choices]:
        # One answer was asked for; a server that sends more must not have them mixed.
        if isinstance(choice, dict) and choice and _is_first(choice.get("index")):
            _read_choice(choice, contents, may_be_message=may_be_message)
    return contents


def finish_reason_of(value: object) -> str | None:
    """Read why an answer ended. DashScope and others write "null" while it goes on, Ollama wrote an empty text."""
    if isinstance(value, dict):  # SGLang: {"type": "stop", "matched": ...}
        value = value.get("type")
    if not isinstance(value, str):
        return None
    reason = value.strip()[:_MOST_REASON]
    return None if reason.lower() in ("", "null", "none") else reason


def _is_first(index: object) -> bool:
    return index in (None, 0, "0", "")


def _read_choice(choice: dict[str, Any], contents: ChunkContents, *, may_be_message: bool) -> None:
    parts = list(_message_parts(choice.get("delta")))
    if not parts and may_be_message:
        parts = list(_message_parts(choice.get("message"))) or list(_parts(choice.get("text")))
        contents.is_message = bool(parts)
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
        if (said := message.get(name)) and (thoughts := list(_parts(said, is_reasoning=True))):
            yield from thoughts
            break
    # A refusal is the model's answer to the person, in another field.
    for name in ("content", "refusal", "text"):
        if (said := message.get(name)) and (texts := list(_parts(said))):
            yield from texts
            break


def _parts(value: object, *, is_reasoning: bool = False, depth: int = 0) -> Iterator[Part]:
    """Yield the texts of a text, a part, or a list of them."""
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
        raise UnreadableChunk(f"a {type(value).__name__} in place of text")
