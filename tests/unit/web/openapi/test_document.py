"""Every status that an operation gives is in the OpenAPI document, with its content type, form and headers."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import Any

import jsonschema_rs
import pytest

from sluice.service import ChatService, LoopState, LoopUnavailable, Settings
from sluice.service.errors import ServiceError
from sluice.service.observability.metrics import MetricsUnavailable
from sluice.service.settings.records.provider import OPENAI_DEFAULT_MODEL, ProviderSettings
from sluice.service.settings.records.storage import StorageSettings
from sluice.web import create_app
from sluice.web.api.error_replies import STATUSES
from sluice.web.openapi.document import make_openapi_document
from sluice.web.request_errors import InvalidRequest

SETTINGS = Settings(
    provider=ProviderSettings(base_url="http://127.0.0.1:9"), storage=StorageSettings(store="memory:")
)
DOCUMENT = make_openapi_document(SETTINGS)
COMPONENTS = {"schemas": DOCUMENT["components"]["schemas"]}

# Bodies of the routes that begin an answer, besides `/api/chat`.
BODIES = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/api/ai-sdk": {"id": "c", "messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]},
}


def break_service(patch: pytest.MonkeyPatch, service: ChatService, error: Exception) -> None:
    """Have all that the operations call fail with an error."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    for name in ("health", "open", "start"):
        patch.setattr(service, name, fail)
    patch.setattr("sluice.web.page.assets.Asset.response", fail)
    patch.setattr("sluice.web.page.routes.make_uncached_response", fail)
    patch.setattr("sluice.web.openapi.document.make_json_response", fail)
    patch.setattr("sluice.web.openai_api.routes.make_uncached_response", fail)


@pytest.mark.parametrize(
    ("error", "headers", "expected"),
    [
        (None, {}, {200, 204, 400, 404}),
        (None, {"If-None-Match": "*"}, {200, 204, 304, 400, 404}),
        (None, {"If-Match": '"another"'}, {200, 204, 400, 404, 412}),
        (None, {"Range": "bytes=0-1"}, {200, 204, 206, 400, 404}),
        (None, {"Range": "bytes=999999999-"}, {200, 204, 400, 404, 416}),
        (None, {"Sec-Fetch-Site": "cross-site"}, {200, 204, 403, 404}),
        (None, {"Content-Encoding": "gzip"}, {200, 204, 404, 415}),
        (None, {"Host": "evil.example"}, {421}),
        (None, {"Host": "a b"}, {400}),
        (RuntimeError("a defect"), {}, {500}),
        (OSError(errno.EMFILE, "too many open files"), {}, {503}),
        (MemoryError(), {}, {503}),
        (MetricsUnavailable("too many open files"), {}, {500, 503}),
        (LoopUnavailable("the loop has ended", LoopState.DEAD), {}, {500, 503}),
        *((kind("a detail"), {}, {STATUSES[kind]}) for kind in STATUSES if kind is not InvalidRequest),
    ],
)
def test_every_status_of_every_operation_is_described_with_its_content_type_and_headers(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, headers: dict[str, str], expected: set[int]
) -> None:
    service = ChatService(SETTINGS)
    client = create_app(service=service).test_client()
    if error is not None:
        break_service(monkeypatch, service, error)
    seen = set()
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            body = BODIES.get(path, {"message": "Hi"}) if error else {"message": " "}
            called = (
                path.replace("{run_id}", "0" * 38)
                .replace("{model}", OPENAI_DEFAULT_MODEL if error else "none")
                .replace("{chat_id}", "none")
            )
            reply = client.open(
                called, method=method.upper(), headers=headers, json=body if method == "post" else None
            )
            seen.add(reply.status_code)
            if isinstance(error, ServiceError) and path not in ("/api/chat", *BODIES):
                continue
            described = operation["responses"][str(reply.status_code)]
            assert (
                reply.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
                or reply.mimetype in described["content"]
            ), path
            assert {"Retry-After", "Accept-Encoding"} & set(reply.headers.keys()) <= set(described["headers"]), path
            if reply.is_json:
                reference = {**described["content"]["application/json"]["schema"], "components": COMPONENTS}
                jsonschema_rs.Draft202012Validator(reference).validate(reply.json)
    service.close()
    assert seen == expected
