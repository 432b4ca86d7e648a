"""The trace that a request belongs to, read as W3C Trace Context says (section 3.2)."""

from __future__ import annotations

import pytest

from sluice.service.observability.logging import Trace, request_id, trace
from sluice.service.settings.settings import Settings
from sluice.web import create_app
from sluice.web.security.trace_context import read_request_id, read_trace

TRACE_ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-00",
        f"00-{TRACE_ID}-{PARENT}-ff",
        # Later versions may have more fields behind those of 00.
        f"01-{TRACE_ID}-{PARENT}-01",
        f"cc-{TRACE_ID}-{PARENT}-01-what-the-future-brings",
        f"fe-{TRACE_ID}-{PARENT}-01-",
    ],
)
def test_a_valid_header_is_read(header: str) -> None:
    assert read_trace(header) == Trace(TRACE_ID, PARENT)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"ff-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01-more",
        f"00-{TRACE_ID}-{PARENT}-01-",
        f"00-{TRACE_ID}-{PARENT}-01.",
        f"01-{TRACE_ID}-{PARENT}-01.more",
        f"00-{TRACE_ID.upper()}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT.upper()}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[1:]}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}0-01",
        f"00-{TRACE_ID}-{PARENT}-1",
        f"0-{TRACE_ID}-{PARENT}-01",
        f"0x-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-0g",
        f"00_{TRACE_ID}_{PARENT}_01",
        f"00-{TRACE_ID}-{PARENT}",
        # Sent twice.
        f"00-{TRACE_ID}-{PARENT}-01,00-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01\n",
        f"00-{'٣' * 32}-{PARENT}-01",
    ],
)
def test_any_other_header_is_none(header: str | None) -> None:
    assert read_trace(header) is None


@pytest.mark.parametrize("header", ["1", "0b5c0b0e-5a3b-4a6c-9d7e-3f1a2b3c4d5e", "01HZX3.A_b:c/d+e=f@g-h", "x" * 128])
def test_an_id_of_plain_characters_is_taken(header: str) -> None:
    assert read_request_id(header) == header


@pytest.mark.parametrize("header", [None, "", "-", "-x", "a b", "a,b", "a]b", 'a"b', "a\nb", "a\n", "é", "x" * 129])
def test_any_other_id_is_not(header: str | None) -> None:
    assert read_request_id(header) is None


def test_a_thread_forgets_the_request_when_its_reply_is_closed() -> None:
    client = create_app(Settings()).test_client()
    headers = {"X-Request-Id": "request-1", "traceparent": f"00-{TRACE_ID}-{PARENT}-01"}
    reply = client.get("/healthz", headers=headers)
    assert reply.headers["X-Request-Id"] == "request-1"
    reply.close()
    assert (request_id.get(), trace.get()) == ("-", None)
