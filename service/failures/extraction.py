"""Collect the codes and texts by which a provider names a failure, from any JSON shape.

Shapes that were found: OpenAI's `{"error": {"message", "type", "code"}}`, a string in place of that object, Gemini's
lists and `details`, FastAPI's `detail`, `{"object": "error"}`, and JSON inside a string.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from .retry_after import duration, moment, plain_wait, wait_in_text

# Of one failure. No known failure needs more, and a hostile one costs no more.
READ_CHARS: Final = 8192
READ_VALUES, READ_DEPTH = 200, 8

# Names of the fields that describe a failure. No other is read: a validation error may quote the request in `input`.
_CODE_FIELDS = frozenset(
    [
        "code",
        "type",
        "status",
        "reason",
        "quotaid",
        "error_code",
        "errorcode",
        "error_type",
        "status_code",
        "statuscode",
        "http_status",
    ]
)
_TEXT_FIELDS = frozenset(
    ["message", "msg", "error", "detail", "details", "title", "raw", "description", "error_message", "error_msg"]
)
_NESTED_FIELDS = _TEXT_FIELDS | {"innererror", "metadata", "errors", "violations", "body", "response"}
_PARAM_FIELDS = frozenset(("param", "loc", "parameter"))


@dataclass(slots=True)
class FailureText:
    """The codes and texts of one failure, as the provider wrote them."""

    #: In lower case.
    codes: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    #: The names of request fields that the provider refuses.
    params: list[str] = field(default_factory=list)
    #: HTTP statuses that stand among the codes.
    statuses: list[int] = field(default_factory=list)
    #: Seconds to wait, where a text or a field states them.
    wait: float | None = None
    #: When a limit is lifted, in seconds since 1970.
    reset: float | None = None

    @property
    def text(self) -> str:
        """All texts as one, in lower case, for patterns; at most `READ_CHARS` characters."""
        return "\n".join(self.texts)[:READ_CHARS].lower()

    @classmethod
    def from_body(cls, body: str) -> FailureText:
        """Read the body of a response that refuses a request; it need not be JSON."""
        return cls.from_value(_decoded(body))

    @classmethod
    def from_value(cls, value: object) -> FailureText:
        """Read a decoded JSON value of any shape; bounded in depth and in the number of values."""
        found = cls()
        values_left = READ_VALUES
        waiting: list[tuple[object, int]] = [(value, 0)]
        while waiting and values_left:
            values_left -= 1
            value, depth = waiting.pop(0)
            if isinstance(value, str):
                inner = _decoded(value) if value.lstrip()[:1] in ("{", "[") and depth < READ_DEPTH else value
                if isinstance(inner, str):
                    found.texts.append(inner[:READ_CHARS])
                    found.wait = wait_in_text(inner[:READ_CHARS]) if found.wait is None else found.wait
                else:
                    waiting.append((inner, depth + 1))
            elif isinstance(value, list) and depth < READ_DEPTH:
                waiting.extend((item, depth + 1) for item in value[:READ_VALUES])
            elif isinstance(value, dict) and depth < READ_DEPTH:
                for name, item in list(value.items())[:READ_VALUES]:
                    found._add_field(str(name).lower(), item)
                    if name.lower() in _NESTED_FIELDS:
                        waiting.append((item, depth + 1))
        return found

    def _add_field(self, name: str, item: object) -> None:
        if name in _CODE_FIELDS and isinstance(item, str | int) and not isinstance(item, bool):
            code = str(item).strip().lower()[:200]
            if code.isdigit() and len(code) == 3:
                self.statuses.append(int(code))
            else:
                self.codes.add(code)
        elif name in _PARAM_FIELDS:
            self.params.append(str(item)[:200])
        elif name == "retrydelay" and self.wait is None:
            self.wait = duration(str(item))
        elif name == "headers" and isinstance(item, dict):
            # OpenRouter passes on the headers of the limit that was exceeded.
            lower = {str(key).lower(): str(text) for key, text in list(item.items())[:READ_VALUES]}
            self.wait = self.wait if self.wait is not None else plain_wait(lower.get("retry-after", ""))
            self.reset = moment(lower.get("x-ratelimit-reset", ""))


def _decoded(text: str) -> object:
    """Decode JSON; return the text itself where it is not JSON or was cut off."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
