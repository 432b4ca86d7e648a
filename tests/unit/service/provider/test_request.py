"""The request for an answer is the openai client's own, made once."""

from __future__ import annotations

import asyncio
import json
from contextvars import ContextVar
from typing import Any, cast

import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.resources.chat.completions import Completions

from sluice.service.message import Message
from sluice.service.provider import request as request_module
from sluice.service.provider.request import ProviderRequest

BASE_URL = "https://model.example/a%20b/v1"
MESSAGES = [Message(role="system", content="Be brief."), Message(role="user", content='你好 \U0001f600 "\u2028')]


def as_the_openai_client_sends_it() -> httpx2.Request:
    class Recorder(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            self.request = request
            return httpx2.Response(200, headers={"Content-Type": "text/event-stream"})

    recorder = Recorder()

    async def ask() -> None:
        http_client = httpx2.AsyncClient(transport=recorder)
        async with AsyncOpenAI(api_key="our-key", base_url=BASE_URL, http_client=http_client) as client:
            stream = await client.chat.completions.create(
                model="m", messages=cast(Any, MESSAGES), stream=True, stream_options={"include_usage": True}
            )
            await stream.close()

    asyncio.run(ask())
    return recorder.request


def test_a_request_has_the_openai_clients_url_and_fields() -> None:
    request, theirs = ProviderRequest.prepare(BASE_URL, "our-key"), as_the_openai_client_sends_it()
    assert request.url == str(theirs.url) == f"{BASE_URL}/chat/completions"
    assert json.loads(request.body(MESSAGES, "m")) == json.loads(theirs.content)


def test_a_request_has_the_openai_clients_headers_except_for_what_is_accepted() -> None:
    request, theirs = ProviderRequest.prepare(BASE_URL, "our-key"), as_the_openai_client_sends_it()
    assert request.headers["Authorization"] == theirs.headers["Authorization"] == "Bearer our-key"
    assert request.headers["Content-Type"] == theirs.headers["Content-Type"]
    assert set(map(str.lower, theirs.headers)) - set(map(str.lower, request.headers)) == {
        "host",
        "connection",
        "content-length",
    }
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_request_has_nothing_of_the_environment_but_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "somebody-elses")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://other.example/v1")
    request = ProviderRequest.prepare(BASE_URL, "")
    assert request.url.startswith(BASE_URL)
    assert request.headers["Authorization"] == "Bearer no-key"
    assert "somebody-elses" not in str(request.headers)


def test_custom_headers_of_the_environment_replace_and_add_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ProviderRequest.prepare(BASE_URL, "our-key")
    custom = ("Authorization: Bearer somebody-elses", "X-Custom: somebody-elses", "user-agent: other", "Accept: */*")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "\n".join(custom))
    request = ProviderRequest.prepare(BASE_URL, "our-key")
    assert request.headers == ours.headers
    assert request.headers["Authorization"] == "Bearer our-key"


def test_an_openai_client_whose_custom_headers_cannot_be_removed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Another(OpenAI):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            del self._custom_headers

    monkeypatch.setattr(request_module, "OpenAI", Another)
    with pytest.raises(RuntimeError, match=r"_custom_headers: install the openai of requirements\.txt"):
        ProviderRequest.prepare(BASE_URL, "our-key")


def test_half_of_a_surrogate_pair_cannot_be_sent() -> None:
    with pytest.raises(UnicodeError):
        ProviderRequest.prepare(BASE_URL, "").body([Message(role="user", content="\ud83d")], "m")


def test_what_monitoring_begins_when_the_request_is_made_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    span: ContextVar[str] = ContextVar("span", default="none")
    begun: list[str] = []
    create = Completions.create

    def instrumented(*args: Any, **kwargs: Any) -> Any:
        span.set("chat")
        begun.append(span.get())
        return create(*args, **kwargs)

    monkeypatch.setattr(Completions, "create", instrumented)
    ProviderRequest.prepare(BASE_URL, "our-key")
    assert (begun, span.get()) == (["chat"], "none")
