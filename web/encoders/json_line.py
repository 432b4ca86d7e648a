"""JSON on one line, for the data of an event. No I/O, no clock."""

from __future__ import annotations

import json
import re

import msgspec

# They end no line of an event stream, but clients that use a library's `splitlines` would break there.
_LINE_LIKE = re.compile("[\x7f\x85\u2028\u2029]")
#: These, and halves of surrogate pairs, which occur alone in a model's text and have no UTF-8.
ODD = re.compile("[\x7f\x85\u2028\u2029\ud800-\udfff]")
_SPACES = bytes.maketrans(b"\r\n", b"  ")

#: A tenth of the cost of `json.dumps`. It escapes quotes, backslashes and all control characters below space.
encode_plain = msgspec.json.Encoder().encode


def text_line(text: str) -> bytes:
    """Return a text as JSON."""
    return json_line(text) if ODD.search(text) else encode_plain(text)


def json_line(value: object) -> bytes:
    """Return JSON on one line. Chinese is not escaped, which would double its bytes."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        return _escape_line_like(text)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def raw_json_line(data: bytes) -> bytes:
    """Return JSON in UTF-8 on one line. Its line ends are outside of strings, and become spaces."""
    return _escape_line_like(data.decode()).translate(_SPACES)


def _escape_line_like(text: str) -> bytes:
    return _LINE_LIKE.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()
