"""Events -> bytes of a `text/event-stream` whose data are an application's own items. No I/O, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ...service.events.events import Event, Failed, Text
from .error_fields import describe_error

# What ends a line of an event stream (HTML standard, section 9.2).
_LINE_END = re.compile("\r\n|\r|\n")


def encode_items(events: Sequence[Event], first_number: int, request_id: str) -> bytes:
    """Encode each text as one message, the end as an event `done`, and a failure as an event `error`.

    Args:
        events: A run's events, in their order.
        first_number: The number of the first one in its run, which becomes its id; the others have those that follow.
        request_id: The id of the request, for an error's event.
    """
    return b"".join(_frame(event, number, request_id) for number, event in enumerate(events, first_number))


def _frame(event: Event, number: int, request_id: str) -> bytes:
    if isinstance(event, Text):
        kind, data = "", event.text
    elif isinstance(event, Failed):
        kind, data = "event: error\n", json.dumps(describe_error(event.error, request_id), ensure_ascii=False)
    else:
        kind, data = "event: done\n", "{}"
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    # Half of a surrogate pair has no UTF-8.
    return f"{kind}id: {number}\n{lines}\n".encode(errors="replace")
