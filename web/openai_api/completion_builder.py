"""Chunks -> one whole chat completion, for clients that do not stream."""

from __future__ import annotations

from collections.abc import Hashable
from io import StringIO
from typing import Any

from ...service.decoding.chunk_contents import is_first, read_chunk
from ...service.decoding.chunk_writer import to_json
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
        self._merger = _Merger()
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
                    self._merger.merge(self._message, _readable(choice.pop("delta", None)))
                    # Perplexity's chunks have the whole message so far, too.
                    choice.pop("message", None)
                    self._merger.merge(self._choice, choice)

    def finish(self, end: Finished) -> dict[str, Any]:
        """Return the whole completion, given its end. Nothing can be added afterwards."""
        self._merger.join()
        calls = self._message.get("tool_calls")
        if calls:
            self._message["tool_calls"] = [_whole_call(call, number) for number, call in enumerate(calls)]
        choice = {"index": 0, "message": self._message, "logprobs": None, **self._choice}
        # Some providers write one into every chunk. Where there was none, `[DONE]` has ended the answer.
        choice["finish_reason"] = "stop" if end.reason == REASON_UNKNOWN else end.reason
        return {**self._fields, "object": "chat.completion", "choices": [choice], "usage": usage_fields(end)}


def _readable(delta: Any) -> dict[str, Any]:
    """Return what of a delta can be put together, as `CompletionDecoder` reads it.

    A content that is no text is made one: Mistral and others send parts, which a whole message would mix.
    """
    if not isinstance(delta, dict):
        return {}
    readable = _with_text(delta)
    if "tool_calls" in readable:
        calls = readable.pop("tool_calls")
        if found := [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []:
            readable["tool_calls"] = found
    return readable


def _whole_call(call: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a call of a whole message: without its index, and with what clients rely on."""
    whole = {"id": f"call_{number}", "type": "function", **{key: call[key] for key in call if key != "index"}}
    function = whole.get("function")
    if isinstance(function, dict) and not isinstance(arguments := function.get("arguments"), str):
        whole["function"] = {**function, "arguments": "{}" if arguments is None else to_json(arguments).decode()}
    return whole


def _with_text(delta: dict[str, Any]) -> dict[str, Any]:
    """Return a delta whose content is a text."""
    if isinstance(delta.get("content"), str | None):
        return delta
    contents = read_chunk({"choices": [{"delta": {"content": delta["content"]}}]}, may_be_message=False)
    texts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
    for is_reasoning, text in contents.parts:
        texts["reasoning_content" if is_reasoning else "content"].append(text)
    return {**delta, **{name: "".join(found) or None for name, found in texts.items()}}


class _Merger:
    """Puts objects together of pieces, in a time that grows with their number and not with its square."""

    def __init__(self) -> None:
        #: The texts that have come in pieces: where each is, by the object and the name in it.
        self._texts: list[tuple[dict[str, Any], str]] = []
        #: By the id of a list: the list, so that no other gets its id, and its items by their index.
        self._lists: dict[int, tuple[list[Any], dict[Any, dict[str, Any]]]] = {}

    def merge(self, into: dict[str, Any], piece: dict[str, Any]) -> None:
        """Add a piece of an object to what has come of it."""
        for name, value in piece.items():
            before = into.get(name)
            if value is None:
                into.setdefault(name, None)
            elif isinstance(value, str):
                self._add_text(into, name, value)
            elif isinstance(value, dict):
                self.merge(before if isinstance(before, dict) else _set(into, name, {}), value)
            elif isinstance(value, list):
                self._extend(before if isinstance(before, list) else _set(into, name, []), value)
            else:
                into[name] = value

    def join(self) -> None:
        """Make one text of each that has come in pieces. Nothing can be merged afterwards."""
        for into, name in self._texts:
            if isinstance(pieces := into.get(name), StringIO):
                into[name] = pieces.getvalue()

    def _add_text(self, into: dict[str, Any], name: str, text: str) -> None:
        before = into.get(name)
        if name in _WHOLE:
            into[name] = before if isinstance(before, str) and before else text
            return
        if not isinstance(before, StringIO):
            # A text that is not changed would be copied for each piece.
            before = into[name] = StringIO(newline="")
            self._texts.append((into, name))
        before.write(text)

    def _extend(self, items: list[Any], pieces: list[Any]) -> None:
        """Add to a list. Items with an index are pieces of the item that has it."""
        for piece in pieces:
            index = piece.get("index") if isinstance(piece, dict) else None
            if index is None or not isinstance(index, Hashable):
                items.append(piece)
                continue
            known = self._lists.setdefault(id(items), (items, {}))[1]
            if (found := known.get(index)) is None:
                found = known[index] = {}
                items.append(found)
            self.merge(found, piece)


def _set(into: dict[str, Any], name: str, value: Any) -> Any:
    into[name] = value
    return value
