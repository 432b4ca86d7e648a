"""A run's events <-> bytes for a store: an array in MessagePack for each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..errors import InternalError, Refused, ServiceError, Stopped
from ..events.events import Event, Failed, Finished, Reasoning, Text
from ..events.usage import Usage

# The first item of an event's array. Stored runs outlive a deploy: a number is never given another meaning.
_TEXT, _REASONING, _FINISHED, _FAILED = 1, 2, 3, 4

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class BadPayload(ValueError):
    """The bytes are not of this form: the store is corrupt, or another version has written them."""


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode a batch of events. An error keeps what its client may see, and loses its `detail`."""
    return _encoder.encode([_fields(event) for event in events])


def decode_events(payload: bytes) -> list[Event]:
    """Decode a batch of events.

    Raises:
        BadPayload: The bytes are of another form.
    """
    try:
        return [_event(fields) for fields in _decoder.decode(payload)]
    except (msgspec.DecodeError, TypeError, ValueError, LookupError) as error:
        raise BadPayload(f"a batch of a stored run is not readable: {error}") from None


def _fields(event: Event) -> tuple[object, ...]:
    if type(event) is Text:
        # UTF-8 has no halves of surrogate pairs, which occur alone in a model's text.
        return (_TEXT, event.text.encode(errors="surrogatepass"), event.chunk_count)
    if type(event) is Reasoning:
        return (_REASONING, event.text.encode(errors="surrogatepass"), event.chunk_count)
    if type(event) is Finished:
        usage = event.usage
        counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.estimated)
        return (_FINISHED, event.reason, counts)
    assert type(event) is Failed
    error = event.error
    return (_FAILED, error.code, error.public_message, error.reason if isinstance(error, Stopped) else "")


def _event(fields: Any) -> Event:
    kind = fields[0]
    if kind == _TEXT:
        return Text(fields[1].decode(errors="surrogatepass"), fields[2])
    if kind == _REASONING:
        return Reasoning(fields[1].decode(errors="surrogatepass"), fields[2])
    if kind == _FINISHED:
        return Finished(fields[1], None if fields[2] is None else Usage(*fields[2]))
    if kind == _FAILED:
        return Failed(_error(*fields[1:4]))
    raise ValueError(f"no event has the kind {kind!r}")


def _error(code: str, public_message: str, reason: str) -> ServiceError:
    if code == Stopped.code:
        return Stopped(reason, public_message=public_message)
    if code == Refused.code:
        return Refused(public_message)
    for kind in _kinds(ServiceError):
        if kind.code == code:
            return kind(public_message=public_message)
    return InternalError(public_message=public_message)


def _kinds(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
