"""The whole texts of an answer, from its events."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sluice.service.events.events import Event, Reasoning, Text, ToolCall, ToolResult
from sluice.service.events.joined_answer import join_answer

CALL = ToolCall("c1", "search", "{}")
RESULT = ToolResult("c1", "search", "found")


@pytest.mark.parametrize(
    ("events", "text", "reasoning"),
    [
        ((), "", ""),
        ((Text("One"), Text(" two.")), "One two.", ""),
        ((Text("I look."), CALL, RESULT, Text("Found"), Text(" it.")), "I look.\n\nFound it.", ""),
        ((Text("I look.\n\n"), CALL, RESULT, Text("Found.")), "I look.\n\nFound.", ""),
        ((CALL, RESULT, Text("Found.")), "Found.", ""),
        ((Reasoning("Hm"), CALL, RESULT, Reasoning("So"), Text("Yes.")), "Yes.", "Hm\n\nSo"),
        ((Reasoning("Hm."), Text("Well,"), Reasoning("So"), Text(" yes.")), "Well, yes.", "Hm.\n\nSo"),
        ((Reasoning("Hm"), Text("Well,"), Reasoning(" so"), Text(" yes.")), "Well, yes.", "Hm so"),
        ((Reasoning("“嗯。”"), Text("好"), Reasoning("再想想")), "好", "“嗯。”\n\n再想想"),
    ],
)
def test_texts_behind_calls_and_thoughts_of_several_times_are_paragraphs(
    events: Sequence[Event], text: str, reasoning: str
) -> None:
    joined = join_answer(events)
    assert (joined.text, joined.reasoning) == (text, reasoning)


def test_each_call_has_its_result_and_one_that_has_not_ended_has_none() -> None:
    other = ToolCall("c2", "search", "{}")
    found, waiting = join_answer((CALL, other, RESULT)).tool_calls
    assert (found.call, found.result) == (CALL, RESULT)
    assert (waiting.call, waiting.result) == (other, None)
