"""Hostile requests: never a 5xx, never a hang, always the documented error, and no model call unless all is right."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.service import Chat, ChatService, Run, Settings
from sluice.service.errors import ShuttingDown
from sluice.service.settings.records.chat import ChatSettings
from sluice.service.settings.records.limits import LimitSettings
from sluice.service.settings.records.provider import ProviderSettings
from sluice.web import create_app
from sluice.web.openapi.document import make_openapi_document
from tests.fuzz.bodies import bodies
from tests.fuzz.effort import LONG, tried
from tests.support.running_server import RunningServer
from tools.common.raw_client import RawClient, check_error

pytestmark = pytest.mark.timeout(1800 if LONG else 60)

# Limits so small that examples reach them.
SMALL = Settings(
    provider=ProviderSettings(base_url="http://127.0.0.1:9", model="scripted"),
    limits=LimitSettings(max_body_bytes=1000, max_image_body_bytes=1000, max_message_chars=20, max_history=3),
    chat=ChatSettings(allow_system_prompt="on", allow_temperature="on", allow_images="on"),
)
JSON = {"Content-Type": "application/json"}


# ------------------------------------------------------------------------------------------------ application


class RejectingService(ChatService):
    """A service that counts chats, and refuses each."""

    opened = 0

    def open(self, chat: Chat, client: str = "", **hooks: Any) -> Run:
        """Count."""
        self.opened += 1
        raise ShuttingDown("this service refuses every chat")


class Unspecified(Exception):
    """A name comes twice. No document states which one counts, so either answer is right."""


class Description:
    """What the server's own OpenAPI document says of a body."""

    def __init__(self, settings: Settings) -> None:
        document = make_openapi_document(settings)
        chat = document["paths"]["/api/chat"]["post"]
        schema = chat["requestBody"]["content"]["application/json"]["schema"]
        self._most = settings.max_chat_body_bytes
        self._validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})

    def allows(self, body: bytes) -> bool:
        """Return whether this body is a valid request."""
        if len(body) > self._most:
            return False
        try:
            value = json.loads(body.decode(), object_pairs_hook=_no_twins, parse_constant=_no_constant)
            json.dumps(value, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
        except (ValueError, RecursionError):
            return False
        return bool(self._validator.is_valid(value))


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Unspecified
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@pytest.fixture(scope="module")
def service() -> RejectingService:
    return RejectingService(SMALL)


@pytest.fixture(scope="module")
def app(service: RejectingService) -> FlaskClient:
    return create_app(service=service).test_client()


DESCRIPTION = Description(SMALL)


@tried(800)
@given(body=bodies())
def test_the_application_takes_exactly_what_its_document_describes(
    service: RejectingService, app: FlaskClient, body: bytes
) -> None:
    before = service.opened
    response = app.post("/api/chat", data=body, headers=JSON)
    taken = service.opened > before
    with contextlib.suppress(Unspecified):
        assert taken is DESCRIPTION.allows(body)
    if taken:
        assert (response.status_code, response.json["code"]) == (503, "shutting_down")
    else:
        assert response.status_code in (400, 413)
        check_error(response.json, field_allowed=True)
        assert response.json["code"] == "invalid_request"


# ----------------------------------------------------------------------------------------------------- server

# A header's value may be any of latin-1 but controls (RFC 9110, section 5.5).
_value = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
# Expect has a reply of its own in front of the reply; the framing's own headers have a test of their own below.
_name = st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("expect", "host", "content-length", "transfer-encoding", "connection")
)
_kinds = st.sampled_from([
    "application/json", "application/json; charset=utf-16", "Application/JSON;;;", "application/json, text/html",
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=", "*/*", "", "application/",
])  # fmt: skip
odd_headers = st.fixed_dictionaries(
    {"Content-Type": st.just("application/json") | _kinds | _value},
    optional={
        "Accept": st.sampled_from(["text/event-stream", "text/event-stream;q=x", "*/*;q=-1"]) | _value,
        "Origin": st.sampled_from(["null", "http://[", "http://127.0.0.1:99999"]) | _value,
        "Sec-Fetch-Site": st.sampled_from(["same-origin", "none", "cross-site"]) | _value,
        "Content-Encoding": st.sampled_from(["gzip", "br"]),
        "X-Forwarded-For": _value,
        "X-Request-Id": _value,
        "Last-Event-ID": _value,
        "Cookie": _value,
        "Range": st.sampled_from(["bytes=0-1", "bytes=-"]),
        "If-None-Match": _value,
    },
).flatmap(lambda known: st.dictionaries(_name, _value, max_size=3).map(lambda unknown: {**unknown, **known}))


class Caller:
    """Asks one question after the other, on one connection for as long as the server keeps it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: RawClient | None = None

    def post(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Make a request and return status, headers and body of the reply."""
        if self._client is None:
            self._client = RawClient(self._url, timeout=5.0)
        client = self._client
        try:
            client.request("POST", "/api/chat", headers, body)
            reply = client.read_body()
        except BaseException:
            self.close()
            raise
        answer = (client.status, client.headers, reply)
        if client.headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None


@pytest.fixture
def caller(running_server: RunningServer) -> Iterator[Caller]:
    caller = Caller(running_server.url)
    yield caller
    caller.close()


@tried(200)
@example(headers={**JSON, "Origin": "http://["}, body=b"{}")
@given(headers=st.just(JSON) | odd_headers, body=bodies(deepest=1_100_000))
def test_the_server_answers_every_request_and_asks_the_model_only_for_valid_ones(
    running_server: RunningServer, caller: Caller, headers: dict[str, str], body: bytes
) -> None:
    asked = len(running_server.model.exchanges)
    status, received, reply = caller.post(headers, body)
    if status == 200:
        assert len(running_server.model.exchanges) == asked + 1
        assert b"Hello" in reply
        assert b"finish_reason" in reply
    else:
        assert status in (400, 403, 413, 415)
        assert received["content-type"] == "application/json"
        check_error(json.loads(reply), field_allowed=True)
        assert len(running_server.model.exchanges) == asked


_token = st.binary(max_size=12)
_lines = st.lists(
    st.sampled_from([
        b"Host: localhost", b"Host: localhost, y", b"Content-Length: 2", b"Content-Length: 9", b"Content-Length: -1",
        b"Content-Length: 1_0", b"Content-Length: 9" + b"9" * 40, b"Content-Length: 2\r\nContent-Length: 3",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
        b"Transfer-Encoding: \x0bchunked", b"Expect: 100-continue", b"Connection: keep-alive, \xff", b" folded: x",
        b"Content-Type: application/json", b"Upgrade: h2c", b"a:" + b"b" * 9000, b"\x00: \x00", b": x", b"x",
    ]) | st.builds(lambda name, value: name + b": " + value, _token, _token),
    max_size=5,
)  # fmt: skip
_starts = st.sampled_from([
    b"POST /api/chat HTTP/1.1", b"POST /api/chat HTTP/1.0", b"POST /api/chat HTTP/9.9", b"POST /api/chat",
    b"POST http://other/api/chat HTTP/1.1", b"POST //api/chat HTTP/1.1", b"POST /api/%63hat HTTP/1.1",
    b"POST /api/chat/../chat HTTP/1.1", b"POST /api/chat?%ff=%zz HTTP/1.1", b"POST * HTTP/1.1", b"PRI * HTTP/2.0",
    b"P\xc3\xb6ST /api/chat HTTP/1.1", b"POST /api/chat\xff HTTP/1.1", b"get / HTTP/1.1", b"TRACE / HTTP/1.1",
]) | st.binary(max_size=30)  # fmt: skip
_tails = st.sampled_from(
    [b"{}", b"2\r\n{}\r\n0\r\n\r\n", b"zz\r\n{}", b"-1\r\n", b"2;x=\xff\r\n{}\r\n0\r\nX: y\r\n\r\n"]
)


@tried(100, long=2000)
@given(start=_starts, lines=_lines, tail=_tails | st.binary(max_size=20))
def test_invalid_http_causes_no_model_call_and_no_5xx(
    running_server: RunningServer, start: bytes, lines: list[bytes], tail: bytes
) -> None:
    asked = len(running_server.model.exchanges)
    with RawClient(running_server.url, timeout=5.0) as client:
        client.send(b"\r\n".join([start, *lines, b"", tail]))
        client.shutdown_write()
        try:
            reply = client.wait_closed()
        except ConnectionResetError:
            reply = b""  # the request was refused before all of it was read
    if reply:
        status = reply.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").split(b" ", 2)[1]
        # 501: a transfer coding that is not known. 505: a version that is not (docs/reference/errors.md). Both are
        # about the request, as RFC 9110 has them.
        assert status < b"500" or status in (b"501", b"505")
    assert len(running_server.model.exchanges) == asked


def test_after_all_examples_the_server_is_healthy_and_its_log_has_no_exception(running_server: RunningServer) -> None:
    assert running_server.server.status("/readyz") == 200
    assert "Traceback" not in running_server.server.log
