"""Write a request in the form of OpenAI's Responses API: messages and fields of the chat API in, fields out.

What has another name or form there is translated. A field that this API does not have is passed on as it is, so that
the provider refuses it: left out here, it would have no effect, and nobody would know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..message import Message, text_of

_INSTRUCTING = ("system", "developer")


def response_fields(messages: Sequence[Message], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a conversation and the further fields of a request.

    Args:
        messages: The whole conversation, oldest first.
        extra: Fields of the chat API, or of this one.

    Returns:
        The fields of the request, with `input` and without `model`. System messages at the beginning are
        `instructions`.
    """
    count = next((at for at, message in enumerate(messages) if message["role"] not in _INSTRUCTING), len(messages))
    instructions = "\n\n".join(filter(None, map(text_of, messages[:count])))
    items = [item for message in messages[count:] for item in _items(message)]
    fields: dict[str, Any] = {"input": items}
    if instructions:
        fields["instructions"] = instructions
    return {**fields, **_translate(extra)}


def _items(message: Message) -> list[dict[str, Any]]:
    """Return the items of one message: its content, and a call of a tool each."""
    role, content = message["role"], message["content"]
    if role == "tool":
        output = content if isinstance(content, str) else _parts(content, "input_text")
        return [{"type": "function_call_output", "call_id": message.get("tool_call_id", ""), "output": output}]
    items: list[dict[str, Any]] = []
    if content:
        written = content if isinstance(content, str) else _parts(content, _text_type(role))
        items.append({"role": role, "content": written})
    return [*items, *(_call(call) for call in message.get("tool_calls") or ())]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    return {
        "type": "function_call",
        "call_id": call.get("id", ""),
        "name": function.get("name", ""),
        "arguments": function.get("arguments", ""),
    }


def _text_type(role: str) -> str:
    return "output_text" if role == "assistant" else "input_text"


def _parts(parts: Sequence[Mapping[str, Any]] | None, text_type: str) -> list[Mapping[str, Any]]:
    return [_part(part, text_type) for part in parts or ()]


def _part(part: Mapping[str, Any], text_type: str) -> Mapping[str, Any]:
    """Translate a part of a content; one of an unknown type is passed on as it is."""
    match part:
        case {"type": "text", "text": text}:
            return {"type": text_type, "text": text}
        case {"type": "image_url", "image_url": {"url": url, **more}}:
            return {"type": "input_image", "image_url": url, "detail": more.get("detail", "auto")}
        case {"type": "file", "file": Mapping() as file}:
            return {"type": "input_file", **file}
    return part


def _translate(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Translate fields of the chat API; those that are of this API already, or of neither, stay as they are."""
    fields = dict(extra)
    for name in ("max_tokens", "max_completion_tokens"):
        if (most := fields.pop(name, None)) is not None:
            fields["max_output_tokens"] = most
    # What is no object stays as it is, for the provider to refuse.
    reasoning = fields.get("reasoning") or {}
    if isinstance(reasoning, Mapping) and (effort := fields.pop("reasoning_effort", None)) is not None:
        fields["reasoning"] = {**reasoning, "effort": effort}
    if isinstance(fields.get("text") or {}, Mapping):
        _translate_text(fields)
    if isinstance(tools := fields.get("tools"), Sequence):
        fields["tools"] = [_tool(tool) for tool in tools]
    if "tool_choice" in fields:
        fields["tool_choice"] = _flat(fields["tool_choice"], "function")
    return fields


def _translate_text(fields: dict[str, Any]) -> None:
    """Move what describes the form of the answer into `text`."""
    text = dict(fields.pop("text", None) or {})
    if (response_format := fields.pop("response_format", None)) is not None:
        text["format"] = _format(response_format)
    if (verbosity := fields.pop("verbosity", None)) is not None:
        text["verbosity"] = verbosity
    if text:
        fields["text"] = text


def _tool(tool: Any) -> Any:
    """Translate a tool. Here functions are strict by default, and need parameters; in the chat API neither holds."""
    flat = _flat(tool, "function")
    if flat is tool:
        return tool
    return {**flat, "parameters": flat.get("parameters") or {"type": "object", "properties": {}},
            "strict": flat.get("strict") or False}  # fmt: skip


def _format(response_format: Any) -> Any:
    return _flat(response_format, "json_schema")


def _flat(value: Any, name: str) -> Any:
    """Put the fields of `value[name]` beside its type, where it has that type and such an object."""
    if isinstance(value, Mapping) and value.get("type") == name and isinstance(inner := value.get(name), Mapping):
        return {"type": name, **inner}
    return value
