"""A run's events <-> bytes for a store: an array in MessagePack for each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..errors import InternalError, Refused, ServiceError, Stopped
from ..events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from ..events.usage import Usage

# The first item of an end's array; those of the other events are the tags of their classes (`events.py`). Stored runs
# outlive a deploy: a number is never given another meaning.
_FINISHED, _FAILED = 3, 4

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class BadPayload(ValueError):
    """The bytes are not of this form: the store is corrupt, or another version has written them."""


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode a batch of events, of which only the last may be an end.

    An error keeps its code and message, and a stop its reason. It loses its `detail` and `retry_after`.
    """
    encoded: Sequence[object] = events
    if events and type(events[-1]) in (Finished, Failed):
        encoded = [*events[:-1], _end_fields(events[-1])]
    try:
        return _encoder.encode(encoded)
    except UnicodeEncodeError:
        # UTF-8 has no halves of surrogate pairs, which occur alone in a model's text. Bytes may have them.
        return _encoder.encode([_with_bytes(each) for each in encoded])


def decode_events(payload: bytes) -> list[Event]:
    """Decode a batch of events.

    Raises:
        BadPayload: The bytes are of another form.
    """
    try:
        return [_event(fields) for fields in _decoder.decode(payload)]
    except (msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
        raise BadPayload(f"a batch of a stored run is not readable: {error}") from None


def _with_bytes(encoded: object) -> object:
    if not isinstance(encoded, msgspec.Struct):
        return encoded
    values = msgspec.structs.astuple(encoded)
    texts = [value.encode(errors="surrogatepass") if isinstance(value, str) else value for value in values]
    return (encoded.__struct_config__.tag, *texts)


def _end_fields(event: Event) -> tuple[object, ...]:
    if type(event) is Finished:
        usage = event.usage
        counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.estimated)
        # Behind the counts: earlier versions read exactly four of them, and skip further items.
        return (_FINISHED, _whole(event.reason), counts, usage and usage.cost, usage.cached_tokens if usage else 0)
    assert type(event) is Failed
    error = event.error
    return (_FAILED, error.code, _whole(error.public_message), error.reason if isinstance(error, Stopped) else "")


def _event(fields: Any) -> Event:
    # The numbers above, as patterns. More items than these are of a later version.
    match fields:
        case [1, str() | bytes() as text, int() as count, *_]:
            return Text(_text(text), count)
        case [2, str() | bytes() as text, int() as count, *_]:
            return Reasoning(_text(text), count)
        case [3, str() as reason, None, *_]:
            return Finished(reason, None)
        case [3, str() as reason, [int() as prompt, int() as completion, int() as total, bool() as estimated], *more]:
            return Finished(reason, Usage(prompt, completion, total, estimated, *_cost_and_cached(more)))
        case [4, str() as code, str() as public_message, str() as reason, *_]:
            return Failed(_error(code, public_message, reason))
        case [5, str() | bytes() as call_id, str() | bytes() as name, str() | bytes() as text, bool() as consent, *_]:
            return ToolCall(_text(call_id), _text(name), _text(text), consent)
        case [6, str() | bytes() as call_id, str() | bytes() as name, str() | bytes() as text, *more]:
            return ToolResult(_text(call_id), _text(name), _text(text), *_outcome(more))
        case [7, str() | bytes() as name, bytes() as data, *_]:
            return Custom(_text(name), data)
    raise ValueError("an array is not that of an event")


def _cost_and_cached(more: list[Any]) -> tuple[float | None, int]:
    """Read the items behind the counts, which earlier versions did not write."""
    match more:
        case [float() | int() | None as cost, int() as cached, *_]:
            return cost, cached
        case _:
            return None, 0


def _outcome(more: list[Any]) -> tuple[bool, float, str]:
    """Read the items behind the text of a tool's result. Earlier versions did not write the code."""
    match more:
        case [bool() as is_error, float() | int() as seconds]:
            return is_error, float(seconds), ""
        case [bool() as is_error, float() | int() as seconds, str() | bytes() as code, *_]:
            return is_error, float(seconds), _text(code)
    raise ValueError("a tool's result has another form")


def _text(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(errors="surrogatepass")


def _whole(text: str) -> str:
    """Return a text of a provider or an application that UTF-8 can have: halves of pairs are replaced."""
    return text.encode(errors="replace").decode()


def _error(code: str, public_message: str, reason: str) -> ServiceError:
    if code == Stopped.code:
        return Stopped(reason, public_message=public_message)
    if code == Refused.code:
        return Refused(public_message)
    if code == InternalError.code:
        # Some errors that are the root of others inherit this code.
        return InternalError(public_message=public_message)
    for kind in _kinds(ServiceError):
        if kind.code == code:
            return kind(public_message=public_message)
    return InternalError(public_message=public_message)


def _kinds(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
