"""An answer's texts, joined from its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .events import Event, Reasoning, Text, ToolCall, ToolResult
from .tool_uses import ToolUse, pair_tool_events

_PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class JoinedAnswer:
    """What a model has written in one answer, as far as its events have come."""

    text: str
    #: What the model thought.
    reasoning: str
    #: The calls of tools, in their order, with their results.
    tool_calls: Sequence[ToolUse]


def join_answer(events: Iterable[Event]) -> JoinedAnswer:
    """Join the texts of an answer.

    A text behind a call of a tool is another message of the model: it begins a paragraph. So does a thought that
    follows a call or a text.

    Args:
        events: Texts, thoughts, calls of tools and their results, in their order.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    tool_events: list[Event] = []
    is_after_call = has_called = has_written = False  # the latter two since the last thought
    for event in events:
        match event:
            case Text(text, _):
                if is_after_call and texts and not texts[-1].endswith(_PARAGRAPH):
                    texts.append(_PARAGRAPH)
                is_after_call = False
                has_written = True
                texts.append(text)
            case Reasoning(text, _):
                # A provider may also send thought and text in turns within a sentence.
                is_other = has_called or (has_written and _ends_a_sentence(thoughts))
                if is_other and thoughts and not thoughts[-1].endswith(_PARAGRAPH):
                    thoughts.append(_PARAGRAPH)
                has_called = has_written = False
                thoughts.append(text)
            case ToolCall() | ToolResult():
                is_after_call = has_called = True
                tool_events.append(event)
    return JoinedAnswer("".join(texts), "".join(thoughts), tuple(pair_tool_events(tool_events)))


def _ends_a_sentence(tokens: Sequence[str]) -> bool:
    """Tell whether a text ends with a sentence or a line, by its last tokens."""
    end = "".join(tokens[-8:]).rstrip(" \"'”’)]」』*_`")
    return end.endswith((".", "!", "?", ":", "…", "。", "！", "？", "：", "\n"))
