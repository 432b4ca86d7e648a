"""Row 36: an answer without end, in small events and in large ones, for readers of every kind."""

from __future__ import annotations

import pytest

from tests.support.fault_server import FaultServer
from tests.support.floods import Draining, Endless, MeasuredTurns, delta
from tests.support.memory import forget_peak, resident_peak
from tools.common.raw_client import post_chat, stream_chat
from tools.common.scripted_model import Headers, Send, finished, raw, reply

MOST = 2_000_000
LONG = 60.0
SERVER_SETTINGS = {
    "SLUICE_FIRST_TOKEN_TIMEOUT": LONG,
    "SLUICE_NEXT_TOKEN_TIMEOUT": LONG,
    "SLUICE_TOTAL_TIMEOUT": LONG,
    "SLUICE_MAX_ANSWER_CHARS": MOST,
    "warm": 20,
}
# What the answer itself takes, once as text and once as JSON, and the events that wait beside it.
MEMORY = 24 * 2**20
LARGE = 1_000_000
ANSWERS = {
    "words": delta("word " * 20),
    "reasoning": delta("word " * 20, "reasoning"),
    "text and reasoning in turn": delta("word " * 20) + delta("hm " * 40, "reasoning"),
    "events of a megabyte": delta("x" * LARGE),
    "events of a megabyte of Chinese": delta("汉" * (LARGE // 3)),
    "events of a megabyte of escapes": delta("\\u6c49" * (LARGE // 6)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_is_ended_at_the_longest_answer_behind_the_text_that_came(
    running_server: FaultServer, name: str
) -> None:
    """Row 36: not a character is lost before the limit, none comes behind it, and the memory stays bounded."""
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    running_server.model.enqueue((Headers(), Endless(ANSWERS[name])))
    with stream_chat(running_server.url, timeout=LONG) as client:
        frames = list(client.frames())
    texts, thoughts = [frame.message for frame in frames], [frame.reasoning for frame in frames]
    assert sum(map(len, texts + thoughts)) == MOST
    assert frames[-1].payload["code"] == "answer_too_large"
    running_server.model.exchanges[0].wait_aborted()
    grown = resident_peak(worker) - before
    print(f"{name}: +{grown / 2**20:.1f} MiB")
    assert grown < MEMORY


@pytest.mark.parametrize("name", ANSWERS)
def test_a_block_is_ended_at_the_longest_answer(running_server: FaultServer, name: str) -> None:
    """Row 36."""
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    running_server.model.enqueue((Headers(), Endless(ANSWERS[name])))
    reply = post_chat(running_server.url, timeout=LONG, message="Hi", interaction_mode="block")
    assert (reply.status, reply.json()["code"]) == (502, "answer_too_large")
    running_server.model.exchanges[0].wait_aborted()
    grown = resident_peak(worker) - before
    print(f"{name}: +{grown / 2**20:.1f} MiB")
    assert grown < MEMORY


def test_for_readers_that_take_nothing_no_more_is_held_than_one_answer_each(running_server: FaultServer) -> None:
    """Row 36: sixteen of them, each with a model that sends events of a megabyte."""
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before, readers = resident_peak(worker), 16
    running_server.model.enqueue(*[(Headers(), Endless(ANSWERS["events of a megabyte"]))] * readers)
    clients = [stream_chat(running_server.url) for _ in range(readers)]
    # Meanwhile nobody reads the others.
    running_server.model.enqueue(reply(*(" word",) * 20, delay=0.02))
    with stream_chat(running_server.url) as other:
        assert other.read_stream()[0] == " word" * 20
    with Draining(clients) as streams:
        assert streams.wait_ends(LONG / 2) == ["answer_too_large"] * readers
    grown = resident_peak(worker) - before
    print(f"{readers} slow readers: +{grown / 2**20:.1f} MiB")
    assert grown < readers * 3 * LARGE + MEMORY


def test_an_answer_of_exactly_the_longest_length_is_whole(running_server: FaultServer) -> None:
    """Row 36."""
    running_server.model.enqueue(reply(*["x" * (MOST // 10)] * 10), reply(*["x" * (MOST // 10)] * 10, "y"))
    with stream_chat(running_server.url, timeout=LONG) as client:
        text, terminal = client.read_stream()
    assert (len(text), terminal.is_done) == (MOST, True)
    with stream_chat(running_server.url, timeout=LONG) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.payload["code"]) == ("x" * MOST, "answer_too_large")


COSTLY = {
    "lists": b'{"x": [' + b"[]," * 300_000 + b"1]}",
    "choices": b'{"choices": [' + b'{"delta": []},' * 70_000 + b"{}]}",
    "parts of a text": b'{"choices": [{"delta": {"content": [' + b'"x",' * 250_000 + b'"x"]}}]}',
    "usage": b'{"choices": [{"delta": {"content": "x"}}], "usage": [' + b"[]," * 300_000 + b"1]}",
    "an error of a choice": b'{"choices": [{"delta": {"content": "x"}, "error": [' + b"{}," * 300_000 + b"1]}]}",
    "choices with text": b'{"choices": [{"delta": {"content": "x"}},' + b"{}," * 300_000 + b"{}]}",
    "chunks in a list": b"[" + b'{"choices": [{"text": "x"}]},' * 35_000 + b"{}]",
}


LOGPROB = b'{"token": "x", "logprob": -0.1, "bytes": [120], "top_logprobs": [%b]}'
TOP = b", ".join([b'{"token": "x", "logprob": -0.1, "bytes": [120, 121]}'] * 20)
LOGPROBS = b'"logprobs": {"content": [%b]}' % b", ".join([LOGPROB % TOP] * 800)
UNUSED = {
    "logprobs": b'{"choices": [{"index": 0, "delta": {"content": "Hello"}, %b}]}' % LOGPROBS,
    "logprobs before the text": b'{"choices": [{%b, "delta": {"content": "Hello"}}]}' % LOGPROBS,
    "a field of the chunk": b'{"choices": [{"delta": {"content": "Hello"}}], "x": [' + b"[]," * 300_000 + b"1]}",
    "a field of the delta": b'{"choices": [{"delta": {"content": "Hello", "x": [' + b"{}," * 300_000 + b"1]}}]}",
}


@pytest.mark.parametrize("name", UNUSED)
@pytest.mark.parametrize("form", [b"data: %b\n\n", b"data:%b\r\n\r\n", b": a comment\ndata: %b\n\n"])
def test_parts_of_an_event_that_are_not_used_are_skipped(running_server: FaultServer, name: str, form: bytes) -> None:
    """Row 34: more than a hundred thousand parts, which take 2 ms and not 50."""
    running_server.model.enqueue((Headers(), Send(form % UNUSED[name]), *finished()))
    with MeasuredTurns(running_server) as turns, stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)
    assert turns.longest < 0.05


@pytest.mark.parametrize("name", COSTLY)
@pytest.mark.parametrize("form", [b"data: %b\n\n", b"\n%b\n\n", b"%b"], ids=["an event", "a line", "a document"])
def test_no_event_within_the_size_limit_takes_a_turn_of_the_loop_that_others_would_notice(
    running_server: FaultServer, name: str, form: bytes
) -> None:
    """Row 34: JSON of a megabyte in its smallest parts."""
    running_server.model.enqueue(raw(form % COSTLY[name]))
    with MeasuredTurns(running_server) as turns, stream_chat(running_server.url) as client:
        body = client.read_body()
    assert b'"upstream_invalid"' in body
    print(f"{name}: longest turn {turns.longest * 1000:.1f} ms")
    assert turns.longest < 0.05
