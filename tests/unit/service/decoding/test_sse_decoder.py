"""The event stream decoder against the HTML standard, against another implementation, and against its size limit.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from sluice.service.decoding import sse_decoder as event_stream
from sluice.service.decoding.event_limits import EventTooLarge
from sluice.service.decoding.sse_decoder import EventStreamDecoder

PLENTY = 1_000_000


def decode(parts: Iterable[bytes], limit: int = PLENTY) -> list[bytes]:
    decoder = EventStreamDecoder(limit)
    events = [event for data in parts for event in decoder.feed(data)]
    return events + decoder.finish()


def one_byte_at_a_time(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


# ------------------------------------------------------------------ the standard's own examples

STANDARD = [
    pytest.param(b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"], id="stock ticker"),
    pytest.param(
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        [b"first event", b"second event"],
        id="a comment, two events, and a third without its blank line",
    ),
    pytest.param(b"data\n\ndata\ndata\n\ndata:", [b"", b"\n"], id="empty data, and an unfinished event"),
    pytest.param(b"data:  third event\n\n", [b" third event"], id="only one space after the colon is no content"),
    pytest.param(b"data:test\n\ndata: test\n\n", [b"test", b"test"], id="the space after the colon is no content"),
    pytest.param(
        b"data: This is the first message.\n\n"
        b"data: This is the second message, it\ndata: has two lines.\n\n"
        b"data: This is the third message.\n\n",
        [
            b"This is the first message.",
            b"This is the second message, it\nhas two lines.",
            b"This is the third message.",
        ],
        id="messages of one and of two lines",
    ),
    pytest.param(
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        [b"73857293", b"2153", b"113411"],
        id="event names",
    ),
]
CASES = [
    pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
    pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
    pytest.param(b"data: a\r\ndata: b\rdata: c\n\r\n", [b"a\nb\nc"], id="every kind of line end in one event"),
    pytest.param(b"data: a\r\n\rdata: b\n\r", [b"a", b"b"], id="the stream ends with a CR"),
    pytest.param(b"data: a\n\n\n\n\n", [b"a"], id="blank lines without an event"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="one BOM at the start is skipped"),
    pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", [], id="a second BOM belongs to the field's name"),
    pytest.param(b"data: \xef\xbb\xbfa\n\n", [b"\xef\xbb\xbfa"], id="a BOM inside is content"),
    pytest.param(b"\xef\xbbdata: a\n\n", [], id="half a BOM is no BOM"),
    pytest.param(b"\xef\xbb", [], id="nothing but half a BOM"),
    pytest.param(b": ping\n:\n:data: a\n\ndata: b\n\n", [b"b"], id="comments"),
    pytest.param(b"id: 7\n\nevent: x\nretry: 5\n\ndata: a\n\n", [b"a"], id="no event without data"),
    pytest.param(b"event: ping\n\ndata: a\n\n", [b"a"], id="a ping without data"),
    pytest.param(b"datum: a\nDATA: b\n data: c\ndata : d\n\n", [], id="unknown fields"),
    pytest.param(b"data:a:b: c\n\n", [b"a:b: c"], id="only the first colon divides"),
    pytest.param(b"data: a", [], id="no line end at all"),
    pytest.param(b"data: a\n", [], id="no blank line"),
    pytest.param(
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n\n".encode(),
        ["a\u2028b\u2029c\x85d\x0be\x0cf\x1cg".encode()],
        id="nothing else ends a line",
    ),
    pytest.param(b"data: \x00\xff\xfe\n\n", [b"\x00\xff\xfe"], id="bytes that are no text are kept"),
    pytest.param("data: 你好 🙂\n\n".encode(), ["你好 🙂".encode()], id="more than one byte a character"),
    pytest.param(b"", [], id="nothing"),
]


ERRORS = [
    pytest.param(b'event: error\ndata: {"a": 1}\n\n', [b'{"error": {"a": 1}}'], id="an event of errors"),
    pytest.param(b"data: no\nevent: error\n\n", [b'{"error": "no"}'], id="its name behind its data, as a text"),
    pytest.param(
        b"event: error\ndata: {}\n\n", [b'{"error": "an error without a description"}'], id="no description"
    ),
    pytest.param(b"event: error\n\ndata: a\n\n", [b"a"], id="an error without data is no event"),
    pytest.param(b"event: error\nevent: x\ndata: a\n\n", [b"a"], id="the last name counts"),
    pytest.param(b'error: {"a": 1}\n\n', [b'{"error": {"a": 1}}'], id="a line of errors"),
    pytest.param(b"data: a\n\nerror: \xff", [b"a", b'{"error": "\\ufffd"}'], id="a line of errors without an end"),
    pytest.param(b'{"a": 1}\n', [b'{"a": 1}'], id="a line of JSON"),
    pytest.param(b'{"a": 1}', [b'{"a": 1}'], id="a line of JSON without an end"),
    pytest.param(b'[{\n  "a": 1\n}]', [b'[{\n  "a": 1\n}]'], id="lines of JSON without an end"),
    pytest.param(b'[{\n  "a": 1\n}]\n\ndata: b\n\n', [b'[{\n  "a": 1\n}]', b"b"], id="lines of JSON and an event"),
    pytest.param(b'[{\n"a": 1}]\ndata: b\n\n', [b'[{\n"a": 1}]', b"b"], id="lines of JSON, and data right behind"),
    pytest.param(b"{\n\n[\ndata: a\n\n{x}\n\n", [b"a"], id="lines that only begin like JSON are unknown fields"),
]


@pytest.mark.parametrize(("stream", "events"), ERRORS)
def test_errors_that_providers_send_beside_the_standard_are_read(stream: bytes, events: list[bytes]) -> None:
    assert decode([stream]) == events
    assert decode(one_byte_at_a_time(stream)) == events
    for cut in range(len(stream)):
        assert decode([stream[:cut], stream[cut:]]) == events


@pytest.mark.parametrize("line", [b"{", b"[", b'{"a":'])
def test_lines_of_json_without_an_end_are_bounded(line: bytes) -> None:
    with pytest.raises(EventTooLarge):
        decode([line + b"\n"] * 101, limit=100)


@pytest.mark.parametrize(("stream", "events"), STANDARD + CASES)
def test_a_stream_is_read_as_the_standard_says(stream: bytes, events: list[bytes]) -> None:
    assert decode([stream]) == events


@pytest.mark.parametrize(("stream", "events"), STANDARD + CASES)
def test_a_stream_is_read_the_same_one_byte_at_a_time(stream: bytes, events: list[bytes]) -> None:
    assert decode(one_byte_at_a_time(stream)) == events


def test_an_event_is_returned_with_the_bytes_that_complete_it() -> None:
    decoder = EventStreamDecoder(PLENTY)
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\ndata: b\n\nda") == [b"a", b"b"]
    assert decoder.feed(b"ta: c\r\n\r") == []
    assert decoder.feed(b"\n") == [b"c"]
    assert decoder.feed(b"") == []
    assert decoder.finish() == []


def test_a_cr_that_was_held_back_still_ends_the_last_event() -> None:
    decoder = EventStreamDecoder(PLENTY)
    assert decoder.feed(b"data: a\r\r") == []
    assert decoder.finish() == [b"a"]
    assert decoder.finish() == []


# ------------------------------------------------------------------ beyond the standard


@pytest.mark.parametrize(
    ("stream", "incomplete"),
    [
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\r", [b"a"]),
        (b"data: a\r\n", [b"a"]),
        (b"data: a\ndata: b", [b"a\nb"]),
        (b"data: a\n\ndata: b", [b"b"]),
        (b"data: a\n\n", []),
        (b"data: a\r\r", []),
        (b": a", []),
        (b"id: 1", []),
        (b"", []),
    ],
)
def test_the_event_in_which_a_stream_ended_is_returned_once(stream: bytes, incomplete: list[bytes]) -> None:
    for parts in ([stream], one_byte_at_a_time(stream)):
        decoder = EventStreamDecoder(PLENTY)
        for data in parts:
            decoder.feed(data)
        decoder.finish()
        assert decoder.incomplete() == incomplete
        assert decoder.incomplete() == []


# ------------------------------------------------------------------ properties

# Mostly of what matters to the format, so that short streams already have events.
FRAGMENTS = st.sampled_from(
    [
        b"data", b"data:", b"data: ", b"data: x", b":", b" ", b"id: 1", b"event: done", b"retry: 3", b"x", b"\x00",
        b"\n", b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\xef", "\u2028".encode(), "你".encode(),
    ]
)  # fmt: skip
# What a chat server sends in one write: the decoder reads these by a shorter way, which must come to the same.
WHOLE_EVENTS = st.sampled_from(
    [
        b"data: x\n\n", b"data: \n\n", b"data:  x\n\n", b"data: x\n\ndata: y\n\n", b"data: x\ndata: y\n\n",
        b"data: x\n\n\n\n", b"data: x\n\n: ping\n\n", b"data: x\r\n\n", b"data: x\n\ndata:y\n\ndata: z\n\n",
    ]
)  # fmt: skip
PARTS = st.lists(FRAGMENTS | WHOLE_EVENTS | st.binary(max_size=3), max_size=40)
TEXT_STREAMS = st.lists(FRAGMENTS.filter(lambda data: data != b"\xef") | WHOLE_EVENTS, max_size=40).map(b"".join)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut the stream at the given places, whose order and number do not matter."""
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@settings(deadline=None)
@given(PARTS, st.lists(st.integers(0, 10_000), max_size=20))
@example([b"data: x\r\n\r\ndata: y\r\n\r\n"], [8, 10])
@example([b"\xef\xbb\xbfdata: x\n\n"], [1, 2])
@example([b":\n", b"data: x\n\ndata: y\n\n\n\n"], [])
@example([b":\n", b"data: x\n", b"data: y\n\n"], [])
def test_any_cut_of_any_stream_gives_the_same_events(parts: list[bytes], places: list[int]) -> None:
    stream = b"".join(parts)
    whole = decode([stream])
    assert decode(parts) == whole
    assert decode(cut(stream, places)) == whole
    assert decode(one_byte_at_a_time(stream)) == whole


@settings(deadline=None)
@given(TEXT_STREAMS, st.lists(st.integers(0, 10_000), max_size=20))
def test_another_implementation_reads_the_same(stream: bytes, places: list[int]) -> None:
    """The openai client's decoder departs from the standard in three places, which are kept out of this:

    it keeps the BOM; it reports events without data, with empty data; and it refuses what is not UTF-8.
    """
    without_bom = stream.removeprefix(b"\xef\xbb\xbf").lstrip(b"\xef\xbb\xbf")
    theirs = [event.data for event in SSEDecoder().iter_bytes(iter(cut(without_bom, places)))]
    ours = [event.decode() for event in decode(cut(without_bom, places))]
    assert [data for data in ours if data] == [data for data in theirs if data]


# ------------------------------------------------------------------ size


def feed_for_ever(data: bytes, limit: int) -> int:
    """Feed the same bytes until they are refused; return how many bytes were accepted."""
    decoder = EventStreamDecoder(limit)
    for number in range(4 * limit):
        try:
            decoder.feed(data)
        except EventTooLarge as error:
            assert str(error) == f"the provider sent an event larger than {limit} bytes"  # noqa: PT017
            return number * len(data)
    raise AssertionError("never refused")


@pytest.mark.parametrize(
    "data",
    [b"x", b"data: xyz", b":", b"data: xyz\n", b"data\n", b"data: xyz\r", b"data: xyz\r\n: and a comment\r\n"],
    ids=["line", "data line", "comment", "data lines", "empty data lines", "CR", "data lines between comments"],
)
def test_an_endless_event_or_line_is_refused_at_the_limit(data: bytes) -> None:
    limit = 10_000
    accepted = feed_for_ever(data, limit)
    assert limit - len(data) <= accepted <= 4 * limit


def test_an_event_that_comes_at_once_is_refused_at_the_limit() -> None:
    data = b"x" * 1000
    assert decode([b"data:%b\n\n" % data], 1005) == [data]
    with pytest.raises(EventTooLarge):
        decode([b"data:%b\n\n" % data], 1004)
    # Not at the start, where a chat server's usual event takes the shorter way.
    assert decode([b":\n", b"data: %b\n\n" % data], 1006) == [data]
    with pytest.raises(EventTooLarge):
        decode([b":\n", b"data: %b\n\n" % data], 1005)


def test_an_unfinished_line_counts_with_the_data_before_it() -> None:
    decoder = EventStreamDecoder(100)
    assert decoder.feed(b"data: %b\n" % (b"x" * 50)) == []
    with pytest.raises(EventTooLarge):
        decoder.feed(b"data: %b" % (b"x" * 50))


def test_the_limit_is_each_events_own() -> None:
    assert len(decode([b"data: %b\n\n" % (b"x" * 900)] * 50, 1000)) == 50
    assert len(decode([b"data: %b\n" % (b"x" * 400) * 2 + b"\n"] * 50, 1000)) == 50
    assert decode([b": comments take no memory\n"] * 1000, 100) == []


def test_one_byte_at_a_time_costs_one_join_for_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: how many bytes go through the search for line ends, per byte of the stream."""
    searched = 0
    pattern = event_stream._LINE_ENDS

    class Counting:
        def finditer(self, block: bytes, *bounds: int) -> Iterable[object]:
            nonlocal searched
            searched += len(block)
            return pattern.finditer(block, *bounds)

    monkeypatch.setattr(event_stream, "_LINE_ENDS", Counting())
    for line_end in (b"\n", b"\r", b"\r\n"):
        searched = 0
        stream = (b"data: " + b"x" * 5_000 + line_end * 2) * 4
        assert decode(one_byte_at_a_time(stream)) == [b"x" * 5_000] * 4
        assert searched <= 3 * len(stream)


# ------------------------------------------------------------------ events of many parts

LARGE_TEXT = b'data: {"text": "%b"}\n\n' % (b"a, {b} [c] " * 4_000)
MANY = b'data: {"list": [%b1]}\n\n' % (b"[]," * 30_000)


def in_slices(stream: bytes, size: int = 16 * 1024) -> list[bytes]:
    return [stream[begin : begin + size] for begin in range(0, len(stream), size)]


def test_a_large_event_of_few_parts_is_an_event() -> None:
    assert len(decode(in_slices(LARGE_TEXT), 2**20)) == 1


@pytest.mark.parametrize(
    "stream",
    [
        MANY,
        MANY.replace(b"\n", b"\r\n"),
        MANY.replace(b"[],", b"[],\ndata: "),
        MANY.removeprefix(b"data: "),
        b"\n{\n" + MANY.removeprefix(b"data: {").replace(b"[],", b"[],\n"),
    ],
    ids=["one line", "CRLF", "lines of data", "bare JSON", "bare JSON in lines"],
)
def test_a_large_event_of_many_parts_is_refused_behind_the_events_before_it(stream: bytes) -> None:
    decoder, events = EventStreamDecoder(2**20), []

    def read() -> None:
        for data in in_slices(b"data: 1\n\n" * 3 + stream):
            events.extend(decoder.feed(data))
        decoder.finish()

    with pytest.raises(EventTooLarge, match="50000 parts") as caught:
        read()
    assert [*events, *caught.value.complete] == [b"1"] * 3


def test_many_small_events_are_not_one_event_of_many_parts() -> None:
    stream = b'data: {"list": [[], [], []]}\n\n' * 60_000
    assert len(decode(in_slices(stream), 2**20)) == 60_000
