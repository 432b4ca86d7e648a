"""A provider's description of a failure is mapped to the error class for it."""

from __future__ import annotations

import json
import re
import time

import pytest

from sluice.service.errors import ContextLengthExceeded, KeyRefused, ModelNotFound, QuotaExceeded, TemperatureRefused
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
def test_a_refusal_is_mapped_to_the_error_for_its_cause(sample: Refused) -> None:
    headers = {name.lower(): value for name, value in sample.headers.items()}
    error = failure_from_status(sample.status, headers, sample.text, NOW)
    assert (error.code, error.retryable) == (sample.code, sample.code in RETRYABLE)
    assert error.retry_after == (None if sample.retry_after is None else pytest.approx(sample.retry_after))


@pytest.mark.parametrize("sample", [s for s in STREAMED if not isinstance(s.event, bytes)], ids=named)
def test_a_failure_inside_a_stream_is_mapped_to_the_error_for_its_cause(sample: Streamed) -> None:
    error = failure_in(sample.event)
    assert error is not None
    assert (error.code, error.retryable) == (sample.code, sample.code in RETRYABLE)
    assert error.retry_after == sample.retry_after


def test_every_phrase_of_a_rule_is_in_a_sample_of_its_code() -> None:
    texts = dict.fromkeys({sample.code for sample in (*REFUSED, *STREAMED)}, "")
    for refused in REFUSED:
        texts[refused.code] += refused.text.lower() + "\n"
    for streamed in STREAMED:
        texts[streamed.code] += streamed.stream.decode().lower() + "\n"
    unused = [phrase for rule in RULES for phrase in rule.phrases if not re.search(phrase, texts[rule.kind.code])]
    # Anthropic's "model: x-9" is a line of its own only once it has been decoded.
    assert unused == [r"(?m:^model: \S+$)"]


def test_at_least_ten_providers_have_samples_of_each_kind() -> None:
    for code in (CONTEXT, FILTER, QUOTA, RATE, MODEL, KEY):
        assert len({sample.provider.partition(",")[0] for sample in REFUSED if sample.code == code}) >= 10, code


def test_the_detail_begins_with_what_the_operator_can_change() -> None:
    error = failure_from_status(401, {}, "who are you?")
    assert error.detail == (
        "the provider refused the API key: OPENAI_API_KEY should be a valid key for the provider at OPENAI_BASE_URL, "
        "and `key` or `key_file` in SLUICE_PROVIDERS for each provider there. The provider answered 401: who are you?"
    )
    for kind in (ContextLengthExceeded, QuotaExceeded, ModelNotFound, KeyRefused, TemperatureRefused):
        assert re.search(r"\b(OPENAI|SLUICE)_[A-Z_]+", kind.advice)


def test_the_public_message_has_nothing_of_the_providers_text() -> None:
    for sample in REFUSED:
        error = failure_from_status(sample.status, {}, sample.text)
        assert error.public_message == type(error).public_message


def test_the_detail_is_an_excerpt_that_cuts_no_key() -> None:
    text = "word " * 395 + "sk-" + "k" * 4000
    detail = failure_from_event(text).detail
    assert len(detail) < 2200
    assert "sk-" not in detail
    assert detail.endswith(f"({len(text)} characters)")


def test_the_detail_can_be_encoded() -> None:
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
def test_a_value_that_names_no_failure_gives_none(value: object) -> None:
    assert failure_in(value) is None
