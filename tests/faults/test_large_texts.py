"""What a provider says beside its words, at any length: bounded in replies, in the log and in the metrics."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from tests.support.fault_server import FaultServer
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import Chunk, Headers, Pause, Script, Send, SendOnWire, raw, refused, reply_bytes

SERVER_SETTINGS = {"SLUICE_MAX_EVENT_BYTES": 4_000_000}

# Of one answer, all of it: a few lines, and an excerpt of what the provider said.
MOST_LOGGED = 12_000
MOST_REPLIED = 3_000
LARGE = "m" * 1_500_000
WORDS = "many words " * 300_000


def event(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def head(**fields: str) -> Script:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return (SendOnWire(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()), SendOnWire(b"data: nothing\n\n"))


class Large(NamedTuple):
    """What a model says, and the code of what becomes of it; `done` where it is an answer."""

    script: Script
    code: str


FAILS = "upstream_unavailable"
ANSWER = reply_bytes("Hello").removesuffix(b"data: [DONE]\n\n")
LARGE_TEXTS = {
    "an error event": Large(raw(event(error={"message": WORDS})), FAILS),
    "an error event of one word": Large(raw(event(error={"message": LARGE})), FAILS),
    "the code of an error": Large(raw(event(error={"message": "no", "code": LARGE, "type": LARGE})), FAILS),
    "an error behind a word": Large(raw(Chunk("Hello").encode(), event(error=WORDS)), FAILS),
    "an error line": Large(raw(b"error: " + WORDS.encode() + b"\n\n"), FAILS),
    "a finish reason": Large(raw(Chunk("Hello", finish_reason=LARGE).encode()), "done"),
    "a finish reason of words": Large(raw(Chunk("Hello", finish_reason=WORDS).encode()), "done"),
    "the model's name": Large(
        raw(event(model=LARGE, id=LARGE, choices=[{"delta": {"content": "Hello"}, "finish_reason": "stop"}])), "done"
    ),
    "counts": Large(raw(ANSWER, event(choices=[], usage={"prompt_tokens": LARGE, "total_tokens": 10**4000})), "done"),
    "errors behind the end": Large(raw(ANSWER, *[event(error={"message": "too late " * 100})] * 500), "done"),
    "broken JSON": Large(raw(b'data: {"x": "' + LARGE.encode() + b"\n\n"), "upstream_invalid"),
    "no JSON": Large(raw(WORDS.encode()), "upstream_invalid"),
    "a number in place of a text": Large(
        raw(event(choices=[{"delta": {"content": 1}}], x=LARGE)), "upstream_invalid"
    ),
    "a document": Large(raw(b"<html>" + WORDS.encode()), "upstream_invalid"),
    "a refusal": Large(refused(400, {"error": {"message": WORDS}}), "upstream_rejected"),
    "a refusal of one word": Large(refused(403, LARGE), "upstream_rejected"),
    "a status line": Large(
        (SendOnWire(b"HTTP/1.1 200 " + b"k" * 8000 + b"\r\n\r\n" + b"x\n\n"),), "upstream_invalid"
    ),
    "a status line beyond its limit": Large((SendOnWire(b"HTTP/1.1 200 " + b"k" * 100_000),), "upstream_invalid"),
    "no status line": Large((SendOnWire(b"k" * 100_000 + b"\r\n\r\n"),), "upstream_invalid"),
    "a broken chunk": Large((Headers(), Pause(0.1), SendOnWire(b"z" * 100_000 + b"\r\n")), FAILS),
    "a broken chunk behind a word": Large(
        (Headers(), Chunk("Hello"), Pause(0.1), SendOnWire(b"z" * 9000)), "upstream_truncated"
    ),
    "a content type": Large(head(Content_Type="text/" + "k" * 8000), "upstream_invalid"),
    "a coding": Large(head(Content_Encoding="k" * 8000), "upstream_invalid"),
    "a redirect": Large(
        (Headers(307, (("Location", "http://x/" + "k" * 8000), ("Content-Length", "0")), chunked=False), Send(b"")),
        "upstream_rejected",
    ),
}


@pytest.mark.parametrize("name", LARGE_TEXTS)
def test_a_providers_long_texts_are_bounded_in_replies_and_log(running_server: FaultServer, name: str) -> None:
    """In both modes; the metrics' labels are of our own words alone."""
    script, code = LARGE_TEXTS[name]
    running_server.model.enqueue(script, script)
    logged = len(running_server.server.log)
    with stream_chat(running_server.url) as client:
        streamed = client.read_body()
    blocked = post_chat(running_server.url, message="Hi", interaction_mode="block").body
    for body in (streamed, blocked):
        assert len(body) < MOST_REPLIED
        expected = '"finish_reason":"' if code == "done" else f'"code":"{code}"'
        assert expected in body.decode().replace('": ', '":'), body
    running_server.server.wait_for_log(
        r" run=\S+ .* mode=block ", times=len(running_server.server.log[:logged].split(" mode=block "))
    )
    assert len(running_server.server.log) - logged < MOST_LOGGED
    metrics = fetch(running_server.url, "/metrics").body.decode()
    assert max(map(len, metrics.splitlines())) < 500


def test_long_texts_create_no_further_metric_series(running_server: FaultServer) -> None:
    """Each label is one of a few words: what providers and clients write is none of them."""
    running_server.model.enqueue(raw(event(error={"message": "no", "code": "a code of its own", "type": "its type"})))
    post_chat(running_server.url, message="Hi", interaction_mode="block", source="a source of its own")
    post_chat(running_server.url, message="Hi", interaction_mode="block", model="a model of its own")
    post_chat(running_server.url, message="Hi", interaction_mode="block")
    metrics = fetch(running_server.url, "/metrics").body.decode()
    assert "of its own" not in metrics
    assert "its type" not in metrics
