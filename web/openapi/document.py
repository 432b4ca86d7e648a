"""`GET /openapi.json`: what this server takes and answers, as an OpenAPI 3.1 document.

The request's schema is made of the types that decode requests, with this server's own limits and models put in;
the errors come from the one table. The replies' types below only describe: a test holds real replies against them.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

import msgspec
from flask import Blueprint, Response, request

from ... import __version__
from ...service import Settings
from ...service.events.usage import Usage
from ...service.settings.records.chat import InteractionMode
from ...service.settings.starters import Language, Starter
from ..api.error_replies import STATUSES
from ..api.images import IMAGE_PATTERN, MAX_IMAGE_CHARS, MAX_IMAGES
from ..api.json_response import make_json_response
from ..api.request_body import MAX_TEMPERATURE, ChatBody, list_allowed_roles
from ..extension_state import ExtensionState
from .ai_sdk import KINDS as AI_SDK_KINDS
from .ai_sdk import bound_body, describe_ai_sdk
from .conversations import KINDS as CONVERSATION_KINDS
from .conversations import describe_conversations
from .openai_api import KINDS as OPENAI_KINDS
from .openai_api import describe_openai_api, describe_request
from .replies import (
    HEADERS,
    REFERENCE,
    REFUSALS,
    ErrorReply,
    describe_errors,
    get,
    json_reply,
    reference,
    reply,
    text_reply,
)
from .runs import COOKIE_HEADER, RUN_ERRORS, add_stored_answers, describe_runs
from .runs import KINDS as RUN_KINDS

#: Where it is served.
PATH = "/openapi.json"
#: The routes of `operations.py`.
OPERATIONS = ("/health", "/healthz", "/readyz", "/metrics")
# Not only white space, as `str.strip` has it; `\s` means other characters in each dialect.
NOT_BLANK = r"[^\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_TAGS = {
    "chat": "Ask the model.",
    "openai": "What clients of OpenAI's API ask for.",
    "ai-sdk": "What `useChat` of the AI SDK asks for.",
    "runs": "Answers that outlive their connection.",
    "conversations": "A signed-in user's conversations, where the application keeps them.",
    "page": "The chat page, and what it needs.",
    "operations": "What operators and their tools ask.",
}
_TYPES: dict[type, str] = {bool: "boolean", int: "integer", str: "string", type(None): "null"}


class ToolUse(msgspec.Struct):
    """A call of a tool: `arguments` is JSON as the model wrote it. The result's fields are those of `ToolResult`."""

    id: str
    name: str
    arguments: str
    text: str | msgspec.UnsetType = msgspec.UNSET
    is_error: bool | msgspec.UnsetType = msgspec.UNSET
    seconds: float | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET


class BlockReply(msgspec.Struct):
    """A whole answer; `usage` is estimated where the provider did not count."""

    success: Literal[True]
    message: str
    interaction_mode: Literal["block"]
    finish_reason: str
    usage: Usage | None
    reasoning: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[ToolUse] | msgspec.UnsetType = msgspec.UNSET
    custom_events: list[Custom] | msgspec.UnsetType = msgspec.UNSET


class TextFrame(msgspec.Struct):
    """A piece of the answer: joined over all frames, `message` is the whole of it. `reasoning` comes without any."""

    success: Literal[True]
    message: str
    interaction_mode: Literal["stream"]
    reasoning: str | msgspec.UnsetType = msgspec.UNSET


class ToolCall(msgspec.Struct):
    """`arguments` is JSON as the model wrote it. Where `needs_consent` is true, a person is asked first."""

    id: str
    name: str
    arguments: str
    needs_consent: bool | msgspec.UnsetType = msgspec.UNSET


class ToolCallFrame(msgspec.Struct):
    """The model calls a tool."""

    success: Literal[True]
    message: Literal[""]
    interaction_mode: Literal["stream"]
    tool_call: ToolCall


class ToolResult(msgspec.Struct):
    """`text` is what the model was told, after `seconds`; with a `code`, it is Sluice's sentence about a failure."""

    id: str
    name: str
    text: str
    is_error: bool
    seconds: float
    code: str | msgspec.UnsetType = msgspec.UNSET


class ToolResultFrame(msgspec.Struct):
    """A tool of the server has ended. `id` is that of its call."""

    success: Literal[True]
    message: Literal[""]
    interaction_mode: Literal["stream"]
    tool_result: ToolResult


class Custom(msgspec.Struct):
    """`data` is any JSON value of the application."""

    name: str
    data: Any


class CustomFrame(msgspec.Struct):
    """An event of the application, such as a citation, or the progress of its work."""

    success: Literal[True]
    message: Literal[""]
    interaction_mode: Literal["stream"]
    custom: Custom


class DoneFrame(msgspec.Struct):
    """The end of a whole answer; exactly one such frame, or one error, ends every stream."""

    success: Literal[True]
    message: Literal[""]
    interaction_mode: Literal["stream"]
    done: Literal[True]
    finish_reason: str
    usage: Usage | None


class Health(msgspec.Struct):
    """`ok`, `ready`, or a message that names what is wrong."""

    status: str


class PageConfig(msgspec.Struct):
    """What the page needs to know."""

    interaction_mode: InteractionMode
    model: str
    models: list[str]
    demo: bool
    #: Of the costs of answers; empty where no prices are set.
    currency: str
    max_message_chars: int
    max_history: int
    max_body_bytes: int
    allow_system_prompt: bool
    allow_temperature: bool
    images: bool
    resumable: bool
    starters: dict[Language, list[Starter]] | None
    version: str
    user: str


_FRAMES: tuple[type[msgspec.Struct], ...] = (
    DoneFrame, TextFrame, ToolCallFrame, ToolResultFrame, CustomFrame, ErrorReply
)  # fmt: skip


def make_openapi_blueprint(state: ExtensionState, *, with_operations: bool) -> Blueprint:
    """Make the route `/openapi.json`, which describes the routes for operators if they are there."""
    blueprint = Blueprint("openapi", __name__)
    document = make_openapi_document(state.service.settings, is_guest=state.is_guest)
    if not with_operations:
        document["paths"] = {path: item for path, item in document["paths"].items() if path not in OPERATIONS}

    @blueprint.get(PATH)
    def openapi() -> Response:
        # An application may be mounted below a path, under several at once.
        root = request.script_root + request.path.removesuffix(PATH)
        return make_json_response({**document, "servers": [{"url": root or "/"}]})

    return blueprint


def make_openapi_document(settings: Settings, *, is_guest: bool = False) -> dict[str, Any]:
    """Describe a server that runs with these settings.

    Args:
        settings: The server's.
        is_guest: Whether it is an application that has Sluice as an extension, which may keep conversations.
    """
    health = {
        "200": json_reply("It is well.", Health),
        "503": json_reply("It is not, or not yet; the status says why.", Health),
    }
    config = json_reply("The settings.", PageConfig)
    if not settings.storage.is_off:
        config["headers"]["Set-Cookie"] = COOKIE_HEADER
    metrics = {
        "200": text_reply("text/plain"),
        "503": {**text_reply("text/plain"), "description": "The workers' metrics cannot be read now."},
    }
    page = {
        "200": text_reply("text/html"),
        "206": {**text_reply("text/html"), "description": "The part that `Range` asks for."},
        "304": {**text_reply("text/html"), "description": "Not modified: `If-None-Match` names it.", "content": {}},
        "412": {**text_reply("text/html"), "description": "`If-Match` does not name it."},
        "416": json_reply("`invalid_request`: `Range` begins after its end.", ErrorReply),
    }
    errors = _error_replies(settings)
    document = reply("OpenAPI 3.1.", "application/json", {"type": "object"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sluice", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": {
            "/api/chat": {"post": _chat(settings, errors)},
            **describe_ai_sdk(settings, errors),
            **(describe_openai_api(settings, errors) if settings.openai_api.serves == "on" else {}),
            **({} if settings.storage.is_off else describe_runs(_stream())),
            **(describe_conversations() if is_guest else {}),
            "/api/config": get("getConfig", "page", "What the page needs to know", {"200": config}),
            "/healthz": get("getHealth", "operations", "Whether the process and its loop are alive", health),
            "/health": get("getHealthToo", "operations", "The same, where load testers of models look", health),
            "/readyz": get("getReadiness", "operations", "Whether chats are taken now", health),
            "/metrics": get("getMetrics", "operations", "Prometheus metrics of all workers", metrics),
            "/": get("getPage", "page", "The chat page", page),
            PATH: get("getDescription", "operations", "This document", {"200": document}),
        },
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "components": {"schemas": _with_types(_schemas(settings, is_guest=is_guest)), "headers": HEADERS},
    }


def _chat(settings: Settings, errors: dict[str, Any]) -> dict[str, Any]:
    answer = json_reply(
        "The answer, or a stream of `TextFrame`s and others that one `DoneFrame` or `ErrorReply` ends.", BlockReply
    )
    answer["content"]["text/event-stream"] = _stream()
    chat = {
        "operationId": "createChat",
        "tags": ["chat"],
        "summary": "Ask the model",
        "description": "Without `interaction_mode`, `Accept: text/event-stream` asks for a stream; otherwise the "
        f"mode is `{settings.chat.default_mode}`.",
        "requestBody": {
            "description": f"At most {settings.max_chat_body_bytes} bytes.",
            "required": True,
            "content": {"application/json": {"schema": reference(ChatBody)}},
        },
        "responses": {"200": answer, **errors},
    }
    if not settings.storage.is_off:
        add_stored_answers(chat)
    return chat


def _stream() -> dict[str, Any]:
    """Describe one event: OpenAPI 3.1 cannot describe streams; 3.2 describes them so (`itemSchema`)."""
    frame = {"anyOf": [reference(kind) for kind in _FRAMES]}
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": frame}
    return {
        "schema": {"type": "object", "properties": {"id": {"type": "string"}, "data": data}, "required": ["data"]},
        "example": ': ok\n\nid: 1\ndata: {"success": true, "message": "Hello", "interaction_mode": "stream"}\n\n',
    }


def _error_replies(settings: Settings) -> dict[str, Any]:
    without = RUN_ERRORS if settings.storage.is_off else ()
    replies = describe_errors([kind for kind in STATUSES if kind not in without], REFUSALS)
    # Where the provider says when it will be back.
    replies[str(HTTPStatus.BAD_GATEWAY.value)]["headers"]["Retry-After"] = {
        **HEADERS["Retry-After"],
        "required": False,
    }
    replies[str(HTTPStatus.UNSUPPORTED_MEDIA_TYPE.value)]["headers"]["Accept-Encoding"] = {
        "description": "Where the body was compressed.",
        "required": False,
        "schema": {"type": "string", "const": "identity"},
    }
    return replies


def _schemas(settings: Settings, *, is_guest: bool) -> dict[str, Any]:
    kinds: list[type[msgspec.Struct]] = [ChatBody, BlockReply, *_FRAMES, Health, PageConfig]
    kinds += () if settings.storage.is_off else RUN_KINDS
    kinds += CONVERSATION_KINDS if is_guest else ()
    kinds += AI_SDK_KINDS
    kinds += OPENAI_KINDS if settings.openai_api.serves == "on" else ()
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    asked = schemas["ChatBody"]["properties"]
    turn = schemas["Turn"]
    for text in (asked["message"], turn["properties"]["content"]):
        text["maxLength"] = settings.limits.max_message_chars
    asked["message"]["pattern"] = NOT_BLANK
    roles = list_allowed_roles(settings)
    turn["properties"]["role"]["enum"] = list(roles)
    # An answer may be empty: then it is left out.
    turn["if"] = {"properties": {"role": {"enum": [role for role in roles if role != "assistant"]}}}
    turn["then"] = {"properties": {"content": {"pattern": NOT_BLANK}}}
    asked["conversation_history"]["maxItems"] = settings.limits.max_history
    asked["model"] = {"anyOf": [{"enum": list(settings.provider.allowed_models)}, {"type": "null"}], "default": None}
    chat = settings.chat
    for name, switch, value in (
        ("system_prompt", chat.allow_system_prompt, {**asked["message"]}),
        ("temperature", chat.allow_temperature, {"type": "number", "minimum": 0, "maximum": MAX_TEMPERATURE}),
    ):
        asked[name] = {"anyOf": [value, {"type": "null"}] if switch == "on" else [{"type": "null"}], "default": None}
    for images in (asked["images"], turn["properties"]["images"]):
        images["maxItems"] = MAX_IMAGES if chat.allow_images == "on" else 0
        images["items"] = {"type": "string", "pattern": IMAGE_PATTERN, "maxLength": MAX_IMAGE_CHARS}
    turn["allOf"] = [
        {
            "if": {"properties": {"role": {"enum": [role for role in roles if role != author]}}},
            "then": {"properties": {name: {"maxItems": 0}}},
        }
        for name, author in (("images", "user"), ("tool_calls", "assistant"))
    ]
    if settings.storage.is_off:
        asked["on_disconnect"] = {"enum": ["cancel"], "default": "cancel"}
        asked["background"] = {"enum": [False], "default": False}
    bound_body(schemas, asked)
    if settings.openai_api.serves == "on":
        schemas |= describe_request(settings)
    schemas["ErrorReply"]["properties"]["code"]["enum"] = [kind.code for kind in STATUSES]
    return schemas


def _with_types(schema: Any) -> Any:
    """Add the type beside each `enum`, and `const` where there is one value: generators of clients need both."""
    if isinstance(schema, list):
        return [_with_types(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    described = {name: _with_types(part) for name, part in schema.items() if name != "enum"}
    if values := schema.get("enum"):
        types = list(dict.fromkeys(_TYPES[type(value)] for value in values))
        described["type"] = types[0] if len(types) == 1 else types
        described |= {"const": values[0]} if len(values) == 1 else {"enum": values}
    return described
