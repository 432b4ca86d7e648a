"""The reader of replies: the same figures however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tools.loadtest.reply import ReplyReader

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXT = b'id: 1\ndata: {"success": true, "message": "Hel", "interaction_mode": "stream"}\n\n'
JOINED = 'id: 4\ndata: {"success": true, "message": "lo 世界", "interaction_mode": "stream"}\n\n'.encode()
THOUGHT = b'id: 5\ndata: {"success": true, "message": "", "reasoning": "hm", "interaction_mode": "stream"}\n\n'
DONE = (
    b'id: 6\ndata: {"success": true, "message": "", "interaction_mode": "stream", "done": true, '
    b'"finish_reason": "stop", "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}}\n\n'
)
FAILED = b'id: 6\ndata: {"success": false, "error": "Late.", "code": "upstream_timeout", "retryable": true}\n\n'


def chunked(*parts: bytes, ended: bool = True) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + (b"0\r\n\r\n" if ended else b"")


def read(data: bytes, mode: str = "stream", size: int | None = None) -> ReplyReader:
    reader = ReplyReader(mode)
    for start in range(0, len(data), size or len(data)):
        reader.feed(data[start : start + (size or len(data))])
    return reader


def plain(status: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


SIZES = (None, 1, 2, 3, 7, 13, 50, 333)


@pytest.mark.parametrize(
    "parts",
    [
        (b": ok\n\n", TEXT, b":\n\n", JOINED, THOUGHT, DONE),
        (b": ok\n\n" + TEXT[:20], TEXT[20:] + b":\n\n" + JOINED, THOUGHT + DONE),
    ],
)
def test_a_stream_is_read_the_same_however_it_is_cut(parts: Sequence[bytes]) -> None:
    for size in SIZES:
        reader = read(HEAD + chunked(*parts), size=size)
        assert (reader.status, reader.ended, reader.whole, reader.code) == (200, True, True, "")
        assert (reader.characters, reader.pieces, reader.billed) == (10, 5, 7)


def test_a_reply_goes_on_on_another_connection_and_what_came_before_does_not_count_again() -> None:
    for size in SIZES:
        first = read(HEAD + chunked(TEXT, JOINED, ended=False), size=size)
        assert (first.last_id, first.last_text) == (4, "lo 世界")
        rest = first.next_connection()
        for data in (HEAD, chunked(JOINED, THOUGHT, DONE)):
            rest.feed(data)
        assert (rest.whole, rest.characters, rest.pieces, rest.billed) == (True, 10, 5, 7)
        assert (first.duplicates, rest.duplicates) == (0, 1)


def test_events_without_a_length_end_with_the_connection() -> None:
    head = HEAD.replace(b"Transfer-Encoding: chunked\r\n", b"")
    reader = read(head + TEXT + DONE, size=9)
    reader.end()
    assert (reader.whole, reader.pieces) == (True, 1)


def test_an_error_frame_ends_it_with_its_code() -> None:
    for size in SIZES:
        reader = read(HEAD + chunked(TEXT, FAILED), size=size)
        assert (reader.ended, reader.whole, reader.code, reader.characters) == (True, False, "upstream_timeout", 3)


@pytest.mark.parametrize("cut", [chunked(TEXT), chunked(TEXT, ended=False), chunked(TEXT, DONE)[:-60]])
def test_a_stream_without_its_terminal_frame_has_not_ended(cut: bytes) -> None:
    reader = read(HEAD + cut)
    reader.end()
    assert not reader.ended
    assert reader.characters == 3


def test_a_block_is_whole_with_its_usage() -> None:
    body = json.dumps({"success": True, "message": "Hello", "usage": {"completion_tokens": 2}}).encode()
    for size in SIZES:
        reader = read(plain("200 OK", body), "block", size)
        assert (reader.whole, reader.billed, reader.characters) == (True, 2, 5)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (plain("503 No", b'{"success": false, "error": "Full.", "code": "overloaded"}'), "overloaded"),
        (plain("502 Bad Gateway", b"<html>", "text/html"), "http_502"),
        (plain("500 Oh", b""), "http_500"),
        (plain("200 OK", b"<html>", "text/html"), "bad_response"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "bad_response"),
    ],
)
def test_a_reply_that_is_no_answer_has_a_code(data: bytes, code: str) -> None:
    for mode in ("stream", "block"):
        reader = read(data, mode)
        assert (reader.ended, reader.whole, reader.code) == (True, False, code)


def test_an_invalid_frame_is_a_bad_response() -> None:
    assert read(HEAD + chunked(b"data: {oops\n\n")).code == "bad_response"
    assert read(HEAD + b"zz\r\n").code == "bad_response"
