"""Rows 6 and 33: requests that are not chats. They cost a reply and never a model call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.conftest import House
from tests.raw_client import RawClient, check_error, fetch

BODY = b'{"message": "Hi", "interaction_mode": "stream"}'


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_another_method_is_405_and_calls_no_model(house: House, method: str) -> None:
    """Row 6: HEAD above all, for which a generator never starts, so that its `finally` never runs."""
    with RawClient(house.url) as client:
        client.request(method, "/api/chat", {"Content-Type": "application/json", "Connection": "close"}, BODY)
        assert client.status == 405
        assert client.headers["allow"] == "POST"
        client.wait_closed()
    assert house.model.exchanges == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_another_content_type_is_415_and_calls_no_model(house: House, kind: str | None) -> None:
    """Row 6."""
    headers = {} if kind is None else {"Content-Type": kind}
    response = fetch(house.url, "/api/chat", method="POST", headers=headers, body=BODY)
    assert response.status == 415
    check_error(response.json(), field_allowed=True)
    assert house.model.exchanges == []


# ------------------------------------------------------------------------------------------ generated bodies

# Texts that JSON can write: lone surrogates too, which UTF-8 cannot.
_texts = st.text(st.characters(codec=None), max_size=20)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)
_fields = st.sampled_from(["message", "conversation_history", "interaction_mode", "source", "model", "role", "user"])
_turns = st.lists(st.fixed_dictionaries({}, optional={"role": _values | st.just("user"), "content": _values}))
# Near misses: the right fields with values of any kind, a few of them right.
_near = st.fixed_dictionaries(
    {},
    optional={
        "message": _values | _texts,
        "conversation_history": _values | _turns,
        "interaction_mode": _values | st.sampled_from(["stream", "block"]),
        "source": _values | st.sampled_from(["page", "api", "load-test"]),
        "model": _values | st.just("scripted"),
    },
)
_strange = st.dictionaries(_fields | _texts, _values, max_size=4)


def _written(value: Any) -> bytes:
    return json.dumps(value).encode()


_documents = (_near | _strange | _values).map(_written)


@st.composite
def _spoilt(draw: st.DrawFn) -> bytes:
    """A document with a piece taken out, put in or repeated."""
    document = draw(_documents)
    start = draw(st.integers(0, len(document)))
    end = draw(st.integers(start, len(document)))
    put = draw(
        st.binary(max_size=6) | st.just(document[start:end] * 2) | st.sampled_from([b"\x00", b"\xff", b"[" * 50])
    )
    return document[:start] + put + document[end:]


_bodies = _documents | _spoilt() | st.binary(max_size=200)


def hold_generated_bodies_to_the_wire(house: House, examples: int) -> None:
    """Post that many bodies over kept connections. Whatever they are: no 5xx, no hang, a reply of the wire's form."""
    client = RawClient(house.url, timeout=5)
    served = 0

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(_bodies)
    def post(body: bytes) -> None:
        nonlocal client, served
        if client.socket.fileno() < 0:
            client = RawClient(house.url, timeout=5)
        client.request("POST", "/api/chat", {"Content-Type": "application/json"}, body)
        status = client.status
        served += 1
        if client.headers["content-type"].startswith("text/event-stream"):
            assert client.read_stream()[1].is_done
        else:
            fields = json.loads(client.read_body())
            if status == 200:
                assert fields["success"] is True
            else:
                assert status in (400, 413), (status, body)
                check_error(fields, field_allowed=True)
        if client.headers.get("connection") == "close":
            client.close()

    try:
        post()
    finally:
        client.close()
    assert served >= examples * 0.9
    assert "Traceback" not in house.server.log
    assert "a defect" not in house.server.log


def test_five_hundred_generated_bodies_are_answered_and_none_with_5xx(house: House) -> None:
    """Row 33, the part that every run can afford."""
    hold_generated_bodies_to_the_wire(house, 500)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_thousand_generated_bodies_are_answered_and_none_with_5xx(house: House) -> None:
    """Row 33."""
    hold_generated_bodies_to_the_wire(house, 10_000)
