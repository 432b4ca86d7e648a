"""Providers that say what failed: each kind has its code and its advice, whatever the words and their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluice.service.errors import UpstreamError
from tests.support.fault_server import FaultServer, start_fault_server
from tests.support.provider_failures import QUOTA, RATE, REFUSED, RETRYABLE, STATUSES, STREAMED, Refused, Streamed
from tests.support.refusals_of_parts import REFUSALS
from tests.support.running_server import SHORT_LIMITS
from tools.common.raw_client import Reply, post_chat, stream_chat
from tools.common.scripted_model import Headers, Script, Send, document, raw, refused, reply

SENTENCES = {kind.code: kind.public_message for kind in UpstreamError.__subclasses__()}
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


def wrong_in_stream(sample: Refused | Streamed, running_server: FaultServer) -> str:
    """Ask for a stream and say how its end differs from what the sample should become."""
    with stream_chat(running_server.url) as client:
        if client.status == 200:
            text, terminal = client.read_stream()
            fields = terminal.payload
        else:
            text, fields = "", json.loads(client.read_body())
    said = (text, fields.get("code"), fields.get("retryable"), fields.get("error"))
    right = ("", sample.code, sample.code in RETRYABLE, SENTENCES[sample.code])
    return "" if said == right else f"{sample.provider}, in a stream: {said}"


@pytest.mark.parametrize("code", CODES)
def test_a_providers_failure_gets_its_code_in_both_modes(running_server: FaultServer, code: str) -> None:
    """Row 16: with one attempt each, and none of the provider's words."""
    samples = [sample for sample in (*REFUSED, *STREAMED) if sample.code == code]
    wrong = []
    with ThreadPoolExecutor(1) as other:
        for sample in samples:
            running_server.model.default = script_of(sample)
            block = other.submit(post_chat, running_server.url, message="Hi", interaction_mode="block")
            wrong.append(wrong_in_stream(sample, running_server))
            wrong.append(wrong_in_block(sample, block.result()))
    assert [text for text in wrong if text] == []
    assert len(running_server.model.exchanges) == 2 * len(samples)


@pytest.mark.parametrize(
    "sample", [s for s in STREAMED if isinstance(s.event, bytes)], ids=lambda sample: sample.provider
)
def test_a_failure_after_tokens_keeps_the_tokens(running_server: FaultServer, sample: Streamed) -> None:
    """Row 15: in any form, and cut in two anywhere it is the same."""
    words = reply_bytes_of("Hello")
    half = len(sample.stream) // 2
    script = (Headers(), Send(words + sample.stream[:half]), Send(sample.stream[half:]))
    running_server.model.enqueue(script)
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.payload["code"]) == ("Hello", sample.code)


def reply_bytes_of(text: str) -> bytes:
    """Return the events of an unfinished answer."""
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@pytest.fixture(scope="module")
def retrying() -> Iterator[FaultServer]:
    """A server that tries three times."""
    with start_fault_server(
        **{**SHORT_LIMITS, "OPENAI_MAX_RETRIES": 2, "SLUICE_FIRST_TOKEN_TIMEOUT": 5.5}
    ) as running_server:
        yield running_server


def test_an_account_without_balance_is_asked_once_and_a_rate_limit_again(retrying: FaultServer) -> None:
    """Row 16: both come as 429."""
    spent = next(sample for sample in REFUSED if (sample.code, sample.status) == (QUOTA, 429))
    slow = next(sample for sample in REFUSED if sample.code == RATE and "retry-after-ms" in sample.headers)
    with retrying.without_leaks():
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


def test_the_log_tells_the_operator_which_setting_to_change(running_server: FaultServer) -> None:
    running_server.model.enqueue(refused(401), refused(404, {"error": {"message": "The model `x` does not exist"}}))
    for _ in range(2):
        post_chat(running_server.url, message="Hi", interaction_mode="block")
    running_server.server.wait_for_log(r"key_refused: the provider refused the API key: OPENAI_API_KEY should be")
    running_server.server.wait_for_log(
        r"model_not_found: the provider has no such model for this key: OPENAI_MODEL and"
    )


# --------------------------------------------------------------------------------------- parts of a request


@pytest.fixture(scope="module")
def strict() -> Iterator[FaultServer]:
    """A server that tries once, has a system message, and may ask several models: what each refuses is remembered."""
    models = ",".join(("strict-about-streams", "strict-about-system", "strict-about-turns", "stubborn", "other"))
    with start_fault_server(**SHORT_LIMITS, OPENAI_MODELS=models, OPENAI_SYSTEM_PROMPT="Be brief.") as running_server:
        yield running_server


def refusal_of(name: str) -> Script:
    status, body, _ = REFUSALS[name]
    return refused(status, body)


def asked(strict: FaultServer, *scripts: Script, **fields: object) -> list[dict[str, object]]:
    """Ask for a block, and return the bodies of the requests that the model got for it."""
    strict.model.clear()
    with strict.without_leaks():
        strict.model.enqueue(*scripts)
        response = post_chat(strict.url, message="Hi", interaction_mode="block", **fields)
        assert (response.status, response.json()["message"]) == (200, "Hello")
        return [exchange.body for exchange in strict.model.exchanges]


def test_a_provider_that_refuses_stream_options_is_asked_once_more_and_then_never_with_them(
    strict: FaultServer,
) -> None:
    first, second = asked(strict, refusal_of("Mistral"), reply("Hello"))
    assert first.pop("stream_options") == {"include_usage": True}
    assert first == second
    # Another model of the same provider, and a stream.
    (third,) = asked(strict, reply("Hello"), model="other")
    assert "stream_options" not in third
    with strict.without_leaks():
        strict.model.enqueue(reply("Hello"))
        with stream_chat(strict.url) as client:
            assert client.read_stream()[0] == "Hello"
        assert "stream_options" not in strict.model.exchanges[-1].body
    strict.server.wait_for_log("the provider refuses stream_options")
    assert strict.server.log.count("the provider refuses stream_options") == 1


@pytest.mark.parametrize(
    ("model", "name", "change"),
    [
        (
            "strict-about-system",
            "OpenAI, o1-mini",
            {"messages": [{"role": "user", "content": "Be brief.\n\nAre you there?\n\nHi"}]},
        ),
        (
            "strict-about-turns",
            "vLLM",
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Are you there?\n\nHi"},
                ]
            },
        ),
    ],
)
def test_a_model_that_refuses_a_form_of_conversation_is_asked_once_more_in_another(
    strict: FaultServer, model: str, name: str, change: dict[str, object]
) -> None:
    history = [{"role": "user", "content": "Are you there?"}]
    first, second = asked(strict, refusal_of(name), reply("Hello"), model=model, conversation_history=history)
    assert second == {**first, **change}
    (third,) = asked(strict, reply("Hello"), model=model, conversation_history=history)
    assert third == second
    # Other models are asked as before.
    (other,) = asked(strict, reply("Hello"), model="other", conversation_history=history)
    assert other["messages"] == first["messages"]
    strict.server.wait_for_log(f"the model {model} refuses")
    assert strict.server.log.count(f"the model {model} refuses") == 1


def test_a_model_that_may_not_be_streamed_is_asked_for_the_whole_answer(strict: FaultServer) -> None:
    refusal, model = refusal_of("OpenAI, not verified"), "strict-about-streams"
    first, second = asked(strict, refusal, reply("Hello"), model=model)
    assert first["stream"] is True
    assert second == {name: value for name, value in first.items() if name not in ("stream", "stream_options")}
    assert [exchange.headers["accept"] for exchange in strict.model.exchanges] == [
        "text/event-stream",
        "application/json",
    ]


def test_a_part_is_refused_only_once(strict: FaultServer) -> None:
    """A server that refuses all the same is not asked for ever."""
    strict.model.clear()
    with strict.without_leaks():
        strict.model.default = refusal_of("vLLM, Gemma")
        response = post_chat(strict.url, message="Hi", interaction_mode="block", model="stubborn")
        assert (response.status, response.json()["code"]) == (502, "upstream_rejected")
        assert len(strict.model.exchanges) == 2
