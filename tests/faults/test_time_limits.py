"""Row 35: time limits, while the model never pauses."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.support.fault_server import FaultServer, StartOwnServer
from tests.support.floods import Draining, Endless, delta
from tests.support.running_server import SHORT_LIMITS
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import DONE, Chunk, Headers, Script

FIRST, NEXT, TOTAL = 1.5, 0.7, 2.5
# Usage is waited for no longer than for another token.
GRACE = NEXT
SERVER_SETTINGS = {
    "SLUICE_FIRST_TOKEN_TIMEOUT": FIRST,
    "SLUICE_NEXT_TOKEN_TIMEOUT": NEXT,
    "SLUICE_TOTAL_TIMEOUT": TOTAL,
    "SLUICE_MAX_ANSWER_CHARS": 2**30,
    "warm": 66,
}
# What a busy machine may add.
LATE = 1.5

WORDS = Chunk("word ").encode()
STOP = Chunk(finish_reason="stop")
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}\n\n'


class Unending(NamedTuple):
    """A model that never ends, and how its answer does."""

    script: Script
    code: str
    after: float


SIGNS_OF_LIFE = Endless(b": still here\n\n" * 20, pause=0.005)
UNENDING = {
    "comments before the first token": Unending((Headers(), SIGNS_OF_LIFE), "upstream_timeout", FIRST),
    "comments behind a word": Unending((Headers(), Chunk("Hello"), SIGNS_OF_LIFE), "upstream_timeout", NEXT),
    "words": Unending((Headers(), Endless(WORDS)), "upstream_timeout", TOTAL),
    "reasoning": Unending((Headers(), Endless(delta("hm ", "reasoning"))), "upstream_timeout", TOTAL),
    "words, each with a finish reason": Unending(
        (Headers(), Endless(Chunk("word ", finish_reason="stop").encode())), "upstream_timeout", TOTAL
    ),
    "words behind a finish reason": Unending(
        (Headers(), Chunk("Hello"), STOP, Endless(WORDS)), "upstream_timeout", TOTAL
    ),
    "empty deltas behind a finish reason": Unending(
        (Headers(), Chunk("Hello"), STOP, Endless(delta(""))), "done", GRACE
    ),
    "usage behind a finish reason": Unending((Headers(), Chunk("Hello"), STOP, Endless(USAGE)), "done", GRACE),
    "finish reasons": Unending((Headers(), Chunk("Hello"), Endless(STOP.encode())), "done", GRACE),
    "pings behind a finish reason": Unending((Headers(), Chunk("Hello"), STOP, SIGNS_OF_LIFE), "done", GRACE),
    "a body that goes on behind [DONE]": Unending(
        (Headers(), Chunk("Hello"), STOP, DONE, Endless(b": \n\n")), "done", 0.0
    ),
}


@pytest.fixture(params=["a worker that pauses", "a worker that never pauses"])
def reading_server(running_server: FaultServer, request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    """Return the shared server: as it is, or with tasks that read a fast model all the time and never wait."""
    if request.param == "a worker that pauses":
        yield running_server
        return
    fetch(running_server.url, "/faults/reads?waits=no", method="POST")
    yield running_server
    fetch(running_server.url, "/faults/reads?waits=yes", method="POST")


def test_every_limit_holds_while_the_model_never_pauses(reading_server: FaultServer) -> None:
    """Row 35: all of these models at one time."""
    running_server = reading_server
    running_server.model.enqueue(*[unending.script for unending in UNENDING.values()])
    began, clients = [], []
    for _ in UNENDING:
        began.append(time.monotonic())
        clients.append(stream_chat(running_server.url))
    with Draining(clients) as streams:
        ends = streams.wait_ends(TOTAL + 4 * LATE)
    assert dict(zip(UNENDING, ends, strict=True)) == {name: unending.code for name, unending in UNENDING.items()}
    took = {name: streams.ended[number] - began[number] for number, name in enumerate(UNENDING)}
    print({name: round(seconds, 2) for name, seconds in took.items()})
    early = {name: seconds for name, seconds in took.items() if seconds < UNENDING[name].after}
    late = {name: seconds for name, seconds in took.items() if seconds > UNENDING[name].after + LATE}
    assert not early
    assert not late


def test_every_limit_holds_in_a_block_too(reading_server: FaultServer) -> None:
    """Row 35."""
    running_server = reading_server
    began = time.monotonic()
    names = ["words", "words behind a finish reason", "finish reasons"]
    running_server.model.enqueue(*[UNENDING[name].script for name in names])
    with ThreadPoolExecutor(len(names)) as clients:
        asked = [clients.submit(post_chat, running_server.url, message="Hi", interaction_mode="block") for _ in names]
        replies = [future.result(TOTAL + 4 * LATE).json() for future in asked]
    assert sorted(reply.get("code", "done") for reply in replies) == ["done", "upstream_timeout", "upstream_timeout"]
    assert time.monotonic() - began < TOTAL + LATE


def test_the_drain_ends_a_stream_whose_model_never_pauses(start_own_server: StartOwnServer) -> None:
    """Row 35."""
    running_server = start_own_server(
        **{**SHORT_LIMITS, "SLUICE_DRAIN_TIMEOUT": 0.5, "SLUICE_TOTAL_TIMEOUT": 30, "warm": 0}
    )
    running_server.model.enqueue((Headers(), Endless(WORDS)))
    with Draining([stream_chat(running_server.url)]) as streams:
        streams.wait_bytes(100_000)
        running_server.server.signal(signal.SIGTERM)
        assert streams.wait_ends(5) == ["shutting_down"]
