"""The page's parser of event streams, tested with the examples and rules of the HTML standard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tools.common.page_modules import with_page_modules

READ = with_page_modules("""async (pieces) => {
    const { readEvents } = await pageModule("api/event_stream.js");
    const bytes = pieces.map((piece) => Uint8Array.from(piece));
    const body = new ReadableStream({
        pull(controller) {
            if (bytes.length) controller.enqueue(bytes.shift());
            else controller.close();
        },
    });
    const events = [];
    for await (const event of readEvents(body.getReader())) events.push(event);
    return events;
}""")


@pytest.fixture
def opened(browser_page: Page) -> Page:
    browser_page.goto("/")
    return browser_page


def read(page: Page, *pieces: bytes) -> list[dict[str, Any]]:
    """Parse these pieces as one event stream."""
    events: list[dict[str, Any]] = page.evaluate(READ, [list(piece) for piece in pieces])
    return events


def event(data: str, *, type: str = "message", id: str = "") -> dict[str, str]:
    """Return an event as the parser returns it."""
    return {"type": type, "data": data, "id": id}


# Streams and their events. The first four are examples of the standard.
CASES: dict[str, tuple[str, list[dict[str, str]]]] = {
    "one event of three lines": ("data: YHOO\ndata: +2\ndata: 10\n\n", [event("YHOO\n+2\n10")]),
    "a comment, ids, and an end without an empty line": (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
        [event("first event", id="1"), event("second event")],
    ),
    "empty data": ("data\n\ndata\ndata\n\ndata:", [event(""), event("\n")]),
    "one space after the colon is no data": ("data:test\n\ndata: test\n\n", [event("test"), event("test")]),
    "of two spaces one, of a tab nothing": ("data:  a\n\ndata:\tb\n\n", [event(" a"), event("\tb")]),
    "a byte order mark": ("\ufeffdata: a\n\n", [event("a")]),
    "a second one is part of a name that nobody knows": ("\ufeff\ufeffdata: a\n\ndata: b\n\n", [event("b")]),
    "one within a value": ("data: \ufeffa\n\n", [event("\ufeffa")]),
    "lines that end in CR": ("data: a\rdata: b\r\rdata: c\r\r", [event("a\nb"), event("c")]),
    "lines that end in CRLF": ("data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [event("a\nb"), event("c")]),
    "all three": (
        "data: cr\r\rdata: crlf\r\n\r\ndata: lf\n\ndata: x\r\n\n",
        [event("cr"), event("crlf"), event("lf"), event("x")],
    ),
    "LF and CR are two ends": ("data: a\n\rdata: b\n\n", [event("a"), event("b")]),
    "no other character ends a line": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\0h\n\n",
        [event("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\0h")],
    ),
    "comments only, as heartbeats": (": beat\n\n:\n\n:: data: a\n\n", []),
    "a comment within an event": ("data: a\n: beat\ndata: b\n\n", [event("a\nb")]),
    "fields that nobody knows": ("unknown: x\ndatax: y\nretry: 5\nretry: no\ndata: z\n\n", [event("z")]),
    "names are as they are written": ("Data: a\nDATA: b\n data: c\ndata : d\n\n", []),
    "colons in a value": ("data: a:b: c\ndata::\n\n", [event("a:b: c\n:")]),
    "JSON": ('data: {"message": "a\\nb", "success": true}\n\n', [event('{"message": "a\\nb", "success": true}')]),
    "a type holds for one event": ("event: add\ndata: a\n\ndata: b\n\n", [event("a", type="add"), event("b")]),
    "the last type counts, an empty one is none": (
        "event: a\nevent: b\ndata: 1\n\nevent: a\nevent\ndata: 2\n\n",
        [event("1", type="b"), event("2")],
    ),
    "a type without data is nothing, and is forgotten": ("event: a\n\ndata: 1\n\n", [event("1")]),
    "an id holds until the next": (
        "id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n",
        [event("a", id="1"), event("b", id="1"), event("c", id="2"), event("d")],
    ),
    "an id with NUL is none": ("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [event("a", id="1"), event("b", id="1")]),
    "many empty lines": ("\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [event("a"), event("b")]),
    "an end within a line": ("data: a\n\ndata: b\ndat", [event("a")]),
    "an end after one line end": ("data: a\n\ndata: b\n", [event("a")]),
    "nothing": ("", []),
    "characters of two to four bytes": ("data: é你好🌊\u0000\n\n", [event("é你好🌊\u0000")]),
}


def test_each_stream_is_read_as_the_standard_says_however_it_is_split(opened: Page) -> None:
    for name, (source, expected) in CASES.items():
        data = source.encode()
        assert read(opened, data) == expected, name
        assert read(opened, *(bytes([byte]) for byte in data)) == expected, f"{name}, byte by byte"
        assert read(opened, b"", *(data[at : at + 3] for at in range(0, len(data), 3)), b"") == expected, name


def test_a_split_line_end_and_a_split_character_are_read_as_one(opened: Page) -> None:
    assert read(opened, b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [event("a\nb")]
    assert read(opened, b"data: a\r", b"", b"\r", b"data: b\r", b"\r") == [event("a"), event("b")]
    assert read(opened, b"\xef", b"\xbb", b"\xbfdata: \xf0\x9f", b"\x8c\x8a\n\n") == [event("🌊")]


def test_invalid_utf_8_becomes_replacement_characters(opened: Page) -> None:
    assert read(opened, b"data: a\xff\xc3(b\n\n") == [event("a\ufffd\ufffd(b")]


@pytest.mark.parametrize(
    ("piece", "refused"),
    [
        pytest.param("x" * 2**20, "EventTooLarge", id="a line without end"),
        pytest.param(f"data: {'x' * 2**19}\n", "EventTooLarge", id="lines of data without end"),
        pytest.param(f": {'x' * 2**19}\ndata: {'x' * 2**19}\n\n", "read", id="as much in many events"),
    ],
)
def test_an_event_over_the_size_limit_is_refused(opened: Page, piece: str, refused: str) -> None:
    outcome = opened.evaluate(
        with_page_modules("""async (piece) => {
            const { readEvents } = await pageModule("api/event_stream.js");
            const bytes = new TextEncoder().encode(piece);
            let left = 16; // megabytes or more, of which an event may have four
            const body = new ReadableStream({
                pull: (controller) => (left-- > 0 ? controller.enqueue(bytes) : controller.close()),
            });
            try {
                for await (const event of readEvents(body.getReader()));
                return "read";
            } catch (error) {
                return error.name;
            }
        }"""),
        piece,
    )
    assert outcome == refused
