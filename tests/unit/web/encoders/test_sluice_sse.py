"""The encoder: the documented frames byte for byte, and no text that a model can write breaks out of its event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from sluice.service.decoding.sse_decoder import EventStreamDecoder
from sluice.service.errors import ServiceError, UpstreamRateLimited, UpstreamTimeout
from sluice.service.observability.logging import request_id
from sluice.service.runs.events import Event, Failed, Finished, Reasoning, Text
from sluice.service.runs.usage import Usage
from sluice.web.encoders.sluice_sse import HEADERS, HEARTBEAT, OPENING, EventEncoder

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


@pytest.fixture
def a_request() -> Iterator[None]:
    token = request_id.set("request-7")
    yield
    request_id.reset(token)


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
    encoder = EventEncoder()
    stream = OPENING + encoder.encode([Text("Hel")]) + encoder.encode([Text("lo")]) + encoder.encode([FINISHED])
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


def test_the_headers_keep_proxies_from_storing_changing_or_gathering() -> None:
    assert HEADERS == {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
    }


@pytest.mark.parametrize("comment", [OPENING, HEARTBEAT])
def test_a_comment_is_no_event_wherever_it_stands(comment: bytes) -> None:
    one = EventEncoder().encode([Text("a")])
    assert frames(comment + one + comment + comment + one + comment) == frames(one + one)


def test_neighbouring_texts_leave_as_one_event_with_the_last_ones_id() -> None:
    stream = EventEncoder().encode([Text("one "), Text("loop "), Text("is enough"), FINISHED])
    assert [frame["message"] for frame in frames(stream)] == ["one loop is enough", ""]
    assert ids(stream) == ["3", "4"]


def test_reasoning_and_text_are_not_joined_with_each_other() -> None:
    stream = EventEncoder().encode([Reasoning("th"), Reasoning("ink"), Text("say"), Reasoning("doubt")])
    assert frames(stream) == [
        {"success": True, "message": "", "interaction_mode": "stream", "reasoning": "think"},
        {"success": True, "message": "say", "interaction_mode": "stream"},
        {"success": True, "message": "", "interaction_mode": "stream", "reasoning": "doubt"},
    ]
    assert ids(stream) == ["2", "3", "4"]


def test_an_unknown_usage_is_null_and_an_estimated_one_says_so() -> None:
    unknown = EventEncoder().encode([Finished("length", None)])
    estimated = EventEncoder().encode([Finished("stop", Usage(9, 2, 11, estimated=True))])
    assert [frame["usage"] for frame in frames(unknown + estimated)] == [
        None,
        {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "estimated": True},
    ]


@pytest.mark.usefixtures("a_request")
def test_a_failure_is_said_in_safe_words_only() -> None:
    error = UpstreamTimeout("the provider said: sk-secret-key is late")
    assert frames(EventEncoder().encode([Text("so far"), Failed(error)])) == [
        {"success": True, "message": "so far", "interaction_mode": "stream"},
        {
            "success": False,
            "error": UpstreamTimeout.sentence,
            "code": "upstream_timeout",
            "retryable": True,
            "request_id": "request-7",
        },
    ]


def test_an_empty_batch_is_no_bytes() -> None:
    assert EventEncoder().encode([]) == b""


# ------------------------------------------------------------------ hostile text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [Text, Reasoning])
def test_hostile_text_arrives_intact_in_one_event(kind: type[Text] | type[Reasoning], text: str) -> None:
    stream = EventEncoder().encode([kind(text)])
    (frame,) = frames(stream)
    assert frame["reasoning" if kind is Reasoning else "message"] == text
    assert ids(stream) == ["1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_has_no_line_end_of_any_kind_on_the_wire(text: str) -> None:
    stream = EventEncoder().encode([Text(text)]).decode()
    assert [line.partition(":")[0] for line in stream.splitlines()] == ["id", "data", ""]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_in_a_finish_reason_or_an_error_stay_in_their_event(text: str) -> None:
    failed = Failed(UpstreamRateLimited(text, sentence=text or "-"))
    stream = EventEncoder().encode([Finished(text, None), failed])
    assert [frame.get("finish_reason", frame.get("error")) for frame in frames(stream)] == [text, text or "-"]


def test_chinese_is_sent_as_it_is() -> None:
    assert "你好，世界".encode() in EventEncoder().encode([Text("你好，世界")])


def test_the_halves_of_a_character_that_wait_together_arrive_as_that_character() -> None:
    (frame,) = frames(EventEncoder().encode([Text("\ud83d"), Text("\ude42")]))
    assert frame["message"] == "\N{SLIGHTLY SMILING FACE}"


# ------------------------------------------------------------------ properties

# Surrogates included, which `st.text()` leaves out unless it is asked.
ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20) | st.sampled_from(HOSTILE)
WORDS = st.builds(Text, ANY_TEXT) | st.builds(Reasoning, ANY_TEXT)
FAILURES = st.builds(Failed, st.builds(ServiceError, ANY_TEXT))


@settings(deadline=None)
@given(st.lists(st.lists(WORDS, max_size=6), max_size=6), st.just(FINISHED) | FAILURES)
def test_the_concatenation_is_the_text_for_any_batching(batches: list[list[Event]], last: Event) -> None:
    encoder = EventEncoder()
    stream = OPENING + b"".join(encoder.encode(batch) for batch in batches) + HEARTBEAT + encoder.encode([last])
    events = [event for batch in batches for event in batch]
    *said, terminal = frames(stream)
    message = "".join(frame["message"] for frame in said)
    reasoning = "".join(frame.get("reasoning", "") for frame in said)
    assert merged(message) == merged("".join(event.text for event in events if isinstance(event, Text)))
    assert merged(reasoning) == merged("".join(event.text for event in events if isinstance(event, Reasoning)))
    assert terminal["success"] is (last is FINISHED)
    numbers = [int(number or 0) for number in ids(stream)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == len(events) + 1
