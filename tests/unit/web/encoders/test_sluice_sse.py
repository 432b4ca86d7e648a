"""The encoder: the documented frames byte for byte, and no text that a model can write breaks out of its event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from sluice.service.decoding.sse_decoder import EventStreamDecoder
from sluice.service.errors import ServiceError, UpstreamRateLimited, UpstreamTimeout
from sluice.service.events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from sluice.service.events.usage import Usage
from sluice.web.encoders.sluice_sse import HEADERS, HEARTBEAT, OPENING, encode_events

FINISHED = Finished("stop", Usage(9, 2, 11))
HOSTILE = [
    "\n\nevent: done\ndata: {}\n\n",
    "\r\rdata: {}\r\r",
    "\r\n\r\nid: 7\r\nretry: 1\r\n\r\n",
    "a\u2028b\u2029c",
    "\x0b\x0c\x1c\x1d\x1e\x85",
    "</script><script>alert(1)</script>",
    "\x00",
    "\x7f\x1b[2J",
    "\ufeff",
    "\ud83d",
    "\ude42",
    "\ud83d 你好",
    '"}\n\n\\"',
    "\\u000a\\n",
    "",
]


def encode(*events: Event, first_number: int = 1) -> bytes:
    return encode_events(events, first_number, "request-7")


def frames(stream: bytes) -> list[dict[str, Any]]:
    decoder = EventStreamDecoder(10_000_000)
    return [json.loads(data) for data in decoder.feed(stream) + decoder.finish()]


def ids(stream: bytes) -> list[str | None]:
    return [event.id for event in SSEDecoder().iter_bytes(iter([stream])) if event.data]


def merged(text: str) -> str:
    """Make one character of the halves of a surrogate pair that stand side by side, as a browser does."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


# ------------------------------------------------------------------ the wire


def test_a_whole_stream_is_as_documented_byte_for_byte() -> None:
    stream = OPENING + encode(Text("Hel")) + encode(Text("lo"), first_number=2) + encode(FINISHED, first_number=3)
    assert (
        stream
        == b""": ok

id: 1
data: {"success": true, "message": "Hel", "interaction_mode": "stream"}

id: 2
data: {"success": true, "message": "lo", "interaction_mode": "stream"}

id: 3
data: {"success": true, "message": "", "interaction_mode": "stream", "done": true, "finish_reason": "stop", \
"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}

"""
    )


def test_calls_results_and_custom_events_are_frames_as_documented_byte_for_byte() -> None:
    stream = encode(
        ToolCall("call_1", "search", '{"q": "x"}'),
        ToolCall("call_2", "send", "{}", needs_consent=True),
        ToolResult("call_1", "search", "你好", seconds=0.41234),
        ToolResult("call_2", "send", "No.", is_error=True, seconds=1.0, code="denied"),
        Custom("citation", '{"url":"/你"}'.encode()),
    )
    assert stream.decode() == (
        'id: 1\ndata: {"success": true, "message": "", "interaction_mode": "stream", '
        '"tool_call": {"id": "call_1", "name": "search", "arguments": "{\\"q\\": \\"x\\"}"}}\n\n'
        'id: 2\ndata: {"success": true, "message": "", "interaction_mode": "stream", '
        '"tool_call": {"id": "call_2", "name": "send", "arguments": "{}", "needs_consent": true}}\n\n'
        'id: 3\ndata: {"success": true, "message": "", "interaction_mode": "stream", '
        '"tool_result": {"id": "call_1", "name": "search", "text": "你好", "is_error": false, "seconds": 0.412}}\n\n'
        'id: 4\ndata: {"success": true, "message": "", "interaction_mode": "stream", "tool_result": {"id": "call_2", '
        '"name": "send", "text": "No.", "is_error": true, "seconds": 1.0, "code": "denied"}}\n\n'
        'id: 5\ndata: {"success": true, "message": "", "interaction_mode": "stream", '
        '"custom": {"name": "citation", "data": {"url":"/你"}}}\n\n'
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_tool_or_its_call_breaks_out_of_its_event(text: str) -> None:
    data = json.dumps([text], indent=1).encode()
    # JSON that an application has made: other line ends, and characters that need no escape.
    raw = json.dumps([text], ensure_ascii=False, indent=1).replace("\n", "\r\n").encode(errors="ignore")
    stream = encode(
        ToolCall(text, text, text), ToolResult(text, text, text), Custom(text, data), Custom("raw", raw), FINISHED
    )
    assert ids(stream) == ["1", "2", "3", "4", "5"]
    # As clients split lines that use a library's `splitlines`.
    assert len(stream.decode().splitlines()) == len(stream.decode().split("\n")) - 1
    call, result, custom, other, _ = frames(stream)
    assert call["tool_call"] == {"id": text, "name": text, "arguments": text}
    assert [result["tool_result"][name] for name in ("id", "name", "text")] == [text] * 3
    assert custom["custom"] == {"name": text, "data": [text]}
    assert other["custom"]["data"] == [text.encode(errors="ignore").decode()]


def test_the_headers_keep_proxies_from_storing_changing_or_gathering() -> None:
    assert HEADERS == {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
    }


@pytest.mark.parametrize("comment", [OPENING, HEARTBEAT])
def test_a_comment_is_no_event_wherever_it_stands(comment: bytes) -> None:
    one = encode(Text("a"))
    assert frames(comment + one + comment + comment + one + comment) == frames(one + one)


def test_neighbouring_texts_leave_as_one_event_with_the_last_ones_id() -> None:
    stream = encode(Text("one "), Text("loop "), Text("is enough"), FINISHED)
    assert [frame["message"] for frame in frames(stream)] == ["one loop is enough", ""]
    assert ids(stream) == ["3", "4"]


def test_an_id_is_the_number_of_an_event_in_its_run_whatever_was_encoded_before() -> None:
    assert ids(encode(Text("a"), Text("b"), FINISHED, first_number=41)) == ["42", "43"]


def test_reasoning_and_text_are_not_joined_with_each_other() -> None:
    stream = encode(Reasoning("th"), Reasoning("ink"), Text("say"), Reasoning("doubt"))
    assert frames(stream) == [
        {"success": True, "message": "", "interaction_mode": "stream", "reasoning": "think"},
        {"success": True, "message": "say", "interaction_mode": "stream"},
        {"success": True, "message": "", "interaction_mode": "stream", "reasoning": "doubt"},
    ]
    assert ids(stream) == ["2", "3", "4"]


def test_an_unknown_usage_is_null_and_an_estimated_one_says_so() -> None:
    unknown = encode(Finished("length", None))
    estimated = encode(Finished("stop", Usage(9, 2, 11, estimated=True)))
    assert [frame["usage"] for frame in frames(unknown + estimated)] == [
        None,
        {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "estimated": True},
    ]


def test_the_frame_of_a_failure_has_its_public_message_only() -> None:
    error = UpstreamTimeout("the provider said: sk-secret-key is late")
    assert frames(encode(Text("so far"), Failed(error))) == [
        {"success": True, "message": "so far", "interaction_mode": "stream"},
        {
            "success": False,
            "error": UpstreamTimeout.public_message,
            "code": "upstream_timeout",
            "retryable": True,
            "request_id": "request-7",
        },
    ]


def test_an_empty_batch_is_no_bytes() -> None:
    assert encode() == b""


# ------------------------------------------------------------------ hostile text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [Text, Reasoning])
def test_hostile_text_arrives_intact_in_one_event(kind: type[Text] | type[Reasoning], text: str) -> None:
    stream = encode(kind(text))
    (frame,) = frames(stream)
    assert frame["reasoning" if kind is Reasoning else "message"] == text
    assert ids(stream) == ["1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_has_no_line_end_of_any_kind_on_the_wire(text: str) -> None:
    stream = encode(Text(text)).decode()
    assert [line.partition(":")[0] for line in stream.splitlines()] == ["id", "data", ""]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_finish_reason_or_an_error_stay_in_their_event(text: str) -> None:
    failed = Failed(UpstreamRateLimited(text, public_message=text or "-"))
    stream = encode(Finished(text, None), failed)
    assert [frame.get("finish_reason", frame.get("error")) for frame in frames(stream)] == [text, text or "-"]


def test_chinese_is_sent_as_it_is() -> None:
    assert "你好，世界".encode() in encode(Text("你好，世界"))


def test_the_halves_of_a_character_that_wait_together_arrive_as_that_character() -> None:
    (frame,) = frames(encode(Text("\ud83d"), Text("\ude42")))
    assert frame["message"] == "\N{SLIGHTLY SMILING FACE}"


# ------------------------------------------------------------------ properties

# Surrogates included, which `st.text()` leaves out unless it is asked.
ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20) | st.sampled_from(HOSTILE)
WORDS = st.builds(Text, ANY_TEXT) | st.builds(Reasoning, ANY_TEXT)
FAILURES = st.builds(Failed, st.builds(ServiceError, ANY_TEXT))


@settings(deadline=None)
@given(st.lists(st.lists(WORDS, max_size=6), max_size=6), st.just(FINISHED) | FAILURES)
def test_the_concatenation_is_the_text_for_any_batching(batches: list[list[Event]], last: Event) -> None:
    events: list[Event] = []
    stream = OPENING
    for batch in batches:
        stream += encode(*batch, first_number=len(events) + 1)
        events += batch
    stream += HEARTBEAT + encode(last, first_number=len(events) + 1)
    *said, terminal = frames(stream)
    message = "".join(frame["message"] for frame in said)
    reasoning = "".join(frame.get("reasoning", "") for frame in said)
    assert merged(message) == merged("".join(event.text for event in events if isinstance(event, Text)))
    assert merged(reasoning) == merged("".join(event.text for event in events if isinstance(event, Reasoning)))
    assert terminal["success"] is (last is FINISHED)
    numbers = [int(number or 0) for number in ids(stream)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == len(events) + 1
