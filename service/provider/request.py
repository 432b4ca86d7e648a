"""Make requests for answers, as the openai client makes them.

The client makes one request at the start. Address, headers and fields of it are used for all requests, as making them
for each took 0.4 ms of the loop (docs/decisions/0021-build-the-request-once.md). `httpx2` is the HTTP library of the
client.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import httpx2
import msgspec
from multidict import CIMultiDict, istr
from openai import OpenAI

from ..message import Message
from ..settings.providers import Api
from .refused_parts import Part, fields_without, messages_without
from .responses_request import response_fields

# Headers that the sender adds to each request.
_OF_ONE_REQUEST = {"host", "content-length", "connection"}


class _Recorder(httpx2.BaseTransport):
    """Keeps a request instead of sending it."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.request = request
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"})


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """What all requests for answers have in common."""

    url: str
    headers: CIMultiDict[str]
    #: The body's fields, without `model` and the conversation.
    fields: dict[str, Any]
    api: Api = "chat"

    @classmethod
    def prepare(cls, base_url: str, api_key: str, api: Api = "chat") -> ProviderRequest:
        """Let the openai client make a request. Sends nothing; takes up to a tenth of a second.

        Args:
            base_url: The URL of the API, without `/chat/completions` or `/responses`.
            api_key: The key; where it is empty, the request has the key `no-key`.
            api: Which of the two it is.

        Raises:
            RuntimeError: The openai package is another version, which would take headers from the environment.
        """
        # Sentry's integration begins a span with each call of the client. In the caller's context it would stay the
        # current one, and name the transaction of every later error.
        return Context().run(cls._prepare, base_url, api_key, api)

    @classmethod
    def _prepare(cls, base_url: str, api_key: str, api: Api) -> ProviderRequest:
        recorder = _Recorder()
        # The client requires a key. Servers without keys (Ollama, vLLM) ignore it.
        with OpenAI(
            api_key=api_key or "no-key",
            base_url=base_url,
            http_client=httpx2.Client(transport=recorder, trust_env=False),
        ) as client:
            # The client has read these from the environment: OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_ADMIN_KEY.
            client.organization = client.project = client.admin_api_key = None
            # OPENAI_CUSTOM_HEADERS, whose headers come before the client's own. Arguments can only add to them.
            if not hasattr(client, "_custom_headers"):
                raise RuntimeError("OpenAI has no attribute _custom_headers: install the openai of requirements.txt")
            client._custom_headers = {}
            # A compressor would hold tokens back.
            headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
            if api == "responses":
                # The conversation is ours: the provider need not keep it.
                client.responses.create(model="", input=[], stream=True, store=False, extra_headers=headers).close()
            else:
                client.chat.completions.create(
                    model="",
                    messages=[],
                    stream=True,
                    stream_options={"include_usage": True},
                    extra_headers=headers,
                ).close()
        made = recorder.request
        # Interned, as aiohttp keeps them as long as an answer is read: copies would be 4 KB for each open stream.
        made_headers = CIMultiDict(
            (istr(name), sys.intern(value))
            for name, value in made.headers.multi_items()
            if name.lower() not in _OF_ONE_REQUEST
        )
        fields = msgspec.json.decode(made.content)
        del fields["model"], fields["input" if api == "responses" else "messages"]
        return cls(str(made.url), made_headers, fields, api)

    def body(
        self,
        messages: Sequence[Message],
        model: str,
        left_out: Collection[Part] = (),
        extra: Mapping[str, Any] = MappingProxyType({}),
    ) -> bytes:
        """Encode the body of one request.

        Args:
            messages: The whole conversation, oldest first.
            model: The model's name.
            left_out: The parts to leave out.
            extra: Further fields.

        Returns:
            The JSON.

        Raises:
            UnicodeError: A text has half of a surrogate pair.
            TypeError: `extra` has a value that JSON cannot express.
        """
        fields = self.fields
        if left_out:
            fields, messages = fields_without(left_out, fields), messages_without(left_out, messages)
        if self.api == "responses":
            return msgspec.json.encode({"model": model, **fields, **response_fields(messages, extra)})
        return msgspec.json.encode({"model": model, "messages": messages, **fields, **extra})

    def has(self, part: Part, messages: Sequence[Message]) -> bool:
        """Return whether leaving this part out changes a request with these messages."""
        without = (fields_without((part,), self.fields), list(messages_without((part,), messages)))
        return without != (self.fields, list(messages))

    def headers_without(self, left_out: Collection[Part]) -> CIMultiDict[str]:
        """Return the headers for a request without these parts: a response that is not streamed is JSON."""
        if Part.STREAM not in left_out:
            return self.headers
        headers = self.headers.copy()
        headers["Accept"] = "application/json"
        return headers
