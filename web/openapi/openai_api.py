"""The routes of OpenAI's API in the OpenAPI document: what is checked here; what is passed on may be anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ...service import Settings
from ..openai_api.chat_body import FORWARDED, MOST_TOKENS, ROLES
from .replies import EVENT, REFERENCE, get, json_reply, reference

CHAT_PATH = "/v1/chat/completions"
MODELS_PATH = "/v1/models"
MODEL_PATH = "/v1/models/{model}"
_REQUEST = "OpenAIRequest"


class OpenAIErrorFields(msgspec.Struct):
    """What went wrong, and what would be right."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(msgspec.Struct):
    """A failure: before a stream begins with its status, later as the stream's last frame."""

    error: OpenAIErrorFields


class OpenAIMessage(msgspec.Struct):
    """The message of a completion; further fields as the provider sends them."""

    role: str
    content: str | None


class OpenAIChoice(msgspec.Struct):
    """The only choice of a completion."""

    index: Literal[0]
    message: OpenAIMessage
    finish_reason: str


class OpenAICompletion(msgspec.Struct):
    """A whole answer; further fields as the provider sends them."""

    object: Literal["chat.completion"]
    choices: list[OpenAIChoice]


class OpenAIModel(msgspec.Struct):
    """A model that a request may name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(msgspec.Struct):
    """The models that a request may name."""

    object: Literal["list"]
    data: list[OpenAIModel]


KINDS = (OpenAIError, OpenAICompletion, OpenAIModel, OpenAIModels)


def describe_openai_api(settings: Settings, errors: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of the paths.

    Args:
        settings: The server's.
        errors: The replies of errors of `/api/chat`, which this API has in another form.
    """
    completion = json_reply("The answer, or a stream of the provider's chunks.", OpenAICompletion)
    completion["content"]["text/event-stream"] = {
        "schema": EVENT,
        "example": 'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n',
    }
    unknown = json_reply("`invalid_request`: `model` is none of those that are allowed.", OpenAIError)
    chat = {
        "operationId": "createChatCompletion",
        "tags": ["openai"],
        "summary": "Ask the model, as OpenAI's API has it",
        "description": "Messages, and fields that are not described here, are passed on to the provider.",
        "requestBody": {
            "description": f"At most {settings.max_chat_body_bytes} bytes.",
            "required": True,
            "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name=_REQUEST)}}},
        },
        "responses": {"200": completion, **_in_own_form({**errors, "404": unknown})},
    }
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[!-.0-~]+$"}}
    models = {"200": json_reply("The models.", OpenAIModels)}
    model = {"200": json_reply("The model.", OpenAIModel), "404": unknown}
    return {
        CHAT_PATH: {"post": chat},
        MODELS_PATH: _get("listModels", "The models that a request may name", models),
        MODEL_PATH: _get("getModel", "One of the models", model, [name]),
    }


def describe_request(settings: Settings) -> dict[str, Any]:
    """Return the schemas of the request, by their names."""
    limits = settings.limits
    text = {"maxLength": limits.max_message_chars}
    part = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string"}, "text": text},
    }
    content = {"anyOf": [{"type": "string", **text}, {"type": "array", "items": part}, {"type": "null"}]}
    message = {
        "type": "object",
        "required": ["role"],
        "properties": {"role": {"enum": list(ROLES)}, "content": content},
    }
    count = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_TOKENS}, {"type": "null"}]}
    usage = {"type": "object", "properties": {"include_usage": _switch()}}
    properties: dict[str, Any] = {
        "model": {"anyOf": [{"enum": list(settings.provider.allowed_models)}, {"type": "null"}]},
        "messages": {"type": "array", "minItems": 1, "maxItems": limits.max_history + 1, "items": message},
        "stream": _switch(),
        "stream_options": {"anyOf": [usage, {"type": "null"}]},
        "n": {"enum": [1, None]},
        **{name: {} for name in (*sorted(FORWARDED), *settings.openai_api.extra_fields)},
        "max_tokens": count,
        "max_completion_tokens": count,
    }
    return {
        _REQUEST: {
            "title": _REQUEST,
            "type": "object",
            "required": ["messages"],
            "properties": properties,
            "additionalProperties": False,
            # `stream_options` belongs to streams.
            "if": {"properties": {"stream": {"const": True}}, "required": ["stream"]},
            "then": {},
            "else": {"properties": {"stream_options": {"type": "null"}}},
        }
    }


def _switch() -> dict[str, Any]:
    return {"anyOf": [{"type": "boolean"}, {"type": "null"}]}


def _get(operation: str, summary: str, replies: dict[str, Any], parameters: Sequence[Any] = ()) -> dict[str, Any]:
    described = get(operation, "openai", summary, replies)
    described["get"]["responses"] = _in_own_form(described["get"]["responses"])
    if parameters:
        described["get"]["parameters"] = list(parameters)
    return described


def _in_own_form(replies: Mapping[str, Any]) -> dict[str, Any]:
    """Return replies whose errors are of OpenAI's form. They say, too, whether another try may help."""
    content = {"application/json": {"schema": reference(OpenAIError)}}
    return {
        status: reply if status.startswith("2") else {**reply, "content": content}
        for status, reply in sorted(replies.items())
    }
