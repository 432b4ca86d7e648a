"""Rows 9-18, 20 and 21: models that fail. Each failure has its code, and what had arrived stays delivered."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.support.fault_server import FaultServer, StartOwnServer, start_fault_server
from tests.support.key_detector import PROVIDER_KEY
from tests.support.memory import forget_peak, resident_peak
from tests.support.running_server import PLANTED_KEY, SHORT_LIMITS
from tools.common.raw_client import Reply, post_chat, stream_chat, stream_many
from tools.common.scripted_model import (
    Headers,
    Pause,
    Reset,
    Script,
    Send,
    Wire,
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

FIRST, NEXT = SHORT_LIMITS["SLUICE_FIRST_TOKEN_TIMEOUT"], SHORT_LIMITS["SLUICE_NEXT_TOKEN_TIMEOUT"]
CONNECT = SHORT_LIMITS["SLUICE_CONNECT_TIMEOUT"]
DONE = b"data: [DONE]\n\n"


def ask(running_server: FaultServer) -> tuple[str, str, int, int]:
    """Ask for a stream that fails; return its text, code and status (200 for a frame), and how many comments came."""
    with stream_chat(running_server.url) as client:
        if client.status != 200:
            return "", json.loads(client.read_body())["code"], client.status, 0
        texts, comments = [], 0
        for frame in client.frames():
            comments += frame.comment is not None
            texts.append(frame.message)
            if frame.is_terminal:
                assert frame.is_error
                code = frame.payload["code"]
        return "".join(texts), code, 200, comments


@contextmanager
def in_a_block_meanwhile(running_server: FaultServer) -> Iterator[Future[Reply]]:
    """Ask for a block while the block of the `with` statement asks for something else: limits run out for both."""
    with ThreadPoolExecutor(1) as other:
        yield other.submit(post_chat, running_server.url, message="Hi", interaction_mode="block")


# ------------------------------------------------------------------------------------------------- not there


def test_a_model_that_refuses_connections_is_502_at_once(start_own_server: StartOwnServer) -> None:
    """Row 9."""
    with refusing_base_url() as nowhere:
        running_server = start_own_server(OPENAI_BASE_URL=nowhere, warm=0, **SHORT_LIMITS)
        assert said_to_be_unavailable(running_server) == 502


def test_an_unknown_host_is_502_within_the_connect_limit(start_own_server: StartOwnServer) -> None:
    """Row 9."""
    said_to_be_unavailable(start_own_server(OPENAI_BASE_URL="http://no-such-host.invalid/v1", warm=0, **SHORT_LIMITS))


def test_a_host_that_does_not_answer_is_502_at_the_connect_limit(start_own_server: StartOwnServer) -> None:
    """Row 9: as behind a firewall that drops."""
    with unanswering_base_url() as silent:
        limits = {**SHORT_LIMITS, "SLUICE_HEARTBEAT_INTERVAL": 15, "SLUICE_FIRST_TOKEN_TIMEOUT": 60}
        said_to_be_unavailable(start_own_server(OPENAI_BASE_URL=silent, warm=0, **limits))


def said_to_be_unavailable(running_server: FaultServer) -> int:
    """Hold the replies to the row, in both modes; return the status of the stream's."""
    stream_many(running_server.url, 8)  # the pools of threads have grown, that of the name lookups too
    with running_server.without_leaks():
        began = time.monotonic()
        with in_a_block_meanwhile(running_server) as block:
            text, code, status, _ = ask(running_server)
            assert time.monotonic() - began < CONNECT + 0.5
            assert (text, code) == ("", "upstream_unavailable")
            response = block.result()
        assert time.monotonic() - began < CONNECT + 0.5
        held_to("upstream_unavailable", 502, response)
        assert response.json()["retryable"] is True
        assert response.json()["error"]
    return status


# --------------------------------------------------------------------------------------------- silence, resets


@pytest.mark.parametrize("after_headers", [False, True])
def test_a_model_that_accepts_and_stays_silent_costs_heartbeats_and_the_first_token_limit(
    running_server: FaultServer, after_headers: bool
) -> None:
    """Row 10."""
    running_server.model.default = stalling(after_headers=after_headers)
    with in_a_block_meanwhile(running_server) as block:
        began = time.monotonic()
        text, code, _, comments = ask(running_server)
        assert (text, code) == ("", "upstream_timeout")
        assert FIRST <= time.monotonic() - began < FIRST + 0.5
        assert comments >= 3  # the opening, and a heartbeat every 0.3 s
        held_to("upstream_timeout", 504, block.result())
    assert all(exchange.wait_aborted() for exchange in running_server.model.exchanges)


def test_a_model_that_stalls_mid_stream_ends_at_the_next_token_limit(running_server: FaultServer) -> None:
    """Row 11."""
    running_server.model.default = stalling_after("Hel", "lo")
    with in_a_block_meanwhile(running_server) as block:
        began = time.monotonic()
        text, code, _, _ = ask(running_server)
        assert (text, code) == ("Hello", "upstream_timeout")
        assert NEXT <= time.monotonic() - began < NEXT + 0.5
        held_to("upstream_timeout", 504, block.result())
    assert all(exchange.wait_aborted() for exchange in running_server.model.exchanges)


def held_to(code: str, status: int, block: Reply) -> None:
    """Fail unless the reply is the JSON of this failure."""
    fields = block.json()
    assert (block.status, fields["code"], fields["success"]) == (status, code, False)
    assert fields["request_id"] == block.headers["x-request-id"]


def test_an_answer_that_goes_on_for_ever_ends_at_the_total_limit(start_own_server: StartOwnServer) -> None:
    """Row 11, where each token comes in time."""
    running_server = start_own_server(**{**SHORT_LIMITS, "SLUICE_TOTAL_TIMEOUT": 1.0, "warm": 0})
    running_server.model.enqueue((Headers(), *said(*["."] * 200, delay=0.05)))
    text, code, _, _ = ask(running_server)
    assert code == "upstream_timeout"
    assert 5 < len(text) < 200


def test_a_reset_right_behind_tokens_loses_none_that_came_in_one_read(running_server: FaultServer) -> None:
    """Row 12: 300 tokens, 32 KB, sent at once, and the reset behind them."""
    words = tuple(f" {number}" for number in range(300))
    running_server.model.enqueue((Headers(), Send(reply_bytes(*words, finish=None).removesuffix(DONE)), Reset()))
    assert ask(running_server)[:2] == ("".join(words), "upstream_truncated")


def test_a_reset_after_tokens_that_were_read_is_an_error_behind_them(running_server: FaultServer) -> None:
    """Row 12."""
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said(*(" word",) * 50), gate, Reset()))
    with stream_chat(running_server.url) as client:
        text = ""
        while text.count("word") < 50:
            text += client.next_event().message
        gate.open()
        assert client.read_stream()[1].payload["code"] == "upstream_truncated"


# ------------------------------------------------------------------------------- everything else, by the table


class Failure(NamedTuple):
    """What a model does wrong, and what becomes of it."""

    row: int
    script: Script
    code: str
    #: Of a block, and of a stream where the failure is known before the first frame.
    status: int = 502
    #: What a stream shows before it fails.
    text: str = ""
    #: What the log says of it, where the code does not tell it from others.
    logged: str = ""


UNFINISHED = reply_bytes("Hello", finish=None).removesuffix(DONE)
FAILURES = {
    "a reset before the headers": Failure(12, (Reset(),), "upstream_unavailable"),
    "a reset in the middle": Failure(12, resetting_after("Hel", "lo"), "upstream_truncated", text="Hello"),
    "an end without a finish reason and without [DONE]": Failure(
        13, raw(UNFINISHED), "upstream_truncated", text="Hello"
    ),
    "a 200 with HTML": Failure(
        14,
        document("<html>login</html>"),
        "upstream_invalid",
        logged="200 with text/html instead of an event stream: <html>login</html>",
    ),
    "a 200 with a JSON error": Failure(
        14,
        document({"error": {"message": "no"}}),
        "upstream_invalid",
        logged='200 with application/json instead of an event stream: {"error": {"message": "no"}}',
    ),
    "a 200 with an empty body": Failure(14, raw(), "upstream_invalid", logged="200 with an empty body"),
    "a 200 with nothing but [DONE]": Failure(
        14, raw(DONE), "upstream_invalid", logged="without a chunk of a chat completion"
    ),
    "an error event": Failure(
        15,
        raw(b'data: {"error": {"message": "overloaded ' + PLANTED_KEY.encode() + b'", "code": 503}}\n\n'),
        "upstream_unavailable",
    ),
    "an error event after words": Failure(
        15, raw(UNFINISHED + b'data: {"error": "boom"}\n\n'), "upstream_unavailable", text="Hello"
    ),
    "a rate limit as an event": Failure(
        15,
        raw(b'data: {"error": {"type": "rate_limit_error", "message": "slow down"}}\n\n'),
        "upstream_rate_limited",
        429,
    ),
    **{f"status {status}": Failure(16, refused(status), "upstream_rejected") for status in (400, 403, 404, 422)},
    "status 401": Failure(16, refused(401), "key_refused", logged="OPENAI_API_KEY should be"),
    "a redirect": Failure(16, refused(307, headers={"Location": "http://elsewhere/"}), "upstream_rejected"),
    "status 429": Failure(17, refused(429), "upstream_rate_limited", 429),
    "status 500": Failure(18, refused(500), "upstream_unavailable"),
    "status 503": Failure(18, refused(503, "<html>down</html>"), "upstream_unavailable"),
    "broken JSON": Failure(20, raw(b'data: {"choices": [\n\n'), "upstream_invalid"),
    "broken JSON after words": Failure(20, raw(UNFINISHED + b"data: {\n\n"), "upstream_invalid", text="Hello"),
    "broken UTF-8": Failure(20, raw(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n'), "upstream_invalid"),
    "JSON of another shape": Failure(20, raw(b"data: [1, 2]\n\n"), "upstream_invalid"),
    "an event over the size limit": Failure(
        21, raw(b'data: {"x": "' + b"a" * (2**20 + 1) + b'"}\n\n'), "upstream_invalid"
    ),
    "endless bytes without a line end": Failure(21, raw(*[b"a" * 65536] * 32), "upstream_invalid"),
}


@pytest.mark.parametrize("name", FAILURES, ids=lambda name: f"row {FAILURES[name].row}: {name}")
def test_a_failure_has_its_code_and_is_never_a_success(running_server: FaultServer, name: str) -> None:
    """Rows 12-18, 20, 21: in both modes, with one attempt where it would not help."""
    failure = FAILURES[name]
    before = running_server.server.log.count(failure.logged)
    running_server.model.enqueue(failure.script, failure.script)
    text, code, status, _ = ask(running_server)
    assert (text, code) == (failure.text, failure.code)
    assert status in (200, failure.status)
    held_to(failure.code, failure.status, post_chat(running_server.url, message="Hi", interaction_mode="block"))
    assert len(running_server.model.exchanges) == 2
    if failure.logged:
        running_server.server.wait_for_log(re.escape(failure.logged), times=before + 2)


def test_a_failure_known_before_the_stream_begins_is_an_http_status(running_server: FaultServer) -> None:
    """Row 18."""
    running_server.model.enqueue(refused(500))
    assert ask(running_server)[2] == 502


def test_an_error_event_with_a_key_is_reported_by_its_code_only(running_server: FaultServer) -> None:
    """Row 15."""
    event = {
        "error": {"message": f"bad key {PLANTED_KEY}, {PROVIDER_KEY}", "type": "server_error", "code": PLANTED_KEY}
    }
    running_server.model.enqueue(raw(UNFINISHED + b"data: " + json.dumps(event).encode() + b"\n\n"))
    with stream_chat(running_server.url) as client:
        body = client.read_body().decode()
    assert "Hello" in body
    assert '"success": false' in body
    assert PLANTED_KEY not in body
    assert "bad key" not in body
    assert "bad key [key], [key]" in running_server.server.wait_for_log(r".*bad key (\S+).*")[0]
    assert PLANTED_KEY not in running_server.server.log
    assert PROVIDER_KEY not in running_server.server.log


def test_a_refusal_that_echoes_the_key_is_reported_by_its_code_only(running_server: FaultServer) -> None:
    """Row 15: as OpenAI's own 401 does."""
    echo = {"error": {"message": f"Incorrect API key provided: {PLANTED_KEY}", "code": "invalid_api_key"}}
    running_server.model.enqueue(refused(401, echo))
    body = post_chat(running_server.url, message="Hi", interaction_mode="block").body.decode()
    assert PLANTED_KEY not in body
    assert "Incorrect" not in body
    assert "[key]" in running_server.server.wait_for_log(r"Incorrect API key provided: (\S+)")[0]
    assert PLANTED_KEY not in running_server.server.log


# Longer than the longest pause between two attempts, so that the one limit does not stand in for the other.
RETRYING_FIRST = 5.5


@pytest.fixture(scope="module")
def retrying() -> Iterator[FaultServer]:
    """A server that tries three times, for the tests about attempts."""
    with start_fault_server(
        **{**SHORT_LIMITS, "OPENAI_MAX_RETRIES": 2, "SLUICE_FIRST_TOKEN_TIMEOUT": RETRYING_FIRST}
    ) as running_server:
        yield running_server


REJECTED = {400: "upstream_rejected", 401: "key_refused", 403: "upstream_rejected", 404: "upstream_rejected"}


@pytest.mark.parametrize(("status", "code"), {**REJECTED, 402: "quota_exceeded", 422: "upstream_rejected"}.items())
def test_a_rejected_request_is_tried_once(retrying: FaultServer, status: int, code: str) -> None:
    """Row 16."""
    retrying.model.clear()
    with retrying.without_leaks():
        retrying.model.enqueue(refused(status))
        response = post_chat(retrying.url, message="Hi", interaction_mode="block")
        assert (response.status, response.json()["code"]) == (502, code)
        assert len(retrying.model.exchanges) == 1


def test_an_attempt_that_was_accepted_and_failed_is_followed_by_another_in_the_same_stream(
    retrying: FaultServer,
) -> None:
    retrying.model.clear()
    with retrying.without_leaks():
        # The pause is longer than the headers of the stream wait for a token: the client has them when it fails.
        retrying.model.enqueue((Headers(), Pause(0.2), Reset()), reply("a", "b"))
        with stream_chat(retrying.url) as client:
            text, last = client.read_stream()
        assert (text, last.is_done) == ("ab", True)
        assert len(retrying.model.exchanges) == 2


PASSED_ON = {
    "1": "1",
    "120": "120",
    "121": "121",
    "0": "1",
    "1e9": "3600",
    "soon": "5",
    None: "5",
    # No time that a client can wait: as if there were no header.
    "-3": "5",
    "nan": "5",
    "inf": "5",
    "1e999": "5",
    " ": "5",
    "Wed, 21 Oct 2015 07:28:00 GMT": "5",
    "Wed, 21 Oct 2015 07:28:00 +99999999999999999": "5",
    "Fri, 31 Dec 2100 23:59:59 GMT": "3600",
    "Wed, 21 Oct 2015 07:28:00 -0000": "5",
}


@pytest.mark.parametrize(("given", "passed_on"), PASSED_ON.items())
def test_the_providers_retry_after_is_passed_on_within_bounds(
    running_server: FaultServer, given: str | None, passed_on: str
) -> None:
    """Row 17."""
    running_server.model.enqueue(refused(429, headers={"Retry-After": given} if given else {}))
    response = post_chat(running_server.url, message="Hi", interaction_mode="block")
    assert (response.status, response.json()["code"]) == (429, "upstream_rate_limited")
    assert response.headers["retry-after"] == passed_on


@pytest.mark.parametrize("given", ["5.1", "120", "121"])
def test_a_long_retry_after_is_not_waited_for(retrying: FaultServer, given: str) -> None:
    """Row 17: bounded by our own limit, so the person hears of it at once."""
    given_up_at_once(retrying, refused(429, headers={"Retry-After": given}))


def test_a_retry_after_behind_the_first_token_limit_is_not_waited_for(retrying: FaultServer) -> None:
    """Row 17: it is short enough by itself, but the answer that it follows came late."""
    late = refused(429, headers={"Retry-After": "5"})
    given_up_at_once(retrying, (Pause(RETRYING_FIRST - 5 + 0.1), *late))


def given_up_at_once(retrying: FaultServer, script: Script) -> None:
    """Fail unless there is one attempt, and no wait behind it."""
    retrying.model.clear()
    with retrying.without_leaks():
        retrying.model.default = script
        began = time.monotonic()
        assert post_chat(retrying.url, message="Hi", interaction_mode="block").status == 429
        assert time.monotonic() - began < 2
        assert len(retrying.model.exchanges) == 1


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_an_answer_after_two_failed_attempts_is_one_answer(retrying: FaultServer, mode: str) -> None:
    """Row 18."""
    retrying.model.clear()
    tried_again = retrying.server.log.count("failed, another one in")
    with retrying.without_leaks():
        retrying.model.enqueue(refused(500), refused(503), reply("Hel", "lo"))
        if mode == "stream":
            with stream_chat(retrying.url) as client:
                text, terminal = client.read_stream()
            assert (text, terminal.is_done) == ("Hello", True)
        else:
            assert post_chat(retrying.url, message="Hi", interaction_mode="block").json()["message"] == "Hello"
        assert len(retrying.model.exchanges) == 3
    retrying.server.wait_for_log("failed, another one in", times=tried_again + 2)
    assert retrying.server.log.count("failed, another one in") == tried_again + 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (resetting_after("Hello"), "upstream_truncated"),
        (stalling_after("Hello"), "upstream_timeout"),
        (raw(reply_bytes("Hello", finish=None).removesuffix(DONE)), "upstream_truncated"),
    ],
    ids=["a reset", "a stall", "an end without a finish reason"],
)
def test_no_retry_follows_a_token_that_was_sent(retrying: FaultServer, failure: Script, code: str) -> None:
    """Row 18: the text would be repeated."""
    retrying.model.clear()
    with retrying.without_leaks():
        retrying.model.enqueue(failure, reply("again"))
        assert ask(retrying)[:2] == ("Hello", code)
        assert len(retrying.model.exchanges) == 1


# ----------------------------------------------------------------------------------------------------- memory


PIECE = b"a" * 65536


@dataclass(frozen=True)
class Endlessly:
    """Send 1,600 times the same 64 KiB, as long as somebody takes them."""

    piece: bytes = PIECE

    async def play(self, wire: Wire) -> None:
        for _ in range(1600):
            await wire.send_body(self.piece)
            # The loop must turn, or it would not notice that the client has disconnected.
            await asyncio.sleep(0)


HTML = (("Content-Type", "text/html"),)
HUGE: dict[str, Script] = {
    "one event of 100 MB": (Headers(), Send(b'data: {"x": "'), Endlessly(), Send(b'"}\n\n')),
    "one event of 100 MB in lines of 64 KiB": (Headers(), Endlessly(b"data: " + PIECE + b"\n")),
    "100 MB without a line end": (Headers(), Endlessly()),
    "a comment of 100 MB": (Headers(), Send(b":"), Endlessly()),
    "a refusal of 100 MB": (Headers(500, HTML), Endlessly()),
    "100 MB of HTML": (Headers(200, HTML), Endlessly()),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_hundred_megabytes_are_refused_and_do_not_grow_the_memory(running_server: FaultServer, name: str) -> None:
    """Row 21."""
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    running_server.model.enqueue(HUGE[name])
    _, code, _, _ = ask(running_server)
    assert code == ("upstream_unavailable" if "refusal" in name else "upstream_invalid")
    running_server.model.exchanges[0].wait_aborted()
    assert resident_peak(worker) - before < 16 * 2**20
