"""How much of a body has come, for every cut of its bytes; and until when the rest may come."""

from __future__ import annotations

import time

import pytest

from sluice.web.intake.body_arrival import BODY_BYTES_PER_SECOND, BodyArrival

WHOLE = {
    "one chunk": b"5\r\nhello\r\n0\r\n\r\n",
    "two chunks": b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "line ends in the data": b"4\r\n\r\n\r\n\r\n0\r\n\r\n",
    "an extension": b'5;name="value"\r\nhello\r\n0;last\r\n\r\n',
    "trailers": b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "nothing": b"0\r\n\r\n",
}
BROKEN = {
    "a size that is none": b"zz\r\n",
    "no line end behind the data": b"2\r\n{}no",
    "a bare line feed behind a size": b"2\n{}",
    "a bare carriage return in an extension": b"2;\r;=\r\n",
    "a size without an end": b"1" * 9000,
    "a trailer with a bare line feed": b"0\r\nA: b\n",
}
NEXT = b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
def test_chunks_are_complete_with_their_last_byte_however_they_are_cut(body: bytes) -> None:
    for cut in range(len(body)):
        arrival = BodyArrival(None, 1.0)
        arrival.feed(body[:cut])
        assert not arrival.is_complete
        assert not arrival.is_broken
        arrival.feed(body[cut:] + NEXT)
        assert arrival.is_complete
        assert arrival.received == len(body)


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_chunks_that_break_are_never_complete(body: bytes) -> None:
    arrival = BodyArrival(None, 1.0)
    for byte in body:
        arrival.feed(bytes([byte]))
    arrival.feed(b"\r\n0\r\n\r\n")
    assert arrival.is_broken
    assert not arrival.is_complete


def test_a_body_with_a_length_is_complete_at_that_length() -> None:
    arrival = BodyArrival(10, 1.0)
    arrival.feed(b"12345")
    assert not arrival.is_complete
    arrival.feed(b"67890" + NEXT)
    assert arrival.is_complete
    assert arrival.received == 10
    assert BodyArrival(0, 1.0).is_complete


@pytest.mark.parametrize(
    ("received", "announced"),
    [
        (b"ffffffffffffffff\r\n", 2**64 - 1),
        (b"1" + b"0" * 100 + b"\r\n", 16**100),
        (b"0000000000000000005\r\nhello\r\nA;x\r\n", 15),
        (b"5", 0),
    ],
)
def test_the_size_of_a_chunk_is_known_with_its_line(received: bytes, announced: int) -> None:
    arrival = BodyArrival(None, 1.0)
    arrival.limit = 14
    arrival.feed(received)
    assert not arrival.is_broken
    assert arrival.announced == announced
    assert arrival.is_too_large == (announced > 14)


def test_the_time_for_a_body_grows_with_what_has_come_and_not_with_each_piece() -> None:
    began = time.monotonic()
    arrival = BodyArrival(2**20, 20.0)
    for _ in range(100):
        arrival.feed(b"x")
    assert arrival.deadline() - began < 20.0 + 1.0
    arrival.feed(b"x" * BODY_BYTES_PER_SECOND * 10)
    assert arrival.deadline() - began >= 30.0
