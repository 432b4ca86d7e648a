"""The routes for `useChat` of the AI SDK in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...service import Settings
from ..ai_sdk.chat_body import MOST_ID_CHARS, UIChatBody
from .replies import EVENT, get, reference, reply

CHAT_PATH = "/api/ai-sdk"
RESUME_PATH = "/api/ai-sdk/{chat_id}/stream"
STOP_PATH = "/api/ai-sdk/{chat_id}/stop"
KINDS = (UIChatBody,)


def describe_ai_sdk(settings: Settings, errors: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of the paths.

    Args:
        settings: The server's.
        errors: The replies of errors of `/api/chat`.
    """
    stream = reply("A UI message stream, version 1.", "text/event-stream", EVENT)
    nothing = {**reply("Nothing answers the chat now.", "text/plain", {}), "content": {}}
    chat = {
        "operationId": "createMessage",
        "tags": ["ai-sdk"],
        "summary": "Ask the model, as `useChat` of the AI SDK does",
        "requestBody": {
            "description": f"At most {settings.max_chat_body_bytes} bytes.",
            "required": True,
            "content": {"application/json": {"schema": reference(UIChatBody)}},
        },
        "responses": {"200": stream, **errors},
    }
    name = {"name": "chat_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[!-.0-~]+$"}}
    resumed = get(
        "resumeMessage", "ai-sdk", "Read the answer that is being given, from its beginning", {"200": stream}
    )
    resumed["get"]["parameters"] = [name]
    resumed["get"]["responses"] |= {"204": nothing, **{status: errors[status] for status in ("429", "503")}}
    stopped = {
        "operationId": "stopMessage",
        "tags": ["ai-sdk"],
        "summary": "Stop the answer that is being given",
        "parameters": [name],
        "responses": {"204": nothing, **{status: errors[status] for status in ("400", "403", "421", "500", "503")}},
    }
    return {
        CHAT_PATH: {"post": chat},
        RESUME_PATH: resumed,
        STOP_PATH: {"post": stopped},
    }


def bound_body(schemas: dict[str, Any], chat: Mapping[str, Any]) -> None:
    """Put this server's limits into the schema of the request.

    Args:
        schemas: All schemas, by their names.
        chat: The properties of a request to `/api/chat`, whose limits these are.
    """
    properties = schemas["UIChatBody"]["properties"]
    properties["id"] |= {"minLength": 1, "maxLength": MOST_ID_CHARS}
    properties["messages"]["minItems"] = 1
    for name in ("model", "system_prompt", "temperature", "on_disconnect"):
        properties[name] = chat[name]
