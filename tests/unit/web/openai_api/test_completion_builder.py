"""A whole completion is put together of chunks, as they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import thread_time
from typing import Any

import pytest

from sluice.service.events.events import Chunks, Finished
from sluice.web.openai_api.completion_builder import CompletionBuilder

Delta = dict[str, Any]


def build(*deltas: Delta) -> dict[str, Any]:
    """Return the message that is put together of deltas."""
    builder = CompletionBuilder()
    for delta in deltas:
        frame = json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode()
        builder.add(Chunks(frame, "", "", 1))
    message: dict[str, Any] = builder.finish(Finished("stop", None))["choices"][0]["message"]
    return message


def seconds(count: int, delta: Callable[[int], Delta]) -> float:
    """Return the processor's time for so many chunks."""
    deltas = [delta(number) for number in range(count)]
    began = thread_time()
    build(*deltas)
    return thread_time() - began


def word(number: int) -> Delta:
    return {"content": "words and "}


def arguments(number: int) -> Delta:
    return {"tool_calls": [{"index": 0, "function": {"arguments": "words and "}}]}


def call(number: int) -> Delta:
    return {"tool_calls": [{"index": number, "id": f"c{number}", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(("delta", "count"), [(word, 20_000), (arguments, 20_000), (call, 5_000)])
def test_the_time_grows_with_the_chunks_and_not_with_their_square(delta: Callable[[int], Delta], count: int) -> None:
    # 4 where it is even, 16 and more where each chunk costs what came before it.
    assert seconds(4 * count, delta) < 9 * seconds(count, delta)


def test_pieces_of_texts_and_calls_are_joined_and_whole_fields_stay() -> None:
    call = {"index": 1, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "a"}}
    other = {"index": 0, "id": "c0", "type": "function", "function": {"name": "g", "arguments": "b"}}
    message = build(
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": "a\r\n", "reasoning": "r"},
        {"content": None, "tool_calls": [call, other]},
        {"content": "b", "reasoning": "s", "tool_calls": [call, {"index": 0, "function": {"arguments": "c"}}]},
    )
    assert (message["role"], message["content"], message["reasoning"]) == ("assistant", "a\r\nb", "rs")
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "aa"}},
        {"id": "c0", "type": "function", "function": {"name": "g", "arguments": "bc"}},
    ]
