"""Chunks -> one whole chat completion, for clients that do not stream."""

from __future__ import annotations

from typing import Any

from ...service.decoding.chunk_contents import is_first, read_chunk
from ...service.decoding.completion_decoder import REASON_UNKNOWN
from ...service.decoding.forwarded_chunks import SEPARATOR
from ...service.decoding.json_values import decode_json
from ...service.events.events import Chunks, Finished
from ..encoders.openai_chunks import usage_fields

# Texts that come once, or again and again the same; all others come in pieces.
_WHOLE = frozenset({"id", "type", "role", "name", "format", "object", "finish_reason", "model"})


class CompletionBuilder:
    """Puts one answer together."""

    def __init__(self) -> None:
        """Begin an answer of which nothing has come."""
        self._fields: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}

    def add(self, event: Chunks) -> None:
        """Add chunks. Of their choices only the first is asked for."""
        for data in event.frames.split(SEPARATOR):
            chunk = decode_json(data)
            choices = chunk.pop("choices")
            self._fields |= chunk
            for choice in choices:
                if is_first(choice.pop("index", None)):
                    _merge(self._message, _with_text(choice.pop("delta")))
                    # Perplexity's chunks have the whole message so far, too.
                    choice.pop("message", None)
                    _merge(self._choice, choice)

    def finish(self, end: Finished) -> dict[str, Any]:
        """Return the whole completion, given its end."""
        calls = self._message.get("tool_calls")
        if calls:
            self._message["tool_calls"] = [{key: call[key] for key in call if key != "index"} for call in calls]
        choice = {"index": 0, "message": self._message, "logprobs": None, **self._choice}
        # Some providers write one into every chunk. Where there was none, `[DONE]` has ended the answer.
        choice["finish_reason"] = "stop" if end.reason == REASON_UNKNOWN else end.reason
        return {**self._fields, "object": "chat.completion", "choices": [choice], "usage": usage_fields(end)}


def _with_text(delta: dict[str, Any]) -> dict[str, Any]:
    """Return a delta whose content is a text: Mistral and others send parts, which a whole message would mix."""
    if isinstance(delta.get("content"), str | None):
        return delta
    contents = read_chunk({"choices": [{"delta": {"content": delta["content"]}}]}, may_be_message=False)
    texts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
    for is_reasoning, text in contents.parts:
        texts["reasoning_content" if is_reasoning else "content"].append(text)
    return {**delta, **{name: "".join(found) or None for name, found in texts.items()}}


def _merge(into: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add a piece of an object to what has come of it."""
    for name, value in piece.items():
        before = into.get(name)
        if value is None:
            into.setdefault(name, None)
        elif isinstance(before, str) and isinstance(value, str):
            into[name] = before if name in _WHOLE and before else before + value
        elif isinstance(value, dict):
            _merge(into.setdefault(name, {}) if isinstance(before, dict) else _set(into, name, {}), value)
        elif isinstance(value, list):
            _extend(before if isinstance(before, list) else _set(into, name, []), value)
        else:
            into[name] = value


def _extend(items: list[Any], pieces: list[Any]) -> None:
    """Add to a list. Items with an index are pieces of the item that has it."""
    for piece in pieces:
        index = piece.get("index") if isinstance(piece, dict) else None
        if index is None:
            items.append(piece)
            continue
        found = next((item for item in items if isinstance(item, dict) and item.get("index") == index), None)
        if found is None:
            items.append(found := {})
        _merge(found, piece)


def _set(into: dict[str, Any], name: str, value: Any) -> Any:
    into[name] = value
    return value
