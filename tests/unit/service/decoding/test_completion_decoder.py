"""The decoder of answers, over the table of what providers send."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sluice.service.decoding.completion_decoder import CompletionDecoder
from sluice.service.errors import UpstreamError
from sluice.service.events.events import Finished, Reasoning, Text
from sluice.service.events.usage import Usage
from tests.support.provider_scenarios import DONE, HEL, LO, SCENARIOS, STOP, Scenario, chunk

# Without the connection there is no silence and no reset: these are for the real server.
READABLE = {name: scenario for name, scenario in SCENARIOS.items() if not scenario.ending}


def read(parts: Iterable[bytes]) -> Scenario:
    """Read an answer, and return what came out as a scenario of no bytes."""
    decoder = CompletionDecoder(2**20)
    text = reasoning = ""
    finished, code = None, ""
    try:
        for part in [*parts, None]:
            if decoder.state.has_ended:
                break
            for delta in decoder.finish() if part is None else decoder.feed(part):
                match delta:
                    case Text(more):
                        text += more
                    case Reasoning(more):
                        reasoning += more
        finished = decoder.result()
    except UpstreamError as error:
        code = error.code
    usage = finished and finished.usage
    return Scenario(
        (),
        text=text,
        reasoning=reasoning,
        code=code,
        finish_reason=finished.reason if finished else "",
        usage=(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) if usage else None,
    )


def expected(scenario: Scenario) -> Scenario:
    """Return the same of a scenario."""
    reason = "" if scenario.code else scenario.finish_reason
    return Scenario((), scenario.text, scenario.reasoning, scenario.code, reason, scenario.usage)


@pytest.mark.parametrize("name", READABLE)
def test_what_a_provider_sends_is_read(name: str) -> None:
    scenario = READABLE[name]
    assert read(part for part in scenario.body if isinstance(part, bytes)) == expected(scenario)


@pytest.mark.parametrize("name", [name for name in READABLE if len(READABLE[name].bytes) < 10_000])
def test_what_a_provider_sends_is_read_the_same_at_once_and_in_single_bytes(name: str) -> None:
    scenario = READABLE[name]
    assert read([scenario.bytes]) == expected(scenario)
    assert read(bytes([byte]) for byte in scenario.bytes) == expected(scenario)


def test_an_answer_is_ending_only_where_a_finish_reason_came_by_itself_behind_text() -> None:
    decoder = CompletionDecoder(1000)
    decoder.feed(chunk({"role": "assistant"}, finish="stop"))
    assert not decoder.state.is_ending  # no text has come
    decoder.feed(chunk("Hel", finish="stop"))
    assert not decoder.state.is_ending  # text has come behind a reason
    other = CompletionDecoder(1000)
    other.feed(chunk("Hello", finish="stop"))
    assert not other.state.is_ending  # it may be one of those in every chunk
    other.feed(STOP)
    assert other.state.is_ending
    other.feed(chunk("!"))
    assert not other.state.is_ending


def test_finishing_twice_returns_nothing_again() -> None:
    decoder = CompletionDecoder(1000)
    decoder.feed(chunk("<thi"))
    assert decoder.finish() == [Text("<thi")]
    assert decoder.finish() == []


def test_a_text_that_is_held_back_is_counted_as_progress() -> None:
    decoder = CompletionDecoder(1000)
    assert decoder.feed(chunk("<thi")) == []
    assert decoder.state.has_progressed


def test_white_space_without_end_is_not_held_back() -> None:
    decoder = CompletionDecoder(1000)
    deltas = [delta for _ in range(300) for delta in decoder.feed(chunk(" "))]
    assert "".join(delta.text for delta in deltas) == " " * 300


def test_a_whole_answer_in_one_object_is_bounded_like_an_event() -> None:
    decoder = CompletionDecoder(1000)
    with pytest.raises(UpstreamError, match="larger than 1000 bytes"):
        decoder.feed(b'{"choices": ["' + b"x" * 1000)


def test_usage_is_the_providers_count() -> None:
    decoder = CompletionDecoder(1000)
    decoder.feed(
        HEL
        + LO
        + STOP[:-2].replace(b'"choices"', b'"usage": {"prompt_tokens": 1e3, "completion_tokens": 2}, "choices"')
    )
    decoder.feed(b"\n\n" + DONE)
    assert decoder.result() == Finished("stop", Usage(1000, 2, 1002))
