"""Events -> bytes of a `text/event-stream` of chunks, as OpenAI's API has it. No I/O, no clock.

Without ids: the openai client takes a comment behind an id for an event without data, and fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...service.decoding.chunk_writer import to_json
from ...service.decoding.forwarded_chunks import SEPARATOR
from ...service.decoding.json_values import decode_json
from ...service.errors import InternalError, ServiceError
from ...service.events.events import Chunks, Event, Failed, Finished
from ..request_errors import InvalidRequest

_DONE = b"data: [DONE]\n\n"


class OpenAIChunkEncoder:
    """Encodes one stream, of which it remembers what a last chunk of usage needs."""

    def __init__(self, *, include_usage: bool) -> None:
        """Begin a stream.

        Args:
            include_usage: Whether the client has asked for a chunk of usage (`stream_options.include_usage`).
        """
        self._include_usage = include_usage
        self._first = b""

    def __call__(self, events: Sequence[Event], first_number: int, request_id: str) -> bytes:
        """Encode events: chunks as they came, and then `[DONE]` or an error, which is never a finish reason.

        Args:
            events: A run's events, in their order.
            first_number: Unused: these streams cannot be resumed.
            request_id: The id of the request, for an error.
        """
        if len(events) == 1 and type(events[0]) is Chunks:  # a token, nearly always
            chunks = events[0].frames
            self._first = self._first or chunks
            return b"data: %b\n\n" % chunks
        frames: list[bytes] = []
        for event in events:
            if type(event) is Chunks:
                self._first = self._first or event.frames
                frames.append(b"data: %b\n\n" % event.frames)
            elif type(event) is Finished:
                if self._include_usage:
                    frames.append(b"data: %b\n\n" % to_json(self._usage_chunk(event)))
                frames.append(_DONE)
            elif type(event) is Failed:
                frames.append(b"data: %b\n\n" % to_json({"error": describe_openai_error(event.error, request_id)}))
        return b"".join(frames)

    def _usage_chunk(self, end: Finished) -> dict[str, Any]:
        first = decode_json(self._first.partition(SEPARATOR)[0]) if self._first else {}
        head = {name: first[name] for name in ("id", "object", "created", "model") if name in first}
        return {**head, "choices": [], "usage": usage_fields(end)}


def usage_fields(end: Finished) -> Mapping[str, Any] | None:
    """Return the usage of an answer: as the provider sent it, or else what is estimated, marked as such.

    With the cost, where prices are set. OpenRouter sends a `cost` of its own, which stays.
    """
    if end.reported is not None:
        cost = None if end.usage is None else end.usage.cost
        return end.reported if cost is None else {"cost": cost, **end.reported}
    return None if end.usage is None else end.usage.fields()


def describe_openai_error(error: ServiceError, request_id: str, status: int = 500) -> dict[str, Any]:
    """Return the fields of an error in OpenAI's form: safe texts only.

    Args:
        error: What went wrong.
        request_id: The id that finds the request's lines in the log.
        status: The HTTP status that the error has, or would have.
    """
    return {
        "message": f"{error.public_message} (request {request_id})" if error.code == InternalError.code
        else error.public_message,
        "type": _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error"),
        "param": error.field if isinstance(error, InvalidRequest) else None,
        "code": error.code,
    }  # fmt: skip


# As OpenAI's API reference has them.
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
