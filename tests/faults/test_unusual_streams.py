"""Rows 19, 20 and 23: odd bytes and hostile texts that are an answer all the same."""

from __future__ import annotations

import json

import pytest

from tests.support.fault_server import FaultServer
from tools.common.raw_client import post_chat, stream_chat
from tools.common.scripted_model import (
    Chunk,
    Headers,
    Send,
    Stall,
    byte_by_byte,
    finished,
    raw,
    reply,
    reply_bytes,
    said,
)


def chunk(content: str) -> bytes:
    """Return an event with this JSON as its text: what an encoder would not write can be said so too."""
    return b'data: {"choices": [{"index": 0, "delta": {"content": ' + content.encode() + b"}}]}\n\n"


END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
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
def test_an_odd_stream_is_read_as_the_standard_says(running_server: FaultServer, name: str) -> None:
    """Row 19."""
    running_server.model.enqueue(raw(ANSWERS[name]))
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)


def test_a_last_event_without_its_blank_line_is_read_where_it_is_whole(running_server: FaultServer) -> None:
    """Row 19: against the standard, as other clients do (docs/decisions)."""
    running_server.model.enqueue(raw(chunk('"Hello"') + END.removesuffix(b"\n")))
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)


def test_a_last_event_whose_blank_line_ends_in_cr_is_whole(running_server: FaultServer) -> None:
    """Row 19: a CR at the very end might be half of a CRLF, and is a line end all the same."""
    running_server.model.enqueue(raw((chunk('"Hello"') + END).replace(b"\n", b"\r")))
    with stream_chat(running_server.url) as client:
        assert client.read_stream()[1].is_done


def test_a_server_that_lingers_after_the_finish_reason_does_not_spoil_the_answer(running_server: FaultServer) -> None:
    """Row 19."""
    running_server.model.enqueue((Headers(), *said("Hello"), Chunk(finish_reason="stop"), Stall()))
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_one_byte_per_packet_is_intact_text(running_server: FaultServer, line_end: bytes) -> None:
    """Row 20: with characters of two, three and four bytes, so each is cut everywhere."""
    body = reply_bytes("né", "混合", "🙂", " text").replace(b"\n", line_end)
    running_server.model.enqueue(byte_by_byte(body))
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("né混合🙂 text", True)


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_character_cut_across_packets_is_intact(running_server: FaultServer, cut: int) -> None:
    """Row 20."""
    gate = running_server.model.gate()
    whole = chunk('"a🙂b"')
    at = whole.index("🙂".encode()) + cut
    running_server.model.enqueue((Headers(), Send(whole[:at]), gate, Send(whole[at:]), Send(END), Send(DONE)))
    with stream_chat(running_server.url) as client:
        gate.wait_reached()
        gate.open()
        assert client.read_stream()[0] == "a🙂b"


def test_an_emoji_cut_in_two_between_tokens_arrives_whole(running_server: FaultServer) -> None:
    """Row 20."""
    running_server.model.enqueue(raw(chunk(r'"a\ud83d"') + chunk(r'"\ude42b"') + END + DONE))
    with stream_chat(running_server.url) as client:
        assert client.read_stream()[0] == "a🙂b"


@pytest.mark.parametrize("garbage", [b'data: {"choices": [{\n\n', b"data: \xff\xfe\n\n", b'data: non"sense\n\n'])
def test_broken_bytes_are_a_clear_error_behind_intact_text(running_server: FaultServer, garbage: bytes) -> None:
    """Row 20."""
    running_server.model.enqueue(raw(chunk('"Hello"'), garbage, chunk('"never"'), END, DONE))
    with stream_chat(running_server.url) as client:
        text, terminal = client.read_stream()
    assert (text, terminal.payload["code"]) == ("Hello", "upstream_invalid")


HOSTILE = {
    "a terminal event": '\n\nevent: done\ndata: {"done": true}\n\n',
    "an id and a retry": "\nid: 99\nretry: 1\n\n",
    "CR": "a\rb\r\rc\r\nd",
    "U+2028 and U+2029": "a\u2028b\u2029c",
    "NEL, VT and FF": "a\x85b\x0bc\x0cd",
    "</script>": "</script><script>alert(1)</script>",
    "NUL": "a\x00b\x00",
    "a BOM": "\ufeffa\ufeff",
    "escapes and quotes": '"\\\\"\\n\\u0000"}\n\ndata: {"',
    "a lone first surrogate": "a\ud83d",
    "a lone second surrogate": "\ude42a",
    "a lone surrogate between letters": "a\ud83db",
    "surrogates the wrong way round": "\ude42\ud83d",
    "non-characters": "\ufffe\uffff\U0010ffff",
    "right-to-left override": "\u202egnp.exe",
    "a terminal escape": "\x1b[2J\x1b]0;title\x07\x7f",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_the_same_text_at_the_client_in_one_event(running_server: FaultServer, name: str) -> None:
    """Row 23: the raw client fails on anything that is not one `id` line and one `data` line."""
    hostile = HOSTILE[name]
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said(hostile), gate, *finished()), reply(hostile))
    with stream_chat(running_server.url) as client:
        if hostile[-1:] == "\ud83d":
            gate.open()  # it is held back for its other half until the reply ends
        event = client.next_event()
        gate.open()
        text, terminal = client.read_stream()
    assert (event.message + text, terminal.is_done) == (hostile, True)
    assert text == "" or hostile.endswith("\ud83d")
    assert json.loads(event.data)["message"] == event.message
    block = post_chat(running_server.url, message="Hi", interaction_mode="block").json()
    assert block["message"] == hostile
    assert hostile not in running_server.server.log
