"""Calls of tools that earlier answers have made, as messages of a later request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .message import Message, call_of


def with_past_calls(messages: Sequence[Message], extra: Mapping[str, Any]) -> Iterator[Message]:
    """Yield a conversation in which calls of earlier answers are messages, each with its result.

    Calls of tools that this request does not offer are left out: there are providers that refuse calls where no tools
    are described, or names that are none.

    Args:
        messages: Oldest first.
        extra: The further fields of the request; `tools` has the descriptions.
    """
    offered: list[Any] | None = None
    count = 0
    for message in messages:
        if "past_calls" not in message:
            yield message
            continue
        offered = _names(extra) if offered is None else offered
        for call in message["past_calls"]:
            if call["name"] not in offered:
                continue
            count += 1
            # Mistral takes ids of exactly nine letters and digits. Those of the calls may be another provider's.
            call_id = f"call{count:05}"
            sent = call_of(call_id, call["name"], call["arguments"])
            yield Message(role="assistant", content=None, tool_calls=[sent])
            yield Message(role="tool", tool_call_id=call_id, content=call["text"])
        if message["content"]:
            yield Message(role=message["role"], content=message["content"])


def _names(extra: Mapping[str, Any]) -> list[Any]:
    """Return the names of the tools that are described, in the form of either API. What is neither has none."""
    tools = extra.get("tools")
    described = [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, Sequence) else []
    functions = [tool.get("function", tool) for tool in described]
    return [function.get("name") for function in functions if isinstance(function, Mapping)]
