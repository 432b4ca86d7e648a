"""Rows 9-18 and 21: models that fail. Each failure has its code, and what had arrived stays delivered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import PLANTED_KEY
from tests.faults.conftest import Build, House, a_house
from tests.faults.memory import forget_peak, resident_peak
from tests.integration.conftest import LIMITS
from tests.integration.test_upstream_failures import FAILURES
from tests.raw_client import post_chat, stream_chat, stream_many
from tests.scripted_model import (
    Headers,
    Reset,
    Script,
    Send,
    Wire,
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

FIRST, NEXT = LIMITS["SLUICE_FIRST_TOKEN_TIMEOUT"], LIMITS["SLUICE_NEXT_TOKEN_TIMEOUT"]
CONNECT = LIMITS["SLUICE_CONNECT_TIMEOUT"]
DONE = b"data: [DONE]\n\n"


def ask(house: House) -> tuple[str, str, int, int]:
    """Ask for a stream that fails; return its text, code and status (200 for a frame), and how many comments came."""
    with stream_chat(house.url) as client:
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


# ------------------------------------------------------------------------------------------------- not there


def test_a_model_that_refuses_connections_is_502_at_once(build: Build) -> None:
    """Row 9."""
    with refusing_base_url() as nowhere:
        house = build(OPENAI_BASE_URL=nowhere, warm=0, **LIMITS)
        said_to_be_unavailable(house)


def test_an_unknown_host_is_502_within_the_connect_limit(build: Build) -> None:
    """Row 9."""
    said_to_be_unavailable(build(OPENAI_BASE_URL="http://no-such-host.invalid/v1", warm=0, **LIMITS))


def test_a_host_that_does_not_answer_is_502_at_the_connect_limit(build: Build) -> None:
    """Row 9: as behind a firewall that drops."""
    with unanswering_base_url() as silent:
        limits = {**LIMITS, "SLUICE_HEARTBEAT_INTERVAL": 15, "SLUICE_FIRST_TOKEN_TIMEOUT": 60}
        said_to_be_unavailable(build(OPENAI_BASE_URL=silent, warm=0, **limits))


def said_to_be_unavailable(house: House) -> None:
    """Hold the reply to the row. In `block`, whose status is always the failure's own."""
    stream_many(house.url, 8)  # the pools of threads have grown, that of the name lookups too
    with house.left_as_it_was():
        began = time.monotonic()
        response = post_chat(house.url, message="Hi", interaction_mode="block")
        assert time.monotonic() - began < CONNECT + 0.5
        fields = response.json()
        assert (response.status, fields["code"], fields["retryable"]) == (502, "upstream_unavailable", True)
        assert fields["error"]


# --------------------------------------------------------------------------------------------- silence, resets


@pytest.mark.parametrize("after_headers", [False, True])
def test_a_model_that_accepts_and_stays_silent_costs_heartbeats_and_the_first_token_limit(
    house: House, after_headers: bool
) -> None:
    """Row 10."""
    house.model.enqueue(stalling(after_headers=after_headers))
    began = time.monotonic()
    text, code, _, comments = ask(house)
    assert (text, code) == ("", "upstream_timeout")
    assert FIRST <= time.monotonic() - began < FIRST + 0.5
    assert comments >= 3  # the opening, and a heartbeat every 0.3 s
    assert house.model.exchanges[0].wait_aborted()


def test_a_model_that_stalls_mid_stream_ends_at_the_next_token_limit(house: House) -> None:
    """Row 11."""
    house.model.enqueue(stalling_after("Hel", "lo"))
    began = time.monotonic()
    text, code, _, _ = ask(house)
    assert (text, code) == ("Hello", "upstream_timeout")
    assert NEXT <= time.monotonic() - began < NEXT + 0.5
    assert house.model.exchanges[0].wait_aborted()


def test_a_reset_right_behind_tokens_loses_none_that_came_in_one_read(house: House) -> None:
    """Row 12: 80 words in one packet, and the reset behind them.

    What had arrived and was not read yet when the reset came is lost beyond the 16 KiB that the HTTP client reads
    at once; a reader who keeps up has no such backlog. docs/reliability.md says so.
    """
    words = tuple(f" {number}" for number in range(80))
    house.model.enqueue((Headers(), Send(reply_bytes(*words, finish=None).removesuffix(DONE)), Reset()))
    assert ask(house)[:2] == ("".join(words), "upstream_truncated")


def test_a_reset_after_tokens_that_were_read_is_an_error_behind_them(house: House) -> None:
    """Row 12."""
    gate = house.model.gate()
    house.model.enqueue((Headers(), *said(*(" word",) * 50), gate, Reset()))
    with stream_chat(house.url) as client:
        text = ""
        while text.count("word") < 50:
            text += client.next_event().message
        gate.open()
        assert client.read_stream()[1].payload["code"] == "upstream_truncated"


# ------------------------------------------------------------------------------- everything else, by the table

ROWS = {
    "an end without a finish reason": 13,
    "an end without a finish reason and without [DONE]": 13,
    "a 200 with HTML": 14,
    "a 200 with a JSON error": 14,
    "a 200 with an empty body": 14,
    "a 200 with nothing but [DONE]": 14,
    "an error event": 15,
    "an error event after words": 15,
    "a rate limit as an event": 15,
    "broken JSON": 20,
    "broken JSON after words": 20,
    "broken UTF-8": 20,
    "JSON of another shape": 20,
    "an event over the size limit": 21,
    "endless bytes without a line end": 21,
    **{f"status {status}": 16 for status in (400, 401, 403, 404, 422)},
    "status 429": 17,
    "status 500": 18,
    "status 503": 18,
}


@pytest.mark.parametrize("name", ROWS, ids=lambda name: f"row {ROWS[name]}: {name}")
def test_a_failure_has_its_code_and_is_never_a_success(house: House, name: str) -> None:
    """Rows 13-18, 20, 21: in both modes, with one attempt where it would not help."""
    script, code, status, text = FAILURES[name]
    house.model.enqueue(script(), script())
    got_text, got_code, got_status, _ = ask(house)
    assert (got_text, got_code) == (text, code)
    assert got_status in (200, status)
    block = post_chat(house.url, message="Hi", interaction_mode="block")
    assert (block.status, block.json()["code"], block.json()["success"]) == (status, code, False)
    assert len(house.model.exchanges) == 2


def test_an_error_event_with_a_key_in_it_leaves_only_its_code(house: House) -> None:
    """Row 15."""
    event = {"error": {"message": f"bad key {PLANTED_KEY}", "type": "server_error", "code": PLANTED_KEY}}
    spoilt = reply_bytes("Hello", finish=None).removesuffix(DONE)
    house.model.enqueue(raw(spoilt + b"data: " + json.dumps(event).encode() + b"\n\n"))
    with stream_chat(house.url) as client:
        body = client.read_body().decode()
    assert "Hello" in body
    assert '"success": false' in body
    assert PLANTED_KEY not in body
    assert "bad key" not in body
    line = house.server.wait_for_log(r".*bad key (\S+).*")[0]
    assert "[key]" in line
    assert PLANTED_KEY not in house.server.log


@pytest.fixture(scope="module")
def retrying() -> Iterator[House]:
    """A house that tries three times, for the tests about attempts."""
    with a_house(**{**LIMITS, "OPENAI_MAX_RETRIES": 2, "SLUICE_FIRST_TOKEN_TIMEOUT": 5}) as house:
        yield house


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_rejected_request_is_tried_once(retrying: House, status: int) -> None:
    """Row 16."""
    retrying.model.clear()
    with retrying.left_as_it_was():
        retrying.model.enqueue(refused(status))
        response = post_chat(retrying.url, message="Hi", interaction_mode="block")
        assert (response.status, response.json()["code"]) == (502, "upstream_rejected")
        assert len(retrying.model.exchanges) == 1


@pytest.mark.parametrize(
    ("given", "passed_on"), [("1", "1"), ("120", "120"), ("121", "121"), (None, "5"), ("soon", "5"), ("-3", "1")]
)
def test_the_providers_retry_after_is_passed_on_within_bounds(
    house: House, given: str | None, passed_on: str
) -> None:
    """Row 17."""
    house.model.enqueue(refused(429, headers={"Retry-After": given} if given else {}))
    response = post_chat(house.url, message="Hi", interaction_mode="block")
    assert (response.status, response.json()["code"]) == (429, "upstream_rate_limited")
    assert response.headers["retry-after"] == passed_on


@pytest.mark.parametrize("given", ["120", "121"])
def test_a_long_retry_after_is_not_waited_for(retrying: House, given: str) -> None:
    """Row 17: bounded by our own limit, so the person hears of it at once."""
    retrying.model.clear()
    with retrying.left_as_it_was():
        retrying.model.default = refused(429, headers={"Retry-After": given})
        began = time.monotonic()
        assert post_chat(retrying.url, message="Hi", interaction_mode="block").status == 429
        assert time.monotonic() - began < 1
        assert len(retrying.model.exchanges) == 1


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_two_failures_and_then_an_answer_are_one_answer(retrying: House, mode: str) -> None:
    """Row 18."""
    retrying.model.clear()
    with retrying.left_as_it_was():
        retrying.model.enqueue(refused(500), refused(500), reply("Hel", "lo"))
        if mode == "stream":
            with stream_chat(retrying.url) as client:
                text, terminal = client.read_stream()
            assert (text, terminal.is_done) == ("Hello", True)
        else:
            assert post_chat(retrying.url, message="Hi", interaction_mode="block").json()["message"] == "Hello"
        assert len(retrying.model.exchanges) == 3


@pytest.mark.parametrize("failure", [resetting_after("Hello"), stalling_after("Hello"), reply("Hello", finish=None)])
def test_no_further_attempt_follows_a_word_that_was_shown(retrying: House, failure: Script) -> None:
    """Row 18: the text would be repeated."""
    retrying.model.clear()
    with retrying.left_as_it_was():
        retrying.model.enqueue(failure, reply("again"))
        text, _, _, _ = ask(retrying)
        assert text == "Hello"
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
            # The loop must turn, or it would not notice that the client has left.
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
def test_a_hundred_megabytes_are_refused_and_leave_the_memory_as_it_was(house: House, name: str) -> None:
    """Row 21."""
    (worker,) = house.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    house.model.enqueue(HUGE[name])
    _, code, _, _ = ask(house)
    assert code == ("upstream_unavailable" if "refusal" in name else "upstream_invalid")
    house.model.exchanges[0].wait_aborted()
    assert resident_peak(worker) - before < 16 * 2**20
