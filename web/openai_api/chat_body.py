"""A JSON body in OpenAI's form -> a checked chat. What is not interpreted here is passed on as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...service.chat import Chat
from ...service.message import Message
from ...service.settings.settings import Settings
from ..api.request_body import check_length, choice_of
from ..request_errors import InvalidRequest

#: The roles that a message may have.
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
#: Fields that are passed on: OpenAI's, and those of vLLM, llama.cpp, SGLang, Ollama, DeepSeek, Qwen and OpenRouter
#: that change only the answer.
FORWARDED = frozenset((
    "chat_template_kwargs", "enable_thinking", "frequency_penalty", "function_call", "functions", "ignore_eos",
    "include_reasoning", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "min_p",
    "min_tokens", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "reasoning",
    "reasoning_effort", "repetition_penalty", "response_format", "safety_identifier", "seed", "stop",
    "stop_token_ids", "store", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_logprobs", "top_p",
    "user", "verbosity",
))  # fmt: skip
_READ = frozenset(("model", "messages", "stream", "stream_options", "n"))
#: Beyond it, JSON of other languages has no whole numbers.
MOST_TOKENS = 2**53
_LIMITS = ("max_tokens", "max_completion_tokens")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class CompletionRequest(msgspec.Struct, frozen=True):
    """A checked request."""

    chat: Chat
    #: Whether the client wants a chunk of usage at the end of a stream.
    include_usage: bool


def read_completion_request(raw: bytes, settings: Settings, *, run_id: str, user: str) -> CompletionRequest:
    """Check a request.

    Args:
        raw: The body.
        settings: The limits, the allowed models and the system message.
        run_id: The id of the request.
        user: The key of the signed-in user; empty for none.

    Raises:
        InvalidRequest: It is not of OpenAI's form. The error has the status, the reason and the field.
    """
    try:
        body = _decode(raw)
    except UnicodeDecodeError:
        raise InvalidRequest("The body should be UTF-8.") from None
    except (msgspec.MsgspecError, RecursionError):
        # The error's own text may quote bytes of the body.
        raise InvalidRequest('The body should be a JSON object such as {"messages": [...]}.') from None
    _refuse_unknown(body, settings)
    if body.get("n", 1) not in (1, None):
        raise InvalidRequest("`n` should be 1: one answer is made for a request.", field="n")
    model = body.get("model")
    if model is None:
        model = settings.provider.default_model
    elif not isinstance(model, str):
        raise InvalidRequest("`model` should be a string.", field="model")
    elif model not in settings.provider.allowed_models:
        raise refuse_model(settings)
    streams = _read_switch(body, "stream")
    chat = Chat(
        messages=_read_messages(body.get("messages"), settings),
        model=model,
        mode="stream" if streams else "block",
        system=settings.chat.system_prompt,
        extra=_read_extra(body, settings),
        user=user,
        source="openai",
        run_id=run_id,
        forwards=True,
    )
    return CompletionRequest(chat, _read_include_usage(body, streams=streams))


def refuse_model(settings: Settings) -> InvalidRequest:
    """Return the error for a model that the operator does not allow."""
    return InvalidRequest(
        f"`model` should be {choice_of(settings.provider.allowed_models)}.", field="model", status=404
    )


def _refuse_unknown(body: Mapping[str, Any], settings: Settings) -> None:
    unknown = body.keys() - FORWARDED - _READ - set(settings.openai_api.extra_fields)
    if unknown:
        name = min(unknown)[:64]
        raise InvalidRequest(
            f"`{name}` is no field that is passed on here, and should be left out. The operator can allow it by "
            "SLUICE_OPENAI_FIELDS.",
            field=name,
        )


def _read_messages(messages: object, settings: Settings) -> list[Message]:
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("`messages` should be a list of at least one message.", field="messages")
    most = settings.limits.max_history + 1
    if len(messages) > most:
        raise InvalidRequest(f"`messages` should have at most {most} messages.", field="messages", status=413)
    return [_read_message(message, f"messages[{index}]", settings) for index, message in enumerate(messages)]


def _read_message(message: object, place: str, settings: Settings) -> Message:
    if not isinstance(message, dict):
        raise InvalidRequest(f"`{place}` should be an object with `role` and `content`.", field=place)
    if message.get("role") not in ROLES:
        raise InvalidRequest(f"`{place}.role` should be {choice_of(ROLES)}.", field=f"{place}.role")
    content = message.get("content")
    if isinstance(content, str):
        check_length(content, f"{place}.content", settings)
    elif isinstance(content, list):
        for index, part in enumerate(content):
            where = f"{place}.content[{index}]"
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise InvalidRequest(f"`{where}` should be an object with a `type`.", field=where)
            if isinstance(text := part.get("text"), str):
                check_length(text, f"{where}.text", settings)
    elif content is not None:
        raise InvalidRequest(f"`{place}.content` should be a string or a list of parts.", field=f"{place}.content")
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(isinstance(call, dict) for call in calls)):
        raise InvalidRequest(f"`{place}.tool_calls` should be a list of objects.", field=f"{place}.tool_calls")
    checked: Message = {"content": content, **message}  # type: ignore[typeddict-item]  # fields that are passed on
    return checked


def _read_extra(body: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the fields that are passed on, with the limits of tokens lowered to the operator's."""
    extra = {name: value for name, value in body.items() if name not in _READ}
    most = settings.openai_api.max_completion_tokens
    for name in _LIMITS:
        asked = extra.get(name)
        if asked is None:
            continue
        # JSON has one kind of numbers, and 50.0 is a whole one.
        if isinstance(asked, float) and asked.is_integer():
            extra[name] = asked = int(asked)
        if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= MOST_TOKENS:
            raise InvalidRequest(f"`{name}` should be a whole number from 1 to {MOST_TOKENS}.", field=name)
        if most and asked > most:
            extra[name] = most
    return extra


def _read_switch(fields: Mapping[str, Any], name: str, place: str = "") -> bool:
    value = fields.get(name)
    if not isinstance(value, bool | None):
        raise InvalidRequest(f"`{place}{name}` should be true or false.", field=f"{place}{name}")
    return bool(value)


def _read_include_usage(body: Mapping[str, Any], *, streams: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise InvalidRequest("`stream_options` should be an object.", field="stream_options")
    if not streams:
        sentence = "`stream_options` should be left out where `stream` is not true."
        raise InvalidRequest(sentence, field="stream_options")
    return _read_switch(options, "include_usage", "stream_options.")
