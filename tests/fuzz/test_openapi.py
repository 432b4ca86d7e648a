"""The OpenAPI document, held against the code and against what the server really says."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from flask import Flask

from sluice import Sluice
from sluice.service import ChatService, Settings
from sluice.service.errors import ServiceError
from sluice.service.events.events import Custom, Event, ToolCall, ToolResult
from sluice.service.events.tool_uses import ToolUse
from sluice.service.settings.records.limits import LimitSettings
from sluice.service.settings.records.provider import ProviderSettings
from sluice.web import create_app
from sluice.web.api.error_replies import STATUSES
from sluice.web.api.request_body import ChatBody
from sluice.web.encoders.sluice_sse import describe_tool_use, encode_events
from sluice.web.openapi.document import NOT_BLANK, make_openapi_document
from sluice.web.request_errors import InvalidRequest
from tests.support.running_server import RunningServer
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import Chunk, Headers, finished, refused, said

SETTINGS = Settings(
    provider=ProviderSettings(base_url="http://127.0.0.1:9", model="one", models=("two",)),
    limits=LimitSettings(max_message_chars=7, max_history=3, max_body_bytes=1234),
)
DOCUMENT = make_openapi_document(SETTINGS)
CHAT = DOCUMENT["paths"]["/api/chat"]["post"]


def leaves(kind: type[ServiceError]) -> set[type[ServiceError]]:
    """Return the errors that have no errors below them."""
    below = kind.__subclasses__()
    return set().union(*map(leaves, below)) if below else {kind}


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return schemas that refuse fields which they do not name: the document lets us add some, a test does not."""
    return {
        name: {**kind, "additionalProperties": False} if kind.get("type") == "object" else kind
        for name, kind in schema.items()
    }


def holds(kind: str, value: object) -> None:
    """Fail unless a value is of a kind that the document describes, without a further field."""
    components = {"schemas": strict(DOCUMENT["components"]["schemas"])}
    reference = {"$ref": f"#/components/schemas/{kind}", "components": components}
    jsonschema_rs.Draft202012Validator(reference).validate(value)


def test_every_error_is_described_with_its_status() -> None:
    # It is also raised itself.
    assert set(STATUSES) == leaves(ServiceError) | {InvalidRequest}
    for kind, status in STATUSES.items():
        assert f"`{kind.code}`" in CHAT["responses"][str(status)]["description"]
    codes = DOCUMENT["components"]["schemas"]["ErrorReply"]["properties"]["code"]["enum"]
    assert set(codes) == {kind.code for kind in STATUSES}


def test_no_status_is_described_that_cannot_come() -> None:
    refusals = {"400", "403", "408", "413", "415", "421"}
    assert set(CHAT["responses"]) == {"200", "202"} | refusals | {str(status) for status in STATUSES.values()}


def test_every_field_of_a_request_is_described_and_no_other() -> None:
    asked = DOCUMENT["components"]["schemas"]["ChatBody"]
    assert set(asked["properties"]) == {field.name for field in msgspec.structs.fields(ChatBody)}
    assert asked["required"] == ["message"]
    assert asked["additionalProperties"] is False


def test_the_limits_are_the_servers_own() -> None:
    asked = DOCUMENT["components"]["schemas"]["ChatBody"]["properties"]
    assert asked["message"]["maxLength"] == 7
    assert DOCUMENT["components"]["schemas"]["Turn"]["properties"]["content"]["maxLength"] == 7
    assert asked["conversation_history"]["maxItems"] == 3
    assert asked["model"]["anyOf"] == [{"type": "string", "enum": ["one", "two"]}, {"type": "null"}]
    assert "1234" in CHAT["requestBody"]["description"]


def test_the_document_and_the_code_agree_on_blank_messages() -> None:
    characters = map(chr, range(sys.maxunicode + 1))
    assert [text for text in characters if bool(re.search(NOT_BLANK, text)) is not bool(text.strip())] == []


def test_every_route_is_described() -> None:
    app = create_app(service=ChatService(SETTINGS))
    assert described(DOCUMENT) == routes(app)


def test_every_route_of_an_extension_is_described() -> None:
    app = Flask("host")
    app.config.update(OPENAI_BASE_URL="http://127.0.0.1:9", OPENAI_MODEL="m", SLUICE_STORE="off")
    Sluice(app, url_prefix="/")
    document = app.test_client().get("/openapi.json").json
    assert document is not None
    # No answers are kept there.
    assert described(document) == {each for each in routes(app) if not each[1].startswith("/api/runs")}
    assert set(document["paths"]["/api/chat"]["post"]["responses"]).isdisjoint({"202", "404", "410", "422"})


def described(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the methods and paths of a document."""
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def routes(app: Flask) -> set[tuple[str, str]]:
    """Return the methods and paths of an application, as the document has them."""
    # The files of the page, and the two routes of `flask sluice doctor` (docs/reference/wire.md).
    others = ("sluice.assets.", "sluice.doctor.", "sluice.openai.refuse_route", "static")
    rules = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(others)]
    # Werkzeug answers HEAD and OPTIONS.
    return {
        (method, re.sub("<(?:path:)?(.+?)>", r"{\1}", rule.rule))
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_the_document_is_served(running_server: RunningServer) -> None:
    reply = fetch(running_server.url, "/openapi.json")
    assert reply.status == 200
    assert reply.json()["openapi"] == "3.1.0"
    assert reply.json()["components"]["schemas"]["ChatBody"]["properties"]["message"]["maxLength"] == 100_000


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}])
def test_real_answers_match_their_schemas(running_server: RunningServer, usage: dict[str, int] | None) -> None:
    script = (Headers(), Chunk(reasoning="hm"), *said("Hel", "lo"), *finished(usage=usage))
    running_server.model.enqueue(script, script)
    holds("BlockReply", post_chat(running_server.url, message="Hi", interaction_mode="block").json())
    with stream_chat(running_server.url) as client:
        *texts, end = [json.loads(frame.data) for frame in client.frames() if frame.comment is None]
    for text in texts:
        holds("TextFrame", text)
    holds("DoneFrame", end)


def test_frames_of_tools_and_custom_events_match_their_schemas() -> None:
    events: list[tuple[str, Event]] = [
        ("ToolCallFrame", ToolCall("c", "search", "{}")),
        ("ToolCallFrame", ToolCall("c", "send", "{}", needs_consent=True)),
        ("ToolResultFrame", ToolResult("c", "search", "found", seconds=0.5)),
        ("ToolResultFrame", ToolResult("c", "search", "late", is_error=True, code="timeout")),
        ("CustomFrame", Custom("citation", b'{"page": 7}')),
        ("CustomFrame", Custom("progress", b"0.5")),
    ]
    for kind, event in events:
        data = encode_events([event], 1, "").partition(b"data: ")[2]
        holds(kind, json.loads(data))
    use = ToolUse(ToolCall("c", "search", "{}"))
    reply = {"success": True, "message": "", "interaction_mode": "block", "finish_reason": "stop", "usage": None}
    uses = [use, ToolUse(use.call, ToolResult("c", "search", "found"))]
    holds("BlockReply", {**reply, "tool_calls": [describe_tool_use(each) for each in uses]})


def test_real_failures_match_their_schema(running_server: RunningServer) -> None:
    running_server.model.enqueue(refused(429), refused(500))
    running_server.model.enqueue(refused(503, headers={"Retry-After": "7"}))
    for waits, reply in (
        (True, post_chat(running_server.url, message="Hi")),
        (False, post_chat(running_server.url, message="Hi")),
        (True, post_chat(running_server.url, message="Hi")),
        (False, post_chat(running_server.url, message=5)),
        (False, post_chat(running_server.url)),
    ):
        holds("ErrorReply", reply.json())
        assert ("retry-after" in reply.headers) is waits
        described = CHAT["responses"][str(reply.status)]["headers"].get("Retry-After")
        if waits:
            assert described is not None
        elif described is not None:
            assert described["required"] is False


def test_configuration_and_health_match_their_schemas(running_server: RunningServer) -> None:
    holds("PageConfig", fetch(running_server.url, "/api/config").json())
    for path in ("/healthz", "/readyz"):
        holds("Health", fetch(running_server.url, path).json())
