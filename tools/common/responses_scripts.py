"""Scripts for the scripted model's `/v1/responses`: events of OpenAI's Responses API, as its server sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.common.model_steps import MODEL_NAME, End, Headers, Step

if TYPE_CHECKING:
    from tools.common.scripted_model import Wire

_TEXTS = ("response.output_text.delta", "response.refusal.delta", "response.reasoning_summary_text.delta")


@dataclass(frozen=True, slots=True)
class ResponseEvent:
    """Send one event. It counts as a token where it has text.

    Args:
        type: Its type.
        fields: Its other fields.
    """

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    async def play(self, wire: Wire) -> None:
        """Send it."""
        await wire.send_body(self.encode(), tokens=self.type in _TEXTS)

    def encode(self) -> bytes:
        """Return the event as one server-sent event."""
        data = json.dumps({"type": self.type, "sequence_number": 0, **self.fields}, ensure_ascii=False)
        return f"event: {self.type}\ndata: {data}\n\n".encode()


def response(status: str, output: Iterable[Mapping[str, Any]] = (), **fields: Any) -> dict[str, Any]:
    """Return a whole response object."""
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 0,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": MODEL_NAME,
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **fields,
    }


def message(*texts: str) -> dict[str, Any]:
    """Return an item of an output: a message with these texts."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return an item of an output: a call of a function."""
    return {"id": f"fc_{call_id}", "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def response_usage(input_tokens: int, output_tokens: int, cached: int = 0) -> dict[str, Any]:
    """Return token counts as the API writes them."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def began() -> tuple[Step, ...]:
    """Return the steps that accept a request: the headers, and the events before the first text."""
    item = {**message(), "status": "in_progress"}
    return (
        Headers(),
        ResponseEvent("response.created", {"response": response("in_progress")}),
        ResponseEvent("response.in_progress", {"response": response("in_progress")}),
        ResponseEvent("response.output_item.added", {"output_index": 0, "item": item}),
    )


def text(delta: str, *, output_index: int = 0, type: str = "response.output_text.delta", **fields: Any) -> Step:
    """Return the step that sends a part of a text."""
    if type == "response.output_text.delta":
        fields["logprobs"] = []
    return ResponseEvent(
        type, {"item_id": "msg_1", "output_index": output_index, "content_index": 0, "delta": delta, **fields}
    )


def called(output_index: int, call_id: str, name: str, *arguments: str) -> tuple[Step, ...]:
    """Return the steps that call a function, with its arguments in these parts."""
    whole = call(call_id, name, "".join(arguments))
    of = {"output_index": output_index, "item_id": whole["id"]}
    return (
        ResponseEvent("response.output_item.added", {**of, "item": {**whole, "arguments": ""}}),
        *(ResponseEvent("response.function_call_arguments.delta", {**of, "delta": part}) for part in arguments),
        ResponseEvent("response.function_call_arguments.done", {**of, "arguments": whole["arguments"]}),
        ResponseEvent("response.output_item.done", {**of, "item": whole}),
    )


def ended(status: str = "completed", output: Iterable[Mapping[str, Any]] = (), **fields: Any) -> tuple[Step, ...]:
    """Return the steps that end a response with this status."""
    return (ResponseEvent(f"response.{status}", {"response": response(status, output, **fields)}), End())


def response_reply(*texts: str, usage: Mapping[str, Any] | None = None) -> tuple[Step, ...]:
    """Return the script of a whole answer."""
    return (*began(), *map(text, texts), *ended(output=[message("".join(texts))], usage=usage))


def bytes_of(steps: Iterable[Step]) -> bytes:
    """Return the body that the events of a script send, for scripts that cut it up or spoil it."""
    return b"".join(step.encode() for step in steps if isinstance(step, ResponseEvent))
