"""Everything that a model's server can do wrong, and the one code that each becomes, in both modes."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable

import pytest

from tests.conftest import PLANTED_KEY, Serve
from tests.integration.conftest import LIMITS, House
from tests.raw_client import Reply, post_chat, stream_chat
from tests.scripted_model import (
    Headers,
    Script,
    ScriptedModel,
    byte_by_byte,
    document,
    raw,
    refused,
    refusing_base_url,
    reply,
    reply_bytes,
    resetting_after,
    said,
    stalling,
    stalling_after,
    unanswering_base_url,
)

DONE = b"data: [DONE]\n\n"


def stream_error(house: House, script: Script) -> tuple[str, str, int]:
    """Return the text, the code and the status of a stream that fails; the status is 200 for a frame."""
    house.model.enqueue(script)
    with stream_chat(house.url) as client:
        if client.status != 200:
            fields = json.loads(client.read_body())
            return "", fields["code"], client.status
        text, terminal = client.read_stream()
        assert terminal.is_error
        return text, terminal.payload["code"], 200


def block_error(house: House, script: Script) -> Reply:
    house.model.enqueue(script)
    return post_chat(house.url, message="Hi", interaction_mode="block")


# name -> script, code, status in block mode, text that a stream shows before it fails
FAILURES: dict[str, tuple[Callable[[], Script], str, int, str]] = {
    "silence before the headers": (stalling, "upstream_timeout", 504, ""),
    "silence after the headers": (lambda: stalling(after_headers=True), "upstream_timeout", 504, ""),
    "silence in the middle": (lambda: stalling_after("Hel", "lo"), "upstream_timeout", 504, "Hello"),
    "reset before the headers": (lambda: raw_reset(), "upstream_unavailable", 502, ""),
    "reset in the middle": (lambda: resetting_after("Hel", "lo"), "upstream_truncated", 502, "Hello"),
    "an end without a finish reason": (lambda: reply("Hello", finish=None), "upstream_truncated", 502, "Hello"),
    "an end without a finish reason and without [DONE]": (
        lambda: raw(reply_bytes("Hello", finish=None).removesuffix(DONE)),
        "upstream_truncated",
        502,
        "Hello",
    ),
    "a 200 with HTML": (lambda: document("<html>login</html>"), "upstream_invalid", 502, ""),
    "a 200 with a JSON error": (lambda: document({"error": {"message": "no"}}), "upstream_invalid", 502, ""),
    "a 200 with an empty body": (lambda: raw(), "upstream_invalid", 502, ""),
    "a 200 with nothing but [DONE]": (lambda: raw(DONE), "upstream_invalid", 502, ""),
    "an error event": (
        lambda: raw(b'data: {"error": {"message": "overloaded ' + PLANTED_KEY.encode() + b'", "code": 503}}\n\n'),
        "upstream_unavailable",
        502,
        "",
    ),
    "an error event after words": (
        lambda: raw(reply_bytes("Hello", finish=None).removesuffix(DONE) + b'data: {"error": "boom"}\n\n'),
        "upstream_unavailable",
        502,
        "Hello",
    ),
    "a rate limit as an event": (
        lambda: raw(b'data: {"error": {"type": "rate_limit_error", "message": "slow down"}}\n\n'),
        "upstream_rate_limited",
        429,
        "",
    ),
    "broken JSON": (lambda: raw(b'data: {"choices": [\n\n'), "upstream_invalid", 502, ""),
    "broken JSON after words": (
        lambda: raw(reply_bytes("Hello", finish=None).removesuffix(DONE) + b"data: {\n\n"),
        "upstream_invalid",
        502,
        "Hello",
    ),
    "broken UTF-8": (
        lambda: raw(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n'),
        "upstream_invalid",
        502,
        "",
    ),
    "JSON of another shape": (lambda: raw(b"data: [1, 2]\n\n"), "upstream_invalid", 502, ""),
    "an event over the size limit": (
        lambda: raw(b'data: {"x": "' + b"a" * (2**20 + 1) + b'"}\n\n'),
        "upstream_invalid",
        502,
        "",
    ),
    "endless bytes without a line end": (lambda: raw(*[b"a" * 65536] * 32), "upstream_invalid", 502, ""),
    **{
        f"status {status}": (lambda status=status: refused(status), "upstream_rejected", 502, "")
        for status in (400, 401, 403, 404, 422)
    },
    "status 429": (lambda: refused(429), "upstream_rate_limited", 429, ""),
    "status 500": (lambda: refused(500), "upstream_unavailable", 502, ""),
    "status 503": (lambda: refused(503, "<html>down</html>"), "upstream_unavailable", 502, ""),
    "a redirect": (lambda: refused(307, headers={"Location": "http://elsewhere/"}), "upstream_rejected", 502, ""),
}


def raw_reset() -> Script:
    from tests.scripted_model import Reset

    return (Reset(),)


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_the_model_ends_the_stream_with_its_code(house: House, name: str) -> None:
    script, code, status, text = FAILURES[name]
    got_text, got_code, got_status = stream_error(house, script())
    assert (got_text, got_code) == (text, code)
    assert got_status in (200, status)


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_of_the_model_is_the_status_of_a_block(house: House, name: str) -> None:
    script, code, status, _ = FAILURES[name]
    response = block_error(house, script())
    fields = response.json()
    assert (response.status, fields["code"], fields["success"]) == (status, code, False)
    assert fields["request_id"] == response.headers["x-request-id"]


def test_no_reply_and_no_log_line_carries_the_key_that_a_provider_echoed(house: House) -> None:
    echo = {"error": {"message": f"Incorrect API key provided: {PLANTED_KEY}", "code": "invalid_api_key"}}
    response = block_error(house, refused(401, echo))
    assert PLANTED_KEY not in response.body.decode()
    assert "Incorrect" not in response.body.decode()
    line = house.server.wait_for_log(r"Incorrect API key provided: (\S+)")
    assert PLANTED_KEY not in line[0]
    assert PLANTED_KEY not in house.server.log


def test_a_failure_known_before_the_stream_begins_is_an_http_status(house: House) -> None:
    _, _, status = stream_error(house, refused(500))
    assert status == 502


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("1", "1"), ("120", "120"), ("121", "121"), (None, "5"), ("soon", "5"), ("nan", "1"), ("1e9", "3600")],
)
def test_the_providers_retry_after_is_passed_on_within_bounds(
    house: House, given: str | None, passed_on: str
) -> None:
    response = block_error(house, refused(429, headers={"Retry-After": given} if given else {}))
    assert response.headers["retry-after"] == passed_on


def test_a_connection_that_is_refused_is_502(serve: Serve) -> None:
    with refusing_base_url() as nowhere:
        server = serve(OPENAI_BASE_URL=nowhere, **LIMITS)
        response = post_chat(server.url, message="Hi", interaction_mode="stream")
    assert (response.status, response.json()["code"]) == (502, "upstream_unavailable")


def test_an_unknown_host_is_502(serve: Serve) -> None:
    server = serve(OPENAI_BASE_URL="http://no-such-host.invalid/v1", **LIMITS)
    response = post_chat(server.url, message="Hi", interaction_mode="stream")
    assert (response.status, response.json()["code"]) == (502, "upstream_unavailable")


def test_a_host_that_does_not_answer_is_given_up_at_the_connect_limit(serve: Serve) -> None:
    with unanswering_base_url() as silent:
        limits = {**LIMITS, "SLUICE_HEARTBEAT_INTERVAL": 15, "SLUICE_FIRST_TOKEN_TIMEOUT": 60}
        server = serve(OPENAI_BASE_URL=silent, **limits)
        response = post_chat(server.url, message="Hi", interaction_mode="block", timeout=5)
    assert (response.status, response.json()["code"]) == (502, "upstream_unavailable")


def test_two_failures_and_then_an_answer_give_one_answer(serve: Serve, model: ScriptedModel) -> None:
    server = serve(OPENAI_MAX_RETRIES=2)
    model.enqueue(refused(500), refused(503), reply("Hello"))
    with stream_chat(server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)
    assert len(model.exchanges) == 3
    assert server.log.count("failed, another one in") == 2


def test_no_further_attempt_follows_a_shown_word(serve: Serve, model: ScriptedModel) -> None:
    server = serve(OPENAI_MAX_RETRIES=2)
    model.enqueue(resetting_after("Hello"), reply("again"))
    with stream_chat(server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.payload["code"]) == ("Hello", "upstream_truncated")
    assert len(model.exchanges) == 1


def test_a_rejected_request_is_tried_once(serve: Serve, model: ScriptedModel) -> None:
    server = serve(OPENAI_MAX_RETRIES=2)
    model.enqueue(refused(401), reply("again"))
    assert post_chat(server.url, message="Hi").status == 502
    assert len(model.exchanges) == 1


# ------------------------------------------------------------------------------------- odd, but an answer


def chunk(content: str) -> bytes:
    return b'data: {"choices": [{"index": 0, "delta": {"content": ' + content.encode() + b"}}]}\n\n"


END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'

ANSWERS: dict[str, bytes] = {
    "no [DONE]": chunk('"Hello"') + END,
    "pings without data": b"event: ping\n\n"
    + chunk('"Hel"')
    + b"event: ping\n\nid: 7\n\n"
    + chunk('"lo"')
    + END
    + DONE,
    "comments": b": processing\n\n" + chunk('"Hello"') + b": still\n" + END + DONE,
    "CRLF": (chunk('"Hello"') + END + DONE).replace(b"\n", b"\r\n"),
    "CR": (chunk('"Hello"') + END + DONE).replace(b"\n", b"\r"),
    "a BOM": b"\xef\xbb\xbf" + chunk('"Hello"') + END + DONE,
    "data of several lines": chunk('"Hello"').replace(b": [{", b": [\ndata: {") + END + DONE,
    "a usage chunk without choices": chunk('"Hello"')
    + END
    + b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}\n\n'
    + DONE,
    "null fields": b'data: {"choices": [{"delta": null}], "usage": null, "error": null}\n\n' + chunk('"Hello"') + END,
    "log probabilities that are not numbers": chunk('"Hello"').replace(b'{"index"', b'{"logprobs": NaN, "index"')
    + END,
    "an empty finish reason with every chunk": chunk('"Hello"').replace(b'{"index"', b'{"finish_reason": "", "index"')
    + END,
    "a second choice": chunk('"Hello"') + chunk('"no"').replace(b'"index": 0', b'"index": 1') + END + DONE,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_odd_stream_that_is_an_answer_is_read_as_one(house: House, name: str) -> None:
    house.model.enqueue(raw(ANSWERS[name]))
    with stream_chat(house.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)


def test_an_answer_that_comes_byte_by_byte_is_intact(house: House) -> None:
    house.model.enqueue(byte_by_byte(reply_bytes("混合", "🙂", "text")))
    with stream_chat(house.url) as client:
        assert client.read_stream()[0] == "混合🙂text"


def test_an_emoji_cut_in_two_between_tokens_arrives_whole(house: House) -> None:
    house.model.enqueue(raw(chunk(r'"a\ud83d"') + chunk(r'"\ude42b"') + END + DONE))
    with stream_chat(house.url) as client:
        assert client.read_stream()[0] == "a🙂b"


@pytest.mark.parametrize("text", [r'"a\ud83d"', r'"\ude42a"', r'"a\ud83db"'])
def test_half_a_character_that_stays_alone_is_passed_on_as_it_came(house: House, text: str) -> None:
    house.model.enqueue(raw(chunk(text) + END + DONE))
    with stream_chat(house.url) as client:
        assert client.read_stream()[0] == json.loads(text)


def test_a_server_that_lingers_after_the_finish_reason_does_not_spoil_the_answer(house: House) -> None:
    from tests.scripted_model import Chunk, Stall

    house.model.enqueue((Headers(), *said("Hello"), Chunk(finish_reason="stop"), Stall()))
    with stream_chat(house.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)


def test_an_answer_that_goes_on_for_ever_ends_at_the_total_limit(house: House) -> None:
    house.model.enqueue((Headers(), *said(*["."] * 200, delay=0.05)))
    with stream_chat(house.url) as client:
        text, terminal = client.read_stream(timeout=8)
    assert terminal.payload["code"] == "upstream_timeout"
    assert len(text) > 40


def test_proxies_of_the_environment_do_not_come_between_us_and_our_own_machine(serve: Serve) -> None:
    # A listener that resets everybody, so that a use of the proxy shows at once.
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server = serve(HTTP_PROXY=f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert post_chat(server.url, message="Hi", interaction_mode="block").status == 200
