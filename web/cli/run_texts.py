"""The text of a stored answer, with its calls of tools, for people and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...service.events.events import Custom, Event, Text, ToolCall, ToolResult
from ...service.events.tool_uses import pair_tool_events
from ..encoders.sluice_sse import describe_tool_use

# Characters of arguments, results and data in a line.
_SHOWN = 200


def as_text(events: Sequence[Event]) -> str:
    """Return an answer's text. Calls of tools, their results and custom events have a line in brackets each."""
    parts: list[str] = []
    is_line = True
    for event in events:
        if isinstance(event, Text):
            parts.append(event.text)
            is_line = event.text.endswith("\n") or (is_line and not event.text)
        elif (line := _line_of(event)) is not None:
            parts.append(f"[{line}]\n" if is_line else f"\n[{line}]\n")
            is_line = True
    return _writable("".join(parts))


def as_text_fields(events: Sequence[Event]) -> dict[str, Any]:
    """Return an answer's text for JSON, and its calls of tools where there are any."""
    text = "".join([event.text for event in events if isinstance(event, Text)])
    calls = [describe_tool_use(use) for use in pair_tool_events(events)]
    return {"text": _writable(text), **({"tool_calls": calls} if calls else {})}


def _line_of(event: Event) -> str | None:
    match event:
        case ToolCall():
            asked = ", which needs consent" if event.needs_consent else ""
            return f"calls {event.name} with {_cut(event.arguments)}{asked}"
        case ToolResult():
            verb = "failed" if event.is_error else "answered"
            return f"{event.name} {verb} after {event.seconds:.1f} s: {_cut(event.text)}"
        case Custom():
            return f"{event.name}: {_cut(event.data.decode(errors='replace'))}"
        case _:
            return None


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}… ({len(line)} characters)"


def _writable(text: str) -> str:
    """Replace halves of surrogate pairs, which no terminal takes."""
    return text.encode(errors="replace").decode()
