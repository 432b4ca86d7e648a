"""The decoder of a body is chosen by its first bytes."""

from __future__ import annotations

import pytest

from sluice.service.decoding.body_format import BodyFormat
from sluice.service.decoding.json_body import JsonBodyDecoder
from sluice.service.decoding.sse_decoder import EventStreamDecoder
from sluice.service.errors import UpstreamInvalid

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("body", "decoder", "left"),
    [
        (b"data: 1\n\n", EventStreamDecoder, b"data: 1\n\n"),
        (b": ping\n", EventStreamDecoder, b": ping\n"),
        (b"\r\n\n data: 1\n\n", EventStreamDecoder, b"data: 1\n\n"),
        (BOM + b"data: 1\n\n", EventStreamDecoder, b"data: 1\n\n"),
        (b'{"choices": []}', JsonBodyDecoder, b'{"choices": []}'),
        (BOM + b"\n [1]", JsonBodyDecoder, b"[1]"),
    ],
)
def test_white_space_and_a_byte_order_mark_are_skipped(body: bytes, decoder: type, left: bytes) -> None:
    chosen, data = BodyFormat(1000, "text/plain").detect(body)
    assert isinstance(chosen, decoder)
    assert data == left


def test_nothing_is_chosen_before_the_first_byte_that_is_more() -> None:
    body = BodyFormat(1000, "text/plain")
    for data in (b"\xef", b"\xbb", b"\xbf", b"\n", b"  "):
        assert body.detect(data) == (None, b"")
    assert isinstance(body.detect(b"{")[0], JsonBodyDecoder)


def test_html_is_refused_with_its_content_type_and_its_beginning() -> None:
    with pytest.raises(UpstreamInvalid, match="200 with text/html instead of an event stream: <html>login</html>"):
        BodyFormat(1000, "text/html").detect(b"\n<html>login</html>")


def test_an_excerpt_of_a_body_is_not_cut_inside_a_key() -> None:
    body = BodyFormat(1000, "text/plain")
    body.detect(b"key " * 127 + b"sk-" + b"k" * 100)
    assert body.excerpt == "key " * 127
