"""What `useChat` sends -> a chat request as of `/api/chat`, which has the checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ...service.settings.settings import Settings
from ..api.request_body import ChatBody, EarlierCall, Turn, decode_body
from ..request_errors import InvalidRequest


class UIMessage(msgspec.Struct):
    """A message of the client's own. Of its parts the texts, images and calls of tools are for the model."""

    role: Literal["user", "assistant", "system"]
    parts: list[dict[str, Any]]


class UIChatBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body that `DefaultChatTransport` sends, and what its option `body` may add."""

    #: The chat's id.
    id: str
    messages: list[UIMessage]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    messageId: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    temperature: float | None = None
    on_disconnect: Literal["cancel", "continue"] = "cancel"


_decoder = msgspec.json.Decoder(UIChatBody)
_TOOL = "tool-"
# The fields with what became of a call, by its state.
_RESULTS = {"output-available": "output", "output-error": "errorText"}
# Fields of a chat request that are parts of the last message here.
_OF_LAST = re.compile(r"message|images(\[\d+\])?")
_QUOTED_LAST = re.compile(r"`(message|images(\[\d+\])?)`")
# Ids are made by the client (`generateId`), or by the application.
MOST_ID_CHARS = 200
# The client asks for a kept answer by a path with the id, and Werkzeug's rules and proxies merge slashes.
_IN_A_PATH = re.compile(r"[^/\x00-\x1f]+(/[^/\x00-\x1f]+)*")


def read_ui_chat(raw: bytes, settings: Settings) -> tuple[str, ChatBody]:
    """Read what `useChat` sends.

    Args:
        raw: The body.
        settings: The limits.

    Returns:
        The chat's id, and the request. Besides texts, images and calls with their results, parts are left out:
            reasoning, data.

    Raises:
        InvalidRequest: It is of another form.
    """
    body = decode_body(_decoder, raw, settings)
    if not body.id or len(body.id) > MOST_ID_CHARS:
        raise InvalidRequest(f"`id` should have 1 to {MOST_ID_CHARS} characters.", field="id")
    if body.on_disconnect == "continue" and not _IN_A_PATH.fullmatch(body.id):
        raise InvalidRequest(
            "`id` should be such that a path can have it, where the answer is to be kept: no slash at its ends, no "
            "two in a row, no line ends.",
            field="id",
        )
    if not body.messages or body.messages[-1].role != "user":
        raise InvalidRequest("`messages` should end with a message of the user.", field="messages")
    *history, last = body.messages
    images = [_images(message, f"messages[{index}].parts") for index, message in enumerate(body.messages)]
    return body.id, ChatBody(
        message=_text(last.parts),
        images=images[-1],
        conversation_history=[
            Turn(role=each.role, content=_text(each.parts), images=of_turn, tool_calls=_calls(each))
            for each, of_turn in zip(history, images, strict=False)
        ],
        interaction_mode="stream",
        model=body.model,
        system_prompt=body.system_prompt,
        temperature=body.temperature,
        on_disconnect=body.on_disconnect,
    )


def in_terms_of_messages(error: InvalidRequest, body: ChatBody) -> InvalidRequest:
    """Return an error about the chat request with the names of what the client has sent."""
    last = f"messages[{len(body.conversation_history)}].parts"

    def rename(text: str) -> str:
        text = re.sub(r"conversation_history(\[\d+\])\.(content|images)(\[\d+\])?", r"messages\1.parts", text)
        text = text.replace("conversation_history", "messages")
        return last if _OF_LAST.fullmatch(text) else _QUOTED_LAST.sub(f"`{last}`", text)

    field = None if error.field is None else rename(error.field)
    return InvalidRequest(rename(error.public_message), field=field, status=error.status, headers=error.headers)


def _text(parts: Sequence[dict[str, Any]]) -> str:
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)


def _images(message: UIMessage, place: str) -> list[str]:
    """Return the URLs of the images among a user's files. What an assistant has made is not sent back."""
    if message.role != "user":
        return []
    urls: list[str] = []
    for part in message.parts:
        if part.get("type") == "file":
            if not isinstance(url := part.get("url"), str):
                raise InvalidRequest(f"`{place}` should have files with a `url`.", field=place)
            urls.append(url)
    return urls


def _calls(message: UIMessage) -> list[EarlierCall]:
    """Return the calls of an answer that have ended."""
    if message.role != "assistant":
        return []
    calls: list[EarlierCall] = []
    for part in message.parts:
        kind, name = part.get("type"), part.get("toolName")
        if isinstance(kind, str) and kind.startswith(_TOOL):
            name = kind.removeprefix(_TOOL)
        elif kind != "dynamic-tool" or not isinstance(name, str):
            continue
        result = part.get(_RESULTS.get(str(part.get("state")), ""))
        if result is not None:
            calls.append(EarlierCall(name=name, arguments=_json(part.get("input")), text=_as_text(result)))
    return calls


def _as_text(result: Any) -> str:
    return result if isinstance(result, str) else _json(result)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
