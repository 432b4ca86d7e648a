"""Tool calls that come in parts, each provider in its own way."""

from __future__ import annotations

import pytest

from sluice.service.decoding.completion_decoder import CompletionDecoder
from sluice.service.errors import UpstreamError
from sluice.service.events.events import Event, Finished, Text, ToolCall
from tests.support.provider_scenarios import DONE, chunk, completion, event


def read(*parts: bytes) -> list[Event]:
    """Read an answer to its end."""
    decoder = CompletionDecoder(2**20)
    events: list[Event] = []
    for part in parts:
        events += decoder.feed(part)
    return [*events, *decoder.finish(), decoder.result()]


def call(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: object = None
) -> bytes:
    """Return a chunk with a part of one call."""
    part = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    part = {key: value for key, value in part.items() if value is not None}
    return chunk({"tool_calls": [part]})


END = chunk(finish="tool_calls") + DONE


def test_calls_whose_parts_are_mixed_come_whole_and_in_their_order() -> None:
    events = read(
        chunk("Let me look."),
        call(0, "a", "search", ""), call(1, "b", "weather", '{"city"'), call(0, arguments='{"q": 1}'),
        call(1, arguments=': "Oslo"}'), END,
    )  # fmt: skip
    assert events == [
        Text("Let me look."),
        ToolCall("a", "search", '{"q": 1}'),
        ToolCall("b", "weather", '{"city": "Oslo"}'),
        Finished("tool_calls", None),
    ]


def test_whole_calls_without_an_index_are_calls_of_their_own() -> None:
    events = read(call(None, "a", "f", "{}"), call(None, "b", "g", {"x": 1}), END)
    assert events[:-1] == [ToolCall("a", "f", "{}"), ToolCall("b", "g", '{"x": 1}')]


def test_whole_calls_without_an_index_and_an_id_are_calls_of_their_own() -> None:
    events = read(call(name="f", arguments="{}"), call(name="f", arguments={"x": 1}), call(name="g"), END)
    assert events[:-1] == [
        ToolCall("call_0", "f", "{}"),
        ToolCall("call_1", "f", '{"x": 1}'),
        ToolCall("call_2", "g", "{}"),
    ]


def test_parts_without_an_index_and_an_id_are_one_call_while_its_arguments_are_not_whole() -> None:
    events = read(
        call(name="f", arguments=""), call(name="f", arguments='{"x"'), call(name="f", arguments=": 1}"), END
    )
    assert events[:-1] == [ToolCall("call_0", "f", '{"x": 1}')]


def test_an_id_and_a_name_that_are_repeated_are_taken_once() -> None:
    events = read(call(0, "a", "f", '{"x"'), call(0, "a", "f", ": 1}"), END)
    assert events[:-1] == [ToolCall("a", "f", '{"x": 1}')]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert read(call(0, "a", "f", ""), END)[0] == ToolCall("a", "f", "{}")


def test_the_calls_of_an_answer_that_is_not_streamed_are_read() -> None:
    said = completion(None, "tool_calls", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}}])
    events = read(event(said).removeprefix(b"data: "))
    assert [type(each) for each in events] == [ToolCall, Finished]


def test_an_answer_that_breaks_off_has_no_call() -> None:
    decoder = CompletionDecoder(2**20)
    events = [*decoder.feed(call(0, "a", "f", '{"x"')), *decoder.finish()]
    assert events == []
    with pytest.raises(UpstreamError, match="without a finish reason"):
        decoder.result()
