"""Put the parts of tool calls together: a model streams the arguments of each call."""

from __future__ import annotations

import json
from typing import Any

from ..events.events import ToolCall
from .json_values import is_json

# Calls of one answer. Models make a handful; each costs the application a call of its function.
MOST_CALLS = 128


class ToolCallBuilder:
    """The calls of one answer."""

    def __init__(self) -> None:
        """Begin without a call."""
        # By the index of the call: its id, its name and the parts of its arguments.
        self._calls: dict[int, tuple[list[str], list[str], list[str]]] = {}
        # By index: what Gemini sends beside a call (`thought_signature`), and refuses the next request without
        # (https://ai.google.dev/gemini-api/docs/thought-signatures).
        self._extras: dict[int, str] = {}
        self._last = -1

    def add(self, part: dict[str, Any]) -> int:
        """Add a part of a call, as a chunk's `tool_calls` has it.

        Returns:
            How many characters of name and arguments it has.
        """
        call_id, function = part.get("id"), part.get("function")
        function = function if isinstance(function, dict) else {}
        index = part.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            # Gemini's and Ollama's compatible servers send whole calls, some without an index.
            is_next = self._last < 0 or self._is_next(call_id, function)
            index = self._last + is_next
        if index not in self._calls and len(self._calls) >= MOST_CALLS:
            return 0
        self._last = index
        ids, names, arguments = self._calls.setdefault(index, ([], [], []))
        if isinstance(extra := part.get("extra_content"), dict):
            self._extras[index] = json.dumps(extra)
        # Some providers repeat both in each part.
        if isinstance(call_id, str) and call_id and not ids:
            ids.append(call_id)
        name, more = function.get("name"), function.get("arguments")
        if isinstance(name, str) and name and not names:
            names.append(name)
        if more and not isinstance(more, str):
            more = json.dumps(more, ensure_ascii=False)
        if more:
            arguments.append(more)
        return len(name or "") + len(more or "") if isinstance(name, str | None) else len(more or "")

    def _is_next(self, call_id: Any, function: dict[str, Any]) -> bool:
        """Return whether a part without an index begins another call than the last one."""
        ids, names, arguments = self._calls[self._last]
        if call_id:
            return [call_id] != ids
        # Without an id: a name again, behind arguments that are whole.
        return bool(function.get("name") and names) and is_json("".join(arguments).encode(errors="replace"))

    def take(self) -> list[ToolCall]:
        """Return the calls, in the order of their indexes. Again, it returns none."""
        calls, self._calls = self._calls, {}
        extras, self._extras = self._extras, {}
        self._last = -1
        return [
            ToolCall(
                call_id="".join(ids) or f"call_{index}",
                name="".join(names),
                # As OpenAI's models write it for a tool without parameters.
                arguments="".join(arguments) or "{}",
                extra_content=extras.get(index, ""),
            )
            for index, (ids, names, arguments) in sorted(calls.items())
        ]
