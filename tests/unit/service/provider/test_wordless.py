"""How much a model may send without a word: what any real one sends in an hour, and no flood."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

import pytest

from sluice.service import Settings
from sluice.service.concurrency.deadline import Deadline
from sluice.service.decoding.completion_decoder import CompletionDecoder
from sluice.service.errors import UpstreamInvalid
from sluice.service.provider.client import _Intake
from sluice.service.settings.limits import LimitSettings
from tests.support.scenario import run

EMPTY = (
    b'data: {"id": "chatcmpl-01234567", "model": "model-that-thinks", "choices": [{"delta": {"content": ""}}]}\n\n'
)
WORD = EMPTY.replace(b'""', b'"word"')
HOUR = 3600.0


def intake_for(pieces: Callable[[_Intake, Callable[[float], None]], None]) -> tuple[CompletionDecoder, list[str]]:
    """Give pieces to the intake of an answer, on a clock that only moves when it is told; return what it said."""
    said: list[str] = []
    decoder = CompletionDecoder(2**20)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        at = [loop.time()]
        loop.time = lambda: at[0]  # type: ignore[method-assign]

        def wait(seconds: float) -> None:
            at[0] += seconds

        settings = Settings(limits=LimitSettings(next_token_timeout=HOUR))
        with closing(Deadline(at[0] + 10 * HOUR)) as deadline:
            intake = _Intake(decoder, deadline, settings, at[0] + 10 * HOUR)
            intake.offer = lambda words: not said.extend(word.text for word in words)  # type: ignore[union-attr]
            pieces(intake, wait)

    run(scenario)
    return decoder, said


@pytest.mark.parametrize(
    ("piece", "a_second", "seconds"),
    [(b": ping\n\n", 1, HOUR), (b"event: ping\ndata: {}\n\n", 10, HOUR), (EMPTY, 200, HOUR / 30), (b"\n", 500, HOUR)],
    ids=["a ping a second", "ten events a second", "200 empty deltas a second", "500 line ends a second"],
)
def test_a_long_time_of_signs_of_life_is_no_flood(piece: bytes, a_second: int, seconds: float) -> None:
    def pieces(intake: _Intake, wait: Callable[[float], None]) -> None:
        for _ in range(int(seconds)):
            wait(1.0)
            assert intake.take(piece * a_second)

    decoder, _ = intake_for(pieces)
    assert not decoder.state.has_ended


@pytest.mark.parametrize("piece", [b"\n", b": \n\n", EMPTY, b'data: {"usage": {}}\n\n'])
def test_as_much_in_a_moment_ends_the_answer(piece: bytes) -> None:
    def pieces(intake: _Intake, wait: Callable[[float], None]) -> None:
        while intake.take(piece * 500):
            wait(0.0)

    decoder, _ = intake_for(pieces)
    assert decoder.state.has_ended
    with pytest.raises(UpstreamInvalid, match="without a word of the answer"):
        decoder.result()


def test_each_word_begins_the_count_anew() -> None:
    def pieces(intake: _Intake, wait: Callable[[float], None]) -> None:
        for _ in range(3):
            assert intake.take(b": \n\n" * (2**20 // 4))
            assert intake.take(WORD)

    decoder, said = intake_for(pieces)
    assert not decoder.state.has_ended
    assert said == ["word"] * 3


def test_what_was_held_back_comes_before_the_end() -> None:
    def pieces(intake: _Intake, wait: Callable[[float], None]) -> None:
        intake.take(WORD.replace(b"word", b"<thi"))
        while intake.take(b"\n" * 2**16):
            pass
        assert [word.text for word in intake.deltas] == ["<thi"]

    decoder, _ = intake_for(pieces)
    assert decoder.state.has_ended


def test_behind_the_end_of_a_whole_answer_nothing_is_counted() -> None:
    def pieces(intake: _Intake, wait: Callable[[float], None]) -> None:
        intake.take(WORD + WORD.replace(b'"delta": {"content": "word"}', b'"delta": {}, "finish_reason": "stop"'))
        for _ in range(30):
            intake.take(b"\n" * 2**16)

    decoder, _ = intake_for(pieces)
    assert not decoder.state.has_ended
    assert decoder.state.is_whole
