"""The strict readers: they take what the wire promises, however it is cut up, and nothing else."""

from __future__ import annotations

import json
import socket
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.common.raw_client import (
    CutShort,
    Frame,
    FrameReader,
    RawClient,
    ResponseReader,
    WireViolation,
    stream_many,
)
from tools.common.scripted_model import refusing_base_url

TEXT = {"success": True, "message": "Hel", "interaction_mode": "stream"}
LAST = {**TEXT, "message": "", "done": True, "finish_reason": "stop", "usage": None}
ERROR = {
    "success": False,
    "error": "The model took too long.",
    "code": "upstream_timeout",
    "retryable": True,
    "request_id": "r1",
}


def event(number: int, payload: dict[str, Any]) -> bytes:
    return f"id: {number}\ndata: {json.dumps(payload)}\n\n".encode()


STREAM = b": ok\n\n" + event(1, TEXT) + b": still here\n\n" + event(3, LAST)
RESPONSE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%b\r\n" % (len(part), part) for part in (STREAM[:7], STREAM[7:100], STREAM[100:])
)


@given(st.sets(st.integers(1, len(RESPONSE) + 4)))
def test_a_stream_is_read_the_same_however_it_is_cut_up(cuts: set[int]) -> None:
    whole = RESPONSE + b"0\r\n\r\n"
    response, frames, read = ResponseReader(), FrameReader(), []
    borders = [0, *sorted(cuts), len(whole)]
    for start, stop in pairwise(borders):
        read += frames.feed(response.feed(whole[start:stop]))
    frames.end()
    response.end()
    assert response.complete
    assert [frame.comment or frame.payload for frame in read] == ["ok", TEXT, "still here", LAST]
    assert [frame.id for frame in read] == [None, 1, None, 3]
    assert frames.terminal == Frame(3, None, json.dumps(LAST), None, LAST)


def test_an_error_frame_is_terminal_too() -> None:
    frames = FrameReader()
    (frame,) = frames.feed(event(1, ERROR))
    assert frame.is_error
    assert frame.is_terminal
    frames.end()


@pytest.mark.parametrize(
    "block",
    [
        b"data: {}\n\n",
        b"id: 1\nevent: done\n" + event(1, TEXT).partition(b"\n")[2],
        b"retry: 10\n\n",
        b"id: x\ndata: {}\n\n",
        b"id: 1\ndata: {\n\n",
        b'id: 1\ndata: {"success": NaN}\n\n',
        b"id: 1\ndata: []\n\n",
        b'id: 1\ndata: "\xff"\n\n',
        event(1, TEXT).replace(b"\n", b"\r\n") + b"\n\n",
        b"\n\n",
        event(0, TEXT),
        event(1, {**TEXT, "extra": 1}),
        event(1, {**TEXT, "interaction_mode": "block"}),
        event(1, {**TEXT, "message": None}),
        event(1, {**TEXT, "reasoning": "because"}),
        event(1, {**LAST, "finish_reason": None}),
        event(1, {**LAST, "usage": {"prompt_tokens": "9"}}),
        event(1, {**ERROR, "code": "made_up"}),
        event(1, {**ERROR, "error": ""}),
        event(1, TEXT) + event(1, TEXT),
        event(1, LAST) + event(2, TEXT),
        event(1, LAST) + event(2, LAST),
    ],
)
def test_what_the_wire_does_not_promise_is_refused(block: bytes) -> None:
    with pytest.raises(WireViolation):
        FrameReader().feed(block)


def test_an_end_without_a_terminal_frame_is_refused() -> None:
    frames = FrameReader()
    frames.feed(event(1, TEXT))
    frames.end(terminal=False)
    with pytest.raises(WireViolation, match="without a terminal frame, after event 1"):
        frames.end()
    frames.feed(b"id: 2")
    with pytest.raises(WireViolation, match="inside a frame"):
        frames.end(terminal=False)


@pytest.mark.parametrize(
    ("received", "error"),
    [
        (b"", CutShort),
        (b"HTTP/1.1 200 OK\r\n", CutShort),
        (RESPONSE, CutShort),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHell", CutShort),
        (b"HTTP/2 200\r\n\r\n", WireViolation),
        (b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", WireViolation),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", WireViolation),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", WireViolation),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", WireViolation),
    ],
)
def test_a_broken_response_is_refused(received: bytes, error: type[Exception]) -> None:
    def read() -> None:
        response = ResponseReader()
        response.feed(received)
        response.end()

    with pytest.raises(error):
        read()


def test_bytes_after_the_response_are_told_apart() -> None:
    response = ResponseReader()
    assert response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 ") == b"ab"
    assert response.complete
    assert response.excess == b"HTTP/1.1 "
    no_body = ResponseReader(no_body=True)
    no_body.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    assert no_body.complete


def test_streams_to_a_closed_port_end_with_a_fault_each() -> None:
    with refusing_base_url() as url:
        outcomes = stream_many(url, 3)
    assert [outcome.index for outcome in outcomes] == [0, 1, 2]
    assert all("ConnectionRefused" in str(outcome.fault) for outcome in outcomes)


def test_waiting_in_vain_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with RawClient(url, timeout=0.1) as client, pytest.raises(TimeoutError):
            client.read_head()
        (outcome,) = stream_many(url, 1, timeout=0.1)
        assert outcome.fault == "not over within 0.1 s"
