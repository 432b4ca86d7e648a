"""Row 34: models that send as fast as they can what costs much to read and says little."""

from __future__ import annotations

import itertools
import os
import time

import pytest

from tests.support.fault_server import FaultServer
from tests.support.floods import Draining, Endless, MeasuredTurns, delta
from tests.support.processor_share import ProcessorShare
from tests.support.repeated import percentile, repeat_requests
from tools.common.raw_client import stream_chat, stream_many
from tools.common.scripted_model import Chunk, Headers, Pause, reply

LONG = 30.0
SERVER_SETTINGS = {
    "SLUICE_FIRST_TOKEN_TIMEOUT": LONG,
    "SLUICE_NEXT_TOKEN_TIMEOUT": LONG,
    "SLUICE_TOTAL_TIMEOUT": LONG,
    "SLUICE_MAX_EVENT_BYTES": 2**16,
    "warm": 66,
}

WITHOUT_TEXT = {
    "LF": b"\n",
    "CR": b"\r",
    "CRLF": b"\r\n",
    "comments": b": c\n\n",
    "events without data": b"data:\n\n",
    "fields that nobody reads": b"x\n",
    "empty deltas": delta(""),
    "usage": b'data: {"usage": {}}\n\n',
    "events of one letter": b"data: x\n\n",
}
WORDS = Endless(Chunk("word ").encode())
LINE_ENDS = Endless(b"\n")
CHUNKS = Endless(b"1\r\n\n\r\n", framed=True)
FLOODS: dict[str, list[Endless]] = {
    "one of each kind": [
        *map(Endless, WITHOUT_TEXT.values()),
        CHUNKS,
        WORDS,
        Endless(delta("\\ud83d") + delta("\\ude00")),
        Endless(delta("x") + delta("x", "reasoning")),
    ],
    "60 streams of line ends": [LINE_ENDS] * 60,
    "60 streams of words": [WORDS] * 60,
    "60 streams of chunks of one line end": [CHUNKS] * 60,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_delays_no_other_stream_and_no_worker_is_replaced(running_server: FaultServer, name: str) -> None:
    """Row 34."""
    floods = FLOODS[name]
    workers, others, words = running_server.server.worker_pids(), 4, 30
    gate = running_server.model.gate("until all of them are open")
    running_server.model.enqueue(*[(Headers(), gate, flood) for flood in floods])
    with MeasuredTurns(running_server) as turns, Draining([stream_chat(running_server.url) for _ in floods]):
        gate.open()
        running_server.model.enqueue(*[reply(*(" word",) * words, delay=0.02)] * others)
        with repeat_requests(running_server.url) as health, ProcessorShare([*workers, os.getpid()]) as processor:
            outcomes = stream_many(running_server.url, others)
    assert all(outcome.is_done and outcome.text == " word" * words for outcome in outcomes)
    gaps = [later - earlier for outcome in outcomes for earlier, later in itertools.pairwise(outcome.arrivals)]
    print(
        f"beside {name}: longest turn {turns.longest * 1000:.1f} ms, gaps of tokens 20 ms apart p50 "
        f"{percentile(gaps, 0.5) * 1000:.1f}, p99 {percentile(gaps, 0.99) * 1000:.1f} ms; /healthz p99 "
        f"{percentile(health.took, 0.99) * 1000:.1f} ms; other programs leave {processor.share:.0%} of the processors"
    )
    assert turns.longest < 0.05
    # What other programs do delays model, worker and clients, and is not the flood's doing.
    bound = 0.25 / processor.share
    assert percentile(gaps, 0.99) < bound
    assert not health.failures
    assert percentile(health.took, 0.99) < bound
    assert running_server.server.worker_pids() == workers


def test_megabytes_without_a_token_end_the_answer_long_before_its_time_limit(running_server: FaultServer) -> None:
    """Row 34: before the first token, which the status may say, and behind one."""
    began = time.monotonic()
    # Not those that cost most to read: a busy machine reads less of them than a second more allows.
    kinds = [Endless(WITHOUT_TEXT[name]) for name in ("LF", "CR", "comments", "events without data", "empty deltas")]
    running_server.model.enqueue(*[(Headers(), Pause(0.1), flood) for flood in kinds])
    running_server.model.enqueue(*[(Headers(), Chunk("Hello"), flood) for flood in kinds])
    with Draining([stream_chat(running_server.url) for _ in 2 * kinds]) as streams:
        assert streams.wait_ends(LONG / 2) == ["upstream_invalid"] * 2 * len(kinds)
    assert time.monotonic() - began < LONG / 2
    running_server.server.wait_for_log("bytes without text in", times=2 * len(kinds))
