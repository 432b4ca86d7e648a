# ruff: noqa: E501
"""Refusals of a part of the request, in the words of servers, by the part that they are about."""

from __future__ import annotations

from typing import Any

from sluice.service.provider.refused_parts import Part


def _extra(*place: str) -> list[dict[str, Any]]:
    return [{"type": "extra_forbidden", "loc": list(place), "msg": "Extra inputs are not permitted", "input": {}}]


_SYSTEM = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
_VERIFY = (
    "Your organization must be verified to stream this model. Please go to: https://platform.openai.com/settings"
)

#: Status, body, and the part that is refused.
REFUSALS: dict[str, tuple[int, dict[str, Any], Part]] = {
    "new-api": (
        400,
        {
            "error": {
                "message": "Unknown parameter: 'stream_options'.",
                "param": "stream_options",
                "code": "unknown_parameter",
            }
        },
        Part.USAGE,
    ),
    "Azure": (
        400,
        {"error": {"message": "Unrecognized request argument supplied: stream_options. Please contact us through"}},
        Part.USAGE,
    ),
    "Azure AI": (
        400,
        {
            "detail": "Extra parameters ['stream_options'] are not allowed when extra-parameters is not set or set to be 'error'."
        },
        Part.USAGE,
    ),
    "Mistral on Azure": (
        422,
        {"message": "Validation error at #/stream_options: Extra inputs are not permitted"},
        Part.USAGE,
    ),
    "Mistral": (422, {"object": "error", "message": {"detail": _extra("body", "stream_options")}}, Part.USAGE),
    "FastAPI": (422, {"detail": _extra("body", "stream_options", "include_usage")}, Part.USAGE),
    "by the parameter alone": (400, {"error": {"message": "Bad request", "param": "stream_options"}}, Part.USAGE),
    "OpenAI, not verified": (
        400,
        {
            "error": {
                "message": _VERIFY,
                "type": "invalid_request_error",
                "param": "stream",
                "code": "unsupported_value",
            }
        },
        Part.STREAM,
    ),
    "a server that does not stream": (422, {"detail": _extra("body", "stream")}, Part.STREAM),
    "OpenAI, o1-mini": (
        400,
        {"error": {"message": _SYSTEM, "param": "messages[0].role", "code": "unsupported_value"}},
        Part.SYSTEM,
    ),
    "vLLM, Gemma": (
        400,
        {"object": "error", "message": "System role not supported", "type": "BadRequestError"},
        Part.SYSTEM,
    ),
    "vLLM": (
        400,
        {"error": {"message": "Conversation roles must alternate user/assistant/user/assistant/...", "code": 400}},
        Part.REPEATED_ROLES,
    ),
    "llama.cpp": (
        500,
        {
            "error": {
                "code": 500,
                "message": "Conversation roles must alternate user/assistant",
                "type": "server_error",
            }
        },
        Part.REPEATED_ROLES,
    ),
    "Anthropic-compatible": (
        400,
        {"error": {"message": 'messages: roles must alternate between "user" and "assistant", but found multiple'}},
        Part.REPEATED_ROLES,
    ),
    "Bedrock": (
        400,
        {"message": "A conversation must alternate between user and assistant roles."},
        Part.REPEATED_ROLES,
    ),
    "DeepSeek": (
        400,
        {
            "error": {
                "message": "deepseek-reasoner does not support successive user or assistant messages (messages[1] and"
            }
        },
        Part.REPEATED_ROLES,
    ),
    "Perplexity": (
        400,
        {
            "error": {
                "message": "After the (optional) system message(s), user or tool message(s) should alternate with assistant"
            }
        },
        Part.REPEATED_ROLES,
    ),
}
