"""What providers say of a failure becomes the class that says what to do."""

from __future__ import annotations

import json
import re
import time

import pytest

from sluice.service.errors import ContextLengthExceeded, KeyRefused, ModelNotFound, QuotaExceeded
from sluice.service.failures.mapping import failure_from_event, failure_from_status, failure_in
from sluice.service.failures.rules import RULES
from tests.support.provider_failures import (
    CONTEXT,
    FILTER,
    KEY,
    MODEL,
    NOW,
    QUOTA,
    RATE,
    REFUSED,
    RETRYABLE,
    STREAMED,
    Refused,
    Streamed,
)


def named(sample: Refused | Streamed) -> str:
    return f"{sample.provider}: {sample.code}"


@pytest.mark.parametrize("sample", REFUSED, ids=named)
def test_a_refusal_has_the_code_that_says_what_to_do(sample: Refused) -> None:
    headers = {name.lower(): value for name, value in sample.headers.items()}
    error = failure_from_status(sample.status, headers, sample.text, NOW)
    assert (error.code, error.retryable) == (sample.code, sample.code in RETRYABLE)
    assert error.retry_after == (None if sample.retry_after is None else pytest.approx(sample.retry_after))


@pytest.mark.parametrize("sample", [s for s in STREAMED if not isinstance(s.event, bytes)], ids=named)
def test_a_failure_inside_a_stream_has_the_code_that_says_what_to_do(sample: Streamed) -> None:
    error = failure_in(sample.event)
    assert error is not None
    assert (error.code, error.retryable) == (sample.code, sample.code in RETRYABLE)
    assert error.retry_after == sample.retry_after


def test_every_word_of_a_rule_is_said_by_a_sample_of_its_code() -> None:
    said = dict.fromkeys({sample.code for sample in (*REFUSED, *STREAMED)}, "")
    for refused in REFUSED:
        said[refused.code] += refused.text.lower() + "\n"
    for streamed in STREAMED:
        said[streamed.code] += streamed.stream.decode().lower() + "\n"
    unsaid = [word for rule in RULES for word in rule.words if not re.search(word, said[rule.kind.code])]
    # Anthropic's "model: x-9" is a line of its own only once it has been decoded.
    assert unsaid == [r"(?m:^model: \S+$)"]


def test_at_least_ten_providers_have_samples_of_each_kind() -> None:
    for code in (CONTEXT, FILTER, QUOTA, RATE, MODEL, KEY):
        assert len({sample.provider.partition(",")[0] for sample in REFUSED if sample.code == code}) >= 10, code


def test_the_log_says_what_the_operator_can_change_before_what_the_provider_said() -> None:
    error = failure_from_status(401, {}, "who are you?")
    assert error.detail == (
        "the provider refused the API key: OPENAI_API_KEY should be a valid key for the provider at OPENAI_BASE_URL. "
        "It said 401: who are you?"
    )
    for kind in (ContextLengthExceeded, QuotaExceeded, ModelNotFound, KeyRefused):
        assert re.search(r"\b(OPENAI|SLUICE)_[A-Z_]+", kind.advice)


def test_a_client_hears_none_of_the_providers_words() -> None:
    for sample in REFUSED:
        error = failure_from_status(sample.status, {}, sample.text)
        assert error.safe_message == error.sentence


def test_the_log_gets_an_excerpt_that_cuts_no_word() -> None:
    text = "word " * 395 + "sk-" + "k" * 4000
    detail = failure_from_event(text).detail
    assert len(detail) < 2200
    assert "sk-" not in detail
    assert detail.endswith(f"({len(text)} characters)")


def test_what_the_log_gets_can_be_written() -> None:
    for error in (failure_from_event({"error": "half \ud83d of a pair"}), failure_from_status(400, {}, "\ud83d")):
        assert r"\ud83d" in error.detail.encode().decode()


@pytest.mark.parametrize(
    "value",
    [
        "[" * 100_000,
        json.dumps({"error": {"message": "x" * 1_000_000}}),
        json.dumps([{"error": {"code": number, "message": "model " * 50}} for number in range(3000)]),
        json.dumps({"message": json.dumps({"message": json.dumps({"message": "model not " * 2000})})}),
        "retry after " * 5000 + "9" * 5000,
        "not a reply at all\x00\ud800",
    ],
    ids=["deep", "long", "many", "inside texts", "waits", "no text"],
)
def test_a_hostile_failure_is_read_in_bounded_time(value: str) -> None:
    began = time.process_time()
    failure_from_status(400, {"retry-after": "9" * 400, "x-ratelimit-reset": "1e400"}, value)
    failure_from_event(value)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("value", [{}, [], None, "", 7, {"object": "chat.completion.chunk"}, {"type": "ping"}, [{}]])
def test_what_says_nothing_of_a_failure_is_none(value: object) -> None:
    assert failure_in(value) is None
