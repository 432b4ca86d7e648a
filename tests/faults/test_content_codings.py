"""Bodies that are compressed though nobody asked for it: read where they can be, bounded, and refused otherwise."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest

from tests.support.fault_server import FaultServer
from tests.support.floods import MeasuredTurns, delta
from tests.support.memory import forget_peak, resident_peak
from tools.common.raw_client import post_chat, stream_chat
from tools.common.scripted_model import EVENT_STREAM, End, Headers, Script, Send, refused, reply_bytes

MOST = 500_000
LONG = 30.0
SERVER_SETTINGS = {
    "SLUICE_FIRST_TOKEN_TIMEOUT": LONG,
    "SLUICE_NEXT_TOKEN_TIMEOUT": LONG,
    "SLUICE_TOTAL_TIMEOUT": LONG,
    "SLUICE_MAX_ANSWER_CHARS": MOST,
    "SLUICE_MAX_EVENT_BYTES": 2**16,
}
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
}
# Decompressed; of line ends that is 100 KB on the wire.
BOMB_BYTES = 100 * 2**20
MEMORY = 16 * 2**20


def encoded(coding: str, body: bytes, name: str | None = None) -> Script:
    headers = Headers(200, (*EVENT_STREAM, ("Content-Encoding", name or coding)))
    return (headers, Send(CODINGS[coding](body) if coding in CODINGS else body), End())


@pytest.mark.parametrize("coding", CODINGS)
def test_a_compressed_answer_is_read(running_server: FaultServer, coding: str) -> None:
    """A proxy that compresses whatever it passes on breaks no answer."""
    running_server.model.enqueue(encoded(coding, reply_bytes(*["word "] * 1000)))
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("word " * 1000, True)


@pytest.mark.parametrize("label", ["utf-8", "none", "identity", ""])
def test_a_label_that_is_no_coding_breaks_no_answer(running_server: FaultServer, label: str) -> None:
    running_server.model.enqueue(encoded("", reply_bytes("Hel", "lo"), label))
    with stream_chat(running_server.url) as client:
        assert client.read_stream()[0] == "Hello"


BOMBS = {
    "line ends": (b"\n", "upstream_invalid"),
    "words": (delta("word " * 20), "answer_too_large"),
    "one event": (b"data: " + b"x" * BOMB_BYTES, "upstream_invalid"),
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", BOMBS)
def test_a_body_that_is_a_hundred_megabytes_when_it_is_decompressed_is_bounded(
    running_server: FaultServer, coding: str, name: str
) -> None:
    """Rows 34 and 36: memory, the turns of the loop, and the answer."""
    piece, code = BOMBS[name]
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    running_server.model.enqueue(encoded(coding, delta("Hi") + piece * max(1, BOMB_BYTES // len(piece))))
    with MeasuredTurns(running_server) as turns, stream_chat(running_server.url) as client:
        frames = list(client.frames())
    assert frames[-1].payload["code"] == code
    assert sum(len(frame.message) for frame in frames) == (MOST if code == "answer_too_large" else len("Hi"))
    print(f"{name} in {coding}: longest turn {turns.longest * 1000:.1f} ms")
    assert turns.longest < 0.05
    assert resident_peak(worker) - before < MEMORY


@pytest.mark.parametrize("coding", ["zstd", "compress", "gzip, gzip", "aes128gcm"])
def test_a_coding_that_cannot_be_read_is_named_in_the_log(running_server: FaultServer, coding: str) -> None:
    body = b"\x28\xb5\x2f\xfd" + bytes(range(256)) * 10
    running_server.model.enqueue((Headers(200, (*EVENT_STREAM, ("Content-Encoding", coding))), Send(body), End()))
    reply = post_chat(running_server.url, message="Hi", interaction_mode="block")
    assert (reply.status, reply.json()["code"]) == (502, "upstream_invalid")
    running_server.server.wait_for_log(rf"upstream_invalid: .*{coding}")


def test_a_compressed_refusal_is_read_as_far_as_an_excerpt_goes(running_server: FaultServer) -> None:
    """The words of it decide what it is; a bomb behind them is not decompressed."""
    (worker,) = running_server.server.worker_pids()
    forget_peak(worker)
    before = resident_peak(worker)
    body = gzip.compress(b'{"error": {"message": "no", "code": "context_length_exceeded"}}' + b" " * BOMB_BYTES)
    running_server.model.enqueue(refused(400, body, {"Content-Encoding": "gzip"}))
    reply = post_chat(running_server.url, message="Hi", interaction_mode="block")
    assert reply.json()["code"] == "context_length_exceeded"
    assert resident_peak(worker) - before < MEMORY
