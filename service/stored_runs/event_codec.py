"""A run's events <-> bytes for a store: an array in MessagePack for each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..errors import InternalError, Refused, ServiceError, Stopped
from ..events.events import Event, Failed, Finished, Reasoning, Text
from ..events.usage import Usage

# The first item of an end's array; those of a text and of reasoning, 1 and 2, are the tags of their classes. Stored
# runs outlive a deploy: a number is never given another meaning.
_FINISHED, _FAILED = 3, 4

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class BadPayload(ValueError):
    """The bytes are not of this form: the store is corrupt, or another version has written them."""


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode a batch of events, of which only the last may be an end.

    An error keeps what its client may see, and loses its `detail`.
    """
    encoded: Sequence[object] = events
    if events and type(events[-1]) not in (Text, Reasoning):
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
    if isinstance(encoded, Text | Reasoning):
        return (encoded.__struct_config__.tag, encoded.text.encode(errors="surrogatepass"), encoded.chunk_count)
    return encoded


def _end_fields(event: Event) -> tuple[object, ...]:
    if type(event) is Finished:
        usage = event.usage
        counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.estimated)
        return (_FINISHED, _whole(event.reason), counts)
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
        case [3, str() as reason, [int() as prompt, int() as completion, int() as total, bool() as estimated], *_]:
            return Finished(reason, Usage(prompt, completion, total, estimated))
        case [4, str() as code, str() as public_message, str() as reason, *_]:
            return Failed(_error(code, public_message, reason))
    raise ValueError("an array is not that of an event")


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
        # Also of errors that are only the root of others.
        return InternalError(public_message=public_message)
    for kind in _kinds(ServiceError):
        if kind.code == code:
            return kind(public_message=public_message)
    return InternalError(public_message=public_message)


def _kinds(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
