"""What a tool's function may know of the run that calls it, and may send to the run's readers."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

# Bytes of one event of the application: as much as a tool may return.
MOST_DATA = 64 * 1024
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


async def _send_nowhere(name: str, data: bytes) -> None:
    """Do nothing: the context was made by a test of the application."""


class ToolError(Exception):
    """A tool has failed, and the model should know why. The text is a sentence for the model, without secrets."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The run that has called a tool."""

    #: The values that the application gave with the chat.
    context: Mapping[str, Any] = field(default_factory=dict)
    #: The key of the signed-in user; empty where the application names none.
    user: str = ""
    #: The id of the request and of its run, for the log.
    run_id: str = ""
    #: The id of this call.
    call_id: str = ""
    _send: Callable[[str, bytes], Awaitable[None]] = _send_nowhere

    async def emit(self, name: str, data: Any) -> None:
        """Send an event of the application to the run's readers, such as `citation` or `progress`. Not the model.

        On the loop. Waits while a slow reader holds the run back.

        Args:
            name: At most 64 letters, digits and `_.-`, a letter first.
            data: Anything JSON can express, at most 64 KiB of it.

        Raises:
            ValueError: The name is another one, or the data is larger.
            TypeError: JSON cannot express the data.
            RuntimeError: The call has ended.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"the event's name is {name!r}; it should have letters, digits and _.-, a letter first")
        encoded = encode_json(data)
        if len(encoded) > MOST_DATA:
            raise ValueError(f"the event {name} has {len(encoded)} bytes; it should have at most {MOST_DATA}")
        await self._send(name, encoded)


def encode_json(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError: JSON cannot express it.
    """
    try:
        # A model of pydantic.
        if callable(dump := getattr(value, "model_dump_json", None)):
            return str(dump()).encode(errors="replace")
        try:
            return msgspec.json.encode(value)
        except UnicodeEncodeError:
            # Half a surrogate pair: only an escape can carry it. Beside it, NaN cannot be written as null.
            return json.dumps(msgspec.to_builtins(value), allow_nan=False).encode()
    except (OverflowError, RecursionError, ValueError) as error:
        raise TypeError(f"JSON cannot express this value: {error}") from None
