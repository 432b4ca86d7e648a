"""The AI SDK's UI message stream: parts are opened and closed, steps are told apart, one end."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.service.errors import UpstreamTimeout
from sluice.service.events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from sluice.service.events.usage import Usage
from sluice.web.encoders.ai_sdk_ui import UIMessageEncoder

END = Finished("stop", Usage(1, 2, 3))


def frames_of(*batches: list[Event]) -> list[Any]:
    """Return what a client reads: objects, and `[DONE]` as a text."""
    encoder = UIMessageEncoder("m1")
    data = b"".join(encoder(batch, 1, "r1") for batch in batches).decode()
    assert not data or data.endswith("\n\n")
    texts = [block.removeprefix("data: ") for block in data.split("\n\n")[:-1]]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def test_an_answer_with_reasoning_is_two_parts_in_one_step() -> None:
    assert frames_of([Reasoning("Hm")], [Reasoning("m")], [Text("Hel")], [Text("lo")], [END]) == [
        {"type": "start", "messageId": "m1"},
        {"type": "start-step"},
        {"type": "reasoning-start", "id": "1"},
        {"type": "reasoning-delta", "id": "1", "delta": "Hm"},
        {"type": "reasoning-delta", "id": "1", "delta": "m"},
        {"type": "reasoning-end", "id": "1"},
        {"type": "text-start", "id": "2"},
        {"type": "text-delta", "id": "2", "delta": "Hel"},
        {"type": "text-delta", "id": "2", "delta": "lo"},
        {"type": "text-end", "id": "2"},
        {"type": "finish-step"},
        {
            "type": "finish",
            "messageMetadata": {
                "finish_reason": "stop",
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
            },
        },
        "[DONE]",
    ]


def test_a_call_and_its_result_end_a_step() -> None:
    found = frames_of(
        [Text("Let me look."), ToolCall("c1", "search", '{"q": "x"}'), ToolResult("c1", "search", "42")],
        [Text("42.")],
        [END],
    )
    assert [frame["type"] for frame in found[:-1]] == [
        "start", "start-step", "text-start", "text-delta", "text-end", "tool-input-start", "tool-input-available",
        "tool-output-available", "finish-step", "start-step", "text-start", "text-delta", "text-end", "finish-step",
        "finish",
    ]  # fmt: skip
    assert found[6] == {
        "type": "tool-input-available", "toolCallId": "c1", "toolName": "search", "input": {"q": "x"},
        "providerExecuted": True,
    }  # fmt: skip
    assert found[7]["output"] == "42"


@pytest.mark.parametrize("arguments", ['{"n": NaN}', '{"n": 1e400}', f'{{"n": {"9" * 400}.0}}', '{"n"'])
def test_arguments_that_clients_cannot_read_as_json_are_sent_as_a_text(arguments: str) -> None:
    encoded = UIMessageEncoder("m1")([ToolCall("c1", "f", arguments)], 1, "r1")
    (frame,) = [block for block in encoded.split(b"\n\n") if b"tool-input-available" in block]
    # Strict, as the clients' readers are.
    assert msgspec.json.decode(frame.removeprefix(b"data: "))["input"] == arguments


def test_a_failed_tool_and_broken_arguments_are_said() -> None:
    found = frames_of(
        [ToolCall("c1", "search", "{broken"), ToolResult("c1", "search", "no such", is_error=True), END]
    )
    assert found[3]["input"] == "{broken"
    assert (found[4]["type"], found[4]["errorText"]) == ("tool-output-error", "no such")


def test_events_of_the_application_are_data_parts() -> None:
    found = frames_of([Custom("citation", b'{"url": "https://example.com"}'), END])
    assert found[2] == {"type": "data-citation", "data": {"url": "https://example.com"}}


def test_a_failure_is_the_last_frame_and_no_finish() -> None:
    found = frames_of([Text("Hel")], [Failed(UpstreamTimeout("secret-words"))])
    assert found[-1]["type"] == "error"
    assert "secret-words" not in json.dumps(found)
    assert "finish" not in [frame["type"] for frame in found]
    assert frames_of([Failed(UpstreamTimeout())])[-1]["type"] == "error"


TEXTS = st.text(st.characters(codec=None) | st.sampled_from("\u2028\x85\ud83d\ude00\r\n"), max_size=5)
EVENTS = st.lists(
    st.one_of(
        TEXTS.map(Text),
        TEXTS.map(Reasoning),
        TEXTS.map(lambda text: ToolCall("c", "f", text)),
        TEXTS.map(lambda text: ToolResult("c", "f", text)),
    ),
    max_size=12,
)


@given(EVENTS, st.data())
def test_however_events_come_together_the_texts_are_whole_and_parts_are_closed_once(
    events: list[Event], data: st.DataObject
) -> None:
    batches, rest = [], [*events, END]
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batches.append(rest[:size])
        rest = rest[size:]
    found = frames_of(*batches)
    for kind, event_type in (("text", Text), ("reasoning", Reasoning)):
        expected = "".join(event.text for event in events if isinstance(event, event_type))
        got = "".join(frame["delta"] for frame in found[:-1] if frame["type"] == f"{kind}-delta")
        assert got == expected
    open_parts: list[str] = []
    for frame in found[:-1]:
        if frame["type"].endswith("-start") and "id" in frame:
            assert not open_parts
            open_parts.append(frame["id"])
        elif frame["type"].endswith("-delta"):
            assert open_parts == [frame["id"]]
        elif frame["type"].endswith("-end"):
            assert open_parts.pop() == frame["id"]
    assert not open_parts
    steps = [frame["type"] for frame in found[:-1] if frame["type"].endswith("-step")]
    assert steps == ["start-step", "finish-step"] * (len(steps) // 2)
