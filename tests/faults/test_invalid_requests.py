"""Row 6: requests that are not chats. They cost a reply and never a model call. Row 33 is in `tests/fuzz`."""

from __future__ import annotations

import json

import pytest

from tests.support.fault_server import FaultServer
from tools.common.raw_client import RawClient, check_error, fetch
from tools.common.scripted_model import reply

BODY = b'{"message": "Hi", "interaction_mode": "stream"}'


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_another_method_is_405_and_calls_no_model(running_server: FaultServer, method: str) -> None:
    """Row 6: HEAD above all, for which a generator never starts, so that its `finally` never runs."""
    with RawClient(running_server.url) as client:
        client.request(method, "/api/chat", {"Content-Type": "application/json", "Connection": "close"}, BODY)
        assert client.status == 405
        assert client.headers["allow"] == "POST"
        client.wait_closed()
    assert running_server.model.exchanges == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None])
def test_another_content_type_is_415_and_calls_no_model(running_server: FaultServer, kind: str | None) -> None:
    """Row 6."""
    headers = {} if kind is None else {"Content-Type": kind}
    response = fetch(running_server.url, "/api/chat", method="POST", headers=headers, body=BODY)
    assert response.status == 415
    check_error(response.json(), field_allowed=True)
    assert response.json()["code"] == "invalid_request"
    assert running_server.model.exchanges == []


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "x-gzip", "br", "deflate", "zstd", "identity, gzip", "gzip, identity"]
)
def test_a_compressed_body_is_415_at_once_and_says_what_is_accepted(running_server: FaultServer, coding: str) -> None:
    """Row 6: none of the body is sent, and the reply does not wait for it."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding, "Content-Length": "100"}
    with RawClient(running_server.url) as client:
        client.request("POST", "/api/chat", headers)
        assert (client.status, client.headers["accept-encoding"]) == (415, "identity")
        fields = json.loads(client.read_body())
        check_error(fields, field_allowed=True)
        assert fields["error"] == "The body should be sent without a Content-Encoding."
    assert running_server.model.exchanges == []


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_the_coding_identity_is_none(running_server: FaultServer, coding: str) -> None:
    """Row 6."""
    running_server.model.enqueue(reply("Hi"))
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    assert fetch(running_server.url, "/api/chat", method="POST", headers=headers, body=BODY).status == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"message": 1}', "Expected `string`, got `integer` in `message`."),
        (b'{"message": ["Hi"]}', "Expected `string`, got `array` in `message`."),
        (b'{"message": "Hi", "model": true}', "Expected `string | null`, got `boolean` in `model`."),
        (b"[1.5]", "Expected `object`, got `array`."),
    ],
)
def test_a_wrong_type_is_named_as_json_names_it(running_server: FaultServer, body: bytes, sentence: str) -> None:
    """Row 6."""
    response = fetch(
        running_server.url, "/api/chat", method="POST", headers={"Content-Type": "application/json"}, body=body
    )
    assert (response.status, response.json()["error"]) == (400, sentence)
    assert running_server.model.exchanges == []
