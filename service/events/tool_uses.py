"""The calls of tools in an answer, each with its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .events import Event, ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a tool, and what it has returned."""

    #: What the model has asked for: `call_id`, `name`, and `arguments` as JSON text.
    call: ToolCall
    #: What the model was told: `text`, `is_error`, `seconds` and `code`; None where the tool had not ended.
    result: ToolResult | None = None


def pair_tool_events(events: Iterable[Event]) -> list[ToolUse]:
    """Return the calls among a run's events, in their order, each with its result."""
    uses: list[ToolUse] = []
    for event in events:
        if isinstance(event, ToolCall):
            uses.append(ToolUse(event))
        elif isinstance(event, ToolResult):
            for index, use in enumerate(uses):
                if use.result is None and use.call.call_id == event.call_id:
                    uses[index] = ToolUse(use.call, event)
                    break
    return uses
