"""The page's own reader of event streams, held against the examples of the HTML standard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

READ = """async (pieces) => {
    const { readEvents } = await import("/static/js/event_stream.js");
    const bytes = pieces.map((piece) => Uint8Array.from(piece));
    const body = new ReadableStream({
        pull(controller) {
            if (bytes.length) controller.enqueue(bytes.shift());
            else controller.close();
        },
    });
    const events = [];
    for await (const event of readEvents(body)) events.push(event);
    return events;
}"""


@pytest.fixture
def opened(browser_page: Page) -> Page:
    browser_page.goto("/")
    return browser_page


def read(page: Page, *pieces: bytes) -> list[dict[str, Any]]:
    """Read these pieces as one event stream."""
    events: list[dict[str, Any]] = page.evaluate(READ, [list(piece) for piece in pieces])
    return events


def test_the_examples_of_the_standard(opened: Page) -> None:
    cases: list[tuple[bytes, list[str]]] = [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
            [
                "first event",
                "second event",
            ],
        ),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"\xef\xbb\xbfdata: after a BOM\n\n", ["after a BOM"]),
        (b"data: cr\r\rdata: crlf\r\n\r\ndata: lf\n\n", ["cr", "crlf", "lf"]),
        ("data: a\u2028b\u0085c\x0bd\n\n".encode(), ["a\u2028b\u0085c\x0bd"]),
        (b"unknown: x\ndatax: y\nretry: 5\ndata: z\n\n", ["z"]),
        (b"event: only a name\n\n: comment\n\n", []),
    ]
    for source, expected in cases:
        assert [event["data"] for event in read(opened, source)] == expected, source


def test_a_stream_cut_anywhere_gives_the_same_events(opened: Page) -> None:
    source = "id: 1\r\nevent: greeting\r\ndata: 你好 🌊\r\n\r\ndata: a\rdata: b\r\r: beat\n\ndata: c\n\n".encode()
    whole = read(opened, source)
    assert whole == [
        {"type": "greeting", "data": "你好 🌊", "id": "1"},
        {"type": "message", "data": "a\nb", "id": "1"},
        {"type": "message", "data": "c", "id": "1"},
    ]
    assert read(opened, *(bytes([byte]) for byte in source)) == whole
    for cut in range(1, len(source), 5):
        assert read(opened, source[:cut], b"", source[cut:]) == whole


def test_leaving_the_loop_closes_the_stream(opened: Page) -> None:
    cancelled = opened.evaluate(
        """async () => {
            const { readEvents } = await import("/static/js/event_stream.js");
            let cancelled = false;
            const body = new ReadableStream({
                start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\\n\\ndata: 2\\n\\n")),
                cancel: () => { cancelled = true; },
            });
            for await (const event of readEvents(body)) break;
            return cancelled;
        }"""
    )
    assert cancelled is True


def test_an_event_without_end_is_refused(opened: Page) -> None:
    name = opened.evaluate(
        """async () => {
            const { readEvents } = await import("/static/js/event_stream.js");
            const body = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)) });
            try {
                for await (const event of readEvents(body));
            } catch (error) {
                return error.name;
            }
        }"""
    )
    assert name == "EventTooLarge"
