"""Answers of the Responses API: the events of each, whole and byte by byte, and never a false success."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from sluice.service.decoding.chunk_writer import ChunkWriter
from sluice.service.decoding.forwarded_chunks import SEPARATOR, ForwardedChunks
from sluice.service.decoding.responses_decoder import ResponsesDecoder
from sluice.service.decoding.tool_call_builder import MOST_CALLS
from sluice.service.errors import UpstreamError
from sluice.service.events.events import Chunks, Event, Reasoning, Text, ToolCall
from sluice.service.events.usage import Usage
from tools.common.model_scripts import reply_bytes
from tools.common.responses_scripts import (
    ResponseEvent,
    began,
    bytes_of,
    call,
    called,
    ended,
    message,
    response,
    response_reply,
    response_usage,
    text,
)

SUMMARY, RAW = "response.reasoning_summary_text.delta", "response.reasoning_text.delta"
CALL = ToolCall("call_1", "search", '{"q": "x"}')
OUTPUT = [
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm"}, {"type": "summary_text", "text": "So"}],
    },
    message("Hel", "lo"),
    call("call_1", "search", '{"q": "x"}'),
]


@dataclass(frozen=True)
class Answer:
    """What a body is decoded to."""

    text: str = ""
    reasoning: str = ""
    reason: str = ""
    code: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None


HELLO = bytes_of([*began(), text("Hel"), text("lo")])
BODIES: dict[str, tuple[bytes, Answer]] = {
    "a whole answer with its usage": (
        bytes_of(response_reply("Hel", "lo", usage=response_usage(9, 2, cached=4))),
        Answer("Hello", reason="stop", usage=Usage(9, 2, 11, cached_tokens=4)),
    ),
    "a refusal is the answer": (
        bytes_of([*began(), text("I cannot", type="response.refusal.delta"), *ended()]),
        Answer("I cannot", reason="stop"),
    ),
    "an emoji cut in two between deltas": (
        b"".join(
            b'data: {"type": "response.output_text.delta", "output_index": null, "delta": "%b"}\n\n' % half
            for half in (rb"Hi \ud83d", rb"\ude00!")
        )
        + bytes_of(ended()),
        Answer("Hi 😀!", reason="stop"),
    ),
    "a number instead of text": (
        HELLO + b'data: {"type": "response.output_text.delta", "delta": 5}\n\n' + bytes_of(ended()),
        Answer("Hello", code="upstream_invalid"),
    ),
    "a summary of the reasoning, its parts apart": (
        bytes_of(
            [
                *began(),
                text("First", type=SUMMARY, summary_index=0),
                text(" step", type=SUMMARY, summary_index=0),
                text("Second", type=SUMMARY, summary_index=1),
                text("Hello", output_index=1),
                *ended(),
            ]
        ),
        Answer("Hello", "First step\n\nSecond", "stop"),
    ),
    "reasoning and its summary: the first that comes": (
        bytes_of([*began(), text("Hm", type=RAW), text("Summed up", type=SUMMARY), text("Hello"), *ended()]),
        Answer("Hello", "Hm", "stop"),
    ),
    "two messages, with a blank line between them": (
        bytes_of([*began(), text("I look."), text("Found.", output_index=2), *ended()]),
        Answer("I look.\n\nFound.", reason="stop"),
    ),
    "the limit of tokens": (
        HELLO + bytes_of(ended("incomplete", incomplete_details={"reason": "max_output_tokens"})),
        Answer("Hello", reason="length"),
    ),
    "a content filter": (
        HELLO + bytes_of(ended("incomplete", incomplete_details={"reason": "content_filter"})),
        Answer("Hello", reason="content_filter"),
    ),
    "incomplete for another reason": (
        HELLO + bytes_of(ended("incomplete", incomplete_details={"reason": "max_messages"})),
        Answer("Hello", reason="max_messages"),
    ),
    "incomplete for no reason": (HELLO + bytes_of(ended("incomplete")), Answer("Hello", code="upstream_truncated")),
    "a call whose arguments come in parts": (
        bytes_of([*began(), *called(1, "call_1", "search", '{"q"', ': "x"}'), *ended()]),
        Answer(reason="tool_calls", calls=(CALL,)),
    ),
    "two calls, the second at once": (
        bytes_of(
            [
                *began(),
                *called(1, "call_1", "search", '{"q": "x"}'),
                ResponseEvent("response.output_item.done", {"output_index": 2, "item": call("call_2", "now", "{}")}),
                *ended(output=[message(), call("call_1", "search", '{"q": "x"}'), call("call_2", "now", "{}")]),
            ]
        ),
        Answer(reason="tool_calls", calls=(CALL, ToolCall("call_2", "now", "{}"))),
    ),
    "a call that stands elsewhere in the whole response": (
        bytes_of([*began(), *called(3, "call_1", "search", '{"q": "x"}'), *ended(output=OUTPUT[2:])]),
        Answer(reason="tool_calls", calls=(CALL,)),
    ),
    "no deltas, but the whole response at the end": (
        bytes_of([*began()[:2], *ended(output=OUTPUT)]),
        Answer("Hello", "Hm\n\nSo", "tool_calls", calls=(CALL,)),
    ),
    "a response that is not streamed": (
        json.dumps(response("completed", OUTPUT, usage=response_usage(9, 2))).encode(),
        Answer("Hello", "Hm\n\nSo", "tool_calls", calls=(CALL,), usage=Usage(9, 2, 11)),
    ),
    "a response that is not streamed and not ready": (
        json.dumps(response("in_progress", OUTPUT)).encode(), Answer("Hello", "Hm\n\nSo", code="upstream_truncated")
    ),
    "events of which nothing is known": (
        HELLO + bytes_of([ResponseEvent("response.of_tomorrow", {"delta": 1}), ResponseEvent("keepalive"), *ended()]),
        Answer("Hello", reason="stop"),
    ),
    "[DONE] behind the end, as some servers write it": (
        HELLO + bytes_of(ended()) + b"data: [DONE]\n\n", Answer("Hello", reason="stop")
    ),
    "an empty answer": (bytes_of([*began(), *ended()]), Answer(reason="stop")),
    "an end without an event that says so": (HELLO, Answer("Hello", code="upstream_truncated")),
    "[DONE] without such an event": (HELLO + b"data: [DONE]\n\n", Answer("Hello", code="upstream_truncated")),
    "nothing but the beginning": (bytes_of(began()), Answer(code="upstream_truncated")),
    "a failed response": (
        HELLO + bytes_of(ended("failed", error={"code": "server_error", "message": "boom"})),
        Answer("Hello", code="upstream_unavailable"),
    ),
    "a rate limit": (
        bytes_of([*began(), *ended("failed", error={"code": "rate_limit_exceeded", "message": "slow down"})]),
        Answer(code="upstream_rate_limited"),
    ),
    "a failed response without an error": (
        HELLO + bytes_of(ended("failed")), Answer("Hello", code="upstream_unavailable")
    ),
    "a completed event of a failed response": (
        HELLO + bytes_of([ResponseEvent("response.completed", {"response": response("failed")})]),
        Answer("Hello", code="upstream_unavailable"),
    ),
    "a cancelled response": (HELLO + bytes_of(ended("cancelled")), Answer("Hello", code="upstream_unavailable")),
    "an error event": (
        HELLO + bytes_of([ResponseEvent("error", {"code": "server_error", "message": "boom", "param": None})]),
        Answer("Hello", code="upstream_unavailable"),
    ),
    "an error event without a name of its own": (
        HELLO + b'data: {"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}\n\n',
        Answer("Hello", code="upstream_rate_limited"),
    ),
    "broken JSON": (HELLO + b'data: {"type": \n\n', Answer("Hello", code="upstream_invalid")),
    "an answer of the chat API": (reply_bytes("Hello"), Answer(code="upstream_invalid")),
    "JSON that is no response": (b'{"ok": true}', Answer(code="upstream_invalid")),
    "nothing": (b"", Answer(code="upstream_invalid")),
}  # fmt: skip


def decode(parts: Sequence[bytes], decoder: ResponsesDecoder | None = None) -> tuple[list[Event], Answer]:
    """Decode a body; return its events, and what they come to."""
    decoder = decoder or ResponsesDecoder(2**20)
    events: list[Event] = []
    reason = code = ""
    usage = None
    try:
        for part in parts:
            events += decoder.feed(part)
            if decoder.state.has_ended:
                break
        events += decoder.finish()
        end = decoder.result()
        reason, usage = end.reason, end.usage
    except UpstreamError as error:
        code = error.code
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    shown = [[event.text for event in events if isinstance(event, kind)] for kind in (Text, Reasoning)]
    return events, Answer("".join(shown[0]), "".join(shown[1]), reason, code, calls, usage)


@pytest.mark.parametrize("size", [2**20, 1, 7], ids=["whole", "byte by byte", "in sevens"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_its_answer_or_its_failure_however_it_is_cut(name: str, size: int) -> None:
    body, expected = BODIES[name]
    assert decode([body[at : at + size] for at in range(0, len(body), size)])[1] == expected


def test_the_scripted_events_are_those_that_the_openai_package_describes() -> None:
    usage = response_usage(9, 2)
    steps = [
        *began(),
        *(text("a", type=kind, summary_index=0) for kind in (SUMMARY, RAW, "response.refusal.delta")),
        text("a"),
        *called(1, "call_1", "search", "{", "}"),
        *ended(output=[message("a"), call("call_1", "search", "{}")], usage=usage),
        *ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        *ended("failed", error={"code": "server_error", "message": "boom"}),
        ResponseEvent("error", {"code": "server_error", "message": "boom", "param": None}),
    ]
    described: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for step in steps:
        if isinstance(step, ResponseEvent):
            described.validate_json(step.encode().partition(b"data: ")[2])


def test_text_and_arguments_count_as_progress_and_pings_do_not() -> None:
    decoder = ResponsesDecoder(2**20)
    decoder.feed(bytes_of(began()))
    assert not decoder.state.has_progressed
    for step in (text("Hel"), called(1, "call_1", "search", "{}")[1]):
        decoder.feed(bytes_of([step]))
        assert decoder.state.has_progressed
    decoder.feed(b": ping\n\n")
    assert not decoder.state.has_progressed


def test_an_answer_is_cut_at_its_most_characters_of_text_or_arguments() -> None:
    _, cut = decode([HELLO], ResponsesDecoder(2**20, 3))
    assert (cut.text, cut.code) == ("Hel", "answer_too_large")
    _, cut = decode([bytes_of(called(1, "c", "f", '"' + "a" * 50))], ResponsesDecoder(2**20, 40))
    assert (cut.calls, cut.code) == ((), "answer_too_large")


def test_calls_beyond_the_most_of_one_answer_are_left_out() -> None:
    steps = [step for number in range(MOST_CALLS + 2) for step in called(number, f"c{number}", "f", "{", "}")]
    _, answer = decode([bytes_of([*began(), *steps, *ended()])])
    assert len(answer.calls) == MOST_CALLS
    assert {call.arguments for call in answer.calls} == {"{}"}


def test_a_connection_that_breaks_behind_the_end_spoils_no_answer() -> None:
    decoder = ResponsesDecoder(2**20)
    decoder.feed(HELLO + bytes_of(ended()))
    assert decoder.state.has_ended
    assert decoder.result().reason == "stop"


def forwarded(body: bytes, *, both_names: bool = False) -> tuple[list[dict[str, Any]], list[Event], ResponsesDecoder]:
    """Decode a body for a client of the chat API; return its chunks' choices, the events and the decoder."""
    decoder = ResponsesDecoder(
        2**20, forwarded=ForwardedChunks(ChunkWriter("m", "chatcmpl-1", 5), both_names=both_names)
    )
    events = decode([body], decoder)[0]
    frames = b"".join(SEPARATOR + event.frames for event in events if isinstance(event, Chunks)).split(SEPARATOR)[1:]
    chunks = [json.loads(frame) for frame in frames]
    assert all(chunk["id"] == "chatcmpl-1" and chunk["model"] == "m" for chunk in chunks)
    return [chunk["choices"][0] for chunk in chunks], events, decoder


def test_for_a_client_of_the_chat_api_events_become_chunks() -> None:
    body = bytes_of(
        [
            *began(),
            text("Hm", type=SUMMARY),
            text("Hel", output_index=1),
            text("lo", output_index=1),
            *called(2, "call_1", "search", '{"q": ', '"x"}'),
            *ended(usage=response_usage(9, 2, cached=4)),
        ]
    )
    choices, events, decoder = forwarded(body)
    named = {"name": "search", "arguments": ""}
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "reasoning_content": "Hm"},
        {"content": "Hel"},
        {"content": "lo"},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": named}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"q": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"x"}'}}]},
        {},
    ]  # fmt: skip
    assert [choice["finish_reason"] for choice in choices] == [None] * 6 + ["tool_calls"]
    assert {type(event) for event in events} == {Chunks}
    assert decoder.result().reported == {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_reasoning_is_forwarded_under_both_names_where_that_is_set() -> None:
    body = bytes_of([*began(), text("Hm", type=SUMMARY), *ended(output=OUTPUT[1:2])])
    choices, _, _ = forwarded(body, both_names=True)
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "reasoning_content": "Hm", "reasoning": "Hm"},
        {"content": "Hello"},
        {},
    ]


def test_a_failure_is_no_chunk() -> None:
    choices, _, _ = forwarded(HELLO + bytes_of(ended("failed", error={"code": "server_error", "message": "boom"})))
    assert [choice["finish_reason"] for choice in choices] == [None, None]
