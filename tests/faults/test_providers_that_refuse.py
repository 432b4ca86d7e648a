"""Providers that say what failed: each kind has its code and its advice, whatever the words and their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import UpstreamError
from tests.faults.conftest import House, a_house
from tests.house import LIMITS
from tests.provider_failures import QUOTA, RATE, REFUSED, RETRYABLE, STATUSES, STREAMED, Refused, Streamed
from tests.raw_client import Reply, post_chat, stream_chat
from tests.scripted_model import Headers, Script, Send, document, raw, refused, reply

SENTENCES = {kind.code: kind.sentence for kind in UpstreamError.__subclasses__()}
CODES = sorted({sample.code for sample in (*REFUSED, *STREAMED)})


def script_of(sample: Refused | Streamed) -> Script:
    """Return the script that fails as the sample does."""
    if isinstance(sample, Streamed):
        return raw(sample.stream)
    kind = "text/html" if sample.text.startswith("<") else "application/json"
    return document(sample.text, status=sample.status, content_type=kind, headers=sample.headers)


def wrong_in_block(sample: Refused | Streamed, response: Reply) -> str:
    """Say how a block's reply differs from what the sample should become; empty where it does not."""
    fields = response.json()
    said = (response.status, fields["code"], fields["retryable"], fields["error"])
    right = (STATUSES.get(sample.code, 502), sample.code, sample.code in RETRYABLE, SENTENCES[sample.code])
    waits = "retry-after" in response.headers
    if said == right and waits == (sample.retry_after is not None and sample.code in RETRYABLE):
        return ""
    return f"{sample.provider}: {said}, {response.headers.get('retry-after')}"


def wrong_in_stream(sample: Refused | Streamed, house: House) -> str:
    """Ask for a stream and say how its end differs from what the sample should become."""
    with stream_chat(house.url) as client:
        if client.status == 200:
            text, terminal = client.read_stream()
            fields = terminal.payload
        else:
            text, fields = "", json.loads(client.read_body())
    said = (text, fields.get("code"), fields.get("retryable"), fields.get("error"))
    right = ("", sample.code, sample.code in RETRYABLE, SENTENCES[sample.code])
    return "" if said == right else f"{sample.provider}, in a stream: {said}"


@pytest.mark.parametrize("code", CODES)
def test_what_providers_say_of_a_failure_becomes_its_code_in_both_modes(house: House, code: str) -> None:
    """Row 16: with one attempt each, and none of the provider's words."""
    samples = [sample for sample in (*REFUSED, *STREAMED) if sample.code == code]
    wrong = []
    with ThreadPoolExecutor(1) as other:
        for sample in samples:
            house.model.default = script_of(sample)
            block = other.submit(post_chat, house.url, message="Hi", interaction_mode="block")
            wrong.append(wrong_in_stream(sample, house))
            wrong.append(wrong_in_block(sample, block.result()))
    assert [text for text in wrong if text] == []
    assert len(house.model.exchanges) == 2 * len(samples)


@pytest.mark.parametrize(
    "sample", [s for s in STREAMED if isinstance(s.event, bytes)], ids=lambda sample: sample.provider
)
def test_a_failure_behind_words_keeps_them(house: House, sample: Streamed) -> None:
    """Row 15: in any form, and cut in two anywhere it is the same."""
    words = reply_bytes_of("Hello")
    half = len(sample.stream) // 2
    script = (Headers(), Send(words + sample.stream[:half]), Send(sample.stream[half:]))
    house.model.enqueue(script)
    with stream_chat(house.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.payload["code"]) == ("Hello", sample.code)


def reply_bytes_of(text: str) -> bytes:
    """Return the events of an unfinished answer."""
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@pytest.fixture(scope="module")
def retrying() -> Iterator[House]:
    """A house that tries three times."""
    with a_house(**{**LIMITS, "OPENAI_MAX_RETRIES": 2, "SLUICE_FIRST_TOKEN_TIMEOUT": 5.5}) as house:
        yield house


def test_an_account_without_balance_is_asked_once_and_a_rate_limit_again(retrying: House) -> None:
    """Row 16: both come as 429."""
    spent = next(sample for sample in REFUSED if (sample.code, sample.status) == (QUOTA, 429))
    slow = next(sample for sample in REFUSED if sample.code == RATE and "retry-after-ms" in sample.headers)
    with retrying.left_as_it_was():
        retrying.model.enqueue(script_of(spent), reply("no"))
        response = post_chat(retrying.url, message="Hi", interaction_mode="block")
        assert (response.status, response.json()["code"]) == (502, QUOTA)
        assert "retry-after" not in response.headers
        retrying.model.clear()
        retrying.model.enqueue(script_of(slow), reply("Hello"))
        assert post_chat(retrying.url, message="Hi", interaction_mode="block").json()["message"] == "Hello"
        first, second = retrying.model.exchanges
        assert first.finished is not None
        # The header with milliseconds, and not the one with whole seconds.
        assert 1.2 < second.opened - first.finished < 1.9


def test_the_log_tells_the_operator_which_setting_to_change(house: House) -> None:
    house.model.enqueue(refused(401), refused(404, {"error": {"message": "The model `x` does not exist"}}))
    for _ in range(2):
        post_chat(house.url, message="Hi", interaction_mode="block")
    house.server.wait_for_log(r"key_refused: the provider refused the API key: OPENAI_API_KEY should be")
    house.server.wait_for_log(r"model_not_found: the provider has no such model for this key: OPENAI_MODEL and")
