"""Parts of the OpenAPI document: replies, errors by their status, and references to types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from ...service.errors import InternalError, Overloaded, ServiceError
from ..api.error_replies import STATUSES
from ..request_errors import InvalidRequest

# What `InvalidRequest` can say besides its usual 400.
REFUSALS = {
    403: "a page of another site made the request",
    408: "the request came too slowly",
    413: "too large",
    415: "not application/json, or compressed",
    421: "the request names a host that is not the server's",
}
HEADERS = {
    "X-Request-Id": {"description": "Names the request in the log.", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "In seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}},
}
# What every operation can answer, whatever it does: to the request's host, and where it fails.
ANY_REFUSALS = {400: "the Host header is malformed or missing", 421: REFUSALS[421]}
ANY_FAILURES = (InternalError, Overloaded)
#: One event of a stream, of no further form here.
EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
REFERENCE = "#/components/schemas/{name}"


class ErrorReply(msgspec.Struct):
    """A failure: before a stream begins with its status, later as the stream's last frame."""

    success: Literal[False]
    error: str
    code: str
    retryable: bool
    request_id: str
    field: str | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET


def describe_errors(failures: Iterable[type[ServiceError]], refusals: Mapping[int, str]) -> dict[str, Any]:
    """Describe the replies of errors by their status, in the order of the statuses.

    Args:
        failures: Classes of errors, of `STATUSES`.
        refusals: What `InvalidRequest` can say with each status.
    """
    meanings: defaultdict[int, list[str]] = defaultdict(list)
    for kind in failures:
        meanings[STATUSES[kind]].append(f"`{kind.code}`: {kind.public_message}")
    for status, meaning in refusals.items():
        meanings[status].append(f"`{InvalidRequest.code}`: {meaning}.")
    replies = {str(status): json_reply(" ".join(meanings[status]), ErrorReply) for status in sorted(meanings)}
    for status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        if (reply := replies.get(str(status.value))) is not None:
            reply["headers"]["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    return replies


def get(operation: str, tag: str, summary: str, replies: dict[str, Any]) -> dict[str, Any]:
    """Describe a GET."""
    described = {**replies}
    for status, error in describe_errors(ANY_FAILURES, ANY_REFUSALS).items():
        described[status] = _join_replies(replies[status], error) if status in replies else error
    described = {status: described[status] for status in sorted(described)}
    return {"get": {"operationId": operation, "tags": [tag], "summary": summary, "responses": described}}


def _join_replies(own: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """Describe a status that an operation has for two reasons."""
    content = {**own["content"]}
    for media_type, body in error["content"].items():
        known = content.get(media_type)
        content[media_type] = {"schema": {"anyOf": [known["schema"], body["schema"]]}} if known else body
    retry_after = {**HEADERS["Retry-After"], "required": False}
    return {
        "description": f"{own['description']} {error['description']}",
        "headers": {**own["headers"], "Retry-After": retry_after},
        "content": content,
    }


def json_reply(description: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe a reply in JSON of a type."""
    return reply(description, "application/json", reference(kind))


def text_reply(media_type: str) -> dict[str, Any]:
    """Describe a reply that is text."""
    return reply("Text.", media_type, {"type": "string"})


def reply(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a reply."""
    return {
        "description": description,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {media_type: {"schema": schema}},
    }


def reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Refer to a type."""
    return {"$ref": REFERENCE.format(name=kind.__name__)}
