"""Which part of a request a refusal is about, and the request without it."""

from __future__ import annotations

import json

import pytest

from sluice.service.message import Message
from sluice.service.provider.refused_parts import Part, part_refused
from sluice.service.provider.request import ProviderRequest
from tests.support.refusals_of_parts import REFUSALS

REQUEST = ProviderRequest.prepare("https://model.example/v1", "key")
SYSTEM = Message(role="system", content="Be brief.")
TALK = [
    SYSTEM,
    Message(role="user", content="Are you there?"),
    Message(role="user", content="Hello?"),
    Message(role="assistant", content="Yes."),
    Message(role="user", content="Good."),
]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_names_the_part_that_is_refused(name: str) -> None:
    status, body, part = REFUSALS[name]
    assert part_refused(status, json.dumps(body), ()) is part
    assert part_refused(status, json.dumps(body), {part}) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "Invalid 'temperature'", "param": "temperature"}}),
        (401, {"error": {"message": "stream_options"}}),
        (500, {"error": {"message": "upstream failed: stream_options"}}),
        (400, {"error": {"message": "upstream", "param": "upstream"}}),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "input": {"stream_options": {}}}]}),
        (400, {"error": {"message": "the stream was interrupted", "param": None}}),
    ],
)
def test_a_refusal_of_something_else_names_no_part(status: int, body: object) -> None:
    assert part_refused(status, json.dumps(body), ()) is None


def test_a_request_without_a_part_is_otherwise_the_same() -> None:
    whole = json.loads(REQUEST.body(TALK, "m"))
    without = json.loads(REQUEST.body(TALK, "m", {Part.USAGE}))
    assert without == {name: value for name, value in whole.items() if name != "stream_options"}
    without = json.loads(REQUEST.body(TALK, "m", {Part.STREAM}))
    assert without == {"model": "m", "messages": whole["messages"]}


def test_a_request_without_streaming_accepts_json() -> None:
    assert REQUEST.headers_without({Part.USAGE}) is REQUEST.headers
    headers = REQUEST.headers_without({Part.STREAM})
    assert headers["Accept"] == "application/json"
    assert headers["Authorization"] == REQUEST.headers["Authorization"]
    assert REQUEST.headers["Accept"] == "text/event-stream"


def test_a_conversation_without_a_part_keeps_all_of_its_text() -> None:
    assert json.loads(REQUEST.body(TALK, "m", {Part.REPEATED_ROLES}))["messages"] == [
        SYSTEM,
        {"role": "user", "content": "Are you there?\n\nHello?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Good."},
    ]
    for left_out in ({Part.SYSTEM}, {Part.SYSTEM, Part.REPEATED_ROLES}):
        assert json.loads(REQUEST.body(TALK, "m", left_out))["messages"] == [
            {"role": "user", "content": "Be brief.\n\nAre you there?\n\nHello?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Good."},
        ]


def test_a_part_that_a_request_does_not_have_cannot_be_left_out() -> None:
    plain = [Message(role="user", content="Hi")]
    assert not REQUEST.has(Part.SYSTEM, plain)
    assert not REQUEST.has(Part.REPEATED_ROLES, plain)
    assert REQUEST.has(Part.USAGE, plain)
    assert REQUEST.has(Part.SYSTEM, [SYSTEM, *plain])
    assert REQUEST.has(Part.REPEATED_ROLES, [*plain, *plain])
