"""The events of a run survive the way through a store: all kinds, any text, each error of the tree."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.service.errors import InternalError, Refused, ServiceError, Stopped
from sluice.service.events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from sluice.service.events.usage import Usage
from sluice.service.stored_runs.event_codec import BadPayload, decode_events, encode_events

# With halves of surrogate pairs, which a model's text may have alone.
ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("\ud800\udbff\udc00\udfff\0"))
COUNTS = st.integers(0, 2**40)
EVENTS = st.one_of(
    st.builds(Text, ANY_TEXT, COUNTS),
    st.builds(Reasoning, ANY_TEXT, COUNTS),
    st.builds(ToolCall, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.booleans()),
    st.builds(ToolResult, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.booleans(), st.floats(allow_nan=False), ANY_TEXT),
    st.builds(Custom, ANY_TEXT, st.binary()),
)
COSTS = st.none() | st.floats(0, 1e9)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, st.booleans(), COSTS, COUNTS)
ENDS = st.builds(Finished, st.text(), st.none() | USAGES)


def leaves(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Yield the errors that have no errors below them."""
    below = kind.__subclasses__()
    for each in below:
        yield from leaves(each)
    if not below:
        yield kind


# The service's own: a request's errors end before a run begins. `Stopped` takes no detail.
ERRORS = sorted(
    {kind for kind in leaves(ServiceError) if kind.__module__ == "sluice.service.errors" and kind is not Stopped},
    key=str,
)


@given(st.lists(EVENTS), st.lists(ENDS, max_size=1))
def test_events_come_back_as_they_were(deltas: list[Event], ends: list[Event]) -> None:
    assert decode_events(encode_events([*deltas, *ends])) == [*deltas, *ends]


def test_what_was_written_with_the_bytes_of_each_text_is_read() -> None:
    payload = msgspec.msgpack.encode([(2, b"Hm", 1), (1, "\ud800\u00e9".encode(errors="surrogatepass"), 3)])
    assert decode_events(payload) == [Reasoning("Hm"), Text("\ud800\u00e9", 3)]


def test_what_earlier_versions_have_stored_keeps_its_meaning() -> None:
    stored = [
        (1, b"a", 2), (2, b"b", 3), (3, "stop", None), (3, "stop", (1, 2, 3, False)), (5, b"c", b"s", b"{}", True),
        (6, b"c", b"s", b"r", False, 0.5), (7, b"citation", b"[1]"),
    ]  # fmt: skip
    assert decode_events(msgspec.msgpack.encode(stored)) == [
        Text("a", 2),
        Reasoning("b", 3),
        Finished("stop", None),
        Finished("stop", Usage(1, 2, 3)),
        ToolCall("c", "s", "{}", needs_consent=True),
        ToolResult("c", "s", "r", is_error=False, seconds=0.5),
        Custom("citation", b"[1]"),
    ]


@pytest.mark.parametrize("kind", ERRORS)
def test_each_error_comes_back_with_its_class_and_sentence_and_without_its_detail(kind: type[ServiceError]) -> None:
    error = Refused("Not on Sundays.") if kind is Refused else kind("a secret detail", public_message="A sentence.")
    payload = encode_events([Failed(error)])
    assert b"secret" not in payload
    (event,) = decode_events(payload)
    assert isinstance(event, Failed)
    assert (type(event.error), event.error.code, event.error.public_message, event.error.retryable) == (
        kind, error.code, error.public_message, error.retryable
    )  # fmt: skip
    assert event.error.detail == ""


@pytest.mark.parametrize("reason", ["stopped", "abandoned", "log_full"])
def test_the_reason_of_a_stop_comes_back(reason: str) -> None:
    (event,) = decode_events(encode_events([Failed(Stopped(reason))]))
    assert isinstance(event, Failed)
    assert isinstance(event.error, Stopped)
    assert (event.error.reason, event.error.public_message) == (reason, Stopped(reason).public_message)


def test_an_error_of_another_version_comes_back_as_an_internal_one_with_its_sentence() -> None:
    (event,) = decode_events(msgspec.msgpack.encode([(4, "of_tomorrow", "A sentence.", "", "more")]))
    assert isinstance(event, Failed)
    assert (type(event.error), event.error.public_message) == (InternalError, "A sentence.")


def test_a_cost_is_behind_what_earlier_versions_read_and_absent_from_what_they_wrote() -> None:
    end = Finished("stop", Usage(1, 2, 3, False, 0.5, 1))
    ((number, reason, counts, *_),) = msgspec.msgpack.decode(encode_events([end]))
    assert (number, reason, counts) == (3, "stop", [1, 2, 3, False])
    written_before = msgspec.msgpack.encode([(3, "stop", (1, 2, 3, False))])
    assert decode_events(written_before) == [Finished("stop", Usage(1, 2, 3))]


def test_half_a_surrogate_pair_in_a_providers_reason_or_a_sentence_is_replaced() -> None:
    assert decode_events(encode_events([Finished("st\ud800op", None)])) == [Finished("st?op", None)]
    (event,) = decode_events(encode_events([Failed(Refused("No \udfff."))]))
    assert isinstance(event, Failed)
    assert event.error.public_message == "No ?."


@given(st.binary(max_size=64))
@example(b"\x91" * 5000)
@example(b"")
@example(msgspec.msgpack.encode({"a": 1}))
def test_bytes_are_events_or_a_bad_payload(payload: bytes) -> None:
    try:
        events = decode_events(payload)
    except BadPayload:
        return
    if not any(isinstance(event, Finished | Failed) for event in events[:-1]):
        assert decode_events(encode_events(events)) == events


@pytest.mark.parametrize(
    "fields",
    [
        [], [0], [5, "text"], [1], [1, b"text"], [1, b"text", "1"], [1, b"\xff", 1], [2, 7, 1],
        [3], [3, "stop"], [3, "stop", [1, 2]], [3, "stop", [1, 2, 3, 4, 5]], [3, b"stop", None], [4, "internal"],
        [4, "internal", None, ""], [5, b"c", b"s", b"{}"], [5, b"c", b"s", b"{}", 1], [5, b"c", b"\xff", b"{}", True],
        [6, b"c", b"s", b"r", False], [7], [8, b"x"],
        "text", 1, None, {"1": 2},
    ],
)  # fmt: skip
def test_what_is_no_event_is_a_bad_payload(fields: object) -> None:
    with pytest.raises(BadPayload):
        decode_events(msgspec.msgpack.encode([fields]))
