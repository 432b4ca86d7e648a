"""Chunks that are passed on: they mean the same as what the provider sent, over the table of what providers send."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sluice.service.decoding.chunk_writer import ChunkWriter
from sluice.service.decoding.completion_decoder import CompletionDecoder
from sluice.service.decoding.forwarded_chunks import SEPARATOR, ForwardedChunks
from sluice.service.errors import UpstreamError
from sluice.service.events.events import Chunks, Event, Failed, Reasoning, Text
from sluice.web.encoders.openai_chunks import OpenAIChunkEncoder
from tests.support.provider_scenarios import DONE, HEL, LO, SCENARIOS, STOP, chunk, event

# Their last chunk has text and the provider's words about its failure: neither is passed on.
SHARING_A_CHUNK_WITH_A_FAILURE = {
    "text and an error in one chunk",
    "text and a failure as finish reason in one chunk",
}
READABLE = {name: scenario for name, scenario in SCENARIOS.items() if not scenario.ending}


def forward(*parts: bytes, both_names: bool = False) -> list[Event]:
    """Read an answer, and return the events of a run that passes its chunks on."""
    forwarded = ForwardedChunks(ChunkWriter("m", "chatcmpl-1", 7), both_names=both_names)
    decoder = CompletionDecoder(2**20, forwarded=forwarded)
    events: list[Event] = []
    try:
        for part in parts:
            if not decoder.state.has_ended:
                events += decoder.feed(part)
        events += decoder.finish()
        events.append(decoder.result())
    except UpstreamError as error:
        events.append(Failed(error))
    return events


def frames_of(events: list[Event], *, include_usage: bool = False) -> bytes:
    """Return what a client gets."""
    return OpenAIChunkEncoder(include_usage=include_usage)(events, 1, "r-1")


def chunks_of(events: list[Event]) -> list[dict[str, Any]]:
    """Return the chunks that are passed on."""
    frames = [event.frames for event in events if isinstance(event, Chunks)]
    return [json.loads(data) for data in SEPARATOR.join(frames).split(SEPARATOR) if data]


def meaning(body: bytes) -> tuple[str, str, str, bool]:
    """Read a body; return text, reasoning, finish reason and whether it failed."""
    decoder = CompletionDecoder(2**20)
    text = reasoning = ""
    try:
        for delta in [*decoder.feed(body), *decoder.finish()]:
            text += delta.text if isinstance(delta, Text) else ""
            reasoning += delta.text if isinstance(delta, Reasoning) else ""
        return text, reasoning, decoder.result().reason, False
    except UpstreamError:
        return text, reasoning, "", True


@pytest.mark.parametrize("name", READABLE)
def test_what_is_passed_on_means_what_the_provider_sent(name: str) -> None:
    scenario = READABLE[name]
    events = forward(*(part for part in scenario.body if isinstance(part, bytes)))
    reason = "" if scenario.code else scenario.finish_reason
    text = "Hel" if name in SHARING_A_CHUNK_WITH_A_FAILURE else scenario.text
    assert meaning(frames_of(events)) == (text, scenario.reasoning, reason, bool(scenario.code))
    assert frames_of(events).endswith(b"data: [DONE]\n\n") is not bool(scenario.code)


def test_a_chunk_is_passed_on_byte_for_byte() -> None:
    odd = (
        b'{"choices": [ {"index":0,"delta":{"content":"\\u4f60 1.0"},"logprobs":{"x": 1.50}} ],"z":9007199254740993}'
    )
    events = forward(HEL, b"data: " + odd + b"\n\n", LO, STOP, DONE)
    assert odd in frames_of(events)
    assert frames_of(events) == HEL + b"data: " + odd + b"\n\n" + LO + STOP + DONE


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"Hello"}}]}\n\n',
        b'data: {"choices":[{"index":0,\rdata: "delta":{"content":"Hello"}}]}\r\r',
        b'{"choices":[{"index":0,\r\n"delta":{"content":"Hello"},"finish_reason":"stop"}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":NaN}],"x":-Infinity}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":NaN}],"x":"\\ud800"}\n\n',
    ],
)
def test_each_chunk_is_one_line_of_json_however_it_came(body: bytes) -> None:
    forwarded = ForwardedChunks(ChunkWriter("m", "chatcmpl-1", 7))
    decoder = CompletionDecoder(
        2**20, forwarded=forwarded, content_type="application/json" if body[:1] == b"{" else ""
    )
    frames = frames_of([*decoder.feed(body), *decoder.finish()])
    assert frames.count(b"\n") == 2 * frames.count(b"data: ")
    assert b"\r" not in frames
    chunks = [line.removeprefix(b"data: ") for line in frames.split(b"\n\n") if line]
    # msgspec takes no NaN; nor a half of a surrogate pair, which clients do.
    texts = [
        msgspec.json.decode(chunk.replace(b"\\ud800", b""))["choices"][0]["delta"].get("content", "")
        for chunk in chunks
    ]
    assert "".join(texts) == "Hello"


def test_empty_chunks_are_kept_and_no_chunk_is_joined_with_another() -> None:
    empty = chunk({"content": ""})
    assert frames_of(forward(HEL + empty + empty + LO, STOP + DONE)) == HEL + empty + empty + LO + STOP + DONE


def test_a_chunk_with_a_role_alone_waits_for_the_first_that_shows_something() -> None:
    role = chunk({"role": "assistant", "content": ""})
    events = forward(role, HEL, STOP, DONE)
    assert len([event for event in events if isinstance(event, Chunks)]) == 2
    assert frames_of(events) == role + HEL + STOP + DONE
    assert not [each for each in forward(role) if isinstance(each, Chunks)]


@pytest.mark.parametrize("include_usage", [True, False])
def test_usage_reaches_those_who_asked_with_all_of_its_details_and_in_a_chunk_of_its_own(include_usage: bool) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": {"cached": 4}}
    own = event({"id": "x", "choices": [], "usage": usage})
    with_choices = chunk("lo", usage=usage)
    for body in ((HEL, LO, STOP, own, DONE), (HEL, with_choices, STOP, DONE)):
        frames = frames_of(forward(*body), include_usage=include_usage)
        *chunks, last, done = [frame.removeprefix(b"data: ") for frame in frames.split(b"\n\n") if frame]
        assert done == b"[DONE]"
        assert [json.loads(chunk).get("usage") for chunk in chunks if b'"usage": {' in chunk] == []
        last_fields = json.loads(last)
        if include_usage:
            assert (last_fields["choices"], last_fields["usage"]) == ([], usage)
        else:
            assert last_fields["choices"][0]["finish_reason"] == "stop"


def test_tool_calls_pass_untouched_also_beside_text() -> None:
    first = chunk({"content": "Let me look.", "tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f"}}]})
    more = chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"q"'}}]})
    rest = chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]})
    end = chunk(finish="tool_calls")
    assert frames_of(forward(first, more, rest, end, DONE)) == first + more + rest + end + DONE


def test_reasoning_is_sent_under_both_names_where_that_is_set() -> None:
    body = (chunk({"reasoning": "Hm"}), chunk({"reasoning_content": "m"}), HEL, STOP, DONE)
    deltas = [each["choices"][0]["delta"] for each in chunks_of(forward(*body, both_names=True))]
    assert deltas[:3] == [
        {"reasoning": "Hm", "reasoning_content": "Hm"},
        {"reasoning_content": "m", "reasoning": "m"},
        {"content": "Hel"},
    ]


def test_a_choice_without_a_delta_beside_one_with_text_is_passed_on() -> None:
    odd = b'data: {"choices":[{"index":0,"delta":{"reasoning":"Hm"}},{"index":1},{"index":2,"delta":null}]}\n\n'
    (chunk, *_) = chunks_of(forward(odd, HEL, STOP, DONE, both_names=True))
    assert chunk["choices"][0]["delta"] == {"reasoning": "Hm", "reasoning_content": "Hm"}


def test_what_some_clients_take_for_a_line_end_is_escaped_and_nothing_else() -> None:
    events = forward(chunk("a\u2028b\x85c\u2029d\x7fe\u2019"), STOP, DONE)
    frames = frames_of(events)
    assert not any(sign in frames.decode() for sign in "\u2028\x85\u2029\x7f")
    assert "\u2019" in frames.decode()
    assert chunks_of(events)[0]["choices"][0]["delta"]["content"] == "a\u2028b\x85c\u2029d\x7fe\u2019"


def test_the_words_of_a_providers_error_are_not_passed_on() -> None:
    for body in (
        (HEL, event({"error": {"message": "secret-words"}})),
        (HEL, chunk("lo", error={"message": "secret-words"})),
        (HEL, STOP, chunk("", error={"message": "secret-words"}), DONE),
        (HEL, chunk({"content": "lo", "error": {"message": "secret-words"}}), STOP, DONE),
        (
            HEL,
            event({"choices": [{"index": 0, "delta": {"content": "lo"}}, {"index": 1, "error": "secret-words"}]}),
            DONE,
        ),
        (HEL, event({"choices": [{"index": 1, "error": {"message": "secret-words"}, "delta": {}}]}), STOP, DONE),
    ):
        assert b"secret-words" not in frames_of(forward(*body))


def test_a_failure_is_an_error_and_neither_a_finish_reason_nor_a_done() -> None:
    frames = frames_of(forward(HEL))
    assert frames.startswith(HEL)
    error = json.loads(frames.removeprefix(HEL).removeprefix(b"data: "))["error"]
    assert (error["code"], error["type"], error["param"]) == ("upstream_truncated", "server_error", None)
    assert b'finish_reason": "' not in frames
    assert b"[DONE]" not in frames


def test_an_answer_over_its_limit_fails_without_the_chunk_that_exceeds_it() -> None:
    forwarded = ForwardedChunks(ChunkWriter("m", "chatcmpl-1", 7))
    decoder = CompletionDecoder(2**20, 4, forwarded=forwarded)
    assert decoder.feed(HEL)
    with pytest.raises(UpstreamError, match="more than 4 characters"):
        decoder.feed(LO)
